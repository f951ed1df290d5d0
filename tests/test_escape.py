"""Basins, mean times between minima, the coarse chain and Eyring-Kramers rates."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only, examples

from fokkerplanck import CaseError, Problem, generator
from fokkerplanck.grid import Grid
from fokkerplanck.passage.escape import escape
from fokkerplanck.passage.kramers import passage_times
from fokkerplanck.stationary.basins import basins, passes
from fokkerplanck.stationary.stationary import stationary


def wells(problem: Problem, cells):
    found = generator(problem, problem.grid(cells))
    return found, escape(found, problem, stationary(found, problem))


def descended(grid: Grid, values: np.ndarray) -> np.ndarray:
    """Slow twin of the watershed: walk down cell by cell."""
    result = np.zeros(grid.shape, dtype=int)
    for cell in np.ndindex(*grid.shape):
        here = cell
        while True:
            near = []
            for step in np.ndindex(*(3,) * grid.ndim):
                moved = np.array(here) + step - 1
                for i, axis in enumerate(grid.domain.axes):
                    if axis.periodic:
                        moved[i] %= grid.shape[i]
                if ((moved >= 0) & (moved < grid.shape)).all():
                    near.append(tuple(int(m) for m in moved))
            best = min(near, key=lambda c: values[c])
            if values[best] >= values[here]:
                break
            here = best
        result[cell] = np.ravel_multi_index(here, grid.shape)
    return result


@examples
@given(seed=st.integers(0, 999), periodic=st.booleans(), ndim=st.sampled_from([1, 2, 3]))
def test_watershed_against_walking_down(seed: int, periodic: bool, ndim: int) -> None:
    side = {"range": (0.0, 1.0), "boundary": "periodic" if periodic else "reflecting"}
    problem = Problem(loss="0*x", domain={name: side for name in "xyz"[:ndim]})
    grid = problem.grid({1: 30, 2: 8, 3: 5}[ndim])
    values = np.random.default_rng(seed).permutation(grid.size).reshape(grid.shape) * 1.0
    exact = descended(grid, values)
    pits = np.unique(exact)
    index = np.unravel_index(pits, grid.shape)
    minima = np.stack([c[i] for c, i in zip(grid.centers, index, strict=True)], axis=1)
    # With every pit a minimum nothing is joined; the pits' numbers are those of their rank.
    found = basins(grid, values, minima)
    same = pits[found.reshape(-1)].reshape(grid.shape) == exact
    assert same[np.isin(np.arange(grid.size).reshape(grid.shape), pits)].all()
    # Pits within NEAR cells of each other may be taken for one another, whole basins at a time.
    for pit in pits:
        assert len(np.unique(found[exact == pit])) == 1


def test_pits_of_the_grid_flow_over_their_lowest_pass() -> None:
    problem = Problem(loss="0*x", domain={"x": (0.0, 12.0)})
    grid = problem.grid(12)
    values = np.array([0, 5, 9, 3, 7, 2.5, 8, 1, 6, 10, 4, 11.0])
    minima = np.array([[0.5], [7.5]])
    label = basins(grid, values, minima)
    # The pit at cell 3 flows over 7 into the one at 5, which has its minimum nearby; the one at
    # 10 flows back over 10 into that.
    assert label.tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    heights = passes(grid, values, label, 2)
    assert heights[0, 1] == heights[1, 0] == 9.0


def test_quartic_well_and_its_gap() -> None:
    """Two states: the rates of the chain add up to the spectral gap; Kramers comes near."""
    for beta, gap, near in ((20.0, 0.002776140653, 0.12), (40.0, 1.958927e-5, 0.05)):
        problem = Problem(loss="x**4/4 - x**2/2", beta=beta, domain={"x": (-2.5, 2.5)})
        _, found = wells(problem, 512)
        np.testing.assert_allclose(found.minima[:, 0], [-1.0, 1.0], atol=1e-8)
        assert found.rates.sum() == pytest.approx(gap, rel=5e-3 if beta == 20 else 5e-4)
        assert found.times[0, 1] == pytest.approx(found.times[1, 0], rel=1e-9)
        assert found.chain_times[0, 1] == pytest.approx(found.times[0, 1], rel=5e-3)
        assert found.kramers_times is not None
        exact = np.pi * np.sqrt(2.0) * np.exp(0.25 * beta)
        assert found.kramers_times[0, 1] == pytest.approx(exact, rel=1e-5)
        assert found.times[0, 1] == pytest.approx(exact, rel=near)
        np.testing.assert_allclose(found.indicator, 2.0, rtol=1e-12)
        assert found.agreement == 0.0
        np.testing.assert_allclose(found.weight, 0.5, rtol=1e-9)
        assert found.spread.max() < 0.03
        assert (found.basin == (np.arange(512) >= 256)).all()


def test_kramers_with_constant_and_with_varying_noise() -> None:
    """Sigma(x) with detailed balance: y = int dx/sqrt(Sigma) has the same times and a unit noise.

    The times of both descriptions agree, and so do the formulas for large beta.
    """
    beta = 30.0
    loss = "x**4/4 - x**2/2 + 0.03*x"
    # Sigma = s constant: beta -> beta/s, time -> time * s.
    _, plain = wells(Problem(loss=loss, sigma=1.0, beta=beta, domain={"x": (-2.2, 2.2)}), 512)
    _, scaled = wells(Problem(loss=loss, sigma=2.0, beta=2 * beta, domain={"x": (-2.2, 2.2)}), 512)
    np.testing.assert_allclose(plain.kramers_times, scaled.kramers_times, rtol=1e-9)
    np.testing.assert_allclose(plain.times, scaled.times, rtol=1e-9)
    varying = Problem(loss=loss, sigma="1 + 0.5*x**2", beta=beta, domain={"x": (-2.2, 2.2)})
    _, found = wells(varying, 1024)
    assert found.kramers_times is not None
    apart = ~np.eye(2, dtype=bool)
    np.testing.assert_allclose(found.kramers_times[apart], found.times[apart], rtol=0.15)
    # Against the formula at twice the beta the disagreement halves: its error is of order 1/beta.
    _, colder = wells(
        Problem(loss=loss, sigma="1 + 0.5*x**2", beta=2 * beta, domain={"x": (-2.2, 2.2)}), 1024
    )
    errors = [np.abs(w.kramers_times[apart] / w.times[apart] - 1.0).max() for w in (found, colder)]
    assert errors[1] < 0.65 * errors[0]


@compiled_only
def test_oblique_constant_noise_in_two_dimensions() -> None:
    """theta = S eta with Sigma = S S^T is the problem in eta with Sigma = 1: all times stay."""
    rotation = np.array([[0.8, -0.6], [0.6, 0.8]])
    shear = rotation @ np.diag([1.0, 0.6])
    a, b = np.linalg.inv(shear)
    # The drift -Sigma grad Phi~ with Phi~ = psi(S^-1 theta).
    x, y = sympy.symbols("x y", real=True)
    u, v = (float(r[0]) * x + float(r[1]) * y for r in (a, b))
    psi = u**4 / 4 - u**2 / 2 + v**2
    sigma = shear @ shear.T
    drift = [
        str(-sum(float(sigma[i, j]) * sympy.diff(psi, s) for j, s in enumerate((x, y))))
        for i in range(2)
    ]
    beta = 12.0
    box = {"x": (-2.4, 2.4), "y": (-2.4, 2.4)}
    oblique, found = wells(Problem(drift=drift, sigma=sigma.tolist(), beta=beta, domain=box), 160)
    assert oblique.detailed_balance
    straight = Problem(
        loss="x**4/4 - x**2/2 + y**2", beta=beta, domain={"x": (-2.2, 2.2), "y": (-2.0, 2.0)}
    )
    _, other = wells(straight, 160)
    np.testing.assert_allclose(found.kramers_times, other.kramers_times, rtol=1e-4)
    np.testing.assert_allclose(found.times, other.times, rtol=2e-2)
    np.testing.assert_allclose(found.barrier, other.barrier, rtol=1e-4, atol=1e-10)


@compiled_only
def test_sharp_and_flat() -> None:
    """tr(H Sigma) tells at equal depth which minimum is left sooner, and misleads at unequal."""

    def named(depth: float):
        return Problem(
            loss=f"0.3*(x**2 - 1)**2 + {depth}*(3*x - x**3)/4 + exp(-1.25*x)*y**2",
            beta=20.0,
            domain={"x": (-2, 2), "y": (-2.6, 2.6)},
        )

    _, equal = wells(named(0.0), (80, 96))
    assert equal.agreement == 1.0
    assert equal.exit_time[1] / equal.exit_time[0] == pytest.approx(np.exp(1.25), rel=0.06)
    _, unequal = wells(named(0.2), (80, 96))
    assert unequal.agreement == -1.0
    assert unequal.indicator[0] > unequal.indicator[1]
    assert unequal.exit_time[0] > unequal.exit_time[1]
    # The formula by hand: curvatures 8 b -+ 3 d/2 along the valley and 2 exp(-1.25 x) across.
    b, d, beta = 0.3, 0.2, 20.0
    top = 3.0 * d / (16.0 * b)
    height = [b * (x * x - 1.0) ** 2 + d * (3.0 * x - x**3) / 4.0 for x in (-1.0, 1.0, top)]
    along = [8.0 * b + 1.5 * d, 8.0 * b - 1.5 * d, b * (12.0 * top**2 - 4.0) - 1.5 * d * top]
    across = [2.0 * np.exp(-1.25 * x) for x in (-1.0, 1.0, top)]
    for i in (0, 1):
        shape = np.sqrt(abs(along[2]) * across[2] / (along[i] * across[i]))
        exact = 2.0 * np.pi / abs(along[2]) * shape * np.exp(beta * (height[2] - height[i]))
        assert unequal.kramers_times is not None
        assert unequal.kramers_times[i, 1 - i] == pytest.approx(exact, rel=1e-5)


@compiled_only
def test_three_wells_without_detailed_balance() -> None:
    """A turning drift: one way around is quicker, the chain tells, and no Kramers time is given."""
    problem = Problem(
        loss="(x**2 + y**2)**2/4 - (x**2 + y**2)/2 - 0.25*(x**3 - 3*x*y**2)/3",
        drift=["-0.1*y", "0.1*x"],
        beta=30.0,
        domain={"x": (-1.9, 1.9), "y": (-1.9, 1.9)},
    )
    _, found = wells(problem, 96)
    assert len(found.minima) == 3
    assert found.kramers_times is None
    # From each well to the next counter-clockwise one and back again.
    angle = np.arctan2(found.minima[:, 1], found.minima[:, 0])
    order = np.argsort(angle)
    forward = [found.times[order[k], order[(k + 1) % 3]] for k in range(3)]
    back = [found.times[order[(k + 1) % 3], order[k]] for k in range(3)]
    np.testing.assert_allclose(forward, np.mean(forward), rtol=0.02)
    assert max(forward) < 0.8 * min(back)
    assert found.quality < 0.1
    np.testing.assert_allclose(found.weight.sum(), 1.0, atol=1e-6)
    # The chain is stationary at its weights.
    flux = found.weight[:, None] * found.rates
    np.testing.assert_allclose(flux.sum(axis=0), flux.sum(axis=1), rtol=1e-8)


def test_times_of_small_chains() -> None:
    rng = np.random.default_rng(4711)
    rates = rng.uniform(0.1, 1.0, (5, 5))
    np.fill_diagonal(rates, 0.0)
    matrix = rates - np.diag(rates.sum(axis=1))
    times = passage_times(rates)
    for target in range(5):
        rest = [i for i in range(5) if i != target]
        exact = np.linalg.solve(-matrix[np.ix_(rest, rest)], np.ones(4))
        np.testing.assert_allclose(times[rest, target], exact, rtol=1e-12)
    # 1e-30 apart, where a solve would lose everything.
    steep = np.array([[0.0, 1.0, 0.0], [1e20, 0.0, 1e-10], [0.0, 1.0, 0.0]])
    assert passage_times(steep)[0, 2] == pytest.approx(1.0 + (1.0 + 1e20) / 1e-10, rel=1e-14)
    alone = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert passage_times(alone)[0, 1] == np.inf


def test_one_minimum_and_none() -> None:
    problem = Problem(loss="x**2/2", beta=2.0, domain={"x": (-4, 4)})
    _, found = wells(problem, 64)
    assert found.minima.shape == (1, 1)
    assert found.exit_time[0] == np.inf
    assert found.quality == 0.0
    assert np.isnan(found.agreement)
    slope = Problem(loss="x", beta=2.0, domain={"x": (-4, 4)})
    with pytest.raises(CaseError, match="no minimum"):
        wells(slope, 64)
