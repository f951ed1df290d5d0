"""Steps of heavy-tailed densities: masses along the drift's flow, killed jumps, the march."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import ORDER_WINDOW, compiled_only, examples, fitted_order
from reference import remapped
from scipy.linalg import expm

from fokkerplanck.errors import NumericalFailure
from fokkerplanck.fractional import restricted_laplacian as killed_jumps
from fokkerplanck.fractional.fractional import Fractional
from fokkerplanck.fractional.levy import LevySystem
from fokkerplanck.fractional.levy_integrator import LevyIntegrator, evolve_levy
from fokkerplanck.fractional.remap import PARALLEL_CELLS, Feet, feet, remap
from fokkerplanck.problem import Problem
from fokkerplanck.problem.jumps import Jumps
from fokkerplanck.timestepping.initial import gaussian_density

N = 12


def flow_of(places: np.ndarray, periodic: bool, shape: tuple[int, int, int] | None = None) -> Feet:
    """Feet at given places, in cells, of the shape (lines, n + 1)."""
    places = np.atleast_2d(places)
    n = places.shape[1] - 1
    cells = np.floor(places).astype(np.int32)
    if not periodic:
        cells = np.minimum(cells, n - 1).astype(np.int32)
    return Feet(cells, places - cells, shape or (places.shape[0], n, 1), periodic)


def carried(line: np.ndarray, places: np.ndarray, periodic: bool) -> np.ndarray:
    out = np.full(line.shape, np.nan)
    remap(line, flow_of(places, periodic), out)
    return out


lines = st.lists(st.sampled_from([0.0, 1e-9, 0.3, 1.0, 7.0]), min_size=N, max_size=N)
gaps = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.75, 3.0]), min_size=N, max_size=N)


# Masses.


@examples
@given(lines, gaps, st.floats(0.0, 11.99), st.booleans())
def test_remap_against_its_slow_twin(
    values: list[float], steps: list[float], first: float, periodic: bool
) -> None:
    line = np.array(values)
    places = np.concatenate([[0.0], np.cumsum(steps)])
    if periodic:
        places = first + places * (N / places[-1] if places[-1] > 0.0 else 0.0)
        places[-1] = first + N
    else:
        places = np.minimum(places, N)
    found = carried(line, places, periodic)
    np.testing.assert_allclose(found, remapped(line, places, periodic), atol=1e-13)
    assert found.min() >= 0.0
    if periodic:
        assert found.sum() == pytest.approx(line.sum(), rel=1e-14)


@pytest.mark.parametrize("periodic", [True, False])
def test_remap_keeps_means_in_place_and_shifts_by_whole_cells(periodic: bool) -> None:
    line = np.random.default_rng(5).random(N)
    np.testing.assert_array_equal(carried(line, np.arange(N + 1.0), periodic), line)
    shifted = carried(line, np.arange(N + 1.0) + 3.0, True)
    np.testing.assert_array_equal(shifted, np.roll(line, -3))
    gathered = carried(line, np.array([0.0] * 6 + [12.0] * 7), False)
    assert gathered[5] == pytest.approx(line.sum(), rel=1e-15)
    assert np.delete(gathered, 5).max() == 0.0


def test_remap_is_of_order_3() -> None:
    widths, errors = [], []
    for n in (40, 80, 160):
        x = np.arange(n + 1) / n
        # Means of exp(sin 2 pi x)/..., by its expansion: those of cos^4 are known.
        primitive = 3 * x / 8 + np.sin(4 * math.pi * x) / (8 * math.pi)
        primitive += np.sin(8 * math.pi * x) / (64 * math.pi)
        line = np.diff(primitive) * n
        shift = 0.37
        for _ in range(3):
            line = carried(line, np.arange(n + 1.0) + shift, True)
        back = x + 3 * shift / n
        moved = 3 * back / 8 + np.sin(4 * math.pi * back) / (8 * math.pi)
        moved += np.sin(8 * math.pi * back) / (64 * math.pi)
        widths.append(1 / n)
        errors.append(float(np.abs(line - np.diff(moved) * n).mean()))
    assert fitted_order(widths, errors) >= 3.0 - ORDER_WINDOW


@compiled_only
@pytest.mark.parametrize("shape", [(3, 20, 11), (1, 200, 190), (190, 200, 1)])
def test_lines_of_any_axis_are_treated_alike(shape: tuple[int, int, int]) -> None:
    """Blocks, rows and threads: the same bits as one line at a time."""
    outer, n, inner = shape
    random = np.random.default_rng(7)
    places = np.sort(n * random.random((outer * inner, n + 1)), axis=1)
    values = random.random(shape)
    out = np.empty(shape)
    remap(values, flow_of(places, False, shape), out)
    assert (values.size >= PARALLEL_CELLS) == (n == 200)
    for o, k in [(0, 0), (outer - 1, inner - 1), (outer // 2, inner // 3)]:
        alone = carried(values[o, :, k].copy(), places[o * inner + k], False)
        np.testing.assert_array_equal(out[o, :, k], alone)


def test_feet() -> None:
    faces = np.linspace(-3.0, 3.0, 13)
    # x' = -0.8 x goes back outwards; walls stay, and beyond them there is nothing.
    flow = feet(-0.8 * faces.reshape(1, 13, 1), 0.5, 0.4, False, (True, True))
    found = flow.cells[0] + flow.shares[0]
    wanted = np.clip(faces * math.exp(0.32), -3.0, 3.0) / 0.5 + 6.0
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    # Against walls the last cells gather; without them they are emptied.
    for walls, ends in [((True, True), (0.0, 12.0)), ((False, False), (12.0, 0.0))]:
        flow = feet(0.8 * faces.reshape(1, 13, 1), 0.5, 0.4, False, walls)
        found = flow.cells[0] + flow.shares[0]
        inner = faces * math.exp(-0.32) / 0.5 + 6.0
        np.testing.assert_allclose(found[1:-1], inner[1:-1], atol=2e-4)
        assert found[0] == pytest.approx(ends[0] if walls[0] else inner[0], abs=2e-4)
        assert found[-1] == pytest.approx(ends[1] if walls[1] else inner[-1], abs=2e-4)
    # More than once around a circle.
    flow = feet(np.full((1, 13, 1), 1.0), 0.5, 7.1, True, (False, False))
    np.testing.assert_allclose(flow.cells[0] + flow.shares[0], np.arange(13) + 9.8, atol=1e-12)


# Jumps into absorbing sides.


def killed(cells: tuple[int, ...], alpha: float) -> tuple[Fractional, np.ndarray]:
    side = {"range": (-1.0, 1.0), "boundary": "absorbing"}
    grid = Problem("0", domain=dict(zip("xy", [side] * len(cells), strict=False))).grid(cells)
    operator = Fractional(grid, Jumps(alpha, "isotropic", (1.0,) * len(cells)))
    matrix = np.stack(
        [operator.matvec(e.reshape(cells)).reshape(-1) for e in np.eye(grid.size)], axis=1
    )
    return operator, matrix


@pytest.mark.parametrize("full", [0, 600])
@pytest.mark.parametrize(("cells", "alpha"), [((40,), 0.6), ((41,), 1.7), ((7, 9), 1.2)])
def test_jumps_into_absorbing_sides_are_exact_in_time(
    cells: tuple[int, ...], alpha: float, full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a matrix and as a sum of Chebyshev polynomials, against dense exponentials."""
    monkeypatch.setattr(killed_jumps, "FULL_CELLS", full)
    operator, matrix = killed(cells, alpha)
    density = np.random.default_rng(5).random(cells)
    for time in (0.01, 0.3, 3.0):
        found = operator.exponential(density, time)
        wanted = expm(time * matrix) @ density.reshape(-1)
        np.testing.assert_allclose(found.reshape(-1), wanted, atol=1e-13 * wanted.max(), rtol=1e-9)
        assert found.min() >= 0.0
        assert found.sum() < density.sum()


