"""Coefficients that jump: Ito's law, the density times Sigma goes on continuously."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from measures import distance, fitted_order
from scipy.integrate import quad
from scipy.sparse.linalg import spsolve

import fokkerplanck as fp
from fokkerplanck.operators.generator import generator
from fokkerplanck.operators.potential import loss_jump
from fokkerplanck.operators.regularity import irregularity
from fokkerplanck.operators.thermodynamic_force import Force
from fokkerplanck.particles.methods import default_step
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.schemes import choose_scheme
from fokkerplanck.timestepping.system import System

INPUTS = Path(__file__).parent / "inputs"
PERIODIC = {"range": (-1.0, 1.0), "boundary": "periodic"}
WEAK, STRONG = [[1.0, 0.3], [0.3, 0.8]], [[0.4, -0.2], [-0.2, 1.5]]
FIELDS = ("formula", "callable")


def jumping(kind: str, condition: str, low: object, high: object) -> object:
    """Sigma with one value where a condition holds and another elsewhere; numbers or matrices."""
    if kind == "formula":
        if isinstance(low, float):
            return f"where({condition}, {low}, {high})"
        return [
            [f"where({condition}, {a}, {b})" for a, b in zip(*rows, strict=True)]
            for rows in zip(low, high, strict=True)
        ]
    first, last = np.atleast_2d(low), np.atleast_2d(high)

    def sigma(*points: np.ndarray) -> np.ndarray:
        places = dict(zip("xy", points, strict=False))
        there = eval(condition, {"abs": np.abs}, places)
        d, shape = len(points), (*([1] * points[0].ndim),)
        one = first if len(first) == d else first[0, 0] * np.eye(d)
        other = last if len(last) == d else last[0, 0] * np.eye(d)
        return np.where(there, one.reshape(d, d, *shape), other.reshape(d, d, *shape))

    return sigma


def rest(problem: Problem, cells: int) -> tuple[np.ndarray, bool]:
    found = stationary(generator(problem, problem.grid(cells)), problem)
    return found.density, found.detailed_balance


def test_input_jump_sigma() -> None:
    # A caution would be an error here: a wall that is meant cuts nothing off.
    result = fp.run(fp.load_case(INPUTS / "jump_sigma.toml"))
    x = result.grid.centers[0]
    assert result.mean[-1, 0] == pytest.approx(-0.3, abs=1e-6)
    assert result.density[-1][x < 0].sum() * result.grid.cell_volume == pytest.approx(0.8, abs=1e-6)
    assert any("Sigma" in note for note in result.notes if note.startswith("scheme"))


@pytest.mark.parametrize("place", [0.0, 0.137, 0.96])
@pytest.mark.parametrize("kind", FIELDS)
def test_means_of_cells_are_exact_wherever_the_jump_is(kind: str, place: float) -> None:
    """Also in the last half cell before a side."""
    problem = Problem("0", jumping(kind, f"x < {place}", 1.0, 4.0), 1.0, {"x": (-1, 1)})
    grid = problem.grid(20)
    lower, upper = grid.bounds[0].T
    below = np.clip((place - lower) / (upper - lower), 0.0, 1.0)
    exact = below + (1.0 - below) / 4.0
    density, balanced = rest(problem, 20)
    assert balanced
    np.testing.assert_allclose(density, exact / grid.integrate(exact), rtol=1e-7)


@pytest.mark.parametrize("kind", FIELDS)
@pytest.mark.parametrize("condition", ["x + 0.6*y < 0.3", "x*x + y*y < 0.5"])
def test_oblique_jump_in_two_dimensions(kind: str, condition: str) -> None:
    problem = Problem("0", jumping(kind, condition, 1.0, 4.0), 1.0, {"x": (-1, 1), "y": (-1, 1.2)})
    fine = problem.grid(900)
    weights = 1.0 / problem.sigma_at(fine.points)[0, 0]
    exact = [float((weights * p**2).sum() / weights.sum()) for p in fine.points]
    for cells, tolerance in ((12, 4e-3), (48, 4e-4)):
        grid = problem.grid(cells)
        density, balanced = rest(problem, cells)
        assert balanced
        found = [float(grid.integrate(density * p**2)) for p in grid.points]
        assert found == pytest.approx(exact, abs=tolerance)


@pytest.mark.parametrize("kind", FIELDS)
def test_full_tensor_that_jumps(kind: str) -> None:
    """Across a line of constant x the law is 1/Sigma_xx, though Sigma jumps to no multiple."""
    sigma = jumping(kind, "abs(x) < 0.5", WEAK, STRONG)
    density, balanced = rest(Problem("0", sigma, 1.0, {"x": PERIODIC, "y": PERIODIC}), 16)
    x = np.linspace(-0.9375, 0.9375, 16)[:, None]
    exact = np.where(np.abs(x) < 0.5, 1.0, 1.0 / 0.4) * np.ones((16, 16))
    assert not balanced
    np.testing.assert_allclose(density, exact / exact.mean() / 4.0, rtol=1e-8)


@pytest.mark.parametrize("kind", FIELDS)
def test_full_tensor_that_jumps_to_a_multiple_of_itself(kind: str) -> None:
    more = (2.5 * np.array(WEAK)).tolist()
    problem = Problem(
        "0", jumping(kind, "x*x + y*y < 0.4", WEAK, more), 1.0, {"x": PERIODIC, "y": PERIODIC}
    )
    grid = problem.grid(16)
    exact = 1.0 / problem.sigma_at(grid.points)[0, 0]
    density, balanced = rest(problem, 16)
    assert balanced == (kind == "formula")
    np.testing.assert_allclose(density, exact / grid.integrate(exact), rtol=1e-8)


@pytest.mark.parametrize("kind", FIELDS)
def test_mean_exit_time_is_of_order_two(kind: str) -> None:
    """Sigma tau'' = -1 with a continuous tau', from a reflecting to an absorbing side."""
    place, low, high = 0.137, 1.0, 4.0

    def fallen(x: np.ndarray) -> np.ndarray:
        first = np.minimum(x, place) + 1.0
        further = np.maximum(x - place, 0.0)
        return first**2 / (2 * low) + (place + 1.0) / low * further + further**2 / (2 * high)

    box = {"x": {"range": (-1, 1), "boundary": ("reflecting", "absorbing")}}
    problem = Problem("0", jumping(kind, f"x < {place}", low, high), 1.0, box)
    errors = []
    for cells in (25, 400):
        grid = problem.grid(cells)
        matrix = generator(problem, grid).to_scipy()
        found = spsolve((-matrix.T).tocsc(), np.ones(cells))
        errors.append(np.abs(found - fallen(np.array(1.0)) + fallen(grid.centers[0])).max())
    # By 256 for order two; what the place in the cell does comes on top.
    assert errors[0] < 1e-3
    assert errors[1] < errors[0] / 100


