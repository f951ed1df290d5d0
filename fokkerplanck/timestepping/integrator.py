"""From one output time to the next: exact steps where there are any, else controlled ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from ..errors import NumericalFailure
from .magnus import propagated
from .steppers import STEPPERS, Stepper
from .system import System

# Step size control: aim below the tolerance, and change the step by bounded factors.
SAFETY = 0.8
MIN_FACTOR = 0.2
MAX_FACTOR = 4.0
# First guess of a step, in units of 1/q: the first steps resolve the initial transient.
FIRST_STEP = 4.0
# A step below this share of the time to cover means that the tolerance is out of reach.
SMALLEST_STEP = 1e-10


class Integrator(Protocol):
    """What goes from one time to another."""

    @property
    def system(self) -> Any:
        """The problem on its grid, with ``moved``, which is called with the time reached."""

    def advance(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """Density at ``stop`` from that at ``start``, and the step size to go on with."""


def frames(
    march: Integrator, density: np.ndarray, times: Sequence[float], step: float = 0.0
) -> Iterator[tuple[float, np.ndarray, float]]:
    """Yield (time, density, next step size) for each of ``times`` but the first.

    ``density``, flat, belongs to ``times[0]``.
    """
    for start, stop in itertools.pairwise(times):
        density, step = march.advance(density, start, stop, step)
        yield stop, density, step


@dataclass(frozen=True)
class StepIntegrator:
    """Advances densities in time with one stepper.

    Parameters
    ----------
    system : System
    stepper : Stepper
    rtol : float
        Bound on the time error in L1 over ``horizon``, relative to the mass. Markov steps do not
        amplify L1 errors, so that local errors add up at most.
    horizon : float
        Time to be covered in all.
    """

    system: System
    stepper: Stepper
    rtol: float
    horizon: float

    @property
    def activity(self) -> None:
        """There is no limiter to report on."""
        return None

    def change(self, density: np.ndarray, time: float) -> None:
        """The generator's own."""
        return None

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
        if stop == start:
            return density, step
        for first, last in self.system.pieces(start, stop):
            if self.stepper.exact and self.system.piecewise:
                self.system.counts["steps"] += 1
                density, step = self._exact(density, first, last, step)
                self.system.moved(last)
            else:
                density, step = self._controlled(density, first, last, step)
        return density, step

    def _exact(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """One step, or where it fails those of the spare stepper."""
        try:
            return self.stepper.step(self.system, density, start, stop - start), step
        except NumericalFailure:
            if not self.stepper.spare:
                raise
        self.system.counts["replaced"] += 1
        spare = replace(self, stepper=STEPPERS[self.stepper.spare])
        return spare.advance(density, start, stop, step)

    def _controlled(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        time = start
        step = step if step > 0.0 else FIRST_STEP / self.system.at(start).q
        order = self.stepper.order
        while time < stop:
            step = min(
                step, self.stepper.largest_step(self.system, time), self.system.longest(time)
            )
            # Equal steps up to the end, so that none is much shorter than the others.
            remaining = stop - time
            pieces = max(1, math.ceil(remaining / step - 1e-9))
            dt = remaining / pieces
            fine, ratio = self._doubled(density, time, dt)
            factor = min(MAX_FACTOR, max(MIN_FACTOR, SAFETY * ratio ** (1.0 / order)))
            if ratio >= 1.0:
                density = fine
                time = stop if pieces == 1 else time + dt
                self.system.moved(time)
                self.system.counts["steps"] += 1
                # A step cut short by the output time says little about longer ones.
                step = max(step, dt * factor) if factor > 1.0 else dt * max(factor, MIN_FACTOR)
            else:
                self.system.counts["rejected"] += 1
                step = dt * min(factor, SAFETY)
                if step < SMALLEST_STEP * self.horizon:
                    raise NumericalFailure(
                        f"the time error cannot be brought below rtol = {self.rtol:g} near "
                        f"t = {time:.6g}",
                        "choose a larger density.rtol",
                    )
        return density, step

    def _doubled(self, density: np.ndarray, time: float, dt: float) -> tuple[np.ndarray, float]:
        """Two steps of dt/2, and the allowed over the estimated error.

        The L1 distance to one step of dt, scaled to the error of the two, is what they are off.
        """
        step = self.stepper.step
        middle = step(self.system, density, time, 0.5 * dt)
        fine = step(self.system, middle, time + 0.5 * dt, 0.5 * dt)
        coarse = step(self.system, density, time, dt)
        off = (fine - coarse) / (2.0**self.stepper.order - 1.0)
        allowed, share = self.rtol * float(density.sum()), dt / self.horizon
        if not self.stepper.exact:
            return fine, share * _ratio(allowed, off)
        return fine, fading_ratio(allowed, share, off, lambda: self._later(off, time, dt))

    def _later(self, off: np.ndarray, time: float, dt: float) -> np.ndarray:
        """What is left of a difference of densities a step later."""
        return propagated(self.system, self.system.at(time + 0.5 * dt), off, dt)


def fading_ratio(
    allowed: float, share: float, off: np.ndarray, later: Callable[[], np.ndarray]
) -> float:
    """Allowed over estimated error of a linear step whose error fades.

    Errors at sides where coefficients change are mostly gone a step later. Only what is left of
    them then adds up over the steps, in L1 without growing; no step may be off by more than half
    of what is allowed in all.

    Parameters
    ----------
    allowed : float
        In all, in L1.
    share : float
        Of the step in the time to cover.
    off : ndarray
        What the step is off by.
    later : callable
        What is left of that a step later.
    """
    alone = 0.5 * _ratio(allowed, off)
    return alone if alone < 1.0 else min(alone, 0.5 * share * _ratio(allowed, later()))


def _ratio(allowed: float, off: np.ndarray) -> float:
    error = float(np.abs(off).sum())
    return allowed / error if error > 0.0 else math.inf
