"""Null vector of a generator by multilevel aggregation, entrywise accurate and O(N).

One V-cycle: a Gauss-Seidel sweep, exact balance of the blocks' masses by the same on coarser
chains, a sweep back (Horton and Leutenegger, SIGMETRICS 1994; De Sterck et al., SIAM J. Sci.
Comput. 30 (2008) 2235). Three things make it converge like a multigrid method for diffusion:

- blocks are pairs along the strongest coupling (`pairing`);
- the diffusion that blocks add is taken out of their fluxes without a subtraction, leaving the
  net fluxes and so the fixed point (`aggregation.sharpen`);
- the start is the stationary state of the coarser chain, its logarithm interpolated (`starts`).

Iterates are products exp(-psi) u with u near 1, and no step subtracts, so the density is right
entry by entry even where it is below the smallest double; only log rho represents it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..errors import CaseError, NumericalFailure
from ..operators.generator import Generator
from . import aggregation, log_aggregation
from .irreducibility import check_connected
from .pairing import Level, finest, pair

# Chains this small are eliminated.
COARSEST = 64
# Entrywise change per cycle that counts as rounding of the logarithms.
CHANGE = 3e-13
# What is still accepted once it no longer falls.
CHANGE_ACCEPTED = 1e-10
STALLED = 12
MAX_CYCLES = 600
# While tails far from their start are still on the way the largest change may stay the same, but
# not the sum of all: if that does not fall by PROGRESS in this many cycles, it never will.
HOPELESS, PROGRESS = 60, 0.9
# Nested iteration: a start need not be better than its interpolation.
NESTED_CHANGE = 1e-2
NESTED_CYCLES = 4
# The iterates that are recombined, once the change is small enough for them to be linear.
WINDOW = 4
LINEAR = 0.1
# |log u| beyond which psi takes u in.
REGAUGE = 30.0


@dataclass(frozen=True)
class NullState:
    """The stationary density of a generator; all quantities dimensionless.

    Attributes
    ----------
    log_density : ndarray of the grid's shape
        Free of underflow.
    density : ndarray of the grid's shape
        Per unit volume, mass one; zero below the smallest double.
    residual : float
        |A rho| in L1, relative to q.
    change : float
        Largest entrywise relative change in the last cycle.
    cycles : int
        V-cycles on the finest grid.
    """

    log_density: np.ndarray
    density: np.ndarray
    residual: float
    change: float
    cycles: int


def null_state(generator: Generator, max_cycles: int = MAX_CYCLES) -> NullState:
    """The one rho >= 0 with A rho = 0 and mass one, with or without detailed balance.

    Parameters
    ----------
    generator : Generator
        Without absorbing sides.
    max_cycles : int

    Raises
    ------
    CaseError
        If probability leaves the box, or the cells are not all connected in both directions.
    NumericalFailure
        If the iteration stagnates, or rates below the smallest double cut the cells apart.

    Notes
    -----
    log rho is accurate to about 1e-12 absolutely, plus rounding of |log rho| itself. It stays so
    over ranges of thousands as long as rates and their ratios along an edge are doubles, that is
    |P| < 700 per edge.
    """
    if generator.rates.exit_rate.any():
        raise CaseError("an absorbing side leaves no stationary density", "stationary")
    chain = finest(generator)
    check_connected(chain, generator)
    log_density, change, cycles = _nested(chain, max_cycles, sharp=True)
    if not change <= CHANGE_ACCEPTED:
        log_density, change, more = _nested(chain, max_cycles, sharp=False)
        cycles += more
    if not change <= CHANGE_ACCEPTED:
        raise NumericalFailure(
            f"the stationary density still changes by {change:.1e} per cycle after {cycles} cycles",
            "take more cells where the drift is strong, or let the density evolve by [density]",
        )
    grid = generator.grid
    log_density -= log_density.max()
    density = np.exp(log_density)
    mass = float(density.sum()) * grid.cell_volume
    density /= mass
    residual = float(np.abs(generator.matvec(density)).sum()) * grid.cell_volume / generator.q
    return NullState(
        (log_density - np.log(mass)).reshape(grid.shape),
        density.reshape(grid.shape),
        residual,
        change,
        cycles,
    )


def _nested(chain: Level, max_cycles: int, sharp: bool) -> tuple[np.ndarray, float, int]:
    """log rho by nested iteration, its last change and the cycles made.

    Without sharpened blocks it takes three times the cycles, and converges also where D turns so
    quickly that blocks mix directions and a sharpened coarse chain is not a chain of the same
    problem.
    """
    levels = [chain]
    while levels[-1].size.size > COARSEST:
        levels.append(pair(levels[-1], sharp))
    log_density = _start(levels[-1])
    for depth in range(len(levels) - 1, 0, -1):
        log_density = _solve(levels[depth:], log_density, NESTED_CYCLES, NESTED_CHANGE)[0]
        log_density = _refined(levels[depth - 1], log_density, extrapolate=True)
    return _solve(levels, log_density, max_cycles, CHANGE)


def _solve(
    levels: list[Level], log_density: np.ndarray, max_cycles: int, tolerance: float
) -> tuple[np.ndarray, float, int]:
    """Cycle on the first of ``levels``; returns log rho, its last change and the cycles made."""
    psi = -log_density
    _set_gauge(levels, psi)
    x = np.zeros(psi.size)
    best, since, change, cycles = np.inf, 0, np.inf, 0
    sums: list[float] = []
    iterates: list[np.ndarray] = []
    changes: list[np.ndarray] = []
    for cycles in range(1, max_cycles + 1):
        u = np.exp(x)
        _cycle(levels, u)
        y = np.log(u)
        y -= y.mean()
        step = y - x
        change = float(np.abs(step).max())
        since = 0 if change < 0.5 * best else since + 1
        best = min(best, change)
        if change <= tolerance or (since >= STALLED and change <= CHANGE_ACCEPTED):
            return y - psi, change, cycles
        sums.append(float(np.abs(step).sum()))
        if best > 1.0 and cycles > HOPELESS and sums[-1] > PROGRESS * sums[-HOPELESS]:
            break
        if np.abs(y).max() > REGAUGE:
            psi = psi - y
            _set_gauge(levels, psi)
            iterates, changes = [], []
            x = np.zeros(psi.size)
            continue
        if change < LINEAR:
            iterates, changes = [*iterates, y][-WINDOW:], [*changes, step][-WINDOW:]
            y = _recombined(iterates, changes)
        x = y - y.mean()
    return x - psi, change, cycles


def _recombined(iterates: list[np.ndarray], changes: list[np.ndarray]) -> np.ndarray:
    """The combination of the iterates whose change is least in L2, weights summing to one."""
    if len(iterates) == 1:
        return iterates[-1]
    count = len(iterates) - 1
    gram, right = np.empty((count, count)), np.empty(count)
    aggregation.products(np.array(changes[:-1]), changes[-1], gram, right)
    weights = np.linalg.lstsq(gram, right, rcond=1e-12)[0]
    result = iterates[-1].copy()
    for weight, iterate in zip(weights, iterates[:-1], strict=True):
        result += weight * (iterate - iterates[-1])
    return result


def _cycle(levels: list[Level], u: np.ndarray) -> None:
    """One V-cycle on u > 0, in place."""
    fine = levels[0]
    rows = (fine.start, fine.column, fine.inflow)
    if len(levels) == 1:
        order = np.argsort(fine.gauge, kind="stable")
        aggregation.eliminate(*rows, fine.outflow, fine.gauge, order, u)
        return
    coarse = levels[1]
    aggregation.sweep(*rows, fine.leaving, u, True)
    aggregation.aggregate(
        *rows,
        fine.outflow,
        u,
        fine.weight,
        fine.block,
        fine.entry,
        coarse.inflow,
        coarse.outflow,
        coarse.inside,
    )
    aggregation.sharpen(
        coarse.start,
        coarse.mirror,
        fine.share,
        coarse.inside,
        coarse.inflow,
        coarse.outflow,
        coarse.leaving,
        coarse.ratio,
    )
    factor = np.ones(coarse.size.size)
    _cycle(levels[1:], factor)
    u *= _refined(fine, factor, extrapolate=False)
    aggregation.sweep(*rows, fine.leaving, u, False)


def _start(level: Level) -> np.ndarray:
    """log rho of a small chain at uniform density, up to a constant."""
    log_mass = np.empty(level.size.size)
    log_aggregation.eliminate_logs(level.start, level.column, level.log_out, log_mass)
    return log_mass - np.log(level.size)


def _set_gauge(levels: list[Level], psi: np.ndarray) -> None:
    """Measure the fluxes of the first level, and masses on all, in units of exp(-psi)."""
    top = levels[0]
    log_aggregation.gauge_inflow(
        top.start, top.column, top.log_in, top.rate_leaving, psi, top.inflow
    )
    top.outflow[:] = top.rate_out
    top.leaving[:] = top.rate_leaving
    top.gauge = psi - np.log(top.size)
    for fine, coarse in pairwise(levels):
        coarse.gauge = np.empty(coarse.size.size)
        aggregation.coarsen_gauge(fine.block, fine.gauge, coarse.gauge)
        fine.weight = np.exp(coarse.gauge[fine.block] - fine.gauge)


def _refined(fine: Level, values: np.ndarray, extrapolate: bool) -> np.ndarray:
    """Values of the blocks at the cells."""
    result = np.empty(fine.block.size)
    aggregation.refine(fine.block, fine.beside, values, result, extrapolate)
    return result
