"""Fluctuation-dissipation relations: exact where they should be, and visibly wrong elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from measures import compiled_only, fitted_order

from fokkerplanck.analyses.relations import (
    Relation,
    coarse_grid,
    relation_sides,
    relations,
    third_moments,
    with_grid_error,
)
from fokkerplanck.operators.generator import generator
from fokkerplanck.particles import Gaussian, ensemble
from fokkerplanck.problem import DataModel, Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.transfer.batches import Batches
from fokkerplanck.transfer.invariant import invariant
from fokkerplanck.transfer.transfer import transfer_operator


def quartic(rate: float, beta: float) -> Problem:
    return Problem(
        "x**4/4 - x**2/2 + x**3/10 + x/10", sigma="1 + 0.3*x**2", domain={"x": (-2.1, 2.1)},
        beta=beta, learning_rate=rate,
    )  # fmt: skip


def logistic(rate: float, batch: int = 2) -> Problem:
    random = np.random.default_rng(5)
    features = random.normal(size=(12, 1))
    targets = (features[:, 0] + 0.7 * random.normal(size=12) > 0.0) * 1.0
    model = DataModel("logistic_regression", features, targets, l2=0.3)
    return Problem(
        model, sigma="minibatch", domain={"x": (-0.5, 3.0)}, batch_size=batch, learning_rate=rate
    )


def at_rest(problem: Problem, cells: int) -> dict[str, Relation]:
    operator = transfer_operator(problem, problem.grid(cells))
    return relations(relation_sides(problem, operator), invariant(operator).density)


def test_relations_of_a_quartic_loss_under_its_steps() -> None:
    """No fifth derivative: (57) ends with the fourth, at a learning rate near the edge."""
    found = at_rest(quartic(0.4, 60.0), 160)
    for name in ("virial", "fourth_order", "all_orders"):
        assert found[name].gap <= 1e-7, name
    assert found["third_order"].gap > 1e-3
    assert found["second_order"].gap > 3.0 * found["third_order"].gap
    # (43) is of the diffusion: the steps miss it by half.
    assert found["dissipation"].gap > 0.3


def test_third_order_is_all_there_is_to_a_cubic_loss() -> None:
    """At a large step (57) holds with its third-order term and fails without."""
    problem = Problem(
        "x**2/2 + 0.3*x**3", sigma=1.0, domain={"x": (-0.9, 0.9)}, beta=200.0, learning_rate=1.0
    )
    found = at_rest(problem, 120)
    assert found["third_order"].gap <= 1e-7
    assert found["second_order"].gap > 0.01
    assert found["virial"].gap <= 1e-7


def test_relations_of_a_data_loss_under_true_mini_batches() -> None:
    found = at_rest(logistic(1.0), 192)
    assert found["virial"].gap <= 1e-8
    assert found["all_orders"].gap <= 1e-12
    # What the third order leaves is of the next order in eta; without it, of its own.
    rates, gaps = [0.5, 0.7, 1.0], {"second_order": [], "third_order": []}
    for rate in rates:
        found = at_rest(logistic(rate, 1), 384)
        for name, values in gaps.items():
            values.append(found[name].gap)
    assert (
        fitted_order(rates, gaps["third_order"]) > fitted_order(rates, gaps["second_order"]) + 0.5
    )
    assert gaps["third_order"][0] < 0.3 * gaps["second_order"][0]


def test_third_moments_of_mini_batches_by_enumeration() -> None:
    problem = logistic(0.7, 3)
    model = problem.model
    assert model is not None
    place = np.array([0.8])
    for replacement in (True, False):
        batches = Batches(12, 3, replacement, draws=1, seed=3)
        table, weights = batches.table()
        means = model.gradients_at([place])[0, 0][table].mean(axis=1)
        wanted = weights @ (means - weights @ means) ** 3
        found = third_moments(problem, batches, [place])
        assert found[0, 0, 0, 0] == pytest.approx(wanted, rel=1e-11)


def test_the_diffusion_meets_43_to_second_order_and_misses_the_others() -> None:
    problem = quartic(0.4, 60.0)
    widths, gaps = [], []
    for cells in (40, 60, 90):
        grid = problem.grid(cells)
        sides = relation_sides(problem, transfer_operator(problem, grid))
        rest = stationary(generator(problem, grid), problem).density
        found = relations(sides, rest)
        widths.append(float(grid.spacing[0]))
        gaps.append(found["dissipation"].gap)
    assert gaps[2] <= 1e-5
    assert found["virial"].gap > 0.1
    assert found["all_orders"].gap > 0.1


@compiled_only
def test_walkers_meet_them_within_their_standard_error() -> None:
    problem = quartic(0.4, 60.0)
    grid = problem.grid(160)
    operator = transfer_operator(problem, grid)
    walkers = ensemble(
        problem, grid, Gaussian([-1.0], np.array([[0.02]])), [0.0, 40.0], method="sgd-gaussian",
        particles=60_000, seed=4711,
    )  # fmt: skip
    counts = walkers.counts[-1]
    sides = relation_sides(problem, operator)
    fine = relations(sides, counts, int(counts.sum()))
    half = coarse_grid(grid)
    assert half is not None
    other = relation_sides(problem, transfer_operator(problem, half))
    found = with_grid_error(fine, relations(other, counts.reshape(80, 2).sum(axis=1)))
    for name in ("virial", "fourth_order", "all_orders"):
        row = found[name]
        assert abs(row.left - row.right) <= 4.0 * row.sampling + row.grid, name
    row = found["dissipation"]
    assert abs(row.left - row.right) > 20.0 * row.sampling
