"""Difference weights of the high-order operator along one axis.

Rows of seven weights: entry k of the row of cell or face i belongs to cell i + k - 3; face i lies
below cell i. The weights of the faces are those of conservative finite differences: the differences
of two neighbouring faces give first and second derivatives of point values to order 6. Towards a
side that is not periodic the stencils shrink to 4 and 2 points, the derivative becomes one-sided in
the last cell, and everything there is of order 2.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Sides.
REFLECTING, ABSORBING, PERIODIC = 0, 1, 2
# Cells that a cell or face looks at on either side, and the weights of a row.
REACH = 3
WIDTH = 2 * REACH + 1
# Row of all cells (and faces) that are not near a side; the others are counted from the two sides.
INNER = REACH
ROWS = WIDTH + 1
# Kinds of weights: the derivative in a cell; at a face, the mean of what is carried and minus the
# slope of what spreads.
DERIVATIVE, CARRIED, SPREAD = range(3)

# Means of two, four and six cells about a face, from the face outwards, and differences.
MEAN = ((1 / 2,), (7 / 12, -1 / 12), (37 / 60, -8 / 60, 1 / 60))
SLOPE = ((1.0,), (15 / 12, -1 / 12), (49 / 36, -5 / 36, 1 / 90))
# Central derivatives, from the cell outwards, and the one-sided derivative.
CENTRAL = ((1 / 2,), (8 / 12, -1 / 12), (3 / 4, -3 / 20, 1 / 60))
ONE_SIDED = (-1.5, 2.0, -0.5)
# Derivative at an absorbing side, where the density is zero, from the two cells next to it.
WALL = (3.0, -1 / 3)


def row(place: int, n: int) -> int:
    """Row of weights of cell or face ``place`` on an axis with n cells."""
    return max(min(place, INNER), place - max(n - WIDTH, 0))


def bands(n: int, lower: int, upper: int, scale: float = 1.0) -> np.ndarray:
    """All weights of an axis with n cells.

    Parameters
    ----------
    n : int
        At least 4.
    lower, upper : int
        Kinds of the sides.
    scale : float
        Factor on the weights of what spreads.

    Returns
    -------
    (3, ROWS, WIDTH) float64
        By kind and :func:`row`. The flux through a face is CARRIED applied to q plus SPREAD applied
        to p.
    """
    # An axis with many cells has the rows of one with seven.
    derivative, mean, slope = _unscaled(min(n, WIDTH), lower, upper)
    return np.stack([derivative, mean, scale * slope])


@lru_cache(maxsize=64)
def _unscaled(n: int, lower: int, upper: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives, and weights of the mean and of minus the slope at the faces: (ROWS, WIDTH)."""
    derivative, mean, slope = np.zeros((3, ROWS, WIDTH))
    for i in range(ROWS if lower == PERIODIC else n):
        width = REACH if lower == PERIODIC else min(i, n - 1 - i, REACH)
        for k in range(width):
            derivative[i, REACH + 1 + k] = CENTRAL[width - 1][k]
            derivative[i, REACH - 1 - k] = -CENTRAL[width - 1][k]
        if width == 0:
            inward = 1 if i == 0 else -1
            for k in range(3):
                derivative[i, REACH + inward * k] = inward * ONE_SIDED[k]
    for f in range(ROWS if lower == PERIODIC else n + 1):
        width = REACH if lower == PERIODIC else min(f, n - f, REACH)
        for k in range(width):
            mean[f, REACH + k] = mean[f, REACH - 1 - k] = MEAN[width - 1][k]
            slope[f, REACH + k] = -SLOPE[width - 1][k]
            slope[f, REACH - 1 - k] = SLOPE[width - 1][k]
    near, far = WALL
    if lower == ABSORBING:
        slope[0, REACH], slope[0, REACH + 1] = -near, -far
    if upper == ABSORBING:
        slope[n, REACH - 1], slope[n, REACH - 2] = near, far
    return derivative, mean, slope
