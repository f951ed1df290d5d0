"""Probability of each cell from the density at its centre."""

from __future__ import annotations

import numpy as np

from ..errors import CaseError
from ..grid import Grid

# Bounds on the correction, relative to the value at the centre. Inside the box it lies above
# -d/12 by itself; beyond +1 the density grows more than twenty-fold per cell, where a Taylor
# expansion says nothing.
SMALLEST, LARGEST = -0.5, 1.0


def cell_masses(grid: Grid, density: np.ndarray) -> np.ndarray:
    """Integrals of a density over the cells, from its values at their centres.

    The mean over a cell is rho + sum_i h_i^2/24 d_ii rho + O(h^4); second differences are centred,
    around the corner on periodic axes, and one-sided from four cells at other sides, where a
    density has a slope whatever the boundary condition.

    Parameters
    ----------
    grid : Grid
    density : ndarray of the grid's shape, >= 0
        Per unit volume, at the cell centres.

    Returns
    -------
    ndarray of the grid's shape
        Non-negative; empty cells stay empty; the sum is that of ``density`` times the cell volume.

    Raises
    ------
    CaseError
        If the shape is another, or a value is negative or not finite.

    Notes
    -----
    Order 4, relative to the mass. Where a density has a slope at a side, its sum over the cells
    differs from its integral at order 2; the solvers keep the sum, hence so do the masses.
    """
    density = np.asarray(density, dtype=float)
    if density.shape != grid.shape:
        raise CaseError(
            f"the density has the shape {density.shape}; the grid needs {grid.shape}", "density"
        )
    if not (np.isfinite(density).all() and density.min() >= 0.0):
        raise CaseError(
            f"the density has the minimum {density.min():g}; masses need finite values >= 0",
            "density",
        )
    correction = np.zeros_like(density)
    for i, axis in enumerate(grid.domain.axes):
        correction += second_difference(density, i, axis.periodic)
    correction /= 24.0
    result = density + np.clip(correction, SMALLEST * density, LARGEST * density)
    total = result.sum()
    if total == 0.0:
        return result
    result *= density.sum() * grid.cell_volume / total
    return result


def coarsened(masses: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sums of the masses (or counts) of a finer grid over the cells of a coarser one.

    Raises
    ------
    CaseError
        If some axis of the finer grid is no multiple of the coarser one.
    """
    if len(shape) != masses.ndim or any(
        fine % coarse for fine, coarse in zip(masses.shape, shape, strict=True)
    ):
        raise CaseError(
            f"a grid of {masses.shape} cells does not refine one of {shape}; every axis needs a "
            "multiple of the coarser number"
        )
    blocks: list[int] = []
    for fine, coarse in zip(masses.shape, shape, strict=True):
        blocks += [coarse, fine // coarse]
    return masses.reshape(blocks).sum(axis=tuple(range(1, 2 * len(shape), 2)))


def extrapolated(fine: np.ndarray, coarse: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Masses of a finer grid on a coarser one: as they are, and without their grid error.

    Parameters
    ----------
    fine : ndarray
        Masses on a grid with twice the cells of the coarser one along every axis.
    coarse : ndarray
        Masses of the same law, found on the coarser grid.
    order : int
        Of the error in the cell width.

    Returns
    -------
    pooled, better : ndarrays of the coarser grid's shape
        Non-negative, with the same sum; the second by Richardson's extrapolation.

    Raises
    ------
    CaseError
        If the grids do not fit each other.
    """
    pooled = coarsened(fine, coarse.shape)
    better = np.maximum(pooled + (pooled - coarse) / (2.0**order - 1.0), 0.0)
    better *= pooled.sum() / better.sum()
    return pooled, better


def second_difference(values: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Values at i + 1 less twice those at i plus those at i - 1; extrapolated at the sides."""
    along = np.moveaxis(values, axis, 0)
    result = np.empty_like(along)
    result[1:-1] = along[2:] - 2.0 * along[1:-1] + along[:-2]
    if periodic:
        result[0] = along[1] - 2.0 * along[0] + along[-1]
        result[-1] = along[0] - 2.0 * along[-1] + along[-2]
    else:
        result[0] = 2.0 * result[1] - result[2]
        result[-1] = 2.0 * result[-2] - result[-3]
    return np.moveaxis(result, 0, axis)
