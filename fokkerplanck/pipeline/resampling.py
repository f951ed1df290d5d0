"""Values of one grid at the cell centres of another grid of the same domain."""

from __future__ import annotations

import numpy as np

from ..grid import Grid

# Points of the polynomial that carries values to the centres of other cells.
NODES = 8


def resampled(grid: Grid, values: np.ndarray, other: Grid) -> np.ndarray:
    """Values at the cell centres of another grid of the same domain, to order ``NODES``."""
    for axis, side in enumerate(grid.domain.axes):
        place = (other.centers[axis] - side.lower) / grid.spacing[axis] - 0.5
        cells, weights = _interpolation(place, grid.shape[axis], side.periodic)
        lines = np.moveaxis(values, axis, -1)
        total = np.zeros((*lines.shape[:-1], place.size))
        for node in range(NODES):
            total += weights[node] * lines[..., cells[node]]
        values = np.moveaxis(total, -1, axis)
    return values


def _interpolation(place: np.ndarray, cells: int, periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """The ``NODES`` cells next to each place, and the weights of the polynomial through them.

    ``place`` is in cells, 0 at the first centre. Both arrays have the shape (NODES, m).
    """
    first = np.floor(place).astype(int) - NODES // 2 + 1
    if not periodic:
        first = np.clip(first, 0, cells - NODES)
    nodes = np.arange(NODES)
    offset = place - first
    weights = np.empty((NODES, place.size))
    for node in nodes:
        others = nodes[nodes != node]
        weights[node] = np.prod((offset[:, None] - others) / (node - others), axis=1)
    return (first + nodes[:, None]) % cells, weights
