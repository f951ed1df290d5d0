"""Modified equations: their coefficients, and what they make of the gap between SGD and (48)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from measures import compiled_only

import fokkerplanck as fp
from fokkerplanck.errors import CaseError
from fokkerplanck.grid import Grid
from fokkerplanck.problem import DataModel, Problem
from fokkerplanck.problem.modified import covariance_corrected, second_order

positive = partial(covariance_corrected, positive=True)
EQUATIONS = {
    "diffusion": lambda problem: problem,
    "second order": second_order,
    "corrected": covariance_corrected,
    "positive": positive,
}
ETA, BATCH = 0.1, 4
POINTS = np.ix_(np.linspace(-1.0, 1.5, 4), np.linspace(-1.0, 1.0, 3))
X, Y = np.broadcast_arrays(*POINTS)
BOX = {"x": (-2, 2), "y": (-2, 2)}
LOSS = "x**4/4 + x*y**2 + y**2"
SIGMA = [["2 + x**2", "x*y/2"], ["x*y/2", "1 + y**2"]]


def planar(**changes: Any) -> Problem:
    """Two parameters, nothing constant."""
    options = {"loss": LOSS, "sigma": SIGMA, "domain": BOX, "batch_size": BATCH}
    return Problem(**(options | {"learning_rate": ETA} | changes))


def hand_made() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradient, Hessian and Sigma of that problem."""
    g = np.array([X**3 + Y**2, 2 * X * Y + 2 * Y])
    H = np.array([[3 * X**2, 2 * Y], [2 * Y, 2 * X + 2]])
    return g, H, np.array([[2 + X**2, X * Y / 2], [X * Y / 2, 1 + Y**2]])


def times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum("ik...,kj...->ij...", left, right)


@pytest.mark.parametrize(
    ("name", "percent"),
    [("diffusion", -5.0), ("second order", -9.5), ("corrected", -0.5), ("positive", -0.25)],
)
def test_variance_at_rest_of_a_quadratic(name: str, percent: float) -> None:
    """eta h = 0.1, against the recursion var' = (1 - eta h)^2 var + eta^2 s^2."""
    h, s2 = 2.0, 1.5 / BATCH
    eta = 0.1 / h
    recursion = 0.0
    for _ in range(1000):
        recursion = (1.0 - eta * h) ** 2 * recursion + eta**2 * s2
    assert recursion == pytest.approx(eta * s2 / (2 * h - eta * h**2), rel=1e-12)
    sgd = Problem("x**2", 1.5, domain={"x": (-0.8, 0.8)}, batch_size=BATCH, learning_rate=eta)
    problem = EQUATIONS[name](sgd)
    grid = problem.grid(256)
    density = fp.stationary(fp.generator(problem, grid)).density
    variance = grid.integrate(density * grid.points[0] ** 2)
    assert 100.0 * (variance / recursion - 1.0) == pytest.approx(percent, abs=0.03)


