"""Local entropy (66), its minima beside those of Phi and Phi~, and Entropy-SGD (69)-(70)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from measures import compiled_only
from scipy.linalg import expm

from fokkerplanck import load_case, open_result, run
from fokkerplanck.errors import CaseError
from fokkerplanck.operators.samples import Samples
from fokkerplanck.problem import Problem
from fokkerplanck.smoothing import (
    entropy_sgd_problem,
    entropy_sgd_walkers,
    gradient_flow,
    local_entropy,
    minima_table,
)
from fokkerplanck.smoothing.local_entropy import smoothing_bytes
from fokkerplanck.smoothing.minima import _row
from fokkerplanck.stationary.critical_points import CriticalPoint
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density

HESSIANS = {
    1: np.array([[2.5]]),
    2: np.array([[3.0, 0.8], [0.8, 1.0]]),
    3: np.array([[2.0, 0.3, 0.0], [0.3, 1.0, -0.2], [0.0, -0.2, 1.5]]),
}
CELLS = {1: 64, 2: 24, 3: 8}


def parabola(d: int) -> Problem:
    names, h = "xyz"[:d], HESSIANS[d]
    terms = [f"{0.5 * h[i, j]}*{names[i]}*{names[j]}" for i in range(d) for j in range(d)]
    box = {name: (-2.0, 2.5) for name in names}
    return Problem(loss=" + ".join(terms), domain=box)


WAVY = Problem(loss="(x**2 - 1)**2 + 0.3*x + 0.2*cos(3*x)", domain={"x": (-2.0, 2.0)})


@pytest.mark.parametrize("gamma", [0.1, 1.0, 9.0, 200.0, 1e5])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_quadratic_in_closed_form(d: int, gamma: float) -> None:
    """M = (H^-1 + I/gamma)^-1: value x.M x/2 + log det(I + H/gamma)/2 + const, to 1e-10."""
    problem = parabola(d)
    grid = problem.grid(CELLS[d])
    found = local_entropy(problem, grid, gamma)
    h, unit = HESSIANS[d], np.eye(d)
    m = np.linalg.inv(np.linalg.inv(h) + unit / gamma)
    x = np.stack(np.broadcast_arrays(*grid.points))
    exact = 0.5 * np.einsum("i...,ij,j...->...", x, m, x)
    exact += 0.5 * np.log(np.linalg.det(unit + h / gamma)) - 0.5 * d * np.log(2 * np.pi / gamma)
    np.testing.assert_allclose(found.values, exact, atol=1e-10)
    slope = np.tensordot(m, x, 1)
    np.testing.assert_allclose(found.gradient, slope, atol=1e-10)
    # gamma - gamma^2 Cov cancels: a few roundings of gamma are left.
    curved = np.broadcast_to(m.reshape(d, d, *(1,) * d), found.hessian.shape)
    np.testing.assert_allclose(found.hessian, curved, atol=1e-10 + 1e-13 * gamma)


@pytest.mark.parametrize("gamma", [0.8, 12.0, 4000.0])
def test_gradient_is_that_of_the_values(gamma: float) -> None:
    """grad Phi_ent = gamma (x - <x'>) to 1e-8, by differences of order 8 of the values."""
    grid = WAVY.grid(400)
    found = local_entropy(WAVY, grid, gamma)
    h, v = grid.spacing[0], found.values
    weights = np.array([4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0])
    inner = slice(4, -4)
    n = v.size
    slope = sum(w * (v[4 + k : n - 4 + k] - v[4 - k : n - 4 - k]) for k, w in enumerate(weights, 1))
    np.testing.assert_allclose(found.gradient[0, inner], slope / h, atol=1e-8)
    g = found.gradient[0]
    bend = sum(w * (g[4 + k : n - 4 + k] - g[4 - k : n - 4 - k]) for k, w in enumerate(weights, 1))
    np.testing.assert_allclose(found.hessian[0, 0, inner], bend / h, atol=2e-7 + 1e-12 * gamma)


def test_sum_and_quadrature_agree() -> None:
    """Two independent ways at a gamma where both are sharp, in two dimensions."""
    from fokkerplanck.smoothing.local_entropy import _gauss_hermite, _sum

    problem = Problem(
        loss="0.3*cos(x)*sin(2*y) + 0.1*x**2 + 0.2*y**2", domain={"x": (-2, 2), "y": (-1, 2)}
    )
    grid = problem.grid((20, 16))
    one, two = _sum(problem, grid, 60.0, 2.0), _gauss_hermite(problem, grid, 60.0, 20)
    np.testing.assert_allclose(one.values, two.values, atol=1e-12)
    np.testing.assert_allclose(one.gradient, two.gradient, atol=1e-11)
    np.testing.assert_allclose(one.hessian, two.hessian, atol=1e-9)


def test_large_gamma_returns_the_loss_at_the_right_rate() -> None:
    """Phi_ent + log(2 pi/gamma)/2 = Phi + (tr H - |grad Phi|^2)/(2 gamma) + O(gamma^-2)."""
    grid = WAVY.grid(50)
    loss = WAVY.loss_at(grid.points)
    first = 0.5 * (WAVY.hessian_at(grid.points)[0, 0] - WAVY.gradient_at(grid.points)[0] ** 2)
    gaps = []
    for gamma in (4e4, 1.6e5):
        values = local_entropy(WAVY, grid, gamma).values + 0.5 * math.log(2.0 * math.pi / gamma)
        gaps.append(np.abs(values - loss - first / gamma).max())
    assert math.log(gaps[0] / gaps[1], 4.0) == pytest.approx(2.0, abs=0.1)


def test_large_losses_do_not_underflow() -> None:
    problem = Problem(loss="2000*x**2 + 5000", domain={"x": (-3.0, 3.0)})
    grid = problem.grid(200)
    found = local_entropy(problem, grid, 1.0)
    x = grid.centers[0]
    exact = 5000.0 + 0.5 * x**2 * 4000.0 / 4001.0 + 0.5 * np.log(4001.0 / (2.0 * np.pi))
    np.testing.assert_allclose(found.values, exact, rtol=1e-13)


def test_periodic_axes_wrap() -> None:
    """exp(-Phi) as a Fourier series: each wave is damped by exp(-k^2/(2 gamma))."""
    problem = Problem(
        loss="-log(2 + cos(x))", domain={"x": {"range": (-np.pi, np.pi), "boundary": "periodic"}}
    )
    grid = problem.grid(48)
    gamma = 0.7
    found = local_entropy(problem, grid, gamma)
    damped = 2.0 + math.exp(-0.5 / gamma) * np.cos(grid.centers[0])
    exact = -np.log(damped) - 0.5 * math.log(2.0 * math.pi / gamma)
    np.testing.assert_allclose(found.values, exact, atol=1e-12)


# Minima.


def test_minima_are_matched_and_counted() -> None:
    case = load_case("local_entropy_sharp_flat")
    problem, grid = case.problem, case.grid
    gammas = (0.5, 10.0, 1000.0)
    table = minima_table(problem, grid, [local_entropy(problem, grid, g) for g in gammas], [4.0])
    assert table.fields == ("loss", "quasi_potential", *["local_entropy"] * 3)
    np.testing.assert_allclose(table.loss[:, 0], [-1.5, 1.5], atol=1e-9)
    np.testing.assert_allclose(table.loss_values, [-0.5, -0.3], atol=1e-12)
    assert table.flattest == 1
    # Phi prefers the sharp one, Phi~ the flat one; smoothing first the flat one, then as Phi does.
    assert list(table.deepest) == [0, 1, 1, 1, 0]
    assert list(table.counts) == [2, 2, 1, 2, 2]
    assert np.isnan(table.places[2, 0, 0])
    # Phi~ is the integral of Phi'/Sigma + Sigma'/(beta Sigma).
    x = np.linspace(-1.5, 1.5, 20001)
    sigma = 1.0 + 3.0 * np.exp(-2.0 * (x + 1.5) ** 2)
    integrand = problem.gradient_at([x])[0] / sigma
    exact = np.trapezoid(integrand, x) + math.log(sigma[-1] / sigma[0]) / 4.0
    assert -table.depths[1, 0] == pytest.approx(exact, abs=1e-3)


def test_the_nearest_of_two_counterparts_is_kept() -> None:
    samples = Samples((np.linspace(-1.0, 1.0, 9),), np.zeros(9), (None,))

    def point(x: float, value: float) -> CriticalPoint:
        return CriticalPoint(np.array([x]), value, np.array([1.0]))

    own = [point(-0.5, 0.0), point(0.5, 0.1)]
    near, far = point(-0.45, 3.0), point(-0.2, 2.0)
    for points in ([near, far], [far, near]):
        places, depths = _row(samples, own, points)
        assert places[0, 0] == -0.45
        assert depths[0] == 1.0
        assert np.isnan(places[1, 0])
        assert np.isnan(depths[1])


def test_crossing_by_laplace() -> None:
    """Where log((1/w_s^2 + gamma)/(1/w_f^2 + gamma))/2 is the difference of depths, about."""
    case = load_case("local_entropy_sharp_flat")
    gammas = np.geomspace(60.0, 300.0, 6)
    table = minima_table(
        case.problem, case.grid, [local_entropy(case.problem, case.grid, g) for g in gammas]
    )
    sharp, flat = 0.12**-2, 0.6**-2
    laplace = (sharp - math.exp(0.4) * flat) / (math.exp(0.4) - 1.0)
    assert table.crossing("local_entropy") == pytest.approx(laplace, rel=0.05)
    assert math.isnan(table.crossing("quasi_potential"))


# Entropy-SGD.

GAMMA, END = 2.0, 1.0


def exact_pair(tau: float, start: float) -> np.ndarray:
    """Means of (z, theta) at END for Phi = z^2/2."""
    m = np.array([[-(1.0 + GAMMA) / tau, GAMMA / tau], [GAMMA, -GAMMA]])
    return np.asarray(expm(END * m) @ [start, start])


@compiled_only
def test_density_of_the_pair() -> None:
    problem = Problem(loss="0.5*x**2", domain={"x": (-1.5, 2.5)})
    pair = entropy_sgd_problem(problem, GAMMA, 0.1, fast=(-3.5, 4.5))
    gaps = []
    for cells in ((48, 48), (96, 96)):
        grid = pair.grid(cells)
        start = gaussian_density(grid, [1.2, 1.2], np.diag([0.25, 0.04]))
        rho = evolve(pair, grid, start, [0.0, END], scheme="scharfetter-gummel").density[1]
        mean = [float(grid.integrate(rho * p)) for p in grid.points]
        gaps.append(np.abs(mean - exact_pair(0.1, 1.2)).max())
    # Upwind along theta: order 1.
    assert gaps[1] < 0.65 * gaps[0]
    assert gaps[1] < 0.02


def test_walkers_of_the_pair() -> None:
    problem = Problem(loss="0.5*x**2 + y**2", domain={"x": (-4, 4), "y": (-4, 4)})
    start = np.tile([1.2, -0.8], (6000, 1))
    found = entropy_sgd_walkers(problem, GAMMA, 0.1, start, [0.0, 0.5, END], seed=20267)
    for axis, curvature in enumerate((1.0, 2.0)):
        m = np.array([[-(curvature + GAMMA) / 0.1, GAMMA / 0.1], [GAMMA, -GAMMA]])
        mean = (expm(END * m) @ np.full(2, start[0, axis]))[1]
        error = math.sqrt(found.variance[-1, axis] / 6000)
        assert abs(found.mean[-1, axis] - mean) <= 4.5 * error + 4e-3


def test_small_time_scale_follows_the_gradient_flow_of_local_entropy() -> None:
    """On a double well: the mean approaches d theta/dt = -grad Phi_ent as tau falls, order 1."""
    problem = Problem(loss="0.5*(x**2 - 1)**2 + 0.4*x", domain={"x": (-3.0, 3.0)})
    grid = problem.grid(240)
    slope = local_entropy(problem, grid, GAMMA).gradient[0]
    times = [0.0, 0.5, END]
    flow = gradient_flow(lambda x: np.interp(x, grid.centers[0], slope), np.array([1.5]), times)
    gaps = []
    for tau in (0.08, 0.02):
        start = np.full((4000, 1), 1.5)
        found = entropy_sgd_walkers(problem, GAMMA, tau, start, times, seed=20269)
        gaps.append(abs(found.mean[-1, 0] - flow[-1, 0]))
    assert gaps[1] <= 0.5 * gaps[0]
    assert gaps[1] <= 0.04


# Cases and bad input.


def small(**changes: Any) -> Any:
    keys = {"domain.x.cells": 128, "smoothing.gamma": [1.0, 30.0], "smoothing.beta": [4.0]}
    return load_case("local_entropy_sharp_flat", {**keys, "expect": {}, **changes})


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_case_is_stored_and_read_back(tmp_path: Path) -> None:
    result = run(small(), tmp_path / "a.h5")
    record = result.smoothing
    assert record is not None
    again = open_result(tmp_path / "a.h5").smoothing
    xarray.testing.assert_identical(again.tree, record.tree)
    xarray.testing.assert_identical(run(small()).smoothing.tree, record.tree)
    assert again.numbers == record.numbers == {"flattest": 1.0}
    assert list(again.field) == ["loss", "quasi_potential", "local_entropy", "local_entropy"]
    with xarray.open_dataset(tmp_path / "a.h5", group="smoothing", engine="h5netcdf") as data:
        assert data["local_entropy"].shape == (2, 128)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smoothing.gamma": 0.0}, r"smoothing\.gamma.*not positive"),
        ({"smoothing.gamma": [1.0, -2.0]}, r"smoothing\.gamma\[1\].*not positive"),
        ({"smoothing.gama": 1.0}, "gamma"),
    ],
)
def test_bad_input_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CaseError, match=words) as caught:
        run(small(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smoothing.gamma": 1e-3}, r"standard deviation 31\.6, wider than x .* % of it lies outs"),
        ({"loss": {"formula": "x**2 - 30*log(4.2 + x)"}, "smoothing.gamma": 0.5}, "no finite"),
        ({"loss": {"formula": "-x**2"}, "smoothing.gamma": 1.0}, "falls outwards too steeply"),
    ],
)
def test_a_loss_without_local_entropy(changes: dict[str, Any], words: str) -> None:
    found = run(small(**changes))
    assert found.smoothing is None
    assert re.search(words, found.failed["smoothing"])


def test_entropy_sgd_refuses_what_cannot_be() -> None:
    problem = Problem(loss="x**2", domain={"x": (-1, 1)})
    with pytest.raises(CaseError, match="time_scale"):
        entropy_sgd_problem(problem, 1.0, 0.0)
    with pytest.raises(CaseError, match="one parameter"):
        entropy_sgd_problem(parabola(2), 1.0, 0.1)


def test_steep_losses_are_refused_before_their_nodes_are_counted_out() -> None:
    """Curvatures of 1e266 would take more nodes than an array can have."""
    for end, word in ((2.6, "more than 30,000,000 nodes"), (3.6, "no numbers")):
        problem = Problem("exp(exp(x**2))", 1.0, 2.0, {"x": (-2.2, end)})
        with np.errstate(all="ignore"), pytest.raises(CaseError, match=word):
            smoothing_bytes(problem, problem.grid(16), [61.0])
