"""The transfer operator of SGD: laws of a step, exact stationary moments, spectrum, sides."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import ORDER_WINDOW, fitted_order

from fokkerplanck.analyses.observables import grid_moments
from fokkerplanck.errors import CaseError
from fokkerplanck.grid import Grid
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import DataModel, Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.initial import gaussian_density
from fokkerplanck.transfer.batches import Batches
from fokkerplanck.transfer.deposition import settle, spline_weights
from fokkerplanck.transfer.invariant import invariant, multipliers
from fokkerplanck.transfer.transfer import TransferOperator, batches_of, transfer_operator


def parabola(rate: float, reach: float, curvature: float = 1.0, **rest: Any) -> Problem:
    domain = {"x": {"range": (-reach, reach), **rest}}
    return Problem(
        f"{curvature}*x**2/2", sigma=1.0, domain=domain, batch_size=1, learning_rate=rate
    )


def regression(rate: float, batch: int, replacement: bool) -> Problem:
    random = np.random.default_rng(5)
    features = random.normal(size=(12, 2))
    targets = features @ [1.0, 0.5] + 0.7 * random.normal(size=12)
    return Problem(
        DataModel("linear_regression", features, targets),
        sigma="minibatch",
        domain={"x": (-1.5, 3.5), "y": (-2.5, 3.0)},
        batch_size=batch,
        learning_rate=rate,
        replacement=replacement,
    )


def column_moments(operator: TransferOperator, cell: int) -> tuple[np.ndarray, np.ndarray]:
    column = np.asarray(operator.matrix[:, [cell]].todense()).reshape(operator.grid.shape)
    return grid_moments(operator.grid, column)


# The law of one step.


@settings(max_examples=40, deadline=None)
@given(
    rate=st.floats(0.02, 0.6),
    wide=st.floats(0.15, 3.0),
    thin=st.floats(0.15, 1.0),
    turn=st.floats(0.0, math.pi),
)
def test_columns_are_laws_with_the_mean_and_covariance_of_the_step(
    rate: float, wide: float, thin: float, turn: float
) -> None:
    """Wide and narrow, straight and oblique noise; beyond half a cell nothing is added."""
    c, s = math.cos(turn), math.sin(turn)
    rotation = np.array([[c, -s], [s, c]])
    sigma = rotation @ np.diag([wide, wide * thin]) @ rotation.T
    problem = Problem(
        "x**2/2 + 0.3*x*y + y**2 + 0.1*x**3",
        sigma=(0.5 * (sigma + sigma.T)).tolist(),
        domain={"x": (-9.0, 9.0), "y": (-9.0, 9.0)},
        batch_size=1,
        learning_rate=rate,
    )
    grid = problem.grid((33, 36))
    operator = transfer_operator(problem, grid)
    assert operator.matrix.data.min() >= 0.0
    np.testing.assert_allclose(operator.matrix.sum(axis=0), 1.0, atol=4e-15)
    cell = np.ravel_multi_index((17, 16), grid.shape)
    place = [np.array(grid.centers[0][17]), np.array(grid.centers[1][16])]
    mean, covariance = column_moments(operator, int(cell))
    step = rate * problem.drift_at(place)
    np.testing.assert_allclose(mean, np.stack(place) + step, atol=1e-8)
    wanted = rate**2 * sigma
    added = np.trace(covariance - wanted)
    assert added == pytest.approx(operator.excess[cell] * np.trace(wanted), abs=1e-7)
    cells = wanted / np.outer(grid.spacing, grid.spacing)
    if np.linalg.eigvalsh(cells)[0] >= 0.25:
        np.testing.assert_allclose(covariance, wanted, atol=1e-7)
        assert operator.excess[cell] == 0.0
    else:
        assert added > 0.0


def test_splines_keep_mean_and_variance() -> None:
    places = np.linspace(-3.2, 4.1, 57)
    nearest, weights = spline_weights(places)
    cells = nearest + np.array([-1, 0, 1])[:, None]
    assert weights.min() >= 0.0
    np.testing.assert_allclose(weights.sum(axis=0), 1.0, rtol=1e-15)
    np.testing.assert_allclose((weights * cells).sum(axis=0), places, atol=1e-14)
    variance = (weights * (cells - places) ** 2).sum(axis=0)
    np.testing.assert_allclose(variance, 0.25, rtol=1e-13)


def test_sides_fold_wrap_and_take() -> None:
    cells = np.array([-7, -3, -1, 0, 3, 4, 6, 9])

    def landed(boundary: Any) -> tuple[list[int], list[bool], list[bool]]:
        domain = {"x": {"range": (0.0, 1.0), "boundary": boundary}}
        grid = Problem("x", domain=domain).grid(4)
        flat, kept, folded = settle(grid, [cells])
        return flat.tolist(), kept.tolist(), folded.tolist()

    flat, kept, folded = landed("reflecting")
    assert flat == [1, 2, 0, 0, 3, 3, 1, 1]
    assert all(kept)
    assert folded == [True, True, True, False, False, True, True, True]
    flat, kept, _ = landed("periodic")
    assert flat == [1, 1, 3, 0, 3, 0, 2, 1]
    assert all(kept)
    _, kept, folded = landed("absorbing")
    assert kept == [False, False, False, True, True, False, False, False]
    assert not any(folded)
    flat, kept, _ = landed(["absorbing", "reflecting"])
    assert kept == [False, False, False, True, True, True, True, False]
    assert flat[3:7] == [0, 3, 3, 1]


# Stationary moments and spectra known in closed form.


@pytest.mark.parametrize(
    ("rate", "reach", "cells"),
    [(0.05, 1.2, 64), (0.5, 5.0, 80), (1.0, 7.0, 80), (1.5, 14.0, 100), (1.9, 30.0, 200)],
)
def test_variance_and_multipliers_of_a_parabola(rate: float, reach: float, cells: int) -> None:
    """AR(1): variance eta s^2/(2h - eta h^2), multipliers (1 - eta h)^n."""
    problem = parabola(rate, reach)
    operator = transfer_operator(problem, problem.grid(cells))
    state = invariant(operator)
    _, covariance = grid_moments(operator.grid, state.density)
    assert covariance[0, 0] == pytest.approx(rate / (2.0 - rate), rel=1e-8)
    assert state.multiplier == pytest.approx(1.0, abs=1e-13)
    assert state.density.min() >= 0.0
    assert state.residual <= 1e-13
    found = multipliers(operator, 4)
    np.testing.assert_allclose(found, (1.0 - rate) ** np.arange(4), atol=2e-7)


def least_squares_covariance(problem: Problem) -> np.ndarray:
    """C of SGD on least squares, in discrete time and closed form."""
    model, eta, b = problem.model, problem.learning_rate, problem.batch_size
    assert model is not None
    assert eta is not None
    assert b is not None
    n, x = model.samples, model.features
    f = 1.0 / b if problem.replacement else (n - b) / (b * (n - 1.0))
    hessian = x.T @ x / n
    pulls = x * (x @ np.linalg.lstsq(x, model.targets, rcond=None)[0] - model.targets)[:, None]
    single = x[:, :, None] * x[:, None, :]
    squares = np.einsum("sij,skl->ikjl", single, single).reshape(4, 4) / n
    eye, product = np.eye(2), np.kron(hessian, hessian)
    both = np.kron(hessian, eye) + np.kron(eye, hessian)
    matrix = -eta * both + eta**2 * (product + f * (squares - product))
    return -np.linalg.solve(matrix, eta**2 * f * (pulls.T @ pulls / n).reshape(-1)).reshape(2, 2)


@pytest.mark.parametrize(("batch", "replacement"), [(1, True), (2, False), (2, True)])
def test_covariance_of_sgd_on_least_squares(batch: int, replacement: bool) -> None:
    """True mini-batches, all of them: no error from the grid at all, only tails cut off."""
    problem = regression(0.35, batch, replacement)
    grid = problem.grid(56)
    operator = transfer_operator(problem, grid)
    assert operator.batches is not None
    assert operator.batches.enumerated
    state = invariant(operator)
    mean, covariance = grid_moments(grid, state.density)
    wanted = least_squares_covariance(problem)
    np.testing.assert_allclose(covariance, wanted, rtol=0, atol=1e-5 * wanted.max())
    assert problem.model is not None
    np.testing.assert_allclose(problem.model.gradient(list(mean)), 0.0, atol=1e-6)


def test_drawn_batches_are_unbiased() -> None:
    """Moments from drawn mini-batches scatter about the exact ones, by their number."""
    problem = regression(0.35, 1, True)
    batches = Batches(12, 3, True, draws=40, seed=71)
    assert batches.count == 364
    few = batches.drawn(5000, 0)
    counts = np.bincount(few.reshape(-1), minlength=12) / few.size
    np.testing.assert_allclose(counts, 1.0 / 12.0, atol=5.0 / math.sqrt(few.size))
    distinct = Batches(12, 5, False, draws=7, seed=71).drawn(300, 3)
    assert all(len(set(row)) == 5 for row in distinct.reshape(-1, 5))
    assert batches_of(problem, 0.35) is not None
    table, weights = batches.table()
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    # By brute force: every ordered triple is as likely as any other.
    triples = [tuple(sorted(triple)) for triple in itertools.product(range(12), repeat=3)]
    share = {tuple(row): triples.count(tuple(row)) / 12**3 for row in table[:60].tolist()}
    np.testing.assert_allclose(weights[:60], list(share.values()), rtol=1e-13)


# Convergence and evolution.


def test_gaussian_steps_have_no_order_but_rounding() -> None:
    """Densities at common points: halving cells of one noise width leaves 1e-8."""
    problem = Problem(
        "x**4/4 - x**2/2", sigma="1 + x**2/4", domain={"x": (-2.3, 2.3)}, beta=8.0,
        learning_rate=0.2,
    )  # fmt: skip
    densities = []
    for cells in (23, 69, 207):
        grid = problem.grid(cells)
        start = gaussian_density(grid, [0.4], np.array([[0.09]]))
        densities.append(
            transfer_operator(problem, grid).advance(start, 7)[cells // 46 :: cells // 23]
        )
    fine = densities[2]
    assert np.abs(densities[1] - fine).max() <= 1e-6 * fine.max()
    assert np.abs(densities[0] - fine).max() <= 2e-2 * fine.max()


def test_mini_batches_are_of_order_2() -> None:
    """A smooth observable beyond the second moment, after a few steps of true mini-batches."""
    problem = regression(0.35, 1, True)
    widths, errors = [], []
    for cells in (40, 56, 80, 200):
        grid = problem.grid(cells)
        start = gaussian_density(grid, [0.6, 0.1], 0.15 * np.eye(2))
        density = transfer_operator(problem, grid).advance(start, 2)
        x, y = grid.points
        values = np.cos(2.0 * x + y)
        widths.append(float(grid.spacing[0]))
        errors.append(float(grid.integrate(density * values)))
    wrong = np.abs(np.array(errors[:3]) - errors[3])
    assert fitted_order(widths[:3], wrong) >= 2.0 - ORDER_WINDOW


def test_mass_and_sign_over_many_steps() -> None:
    problem = parabola(0.3, 5.0)
    grid = problem.grid(60)
    operator = transfer_operator(problem, grid)
    density = gaussian_density(grid, [2.0], np.array([[0.02]]))
    after = operator.advance(density, 500)
    assert grid.integrate(after) == pytest.approx(grid.integrate(density), abs=1e-13)
    assert after.min() >= 0.0
    # The mean contracts by 1 - eta h in a step.
    mean, _ = grid_moments(grid, operator.advance(density, 5))
    assert mean[0] == pytest.approx(2.0 * 0.7**5, abs=1e-7)


def test_survivors_of_absorbing_sides() -> None:
    """Multiplier and density against a plain power iteration of an independent quadrature."""
    problem = parabola(0.5, 1.0, boundary="absorbing")
    operator = transfer_operator(problem, problem.grid(400))
    state = invariant(operator)
    nodes, weights = np.polynomial.legendre.leggauss(60)
    kernel = np.exp(-0.5 * ((nodes[:, None] - 0.5 * nodes) / 0.5) ** 2) / math.sqrt(0.5 * math.pi)
    values = np.linalg.eigvals(kernel * weights)
    assert state.multiplier == pytest.approx(values.real.max(), abs=2e-5)
    np.testing.assert_allclose(operator.kept.max(), operator.kept[200], atol=1e-5)


def test_the_density_of_small_steps_is_that_of_the_diffusion_to_order_1() -> None:
    problem = Problem(
        "x**4/4 - x**2/2 + x/10", sigma="1 + x**2/4", domain={"x": (-2.4, 2.4)}, beta=10.0,
        learning_rate=0.1,
    )  # fmt: skip
    grid = problem.grid(320)
    rest = stationary(generator(problem, grid), problem).density
    rates, distances = [0.02, 0.04, 0.08], []
    for rate in rates:
        state = invariant(transfer_operator(problem, grid, rate=rate), rest)
        distances.append(float(grid.integrate(np.abs(state.density - rest))))
    assert fitted_order(rates, distances) == pytest.approx(1.0, abs=ORDER_WINDOW)


# What cannot be.


@pytest.mark.parametrize(
    ("keys", "options", "key", "text"),
    [
        ({"beta": 2.0}, {}, "noise.learning_rate", "is missing"),
        ({"beta": 2.0, "learning_rate": 0.1}, {"noise": "levy"}, "discrete.noise", "gaussian"),
        (
            {"beta": 2.0, "learning_rate": 0.1},
            {"noise": "minibatch"},
            "discrete.noise",
            "loss.model",
        ),
        ({"beta": 2.0, "learning_rate": 0.1}, {"rate": -1.0}, "noise.learning_rate", "positive"),
        ({"beta": 2.0, "learning_rate": 1e9}, {}, "domain.x.range", "too large"),
    ],
)
def test_refusals(keys: dict[str, Any], options: dict[str, Any], key: str, text: str) -> None:
    problem = Problem("x**4", domain={"x": (-2.0, 2.0)}, **keys)
    with pytest.raises(CaseError, match=text) as caught:
        transfer_operator(problem, problem.grid(16), **options)
    assert caught.value.key == key


def test_other_refusals() -> None:
    heavy = Problem("x**2", domain={"x": (-1, 1), "v": (-1, 1)}, beta=1.0, learning_rate=0.1,
                    momentum=0.5)  # fmt: skip
    with pytest.raises(CaseError, match="momentum"):
        transfer_operator(heavy, heavy.grid(8))
    moving = Problem("x**2*(1 + t)", domain={"x": (-1, 1)}, beta=1.0, learning_rate=0.1)
    with pytest.raises(CaseError, match="do not change in time"):
        transfer_operator(moving, moving.grid(8))
    problem = regression(0.3, 1, True)
    with pytest.raises(CaseError, match=r"batches of 1.5 samples"):
        transfer_operator(problem, Grid.of(problem.domain, 8), rate=0.45)