def test_sigma_that_changes_in_time_rests_where_its_shape_does() -> None:
    sigma = "(1 + 0.5*sin(3*t))*where(x < 0.137, 1, 4)"
    problem = Problem("0", sigma, 1.0, {"x": (-1, 1)})
    grid = problem.grid(20)
    start, _ = rest(Problem("0", "where(x < 0.137, 1, 4)", 1.0, {"x": (-1, 1)}), 20)
    found = evolve(problem, grid, start, [0.0, 0.2]).density[-1]
    assert distance(grid, found, start) <= 1e-9


@pytest.mark.parametrize("side", ["reflecting", "periodic"])
def test_force_that_jumps_with_a_sigma_that_varies(side: str) -> None:
    """Least absolute deviations: Psi to rounding, though the gradient jumps inside an edge."""
    loss, sigma = "abs(x - 0.09) + abs(x + 0.31)", "1 + 0.5*cos(pi*x)"
    if side == "periodic":
        loss, sigma = "abs(sin(pi*(x - 0.09)))", "1 + 0.5*cos(pi*(x - 0.09))"
    box = {"x": {"range": (-1.0, 1.0), "boundary": side}}
    problem = Problem(loss, sigma, 3.0, box)
    grid = problem.grid(20)

    def force(x: float) -> float:
        point = [np.array(x)]
        return -3.0 * float(problem.gradient_at(point)[0] / problem.sigma_at(point)[0, 0])

    def work(a: float, b: float) -> float:
        return quad(force, a, b, points=[p for p in (-0.91, -0.31, 0.09) if a < p < b])[0]

    x = grid.centers[0]
    exact = np.cumsum([0.0, *(work(a, b) for a, b in pairwise(x))])
    exact -= np.log(problem.sigma_at([x])[0, 0])
    psi = generator(problem, grid).potential.values
    assert psi is not None
    assert np.ptp(psi + exact) <= 1e-10


