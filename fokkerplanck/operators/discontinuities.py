"""Where a tensor D jumps along the edges between cells.

Ito's reading makes D rho the flux-carrying quantity. Where a full tensor jumps, the divergence of D
is a distribution that no derivative of a formula and no quadrature sees, so the edges that cross
the jump have to be known. They are found from values of D alone, by halving towards the largest
change.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

# D at the share s of the way along edges given by their number: f(edges, s) of shape (m, m, n).
Tensors = Callable[[np.ndarray, np.ndarray], np.ndarray]

# An edge is looked at where D in its middle is off the mean of its ends by this share of the larger
# change towards one of them, and that change is more than rounding.
BEND = 0.25
ROUNDING = 1e-9
# A change that keeps this share after so many halvings happens within a 16th of an edge: on this
# grid it is a jump. The change of a smooth D keeps 2^-8.
HALVINGS, KEPT = 8, 1.0 / 16.0
# Halvings after which both sides of a jump are all that is left, and the difference that they may
# have from multiples of each other.
LAST, PROPORTIONAL = 40, 1e-8


def discontinuous(
    first: np.ndarray, middle: np.ndarray, last: np.ndarray, along: Tensors
) -> np.ndarray:
    """Which edges D jumps along.

    Parameters
    ----------
    first, middle, last : (m, m, n) float64
        D at the ends and in the middle of n edges.
    along : callable

    Returns
    -------
    (n,) bool
    """
    change = np.maximum(_size(middle - first), _size(last - middle))
    size = np.maximum(_size(first), _size(last))
    bent = _size(first + last - 2.0 * middle) > BEND * change
    result = bent & (change > ROUNDING * size)
    edges = np.flatnonzero(result)
    if edges.size:
        low, high = _halved(first[:, :, edges], last[:, :, edges], edges, along, HALVINGS)
        result[edges] = _size(high - low) > KEPT * change[edges]
    return result


def log_ratios(
    first: np.ndarray, last: np.ndarray, edges: np.ndarray, along: Tensors
) -> np.ndarray:
    """log s where D jumps to s D along edges, NaN where it jumps to no multiple of itself.

    Parameters
    ----------
    first, last : (m, m, n) float64
        D at the ends of the edges.
    edges : (n,) int64
        Their numbers.
    along : callable
    """
    low, high = _halved(first, last, edges, along, LAST)
    before, after = np.trace(low), np.trace(high)
    with np.errstate(all="ignore"):
        ratio = after / before
        off = _size(high - ratio * low)
        return np.where(off <= PROPORTIONAL * _size(high), np.log(ratio), np.nan)


def _size(tensors: np.ndarray) -> np.ndarray:
    """Largest entry of each, shape (n,)."""
    return np.asarray(np.abs(tensors).max(axis=(0, 1)))


def _halved(
    low: np.ndarray, high: np.ndarray, edges: np.ndarray, along: Tensors, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """D at both ends of the part with the largest change, after ``count`` halvings."""
    start, width = np.zeros(edges.size), 1.0
    for _ in range(count):
        width *= 0.5
        middle = along(edges, start + width)
        later = _size(high - middle) > _size(middle - low)
        start = np.where(later, start + width, start)
        low, high = np.where(later, middle, low), np.where(later, high, middle)
    return low, high
