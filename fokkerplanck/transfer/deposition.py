"""Where probability that leaves a cell lands on the grid, and what the sides do with it.

Places are in index units: cell ``i`` of an axis has its centre at ``i``, its faces at ``i -+ 1/2``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..grid import Grid

# Variance, in squared cells, of the quadratic spline's weights: the same wherever the point is.
SPLINE_VARIANCE = 0.25


def index_places(grid: Grid, points: np.ndarray) -> np.ndarray:
    """Index units of points (d, ...)."""
    lower = np.array([axis.lower for axis in grid.domain.axes])
    shape = (-1,) + (1,) * (points.ndim - 1)
    return np.asarray((points - lower.reshape(shape)) / grid.spacing.reshape(shape) - 0.5)


def spline_weights(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest cells and the weights of the quadratic spline on them and their neighbours.

    Parameters
    ----------
    places : ndarray, shape (...)
        Of points along one axis, in index units.

    Returns
    -------
    nearest : ndarray of int, shape (...)
    weights : ndarray, shape (3, ...)
        On ``nearest - 1``, ``nearest`` and ``nearest + 1``; >= 0 with the sum one.

    Notes
    -----
    The weighted mean of the cells is the point, and their variance 1/4, for every point: three
    cells cannot do with less if it is to be constant.
    """
    nearest = np.floor(places + 0.5)
    f = places - nearest
    low, high = 0.5 * (0.5 - f) ** 2, 0.5 * (0.5 + f) ** 2
    return nearest.astype(np.int64), np.stack([low, 1.0 - low - high, high])


def spread(nearest: np.ndarray, weights: np.ndarray) -> Iterator[tuple[list[np.ndarray], Any]]:
    """Cells and weights of the tensor product of splines, one of its 3^d terms after the other."""
    d = nearest.shape[0]
    for offsets in itertools.product((0, 1, 2), repeat=d):
        cells = [nearest[a] + (offsets[a] - 1) for a in range(d)]
        weight = weights[offsets[0], 0]
        for a in range(1, d):
            weight = weight * weights[offsets[a], a]
        yield cells, weight


def settle(grid: Grid, cells: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Flat indices of the cells where landings come to rest.

    Parameters
    ----------
    grid : Grid
    cells : d arrays of int, shape (...)
        Cells of an unbounded lattice.

    Returns
    -------
    flat : ndarray of int, shape (...)
    kept : ndarray of bool, shape (...)
        False where an absorbing side takes the landing; ``flat`` is 0 there.
    folded : ndarray of bool, shape (...)
        Where a reflecting side brought it back.

    Notes
    -----
    Reflecting sides fold at the face, as they do for walkers; periodic ones wrap.
    """
    shape = np.broadcast_shapes(*(one.shape for one in cells))
    kept, folded = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
    inside = []
    for axis, n, i in zip(grid.domain.axes, grid.shape, cells, strict=True):
        if axis.periodic:
            inside.append(i % n)
            continue
        low, high = axis.boundary
        beyond = (i < 0) | (i >= n)
        if low == high == "reflecting":
            j = i % (2 * n)
            j = np.where(j < n, j, 2 * n - 1 - j)
        else:
            j = np.where(i < 0, -1 - i, i) if low == "reflecting" else i
            j = np.where(j >= n, 2 * n - 1 - j, j) if high == "reflecting" else j
        lost = (j < 0) | (j >= n)
        kept &= ~lost
        folded |= beyond & ~lost
        inside.append(np.where(lost, 0, j))
    flat = np.zeros(shape, dtype=np.int32)
    for n, j in zip(grid.shape, inside, strict=True):
        flat = flat * np.int32(n) + j.astype(np.int32)
    flat[~kept] = 0
    return flat, kept, folded