def test_current_through_a_jump_at_a_periodic_wrap() -> None:
    """p = Sigma rho is continuous and periodic, and c p/Sigma - p' is the current."""
    push = 0.8
    exact = []
    for cells in (16, 32, 64):
        problem = Problem("0", "1 + 0.3*x", 1.0, {"x": PERIODIC}, drift=[str(push)])
        grid = problem.grid(cells)
        built = generator(problem, grid)
        found = stationary(built, problem)
        current = float(built.wrap_currents(found.density)[0]) * float(grid.spacing[0])
        exact.append(current)
    # p' = c p/Sigma - J: p(x) = Sigma^a (C - J int Sigma^-a), a = c/0.3, and int p/Sigma = 1.
    a = push / 0.3

    def inner(x: float) -> float:
        return quad(lambda s: (1 + 0.3 * s) ** -a, -1, x)[0]

    low, high = 0.7**a, 1.3**a
    constant = high * inner(1.0) / (high - low)
    mass = quad(lambda x: (1 + 0.3 * x) ** (a - 1) * (constant - inner(x)), -1, 1)[0]
    errors = np.abs(np.array(exact) - 1.0 / mass)
    assert errors[-1] < 1e-4
    assert fitted_order([1 / 16, 1 / 32, 1 / 64], errors) == pytest.approx(2.0, abs=0.15)


@pytest.mark.parametrize(
    ("loss", "sigma", "named"),
    [
        ("x**2", "where(x < 0.1, 1, 2)", "Sigma"),
        ("abs(x - 0.1)", "1", "drift"),
        ("max(0, 1 - x)**2", "1", "drift"),
        (lambda x: np.abs(x - 0.1), "1", "drift"),
        ("exp(-10*x**2)", "1 + x**2", ""),
        ("x**6", lambda x: 1 + 0.5 * np.tanh(5 * x), ""),
    ],
)
def test_high_order_keeps_away_from_jumps_and_kinks(
    loss: object, sigma: object, named: str
) -> None:
    problem = Problem(loss, sigma, 4.0, {"x": (-3, 3)})
    grid = problem.grid(64)
    assert irregularity(problem, grid).startswith(f"the {named}" if named == "drift" else named)
    assert bool(irregularity(problem, grid)) == bool(named)
    if named:
        scheme, why = choose_scheme("auto", "auto", System(problem, grid), [0.0, 1.0])
        assert scheme.order == 2
        assert named in why


def test_loss_that_jumps_is_told_and_does_not_act() -> None:
    box = {"x": (-1, 1)}
    problem = Problem("x**2 + where(x < 0.3, 0, 1)", 1.0, 2.0, box)
    grid = problem.grid(40)
    found = loss_jump(Force(problem, grid))
    assert found is not None
    assert found[0] == pytest.approx(1.0, abs=0.1)
    assert "0.275" in found[1]
    assert "0.325" in found[1]
    density, _ = rest(problem, 40)
    assert distance(grid, density, rest(Problem("x**2", 1.0, 2.0, box), 40)[0]) <= 1e-12
    assert loss_jump(Force(Problem("abs(x) + max(x, 0)", 1.0, 2.0, box), grid)) is None


def test_step_of_walkers_does_not_shrink_with_the_cells_at_a_jump() -> None:
    problem = Problem("x**2/2", "where(x < 0, 1, 4)", 1.0, {"x": (-1, 1)})
    steps = [default_step(problem, problem.grid(cells), 1) for cells in (100, 400)]
    assert steps[0] == pytest.approx(steps[1], rel=0.1)
    assert 1e-5 < steps[0] < 1e-3
