"""Cells pooled into bins of nearly equal expected count, by a tree of halvings."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..grid import Grid

# Expected walkers per bin: below about ten the chi-square law of the statistics is off.
LEAST = 20.0


@dataclass(frozen=True)
class Bins:
    """A partition of the cells into boxes, and the tree of halvings that led there.

    It depends on the expected masses alone. Bins chosen after a look at the counts would make
    every p-value too small or too large.

    Parameters
    ----------
    labels : int ndarray of the grid's shape
        Bin of each cell, 0 to ``boxes - 1``, numbered so that a node of the tree is a range.
    boxes : int
    splits : int ndarray, shape (s, 3)
        Nodes [a, c) of bins, halved at b, as rows (a, b, c); s is one below the number of bins.
    levels : int ndarray, shape (s,)
        Depth of each split, 0 at the root.
    outside : bool
        Whether what is not on the grid (absorbed, lost, beyond the box) is a bin of its own,
        the last; otherwise it counts with the last box.
    """

    labels: np.ndarray
    boxes: int
    splits: np.ndarray
    levels: np.ndarray
    outside: bool

    @property
    def size(self) -> int:
        """Number of bins."""
        return self.boxes + int(self.outside)

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Sums over the boxes, shape (boxes,)."""
        return np.bincount(
            self.labels.ravel(),
            weights=np.asarray(values, dtype=float).ravel(),
            minlength=self.boxes,
        )

    def pool_all(self, values: np.ndarray, total: float) -> np.ndarray:
        """Sums over the bins, shape (size,), with what is missing to ``total`` outside."""
        result = self.pool(values)
        # The masses of a closed box miss their total by rounding, of either sign.
        rest = max(total - float(result.sum()), 0.0)
        if self.outside:
            return np.append(result, rest)
        result[-1] += rest
        return result

    def shallower(self, depth: int) -> Bins:
        """The bins before any halving of level ``depth`` or deeper, at most 2**depth boxes."""
        kept = self.levels < depth
        inner = self.splits[kept, 1]
        starts = np.append(0, np.sort(inner[inner < self.boxes]))
        edges = np.append(starts, [self.boxes, self.boxes + 1])
        merged = np.searchsorted(starts, np.arange(self.boxes), side="right") - 1
        return Bins(
            merged[self.labels],
            starts.size,
            np.searchsorted(edges, self.splits[kept]),
            self.levels[kept],
            self.outside,
        )


def bisect(
    grid: Grid, masses: np.ndarray, particles: float, depth: int = 9, least: float = LEAST
) -> Bins:
    """Halve the grid by mass, again and again, along the axis of the largest spread.

    Parameters
    ----------
    grid : Grid
    masses : ndarray of the grid's shape
        Expected probabilities of the cells; what is missing to 1 is outside.
    particles : float
        Number of walkers.
    depth : int
        At most so many halvings in a row, so at most 2**depth boxes.
    least : float
        No bin is expected to hold fewer walkers.

    Returns
    -------
    Bins

    Raises
    ------
    CaseError
        If the masses do not fit the grid, are negative or sum to more than 1.
    """
    check_masses(grid, masses)
    threshold = least / particles
    spread = [max(_spread(_marginal(masses, axis)), 1e-300) for axis in range(grid.ndim)]
    labels = np.empty(grid.shape, dtype=np.intp)
    splits: list[tuple[int, int, int]] = []
    levels: list[int] = []

    def halve(box: tuple[slice, ...], first: int, level: int) -> int:
        """Fill in a box whose first bin is ``first``; return the bin after its last."""
        cut = _cut(masses[box], spread, threshold) if level < depth else None
        if cut is None:
            labels[box] = first
            return first + 1
        axis, place = cut
        place += box[axis].start
        row = len(splits)
        splits.append((0, 0, 0))
        levels.append(level)
        lower = (*box[:axis], slice(box[axis].start, place), *box[axis + 1 :])
        upper = (*box[:axis], slice(place, box[axis].stop), *box[axis + 1 :])
        middle = halve(lower, first, level + 1)
        last = halve(upper, middle, level + 1)
        splits[row] = (first, middle, last)
        return last

    boxes = halve(tuple(slice(0, n) for n in grid.shape), 0, 0)
    outside = 1.0 - float(masses.sum()) >= threshold
    if outside:
        splits.append((0, boxes, boxes + 1))
        levels.append(0)
    return Bins(
        labels,
        boxes,
        np.array(splits, dtype=np.intp).reshape(-1, 3),
        np.array(levels, dtype=np.intp),
        outside,
    )


def check_masses(grid: Grid, masses: np.ndarray) -> None:
    """Raise :class:`CaseError` unless the masses are probabilities of the grid's cells."""
    if masses.shape != grid.shape:
        raise CaseError(f"masses of the shape {masses.shape} do not fit the grid {grid.shape}")
    total, smallest = float(masses.sum()), float(masses.min())
    if not (smallest >= 0.0 and 0.0 < total <= 1.0 + 1e-6):
        raise CaseError(
            f"masses with the sum {total:g} and the minimum {smallest:g} are no probabilities; "
            "the sum must be in (0, 1] and no mass negative"
        )


def check_counts(grid: Grid, counts: np.ndarray, particles: float) -> None:
    """Raise :class:`CaseError` unless the counts are walkers of the grid's cells."""
    if counts.shape != grid.shape:
        raise CaseError(f"counts of the shape {counts.shape} do not fit the grid {grid.shape}")
    total, smallest = int(counts.sum()), int(counts.min())
    if smallest < 0 or not 0 < total <= particles:
        raise CaseError(
            f"counts with the sum {total} and the minimum {smallest} are not those of "
            f"{particles:g} walkers; at least one and at most all must be on the grid"
        )


def _cut(masses: np.ndarray, spread: list[float], threshold: float) -> tuple[int, int] | None:
    """Axis and number of cells below the cut, or None where a half would be too light."""
    if masses.size == 1 or masses.sum() < 2.0 * threshold:
        return None
    marginals = [_marginal(masses, axis) for axis in range(masses.ndim)]
    widths = [_spread(one) / whole for one, whole in zip(marginals, spread, strict=True)]
    for axis in sorted(range(masses.ndim), key=lambda axis: -widths[axis]):
        below = marginals[axis].cumsum()
        total, below = below[-1], below[:-1]
        allowed = np.flatnonzero((below >= threshold) & (total - below >= threshold))
        if allowed.size:
            return axis, int(allowed[np.abs(below[allowed] - 0.5 * total).argmin()]) + 1
    return None


def _marginal(masses: np.ndarray, axis: int) -> np.ndarray:
    if masses.ndim == 1:
        return masses
    return masses.sum(axis=tuple(other for other in range(masses.ndim) if other != axis))


def _spread(weights: np.ndarray) -> float:
    """Standard deviation in cells."""
    total = weights.sum()
    if total == 0.0:
        return 0.0
    place = np.arange(weights.size)
    mean = place @ weights / total
    return math.sqrt(max(float((place - mean) ** 2 @ weights / total), 0.0))
