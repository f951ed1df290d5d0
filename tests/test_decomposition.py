"""(50) both ways: linear drift and Hopf in closed form, detailed balance by two routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from measures import ORDER_WINDOW, compiled_only, fitted_order
from scipy.linalg import null_space, solve_continuous_lyapunov

from fokkerplanck import gallery
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.operators.generator import Generator, assemble_generator, generator
from fokkerplanck.operators.potential import Potential
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.decomposition import (
    Decomposition,
    decompose,
    field_edges,
    integrate_field,
    plaquette_curl,
)
from fokkerplanck.stationary.stationary import StationaryState, stationary

HESSIAN = np.diag([1.0, 3.0])
SIGMA = np.array([[1.0, 0.6], [0.6, 1.0]])
BETA = 1.0
CELLS = (48, 64, 96)

BALANCED: dict[str, Callable[[], ExactProblem]] = {
    "gibbs noise": gallery.gibbs_noise,
    "rotating 2": lambda: gallery.rotating_tensor(2, 20.0),
    "multiplicative": gallery.multiplicative_noise,
}


def linear() -> ExactProblem:
    return gallery.ornstein_uhlenbeck(
        HESSIAN, SIGMA, BETA, (0.0, 0.0), 0.1 * np.eye(2), [(-6.0, 6.0), (-4.0, 4.0)]
    )


@cache
def solved(name: str, cells: int) -> tuple[ExactProblem, Generator, StationaryState, Decomposition]:
    exact = {"linear": linear, "hopf": gallery.hopf, **BALANCED}[name]()
    made = generator(exact.problem, exact.problem.grid(cells))
    state = stationary(made, exact.problem)
    return exact, made, state, decompose(made, exact.problem, state)


def linear_velocity(points: tuple[np.ndarray, ...]) -> np.ndarray:
    """v = (-H + Sigma C^-1/beta) theta."""
    covariance = solve_continuous_lyapunov(HESSIAN, 2.0 / BETA * SIGMA)
    matrix = -HESSIAN + SIGMA @ np.linalg.inv(covariance) / BETA
    return np.tensordot(matrix, np.stack(np.broadcast_arrays(*points)), 1)


def hopf_velocity(points: tuple[np.ndarray, ...]) -> np.ndarray:
    """v = 2 x_perp."""
    x, y = np.broadcast_arrays(*points)
    return np.stack([-2.0 * y, 2.0 * x])


@compiled_only
@pytest.mark.parametrize(("name", "exact"), [("linear", linear_velocity), ("hopf", hopf_velocity)])
def test_velocity_and_both_sides_of_50_at_order_2(
    name: str, exact: Callable[[tuple[np.ndarray, ...]], np.ndarray]
) -> None:
    errors, mismatches, widths = [], [], []
    # The ring of Hopf is one standard deviation of 0.22 wide.
    for cells in CELLS if name == "linear" else (96, 128, 192):
        _, made, state, found = solved(name, cells)
        grid = made.grid
        weight = np.where(found.reliable, state.density, 0.0)
        v = np.where(found.reliable, found.velocity, 0.0)
        errors.append(np.sqrt(grid.integrate(weight * ((v - exact(grid.points)) ** 2).sum(axis=0))))
        mismatches.append(found.mismatch)
        widths.append(grid.spacing[0])
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)
    assert fitted_order(widths, mismatches) == pytest.approx(2.0, abs=ORDER_WINDOW)


@compiled_only
def test_quasi_potential_of_a_linear_drift_at_order_2() -> None:
    errors, widths = [], []
    for cells in CELLS:
        exact, made, state, _ = solved("linear", cells)
        grid = made.grid
        assert exact.stationary_density is not None
        rho = exact.stationary_density(grid.points)
        known = np.where(rho > 1e-4 * rho.max(), -np.log(np.maximum(rho, 1e-300)) / BETA, 0.0)
        gap = np.where(rho > 1e-4 * rho.max(), state.quasi_potential - known, 0.0)
        errors.append(np.sqrt(grid.integrate(rho * gap**2)))
        widths.append(grid.spacing[0])
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)


@compiled_only
@pytest.mark.parametrize("name", ["linear", "hopf"])
def test_current_is_solenoidal_and_orthogonal(name: str) -> None:
    cosines, widths = [], []
    for cells in CELLS:
        _, made, _, found = solved(name, cells)
        assert found.divergence < 1e-12
        assert not found.detailed_balance
        cosines.append(found.cosine)
        widths.append(made.grid.spacing[0])
    # v . grad Phi~ = 0 for a linear drift and for Hopf, hence on the grid at the order of v.
    assert fitted_order(widths, cosines) > 1.6
    assert cosines[-1] < 0.01


@compiled_only
def test_orthogonality_is_reported_not_assumed() -> None:
    stirred = gallery.detailed_balance(
        "(x**2 - 1)**2/4 + y**2/2", [["1", "0"], ["0", "1"]], 1.0, {"x": (-3.5, 3.5), "y": (-5, 5)}
    ).problem
    swirl = "exp(1/4 + (y**2 - x**2)/2 - x**2*y**2/2 - y**4/4)"
    problem = Problem(
        "(x**2 - 1)**2/4 + y**2/2",
        1.0,
        1.0,
        stirred.domain,
        drift=[f"-1.5*y*{swirl}", f"1.5*x*{swirl}"],
    )
    made = generator(problem, problem.grid(48))
    found = decompose(made, problem, stationary(made, problem))
    # Exact: E[(v . grad Phi~)^2]/E[|v|^2 |grad Phi~|^2] by quadrature.
    x, y = problem.grid(400).points
    well = (x**2 - 1.0) ** 2 / 4.0 + y**2 / 2.0
    speed = np.exp(well - (x**2 + y**2) ** 2 / 4.0)
    slope = np.stack(np.broadcast_arrays(x**3 - x, y + 0.0 * x))
    v = speed * np.stack(np.broadcast_arrays(-y + 0.0 * x, x + 0.0 * y))
    weight = np.exp(-well)
    top = (weight * (v * slope).sum(axis=0) ** 2).sum()
    bottom = (weight * (v**2).sum(axis=0) * (slope**2).sum(axis=0)).sum()
    assert found.cosine == pytest.approx(np.sqrt(top / bottom), rel=0.02)
    assert abs(found.correlation) < 1e-2


@compiled_only
def test_curl_of_the_force() -> None:
    _, made, _, found = solved("linear", 64)
    problem = linear().problem
    edges = field_edges(problem, made.grid)
    assert edges is not None
    inverse = np.linalg.inv(SIGMA) @ HESSIAN
    curl = plaquette_curl(made.grid, edges)[0, 1]
    np.testing.assert_allclose(curl, inverse[1, 0] - inverse[0, 1], rtol=1e-10)
    assert found.largest_curl == pytest.approx(abs(inverse[1, 0] - inverse[0, 1]), rel=1e-10)
    # Under detailed balance none is left, though Sigma and grad Phi vary.
    _, made, _, found = solved("gibbs noise", 64)
    assert found.largest_curl < 1e-11
    assert found.misfit < 1e-13


@compiled_only
@pytest.mark.parametrize("name", BALANCED)
def test_both_routes_agree_under_detailed_balance(name: str) -> None:
    exact, made, _, found = solved(name, 64)
    assert found.detailed_balance
    assert found.disagreement < 1e-9
    assert np.isnan(found.cosine)
    speed = np.abs(found.velocity[:, found.reliable]).max()
    assert speed < 1e-10 * made.q * made.grid.spacing.max()
    # The integral knows nothing of the density.
    assert exact.stationary_density is not None
    assert found.integrated is not None
    rho = exact.stationary_density(made.grid.points)
    gap = exact.problem.beta * found.integrated + np.log(np.maximum(rho, 1e-300))
    gap = gap[found.reliable]
    assert np.ptp(gap) < 1e-9


@compiled_only
def test_integral_agrees_with_the_null_vector_of_a_scheme_that_does_not_know_it() -> None:
    exact = gallery.rotating_tensor(2, 5.0)
    grid = exact.problem.grid(24)
    blind = assemble_generator(exact.problem, grid, 0.0, Potential(None, np.inf, "not looked for"))
    assert not blind.detailed_balance
    dense = null_space(blind.to_scipy().toarray(), rcond=1e-12)
    assert dense.shape[1] == 1
    log_rho = np.log(np.maximum(np.abs(dense[:, 0]).reshape(grid.shape), 1e-300))
    edges = field_edges(exact.problem, grid)
    assert edges is not None
    potential, misfit = integrate_field(grid, edges)
    gap = exact.problem.beta * potential + log_rho
    inside = log_rho > log_rho.max() - 5.0
    # Three Gauss nodes per edge leave an error of order six in the null vector.
    assert np.ptp(gap[inside]) < 1e-4
    assert misfit < 1e-12


def test_singular_noise_has_no_field() -> None:
    problem = gallery.caughey().problem
    assert field_edges(problem, problem.grid(8)) is None


def test_integral_of_a_field_with_a_curl_is_the_projection() -> None:
    problem = Problem(None, 1.0, 1.0, {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}, drift=["-x-y", "x-y"])
    grid = problem.grid(16)
    edges = field_edges(problem, grid)
    assert edges is not None
    potential, misfit = integrate_field(grid, edges)
    x, y = grid.points
    well = 0.5 * (x**2 + y**2)
    # No potential fits; the best one has what the well gives, and of the rotation only what is
    # odd under a reflection of the square.
    assert misfit > 1e-3
    symmetric = 0.25 * (potential + potential[::-1] + potential[:, ::-1] + potential[::-1, ::-1])
    np.testing.assert_allclose(symmetric - symmetric.min(), well - well.min(), atol=1e-12)


def test_periodic_integral() -> None:
    problem = gallery.gibbs_noise().problem
    grid = problem.grid((16, 12))
    edges = field_edges(problem, grid)
    assert edges is not None
    potential, misfit = integrate_field(grid, edges)
    loss = problem.loss_at(grid.points)
    np.testing.assert_allclose(potential, loss - loss.min(), atol=1e-5)
    assert misfit < 1e-5
