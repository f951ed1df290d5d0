"""The multilevel null vector against exact states, dense twins and its own promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from measures import compiled_only
from reference_stationary import blocked, eliminated, inverse_iterated, unbalance

from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.gallery import (
    caughey,
    circulating_ornstein_uhlenbeck,
    hopf,
    ornstein_uhlenbeck_2d,
    rotating_tensor,
)
from fokkerplanck.linear_solvers import aggregation, multilevel
from fokkerplanck.linear_solvers.multilevel import null_state
from fokkerplanck.linear_solvers.pairing import finest, pair
from fokkerplanck.operators.generator import Generator, generator
from fokkerplanck.problem import Problem

PERIODIC = {"range": (0.0, 2.0 * np.pi), "boundary": "periodic"}


def double_well(beta: float) -> Problem:
    """Gibbs state exp(-beta Phi); the solver is not told so."""
    return Problem(
        loss="(x**2 - 1)**2/4 + y**2/2",
        sigma=1.0,
        beta=beta,
        domain={"x": (-2.2, 2.2), "y": (-2.0, 2.0)},
    )


def tilted(ndim: int) -> Problem:
    """A drift around a periodic box, with a current."""
    if ndim == 1:
        return Problem(loss="cos(x)", drift=["0.7"], beta=3.0, domain={"x": PERIODIC})
    return Problem(
        loss="2*cos(x) + cos(y) + cos(x + y)/2",
        drift=["1.5", "0.5"],
        sigma=[[1, 0.3], [0.3, 1]],
        beta=3.0,
        domain={"x": PERIODIC, "y": PERIODIC},
    )


def van_der_pol(mu: float, beta: float, x: tuple[float, float], v: tuple[float, float]) -> Problem:
    """Transport without noise in x: every edge along x leads one way."""
    return Problem(
        drift=["v", f"{mu}*(1 - x**2)*v - x"],
        sigma=[[0, 0], [0, 1]],
        beta=beta,
        domain={"x": x, "v": v},
    )


def three_axes() -> Problem:
    return Problem(
        loss="(x**2 + 3*y**2 + 2*z**2)/2",
        sigma=[[1, 0.6, 0.2], [0.6, 1, 0.1], [0.2, 0.1, 1]],
        beta=2.0,
        domain={"x": (-3, 3), "y": (-2, 2), "z": (-2, 2)},
    )


TWINS = {
    "tilted ring": (lambda: tilted(1), 150),
    "tilted torus": (lambda: tilted(2), (19, 22)),
    "rotation": (lambda: hopf().problem, (21, 18)),
    "oblique tensor": (lambda: ornstein_uhlenbeck_2d(4.0).problem, (20, 20)),
    "circulating": (lambda: circulating_ornstein_uhlenbeck().problem, (24, 17)),
    "noise on one axis": (lambda: caughey().problem, (20, 21)),
    "limit cycle": (lambda: van_der_pol(1.0, 1.0, (-3, 3), (-5, 5)), (20, 21)),
    "turning tensor": (lambda: rotating_tensor(2, 10.0).problem, (20, 20)),
    "three axes": (three_axes, (7, 8, 8)),
}


@pytest.mark.parametrize("name", TWINS)
def test_entrywise_as_dense_elimination(name: str) -> None:
    problem, cells = TWINS[name]
    A = generator(problem(), problem().grid(cells))
    state = null_state(A)
    exact = eliminated(A.to_scipy().toarray())
    found = state.log_density.reshape(-1) - state.log_density.max()
    assert np.ptp(exact) > 0.5
    # Beyond exp(-700) the twin in doubles itself underflows.
    told = exact > -700.0
    assert np.abs(found - exact)[told].max() <= 1e-11


def test_as_elimination_with_fifty_digits() -> None:
    problem = circulating_ornstein_uhlenbeck().problem
    A = generator(problem, problem.grid((10, 9)))
    state = null_state(A)
    exact = eliminated(A.to_scipy().toarray(), digits=50)
    assert np.abs(state.log_density.reshape(-1) - state.log_density.max() - exact).max() <= 2e-12


@pytest.mark.parametrize(("beta", "span"), [(90.0, 300.0), (600.0, 2000.0)])
def test_gibbs_tails(beta: float, span: float) -> None:
    problem = double_well(beta)
    A = generator(problem, problem.grid(64))
    assert A.potential.values is not None
    state = null_state(A)
    assert np.ptp(state.log_density) > span
    assert np.ptp(state.log_density + A.potential.values) <= 1e-10
    assert problem.grid(64).integrate(state.density) == pytest.approx(1.0, abs=1e-14)
    assert state.residual <= 1e-14
    assert state.density.min() >= 0.0


@pytest.mark.parametrize(
    ("problem", "cells"),
    [
        pytest.param(van_der_pol(1.0, 10.0, (-3.5, 3.5), (-5, 5)), 128, marks=compiled_only),
        (van_der_pol(1.0, 2.0, (-5, 5), (-7, 7)), 64),
        # Nearly exp(700) along some edges, exp(10000) over the box.
        pytest.param(van_der_pol(2.0, 10.0, (-3.5, 3.5), (-10, 10)), 128, marks=compiled_only),
        pytest.param(caughey(diffusion=1 / 100).problem, 96, marks=compiled_only),
    ],
)
def test_one_way_edges_in_a_steep_drift(problem: Problem, cells: int) -> None:
    A = generator(problem, problem.grid(cells))
    state = null_state(A)
    span = np.ptp(state.log_density)
    assert span > 900.0
    assert state.cycles <= 40
    # Entry by entry what enters leaves again, to rounding of the logarithms.
    assert np.abs(unbalance(A, state.log_density)).max() <= 1e-12 + 2e-15 * span
    # Near the peak as by inverse iteration with a factorised matrix.
    near = state.density > 1e-3 * state.density.max()
    assert near.sum() > 40
    told = inverse_iterated(A.to_scipy(), A.q).reshape(near.shape)[near]
    found = state.density[near] / state.density.max()
    np.testing.assert_allclose(found, told, rtol=1e-11)


@compiled_only
@pytest.mark.parametrize(
    ("problem", "most"),
    [
        (circulating_ornstein_uhlenbeck().problem, 32),
        (hopf().problem, 26),
        (ornstein_uhlenbeck_2d(1.0).problem, 16),
        (tilted(2), 26),
    ],
)
def test_cycles_do_not_grow_with_the_grid(problem: Problem, most: int) -> None:
    cycles = [null_state(generator(problem, problem.grid(n))).cycles for n in (32, 64, 128)]
    assert max(cycles) <= most


def test_two_closed_parts_are_refused() -> None:
    A = _with_cut(both=True)
    with pytest.raises(CaseError, match="cannot pass between 2 parts"):
        null_state(A)


@pytest.mark.parametrize(
    ("along_x", "message"),
    [
        # Reflected at x = 2, where everything collects.
        ("1", "never returns to 240 of the 256 cells, .* x = "),
        # Both roots +-1/2 collect, each in the two columns beside it.
        ("x - 4*x**3", "cannot pass between 4 parts"),
        ("0", "cannot pass between 16 parts"),
    ],
)
def test_drift_without_noise_may_leave_cells_for_good(along_x: str, message: str) -> None:
    problem = Problem(
        drift=[along_x, "-y"], sigma=[[0, 0], [0, 1]], domain={"x": (-2, 2), "y": (-2, 2)}
    )
    with pytest.raises(CaseError, match=message):
        null_state(generator(problem, problem.grid(16)))


@compiled_only
def test_underflow_of_a_rate_is_not_mistaken_for_transience() -> None:
    # At x = 3, v = 6 the drift outweighs the noise by exp(1600) per cell of 64, by exp(800) of 128.
    problem = van_der_pol(5.0, 30.0, (-3, 3), (-6, 6))
    with pytest.raises(NumericalFailure, match=r"smallest double; take more cells"):
        null_state(generator(problem, problem.grid(64)))
    assert null_state(generator(problem, problem.grid((64, 144)))).change < 1e-12
    with pytest.raises(NumericalFailure, match=r"example at x = .* 16 rates"):
        null_state(_with_cut(both=False))


def test_absorbing_sides_are_refused() -> None:
    problem = Problem(
        loss="x**2", beta=1.0, domain={"x": {"range": (-1, 1), "boundary": "absorbing"}}
    )
    with pytest.raises(CaseError, match="absorbing"):
        null_state(generator(problem, problem.grid(32)))


def test_too_few_cycles_fail_with_advice() -> None:
    problem = hopf().problem
    with pytest.raises(NumericalFailure, match=r"changes by .* after 4 cycles; take more cells"):
        null_state(generator(problem, problem.grid(32)), max_cycles=2)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_blocks_as_their_definition(share: float, rng: np.random.Generator) -> None:
    problem = rotating_tensor(2, 10.0).problem
    fine = finest(generator(problem, problem.grid(8)))
    coarse = pair(fine)
    count, blocks = fine.size.size, coarse.size.size
    u, rate_in = rng.uniform(0.5, 2.0, count), np.exp(fine.log_in)
    inflow, outflow = np.empty(coarse.column.size), np.empty(coarse.column.size)
    leaving = np.empty(blocks)
    inside, ratio = np.empty(blocks), np.empty(inflow.size)
    aggregation.aggregate(
        fine.start, fine.column, rate_in, fine.rate_out, u, np.ones(count), fine.block,
        fine.entry, inflow, outflow, inside,
    )  # fmt: skip
    # As much flux inside the blocks as makes the share what is asked for.
    gross = 0.5 * (inflow + outflow)
    even = np.full(blocks, gross.max() * 1e9)
    given = np.full(inflow.size, share)
    if share == 1.0:
        given = np.full(inflow.size, 1e12 * gross.max() / gross.min())
    elif share:
        given = share * (1.0 + 2.0 * gross / even[0]) / (4.0 * gross / even[0])
    aggregation.sharpen(coarse.start, coarse.mirror, given, even, inflow, outflow, leaving, ratio)
    rows = np.repeat(np.arange(count), np.diff(fine.start))
    flux = np.zeros((count, count))
    np.add.at(flux, (rows, fine.column), rate_in * u[fine.column])
    expected = blocked(flux, fine.block, share)
    rows = np.repeat(np.arange(blocks), np.diff(coarse.start))
    np.testing.assert_allclose(inflow, expected[rows, coarse.column], rtol=1e-13)
    np.testing.assert_allclose(outflow, expected[coarse.column, rows], rtol=1e-13)
    np.testing.assert_allclose(leaving, expected.sum(axis=0), rtol=1e-13)


def test_shares_are_the_same_in_both_rows_of_an_edge() -> None:
    # If they were not, blocks would not balance at the stationary state, and cycles would stop
    # short of it.
    problem = circulating_ornstein_uhlenbeck().problem
    level = finest(generator(problem, problem.grid((13, 11))))
    for _ in range(3):
        coarse = pair(level)
        share = np.zeros((coarse.size.size,) * 2)
        rows = np.repeat(np.arange(coarse.size.size), np.diff(coarse.start))
        share[rows, coarse.column] = level.share
        assert share.max() > 0.2
        np.testing.assert_allclose(share, share.T, rtol=0.0, atol=1e-13)
        level = coarse


def test_oblique_noise_is_paired_along_itself() -> None:
    problem = Problem(
        loss="x**2 + y**2", sigma=[[1, 0.95], [0.95, 1]], domain={"x": (-2, 2), "y": (-2, 2)}
    )
    fine = finest(generator(problem, problem.grid(16)))
    pair(fine)
    partner = [np.flatnonzero(fine.block == b) for b in np.unique(fine.block)]
    steps = {int(cells[1] - cells[0]) for cells in partner if cells.size == 2}
    assert steps == {17}


def _with_cut(both: bool) -> Generator:
    """A double well whose halves are cut apart, or connected one way only."""
    problem = double_well(2.0)
    A = generator(problem, problem.grid(16))
    r = A.rates
    forward, backward = r.forward.copy(), r.backward.copy()
    across = np.flatnonzero(r.offsets[:, 0] == 1)[:, None], np.arange(7 * 16, 8 * 16)
    backward[across] = 0.0
    if both:
        forward[across] = 0.0
    return Generator(A.grid, replace(r, forward=forward, backward=backward), A.potential)


# Tensors of condition 1e2 that turn within a few cells.
TURNING = (
    "0.5*(x**2 + y**2)",
    [["1e-2 + (1 + sin(4*x + 8*y))/2", "cos(4*x + 8*y)/2"],
     ["cos(4*x + 8*y)/2", "1e-2 + (1 - sin(4*x + 8*y))/2"]],
)  # fmt: skip


@compiled_only
def test_blocks_are_not_sharpened_where_that_does_not_converge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = Problem(*TURNING, 2.0, {"x": (-3, 3), "y": (-3, 3)})
    made = generator(problem, problem.grid(72))
    state = null_state(made)
    assert state.residual <= 1e-13
    assert state.change <= multilevel.CHANGE_ACCEPTED
    # The way back is what brings it there.
    nested = multilevel._nested
    monkeypatch.setattr(
        multilevel, "_nested", lambda chain, most, sharp: nested(chain, most, sharp=True)
    )
    with pytest.raises(NumericalFailure, match="changes by"):
        null_state(made)
