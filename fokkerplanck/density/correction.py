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
from .currents import face_fluxes
from .system import System

# Euler steps of the low-order update, in units of 1/q, and how many may be taken in place of one
# backward Euler step.
EULER_STEP = 0.95
MOST_EULER_STEPS = 400
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
    """Euler steps of at most 1/q, or one backward Euler step where they would be many.

    Both keep positivity and the Gibbs state, and lower every convex relative entropy.

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
    count = max(1, math.ceil(dt * generator.q / EULER_STEP))
    if count > MOST_EULER_STEPS:
        low = system.solver(time).solve_positive(density, dt)
        integral, count = dt * low, 0
    else:
        tau = dt / count
        current, following = density.copy(), np.empty_like(density)
        integral = tau * density
        for number in range(count):
            weight = tau if number < count - 1 else 0.0
            generator.combine(current, tau, 1.0, current, 0.0, following, integral, weight)
            current, following = following, current
        low = current
    fluxes = face_fluxes(generator, integral.reshape(grid.shape))
    return LowUpdate(low, tuple(flux / grid.cell_volume for flux in fluxes), count)


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
    Zalesak (1979): all fluxes out of a cell share one factor. What an absorbing side gives back
    comes from no cell and is never scaled.
    """
    outflow, share = np.zeros_like(low), np.ones_like(low)
    views = []
    for axis, flux in enumerate(fluxes):
        before, after = math.prod(grid.shape[:axis]), math.prod(grid.shape[axis + 1 :])
        views.append(flux.reshape(before, -1, after))
        _gather_outflow(views[-1], outflow.reshape(before, -1, after))
    over = outflow > low
    share[over] = low[over] / outflow[over]
    result = low.copy()
    activity = Activity()
    for side, view in zip(grid.domain.axes, views, strict=True):
        block = (view.shape[0], view.shape[1] - 1, view.shape[2])
        cut, gross, lost = _apply(view, share.reshape(block), side.periodic, result.reshape(block))
        activity += Activity(view.size, cut, gross, lost)
    # Rounding below zero.
    np.maximum(result, 0.0, out=result)
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


@numba.njit(cache=True)
def _gather_outflow(flux, outflow):
    """Add to ``outflow`` (before, n, after) what flows out of each cell through its two faces."""
    for i in range(outflow.shape[0]):
        for j in range(outflow.shape[1]):
            for k in range(outflow.shape[2]):
                outflow[i, j, k] += max(flux[i, j + 1, k], 0.0) - min(flux[i, j, k], 0.0)


@numba.njit(cache=True)
def _apply(flux, share, periodic, result):
    """Subtract the divergence of the fluxes, each scaled by the share of the cell it leaves.

    Parameters
    ----------
    flux : (before, n + 1, after) float64
    share, result : (before, n, after) float64
        ``result`` is modified.
    periodic : bool

    Returns
    -------
    cut, gross, lost : int, float, float
        Fluxes scaled, sum of all |flux|, and of what was taken from them.
    """
    n = share.shape[1]
    cut, gross, lost = 0, 0.0, 0.0
    for i in range(share.shape[0]):
        for j in range(n + 1):
            left = j - 1 if j > 0 else (n - 1 if periodic else -1)
            right = j if j < n else (0 if periodic else -1)
            for k in range(share.shape[2]):
                f = flux[i, j, k]
                donor = left if f > 0.0 else right
                if f == 0.0:
                    continue
                gross += abs(f)
                if donor >= 0 and share[i, donor, k] < 1.0:
                    cut += 1
                    lost += abs(f) * (1.0 - share[i, donor, k])
                    f *= share[i, donor, k]
                if j > 0:
                    result[i, j - 1, k] -= f
                if j < n:
                    result[i, j, k] += f
    return cut, gross, lost
