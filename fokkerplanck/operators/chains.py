"""The generator as a sum of birth-death chains along its lattice offsets.

Along one offset the cells form open chains, or closed ones around periodic axes. Each chain is a
reversible Markov process of its own, with the same Gibbs state as the whole when there is one.
Backward Euler on a chain is a tridiagonal M-matrix solve, done here by censoring states (GTH
elimination): no subtraction occurs, so results are non-negative and entrywise accurate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from .edges import patches
from .generator import Generator
from .threads import parallel

# Chains per task: enough tasks to balance two to many threads, few enough to share scratch.
TASKS = 64


@dataclass(frozen=True)
class Chains:
    """All chains along one offset, their cells one after the other.

    Attributes
    ----------
    order : (N,) int64
        Flat cells in chain order.
    starts : (C + 1,) int64
        First position of each chain.
    closed : (C,) bool
        Whether the last cell leads to the first.
    forward, backward, killing : (N,) float64
        Rate to the next cell, from the next cell, and out of the box, in chain order.
    """

    order: np.ndarray
    starts: np.ndarray
    closed: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    killing: np.ndarray

    def advance(self, density: np.ndarray, duration: float) -> None:
        """Replace a flat density by its value after ``duration``: see :func:`_advance`."""
        longest = int(np.diff(self.starts).max())
        _advance(
            self.order,
            self.starts,
            self.closed,
            self.forward,
            self.backward,
            self.killing,
            density,
            duration,
            longest,
        )


def chains_of(generator: Generator) -> list[Chains]:
    """Split a generator into its chains, one record per offset."""
    grid, rates = generator.grid, generator.rates
    index = np.arange(grid.size).reshape(grid.shape)
    result = []
    for number, offset in enumerate(rates.offsets):
        following = np.full(grid.size, -1, dtype=np.int64)
        for patch in patches(grid, tuple(int(step) for step in offset)):
            following[index[patch.source].reshape(-1)] = index[patch.target].reshape(-1)
        # A periodic offset that is a multiple of the axis leads back to its own cell.
        following[following == np.arange(grid.size)] = -1
        forward, backward = rates.forward[number].copy(), rates.backward[number].copy()
        wraps = rates.wrap_offset == number
        forward[rates.wrap_source[wraps]] += rates.wrap_forward[wraps]
        backward[rates.wrap_source[wraps]] += rates.wrap_backward[wraps]
        exits = rates.exit_offset == number
        killing = np.bincount(
            rates.exit_cell[exits], weights=rates.exit_rate[exits], minlength=grid.size
        )
        order, starts, closed = _trace(following)
        result.append(
            Chains(order, starts, closed, forward[order], backward[order], killing[order])
        )
    return result


@numba.njit(cache=True)
def _trace(following):
    """Order the cells chain by chain.

    Parameters
    ----------
    following : (N,) int64
        The next cell, or -1 at the end of an open chain; at most one cell leads to another.

    Returns
    -------
    order, starts, closed : (N,), (C + 1,) int64 and (C,) bool
    """
    size = following.size
    preceded = np.zeros(size, np.bool_)
    for x in range(size):
        if following[x] >= 0:
            preceded[following[x]] = True
    seen = np.zeros(size, np.bool_)
    order = np.empty(size, np.int64)
    starts = np.empty(size + 1, np.int64)
    closed = np.zeros(size, np.bool_)
    position, chain = 0, 0
    # Open chains first; what is then left consists of cycles.
    for cycles in (False, True):
        for first in range(size):
            if seen[first] or (preceded[first] and not cycles):
                continue
            starts[chain] = position
            closed[chain] = cycles
            x = first
            while x >= 0 and not seen[x]:
                seen[x] = True
                order[position] = x
                position += 1
                x = following[x]
            chain += 1
    starts[chain] = position
    return order, starts[: chain + 1].copy(), closed[:chain].copy()


@numba.njit(cache=True)
def _factor(forward, backward, killing, closed, dt, pivot, sink, to_last, from_last):
    """Censor the states of I - dt A one by one.

    Parameters
    ----------
    forward, backward, killing : (n,) float64
    closed : bool
    dt : float
    pivot, sink, to_last, from_last : (n,) float64, modified
        Total outflow, outflow to nowhere, and in closed chains the fill between each state and
        the last one; all in units of one step.
    """
    n = forward.size
    for j in range(n):
        sink[j] = 1.0 + dt * killing[j]
        to_last[j] = 0.0
        from_last[j] = 0.0
    last = n - 1
    if closed and n > 1:
        to_last[0] = dt * backward[last]
        from_last[0] = dt * forward[last]
    for j in range(last):
        a = dt * forward[j]
        g = dt * backward[j]
        pivot[j] = a + to_last[j] + sink[j]
        share = sink[j] / pivot[j]
        if j + 1 < last:
            sink[j + 1] += g * share
            if closed:
                to_last[j + 1] = g * to_last[j] / pivot[j]
                from_last[j + 1] = from_last[j] * a / pivot[j]
                sink[last] += from_last[j] * share
        else:
            sink[last] += (g + from_last[j]) * share
    pivot[last] = sink[last]


@numba.njit(cache=True)
def _solve(forward, backward, closed, dt, pivot, to_last, from_last, right, out):
    """Solve (I - dt A) out = right with the factors of :func:`_factor`; out may be right."""
    n = forward.size
    last = n - 1
    for j in range(n):
        out[j] = right[j]
    for j in range(last):
        out[j] /= pivot[j]
        out[j + 1] += dt * forward[j] * out[j]
        if closed:
            out[last] += to_last[j] * out[j]
    out[last] /= pivot[last]
    for j in range(last - 1, -1, -1):
        out[j] += dt * backward[j] * out[j + 1] / pivot[j]
        if closed:
            out[j] += from_last[j] * out[last] / pivot[j]


@numba.njit(cache=True)
def _correct(forward, backward, killing, closed, dt, excess, value, share):
    """Add the limited flux correction dt A excess to value, never below zero.

    Fluxes out of a cell are scaled by the largest share in [0, 1] that keeps it non-negative; each
    flux takes the share of the cell it leaves, so that mass is kept exactly (Zalesak 1979).
    """
    n = value.size
    edges = n if closed and n > 1 else n - 1
    for j in range(n):
        share[j] = max(dt * killing[j] * excess[j], 0.0)
    for j in range(edges):
        k = j + 1 if j + 1 < n else 0
        flux = dt * (forward[j] * excess[j] - backward[j] * excess[k])
        if flux > 0.0:
            share[j] += flux
        else:
            share[k] -= flux
    for j in range(n):
        share[j] = value[j] / share[j] if share[j] > value[j] else 1.0
    for j in range(n):
        loss = dt * killing[j] * excess[j]
        value[j] -= loss * share[j] if loss > 0.0 else loss
    for j in range(edges):
        k = j + 1 if j + 1 < n else 0
        flux = dt * (forward[j] * excess[j] - backward[j] * excess[k])
        flux *= share[j] if flux > 0.0 else share[k]
        value[j] -= flux
        value[k] += flux
    # The limiter is exact up to rounding of sums; what is left below zero is of that size.
    for j in range(n):
        if value[j] < 0.0:
            value[j] = 0.0


@parallel
def _advance(order, starts, closed, forward, backward, killing, density, dt, longest):
    """One step of extrapolated backward Euler on every chain.

    Two steps of dt/2 give x, one of dt gives y; 2 x - y is of order 2. The difference x - y is
    dt A w with w = (x_1 + x)/2 - y, a flux, and is added as far as positivity allows.

    Parameters
    ----------
    order, starts, closed, forward, backward, killing
        As in :class:`Chains`.
    density : (N,) float64, modified
    dt : float
    longest : int
        Cells of the longest chain.

    Notes
    -----
    Order 2 where the limiter is idle; positive and conservative for every dt; a Gibbs state of
    the chain is kept, since it solves each backward Euler step.
    """
    chains = closed.size
    tasks = min(TASKS, chains)
    for task in numba.prange(tasks):
        right = np.empty(longest)
        middle = np.empty(longest)
        half = np.empty(longest)
        full = np.empty(longest)
        pivot = np.empty(longest)
        sink = np.empty(longest)
        to_last = np.empty(longest)
        from_last = np.empty(longest)
        for chain in range(task * chains // tasks, (task + 1) * chains // tasks):
            lo, hi = starts[chain], starts[chain + 1]
            n = hi - lo
            f, g, k, loop = forward[lo:hi], backward[lo:hi], killing[lo:hi], closed[chain]
            occupied = False
            for j in range(n):
                right[j] = density[order[lo + j]]
                occupied = occupied or right[j] > 0.0
            if not occupied:
                continue
            p, s, t, u = pivot[:n], sink[:n], to_last[:n], from_last[:n]
            _factor(f, g, k, loop, dt, p, s, t, u)
            _solve(f, g, loop, dt, p, t, u, right[:n], full[:n])
            _factor(f, g, k, loop, 0.5 * dt, p, s, t, u)
            _solve(f, g, loop, 0.5 * dt, p, t, u, right[:n], middle[:n])
            _solve(f, g, loop, 0.5 * dt, p, t, u, middle[:n], half[:n])
            for j in range(n):
                full[j] = 0.5 * (middle[j] + half[j]) - full[j]
            _correct(f, g, k, loop, dt, full[:n], half[:n], p)
            for j in range(n):
                density[order[lo + j]] = half[j]