def sgd_moments(problem: Problem, start: np.ndarray, grid: Grid, steps: int) -> np.ndarray:
    """E[x] and E[x^2] after SGD with Gaussian noise: its kernel, smooth on the scale of cells."""
    x = grid.points[0]
    eta, beta = problem.learning_rate, problem.beta
    assert eta is not None
    centre = x - eta * problem.gradient_at([x])[0]
    variance = eta * 2.0 / beta * problem.sigma_at([x])[0, 0]
    kernel = np.exp(-((x[:, None] - centre) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    density = start
    for _ in range(steps):
        density = kernel @ density * grid.cell_volume
    assert grid.integrate(density) == pytest.approx(1.0, abs=1e-9)
    return np.array([grid.integrate(density * x**k) for k in (1, 2)])


def density_moments(problem: Problem, start: Callable[[Grid], np.ndarray]) -> np.ndarray:
    """E[x] and E[x^2] of the density at t = 1, from two grids to fourth order."""
    found = []
    for cells in (600, 1200):
        grid = problem.grid(cells)
        density = fp.evolve(problem, grid, start(grid), [0.0, 1.0]).density.values[-1]
        found.append([grid.integrate(density * grid.points[0] ** k) for k in (1, 2)])
    coarse, fine = np.array(found)
    return fine + (fine - coarse) / 3.0


@compiled_only
@pytest.mark.parametrize(
    ("name", "order"), [("diffusion", 1), ("second order", 2), ("corrected", 2)]
)
def test_weak_order_at_a_fixed_batch(name: str, order: int) -> None:
    """A tilted double well with a Sigma that varies: absolute errors of both moments together."""

    def start(grid: Grid) -> np.ndarray:
        density = np.exp(-0.5 * ((grid.points[0] - 0.3) / 0.25) ** 2)
        return density / grid.integrate(density)

    rates, gaps = (0.1, 0.025), []
    for eta in rates:
        box = {"x": (-2.4, 2.4)}
        sgd = Problem(
            "x**4/4 - x**2/2 + x/4", "1 + x**2/4", domain=box, batch_size=4, learning_rate=eta
        )
        grid = sgd.grid(1200)
        exact = sgd_moments(sgd, start(grid), grid, round(1.0 / eta))
        gaps.append(np.linalg.norm(density_moments(EQUATIONS[name](sgd), start) - exact))
    assert np.log(gaps[0] / gaps[1]) / np.log(4.0) == pytest.approx(order, abs=0.2)


def test_coefficients_of_formulas_are_exact() -> None:
    g, H, S = hand_made()
    plain, full, square = (f(planar()) for f in (second_order, covariance_corrected, positive))
    loss = X**4 / 4 + X * Y**2 + Y**2 + ETA / 4 * (g**2).sum(axis=0)
    slope = g + ETA / 2 * np.einsum("ij...,j...->i...", H, g)
    for problem in (plain, full, square):
        np.testing.assert_allclose(problem.loss_at(POINTS), loss, rtol=1e-13)
        np.testing.assert_allclose(problem.gradient_at(POINTS), slope, rtol=1e-13, atol=1e-14)
    np.testing.assert_array_equal(plain.sigma_at(POINTS), planar().sigma_at(POINTS))
    corrected = S + ETA / 2 * (times(H, S) + times(S, H))
    np.testing.assert_allclose(full.sigma_at(POINTS), corrected, rtol=1e-13, atol=1e-14)
    half = np.eye(2)[:, :, None, None] + ETA / 2 * H
    np.testing.assert_allclose(
        square.sigma_at(POINTS), times(times(half, S), half), rtol=1e-13, atol=1e-14
    )


FUNCTIONS: dict[str, Any] = {
    "loss": lambda x, y: x**4 / 4 + x * y**2 + y**2,
    "sigma": lambda x, y: [[2 + x**2, x * y / 2], [x * y / 2, 1 + y**2]],
}
DERIVATIVES: dict[str, Any] = {
    "gradient": lambda x, y: [x**3 + y**2, 2 * x * y + 2 * y],
    "hessian": lambda x, y: [[3 * x**2, 2 * y], [2 * y, 2 * x + 2]],
    "div_sigma": lambda x, y: [2.5 * x, 2.5 * y],
}


@pytest.mark.parametrize("name", ["second order", "corrected", "positive"])
@pytest.mark.parametrize(
    "given",
    [FUNCTIONS, FUNCTIONS | DERIVATIVES, DERIVATIVES],
    ids=["functions", "with derivatives", "formulas with derivatives"],
)
def test_python_functions_give_what_formulas_give(name: str, given: dict[str, Any]) -> None:
    """Loss, drift and noise; differences, where they are needed, on a box of length 4."""
    formulas, functions = EQUATIONS[name](planar()), EQUATIONS[name](planar(**given))
    for quantity, allowed in (
        ("loss_at", 1e-9),
        ("gradient_at", 1e-8),
        ("hessian_at", 1e-5),
        ("sigma_at", 1e-9),
        ("div_sigma_at", 1e-7),
    ):
        np.testing.assert_allclose(
            getattr(functions, quantity)(POINTS), getattr(formulas, quantity)(POINTS), atol=allowed
        )


@pytest.mark.parametrize("name", ["second order", "corrected"])
def test_data_give_what_their_formula_gives(name: str) -> None:
    """Three samples of a logistic regression, written out."""
    xs, ys = (1.0, -0.5, 2.0), (1.0, 0.0, 0.0)
    losses = [f"log(1 + exp({x}*w)) - {y * x}*w" for x, y in zip(xs, ys, strict=True)]
    slopes = [f"({x}/(1 + exp(-{x}*w)) - {y * x})" for x, y in zip(xs, ys, strict=True)]
    mean = f"({' + '.join(slopes)})/3"
    variance = f"({' + '.join(f'{s}**2' for s in slopes)})/3 - ({mean})**2"
    options: dict[str, Any] = {"batch_size": 2, "learning_rate": 0.5, "domain": {"w": (-3, 3)}}
    written = EQUATIONS[name](Problem(f"({' + '.join(losses)})/3", variance, **options))
    model = DataModel("logistic_regression", xs, ys)
    data = EQUATIONS[name](Problem(model, "minibatch", **options))
    w = [np.linspace(-2.0, 2.0, 9)]
    for quantity, allowed in (
        ("loss_at", 1e-13),
        ("gradient_at", 1e-13),
        ("hessian_at", 1e-10),
        ("sigma_at", 1e-13),
        ("div_sigma_at", 1e-10),
    ):
        np.testing.assert_allclose(
            getattr(data, quantity)(w), getattr(written, quantity)(w), rtol=1e-12, atol=allowed
        )


def test_a_modified_problem_is_a_diffusion_on_the_same_box() -> None:
    model = DataModel("linear_regression", [1.0, -0.5, 2.0], [1.0, 0.0, 0.5])
    box = {"w": {"range": (-3, 3), "boundary": "absorbing"}}
    sgd = Problem(
        model, "minibatch", batch_size=2, learning_rate=0.5, domain=box, replacement=False
    )
    for equation in (second_order, covariance_corrected):
        problem = equation(sgd)
        assert problem.domain == sgd.domain
        assert problem.beta == sgd.beta == 2 * 2 / 0.5 * 2
        assert (problem.model, problem.batch_size, problem.learning_rate) == (None, None, None)
        assert problem.has_loss
        assert "modified loss.model" in repr(problem)


def test_a_singular_sigma_needs_the_square() -> None:
    sgd = planar(sigma=[["1", "0"], ["0", "0"]])
    grid = sgd.grid(16)
    second_order(sgd).check(grid)
    positive(sgd).check(grid)
    with pytest.raises(CaseError, match="negative eigenvalue"):
        covariance_corrected(sgd).check(grid)


REFUSED: dict[str, dict[str, Any]] = {
    "noise.learning_rate": {"learning_rate": None, "batch_size": None, "beta": 2.0},
    "drift": {"drift": ["y", "-x"]},
    "noise.sigma": {"sigma": "1 + t"},
    "loss.formula": {"loss": "x**2*(1 + t) + y**2"},
    "noise.momentum": {"momentum": 0.5, "loss": "x**2", "sigma": 1.0},
}


@pytest.mark.parametrize("key", REFUSED)
def test_what_has_no_modified_equation_is_refused(key: str) -> None:
    problem = planar(**REFUSED[key])
    for equation in (second_order, covariance_corrected):
        with pytest.raises(CaseError) as caught:
            equation(problem)
        assert caught.value.key == key
