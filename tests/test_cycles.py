"""Closed loops: Hopf, Caughey, van der Pol and the stirred double well; leading oscillation."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from circles import circle_averages
from measures import ORDER_WINDOW, compiled_only, fitted_order
from scipy.interpolate import RegularGridInterpolator
from scipy.optimize import minimize_scalar

from fokkerplanck import gallery, load_case
from fokkerplanck.gallery import chaudhari_soatto, van_der_pol
from fokkerplanck.gallery.cycles import VAN_DER_POL_PERIODS
from fokkerplanck.operators.currents import circulation
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.spectrum.rotation import leading_rotation
from fokkerplanck.stationary.loops import Cycle, current_cycles, limit_cycles
from fokkerplanck.stationary.stationary import stationary

PROBLEMS = {
    "hopf": lambda: gallery.hopf().problem,
    "caughey": lambda: gallery.caughey().problem,
    "stirred": lambda: chaudhari_soatto(1.5).problem,
    "linear": lambda: gallery.circulating_ornstein_uhlenbeck().problem,
    "still": lambda: gallery.ornstein_uhlenbeck_2d().problem,
    "sgd": lambda: load_case("sgd_limit_cycle").problem,
}


@cache
def loops(name: str, cells: int) -> tuple[Cycle, ...]:
    problem = PROBLEMS[name]()
    made = generator(problem, problem.grid(cells))
    return current_cycles(made, stationary(made, problem))


def radii(cycle: Cycle) -> np.ndarray:
    return np.hypot(*cycle.points.T)


@compiled_only
def test_loop_of_hopf_is_the_unit_circle_at_order_2() -> None:
    errors, spreads, widths = [], [], []
    for cells in (64, 96, 128):
        (cycle,) = loops("hopf", cells)
        assert cycle.closure < 1e-6
        assert cycle.direction == 1
        assert (cycle.winding((0.1, -0.2)), cycle.winding((1.5, 0.0))) == (1, 0)
        # v = 2 x_perp turns with angular frequency 2 at every radius.
        assert cycle.period == pytest.approx(np.pi, rel=1e-3)
        assert 2.0 * np.pi / cycle.period == pytest.approx(2.0, rel=1e-3)
        errors.append(abs(radii(cycle).mean() - 1.0))
        spreads.append(float(np.ptp(radii(cycle))))
        widths.append(1.0 / cells)
    assert errors[-1] < 1e-3
    assert spreads[-1] < 1e-3
    assert fitted_order(widths, spreads) == pytest.approx(2.0, abs=2 * ORDER_WINDOW)


@compiled_only
def test_loop_of_caughey_at_first_order() -> None:
    # rho depends on the energy alone; its crest is E = 1, a circle of radius sqrt 2 run clockwise.
    errors = []
    for cells in (64, 128):
        (cycle,) = loops("caughey", cells)
        assert cycle.direction == -1
        errors.append([np.abs(radii(cycle) - np.sqrt(2.0)).max(), abs(cycle.period - 2.0 * np.pi)])
    assert max(errors[-1]) < 0.03
    np.testing.assert_allclose(np.divide(errors[0], errors[1]), 2.0, atol=0.4)


@compiled_only
def test_loop_of_the_stirred_well() -> None:
    # Streamlines are circles of any radius; the most likely one minimises the mean of Phi~.
    best = minimize_scalar(
        lambda r: circle_averages(1.5, r)[1],
        bounds=(0.2, 1.2),
        method="bounded",
        options={"xatol": 1e-8},
    )
    (cycle,) = loops("stirred", 128)
    assert np.ptp(radii(cycle)) < 1e-3
    assert radii(cycle).mean() == pytest.approx(best.x, rel=0.01)
    period, _ = circle_averages(1.5, float(radii(cycle).mean()))
    assert cycle.period == pytest.approx(period, rel=2e-3)


@compiled_only
def test_sgd_runs_round_its_valley() -> None:
    """The bundled case: the loop stands out, and as much turns as in a simulation."""
    cycle = loops("sgd", 64)[0]
    assert cycle.winding((0.0, 0.0)) == -1
    assert 0.4 < radii(cycle).min() < radii(cycle).max() < 1.2
    problem = PROBLEMS["sgd"]()
    turns, widths = [], []
    for cells in (64, 96, 144):
        grid = problem.grid(cells)
        made = generator(problem, grid)
        state = stationary(made, problem)
        stream = circulation(made, state.density).stream
        assert stream is not None
        # The origin is a corner of the grid; psi there is the flux through a half-line from it.
        turns.append(-stream[cells // 2, cells // 2])
        widths.append(1.0 / cells)
    here = RegularGridInterpolator(grid.centers, state.density)
    along, inside = here(cycle.points), here([0.0, 0.0])[0]
    assert along.min() > 1.1 * inside
    assert along.mean() > 2.0 * inside
    # 20,000 walkers by Euler's scheme with steps of 0.005, and their standard error.
    assert turns[-1] == pytest.approx(0.03171, abs=3 * 0.00008)
    # From grids of 256^2 and 512^2 cells.
    errors = np.abs(np.subtract(turns, 0.0315898))
    assert fitted_order(widths, errors) == pytest.approx(2.0, abs=2 * ORDER_WINDOW)


def test_sgd_noise_is_that_of_its_samples(rng: np.random.Generator) -> None:
    """Loss and Sigma of the bundled case from its four samples, (31)."""
    problem = PROBLEMS["sgd"]()
    a, b, c, p, q = (problem.parameters[name] for name in "abcpq")
    inputs = np.array([(a, 0.0), (a, 0.0), (b, c), (b, c)])
    labels = np.array([p, -p, q, -q])
    for theta in rng.normal(size=(8, 2)):
        shared = (theta @ theta - 1.0) * theta
        gradients = (inputs @ theta - labels)[:, None] * inputs + shared
        here = list(theta)
        np.testing.assert_allclose(problem.drift_at(here), -gradients.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(
            problem.sigma_at(here), np.cov(gradients.T, bias=True), rtol=1e-11, atol=1e-12
        )


@compiled_only
@pytest.mark.parametrize("name", ["linear", "still"])
def test_no_loop_stands_out(name: str) -> None:
    assert loops(name, 48) == ()


@pytest.mark.parametrize("mu", [1.0, 2.0])
def test_limit_cycle_of_van_der_pol(mu: float) -> None:
    problem = van_der_pol(mu).problem
    (cycle,) = limit_cycles(problem, problem.grid(32))
    assert cycle.period == pytest.approx(VAN_DER_POL_PERIODS[mu], rel=1e-7)
    amplitude = {1.0: 2.008619860875, 2.0: 2.019891384667}[mu]
    assert np.abs(cycle.points[:, 0]).max() == pytest.approx(amplitude, abs=1e-3)
    # div drift = mu (1 - x^2), averaged over the cycle.
    x = cycle.points[:-1, 0]
    exponent = mu * (1.0 - (x**2).mean()) * cycle.period
    assert np.log(cycle.multiplier) == pytest.approx(exponent, rel=1e-6)
    assert cycle.multiplier < 1.0
    assert cycle.direction == -1


def test_nested_cycles_and_their_stability() -> None:
    # r' = r (1 - r^2)(4 - r^2)/4: unstable at 2, stable at 1, about (0.5, 0.1).
    x, y = "(x - 0.5)", "(y - 0.1)"
    square = f"({x}**2 + {y}**2)"
    radial = f"(1 - {square})*(4 - {square})/4"
    problem = Problem(
        None,
        1.0,
        1.0,
        {"x": (-3.0, 4.0), "y": (-3.0, 3.5)},
        drift=[f"{x}*{radial} - 3*{y}", f"{y}*{radial} + 3*{x}"],
    )
    inner, outer = limit_cycles(problem, problem.grid(32))
    # d(r')/dr = -3/2 at r = 1 and 6 at r = 2; period 2 pi/3.
    for cycle, radius, rate in ((inner, 1.0, -1.5), (outer, 2.0, 6.0)):
        np.testing.assert_allclose(np.hypot(*(cycle.points - [0.5, 0.1]).T), radius, atol=1e-7)
        assert cycle.period == pytest.approx(2.0 * np.pi / 3.0, rel=1e-7)
        assert np.log(cycle.multiplier) == pytest.approx(rate * cycle.period, rel=1e-5)
        assert cycle.winding(cycle.center) == 1


def test_closed_orbits_without_damping_are_no_limit_cycles() -> None:
    problem = Problem(None, 1.0, 1.0, {"x": (-2, 2), "v": (-2, 2)}, drift=["v", "-x"])
    assert limit_cycles(problem, problem.grid(16)) == ()


@compiled_only
def test_leading_oscillation_of_hopf_at_first_order() -> None:
    exact = gallery.hopf()
    known = exact.eigenvalues[1]
    errors = []
    for cells in (48, 96):
        made = generator(exact.problem, exact.problem.grid(cells))
        found = leading_rotation(made)
        assert found is not None
        assert found.residual < 1e-12
        errors.append(abs(complex(-found.decay, found.frequency) - known))
        assert found.quality == pytest.approx(found.frequency / (2.0 * found.decay))
    assert fitted_ratio(errors) == pytest.approx(2.0, abs=0.25)


def fitted_ratio(errors: list[float]) -> float:
    """Order from two grids, the second twice as fine."""
    return float(np.log2(errors[0] / errors[1]))


def test_leading_oscillation_against_all_eigenvalues() -> None:
    exact = gallery.heavy_ball()
    made = generator(exact.problem, exact.problem.grid(14))
    values = np.linalg.eigvals(made.to_scipy().toarray())
    turning = values[values.imag > 1e-6]
    slowest = turning[np.argmax(turning.real)]
    found = leading_rotation(made)
    assert found is not None
    assert complex(-found.decay, found.frequency) == pytest.approx(slowest, rel=1e-9)


def test_no_oscillation_under_detailed_balance() -> None:
    problem = gallery.ornstein_uhlenbeck_2d().problem
    assert leading_rotation(generator(problem, problem.grid(8))) is None
