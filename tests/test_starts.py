"""Kernels of chains far from their stationary state against doubles and dense twins."""

from __future__ import annotations

import numpy as np
from reference_stationary import eliminated

from fokkerplanck.gallery import rotating_tensor
from fokkerplanck.linear_solvers import aggregation
from fokkerplanck.linear_solvers import log_aggregation as starts
from fokkerplanck.linear_solvers.multilevel import null_state
from fokkerplanck.linear_solvers.pairing import finest, pair
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem


def test_blocks_in_logarithms_as_in_doubles() -> None:
    problem = rotating_tensor(2, 10.0).problem
    fine = finest(generator(problem, problem.grid(12)))
    coarse = pair(fine)
    blocks, entries = coarse.size.size, coarse.column.size
    inflow, outflow, ratio = np.empty(entries), np.empty(entries), np.empty(entries)
    inside, leaving = np.empty(blocks), np.empty(blocks)
    aggregation.aggregate(
        fine.start, fine.column, np.exp(fine.log_in), fine.rate_out, np.ones(fine.size.size),
        fine.size / coarse.size[fine.block], fine.block, fine.entry, inflow, outflow, inside,
    )  # fmt: skip
    aggregation.sharpen(
        coarse.start, coarse.mirror, fine.share, inside, inflow, outflow, leaving, ratio
    )
    np.testing.assert_allclose(np.exp(coarse.log_in), inflow, rtol=1e-12)
    np.testing.assert_allclose(coarse.rate_out, outflow, rtol=1e-12)
    np.testing.assert_allclose(coarse.rate_leaving, leaving, rtol=1e-12)


def test_small_chains_with_any_rates(rng: np.random.Generator) -> None:
    n = 12
    logs = rng.uniform(-300.0, 300.0, (n, n))
    matrix = np.exp(logs.T) * (1.0 - np.eye(n))
    start, column = np.arange(n + 1) * (n - 1), np.nonzero(1 - np.eye(n))[1].astype(np.int32)
    found = np.empty(n)
    starts.eliminate_logs(start, column, logs[~np.eye(n, dtype=bool)], found)
    exact = eliminated(matrix, digits=40)
    assert np.ptp(exact) > 100.0
    np.testing.assert_allclose(found - found.max(), exact, rtol=0.0, atol=1e-10)


def test_a_start_far_off_cannot_overflow(rng: np.random.Generator) -> None:
    problem = Problem(
        drift=["v", "(1 - x**2)*v - x"],
        sigma=[[0, 0], [0, 1]],
        beta=10.0,
        domain={"x": (-3.5, 3.5), "v": (-5, 5)},
    )
    A = generator(problem, problem.grid(32))
    level = finest(A)
    rows = (level.start, level.column, level.log_in, level.rate_leaving)
    inflow = np.empty(level.column.size)
    psi = rng.normal(0.0, 1000.0, level.size.size)
    starts.gauge_inflow(*rows, psi, inflow)
    leaving = np.repeat(level.rate_leaving, np.diff(level.start))
    assert (inflow <= 1.2 * leaving).all()
    # A stationary density stays as it is.
    log_density = null_state(A).log_density.reshape(-1)
    psi = -log_density
    starts.gauge_inflow(*rows, psi, inflow)
    np.testing.assert_array_equal(psi, -log_density)
