"""Transfer operators of short steps: twins, properties, and laws that are known."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.errors import CaseError
from fokkerplanck.semi_lagrangian.choice import deficiency
from fokkerplanck.semi_lagrangian.flows import hermite
from fokkerplanck.semi_lagrangian.frames import Frames, folded_into, nystroem
from fokkerplanck.semi_lagrangian.remeshing import BELOW, MOMENTS, WIDTH, coefficients
from fokkerplanck.semi_lagrangian.repair import repaired
from fokkerplanck.semi_lagrangian.step_operator import kept_inside, step_operator
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density
from fokkerplanck.timestepping.schemes import SCHEME_TABLE, choose_scheme
from fokkerplanck.timestepping.semi_lagrangian import SemiLagrangianIntegrator
from fokkerplanck.timestepping.system import System

TURNING = [["0.5*y**2", "-0.5*x*y"], ["-0.5*x*y", "0.5*x**2"]]
SEMI = "semi-lagrangian"
BOX = {"x": (-2, 2), "y": (-2, 2)}


def kubo(box: object = BOX) -> fp.Problem:
    """Rotational diffusion: rank one, turning with the place."""
    return fp.Problem(None, TURNING, 1.0, box, drift=["-0.5*x", "-0.5*y"])


def damped(box: object = None) -> fp.Problem:
    """A damped oscillator with noise in its velocity."""
    box = {"x": (-4, 4), "v": (-4, 4)} if box is None else box
    return fp.Problem(None, [[0, 0], [0, 0.5]], 1.0, box, drift=["v", "-x - 0.5*v"])


def dense(operator: object, size: int) -> np.ndarray:
    """The matrix of a step operator."""
    return np.stack([operator.deposit(row) for row in np.eye(size)], axis=1)  # type: ignore[attr-defined]


def twin_matrix(problem: fp.Problem, grid: object, dt: float) -> np.ndarray:
    """P written cell by cell and node by node, for two axes with a column of noise."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    sides = [(a.lower, a.upper, a.periodic) for a in grid.domain.axes]  # type: ignore[attr-defined]
    shape, h = grid.shape, grid.spacing  # type: ignore[attr-defined]

    def fold(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        y, sign = y.copy(), np.ones(2)
        for a, (low, high, periodic) in enumerate(sides):
            length = high - low
            if periodic:
                y[a] = low + (y[a] - low) % length
                continue
            while not low <= y[a] <= high:
                y[a] = 2 * low - y[a] if y[a] < low else 2 * high - y[a]
                sign[a] = -sign[a]
        return y, sign

    def field(y: np.ndarray, reference: np.ndarray) -> np.ndarray:
        place, sign = fold(y)
        values, vectors = np.linalg.eigh(problem.sigma_at(list(place)))
        column = sign * vectors[:, 1] * math.sqrt(max(values[1], 0.0))
        return column if column @ reference >= 0.0 else -column

    def drift(y: np.ndarray) -> np.ndarray:
        place, sign = fold(y)
        column = field(y, np.ones(2))
        eps = 1e-4 * min(high - low for low, high, _ in sides)
        turn = field(y + eps * column, column) - field(y - eps * column, column)
        return sign * problem.drift_at(list(place)) - turn / (2.0 * eps * problem.beta)

    def along(velocity: Callable[[np.ndarray], np.ndarray], y: np.ndarray, t: float) -> np.ndarray:
        k1 = velocity(y)
        k2 = velocity(y + 0.5 * t * k1)
        k3 = velocity(y + 0.5 * t * k2)
        k4 = velocity(y + t * k3)
        return y + t / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)

    matrix = np.zeros((grid.size, grid.size))  # type: ignore[attr-defined]
    for i, j in itertools.product(range(shape[0]), range(shape[1])):
        start = np.array([grid.centers[0][i], grid.centers[1][j]])  # type: ignore[attr-defined]
        middle = along(drift, start, 0.5 * dt)
        for node, weight in zip(nodes, weights, strict=True):
            reference = field(start, np.ones(2))
            y = middle
            for _ in range(2):
                y = along(lambda p, r=reference: field(p, r), y, math.sqrt(0.5 * dt) * node)
            y, _ = fold(along(drift, y, 0.5 * dt))
            lines = []
            for a, (low, _, periodic) in enumerate(sides):
                x = (y[a] - low) / h[a] - 0.5
                cell, line = math.floor(x), np.zeros(shape[a])
                for k, w in enumerate(twin_weights(x - cell)):
                    target = cell - 3 + k
                    if periodic:
                        target %= shape[a]
                    target = -1 - target if target < 0 else target
                    target = 2 * shape[a] - 1 - target if target >= shape[a] else target
                    line[target] += w
                lines.append(line)
            column = i * shape[1] + j
            matrix[:, column] += weight * np.outer(*lines).reshape(-1)
    return matrix


