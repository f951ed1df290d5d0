"""Stationary states: exact Gibbs states, null vectors with their currents, what has none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from measures import ORDER_WINDOW, compiled_only, distance, fitted_order

from fokkerplanck import gallery
from fokkerplanck.analyses.observables import entropy_production
from fokkerplanck.errors import CaseError
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.operators.currents import cell_current
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve

BALANCED: dict[str, tuple[Callable[[], ExactProblem], int | tuple[int, ...]]] = {
    "quartic": (gallery.quartic_well, 60),
    "multiplicative": (gallery.multiplicative_noise, 80),
    "P(1)": (gallery.ornstein_uhlenbeck_2d, 24),
    "gibbs noise": (gallery.gibbs_noise, (24, 20)),
    "turning plane": (lambda: gallery.rotating_tensor(2, 50.0), (40, 36)),
    "turning space": (lambda: gallery.rotating_tensor(3, 8.0), (12, 12, 12)),
    "mapped plane": (gallery.mapped_ornstein_uhlenbeck, (32, 40)),
    "quadratic space": (lambda: gallery.quadratic_3d(8.0), (12, 13, 11)),
}
CURRENTS: dict[str, Callable[[], ExactProblem]] = {
    "circulating": gallery.circulating_ornstein_uhlenbeck,
    "hopf": gallery.hopf,
}


@pytest.mark.parametrize("key", list(BALANCED))
def test_gibbs_state_is_exact(key: str) -> None:
    make, cells = BALANCED[key]
    exact = make()
    grid = exact.problem.grid(cells)
    found = generator(exact.problem, grid)
    assert found.rates.raised == 0
    assert found.detailed_balance == exact.detailed_balance
    rest = stationary(found, exact.problem)
    assert rest.detailed_balance
    gibbs = exact.stationary_density(grid.points)
    gibbs = gibbs / grid.integrate(gibbs)
    assert distance(grid, rest.density, gibbs) <= 1e-11
    assert rest.residual <= 1e-13
    assert grid.integrate(rest.density) == pytest.approx(1.0, abs=1e-13)
    # Each edge current alone vanishes, and so does the entropy production.
    assert np.abs(found.edge_currents(rest.density)).max() <= 1e-12 * found.q * gibbs.max()
    assert 0.0 <= entropy_production(found, rest.density) <= 1e-18 * found.q


@compiled_only
def test_gibbs_state_at_a_usual_size() -> None:
    exact = gallery.rotating_tensor(2, 73.0)
    grid = exact.problem.grid(160)
    rest = stationary(generator(exact.problem, grid), exact.problem)
    gibbs = exact.stationary_density(grid.points)
    assert distance(grid, rest.density, gibbs / grid.integrate(gibbs)) <= 1e-11


def test_quasi_potential_of_isotropic_noise_is_the_loss() -> None:
    problem = Problem("x**2/2 + 3", 0.5, 2.0, {"x": (-3, 3)})
    grid = problem.grid(30)
    rest = stationary(generator(problem, grid), problem)
    np.testing.assert_allclose(rest.quasi_potential, problem.loss_at(grid.points) / 0.5, rtol=1e-14)
    np.testing.assert_allclose(rest.log_density, np.log(rest.density), atol=1e-12)


@pytest.mark.parametrize("cells", [(20, 16), (21, 17)])
def test_quasi_potential_is_zero_at_its_minimum(cells: tuple[int, int]) -> None:
    """The minimum over the box, not over the cells: the constant does not depend on the grid."""
    exact = gallery.rotating_tensor(2, 10.0)
    grid = exact.problem.grid(cells)
    rest = stationary(generator(exact.problem, grid), exact.problem)
    x, y = np.broadcast_arrays(*grid.points)
    well = (x**2 - 1) ** 2 / 2 + y**2 + 0.3 * x * y
    # The exact minimum of the well, by Newton's method.
    point = np.array([1.0, -0.15])
    for _ in range(30):
        a, b = point
        slope = np.array([2 * a * (a * a - 1) + 0.3 * b, 2 * b + 0.3 * a])
        point = point - np.linalg.solve([[6 * a * a - 2, 0.3], [0.3, 2.0]], slope)
    a, b = point
    lowest = (a * a - 1) ** 2 / 2 + b * b + 0.3 * a * b
    np.testing.assert_allclose(rest.quasi_potential, well - lowest, rtol=1e-9, atol=1e-9)


def test_tails_below_the_smallest_double_keep_their_potential() -> None:
    problem = Problem("x**4", 1.0, 5.0, {"x": (-5, 5)})
    grid = problem.grid(60)
    rest = stationary(generator(problem, grid), problem)
    assert rest.density.min() == 0.0
    slope = np.diff(rest.log_density) + 5.0 * np.diff(grid.centers[0] ** 4)
    assert np.abs(slope).max() <= 1e-10


@compiled_only
@pytest.mark.parametrize("key", list(CURRENTS))
def test_currents_and_entropy_production(key: str) -> None:
    """Density, cell currents and e_p converge with order 2 to those of the continuum."""
    exact = CURRENTS[key]()
    problem = exact.problem
    widths, errors = [], []
    for cells in (96, 144, 216):
        grid = problem.grid(cells)
        found = generator(problem, grid)
        rest = stationary(found, problem)
        assert not rest.detailed_balance
        assert rest.residual <= 1e-13
        assert rest.density.min() >= 0.0
        answer = exact.stationary_density(grid.points)
        current = cell_current(found, rest.density)
        if key == "circulating":
            inverse = np.linalg.inv(exact.covariance(60.0))
            tensor = problem.constant_sigma / problem.beta
            points = np.stack(np.broadcast_arrays(*grid.points))
            flow = problem.drift_at(grid.points) + np.tensordot(tensor @ inverse, points, 1)
        else:
            x, y = np.broadcast_arrays(*grid.points)
            flow = np.stack([-2.0 * y, 2.0 * x])
        widths.append(1.0 / cells)
        errors.append(
            [
                distance(grid, rest.density, answer),
                float(grid.integrate(np.abs(current - flow * answer)).sum()),
                abs(entropy_production(found, rest.density) - exact.entropy_production),
            ]
        )
    for column in np.transpose(errors):
        assert fitted_order(widths, column) == pytest.approx(2.0, abs=ORDER_WINDOW)


@compiled_only
def test_currents_have_no_sources() -> None:
    exact = gallery.hopf()
    grid = exact.problem.grid(48)
    found = generator(exact.problem, grid)
    rest = stationary(found, exact.problem)
    change = found.matvec(rest.density)
    assert np.abs(change).sum() * grid.cell_volume <= 1e-13 * found.q


@compiled_only
@pytest.mark.parametrize(
    "make", [gallery.caughey, gallery.heavy_ball], ids=["caughey", "heavy ball"]
)
def test_noise_in_one_component(make: Callable[[], ExactProblem]) -> None:
    """Positive, of order one, and not mistaken for detailed balance."""
    exact = make()
    widths, errors = [], []
    for cells in (64, 96, 144):
        grid = exact.problem.grid(cells)
        found = generator(exact.problem, grid)
        assert not found.detailed_balance
        assert found.rates.raised == 0
        # One offset for the noise and one for the drift.
        assert sorted(map(tuple, found.rates.offsets.tolist())) == [(0, 1), (1, 0)]
        rest = stationary(found, exact.problem)
        assert not rest.detailed_balance
        assert rest.density.min() >= 0.0
        assert np.isnan(rest.circulation)
        widths.append(1.0 / cells)
        errors.append(distance(grid, rest.density, exact.stationary_density(grid.points)))
    assert fitted_order(widths, errors) == pytest.approx(1.0, abs=ORDER_WINDOW)


@compiled_only
@pytest.mark.parametrize("make", [gallery.circulating_ornstein_uhlenbeck, gallery.caughey])
def test_long_evolution_ends_at_the_null_vector(make: Callable[[], ExactProblem]) -> None:
    exact = make()
    grid = exact.problem.grid(40)
    rest = stationary(generator(exact.problem, grid), exact.problem)
    found = evolve(exact.problem, grid, exact.initial(grid), [0.0, 300.0], stepper="krylov")
    assert distance(grid, found.density[-1], rest.density) <= 1e-9


def test_null_vector_of_a_small_chain() -> None:
    """On the circle with a constant drift the uniform density is at rest, currents and all."""
    problem = Problem(
        None, 0.7, 1.0, {"x": {"range": (0, 1), "boundary": "periodic"}}, drift=["1.3"]
    )
    grid = problem.grid(12)
    found = generator(problem, grid)
    rest = stationary(found, problem)
    np.testing.assert_allclose(rest.density, 1.0, rtol=1e-12)
    np.testing.assert_allclose(cell_current(found, rest.density)[0], 1.3, rtol=1e-12)
    # The continuum has e_p = v^2/D.
    assert entropy_production(found, rest.density) == pytest.approx(1.3**2 / 0.7, rel=2e-3)


# Without compilation numpy would speak up where the kernel divides by zero.
@compiled_only
@pytest.mark.parametrize("sigma", ["x**2", "abs(x)", "(x - 0.123)**2", "0.1*x**2"])
@pytest.mark.parametrize("cells", [33, 64])
def test_noise_that_vanishes_at_a_point_leaves_no_stationary_density(
    sigma: str, cells: int
) -> None:
    """rho ~ exp(int gamma) with gamma ~ 1/x there: the integral diverges."""
    problem = Problem("x**2/2", sigma, 1.0, {"x": (-2, 2)})
    with pytest.raises(CaseError, match=r"noise vanishes within a cell of x = -?0\.") as caught:
        stationary(generator(problem, problem.grid(cells)), problem)
    assert caught.value.key == "stationary"


@pytest.mark.parametrize("sigma", ["0.01 + x**2", "1e-3 + abs(x)"])
def test_weak_noise_is_still_noise(sigma: str) -> None:
    problem = Problem("x**2/2", sigma, 1.0, {"x": (-2, 2)})
    rest = stationary(generator(problem, problem.grid(64)), problem)
    assert rest.density.min() > 0.0


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (
            Problem("x**2", 1.0, 1.0, {"x": {"range": (-1, 1), "boundary": "absorbing"}}),
            "absorbing",
        ),
        (Problem("(1 + t)*x**2", 1.0, 1.0, {"x": (-1, 1)}), "time"),
    ],
)
def test_nothing_is_at_rest(problem: Problem, words: str) -> None:
    with pytest.raises(CaseError, match=words) as caught:
        stationary(generator(problem, problem.grid(8)), problem)
    assert caught.value.key == "stationary"


@pytest.mark.parametrize(
    ("sigma", "count"),
    # Half of the cells, and the middle column of an odd number.
    [([["max(x, 0)", 0], [0, 1]], 16 * 32), ([["x**2*(1 + y**2)", "x"], ["x", 1]], 32)],
)
def test_noise_lost_in_one_direction_of_a_part_of_the_box(sigma: list, count: int) -> None:
    """A square-root process at x = 0 without a drift away from it ends there."""
    cells = (32, 32) if count > 32 else (33, 32)
    problem = Problem("x**2 + y**2", sigma, 2.0, {"x": (-2, 2), "y": (-2, 2)})
    with pytest.raises(CaseError, match=f"without noise in {count} of the") as caught:
        stationary(generator(problem, problem.grid(cells)), problem)
    assert caught.value.key == "stationary"


# Corners have no edges of their own here, and tails are far from the start of the iteration.
@compiled_only
@pytest.mark.parametrize("sigma", [[[1, 0.995], [0.995, 1]], [[1, 1], [1, 1]]])
def test_strongly_oblique_noise_has_one_stationary_state(sigma: list) -> None:
    """N(0, C) with H C + C H = (2/beta) Sigma; far from converged, but order 1 and above."""
    problem = Problem("(x**2 + 4*y**2)/2", sigma, 1.0, {"x": (-5, 5), "y": (-4, 4)})
    errors = []
    for cells in (48, 96):
        grid = problem.grid(cells)
        found = generator(problem, grid)
        assert found.rates.reach >= 4
        rest = stationary(found, problem)
        assert rest.residual <= 1e-14
        assert rest.density.min() >= 0.0
        errors.append(grid.integrate(grid.points[0] ** 2 * rest.density) - 1.0)
    assert 0.0 < errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("condition", [1e3, 1e5])
def test_raised_tensors_keep_the_gibbs_state(condition: float) -> None:
    """Where D is raised to keep offsets short, the force is still that of Sigma itself."""
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    sigma = turn @ np.diag([1.0, 1.0 / condition]) @ turn.T
    (a, b), (_, c) = (turn @ np.diag([1.0, 2.0]) @ turn.T).tolist()
    problem = Problem(
        f"0.5*({a!r}*x**2 + 2*({b!r})*x*y + {c!r}*y**2)",
        sigma.tolist(),
        1.0,
        {"x": (-4, 4), "y": (-4, 4)},
    )
    grid = problem.grid(48)
    found = generator(problem, grid)
    assert found.rates.raised == grid.size
    points = np.stack(np.broadcast_arrays(*grid.points))
    inverse = np.linalg.inv(sigma) @ np.array([[a, b], [b, c]])
    gibbs = np.exp(-0.5 * np.einsum("i...,ij,j...", points, inverse, points))
    gibbs /= grid.integrate(gibbs)
    rest = stationary(found, problem)
    assert rest.detailed_balance
    assert grid.integrate(np.abs(rest.density - gibbs)) <= 1e-11
