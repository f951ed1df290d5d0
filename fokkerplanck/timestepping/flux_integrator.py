"""From one output time to the next with the high-order scheme: exact in time or error-controlled.

Each step integrates the high-order operator without limits, then corrects the low-order update by
the difference of the two time-integrated fluxes; see `correction`. Without the limiter such a step
is exact in time. The limiter acts once a step, so that its effect depends on where steps begin and
end; where it acts, steps are so short that cutting one in two changes the density by less than
``rtol``, or 1/q long. Coefficients that depend on time take the commutator-free method of order 4
(Blanes and Moan 2006) with step doubling.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import NumericalFailure
from ..high_order.high_order import HighOrder, high_order
from .exponential import at_rest
from .flux_correction import (
    EULER_STEP,
    Activity,
    add_fluxes,
    hold_entropy,
    longest_low_step,
    low_update,
    relative_entropy,
)
from .integral import TermsGrow, integral, interval, longest_step
from .integrator import MAX_FACTOR, MIN_FACTOR, SAFETY, SMALLEST_STEP
from .magnus import NODES, SHARES
from .system import System

ORDER = 4

# Cutting a step in two may change the density by this share of rtol; well below, steps grow.
CUT_SHARE, GROW_SHARE = 0.25, 0.05
# Each step not accepted doubles the number of steps after which they grow again, up to this one.
MOST_PATIENCE = 64
# What the limiter takes away is an upper bound on that change; below this share of it, it is idle.
IDLE_SHARE = 0.05
# Where a step misses by this factor or more, it is cut to 1/q at once: over longer ones the
# low-order update differs so much from the high-order one that the limiter cuts where nothing is
# wrong. Shorter steps would cost more than they are worth on grids where the limiter never rests.
FAR_OFF = 8.0
# Steps that differ by less are the same: rounding must not decide what is done.
ROUNDING = 1.0 + 1e-9

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
class FluxIntegrator:
    """Advances densities in time by the high-order scheme.

    Parameters
    ----------
    system : System
    rtol : float
        Bound on the time error in L1 over ``horizon``, relative to the mass.
    horizon : float
        Time to be covered in all.
    rest : (N,) float64, optional
        Gibbs state under detailed balance, of any mass. It is then the exact rest state, and the
        relative entropy to it never rises. Without detailed balance no rest state is imposed:
        the density comes to rest where the scheme has its own.
    activity : Activity
        What the limiter did in the last call of :meth:`advance`.
    """

    system: System
    rtol: float
    horizon: float
    rest: np.ndarray | None = None
    activity: Activity | None = field(default_factory=Activity)
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
        if self.system.autonomous:
            return self._advance_constant(density, start, stop, step)
        for first, last in self.system.pieces(start, stop):
            density, step = self._piece(density, first, last, step)
        return density, step

    def _piece(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """As :meth:`advance` where the coefficients are smooth in time."""
        assert self.activity is not None
        mass = float(density.sum())
        time = start
        longest = self._longest(start)
        step = longest if step <= 0.0 else step
        while time < stop:
            remaining = stop - time
            most = min(step, longest, self.system.longest(time))
            # Equal steps up to the end, so that none is much shorter than the others.
            pieces = max(1, math.ceil(remaining / most - 1e-9))
            dt = remaining / pieces
            try:
                fluxes, ratio = self._unlimited(density, time, dt)
            except TermsGrow:
                self._reject(time)
                step = longest = 0.5 * dt
                self._check(step, time)
                continue
            if ratio >= 1.0:
                density, activity = self._corrected(density, time, dt, fluxes)
                self.activity += activity
                if self.system.grid.domain.closed:
                    # Millions of products would let the mass walk off by their rounding.
                    density *= mass / float(density.sum())
                time = stop if pieces == 1 else time + dt
                self.system.moved(time)
                self.system.counts["steps"] += 1
            else:
                self._reject(time)
            factor = min(MAX_FACTOR, max(MIN_FACTOR, SAFETY * ratio ** (1.0 / ORDER)))
            if ratio < 1.0:
                step = dt * min(factor, SAFETY)
                self._check(step, time)
            else:
                # A step cut short by the output time says little about longer ones.
                step = max(step, dt * factor) if factor > 1.0 else dt * factor
        return density, step

    def _advance_constant(
        self, density: np.ndarray, start: float, stop: float, step: float
    ) -> tuple[np.ndarray, float]:
        """:meth:`advance` with coefficients that do not change.

        Where the limiter is not idle a step is taken as a whole and as two halves, which are kept,
        until steps are as short as 1/q.
        ``step`` is 0 while the longest steps will do.
        """
        assert self.activity is not None
        longest, time = self._longest(start), start
        short = EULER_STEP / self.system.at(start).q
        patience, waited = 1, 0
        while time < stop:
            remaining = stop - time
            whole = longest if step <= 0.0 else step
            # Equal steps while nothing is limited, so that none is much shorter than the others.
            dt = remaining / max(math.ceil(remaining / whole - 1e-9), 1) if step <= 0.0 else whole
            dt = remaining if dt > remaining * (1.0 - 1e-9) else dt
            allowed = CUT_SHARE * self.rtol * float(density.sum())
            try:
                following, activity = self._limited(density, time, dt)
                change = 2.0 * activity.lost
                if change > IDLE_SHARE * allowed and dt > short * ROUNDING:
                    middle, first = self._limited(density, time, 0.5 * dt)
                    halves, second = self._limited(middle, time + 0.5 * dt, 0.5 * dt)
                    change = float(np.abs(halves - following).sum())
                    following, activity = halves, first + second
            except TermsGrow:
                self._reject(time)
                step = longest = 0.5 * dt
                self._check(step, time)
                continue
            if change > allowed and dt > short * ROUNDING:
                self._reject(time)
                patience, waited = min(2 * patience, MOST_PATIENCE), 0
                step = max(0.5 * dt, short) if change < FAR_OFF * allowed else short
                continue
            waited += 1
            if change <= GROW_SHARE * allowed and step > 0.0 and dt == whole and waited > patience:
                step = 2.0 * whole if 2.0 * whole < longest else 0.0
            density = following
            self.activity += activity
            self.system.counts["steps"] += 1
            time = stop if dt == remaining else time + dt
            self.system.moved(time)
            rest = at_rest(self.system.at(start), density)
            if rest is not None:
                return rest, step
        return density, step

    def _limited(self, density: np.ndarray, time: float, dt: float) -> tuple[np.ndarray, Activity]:
        """One step with coefficients that do not change, and what the limiter did."""
        _, fluxes = self._exponential(self.operator(time), self._departure(density), dt)
        result, activity = self._corrected(density, time, dt, fluxes)
        if self.system.grid.domain.closed:
            # Millions of products would let the mass walk off by their rounding.
            result *= float(density.sum()) / float(result.sum())
        return result, activity

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
    ) -> tuple[np.ndarray, Activity]:
        """The low-order update corrected by the high-order fluxes, and what the limiter did."""
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
        result, activity = add_fluxes(low.density, fluxes, self.system.grid)
        if self.rest is None:
            return result, activity
        rest = self._scaled_rest(density)
        result, share = hold_entropy(relative_entropy(density, rest), low.density, result, rest)
        self.system.counts["entropy held"] += share < 1.0
        return result, activity


def _sum(some: list[np.ndarray], more: list[np.ndarray]) -> list[np.ndarray]:
    return [one + other for one, other in zip(some, more, strict=True)]