def twin_weights(f: float) -> np.ndarray:
    """Hermite interpolation between two cells with differences for derivatives."""
    cells = np.arange(-3, 4)
    table = np.linalg.solve(
        cells[None, :].astype(float) ** np.arange(7)[:, None],
        np.diag([math.factorial(k) for k in range(7)]).astype(float),
    ).T[:5]
    rows = np.zeros((10, 8))
    rows[:5, :7], rows[5:, 1:] = table, table
    conditions = np.zeros((10, 10))
    for k in range(5):
        conditions[k, k] = math.factorial(k)
        conditions[5 + k] = [math.perm(p, k) if p >= k else 0 for p in range(10)]
    return np.array(f ** np.arange(10) @ np.linalg.solve(conditions, rows))


@pytest.mark.parametrize("make", [kubo, damped])
@pytest.mark.parametrize("sides", ["reflecting", "periodic"])
def test_step_is_that_of_its_twin(make: Callable[..., fp.Problem], sides: str) -> None:
    names = ("x", "y") if make is kubo else ("x", "v")
    box = {
        names[0]: {"range": (-2, 1.7), "boundary": sides},
        names[1]: {"range": (-1.8, 2.0), "boundary": "reflecting"},
    }
    problem = make(box)
    grid = problem.grid((16, 17))
    found = dense(step_operator(Frames(problem, grid), 0.02), grid.size)
    assert np.abs(found - twin_matrix(problem, grid, 0.02)).max() < 1e-8


def test_weights_keep_their_moments_and_are_smooth() -> None:
    rows = coefficients()
    place = np.linspace(0.0, 1.0, 33)
    weights = np.polynomial.polynomial.polyvander(place, len(rows) - 1)[:, ::-1] @ rows
    cells = np.arange(WIDTH) - BELOW
    for power in range(MOMENTS + 1):
        assert weights @ cells.astype(float) ** power == pytest.approx(place**power, abs=1e-12)
    assert np.allclose(weights, [twin_weights(f) for f in place], atol=1e-11)
    # At the end of an interval they are those of the next one's beginning, with four derivatives.
    exact = [[Fraction(value) for value in row] for row in rows]
    for order in range(5):
        ends = np.array(
            [
                [
                    float(
                        sum(
                            math.perm(power, order)
                            * exact[len(rows) - 1 - power][j]
                            * place ** (power - order)
                            for power in range(order, len(rows))
                        )
                    )
                    for j in range(WIDTH)
                ]
                for place in (0, 1)
            ]
        )
        assert ends[0, :-1] == pytest.approx(ends[1, 1:], abs=1e-9)


def test_no_wave_grows_by_a_shift() -> None:
    rows, k = coefficients(), np.linspace(0.0, np.pi, 101)
    place = np.linspace(0.0, 1.0, 201)
    weights = np.polynomial.polynomial.polyvander(place, len(rows) - 1)[:, ::-1] @ rows
    symbol = weights @ np.exp(-1j * np.outer(np.arange(WIDTH) - BELOW, k))
    assert np.abs(symbol).max() < 1.0 + 1e-12


