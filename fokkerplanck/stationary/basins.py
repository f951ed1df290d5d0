"""Basins of attraction of a scalar field on a grid: which minimum the cells drain to.

Steepest descent from cell to cell labels them (a watershed, without any smoothing). Pits of the
grid that are no minima of the field, as along flat valleys or at the sides of the box, flow over
into a neighbouring basin through their lowest pass.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..grid import Grid

# A pit of the grid lies within this many cells of its minimum, along every axis.
NEAR = 2.5
# Index of a cell and of a neighbour, as slices or wrapped index arrays.
Ends = tuple[np.ndarray, np.ndarray]


def basins(grid: Grid, values: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Number of the minimum that each cell drains to.

    Parameters
    ----------
    grid : Grid
    values : ndarray of the grid's shape
    minima : (n, d)
        Positions, n >= 1.

    Returns
    -------
    int64 ndarray of the grid's shape
    """
    flat = np.reshape(values, -1)
    lowest = np.arange(grid.size)
    for cell, other in neighbours(grid):
        better = flat[other] < flat[lowest[cell]]
        lowest[cell[better]] = other[better]
    while True:
        further = lowest[lowest]
        if np.array_equal(further, lowest):
            break
        lowest = further
    pits, label = np.unique(lowest, return_inverse=True)
    owner = _owners(grid, pits, minima)
    return _flooded(grid, flat, label.reshape(-1), owner).reshape(grid.shape)


def neighbours(grid: Grid) -> Iterator[Ends]:
    """Flat cells and their neighbours, also diagonal ones, direction by direction."""
    index = np.arange(grid.size).reshape(grid.shape)
    for step in itertools.product((-1, 0, 1), repeat=grid.ndim):
        if not any(step):
            continue
        cells, others = index, index
        for axis, (side, move) in enumerate(zip(grid.domain.axes, step, strict=True)):
            n = grid.shape[axis]
            if side.periodic:
                others = np.roll(others, -move, axis=axis)
            elif move:
                cells = cells.take(range(max(0, -move), min(n, n - move)), axis=axis)
                others = others.take(range(max(0, move), min(n, n + move)), axis=axis)
        yield cells.reshape(-1), others.reshape(-1)


def passes(grid: Grid, values: np.ndarray, label: np.ndarray, count: int) -> np.ndarray:
    """Lowest way over from basin to basin, shape (count, count); inf where they do not touch.

    The height of an edge between two cells is the larger of its ends.
    """
    flat, of = np.reshape(values, -1), np.reshape(label, -1)
    heights = np.full(count * count, np.inf)
    for cell, other in neighbours(grid):
        border = of[cell] != of[other]
        cell, other = cell[border], other[border]
        np.minimum.at(heights, of[cell] * count + of[other], np.maximum(flat[cell], flat[other]))
    return heights.reshape(count, count)


def _owners(grid: Grid, pits: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Minimum next to each pit, -1 where there is none."""
    index = np.unravel_index(pits, grid.shape)
    gaps = np.zeros((pits.size, len(minima)))
    for i, axis in enumerate(grid.domain.axes):
        gap = grid.centers[i][index[i]][:, None] - minima[None, :, i]
        if axis.periodic:
            gap -= axis.length * np.round(gap / axis.length)
        gaps = np.maximum(gaps, np.abs(gap) / grid.spacing[i])
    best = gaps.argmin(axis=1)
    return np.where(gaps.min(axis=1) <= NEAR, best, -1)


def _flooded(grid: Grid, flat: np.ndarray, label: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Owners of all cells, pits without one joined over the lowest passes first."""
    count = owner.size
    root = np.arange(count)
    # By pairs of pits, smaller number first.
    lowest: dict[int, float] = {}
    for cell, other in neighbours(grid):
        border = label[cell] < label[other]
        code = label[cell[border]] * count + label[other[border]]
        pairs, where = np.unique(code, return_inverse=True)
        level = np.full(pairs.size, np.inf)
        np.minimum.at(level, where, np.maximum(flat[cell[border]], flat[other[border]]))
        for pair, height in zip(pairs.tolist(), level.tolist(), strict=True):
            lowest[pair] = min(height, lowest.get(pair, np.inf))
    for pair in sorted(lowest, key=lambda code: lowest[code]):
        if (owner[root] >= 0).all():
            break
        a, b = root[pair // count], root[pair % count]
        if a == b or (owner[a] >= 0 and owner[b] >= 0):
            continue
        kept, gone = (a, b) if owner[a] >= 0 else (b, a)
        root[root == gone] = kept
    # A pit that no way leads to from any minimum counts to the first one.
    return np.asarray(np.maximum(owner[root], 0)[label])
