"""From one output time to the next by transfer operators of short steps.

A step is the Richardson extrapolation (4 P(dt/2)^2 - P(dt))/3 of operators of order 2, see
:mod:`fokkerplanck.semi_lagrangian`, and what it leaves negative is made good by the neighbours.
Noise that does not act along axes is made of nodes. Where it goes over more than a cell in a step
they are seen as such: a wave of their spacing would grow by the extrapolation, and P(dt/2)^2 is
taken by itself.
Steps are the time between two outputs divided by powers of two, so that few operators are needed;
the first of them, and some of the later ones, are compared with two of half the length.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from ..errors import NumericalFailure
from ..semi_lagrangian.axis_noise import (
    AxisNoiseOperator,
    acts_along_axes,
    axis_noise_operator,
)
from ..semi_lagrangian.choice import OPERATORS
from ..semi_lagrangian.frames import Frames
from ..semi_lagrangian.repair import repaired
from ..semi_lagrangian.step_operator import StepOperator, step_operator
from .flux_correction import Activity
from .system import System

# Of the steps in time; 4 where they are extrapolated.
ORDER = 2
# Steps without a comparison after one that was compared; twice as many after each that passed.
FIRST_WAIT, LONGEST_WAIT = 4, 32
# A step grows where its error is below this share of what is allowed: twice as long it is 2^5 as
# large, and the allowance doubles.
GROWS = 1.0 / 40.0
# Steps are halved where that brings the error down by the first factor at least: those of the time
# fall by 2^3 or, extrapolated, by 2^5. Else it is the grid's, which each step adds anew; where it
# falls by less than the second factor, steps twice as long do better.
FALLS, RISES = 6.0, 2.0
# A larger error than this share of the mass over all steps is gross: then a fall by less is enough
# to halve steps, and none is made longer.
GROSS, GROSS_FALLS = 0.01, 2.5
# The first step tried: drift and noise must not move the density by more than these shares of its
# scales.
TURN, SPREAD = 0.5, 0.5
# Spread of the noise in cells, one standard deviation of a step, up to which no wave on the grid
# grows: that of the nodes, 2 pi over 1.36 deviations, is then too short for it. From the first to
# the second the extrapolation fades, smoothly, for a step between would be seen in the density.
NARROW, WIDE = 0.5, 1.5
# A step below this share of the time to cover means that the tolerance is out of reach.
SMALLEST_STEP = 1e-10


@dataclass
class SemiLagrangianIntegrator:
    """Advances densities in time by transfer operators of short steps.

    Parameters
    ----------
    system : System
    rtol : float
        Bound on the time error in L1 over ``horizon``, relative to the mass; where the grid leaves
        a larger one, steps are as long as that allows.
    horizon : float
        Time to be covered in all.
    activity : Activity
        In the last call of :meth:`advance`: cells that were negative, and the share of what moved
        that was taken from their neighbours.
    """

    system: System
    rtol: float
    horizon: float
    activity: Activity | None = field(default_factory=Activity)
    _operators: OrderedDict[tuple[float, float], StepOperator | AxisNoiseOperator] = field(
        default_factory=OrderedDict
    )
    _frames: tuple[float, Frames] | None = None
    _last: float = 0.0

    def change(self, density: np.ndarray, time: float) -> np.ndarray:
        """d rho/dt of the steps, of the density's shape; of order 3 in their length.

        It is the logarithm of a step E, (E - 1) - (E - 1)^2/2 + (E - 1)^3/3 over dt, so that it
        vanishes where the steps are at rest.
        """
        dt = self._last or self.first_step(density.reshape(-1), time)
        power, rate = density.reshape(-1), np.zeros(density.size)
        for number in (1, 2, 3):
            power = self.extrapolated(power, time, dt) - power
            rate += power * ((-1.0) ** (number + 1) / (number * dt))
        return rate.reshape(density.shape)

    def advance(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """Density at ``stop`` from that at ``start``, and the step size to go on with.

        Parameters
        ----------
        density : (N,) float64
            Non-negative.
        start, stop : float
        step : float
            Step size to try first; 0 lets the method choose.

        Raises
        ------
        NumericalFailure
            If the tolerance cannot be met.
        """
        self.activity = Activity()
        for first, last in self.system.pieces(start, stop):
            density, step = self._piece(density, first, last, step)
        self._last = step
        return density, step

    def fixed_steps(self, density: np.ndarray, start: float, stop: float, count: int) -> np.ndarray:
        """Density after ``count`` equal steps without error control, as order studies need it."""
        dt = (stop - start) / count
        for number in range(count):
            density = self.limited(density, start + number * dt, dt)
        return density

    def limited(self, density: np.ndarray, time: float, dt: float) -> np.ndarray:
        """A step that leaves nothing negative."""
        return self._taken(density, self.extrapolated(density, time, dt))

    def first_step(self, density: np.ndarray, time: float) -> float:
        """A step over which the drift turns by little and the noise spreads by little."""
        grid, problem = self.system.grid, self.system.problem
        weight = density.reshape(grid.shape) / density.sum()
        drift = problem.drift_at(grid.points, time).reshape(grid.ndim, *grid.shape)
        slopes = np.zeros(grid.shape)
        for axis, h in enumerate(grid.spacing):
            slopes += (np.gradient(drift, h, axis=axis + 1) ** 2).sum(axis=0)
        rate = math.sqrt(float((weight * slopes).sum()))
        if acts_along_axes(problem, grid, time):
            # Exact, whatever it does to the density.
            return min(self.horizon, TURN / rate) if rate > 0.0 else self.horizon
        sigma = problem.sigma_at(grid.points, time).reshape(grid.ndim, grid.ndim, *grid.shape)
        mean_sigma = (sigma * weight).reshape(grid.ndim, grid.ndim, -1).sum(axis=-1)
        centers = np.stack([axis.reshape(-1) for axis in np.meshgrid(*grid.centers, indexing="ij")])
        away = centers - (centers @ weight.reshape(-1))[:, None]
        covariance = (away * weight.reshape(-1)) @ away.T + np.diag(grid.spacing**2)
        spread = 2.0 * float(np.linalg.eigvals(np.linalg.solve(covariance, mean_sigma)).real.max())
        spread /= problem.beta
        steps = [self.horizon]
        steps += [TURN / rate] if rate > 0.0 else []
        steps += [SPREAD / spread] if spread > 0.0 else []
        return min(steps)

    def _piece(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """As :meth:`advance` where the coefficients are smooth in time."""
        length = stop - start
        step = step if step > 0.0 else self.first_step(density, start)
        step = min(step, self.system.longest(start))
        level = max(0, math.ceil(math.log2(length / step) - 1e-9))
        done, patience, waited = 0, FIRST_WAIT, FIRST_WAIT
        while done < 2**level:
            dt, time = length / 2**level, start + length * (done / 2**level)
            if waited < patience and self.system.longest(time) >= dt:
                density = self.limited(density, time, dt)
                waited += 1
            else:
                fine, down, up = self._compared(density, time, dt)
                if down:
                    level, done = level + 1, 2 * done
                    patience = waited = FIRST_WAIT
                    continue
                density = self._taken(density, fine)
                patience, waited = min(2 * patience, LONGEST_WAIT), 0
                if up and level and done % 2:
                    # The step just taken was the second half of a longer one.
                    level, done = level - 1, done // 2
                    patience, waited = FIRST_WAIT, 0
            done += 1
            self.system.counts["steps"] += 1
            self.system.moved(start + length * (done / 2**level))
        return density, length / 2**level

    def _compared(
        self, density: np.ndarray, time: float, dt: float
    ) -> tuple[np.ndarray, bool, bool]:
        """Two steps of half the length, and whether steps should be shorter, or could be longer."""
        error, fine = self._error(density, time, dt)
        allowed = self.rtol * float(density.sum()) * dt / self.horizon
        if error <= allowed:
            return fine, False, error < GROWS * allowed
        if 0.5 * dt < SMALLEST_STEP * self.horizon:
            raise NumericalFailure(
                f"the time error cannot be brought below rtol = {self.rtol:g} near t = {time:.6g}",
                "choose a larger density.rtol",
            )
        half, _ = self._error(density, time, 0.5 * dt)
        self.system.counts["rejected"] += 1
        gross = error > GROSS / self.rtol * allowed
        falls = GROSS_FALLS if gross else FALLS
        return fine, half * falls <= error, not gross and half * RISES > error

    def _error(self, density: np.ndarray, time: float, dt: float) -> tuple[float, np.ndarray]:
        """L1 distance of a step to two of half the length, and what those lead to."""
        coarse = self.extrapolated(density, time, dt)
        middle = self.extrapolated(density, time, 0.5 * dt)
        fine = self.extrapolated(middle, time + 0.5 * dt, 0.5 * dt)
        return float(np.abs(fine - coarse).sum()), fine

    def extrapolated(self, density: np.ndarray, time: float, dt: float) -> np.ndarray:
        """(4 P(dt/2)^2 - P(dt)) rho/3, which may be negative, for what the noise moves by little.

        For the rest of the density, cell by cell, P(dt/2)^2 rho.
        """
        half = 0.5 * dt
        narrow = density * _narrowness(self.operator(time, dt).spread) / 3.0
        fine = self._product(density + narrow, time, half)
        fine = self._product(fine, time + half, half)
        return fine - self._product(narrow, time, dt) if narrow.any() else fine

    def _product(self, density: np.ndarray, time: float, dt: float) -> np.ndarray:
        self.system.counts["products"] += 1
        return self.operator(time, dt).deposit(density)

    def operator(self, time: float, dt: float) -> StepOperator | AxisNoiseOperator:
        """P of a step, with the coefficients of its middle; the last few are kept."""
        # Steps of equal length differ by the rounding of their times.
        length = float(f"{dt:.12e}")
        middle = 0.0 if self.system.autonomous else time + 0.5 * dt
        key = (middle, length)
        if key not in self._operators:
            while len(self._operators) >= OPERATORS:
                self._operators.popitem(last=False)
            frames = self._frames_at(middle)
            along = acts_along_axes(frames.problem, frames.grid, middle)
            self._operators[key] = (axis_noise_operator if along else step_operator)(frames, length)
            self.system.counts["assemblies"] += 1
        self._operators.move_to_end(key)
        return self._operators[key]

    def _frames_at(self, time: float) -> Frames:
        if self._frames is None or self._frames[0] != time:
            self._frames = time, Frames(self.system.problem, self.system.grid, time)
        return self._frames[1]

    def _taken(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """A density that is nowhere negative, of the mass of the step."""
        grid = self.system.grid
        moved = float(np.abs(after - before).sum())
        result, lost = repaired(grid, after)
        if grid.domain.closed:
            # Thousands of products would let the mass walk off by their rounding.
            result = result * (float(before.sum()) / float(result.sum()))
        assert self.activity is not None
        self.activity += Activity(after.size, int((after < 0.0).sum()), moved, lost)
        return result


def _narrowness(spread: np.ndarray) -> np.ndarray:
    """From 1 to 0 where the noise goes from narrow to wide, with two continuous derivatives."""
    share = np.clip((WIDE - spread) / (WIDE - NARROW), 0.0, 1.0)
    return share**3 * (10.0 - 15.0 * share + 6.0 * share**2)