@pytest.mark.parametrize("rank", [1, 2])
def test_frame_is_a_square_root(rank: int, rng: np.random.Generator) -> None:
    columns = rng.normal(size=(rank, 3, 50))
    sigma = np.einsum("kin,kjn->ijn", columns, columns)
    nearby = columns + 0.2 * rng.normal(size=columns.shape)
    start = np.linalg.qr(np.moveaxis(nearby, -1, 0).transpose(0, 2, 1))[0].transpose(2, 1, 0)
    found = nystroem(sigma, np.ascontiguousarray(start))
    assert np.einsum("kin,kjn->ijn", found, found) == pytest.approx(sigma, abs=1e-9)


def test_frame_vanishes_with_the_noise() -> None:
    assert not nystroem(np.zeros((2, 2, 4)), np.ones((1, 2, 4))).any()


def test_stratonovich_drift_of_a_rotation_is_nothing() -> None:
    problem = kubo()
    frames = Frames(problem, problem.grid(32))
    # Ito's drift only keeps the radius.
    assert np.abs(frames.stratonovich(frames.anchors)).max() < 1e-8


@given(st.floats(-30, 30))
def test_folded_places_lie_inside(x: float) -> None:
    for boundary in (("reflecting",) * 2, ("periodic",) * 2, ("reflecting", "absorbing")):
        y, _ = folded_into(np.array([x]), -1.0, 2.5, boundary)  # type: ignore[arg-type]
        assert -1.0 <= y[0] <= 2.5
    y, sign = folded_into(np.array([2.5 + 0.25]), -1.0, 2.5, ("reflecting", "reflecting"))
    assert (y[0], sign[0] if sign is not None else 0.0) == (2.25, -1.0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([(9,), (6, 7), (5, 4, 6)]), st.booleans())
def test_repair_keeps_the_mass_and_the_sign(seed: int, shape: tuple[int, ...], ring: bool) -> None:
    rng = np.random.default_rng(seed)
    sides = "periodic" if ring else "reflecting"
    names = "xyz"[: len(shape)]
    box = {name: {"range": (0, 1), "boundary": sides} for name in names}
    grid = fp.Problem(" + ".join(f"0*{name}" for name in names), domain=box).grid(shape)
    mass = rng.normal(size=grid.size) + 0.4
    mass[0] += max(0.0, 1.0 - mass.sum())
    found, moved = repaired(grid, mass)
    assert found.min() >= 0.0
    assert found.sum() == pytest.approx(mass.sum(), rel=1e-13)
    assert moved == pytest.approx(np.maximum(-mass, 0.0).sum())


def test_repair_takes_from_the_neighbours() -> None:
    grid = fp.Problem("0*x", domain={"x": (0, 1)}).grid(8)
    mass = np.array([1.0, 0.0, 0.0, 0.3, -0.1, 0.1, 0.0, 5.0])
    found, _ = repaired(grid, mass)
    assert found == pytest.approx([1.0, 0.0, 0.0, 0.225, 0.0, 0.075, 0.0, 5.0])


@pytest.mark.parametrize("make", [kubo, damped])
def test_mass_and_constants_are_kept(
    make: Callable[..., fp.Problem], rng: np.random.Generator
) -> None:
    problem = make()
    grid = problem.grid(24)
    operator = step_operator(Frames(problem, grid), 0.1)
    mass, values = rng.random(grid.size), rng.random(grid.size)
    assert operator.deposit(mass).sum() == pytest.approx(mass.sum(), rel=1e-13)
    assert operator.adjoint(np.ones(grid.size)) == pytest.approx(np.ones(grid.size), abs=1e-12)
    assert operator.deposit(mass) @ values == pytest.approx(mass @ operator.adjoint(values))


