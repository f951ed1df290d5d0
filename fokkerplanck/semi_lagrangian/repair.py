"""Masses that are negative by a little, made good by their neighbours: positive, and as many."""

from __future__ import annotations

import numpy as np

from ..grid import Grid

# Cells on each side that a deficit is first taken from; the range doubles until all is made good.
REACH = 1
# Deficits of this share of the mass are rounding, which all may bear.
ROUNDING = 1e-14


def repaired(grid: Grid, mass: np.ndarray) -> tuple[np.ndarray, float]:
    """Masses >= 0 with the same sum, and how much was moved.

    Parameters
    ----------
    grid : Grid
    mass : (N,) float64
        With a positive sum.

    Notes
    -----
    What a cell lacks it takes from the positive cells around it in proportion to what they have,
    and none gives more than that. What is left over is taken from a wider neighbourhood.
    """
    lacking = np.maximum(-mass, 0.0)
    moved = float(lacking.sum())
    if moved == 0.0:
        return mass, 0.0
    if moved <= ROUNDING * float(np.abs(mass).sum()):
        positive = np.maximum(mass, 0.0)
        return positive * (float(mass.sum()) / float(positive.sum())), moved
    have = np.maximum(mass, 0.0).reshape(grid.shape)
    lack = lacking.reshape(grid.shape)
    reach = REACH
    while reach < max(grid.shape):
        around = _sums(grid, have, reach)
        asked = np.divide(lack, around, out=np.zeros_like(lack), where=around > 0.0)
        wanted = _sums(grid, asked, reach)
        share = np.divide(1.0, wanted, out=np.ones_like(wanted), where=wanted > 1.0)
        given = have * share
        lack = np.maximum(lack - asked * _sums(grid, given, reach), 0.0)
        have = np.maximum(have - given * wanted, 0.0)
        if lack.sum() <= np.finfo(float).eps * moved:
            break
        reach *= 2
    result = have.reshape(-1)
    # Rounding, and what nobody near could give.
    return result * (float(mass.sum()) / float(result.sum())), moved


def _sums(grid: Grid, values: np.ndarray, reach: int) -> np.ndarray:
    """Sums over the box of cells around each, which is symmetric in both."""
    for axis, side in enumerate(grid.domain.axes):
        n = grid.shape[axis]
        if 2 * reach + 1 >= n:
            values = np.broadcast_to(values.sum(axis=axis, keepdims=True), values.shape)
            continue
        lines = np.moveaxis(values, axis, 0)
        # Each window on its own: running sums carry the rounding of the peak into the tails.
        total = lines.copy()
        for shift in range(1, reach + 1):
            total[shift:] += lines[:-shift]
            total[:-shift] += lines[shift:]
            if side.periodic:
                total[:shift] += lines[-shift:]
                total[-shift:] += lines[:shift]
        values = np.moveaxis(total, 0, axis)
    return values
