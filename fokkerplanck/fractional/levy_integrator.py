"""From one output time to the next under heavy-tailed noise: steps that halve and double.

The drift's flow and the jumps rest on tables for a length of step. Steps are therefore halves of
halves of the time between frames, so that few lengths serve a whole run. They go in blocks, with
the halves of the jumps within one joined. Jumps of two steps at once tell the error of splitting;
both ways go through the same flows, whose error in the cell width is none in time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import real_array
from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from ..problem import Problem
from ..timestepping.integrator import MAX_FACTOR, MIN_FACTOR, SAFETY, SMALLEST_STEP, frames
from .levy import LEVY, LevySystem

# Steps of a block: the more there are, the less the halves at its ends cost.
BLOCK = 8
# First guess of a step, times the largest slope of the drift.
FIRST_STEP = 0.05
# Places within a frame are whole numbers of its 2^-FINEST.
FINEST = 60


@dataclass(frozen=True)
class LevyIntegrator:
    """Advances densities in time by the steps of a `LevySystem`.

    Parameters
    ----------
    system : LevySystem
    rtol : float
        Bound on the time error in L1 over ``horizon``, relative to the mass. Positive steps do not
        amplify L1 errors, so that those of the blocks add up at most.
    horizon : float
        Time to be covered in all.
    """

    system: LevySystem
    rtol: float
    horizon: float

    def advance(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """Density at ``stop`` from that at ``start``, and the step size to go on with.

        Parameters
        ----------
        density : (N,) float64
        start, stop : float
        step : float
            Step size to try first; 0 lets the method choose.

        Raises
        ------
        NumericalFailure
            If the tolerance cannot be met.
        """
        values = density.reshape(self.system.grid.shape)
        for first, last in self.system.timeline.pieces(start, stop):
            values, step = self._piece(values, first, last, step)
        return values.reshape(-1), step

    def _piece(
        self, values: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """As :meth:`advance` where the coefficients are smooth in time."""
        # Frames that differ in length by rounding share their tables.
        span = float(f"{stop - start:.12e}")
        if step <= 0.0:
            slope = self.system.transport.slope(start)
            step = FIRST_STEP / slope if slope > 0.0 else span
        level = max(1, math.ceil(math.log2(span / step) - 1e-6))
        place, end = 0, 1 << FINEST
        while place < end:
            time = start + span * (place / end)
            longest = self.system.timeline.longest(time)
            while span / 2.0**level > longest:
                level += 1
            dt, count = span / 2.0**level, min(BLOCK, 1 << level)
            if level > FINEST - 1 or dt < SMALLEST_STEP * self.horizon:
                raise NumericalFailure(
                    f"the time error cannot be brought below rtol = {self.rtol:g} near "
                    f"t = {time:.6g}",
                    "choose a larger density.rtol",
                )
            fine = self.system.steps(values, time, dt, count)
            coarse = self.system.steps(values, time, dt, count, group=2)
            order = LEVY.order
            error = float(np.abs(fine - coarse).sum()) / (2.0**order - 1.0)
            allowed = self.rtol * float(values.sum()) * count * dt / self.horizon
            ratio = allowed / error if error > 0.0 else math.inf
            wish = min(MAX_FACTOR, max(MIN_FACTOR, SAFETY * ratio ** (1.0 / order)))
            if ratio < 1.0:
                self.system.counts["rejected"] += 1
                level += max(1, math.ceil(-math.log2(wish)))
                continue
            self.system.counts["steps"] += count
            values, place = fine, place + _length(level)
            self.system.moved(start + span * (place / end))
            longer = max(0, math.floor(math.log2(wish)))
            # A longer block must start where blocks of its length start.
            while longer and (level - longer < 1 or place % _length(level - longer)):
                longer -= 1
            level -= longer
        return values, span / 2.0**level


def _length(level: int) -> int:
    """A block of steps of that level, in units of a place."""
    return min(BLOCK, 1 << level) << (FINEST - level)


def evolve_levy(
    problem: Problem,
    grid: Grid,
    initial: np.ndarray,
    times: Sequence[float],
    *,
    rtol: float = 1e-4,
    breakpoints: Sequence[float] = (),
) -> np.ndarray:
    """Densities (n, *grid.shape) at increasing times, from the one at the first of them.

    Parameters
    ----------
    problem : Problem
        With alpha below 2.
    grid : Grid
    initial : ndarray of the grid's shape
    times : increasing floats
    rtol : float
        Bound on the time error in L1, relative to the mass.
    breakpoints : sequence of float
        Times that steps must meet, beside those at which the coefficients are seen to jump.

    Raises
    ------
    CaseError
        For sides that do not go together, or Gaussian noise.
    NumericalFailure
        If the tolerance cannot be met.
    """
    times = [float(time) for time in times]
    if not times or any(not b > a for a, b in itertools.pairwise(times)):
        raise CaseError("must increase strictly", "density.times")
    system = LevySystem(problem, grid, breakpoints)
    system.watch(times[0], times[-1])
    march = LevyIntegrator(system, rtol, times[-1] - times[0])
    found = [real_array(initial, "initial")]
    for _, density, _ in frames(march, found[0].reshape(-1), times):
        found.append(density.reshape(grid.shape))
    return np.stack(found)
