"""From one output time to the next with the high-order scheme: exact in time or error-controlled.

Each step integrates the high-order operator without limits, then corrects the low-order update by
the difference of the two time-integrated fluxes; see `correction`. Coefficients that depend on
time take the commutator-free method of order 4 (Blanes and Moan 2006) with step doubling.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import NumericalFailure
from .correction import (
    EULER_STEP,
    Activity,
    add_fluxes,
    hold_entropy,
    longest_low_step,
    low_update,
    relative_entropy,
)
from .currents import face_fluxes
from .exponential import at_rest
from .high import HighOrder, high_order
from .integral import TermsGrow, integral, interval, longest_step
from .march import MAX_FACTOR, MIN_FACTOR, SAFETY, SMALLEST_STEP
from .system import System

ORDER = 4
# Gauss nodes of a step, and the shares of the two generators in each of its exponentials.
NODES = (0.5 - math.sqrt(3.0) / 6.0, 0.5 + math.sqrt(3.0) / 6.0)
SHARES = (0.5 + math.sqrt(3.0) / 3.0, 0.5 - math.sqrt(3.0) / 3.0)

# Products of one step besides those that its length asks for, and how many per square root of it.
FEW_PRODUCTS, PER_ROOT = 25.0, 5.0
# Exponentials per step where the coefficients depend on time.
DOUBLED = 6
# Cost of a low-order product in high-order ones.
LOW_COST = 0.25


def expected_products(system: System, times: Sequence[float]) -> float:
    """Rough cost from the first to the last time, in products of the high-order operator."""
    operator = high_order(system.problem, system.grid, times[0])
    generator = system.at(times[0])
    longest = min(longest_step(operator), longest_low_step(generator))
    below = LOW_COST * generator.q * (times[-1] - times[0]) / EULER_STEP
    total = 0.0
    for start, stop in itertools.pairwise(times):
        steps = max(1, math.ceil((stop - start) / longest))
        z = 0.5 * interval(operator) * (stop - start) / steps
        total += steps * (FEW_PRODUCTS + PER_ROOT * math.sqrt(z))
    return below + (total if system.autonomous else DOUBLED * total)


@dataclass
class FluxMarch:
    """Advances densities in time by the high-order scheme.

    Parameters
    ----------
    system : System
    rtol : float
        Bound on the time error in L1 over ``horizon``, relative to the mass.
    horizon : float
        Time to be covered in all.
    rest : (N,) float64, optional
        Density that is to be the exact rest state, positive, of any mass; without it nothing is
        known of the free energy.
    activity : Activity
        What the limiter did in the last call of :meth:`advance`.
    """

    system: System
    rtol: float
    horizon: float
    rest: np.ndarray | None = None
    activity: Activity | None = field(default_factory=Activity)
    _rest_fluxes: tuple[np.ndarray, ...] | None = field(default=None, init=False)
    _operators: dict[float, HighOrder] = field(default_factory=dict)

    def operator(self, time: float) -> HighOrder:
        """A_h with the coefficients of one time; the last few are kept."""
        key = 0.0 if self.system.autonomous else time
        if key not in self._operators:
            while len(self._operators) >= 8:
                self._operators.pop(next(iter(self._operators)))
            self._operators[key] = high_order(self.system.problem, self.system.grid, key)
        return self._operators[key]

    def change(self, density: np.ndarray, time: float) -> np.ndarray:
        """d rho/dt of the high-order operator, of the density's shape; zero at the rest state."""
        flat = np.ascontiguousarray(density).reshape(-1)
        return self.operator(time).matvec(self._departure(flat)).reshape(density.shape)

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
        mass = float(density.sum())
        time = start
        autonomous = self.system.autonomous
        longest = self._longest(start)
        step = longest if autonomous or step <= 0.0 else step
        while time < stop:
            remaining = stop - time
            # Equal steps up to the end, so that none is much shorter than the others.
            pieces = max(1, math.ceil(remaining / min(step, longest) - 1e-9))
            dt = remaining / pieces
            try:
                fluxes, ratio = self._unlimited(density, time, dt)
            except TermsGrow:
                self._reject(time)
                step = longest = 0.5 * dt
                self._check(step, time)
                continue
            if ratio >= 1.0:
                density = self._corrected(density, time, dt, fluxes)
                if self.system.grid.domain.closed:
                    # Millions of products would let the mass walk off by their rounding.
                    density *= mass / float(density.sum())
                time = stop if pieces == 1 else time + dt
                self.system.counts["steps"] += 1
            else:
                self._reject(time)
            if autonomous:
                rest = at_rest(self.system.at(time), density)
                density, time = (density, time) if rest is None else (rest, stop)
                continue
            factor = min(MAX_FACTOR, max(MIN_FACTOR, SAFETY * ratio ** (1.0 / ORDER)))
            if ratio < 1.0:
                step = dt * min(factor, SAFETY)
                self._check(step, time)
            else:
                # A step cut short by the output time says little about longer ones.
                step = max(step, dt * factor) if factor > 1.0 else dt * factor
        return density, 0.0 if autonomous else step

    def _longest(self, time: float) -> float:
        return min(longest_step(self.operator(time)), longest_low_step(self.system.at(time)))

    def _reject(self, time: float) -> None:
        self.system.counts["rejected"] += 1

    def _check(self, step: float, time: float) -> None:
        if step < SMALLEST_STEP * self.horizon:
            raise NumericalFailure(
                f"the time error cannot be brought below rtol = {self.rtol:g} near t = {time:.6g}",
                "choose a larger density.rtol",
            )

    def _unlimited(
        self, density: np.ndarray, time: float, dt: float
    ) -> tuple[list[np.ndarray], float]:
        """Time-integrated high-order fluxes, and allowed over estimated error."""
        if self.system.autonomous:
            _, fluxes = self._exponential(self.operator(time), self._departure(density), dt)
            return fluxes, math.inf
        middle, first = self._moving(density, time, 0.5 * dt)
        fine, second = self._moving(middle, time + 0.5 * dt, 0.5 * dt)
        coarse, _ = self._moving(density, time, dt)
        error = float(np.abs(fine - coarse).sum()) / (2.0**ORDER - 1.0)
        allowed = self.rtol * float(density.sum()) * dt / self.horizon
        return _sum(first, second), allowed / error if error > 0.0 else math.inf

    def _departure(self, density: np.ndarray) -> np.ndarray:
        """What of a density is not at rest: then no flux is left at the rest state."""
        if self.rest is None:
            return density
        return density - self._scaled_rest(density)

    def _scaled_rest(self, density: np.ndarray) -> np.ndarray:
        assert self.rest is not None
        return self.rest * (float(density.sum()) / float(self.rest.sum()))

    def _resting(self, time: float) -> tuple[np.ndarray, ...]:
        """Face fluxes of the generator at the rest state."""
        if self._rest_fluxes is None:
            assert self.rest is not None
            grid = self.system.grid
            fluxes = face_fluxes(self.system.at(time), self.rest.reshape(grid.shape))
            self._rest_fluxes = tuple(flux / grid.cell_volume for flux in fluxes)
        return self._rest_fluxes

    def _exponential(
        self, operator: HighOrder, x: np.ndarray, dt: float
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """exp(dt A) x - x as the integral of x, and its fluxes."""
        total, products = integral(operator, x, dt)
        self.system.counts["products"] += products
        return total, list(operator.face_fluxes(total))

    def _moving(self, x: np.ndarray, time: float, dt: float) -> tuple[np.ndarray, list[np.ndarray]]:
        """One step of order 4 with coefficients that change, and its fluxes."""
        early, late = (self.operator(time + node * dt) for node in NODES)
        gathered: list[np.ndarray] = []
        for share, rest in (SHARES, SHARES[::-1]):
            operator = early.mixture(share, late, rest)
            total, fluxes = self._exponential(operator, x, 0.5 * dt)
            following = np.empty_like(x)
            operator.combine(total, 1.0, 0.0, x, 1.0, following)
            x = following
            gathered = _sum(gathered, fluxes) if gathered else fluxes
        return x, gathered

    def _corrected(
        self, density: np.ndarray, time: float, dt: float, fluxes: list[np.ndarray]
    ) -> np.ndarray:
        """The low-order update corrected by the high-order fluxes."""
        low = low_update(self.system, density, time + 0.5 * dt, dt)
        self.system.counts["low-order products"] += low.products
        for axis, side in enumerate(self.system.grid.domain.axes):
            # Nothing comes back through an absorbing side.
            ends = np.moveaxis(fluxes[axis], axis, 0)
            if side.boundary[0] == "absorbing":
                ends[0] = np.minimum(ends[0], 0.0)
            if side.boundary[1] == "absorbing":
                ends[-1] = np.maximum(ends[-1], 0.0)
        for high, other in zip(fluxes, low.fluxes, strict=True):
            high -= other
        if self.rest is not None:
            # At rest both fluxes are those of the low order, which turn in circles or vanish.
            share = dt * float(density.sum()) / float(self.rest.sum())
            for high, resting in zip(fluxes, self._resting(time), strict=True):
                high += share * resting
        result, activity = add_fluxes(low.density, fluxes, self.system.grid)
        self.activity = activity if self.activity is None else self.activity + activity
        if self.rest is None:
            return result
        rest = self._scaled_rest(density)
        result, share = hold_entropy(relative_entropy(density, rest), low.density, result, rest)
        self.system.counts["entropy held"] += share < 1.0
        return result


def _sum(some: list[np.ndarray], more: list[np.ndarray]) -> list[np.ndarray]:
    return [one + other for one, other in zip(some, more, strict=True)]
