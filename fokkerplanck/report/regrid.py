"""Masses of cells brought from one grid to another: kept in sum, and never negative."""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse

# Faces this close, in cell widths, are the same up to rounding.
SAME = 1e-9


def same_edges(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two axes have the same cells, up to rounding.

    Parameters
    ----------
    first, second : ndarray, shapes (n + 1,) and (m + 1,)
        Faces in rising order.
    """
    if len(first) != len(second):
        return False
    return bool(np.abs(first - second).max() <= SAME * width_of(first))


def width_of(edges: np.ndarray) -> float:
    """Width of the cells between equally spaced faces."""
    return float(edges[-1] - edges[0]) / (len(edges) - 1)


def common_edges(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Faces of the wider of two sorts of cells, with more of them where the other box ends later.

    Parameters
    ----------
    first, second : ndarray, shapes (n + 1,) and (m + 1,)
    """
    coarse, other = sorted((first, second), key=width_of, reverse=True)
    width = width_of(coarse)
    below = max(0, math.ceil((coarse[0] - other[0]) / width - SAME))
    above = max(0, math.ceil((other[-1] - coarse[-1]) / width - SAME))
    lower = coarse[0] - width * np.arange(below, 0, -1)
    return np.concatenate([lower, coarse, coarse[-1] + width * np.arange(1, above + 1)])


def regrid(masses: np.ndarray, source: np.ndarray, target: np.ndarray, axis: int) -> np.ndarray:
    """Masses of other cells along one axis; of order 2 in the width of the source cells.

    A cell is cut where the other grid has a face, and its mass taken to vary linearly inside. The
    slope is the central one, limited so that no part turns negative (van Leer 1977). Where the
    other grid only joins cells, their masses are added, without an error.

    Parameters
    ----------
    masses : ndarray
        Not negative; ``len(source) - 1`` cells along the axis.
    source, target : ndarray
        Faces; the target covers the source.
    axis : int

    Returns
    -------
    ndarray
        Of the same sum, ``len(target) - 1`` cells along the axis.
    """
    moved = np.moveaxis(masses, axis, 0)
    flat = moved.reshape(moved.shape[0], -1)
    shares, tilts = _parts(source, target)
    found = shares @ flat + tilts @ _slopes(flat)
    # Rounding of a part that the slope brings down to zero.
    found = np.maximum(found, 0.0)
    return np.moveaxis(found.reshape(-1, *moved.shape[1:]), 0, axis)


def _parts(source: np.ndarray, target: np.ndarray) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Share of each source cell (column) in each target cell (row), and of its slope.

    The first has columns that sum to one, the second columns that sum to zero.
    """
    # The outermost faces of the source may lie beyond those of the target by rounding.
    cuts = np.unique(np.concatenate([np.clip(target, source[0], source[-1]), source]))
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    rows = np.clip(np.searchsorted(target, middle) - 1, 0, len(target) - 2)
    columns = np.clip(np.searchsorted(source, middle) - 1, 0, len(source) - 2)
    width = np.diff(source)[columns]
    share = np.diff(cuts) / width
    offset = (middle - 0.5 * (source[columns] + source[columns + 1])) / width
    shape = (len(target) - 1, len(source) - 1)
    return (
        sparse.csr_matrix((share, (rows, columns)), shape=shape),
        sparse.csr_matrix((share * offset, (rows, columns)), shape=shape),
    )


def _slopes(masses: np.ndarray) -> np.ndarray:
    """Change of the mass over one cell, limited to twice either neighbour's step; 0 at the ends.

    Parameters
    ----------
    masses : ndarray, shape (n, k)
    """
    slopes = np.zeros_like(masses)
    if len(masses) < 3:
        return slopes
    back, ahead = masses[1:-1] - masses[:-2], masses[2:] - masses[1:-1]
    largest = 2.0 * np.minimum(np.abs(back), np.abs(ahead))
    central = 0.5 * np.abs(back + ahead)
    rising = np.where(back * ahead > 0.0, np.sign(back + ahead), 0.0)
    slopes[1:-1] = rising * np.minimum(central, largest)
    return slopes
