"""Lattice edges in blocks: where they start, where they end, and the points along them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as cartesian
from typing import Any

import numpy as np

from ..grid import Grid


@dataclass(frozen=True)
class EdgeBlock:
    """The edges x to x + e from a block of cells x; those across periodic sides lead back in.

    Parameters
    ----------
    grid : Grid
    offset : d integers
        Edge vector e in cells.
    source : d slices
        Cells from which the edges start.
    """

    grid: Grid
    offset: tuple[int, ...]
    source: tuple[slice, ...]

    @classmethod
    def of_axis(cls, grid: Grid, axis: int) -> EdgeBlock:
        """All unit edges of one axis; of a periodic one the last leads across the side."""
        last = grid.shape[axis] if grid.domain.axes[axis].periodic else grid.shape[axis] - 1
        return cls(
            grid,
            tuple(int(i == axis) for i in range(grid.ndim)),
            tuple(slice(0, last) if i == axis else slice(None) for i in range(grid.ndim)),
        )

    @classmethod
    def inside(cls, grid: Grid, axis: int) -> EdgeBlock:
        """All unit edges of one axis that do not lead across a side."""
        every = cls.of_axis(grid, axis)
        part = slice(0, grid.shape[axis] - 1)
        source = tuple(part if i == axis else slice(None) for i in range(grid.ndim))
        return cls(grid, every.offset, source)

    @classmethod
    def at_side(cls, grid: Grid, axis: int, sign: int) -> EdgeBlock:
        """Unit edges that leave the box at one end of an axis."""
        cells = slice(0, 1) if sign < 0 else slice(grid.shape[axis] - 1, grid.shape[axis])
        return cls(
            grid,
            tuple(sign * int(i == axis) for i in range(grid.ndim)),
            tuple(cells if i == axis else slice(None) for i in range(grid.ndim)),
        )

    @cached_property
    def starts(self) -> list[np.ndarray]:
        """Coordinates of the cells that the edges start from, one array per axis."""
        return [c[part] for c, part in zip(self.grid.centers, self.source, strict=True)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the block."""
        return tuple(c.size for c in self.starts)

    @property
    def size(self) -> int:
        """Number of edges."""
        return math.prod(self.shape)

    @cached_property
    def target(self) -> tuple[np.ndarray, ...]:
        """Open mesh of the numbers of the cells at which the edges end."""
        return np.ix_(
            *(
                (np.arange(n)[part] + step) % n
                for n, part, step in zip(self.grid.shape, self.source, self.offset, strict=True)
            )
        )

    @cached_property
    def crossing(self) -> np.ndarray:
        """Flat numbers of the edges that cross a periodic side."""
        found = np.zeros(self.shape, dtype=bool)
        for number, (n, part, step) in enumerate(
            zip(self.grid.shape, self.source, self.offset, strict=True)
        ):
            shape = [1] * self.grid.ndim
            shape[number] = -1
            end = np.arange(n)[part] + step
            found |= ((end < 0) | (end >= n)).reshape(shape)
        return np.flatnonzero(found)

    def ends(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values of the cells, shape (..., cells), at both ends of the edges."""
        source: tuple[Any, ...] = (..., *self.source)
        target: tuple[Any, ...] = (..., *self.target)
        return values[source], values[target]

    def parts(self, rows: int) -> Iterator[tuple[slice, EdgeBlock]]:
        """Slabs of at most ``rows`` along the first axis, and their place in the block."""
        first = range(self.grid.shape[0])[self.source[0]]
        for start in range(0, len(first), rows):
            part = first[start : start + rows]
            source = (slice(part.start, part.stop), *self.source[1:])
            yield slice(start, start + rows), EdgeBlock(self.grid, self.offset, source)

    def points(self, s: float) -> list[np.ndarray]:
        """Open mesh of the points at the share ``s`` of the way along all edges."""
        moved = []
        for number, start in enumerate(self.starts):
            shape = [1] * self.grid.ndim
            shape[number] = -1
            moved.append(self._moved(number, start, s).reshape(shape))
        return moved

    def places(self, edges: np.ndarray, s: np.ndarray) -> list[np.ndarray]:
        """Points at shares ``s`` along some edges, by their flat numbers in the block."""
        cells = np.unravel_index(edges, self.shape)
        return [
            self._moved(number, self.starts[number][cell], s) for number, cell in enumerate(cells)
        ]

    def _moved(self, number: int, start: np.ndarray, s: float | np.ndarray) -> np.ndarray:
        distance = s * (self.offset[number] * self.grid.spacing[number])
        return wrapped(self.grid, number, start + distance)


@dataclass(frozen=True)
class Patch:
    """A block of edges of one offset: equal shapes at both ends."""

    source: tuple[slice, ...]
    target: tuple[slice, ...]
    wrapped: bool


def patches(grid: Grid, offset: tuple[int, ...]) -> Iterator[Patch]:
    """Blocks of cells x for which x + offset is a cell, split where a periodic side is crossed."""
    choices = []
    for axis, n, step in zip(grid.domain.axes, grid.shape, offset, strict=True):
        moves = {step % n, step % n - n} if axis.periodic else {step}
        choices.append(
            [
                (slice(max(0, -move), min(n, n - move)), move, move != step)
                for move in sorted(moves)
                if abs(move) < n
            ]
        )
    for combination in cartesian(*choices):
        source = tuple(part for part, _, _ in combination)
        target = tuple(slice(part.start + m, part.stop + m) for part, m, _ in combination)
        yield Patch(source, target, any(back for _, _, back in combination))


def wrapped(grid: Grid, number: int, values: np.ndarray) -> np.ndarray:
    """Coordinates along one axis, brought back into the box where that axis is periodic."""
    axis = grid.domain.axes[number]
    if not axis.periodic:
        return values
    return np.asarray(axis.lower + np.mod(values - axis.lower, axis.length))


def shifted(grid: Grid, centers: Sequence[np.ndarray], steps: np.ndarray) -> list[np.ndarray]:
    """Open mesh of ``centers`` moved by ``steps`` cells, wrapped at periodic sides."""
    moved = []
    for number, (start, step, h) in enumerate(zip(centers, steps, grid.spacing, strict=True)):
        shape = [1] * grid.ndim
        shape[number] = -1
        moved.append(wrapped(grid, number, start + step * h).reshape(shape))
    return moved
