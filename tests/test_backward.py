"""Elimination without subtraction: against dense and exact twins, and over long times."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from fields import random_density, settings_of
from hypothesis import assume, given
from hypothesis import strategies as st
from measures import examples

from fokkerplanck import CaseError, Problem, generator
from fokkerplanck.linear_solvers.backward import BackwardSolver
from fokkerplanck.linear_solvers.dissection import dissect
from fokkerplanck.passage.arrival import arrival, expectation
from fokkerplanck.passage.targets import Region, kill
from fokkerplanck.timestepping.steppers import STEPPERS
from fokkerplanck.timestepping.system import System


def killed_at_random(data: st.DataObject):
    """A random generator ended in some random cells."""
    # Stronger anisotropy leaves one-way edges, and cells without a way out.
    setting = data.draw(settings_of(decades=1.0))
    found = generator(setting.problem, setting.grid)
    count = data.draw(st.integers(1, 3))
    cells = np.random.default_rng([517, data.draw(st.integers(0, 99))]).choice(
        found.grid.size, count, replace=False
    )
    mask = np.zeros(found.grid.size, dtype=bool)
    mask[cells] = True
    return setting.problem, kill(found, [Region.of(found.grid, mask, "target")])


@examples
@given(data=st.data())
def test_both_equations_against_dense_solves(data: st.DataObject) -> None:
    _, killed = killed_at_random(data)
    solver = BackwardSolver(killed.generator, killed.free)
    free = killed.free.reshape(-1)
    matrix = -killed.generator.to_scipy().toarray()[np.ix_(free, free)]
    # Where times are longer the twin itself is lost; see the test in 60 digits below.
    assume(np.linalg.cond(matrix) < 1e7)
    source = np.random.default_rng(77).uniform(0.0, 1.0, free.size)
    for solve, dense in ((solver.solve, matrix.T), (solver.solve_forward, matrix)):
        found = solve(source)
        assert not found[~free].any()
        np.testing.assert_allclose(found[free], np.linalg.solve(dense, source[free]), rtol=1e-8)
        assert (found[free] > 0.0).all()


@examples
@given(data=st.data())
def test_whatever_leaves_leaves_somewhere(data: st.DataObject) -> None:
    """Exit probabilities of all ways out sum to one, also where the way is long."""
    _, killed = killed_at_random(data)
    solver = BackwardSolver(killed.generator, killed.free)
    ways = range(2 * killed.generator.grid.ndim + 1)
    total = sum(solver.solve(killed.generator.exit_rates(way)) for way in ways)
    np.testing.assert_allclose(total[killed.free.reshape(-1)], 1.0, rtol=1e-12)


@pytest.mark.parametrize(
    ("shape", "reach", "periodic"),
    [((40,), (1,), (True,)), ((13, 17), (2, 1), (True, False)), ((7, 8, 9), (1, 2, 1), (1, 1, 0))],
)
def test_dissection_separates(shape, reach, periodic) -> None:
    """Each free cell once, children before parents, and no edge between two subtrees."""
    size = int(np.prod(shape))
    free = np.random.default_rng(3).random(size) > 0.1
    tree = dissect(shape, reach, periodic, free)
    assert sorted(tree.order) == list(np.flatnonzero(free))
    # Above every node stand all nodes it may share an edge with.
    stack, parent = [], np.full(tree.children.size, -1)
    for node, count in enumerate(tree.children):
        for _ in range(count):
            parent[stack.pop()] = node
        stack.append(node)
    assert len(stack) == 1
    node_of = np.full(size, -1)
    node_of[tree.order] = np.repeat(np.arange(tree.children.size), np.diff(tree.first))
    index = np.stack(np.unravel_index(np.arange(size), shape), axis=1)
    for step in np.ndindex(*(2 * r + 1 for r in reach)):
        moved = index + np.array(step) - reach
        moved = np.where(periodic, moved % shape, moved)
        inside = ((moved >= 0) & (moved < shape)).all(axis=1)
        ends = np.ravel_multi_index(tuple(moved[inside].T), shape)
        for a, b in zip(node_of[inside], node_of[ends], strict=True):
            if a >= 0 and b >= 0:
                low, high = min(a, b), max(a, b)
                while 0 <= low < high:
                    low = parent[low]
                assert low == high


def test_times_beyond_all_rounding() -> None:
    """Mean times of 1e33 in one dimension, against the double sum in 60 digits."""
    problem = Problem(loss="x**4/4 - x**2/2", sigma=1.0, beta=300.0, domain={"x": (-2.0, 2.0)})
    found = generator(problem, problem.grid(48))
    target = Region.of(found.grid, found.grid.centers[0] > 0.0, "target")
    killed = kill(found, [target])
    time = BackwardSolver(killed.generator, killed.free).solve(np.ones(48))
    with mpmath.workdps(60):
        ahead = [mpmath.mpf(rate) for rate in found.rates.forward[0]]
        back = [mpmath.mpf(rate) for rate in found.rates.backward[0]]
        # From cell i the next cell is reached after (1 + back_(i-1) wait_(i-1))/ahead_i.
        waits = []
        for i in range(24):
            waits.append((1 + (back[i - 1] * waits[i - 1] if i else 0)) / ahead[i])
        exact = [float(sum(waits[i:])) for i in range(24)]
    np.testing.assert_allclose(time[:24], exact, rtol=1e-13)
    assert time[0] > 1e30


def test_cells_without_a_way_out_are_named() -> None:
    problem = Problem(drift=["1.0", "0"], sigma=[1.0, 0.0], domain={"x": (0, 1), "y": (0, 1)})
    found = generator(problem, problem.grid(6))
    target = Region.of(found.grid, found.grid.points[1] + 0 * found.grid.points[0] > 0.5, "target")
    killed = kill(found, [target])
    with pytest.raises(CaseError, match="no path leads to it from 18 of the 18 cells"):
        BackwardSolver(killed.generator, killed.free)


@examples
@given(data=st.data())
def test_expectations_are_the_adjoint_of_densities(data: st.DataObject) -> None:
    """<f, exp(tA) rho> = <exp(tA^T) f, rho>, with exits and without (42)."""
    problem, killed = killed_at_random(data)
    found, grid = killed.generator, killed.generator.grid
    density = random_density(grid, 5)
    values = np.random.default_rng(11).normal(size=grid.shape)
    times = [3.0 / found.q, 50.0 / found.q]
    backward = expectation(found, values, times)
    for time, expected in zip(times, backward, strict=True):
        system = System(problem, grid)
        system._generator = found
        later = STEPPERS["uniformization"].step(system, density.reshape(-1), 0.0, time)
        one, other = float(values.reshape(-1) @ later), float((expected * density).sum())
        assert one == pytest.approx(other, abs=1e-12 * float(np.abs(values * density).sum()))


def test_expectations_over_long_times_by_krylov() -> None:
    """E[x] and E[x^2] of an Ornstein-Uhlenbeck process from every start."""
    problem = Problem(loss="x**2/2", sigma=1.0, beta=1.0, domain={"x": (-9.0, 9.0)})
    grid = problem.grid(720)
    x = grid.centers[0]
    first = expectation(generator(problem, grid), x, [0.5, 2.0])
    second = expectation(generator(problem, grid), x**2, [2.0])[0]
    inner = np.abs(x) < 3.0
    for time, found in zip((0.5, 2.0), first, strict=True):
        np.testing.assert_allclose(found[inner], (x * np.exp(-time))[inner], atol=2e-4)
    exact = x**2 * np.exp(-4.0) + 1.0 - np.exp(-4.0)
    np.testing.assert_allclose(second[inner], exact[inner], atol=2e-4)
    with pytest.raises(CaseError, match="rise"):
        expectation(generator(problem, grid), x, [2.0, 1.0])


def test_arrivals_against_dense_exponentials() -> None:
    """Survival and density of the time of arrival, one tiny cut edge included."""
    problem = Problem(
        loss="x**2/2 + y**2", drift=["-y", "x"], sigma=[[1.0, 0.3], [0.3, 0.5]], beta=2.0,
        domain={"x": {"range": (-2, 2), "boundary": "absorbing"}, "y": (-2, 2)},
    )  # fmt: skip
    found = generator(problem, problem.grid(12))
    centers = found.grid.centers[0]
    edge = centers[8] + 1e-9
    killed = kill(found, [Region.of(found.grid, lambda p: p[0] > edge + 0 * p[1], "target")])
    start = np.zeros(found.grid.shape)
    start[3, 5] = 1.0 / found.grid.cell_volume
    times = np.linspace(0.0, 2.0, 9)
    got = arrival(killed.generator, start, times, [0, 4], killed.free)
    free = killed.free.reshape(-1)
    matrix = killed.generator.to_scipy().toarray()[np.ix_(free, free)]
    # The step of the twin: its fastest rate is 1e9, so that the exponential is taken by modes.
    values, vectors = np.linalg.eig(matrix)
    begin = np.linalg.solve(vectors, start.reshape(-1)[free] + 0j)
    rates = [killed.generator.exit_rates(side)[free] for side in (0, 4)]
    for n, time in enumerate(times):
        state = (vectors @ (np.exp(values * time) * begin)).real * found.grid.cell_volume
        assert got.survival[n] == pytest.approx(state.sum(), abs=1e-7)
        assert got.density[n] == pytest.approx([float(r @ state) for r in rates], abs=1e-5)


def test_one_way_edges_do_not_lead_back() -> None:
    """A drift without noise carries the lower half away from the target."""
    problem = Problem(drift=["0", "y - 0.45"], sigma=[1.0, 0.0], domain={"x": (0, 1), "y": (0, 1)})
    found = generator(problem, problem.grid(8))
    y = found.grid.points[1] + 0.0 * found.grid.points[0]
    killed = kill(found, [Region.of(found.grid, y > 0.7, "target")])
    # What is below 0.375 only goes down.
    with pytest.raises(CaseError, match="from 24 of the 48 cells"):
        BackwardSolver(killed.generator, killed.free)


@pytest.mark.parametrize("stepper", ["chebyshev", "krylov", "implicit", "exponential"])
def test_steppers_do_not_restore_what_a_target_took(stepper: str) -> None:
    """The box is closed, but its target is not."""
    problem = Problem(loss="x**2/2", beta=2.0, domain={"x": (-3.0, 3.0)})
    found = generator(problem, problem.grid(30))
    target = Region.of(found.grid, found.grid.centers[0] > 1.0, "target")
    killed = kill(found, [target])
    start = np.where(killed.free, np.exp(-(found.grid.centers[0] ** 2)), 0.0)
    system = System(problem, found.grid)
    system._generator = killed.generator
    later = STEPPERS[stepper].step(system, start, 0.0, 0.01)
    matrix = np.eye(30) - 0.01 * killed.generator.to_scipy().toarray()
    exact = np.linalg.solve(matrix, start)
    if stepper != "implicit":
        values, vectors = np.linalg.eig(killed.generator.to_scipy().toarray())
        exact = (vectors @ (np.exp(0.01 * values) * np.linalg.solve(vectors, start))).real
    np.testing.assert_allclose(later, exact, atol=1e-10)
    assert later.sum() < start.sum() * (1.0 - 1e-4)
