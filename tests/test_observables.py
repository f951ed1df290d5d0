"""What is measured: against exact Gaussians, closed forms, and each other."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from fields import random_density
from measures import ORDER_WINDOW, compiled_only, distance, fitted_order

from fokkerplanck import gallery
from fokkerplanck.analyses.cautions import cautions, mass_outside, peclet_number
from fokkerplanck.analyses.observables import Observer, entropy_production, moments
from fokkerplanck.errors import CaseError
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.grid import Grid
from fokkerplanck.operators.generator import Generator, generator
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import StationaryState, stationary
from fokkerplanck.timestepping.initial import (
    formula_density,
    gaussian_density,
    normalised,
    point_density,
)


def settled(problem: Problem, cells: int) -> tuple[Grid, Generator, StationaryState, Observer]:
    grid = problem.grid(cells)
    found = generator(problem, grid)
    rest = stationary(found, problem)
    return grid, found, rest, Observer(problem, rest)


@compiled_only
def test_gaussian_on_a_quadratic_loss() -> None:
    """Moments, entropy, energies and (46) in closed form; spectral on a Gaussian."""
    exact = gallery.ornstein_uhlenbeck(
        [[2.0, 0.3], [0.3, 1.0]], np.eye(2), 2.0, (0.4, -0.6), [[0.3, 0.1], [0.1, 0.2]],
        [(-7.0, 7.0)] * 2,
    )  # fmt: skip
    grid, found, _, observer = settled(exact.problem, 90)
    C, m = exact.start_covariance, exact.start_mean
    H = np.array([[2.0, 0.3], [0.3, 1.0]])
    measured = observer.measure(found, exact.density(0.0, grid.points), 0.0)
    energy = 0.5 * (np.trace(H @ C) + m @ H @ m)
    entropy = 0.5 * np.log(np.linalg.det(2 * np.pi * np.e * C))
    log_z = np.log(2 * np.pi / 2.0) - 0.5 * np.log(np.linalg.det(H))
    expected = {
        "mass": 1.0,
        "mean": m,
        "covariance": C,
        "entropy": entropy,
        "expected_loss": energy,
        "energy": energy,
        "free_energy": energy - entropy / 2.0,
        "kl_to_stationary": 2.0 * energy - entropy + log_z,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(measured[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    assert measured["minimum"] >= 0.0


@compiled_only
def test_rates_of_a_gaussian() -> None:
    """(42), (43) and the dissipation against their closed forms, order 2."""
    exact = gallery.ornstein_uhlenbeck_2d(4.0)
    problem = exact.problem
    H, m, C = np.array(gallery.linear.P_HESSIAN), exact.start_mean, exact.start_covariance
    D = problem.constant_sigma / problem.beta
    dynkin = -(m @ H @ H @ m) - np.trace(H @ H @ C) + np.trace(D @ H)
    # Force on the flow: -H x + D C^-1 (x - m), the velocity of the density.
    G = -H + D @ np.linalg.inv(C)
    production = np.trace(G.T @ np.linalg.inv(D) @ G @ C) + (H @ m) @ np.linalg.inv(D) @ (H @ m)
    widths, errors = [], []
    for cells in (64, 96, 144):
        grid = problem.grid(cells)
        found = generator(problem, grid)
        density = exact.initial(grid)
        measured = Observer(problem, None).measure(found, density, 0.0)
        assert measured["loss_rate_dynkin"] == pytest.approx(dynkin, rel=1e-9)
        assert "free_energy" not in measured
        widths.append(grid.spacing[0])
        errors.append(
            [
                abs(measured["loss_rate"] - measured["loss_rate_dynkin"]),
                abs(measured["entropy_production"] - production),
            ]
        )
    for column in np.transpose(errors):
        assert fitted_order(widths, column) == pytest.approx(2.0, abs=ORDER_WINDOW)


@compiled_only
@pytest.mark.parametrize(
    "exact", [gallery.mapped_ornstein_uhlenbeck(2), gallery.circulating_ornstein_uhlenbeck()],
    ids=["turning", "circulating"],
)  # fmt: skip
def test_both_sides_of_42(exact: ExactProblem) -> None:
    """The loss here is any smooth function: that of the record may be zero."""
    loss = "x**2/2 + 0.3*x*y + cos(y)"
    problem = exact.problem
    box = problem.domain
    lookalike = Problem(
        loss,
        lambda *p: problem.sigma_at(p),
        problem.beta,
        box,
        drift=lambda *p: problem.drift_at(p) + probe.gradient_at(p),
        div_sigma=lambda *p: problem.div_sigma_at(p),
    )
    probe = Problem(loss, 1.0, 1.0, box)
    widths, errors = [], []
    for cells in (64, 96, 144):
        grid = problem.grid(cells)
        density = exact.density(0.3, grid.points)
        measured = Observer(lookalike, None).measure(generator(lookalike, grid), density, 0.3)
        widths.append(grid.spacing[0])
        errors.append(abs(measured["loss_rate"] - measured["loss_rate_dynkin"]))
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)


def test_time_dependent_loss_is_taken_at_its_time() -> None:
    problem = Problem("(1 + t)*x**2", 1.0, 1.0, {"x": (-3, 3)})
    grid = problem.grid(40)
    density = gaussian_density(grid, [0.3], np.array([[0.2]]))
    observer = Observer(problem, None)
    values = [
        observer.measure(generator(problem, grid, t), density, t)["expected_loss"]
        for t in (0.0, 1.0)
    ]
    assert values[1] == pytest.approx(2.0 * values[0], rel=1e-12)


def test_at_rest_nothing_moves() -> None:
    exact = gallery.rotating_tensor(2, 10.0)
    grid, found, rest, observer = settled(exact.problem, 24)
    measured = observer.measure(found, rest.density, 0.0)
    assert measured["kl_to_stationary"] == 0.0
    assert abs(measured["dissipation"]) <= 1e-14 * found.q
    assert abs(measured["loss_rate"]) <= 1e-12 * found.q
    # (46): the minimum is -(1/beta) log Z.
    Z = grid.integrate(np.exp(-exact.problem.beta * rest.quasi_potential))
    assert measured["free_energy"] == pytest.approx(-np.log(Z) / exact.problem.beta, rel=1e-12)


def test_free_energy_and_divergence_differ_by_a_constant() -> None:
    """(46): beta (F - F_ss) = KL, on the grid exactly."""
    exact = gallery.rotating_tensor(2, 10.0)
    grid, found, rest, observer = settled(exact.problem, 16)
    lowest = observer.measure(found, rest.density, 0.0)["free_energy"]
    for seed in range(3):
        measured = observer.measure(found, random_density(grid, seed), 0.0)
        excess = exact.problem.beta * (measured["free_energy"] - lowest)
        assert measured["kl_to_stationary"] == pytest.approx(excess, rel=1e-10)


@pytest.mark.parametrize("size", [1e-4, 1e-6, 1e-9, 1e-12])
def test_small_divergences_keep_their_digits(size: float) -> None:
    """KL(r (1 + e f) | r) = e^2/2 int r f^2 + O(e^3), with -dF/dt of the same order; never < 0."""
    exact = gallery.rotating_tensor(2, 10.0)
    grid, found, rest, observer = settled(exact.problem, 16)
    shape = np.sin(grid.points[0]) * np.cos(grid.points[1])
    shape = shape - grid.integrate(rest.density * shape)
    density = rest.density * (1.0 + size * shape)
    measured = observer.measure(found, density, 0.0)
    leading = 0.5 * size**2 * grid.integrate(rest.density * shape**2)
    # A density has no more digits than this of its deviation.
    digits = 2.0 * size + 4e-16 / size
    assert measured["kl_to_stationary"] == pytest.approx(leading, rel=digits)
    assert measured["kl_to_stationary"] >= 0.0
    assert measured["dissipation"] > 0.0
    for seed in range(20):
        noise = np.random.default_rng(seed).uniform(-3e-16, 3e-16, grid.shape)
        near = observer.measure(found, rest.density * (1.0 + noise), 0.0)
        assert abs(near["kl_to_stationary"]) <= 1e-30


def test_empty_cells_count_as_nothing() -> None:
    """From a point: 0 log 0 = 0, and no edge with an empty end produces entropy."""
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-2, 2)})
    grid, found, _, observer = settled(problem, 20)
    point = np.zeros(20)
    point[7] = 1.0 / grid.cell_volume
    measured = observer.measure(found, point, 0.0)
    assert all(np.isfinite(value).all() for value in measured.values())
    assert measured["entropy"] == pytest.approx(np.log(grid.cell_volume))
    assert measured["entropy_production"] == 0.0
    assert measured["minimum"] == 0.0


def test_without_noise_in_every_axis_no_entropy_production() -> None:
    exact = gallery.heavy_ball()
    grid = exact.problem.grid(16)
    measured = Observer(exact.problem, None).measure(
        generator(exact.problem, grid), exact.initial(grid), 0.0
    )
    assert "entropy_production" not in measured


def test_entropy_production_edge_by_edge(rng: np.random.Generator) -> None:
    """sum over all pairs of cells of I log(forward/backward flux)/2, from the dense matrix."""
    torus = {"range": (0, 1), "boundary": "periodic"}
    problem = Problem(
        None, [[1.0, 0.4], [0.4, 0.6]], 1.0, {"x": torus, "y": (0, 1)}, drift=["1", "-x"]
    )
    grid = problem.grid((7, 6))
    found = generator(problem, grid)
    density = rng.random(42) + 0.1
    flux = found.to_scipy().toarray() * density
    np.fill_diagonal(flux, 0.0)
    total = 0.0
    for i, j in np.argwhere(flux > 0.0):
        total += 0.5 * (flux[i, j] - flux[j, i]) * np.log(flux[i, j] / flux[j, i])
    assert entropy_production(found, density.reshape(7, 6)) == pytest.approx(
        total * grid.cell_volume, rel=1e-12
    )


def test_entropy_production_of_fluxes_without_a_quotient() -> None:
    """A force of 650 per cell and densities of 1e-120: forward over backward flux overflows."""
    problem = Problem(None, 1.0, 1.0, {"x": (0.0, 8.0)}, drift=["650"])
    found = generator(problem, problem.grid(8))
    density = 10.0 ** (-120.0 * (np.arange(8) % 2))
    forward, backward = found.rates.forward[0], found.rates.backward[0]
    total = 0.0
    for i in range(7):
        ahead = mpmath.mpf(forward[i]) * mpmath.mpf(density[i])
        back = mpmath.mpf(backward[i]) * mpmath.mpf(density[i + 1])
        total += (ahead - back) * mpmath.log(ahead / back) if backward[i] * density[i + 1] else 0
    assert entropy_production(found, density) == pytest.approx(float(total), rel=1e-12)


@pytest.mark.parametrize("cells", [(9,), (5, 7), (4, 5, 6)])
def test_moments(rng: np.random.Generator, cells: tuple[int, ...]) -> None:
    problem = Problem(
        "x**2", 1.0, 1.0, {name: (-1.0 - i, 2.0) for i, name in enumerate("xyz"[: len(cells)])}
    )
    grid = problem.grid(cells)
    # Less than mass one: moments are those of what remains.
    density = 0.4 * random_density(grid, 6)
    mean, covariance = moments(generator(problem, grid), density)
    points = np.stack([p.reshape(-1) for p in np.broadcast_arrays(*grid.points)])
    weights = density.reshape(-1)
    np.testing.assert_allclose(mean, np.average(points, axis=1, weights=weights), rtol=1e-12)
    np.testing.assert_allclose(
        covariance, np.cov(points, aweights=weights, ddof=0).reshape(len(cells), -1), rtol=1e-11
    )


def test_initial_densities() -> None:
    problem = Problem("x**2", 1.0, 1.0, {"x": (-4, 4), "y": (-4, 4)})
    grid = problem.grid((80, 64))
    found = generator(problem, grid)
    covariance = np.array([[0.3, 0.1], [0.1, 0.4]])
    mean, spread = moments(found, gaussian_density(grid, [0.3, -0.4], covariance))
    np.testing.assert_allclose(mean, [0.3, -0.4], atol=1e-6)
    np.testing.assert_allclose(spread, covariance, atol=1e-6)
    point = point_density(grid, [0.333, -1.27])
    mean, spread = moments(found, point)
    np.testing.assert_allclose(mean, [0.333, -1.27], atol=1e-12)
    assert np.all(np.diag(spread) <= 0.25 * grid.spacing**2 + 1e-15)
    assert np.count_nonzero(point) == 4
    for density in (point, point_density(grid, [-4.0, 3.999])):
        assert grid.integrate(density) == pytest.approx(1.0, abs=1e-14)
        assert density.min() >= 0.0
    assert np.count_nonzero(point_density(grid, [-4.0, 3.999])) == 1
    half = formula_density(grid, lambda p: 1.0 * (p[0] > 0) + 0.0 * p[1])
    assert grid.integrate(half) == pytest.approx(1.0, abs=1e-14)
    assert distance(grid, normalised(grid, 3.0 * half), half) <= 1e-14


def test_gaussian_across_a_periodic_side() -> None:
    circle = {"range": (0.0, 1.0), "boundary": "periodic"}
    grid = Problem("0*x", 1.0, 1.0, {"x": circle}).grid(50)
    near = gaussian_density(grid, [0.02], np.array([[0.01]]))
    inner = gaussian_density(grid, [0.52], np.array([[0.01]]))
    np.testing.assert_allclose(near, np.roll(inner, 25), rtol=1e-9)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_formula_that_is_no_density(value: float) -> None:
    grid = Problem("x**2", 1.0, 1.0, {"x": (-1, 1)}).grid(8)
    with pytest.raises(CaseError, match=r"at x = 0\.125; a density is a number >= 0") as caught:
        formula_density(grid, lambda p: np.where(np.abs(p[0] - 0.125) < 0.01, value, 1.0))
    assert caught.value.key == "initial.formula"
    with pytest.raises(CaseError, match="zero on the whole grid"):
        formula_density(grid, lambda p: 0.0 * p[0])


@pytest.mark.parametrize(("half_width", "warned"), [(2.0, True), (8.0, False)])
def test_caution_about_mass_cut_off(half_width: float, warned: bool) -> None:
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-half_width, half_width)})
    grid, found, rest, _ = settled(problem, 64)
    outside = mass_outside(problem, grid, rest.density)
    if warned:
        # Two tails of a normal law beyond two standard deviations, relative to what is inside.
        assert outside == pytest.approx(0.0455 / 0.9545, rel=0.3)
    sentences = cautions(problem, found, rest.density, np.array([[1.0]]))
    assert any("cuts off" in text for text in sentences) == warned


def test_caution_is_not_raised_by_other_sides() -> None:
    circle = {"range": (-2, 2), "boundary": "periodic"}
    problem = Problem("0*x", 1.0, 1.0, {"x": circle})
    grid = problem.grid(16)
    assert mass_outside(problem, grid, np.full(16, 0.25)) == 0.0


def test_cautions_about_stencil_and_rank() -> None:
    box = {"x": (-2, 2), "y": (-2, 2)}
    oblique = Problem("0.5*(x**2 + y**2)", [[1.0, 0.99], [0.99, 1.0]], 50.0, box)
    found = generator(oblique, oblique.grid(12))
    narrow = 0.02**2 * np.eye(2)
    assert any("stencil" in text for text in cautions(oblique, found, np.zeros((12, 12)), narrow))
    assert not any(
        "stencil" in text for text in cautions(oblique, found, np.zeros((12, 12)), np.eye(2))
    )
    singular = Problem("0.5*(x**2 + y**2)", [[1.0, 0.7], [0.7, 0.49]], 1.0, box)
    found = generator(singular, singular.grid(12))
    assert any(
        "144 cells" in text for text in cautions(singular, found, np.zeros((12, 12)), np.eye(2))
    )


def test_peclet_number_beyond_the_range_of_quotients() -> None:
    problem = Problem("750*x**2", 1.0, 2.0, {"x": (-1, 1)})
    found = generator(problem, problem.grid(5))
    assert (found.rates.forward > 0.0).any()
    # The edges next to the sides: beta times the difference of Phi at their ends.
    density = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
    assert peclet_number(found, density) == pytest.approx(2 * 750 * (0.8**2 - 0.4**2), rel=1e-12)


def test_peclet_number_of_a_linear_drift() -> None:
    """P = x_(i+1/2) h beta on every edge, over a Gaussian of variance 1/beta: rms h sqrt(beta)."""
    problem = Problem("x**2/2", 1.0, 4.0, {"x": (-4, 4)})
    _, found, rest, _ = settled(problem, 200)
    assert peclet_number(found, rest.density) == pytest.approx(0.04 * 2.0, rel=2e-3)


@pytest.mark.parametrize(
    ("cells", "warned"), [(32, True), pytest.param(96, False, marks=compiled_only)]
)
def test_caution_about_a_drift_that_smears(cells: int, warned: bool) -> None:
    """Without detailed balance the covariance 2 D_ij/(a_i + a_j) is missed by 22 % and 2.5 %."""
    box = {"x": (-5, 5), "y": (-4, 4)}
    problem = Problem("(x**2 + 4*y**2)/2", [[1.0, 0.9], [0.9, 1.0]], 1.0, box)
    grid, found, rest, _ = settled(problem, cells)
    x = grid.points[0]
    error = grid.integrate(x * x * rest.density) - 1.0
    assert (error > 0.05) == warned
    sentences = cautions(problem, found, rest.density, np.diag([1.0, 0.25]))
    assert any("cell Peclet number" in text for text in sentences) == warned
    of_high_order = cautions(problem, found, rest.density, np.diag([1.0, 0.25]), order=6)
    assert not any("Peclet" in text or "stencil" in text for text in of_high_order)