def test_absorbing_sides_let_go_and_give_nothing() -> None:
    axis = {"range": (-1, 1), "boundary": "absorbing"}
    problem = fp.Problem(
        None, [[1, 0], [0, 1]], 1.0, {"x": axis, "y": (-1, 1)}, drift=["0*x", "0*y"]
    )
    grid = problem.grid(24)
    system = System(problem, grid)
    march = SemiLagrangianIntegrator(system, 1e-3, 0.2)
    start = gaussian_density(grid, np.zeros(2), 0.09 * np.eye(2))
    density, _ = march.advance(start.reshape(-1), 0.0, 0.2, 0.0)
    line = fp.Problem("0*x", domain={"x": axis}).grid(400)
    one = evolve(
        fp.Problem("0*x", domain={"x": axis}), line,
        gaussian_density(line, np.zeros(1), np.array([[0.09]])), [0.0, 0.2],
    )  # fmt: skip
    left = float(line.integrate(one.density[-1]))
    assert density.sum() * grid.cell_volume == pytest.approx(left, rel=2e-3)
    assert density.min() >= 0.0


def test_three_axes() -> None:
    box = {name: (-3.0, 3.0) for name in "xyz"}
    sigma = [[0, 0, 0], [0, 0, 0], [0, 0, 1.0]]
    problem = fp.Problem(None, sigma, 2.0, box, drift=["y", "z", "-x - y - z"])
    grid = problem.grid(24)
    start = gaussian_density(grid, np.array([0.5, 0.0, 0.0]), 0.25 * np.eye(3))
    found = evolve(problem, grid, start, [0.0, 0.5], scheme=SEMI, rtol=1e-2)
    assert found.scheme == "semi-lagrangian"
    mean, covariance = exact_linear(
        np.array([[0, 1, 0], [0, 0, 1], [-1, -1, -1.0]]), np.diag([0, 0, 1.0]) / 2.0,
        np.array([0.5, 0.0, 0.0]), 0.25 * np.eye(3), 0.5,
    )  # fmt: skip
    weights = found.density[-1] / found.density[-1].sum()
    points = np.meshgrid(*grid.centers, indexing="ij")
    assert [float((weights * x).sum()) for x in points] == pytest.approx(mean, abs=1e-3)
    spread = float((weights * points[0] ** 2).sum()) - mean[0] ** 2
    assert spread == pytest.approx(covariance[0, 0], rel=1e-2)


