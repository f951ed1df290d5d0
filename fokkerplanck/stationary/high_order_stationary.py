"""The stationary state of the high-order operator where there is no detailed balance.

A_h r = 0 is solved by GMRES, preconditioned by implicit steps of the low-order generator A, from
the null vector of A. A_h is no Markov generator, so r may be negative where the grid does not
resolve it; there the null vector of A bounds it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import NumericalFailure
from ..high_order.high_order import high_order
from ..linear_solvers.minimal_residual import gmres
from ..linear_solvers.multilevel import null_state
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.generator import Generator
from ..problem import Problem

# The rest state stays within this factor of that of the low-order generator, cell by cell.
BAND = 16.0
# Where the density is below this share of its peak.
FAR_TAIL = 1e-10
# Elsewhere a state of steps, which has no limiter of its own, is at most so many times smaller.
FURTHEST = 1e6
# Marches that settle the rest state: their length in 1/q, the error of their limiter, what they may
# still change, and how many there are at most, unless one changes hardly less than the one before;
# the step of the inverse iteration between them, in 1/q, and what it leaves of a cell at least.
SHORT_MARCH, MARCH_RTOL, SETTLED, MOST_MARCHES = 20.0, 1e-4, 1e-9, 25
LONGEST_STEP, LEAST_SHARE, SLOW = 1e6, 0.1, 0.7
# Densities below this many times the largest negative value are not trusted.
NOISE = 3.0
# Implicit steps of this many 1/q precondition; much longer ones lose digits.
LONG_STEP = 1e4
TOLERANCE = 1e-11
RESTART = 80
MAX_RESTARTS = 4
# Residual |A_h r| in L1, relative to q, that is accepted before the bounds apply.
ACCEPTED = 1e-10


def high_rest(generator: Generator, problem: Problem) -> tuple[np.ndarray, Generator]:
    """Stationary density without detailed balance, of order 6 where the grid resolves it.

    Parameters
    ----------
    generator : Generator
        In a closed box.
    problem : Problem
        The problem it came from.

    Returns
    -------
    log_density : ndarray of the grid's shape
        log rho_ss, of mass one.
    tilted : Generator
        A Markov generator of order 2 with exactly this rest state: A diag(low/rho_ss), with low
        the null vector of A, scales all rates out of a cell alike.

    Raises
    ------
    NumericalFailure
        If the grid is too large for the factors, or the iteration does not converge.
    """
    grid = generator.grid
    if grid.size > DIRECT_CELLS[grid.ndim]:
        raise NumericalFailure(
            f"{grid.size} cells are too many for the stationary state of the scheme high-order "
            "without detailed balance",
            f"take at most {DIRECT_CELLS[grid.ndim]} cells, or the scheme scharfetter-gummel",
        )
    low = null_state(generator)
    start = low.density.reshape(-1)
    operator = high_order(problem, grid)
    solver = ShiftedSolver(generator)
    dt = LONG_STEP / generator.q
    departure = gmres(
        lambda x: -dt * operator.matvec(x),
        dt * operator.matvec(start),
        lambda x: solver.solve(x, dt),
        TOLERANCE,
        RESTART,
        MAX_RESTARTS,
    )
    # The null vector itself may be part of the departure.
    found = start + departure - start * (departure.sum() / start.sum())
    residual = float(np.abs(operator.matvec(found)).sum())
    if not residual <= ACCEPTED * generator.q * float(np.abs(found).sum()):
        raise NumericalFailure(
            "the stationary state of the scheme high-order was not found",
            "take more cells, or the scheme scharfetter-gummel",
        )
    found = _settled(solver, problem, _trusted(found, start))
    ratio = _bounded(found, start)
    log_density = low.log_density + np.log(ratio).reshape(grid.shape)
    log_density -= np.log(grid.integrate(np.exp(log_density)))
    return log_density, scaled_generator(generator, np.exp(low.log_density - log_density))


def trusted_ratio(found: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Quotient of a density that may be negative and a positive one nearby; positive itself."""
    return np.maximum(_bounded(_trusted(found, start), start), 1.0 / FURTHEST)


def _trusted(found: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The first density where it is more than noise, else the second; >= 0.

    Where the density is of the size of the negative values it is noise: there the low order takes
    over, smoothly, for A_h would make large sources of jumps.
    """
    noise = (NOISE * max(0.0, -float(found.min()))) ** 2
    share = start**2 / (start**2 + noise) if noise > 0.0 else 1.0
    return np.maximum(start + share * (found - start), 0.0)


def _bounded(found: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Quotient of two densities, within a band in the far tail."""
    ratio = np.divide(found, start, out=np.ones_like(start), where=start > 0.0)
    far = found <= FAR_TAIL * found.max()
    ratio[far] = np.clip(ratio[far], 1.0 / BAND, BAND)
    return ratio


def _settled(solver: ShiftedSolver, problem: Problem, density: np.ndarray) -> np.ndarray:
    """The density at which the limited scheme itself comes to rest, from one nearby.

    The limiter moves the null vector of A_h where that would be negative. A short march shows what
    is left to come; inverse iteration with the low-order generator goes most of the way at once.
    """
    # They import the stationary state of the generator.
    from ..timestepping.flux_integrator import FluxIntegrator
    from ..timestepping.system import System

    generator = solver.generator
    duration, dt = SHORT_MARCH / generator.q, LONGEST_STEP / generator.q
    march = FluxIntegrator(System(problem, generator.grid, known=generator), MARCH_RTOL, duration)
    mass, last = float(density.sum()), np.inf
    for _ in range(MOST_MARCHES):
        following, _ = march.advance(density, 0.0, duration, 0.0)
        left = following - density
        size = float(np.abs(left).sum())
        if size <= SETTLED * mass or size > SLOW * last:
            return following
        last = size
        # The marches to come add up to -(duration A)^-1 of the change of this one.
        ahead = solver.solve(left, dt) * (dt / duration)
        ahead -= following * (ahead.sum() / following.sum())
        density = np.maximum(following + ahead, LEAST_SHARE * following)
        density *= mass / float(density.sum())
    return density


def scaled_generator(generator: Generator, factors: np.ndarray) -> Generator:
    """The generator with the rates out of every cell multiplied by that cell's factor."""
    r, scale = generator.rates, factors.reshape(-1)
    backward = np.zeros_like(r.backward)
    for row, rates, shift in zip(backward, r.backward, r.shifts, strict=True):
        edges = np.flatnonzero(rates)
        row[edges] = rates[edges] * scale[edges + shift]
    rates = replace(
        r,
        forward=r.forward * scale,
        backward=backward,
        wrap_forward=r.wrap_forward * scale[r.wrap_source],
        wrap_backward=r.wrap_backward * scale[r.wrap_target],
        exit_rate=r.exit_rate * scale[r.exit_cell],
    )
    return Generator(generator.grid, rates, generator.potential)
