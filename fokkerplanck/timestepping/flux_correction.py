"""Flux correction: a high-order update made non-negative, with mass and free energy kept in order.

The low-order update is positive. The differences of the fluxes through the cell faces, each
integrated over the step, are added as far as no cell turns negative (Zalesak 1979); then, where
the stationary density is known, as far as the relative entropy to it does not rise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

from ..grid import Grid
from ..operators.currents import face_fluxes
from ..operators.generator import Generator
from . import flux_limiter
from .system import System

# Euler steps of the low-order update in units of 1/q, and the most of them: over longer steps the
# two updates differ by so much that the limiter would cut where nothing is wrong.
EULER_STEP = 0.95
MOST_EULER_STEPS = 400
# Rounds of the limiter before it guards all cells alike.
PASSES = 40
# Halvings in the search for the largest admissible share of the high-order update.
BISECTIONS = 30


@dataclass(frozen=True)
class LowUpdate:
    """A positive update of order 2 in space and 1 in time.

    Attributes
    ----------
    density : (N,) float64
        Non-negative.
    fluxes : tuple of d arrays
        Through the cell faces, integrated over the step, in units of density.
    products : int
    """

    density: np.ndarray
    fluxes: tuple[np.ndarray, ...]
    products: int


def low_update(system: System, density: np.ndarray, time: float, dt: float) -> LowUpdate:
    """Euler steps of at most 1/q, which keep positivity and the Gibbs state.

    They lower every convex relative entropy to the stationary state.

    Parameters
    ----------
    system : System
    density : (N,) float64
        Non-negative.
    time : float
        Of the coefficients.
    dt : float
    """
    generator = system.at(time)
    grid = generator.grid
    count = max(1, math.ceil(dt * generator.q / EULER_STEP - 1e-9))
    tau = dt / count
    current, following = density.copy(), np.empty_like(density)
    integral = tau * density
    for number in range(count):
        weight = tau if number < count - 1 else 0.0
        generator.combine(current, tau, 1.0, current, 0.0, following, integral, weight)
        current, following = following, current
    fluxes = face_fluxes(generator, integral.reshape(grid.shape))
    return LowUpdate(current, tuple(flux / grid.cell_volume for flux in fluxes), count)


def longest_low_step(generator: Generator) -> float:
    """Longest step whose low-order update stays near the truth."""
    return MOST_EULER_STEPS * EULER_STEP / generator.q


@dataclass(frozen=True)
class Activity:
    """What the limiter did.

    Attributes
    ----------
    faces, cut : int
        Faces there are, and those whose flux was scaled down.
    gross, lost : float
        Sum of the absolute flux corrections, and what of it was taken away.
    """

    faces: int = 0
    cut: int = 0
    gross: float = 0.0
    lost: float = 0.0

    @property
    def cut_share(self) -> float:
        """Share of the faces whose flux was scaled down."""
        return self.cut / self.faces if self.faces else 0.0

    @property
    def lost_share(self) -> float:
        """Share of the flux corrections that was taken away."""
        return self.lost / self.gross if self.gross > 0.0 else 0.0

    def __add__(self, other: Activity) -> Activity:
        return Activity(
            self.faces + other.faces,
            self.cut + other.cut,
            self.gross + other.gross,
            self.lost + other.lost,
        )


def add_fluxes(
    low: np.ndarray, fluxes: Sequence[np.ndarray], grid: Grid
) -> tuple[np.ndarray, Activity]:
    """low minus the divergence of fluxes, each scaled so that no cell turns negative.

    Parameters
    ----------
    low : (N,) float64
        Non-negative.
    fluxes : d arrays, modified
        Number i has n_i + 1 entries along axis i, in units of density; at periodic sides the
        first and the last are the same.
    grid : Grid

    Returns
    -------
    density : (N,) float64
        Non-negative; in a closed box of the mass of ``low`` to rounding.
    activity : Activity

    Notes
    -----
    All fluxes out of a cell share one factor: 1, or in a cell that would turn negative that of
    Zalesak (1979), the low-order value over the sum of the outgoing corrections, which keeps the
    cell non-negative whatever flows in. Cells that turn negative for want of inflow follow, until
    there are none. What an absorbing side gives back comes from no cell and is never scaled.
    """
    outflow, share = np.zeros_like(low), np.ones_like(low)
    views = []
    for axis, flux in enumerate(fluxes):
        before, after = math.prod(grid.shape[:axis]), math.prod(grid.shape[axis + 1 :])
        views.append(flux.reshape(before, -1, after))
        flux_limiter.gather_outflow(views[-1], outflow.reshape(before, -1, after))
    result, activity = _applied(low, views, share, grid)
    layout = np.array([(n, math.prod(grid.shape[axis + 1 :])) for axis, n in enumerate(grid.shape)])
    periodic = np.array([side.periodic for side in grid.domain.axes])
    flat = tuple(view.reshape(-1) for view in views)
    if flux_limiter.guard(low, outflow, flat, layout, periodic, PASSES, result, share):
        result, activity = _applied(low, views, share, grid)
    # Rounding below zero.
    return np.maximum(result, 0.0, out=result), activity


def _applied(
    low: np.ndarray, fluxes: Sequence[np.ndarray], share: np.ndarray, grid: Grid
) -> tuple[np.ndarray, Activity]:
    """low minus the divergence of the fluxes, each times the share of the cell it leaves."""
    result, activity = low.copy(), Activity()
    for side, flux in zip(grid.domain.axes, fluxes, strict=True):
        block = (flux.shape[0], flux.shape[1] - 1, flux.shape[2])
        cut, gross, lost = flux_limiter.apply(
            flux, share.reshape(block), side.periodic, result.reshape(block)
        )
        activity += Activity(flux.size, cut, gross, lost)
    return result, activity


def relative_entropy(density: np.ndarray, rest: np.ndarray) -> float:
    """sum rho log(rho/r) - rho + r over the cells; inf where r vanishes and rho does not.

    Every term is >= 0, so that nothing cancels near the stationary state.
    """
    return float(_relative_entropy(density, rest))


def hold_entropy(
    old: float, low: np.ndarray, high: np.ndarray, rest: np.ndarray
) -> tuple[np.ndarray, float]:
    """low + a (high - low) with the largest a in [0, 1] whose relative entropy is at most ``old``.

    The entropy is convex along the segment and that of ``low`` is below the old one, but for
    rounding; then a = 0 it is.

    Returns
    -------
    density : (N,) float64
    share : float
        a, to ``BISECTIONS`` binary digits from below.
    """
    if relative_entropy(high, rest) <= old:
        return high, 1.0
    inside, outside = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = 0.5 * (inside + outside)
        if relative_entropy(low + middle * (high - low), rest) <= old:
            inside = middle
        else:
            outside = middle
    return low + inside * (high - low), inside


@numba.njit(cache=True)
def _relative_entropy(density, rest):
    total = 0.0
    for i in range(density.size):
        x, r = density[i], rest[i]
        if x > 0.0:
            if r == 0.0:
                return math.inf
            # log1p keeps the digits of a small difference.
            ratio = (x - r) / r
            if abs(ratio) < 0.5:
                total += r * ((1.0 + ratio) * math.log1p(ratio) - ratio)
            else:
                total += x * math.log(x / r) - x + r
        else:
            total += r
    return total
