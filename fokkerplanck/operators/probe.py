"""Values of fields on a grid at single points.

Cubic interpolation where all cells around are free, so that the error is that of the field itself;
beside a region or a side linear, of order 2.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..grid import Grid


def at_points(
    grid: Grid, values: np.ndarray, points: np.ndarray, free: np.ndarray | None = None
) -> np.ndarray:
    """Values at points of the box.

    Parameters
    ----------
    grid : Grid
    values : ndarray of the grid's shape
    points : (m, d)
        Within half a cell of a closed side they are extrapolated.
    free : bool ndarray of the grid's shape, optional
        Cells whose values are smooth. A point beside others, the cells of a region, sees the
        values of the free cells continued across its boundary.

    Returns
    -------
    (m,) float64
    """
    result = np.empty(len(points))
    for number, point in enumerate(points):
        smooth = _cubic(grid, values, point, free)
        if smooth is not None:
            result[number] = smooth
            continue
        base, share = [], []
        for axis, n, h, x in zip(grid.domain.axes, grid.shape, grid.spacing, point, strict=True):
            place = (x - axis.lower) / h - 0.5
            cell = int(np.floor(place))
            if not axis.periodic:
                cell = min(max(cell, 0), n - 2)
            base.append(cell)
            share.append(place - cell)
        total = 0.0
        for corner in itertools.product((0, 1), repeat=grid.ndim):
            weight = np.prod([s if c else 1.0 - s for s, c in zip(share, corner, strict=True)])
            if weight != 0.0:
                where = tuple(b + c for b, c in zip(base, corner, strict=True))
                total += float(weight) * _continued(grid, values, free, where)
        result[number] = total
    return result


def _cubic(
    grid: Grid, values: np.ndarray, point: np.ndarray, free: np.ndarray | None
) -> float | None:
    """Tensor product of cubic Lagrange polynomials; None where a cell is missing."""
    indices, weights = [], []
    for axis, n, h, x in zip(grid.domain.axes, grid.shape, grid.spacing, point, strict=True):
        place = (x - axis.lower) / h - 0.5
        first = int(np.floor(place)) - 1
        if n < 4 or (not axis.periodic and not 0 <= first <= n - 4):
            return None
        nodes = first + np.arange(4)
        rows = [np.delete(nodes, k) for k in range(4)]
        weights.append(
            [np.prod((place - row) / (node - row)) for node, row in zip(nodes, rows, strict=True)]
        )
        indices.append(nodes % n)
    block = np.ix_(*indices)
    if free is not None and not free[block].all():
        return None
    part = values[block]
    for weight in weights:
        part = np.tensordot(np.array(weight), part, axes=(0, 0))
    return float(part)


def _continued(
    grid: Grid, values: np.ndarray, free: np.ndarray | None, cell: tuple[int, ...]
) -> float:
    """Value of a free cell; of another one the mean of its linear continuations, if any."""
    here = _wrapped(grid, cell)
    assert here is not None
    if free is None or free[here]:
        return float(values[here])
    found = []
    for axis, sign in itertools.product(range(grid.ndim), (1, -1)):
        steps = [
            _wrapped(grid, tuple(c + sign * k * (i == axis) for i, c in enumerate(cell)))
            for k in (1, 2)
        ]
        near, far = steps
        if near is not None and far is not None and free[near] and free[far]:
            found.append(2.0 * values[near] - values[far])
    return float(np.mean(found)) if found else float(values[here])


def _wrapped(grid: Grid, cell: tuple[int, ...]) -> tuple[int, ...] | None:
    """A cell's index inside the box; None beyond a closed side."""
    result = []
    for axis, n, c in zip(grid.domain.axes, grid.shape, cell, strict=True):
        if axis.periodic:
            c %= n
        elif not 0 <= c < n:
            return None
        result.append(c)
    return tuple(result)