def exact_linear(
    matrix: np.ndarray, noise: np.ndarray, mean: np.ndarray, covariance: np.ndarray, time: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of d x = M x dt + sqrt(2 D) dW."""
    steps = 2000
    h = time / steps

    def rate(c: np.ndarray) -> np.ndarray:
        return matrix @ c + c @ matrix.T + 2.0 * noise

    for _ in range(steps):
        k1 = rate(covariance)
        k2 = rate(covariance + 0.5 * h * k1)
        k3 = rate(covariance + 0.5 * h * k2)
        covariance = covariance + h / 6.0 * (k1 + 2 * k2 + 2 * k3 + rate(covariance + h * k3))
    return expm(matrix * time) @ mean, covariance


# Linear problems of rank one: an oscillator, a shear, two processes with one noise.
LINEAR = {
    "oscillator": ([[0.0, 1.0], [-1.0, -0.5]], [[0.0, 0.0], [0.0, 0.5]]),
    "kolmogorov": ([[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.5]]),
    "common noise": ([[-1.0, 0.0], [0.0, -2.0]], [[0.5, 0.5], [0.5, 0.5]]),
    "turning": ([[0.0, 1.5], [-1.5, 0.0]], [[0.4, 0.2], [0.2, 0.1]]),
}


def linear(name: str) -> tuple[fp.Problem, np.ndarray, np.ndarray]:
    matrix, noise = (np.array(part) for part in LINEAR[name])
    drift = [f"({row[0]})*x + ({row[1]})*y" for row in matrix]
    box = {"x": (-5, 5), "y": (-5, 5)}
    return fp.Problem(None, noise.tolist(), 1.0, box, drift=drift), matrix, noise


def linear_error(name: str, cells: int, steps: int, time: float = 1.0) -> float:
    """L1 distance to the exact Gaussian after equal steps."""
    problem, matrix, noise = linear(name)
    grid = problem.grid(cells)
    mean, covariance = np.array([0.8, 0.3]), 0.25 * np.eye(2)
    march = SemiLagrangianIntegrator(System(problem, grid), 1.0, time)
    start = gaussian_density(grid, mean, covariance).reshape(-1)
    found = march.fixed_steps(start, 0.0, time, steps)
    exact = gaussian_density(grid, *exact_linear(matrix, noise, mean, covariance, time))
    return float(grid.integrate(np.abs(found.reshape(grid.shape) - exact)))


@pytest.mark.parametrize(("name", "cells", "steps", "order"), [
    ("oscillator", 24, 8, 5.0),
    ("kolmogorov", 24, 8, 5.0),
    ("common noise", 48, 64, 5.0),
    ("turning", 24, 32, 5.0),
])  # fmt: skip
def test_order_in_space(name: str, cells: int, steps: int, order: float) -> None:
    # Steps so short that the error of the grid is what is seen.
    errors = [linear_error(name, n, steps) for n in (cells, 2 * cells)]
    assert math.log2(errors[0] / errors[1]) > order


@pytest.mark.parametrize(("name", "steps", "order"), [
    ("oscillator", 2, 4.0),
    ("kolmogorov", 1, 4.0),
    ("common noise", 4, 1.8),
    ("turning", 4, 1.8),
])  # fmt: skip
def test_order_in_time(name: str, steps: int, order: float) -> None:
    errors = [linear_error(name, 128, count) for count in (steps, 2 * steps)]
    assert math.log2(errors[0] / errors[1]) > order


def test_narrow_noise_is_extrapolated() -> None:
    """Noise within a cell, oblique: order 4 in time."""
    name, cells = "turning", 96
    problem, matrix, noise = linear(name)
    problem = fp.Problem(
        None, (noise / 1e4).tolist(), 1.0, problem.domain,
        drift=[f"({row[0]})*x + ({row[1]})*y" for row in matrix],
    )  # fmt: skip
    grid = problem.grid(cells)
    mean, covariance = np.array([0.8, 0.3]), 0.36 * np.eye(2)
    start = gaussian_density(grid, mean, covariance).reshape(-1)
    finals = [
        SemiLagrangianIntegrator(System(problem, grid), 1.0, 1.0).fixed_steps(start, 0.0, 1.0, n)
        for n in (2, 4, 8)
    ]
    gaps = [float(np.abs(a - b).sum()) for a, b in itertools.pairwise(finals)]
    assert math.log2(gaps[0] / gaps[1]) > 3.0


def test_circles_are_kept() -> None:
    problem = kubo()
    grid = problem.grid(64)
    start = gaussian_density(grid, np.array([1.0, 0.0]), 0.15**2 * np.eye(2))
    found = evolve(problem, grid, start, [0.0, 0.5, 2.0], scheme=SEMI)
    x, y = grid.points
    for time, density in zip(found.time, found.density, strict=True):
        assert grid.integrate(x * density) == pytest.approx(math.exp(-0.5 * time), rel=1e-3)
        assert grid.integrate((x**2 + y**2) * density) == pytest.approx(1.045, rel=1e-3)
        assert density.min() >= 0.0
        assert grid.integrate(density) == pytest.approx(1.0, abs=1e-13)


def test_coefficients_in_time() -> None:
    box = {"x": (-5, 5), "y": (-5, 5)}
    sigma = [["0", "0"], ["0", "1 + 0.5*sin(3*t)"]]
    problem = fp.Problem(None, sigma, 1.0, box, drift=["y*cos(t)", "-y"])
    grid = problem.grid(48)
    start = gaussian_density(grid, np.array([0.0, 1.0]), 0.25 * np.eye(2))
    found = evolve(problem, grid, start, [0.0, 1.0], scheme=SEMI, rtol=1e-3)
    assert found.scheme == "semi-lagrangian"
    mean = float(grid.integrate(grid.points[0] * found.density[-1]))
    # The integral of exp(-t) cos t.
    assert mean == pytest.approx(
        0.5 * (1.0 + math.exp(-1.0) * (math.sin(1.0) - math.cos(1.0))), rel=1e-3
    )


def test_resumed_steps_are_the_same() -> None:
    problem = damped()
    grid = problem.grid(32)
    start = gaussian_density(grid, np.array([1.0, 0.0]), 0.25 * np.eye(2)).reshape(-1)

    def march() -> SemiLagrangianIntegrator:
        return SemiLagrangianIntegrator(System(problem, grid), 1e-4, 2.0)

    one, two = march(), march()
    middle, step = one.advance(start, 0.0, 1.0, 0.0)
    assert np.array_equal(
        one.advance(middle, 1.0, 2.0, step)[0], two.advance(middle, 1.0, 2.0, step)[0]
    )


def chosen(
    problem: fp.Problem, cells: int = 32, scheme: str = "auto", stepper: str = "auto"
) -> str:
    row, why = choose_scheme(scheme, stepper, System(problem, problem.grid(cells)), [0.0, 1.0])
    return f"{row.name}: {why}"


def test_choice() -> None:
    named = 'density.scheme = "semi-lagrangian" is more accurate'
    assert named in chosen(damped())
    assert named in chosen(kubo())
    full = fp.Problem("x**2 + y**2", [[1, 0.3], [0.3, 1]], 1.0, BOX)
    assert named not in chosen(full)
    assert chosen(full, scheme="semi-lagrangian") == "semi-lagrangian: as the case asks"
    assert named not in chosen(damped(), stepper="split")
    assert named not in chosen(damped(), cells=12)
    sides = {"x": (-2, 2), "v": {"range": (-2, 2), "boundary": "absorbing"}}
    assert not deficiency(damped(sides), damped(sides).grid(32), [0.0])
    with pytest.raises(CaseError, match="16 cells"):
        chosen(damped(), cells=12, scheme="semi-lagrangian")
    with pytest.raises(CaseError, match="brings its own steps"):
        chosen(damped(), scheme="semi-lagrangian", stepper="split")
    assert SCHEME_TABLE["semi-lagrangian"].positive


def test_full_rank_is_right_too() -> None:
    box = {"x": (-5, 5), "y": (-5, 5)}
    problem = fp.Problem("x**2/2 + y**2", [["1", "0.3"], ["0.3", "1 + 0*x"]], 1.0, box)
    grid = problem.grid(48)
    start = gaussian_density(grid, np.array([1.0, 0.5]), 0.25 * np.eye(2))
    found = evolve(problem, grid, start, [0.0, 0.5], scheme=SEMI, rtol=1e-3)
    exact = gaussian_density(
        grid,
        *exact_linear(
            -np.diag([1.0, 2.0]), np.array([[1, 0.3], [0.3, 1]]), np.array([1.0, 0.5]),
            0.25 * np.eye(2), 0.5,
        ),
    )  # fmt: skip
    assert float(grid.integrate(np.abs(found.density[-1] - exact))) < 2e-3


def test_stencils_keep_out_of_a_target() -> None:
    problem = damped()
    grid = problem.grid(24)
    free = np.broadcast_to(grid.points[0] < 1.0, grid.shape).reshape(-1)
    operator = kept_inside(step_operator(Frames(problem, grid), 0.05), free)
    # A function that is one on the free cells is read as one wherever anything free is near.
    values = operator.adjoint(np.where(free, 1.0, 0.0))
    there = free & np.broadcast_to(grid.points[0] < 0.3, grid.shape).reshape(-1)
    assert values[there] == pytest.approx(np.ones(int(there.sum())), abs=1e-12)
    inside = operator.adjoint(np.where(free, 1.0, 1e6))
    assert inside[there] == pytest.approx(np.ones(int(there.sum())), abs=1e-9)


def test_nodes_have_the_moments_of_a_normal() -> None:
    nodes, weights = hermite(5)
    moments = [float(weights @ nodes**k) for k in range(10)]
    assert moments == pytest.approx([1, 0, 1, 0, 3, 0, 15, 0, 105, 0], abs=1e-9)
