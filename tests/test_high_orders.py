"""The high-order scheme: orders in space and time, and the numbers that it is held to."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from measures import compiled_only, distance, fitted_order
from scipy.integrate import solve_ivp
from test_orders import OBLIQUE, SLANT, TIME_PROBLEMS, TURN, oblique_problem, oblique_rate, side

from fokkerplanck import gallery
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.high_order.high_order import high_order
from fokkerplanck.problem import Problem
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.flux_integrator import FluxIntegrator
from fokkerplanck.timestepping.schemes import SCHEME_TABLE
from fokkerplanck.timestepping.system import System

# What is asked of every transient, and the order that smooth problems show.
LEAST_ORDER, FULL_ORDER = 4.0, SCHEME_TABLE["high-order"].order


# Orders in space.


def final_error(exact: ExactProblem, cells: int, rtol: float = 1e-9) -> tuple[float, float]:
    grid = exact.problem.grid(cells)
    found = evolve(
        exact.problem, grid, exact.initial(grid), [0.0, exact.end], scheme="high-order", rtol=rtol
    )
    assert found.density.min() >= 0.0
    assert grid.integrate(found.density) == pytest.approx(np.ones(2), abs=1e-12)
    return float(grid.spacing[0]), distance(
        grid, found.density[-1], exact.density(exact.end, grid.points)
    )


TRANSIENTS: dict[str, tuple[Callable[[], ExactProblem], tuple[int, ...]]] = {
    "line": (lambda: gallery.ornstein_uhlenbeck(2.0, 0.7, 1.5, 0.4, 0.1), (48, 64, 96, 128)),
    "multiplicative line": (lambda: gallery.mapped_ornstein_uhlenbeck(1), (200, 300, 400)),
    "isotropic plane": (gallery.ornstein_uhlenbeck_2d, (40, 56, 80)),
    "anisotropic plane": (lambda: gallery.ornstein_uhlenbeck_2d(4.0), (40, 56, 80)),
    "circulating plane": (gallery.circulating_ornstein_uhlenbeck, (64, 80, 96)),
    "turning plane": (gallery.mapped_ornstein_uhlenbeck, (48, 64, 88)),
    "space": (
        lambda: gallery.ornstein_uhlenbeck(
            [[1.0, 0.2, 0.0], [0.2, 1.2, 0.1], [0.0, 0.1, 0.8]],
            [[1.0, 0.3, 0.1], [0.3, 0.9, 0.2], [0.1, 0.2, 1.1]],
            1.0, [0.6, -0.4, 0.3], 0.6 * np.eye(3), [(-5.0, 5.0)] * 3, end=0.3,
        ),
        (20, 26, 32),
    ),
    "turning space": (lambda: gallery.mapped_ornstein_uhlenbeck(3), (40, 48, 56)),
    "moving line": (lambda: gallery.travelling_well(1), (96, 136, 192)),
    "cross diffusion": (gallery.cross_diffusion, (56, 72, 88)),
}  # fmt: skip


@compiled_only
@pytest.mark.parametrize("key", list(TRANSIENTS))
def test_transients(key: str) -> None:
    make, levels = TRANSIENTS[key]
    exact = make()
    results = [final_error(exact, cells) for cells in levels]
    order = fitted_order(*zip(*results, strict=True))
    assert LEAST_ORDER <= order <= FULL_ORDER + 0.5


Density = Callable[[float, Sequence[np.ndarray]], np.ndarray]


def side_order(problem: Problem, density: Density, levels: Sequence[int], end: float) -> float:
    """Fitted order of a positive mode that does not vanish at the sides."""
    results = []
    for cells in levels:
        grid = problem.grid(cells)
        start = np.broadcast_to(density(0.0, grid.points), grid.shape)
        found = evolve(problem, grid, start, [0.0, end], scheme="high-order").density
        assert found.min() >= 0.0
        results.append((grid.spacing[0], distance(grid, found[-1], density(end, grid.points))))
    return fitted_order(*zip(*results, strict=True))


@compiled_only
@pytest.mark.parametrize(
    ("ndim", "levels"), [(1, (12, 16, 24)), (2, (12, 16, 24)), (3, (10, 12, 16))]
)
def test_full_order_around_the_torus(ndim: int, levels: tuple[int, ...]) -> None:
    tensor = np.array([[1.0, 0.5, 0.3], [0.5, 0.8, -0.2], [0.3, -0.2, 0.6]])[:ndim, :ndim]
    k, drift = np.array([1.0, -1.0, 1.0])[:ndim], np.array([0.5, -0.3, 0.8])[:ndim]
    problem = Problem(
        None,
        tensor.tolist(),
        1.0,
        {name: side("periodic", "periodic", 0, TURN) for name in "xyz"[:ndim]},
        drift=[repr(float(c)) for c in drift],
    )

    def density(t: float, points: Sequence[np.ndarray]) -> np.ndarray:
        phase = sum(k[i] * x for i, x in enumerate(points)) - (k @ drift) * t
        return 1.0 + 0.9 * np.cos(phase) * np.exp(-(k @ tensor @ k) * t)

    assert side_order(problem, density, levels, 0.5) == pytest.approx(FULL_ORDER, abs=0.25)


@compiled_only
def test_declared_order_at_sides() -> None:
    """At least 2 where the density does not vanish there; oblique tensors included."""
    least = SCHEME_TABLE["high-order"].side_order - 0.2
    rate = (np.pi / 2) ** 2

    def absorbed(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        return np.cos(np.pi / 2 * p[0]) * np.exp(-rate * t)

    def drifting(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        return np.exp(-2.0 * p[0]) + 0.0 * t

    def oblique(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        wave = np.cos(p[1] - SLANT * p[0])
        tilted = 0.4 * np.cos(np.pi / 2 * (p[0] + 1)) * np.exp(-oblique_rate(np.pi / 2, 1) * t)
        return 1.0 + (0.5 * np.exp(-oblique_rate(0, 1) * t) + tilted) * wave

    def oblique_absorbed(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        tilted = np.cos(p[1] - SLANT * p[0]) * np.exp(-oblique_rate(np.pi / 2, 1) * t)
        flat = 1.2 * np.exp(-oblique_rate(np.pi / 2, 0) * t)
        return np.cos(np.pi / 2 * p[0]) * (flat + tilted)

    walls = Problem("0*x", 1.0, 1.0, {"x": side("absorbing", "absorbing", -1, 1)})
    assert OBLIQUE[0, 1] != 0.0
    assert side_order(walls, absorbed, (16, 32, 64), 0.4) >= least
    assert side_order(oblique_problem("reflecting"), oblique, (24, 36, 54), 0.3) >= least
    assert side_order(oblique_problem("absorbing"), oblique_absorbed, (24, 36, 54), 0.3) >= least


# Order in time.


def test_order_in_time() -> None:
    problem = TIME_PROBLEMS["moving"]
    grid = problem.grid((12, 10))
    x, y = grid.points
    start = np.exp(-((x - 0.4) ** 2 + (y + 0.3) ** 2) / 1.2).reshape(-1)
    exact = solve_ivp(
        lambda t, u: high_order(problem, grid, t).matvec(u), (0.0, 0.4), start,
        method="DOP853", rtol=1e-12, atol=1e-14,
    ).y[:, -1]  # fmt: skip
    march = FluxIntegrator(System(problem, grid), 1e-6, 0.4)
    results = []
    for count in (4, 8, 16):
        density, dt = start, 0.4 / count
        for number in range(count):
            density, _ = march._moving(density, number * dt, dt)
        results.append((dt, float(np.abs(density - exact).sum())))
    assert fitted_order(*zip(*results, strict=True)) == pytest.approx(4.0, abs=0.15)


@compiled_only
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_tolerance_is_kept(rtol: float) -> None:
    problem = TIME_PROBLEMS["moving"]
    grid = problem.grid((24, 24))
    x, y = grid.points
    start = np.exp(-((x - 0.4) ** 2 + (y + 0.3) ** 2) / 0.6)
    found, best = (
        evolve(problem, grid, start, [0.0, 0.8], scheme="high-order", rtol=tolerance).density[-1]
        for tolerance in (rtol, 1e-11)
    )
    assert np.abs(found - best).sum() <= rtol * start.sum()


# The numbers that the package promises.


@compiled_only
@pytest.mark.parametrize(
    ("k", "cells", "bound"),
    [(1.0, 64, 1e-4), (1.0, 128, 5e-6), (4.0, 64, 2e-4), (4.0, 128, 5e-6), (100.0, 128, 2e-3)],
)
def test_reference_transient(k: float, cells: int, bound: float) -> None:
    assert final_error(gallery.ornstein_uhlenbeck_2d(k), cells)[1] <= bound


@compiled_only
def test_cross_diffusion() -> None:
    exact = gallery.cross_diffusion()
    grid = exact.problem.grid(88)
    found = evolve(
        exact.problem, grid, exact.initial(grid), [0.0, exact.end], scheme="high-order"
    ).density
    error = found[-1] - exact.density(exact.end, grid.points)
    assert np.sqrt(grid.integrate(error**2)) <= 1e-4
    assert found.min() >= 0.0