# The march.


@compiled_only
def test_march_meets_its_tolerance_and_goes_on_with_the_same_bits() -> None:
    problem = Problem("x**4/4 - x**2/2", domain={"x": (-3, 3)}, alpha=1.4, beta=4.0)
    grid = problem.grid(384)
    start = gaussian_density(grid, [1.5], np.array([[0.04]]))
    times = [0.0, 0.3, 0.6, 1.3]
    close = evolve_levy(problem, grid, start, times, rtol=2e-6)[-1]
    for rtol in (1e-2, 1e-3, 1e-4):
        found = evolve_levy(problem, grid, start, times, rtol=rtol)[-1]
        assert grid.integrate(np.abs(found - close)) <= rtol
    march = LevyIntegrator(LevySystem(problem, grid), 1e-3, 1.3)
    flat, step = march.advance(start.reshape(-1), 0.0, 0.3, 0.0)
    whole = march.advance(flat, 0.3, 0.6, step)
    again = LevyIntegrator(LevySystem(problem, grid), 1e-3, 1.3).advance(flat, 0.3, 0.6, step)
    assert whole[0].tobytes() == again[0].tobytes()
    assert whole[1] == again[1]


def test_drift_that_moves_in_time() -> None:
    """A parabola on a circle's path: the centre of the jumps follows m' = -(m - sin 3 t)."""
    problem = Problem("(x - sin(3*t))**2/2", domain={"x": (-60, 60)}, alpha=1.5)
    grid = problem.grid(1200)
    start = gaussian_density(grid, [1.0], np.array([[0.3]]))
    found = evolve_levy(problem, grid, start, [0.0, 1.0], rtol=1e-3)[-1]
    t, k = 1.0, 0.5
    mean = 1.3 * math.exp(-t) + 0.1 * math.sin(3 * t) - 0.3 * math.cos(3 * t)
    decayed = k * math.exp(-t)
    spread = 0.15 * decayed**2 + k**1.5 * (1.0 - math.exp(-1.5 * t)) / 1.5
    wanted = np.exp(1j * k * mean - spread)
    assert abs(grid.integrate(found * np.exp(1j * k * grid.centers[0])) - wanted) <= 2e-3


def test_tolerance_out_of_reach() -> None:
    problem = Problem("x**2/2", domain={"x": (-4, 4)}, alpha=1.5)
    grid = problem.grid(32)
    start: Any = gaussian_density(grid, [1.0], np.array([[0.1]]))
    with pytest.raises(NumericalFailure, match="time error"):
        evolve_levy(problem, grid, start, [0.0, 1.0], rtol=1e-30)
