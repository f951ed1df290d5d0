"""Declared orders, fitted on problems with exact answers, in space and for every row in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import pytest
import reference
from measures import (
    ORDER_WINDOW,
    compiled_only,
    distance,
    fitted_order,
    moving_error,
    transient_error,
)
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import cg, spsolve

from fokkerplanck import gallery
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.timestepping.evolve import evolve, fixed_steps
from fokkerplanck.timestepping.steppers import STEPPERS
from fokkerplanck.timestepping.system import System

TURN = 2.0 * np.pi


def assert_order(results: Sequence[tuple[float, float]], declared: float) -> None:
    widths, errors = zip(*results, strict=True)
    assert fitted_order(widths, errors) == pytest.approx(declared, abs=ORDER_WINDOW)


# Space: transients of the gallery, coefficients constant in time.


TRANSIENTS: dict[str, tuple[Callable[[], ExactProblem], tuple[int, ...]]] = {
    "line": (lambda: gallery.ornstein_uhlenbeck(2.0, 0.7, 1.5, 0.4, 0.1), (64, 128, 256)),
    "multiplicative line": (lambda: gallery.mapped_ornstein_uhlenbeck(1), (200, 400, 800)),
    "isotropic plane": (gallery.ornstein_uhlenbeck_2d, (48, 64, 96, 128)),
    "anisotropic plane": (lambda: gallery.ornstein_uhlenbeck_2d(4.0), (64, 96, 128)),
    "circulating plane": (gallery.circulating_ornstein_uhlenbeck, (64, 96, 128)),
    "turning plane": (gallery.mapped_ornstein_uhlenbeck, (48, 64, 96)),
    "anisotropic space": (lambda: gallery.quadratic_3d(4.0), (20, 28, 40)),
    "turning space": (lambda: gallery.mapped_ornstein_uhlenbeck(3), (24, 32, 48)),
}


@compiled_only
@pytest.mark.parametrize("key", list(TRANSIENTS))
def test_transients(key: str) -> None:
    make, levels = TRANSIENTS[key]
    exact = make()
    assert_order([transient_error(exact, cells) for cells in levels], 2.0)


@compiled_only
@pytest.mark.parametrize(
    ("make", "levels"),
    [
        (lambda: gallery.travelling_well(1), (96, 192, 384)),
        (gallery.travelling_well, (64, 96, 128)),
        (gallery.cross_diffusion, (216, 272, 344)),
    ],
    ids=["line", "turning plane", "cross diffusion"],
)
def test_coefficients_that_change_with_time(
    make: Callable[[], ExactProblem], levels: tuple[int, ...]
) -> None:
    exact = make()
    # Steps as small as the cells: both errors fall together.
    assert_order([moving_error(exact, cells, cells // 10) for cells in levels], 2.0)


@compiled_only
@pytest.mark.parametrize(
    ("ndim", "levels"), [(1, (64, 128, 256)), (2, (48, 72, 108)), (3, (24, 29, 35))]
)
def test_forced_balance_under_turning_tensors(ndim: int, levels: tuple[int, ...]) -> None:
    """A u = g for u = rho_ss w with w smooth: then L u = rho_ss (drift . grad w + D : grad^2 w)."""
    exact = gallery.rotating_tensor(ndim, 10.0)
    problem = exact.problem
    k = np.array([1.0, 0.6, -0.8])[:ndim]
    results = []
    for cells in levels:
        grid = problem.grid(cells)
        symmetric = generator(problem, grid).symmetrized
        rest = exact.stationary_density(grid.points).reshape(-1)
        phase = sum(k[i] * x for i, x in enumerate(grid.points))
        flat = (ndim, grid.size)
        slope = k @ problem.drift_at(grid.points).reshape(flat) * np.cos(phase).reshape(-1)
        tensor = np.einsum("i,ij...,j->...", k, problem.sigma_at(grid.points), k)
        change = rest * (slope - (tensor * np.sin(phase)).reshape(-1) / problem.beta)
        exact_answer = rest * np.sin(phase).reshape(-1)
        # Solvable only without any net source; the mass is set afterwards.
        change -= rest * change.sum() / rest.sum()
        root = np.sqrt(rest)
        image, status = cg(-symmetric.to_scipy(), -change / root, rtol=1e-7, maxiter=2000)
        assert status == 0
        found = root * image
        found += rest * (exact_answer - found).sum() / rest.sum()
        results.append((grid.spacing[0], grid.cell_volume * np.abs(found - exact_answer).sum()))
    assert_order(results, 2.0)


@compiled_only
@pytest.mark.parametrize(
    "make", [gallery.caughey, gallery.heavy_ball], ids=["caughey", "heavy ball"]
)
def test_axes_without_noise_are_of_order_one(make: Callable[[], ExactProblem]) -> None:
    exact = make()
    results = []
    for cells in (96, 128, 192):
        grid = exact.problem.grid(cells)
        found = evolve(
            exact.problem, grid, exact.stationary_density(grid.points), [0.0, 40.0],
            stepper="krylov",
        )  # fmt: skip
        results.append(
            (1.0 / cells, distance(grid, found.density[-1], exact.stationary_density(grid.points)))
        )
        assert found.density.min() >= 0.0
    assert_order(results, 1.0)


@compiled_only
def test_heavy_ball_on_its_way() -> None:
    assert_order([transient_error(gallery.heavy_ball(), n) for n in (128, 256, 512)], 1.0)


# Space: sides.


def mode_results(
    problem: Problem,
    density: Callable[[float, Sequence[np.ndarray]], np.ndarray],
    levels: Sequence[int],
    end: float,
) -> list[tuple[float, float]]:
    """Errors of a decaying mode; uniformization is linear, so the density may have any sign."""
    results = []
    for cells in levels:
        grid = problem.grid(cells)
        start = np.broadcast_to(density(0.0, grid.points), grid.shape).reshape(-1)
        found = fixed_steps(System(problem, grid), STEPPERS["uniformization"], start, 0.0, end, 1)
        results.append((grid.spacing[0], distance(grid, found, density(end, grid.points))))
    return results


def side(lower: str, upper: str, start: float, stop: float) -> dict[str, object]:
    return {"range": (start, stop), "boundary": [lower, upper]}


def test_brownian_motion_between_absorbing_walls() -> None:
    problem = Problem("0*x", 1.0, 1.0, {"x": side("absorbing", "absorbing", -1, 1)})
    rate = (np.pi / 2) ** 2
    assert_order(
        mode_results(
            problem, lambda t, p: np.cos(np.pi / 2 * p[0]) * np.exp(-rate * t), (16, 32, 64), 0.4
        ),
        2.0,
    )


def test_one_wall_absorbs_and_one_reflects() -> None:
    problem = Problem("0*x", 1.0, 1.0, {"x": side("reflecting", "absorbing", 0, 1)})
    rate = (np.pi / 2) ** 2
    assert_order(
        mode_results(
            problem, lambda t, p: np.cos(np.pi / 2 * p[0]) * np.exp(-rate * t), (16, 32, 64), 0.4
        ),
        2.0,
    )


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_exit_of_the_ornstein_uhlenbeck_process(beta: float) -> None:
    """Mean time to leave (-1, 1) from the middle, by the exact transpose."""
    published = {1.0: 0.5957493185, 4.0: 4.5016024162}[beta]
    problem = Problem("x**2/2", 1.0, beta, {"x": side("absorbing", "absorbing", -1, 1)})
    results = []
    for cells in (33, 65, 129, 257):
        found = generator(problem, problem.grid(cells))
        times = spsolve(-found.to_scipy().T.tocsc(), np.ones(cells))
        results.append((2.0 / cells, abs(times[cells // 2] - published)))
    assert_order(results, 2.0)


def test_mode_carried_around_the_circle() -> None:
    problem = Problem(None, 1.0, 1.0, {"x": side("periodic", "periodic", 0, TURN)}, drift=["2"])
    assert_order(
        mode_results(
            problem, lambda t, p: 1 + 0.9 * np.cos(p[0] - 2 * t) * np.exp(-t), (16, 32, 64), 0.8
        ),
        2.0,
    )


@pytest.mark.parametrize(("ndim", "levels"), [(2, (20, 30, 40)), (3, (12, 16, 24))])
@compiled_only
def test_mode_carried_around_the_torus(ndim: int, levels: tuple[int, ...]) -> None:
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

    assert_order(mode_results(problem, density, levels, 0.5), 2.0)


# A tensor oblique to the walls x = -1 and 1; y is periodic. In x and y - slant x it is diagonal,
# with modes f(x) cos(m (y - slant x)), f' = 0 at reflecting walls and f = 0 at absorbing ones.
OBLIQUE = np.array([[1.0, 0.6], [0.6, 0.8]])
SLANT = OBLIQUE[0, 1] / OBLIQUE[0, 0]


def oblique_rate(k: float, m: float) -> float:
    return OBLIQUE[0, 0] * k**2 + (OBLIQUE[1, 1] - SLANT * OBLIQUE[0, 1]) * m**2


def oblique_problem(wall: str) -> Problem:
    box = {"x": side(wall, wall, -1, 1), "y": side("periodic", "periodic", 0, TURN)}
    return Problem("0*x", OBLIQUE.tolist(), 1.0, box)


def test_absorbing_walls_oblique_to_the_tensor() -> None:
    def density(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        tilted = np.cos(p[1] - SLANT * p[0]) * np.exp(-oblique_rate(np.pi / 2, 1) * t)
        return np.cos(np.pi / 2 * p[0]) * (np.exp(-oblique_rate(np.pi / 2, 0) * t) + tilted)

    results = mode_results(oblique_problem("absorbing"), density, (24, 36, 54), 0.3)
    assert_order(results, 2.0)


def oblique_reflected(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
    tilted = 0.4 * np.cos(np.pi / 2 * (p[0] + 1)) * np.exp(-oblique_rate(np.pi / 2, 1) * t)
    return 1.0 + (0.5 * np.exp(-oblique_rate(0, 1) * t) + tilted) * np.cos(p[1] - SLANT * p[0])


@compiled_only
def test_reflecting_walls_oblique_to_the_tensor_are_of_order_one() -> None:
    """Dropped edges take with them the diffusion along the wall, within |e| cells of it."""
    results = mode_results(oblique_problem("reflecting"), oblique_reflected, (48, 64, 96), 0.3)
    assert_order(results, 1.0)


def test_reflecting_walls_along_the_tensor() -> None:
    box = {"x": side("reflecting", "reflecting", -1, 1), "y": side("periodic", "periodic", 0, TURN)}
    problem = Problem("0*x", [1.0, 0.5], 1.0, box)
    rate = (np.pi / 2) ** 2 + 0.5

    def density(t: float, p: Sequence[np.ndarray]) -> np.ndarray:
        return 1.0 + 0.9 * np.cos(np.pi / 2 * (p[0] + 1)) * np.cos(p[1]) * np.exp(-rate * t)

    assert_order(mode_results(problem, density, (16, 24, 36), 0.3), 2.0)


# Time: every row of the table.

BOX = {"x": (-2, 2), "y": (-2, 2)}
END = 0.4
TIME_PROBLEMS = {
    "balanced": Problem("0.5*(x**2 + 1.5*y**2) + 0.2*x*y", 1.0, 2.0, BOX),
    "turning": Problem(
        "0.5*(x**2 + 1.5*y**2) + 0.2*x*y",
        [["1", "0.4*cos(x)"], ["0.4*cos(x)", "0.8"]],
        2.0,
        BOX,
        drift=["-0.5*y", "0.5*x"],
    ),
    "open": Problem(
        "0.5*(x**2 + y**2)",
        [[1.0, 0.4], [0.4, 0.8]],
        2.0,
        {"x": side("absorbing", "absorbing", -2, 2), "y": side("periodic", "periodic", -2, 2)},
    ),
    "moving": Problem(
        "0.5*(1 + 0.5*sin(3*t))*x**2 + 0.75*y**2",
        [["1", "0.4*cos(3*t)"], ["0.4*cos(3*t)", "0.8"]],
        2.0,
        BOX,
        drift=["-0.5*y*cos(t)", "0.5*x"],
    ),
}  # fmt: skip


@cache
def time_setting(key: str) -> tuple[System, np.ndarray, np.ndarray]:
    """System on a small grid, a smooth start, and the exact answer at ``END``."""
    problem = TIME_PROBLEMS[key]
    grid = problem.grid((12, 10))
    system = System(problem, grid)
    x, y = grid.points
    start = np.exp(-((x - 0.4) ** 2 + (y + 0.3) ** 2) / 1.2)
    start = (start / grid.integrate(start)).reshape(-1)
    if system.autonomous:
        return system, start, reference.propagated(system.at(0.0).to_scipy().toarray(), start, END)
    solution = solve_ivp(
        lambda t, u: generator(problem, grid, t).matvec(u),
        (0.0, END),
        start,
        method="DOP853",
        rtol=1e-12,
        atol=1e-14,
    )
    return system, start, solution.y[:, -1]


def admissible(name: str, key: str) -> bool:
    """Whether a row can run on a problem; those that cannot are refused, tested elsewhere."""
    balanced = time_setting(key)[0].potential.values is not None
    return balanced or not STEPPERS[name].needs_detailed_balance


def time_error(name: str, key: str, count: int) -> tuple[float, float]:
    system, start, exact = time_setting(key)
    found = fixed_steps(system, STEPPERS[name], start, 0.0, END, count)
    return END / count, distance(system.grid, found, exact.reshape(system.grid.shape))


@pytest.mark.parametrize("key", list(TIME_PROBLEMS))
@pytest.mark.parametrize("name", list(STEPPERS))
def test_order_in_time(name: str, key: str) -> None:
    row = STEPPERS[name]
    if not admissible(name, key):
        return
    system, _, exact = time_setting(key)
    if row.exact and system.autonomous:
        for count in (1, 7):
            assert time_error(name, key, count)[1] <= 1e-11 * system.grid.cell_volume * exact.sum()
        return
    counts = np.array([16, 32, 64])
    if row.positive == "bounded":
        # q changes with the time, too.
        counts = int(np.ceil(2.0 * END * system.at(0.0).q)) * np.array([1, 2, 4])
    assert_order([time_error(name, key, int(count)) for count in counts], row.order)


@compiled_only
def test_moments_of_cross_diffusion() -> None:
    """Published numbers (Itkin, arXiv 2606.23980)."""
    exact = gallery.cross_diffusion()
    grid = exact.problem.grid(176)
    system = System(exact.problem, grid)
    start = exact.initial(grid).reshape(-1)
    found = fixed_steps(system, STEPPERS["uniformization"], start, 0.0, exact.end, 12)
    found = found.reshape(grid.shape)
    x, y = grid.points
    mean = [grid.integrate(found * x), grid.integrate(found * y)]
    np.testing.assert_allclose(mean, [0.63054807, -0.59198021], rtol=7e-3)
    second = [grid.integrate(found * a * b) for a, b in ((x, x), (x, y), (y, y))]
    product = [mean[0] ** 2, mean[0] * mean[1], mean[1] ** 2]
    np.testing.assert_allclose(
        np.subtract(second, product), [0.39402383, 0.17125987, 0.36113056], rtol=2e-2
    )


# The numbers that the package promises on problem P.


@compiled_only
@pytest.mark.parametrize(("k", "bound"), [(1.0, 6e-4), (4.0, 1.5e-3), (100.0, 4e-2)])
def test_reference_transient(k: float, bound: float) -> None:
    exact = gallery.ornstein_uhlenbeck_2d(k)
    grid = exact.problem.grid(256)
    found = evolve(exact.problem, grid, exact.initial(grid), [0.0, 1.0])
    assert distance(grid, found.density[-1], exact.density(1.0, grid.points)) <= bound
    assert found.density.min() >= 0.0
    assert grid.integrate(found.density) == pytest.approx(np.ones(2), abs=1e-12)


@compiled_only
def test_point_source_of_a_turned_tensor() -> None:
    exact = gallery.point_source()
    grid = exact.problem.grid(201)
    found = evolve(exact.problem, grid, exact.initial(grid), [0.0, exact.end])
    assert found.density.min() >= 0.0
    assert distance(grid, found.density[-1], exact.density(exact.end, grid.points)) <= 1e-2
