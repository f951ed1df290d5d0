"""Face fluxes carry the scheme's own divergence; entropy production splits; closed forms."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from fields import CLOSED, Setting, random_density, settings_of
from hypothesis import given
from hypothesis import strategies as st
from measures import ORDER_WINDOW, compiled_only, fitted_order
from scipy.linalg import solve_continuous_lyapunov

from fokkerplanck import gallery
from fokkerplanck.analyses.observables import entropy_production
from fokkerplanck.operators.currents import (
    circulation,
    divergence,
    edge_fluxes,
    entropy_rates,
    face_fluxes,
    stream_function,
)
from fokkerplanck.operators.generator import Generator, generator
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import StationaryState, stationary

CELLS = (48, 64, 96)
HESSIAN = np.diag([1.0, 3.0])
SIGMA = np.array([[1.0, 0.6], [0.6, 1.0]])


@cache
def linear(cells: int) -> tuple[Generator, StationaryState]:
    exact = gallery.ornstein_uhlenbeck(
        HESSIAN, SIGMA, 1.0, (0.0, 0.0), 0.1 * np.eye(2), [(-6.0, 6.0), (-4.0, 4.0)]
    )
    made = generator(exact.problem, exact.problem.grid(cells))
    return made, stationary(made, exact.problem)


@given(settings_of(), st.integers(0, 99))
def test_face_fluxes_carry_the_divergence_of_the_scheme(setting: Setting, seed: int) -> None:
    made = generator(setting.problem, setting.grid)
    density = random_density(setting.grid, seed)
    faces = face_fluxes(made, density)
    change = made.matvec(density) * setting.grid.cell_volume
    scale = made.q * density.max() * setting.grid.cell_volume
    assert np.abs(divergence(faces) + change).max() <= 1e-13 * scale
    for axis, (flux, side) in enumerate(zip(faces, setting.grid.domain.axes, strict=True)):
        ends = [np.take(flux, end, axis=axis) for end in (0, -1)]
        if side.periodic:
            np.testing.assert_array_equal(*ends)
        for end, boundary in zip(ends, side.boundary, strict=True):
            if boundary == "reflecting":
                assert not end.any()


@given(settings_of(balanced=True, sides=CLOSED, dimensions=(1, 2)), st.integers(0, 99))
def test_split_of_entropy_production(setting: Setting, seed: int) -> None:
    made = generator(setting.problem, setting.grid)
    state = stationary(made, setting.problem)
    density = random_density(setting.grid, seed)
    rates = entropy_rates(made, density, state.log_density)
    assert rates.total == pytest.approx(rates.housekeeping + rates.excess, rel=1e-11)
    assert rates.total == pytest.approx(entropy_production(made, density), rel=1e-12)
    if made.detailed_balance:
        assert abs(rates.housekeeping) <= 1e-11 * rates.total
        assert edge_fluxes(made, state.density).imbalance < 1e-12
        assert entropy_rates(made, state.density, state.log_density).total < 1e-12


@compiled_only
def test_split_without_detailed_balance(rng: np.random.Generator) -> None:
    made, state = linear(48)
    volume = made.grid.cell_volume
    for power in (0.0, 0.3, 1.0, 3.0):
        density = state.density ** min(1.0, power + 0.2) * np.exp(
            power * rng.standard_normal(made.grid.shape)
        )
        density /= made.grid.integrate(density)
        rates = entropy_rates(made, density, state.log_density)
        change = made.matvec(density)
        excess = -volume * (change * (np.log(density) - state.log_density)).sum()
        assert rates.excess == pytest.approx(excess, rel=1e-9)
        assert rates.housekeeping > 0.0
        assert rates.excess >= 0.0
        assert rates.total == pytest.approx(rates.housekeeping + rates.excess, rel=1e-12)
    rest = entropy_rates(made, state.density, state.log_density)
    assert abs(rest.excess) < 1e-25
    assert rest.housekeeping == pytest.approx(rest.total, rel=1e-14)


def test_one_way_motion_has_no_finite_production() -> None:
    problem = gallery.heavy_ball().problem
    made = generator(problem, problem.grid(12))
    density = random_density(made.grid, 5)
    flat = np.full(made.grid.shape, -np.log(made.grid.size * made.grid.cell_volume))
    rates = entropy_rates(made, density, flat)
    assert rates.total == rates.housekeeping == np.inf
    assert np.isfinite(rates.excess)


def test_empty_cells_are_left_out() -> None:
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-2.0, 2.0)})
    made = generator(problem, problem.grid(8))
    density = np.array([0.0, 0.0, 1.0, 2.0, 1.0, 0.0, 0.0, 0.0])
    state = stationary(made, problem)
    rates = entropy_rates(made, density, state.log_density)
    assert rates.total == pytest.approx(entropy_production(made, density), rel=1e-12)
    assert rates.total == pytest.approx(rates.excess, rel=1e-12)


@compiled_only
def test_linear_drift_in_closed_form_at_order_2() -> None:
    limit = solve_continuous_lyapunov(HESSIAN, 2.0 * SIGMA)
    matrix = -HESSIAN + SIGMA @ np.linalg.inv(limit)
    # E[x_1 v_2 - x_2 v_1]; and J = kappa (rho_y, -rho_x), whose psi = kappa rho peaks at 0.
    momentum = (limit @ matrix.T)[0, 1] - (limit @ matrix.T)[1, 0]
    kappa = abs((matrix @ limit)[1, 0])
    turnover = kappa / (2.0 * np.pi * np.sqrt(np.linalg.det(limit)))
    produced = np.trace(HESSIAN @ np.linalg.solve(SIGMA, HESSIAN @ limit)) - np.trace(HESSIAN)
    errors: dict[str, list[float]] = {"momentum": [], "turnover": [], "production": []}
    widths = []
    for cells in CELLS:
        made, state = linear(cells)
        turning = circulation(made, state.density)
        rates = entropy_rates(made, state.density, state.log_density)
        assert turning.defect < 1e-10
        errors["momentum"].append(abs(turning.angular_momentum[0, 1] - momentum))
        errors["turnover"].append(abs(turning.turnover - turnover))
        errors["production"].append(abs(rates.housekeeping - produced))
        widths.append(made.grid.spacing[0])
    for name, error in errors.items():
        assert fitted_order(widths, error) == pytest.approx(2.0, abs=ORDER_WINDOW), name


@compiled_only
def test_stream_function_of_hopf_at_order_2() -> None:
    exact = gallery.hopf()
    assert exact.stationary_density is not None
    # J = 2 x_perp rho, hence dpsi/dr = -2 r rho.
    errors, widths = [], []
    for cells in CELLS:
        grid = exact.problem.grid(cells)
        made = generator(exact.problem, grid)
        state = stationary(made, exact.problem)
        psi, defect = stream_function(face_fluxes(made, state.density))
        assert defect < 1e-10
        radius = np.linspace(0.0, 2.5, 4001)
        rho = exact.stationary_density([radius, 0.0 * radius])
        exact_total = np.trapezoid(2.0 * radius * rho, radius)
        errors.append(abs(np.ptp(psi) - exact_total))
        widths.append(grid.spacing[0])
        # Counter-clockwise: J = (psi_y, -psi_x) runs around a maximum.
        middle = psi[cells // 2, cells // 2]
        assert abs(middle) == pytest.approx(np.ptp(psi), rel=0.05)
        assert middle > 0.0
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=ORDER_WINDOW)


def test_stream_function_needs_a_plane() -> None:
    with pytest.raises(ValueError, match="two axes"):
        stream_function([np.zeros(3)])


def test_current_through_a_periodic_box() -> None:
    ring = {"x": {"range": (0.0, 1.0), "boundary": "periodic"}, "y": (0.0, 1.0)}
    problem = Problem(None, 1.0, 1.0, ring, drift=["2.0", "0"])
    made = generator(problem, problem.grid((12, 8)))
    density = np.ones(made.grid.shape)
    faces = face_fluxes(made, density)
    # J_1 = 2 through the unit cross section.
    np.testing.assert_allclose(faces[0].sum(axis=1), 2.0, rtol=1e-12)
    psi, _ = stream_function(faces)
    np.testing.assert_allclose(psi[:, -1] - psi[:, 0], 2.0, rtol=1e-12)
