"""Rates by lattice offset, and the table that collects them edge by edge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..grid import Grid
from .edges import Patch

# Offsets that reach over fewer cells leave no cell alone.
LONG = 3


@dataclass(frozen=True)
class Rates:
    """All rates of a generator (per unit time).

    Attributes
    ----------
    raised : int
        Cells whose Sigma was close to singular and got a small isotropic part.
    offsets : (K, d) int64
        First non-zero component positive.
    shifts : (K,) int64
        Flat index distance of each offset.
    forward, backward : (K, N) float64
        Rates x -> x + e_k and x + e_k -> x; zero where the edge does not exist.
    wrap_offset, wrap_source, wrap_target : (W,) int64
        Edges across periodic sides: their offset's number and their flat cells.
    wrap_forward, wrap_backward : (W,) float64
    exit_offset, exit_cell, exit_side : (X,) int64
        Exits through absorbing sides; side 2 i is the lower and 2 i + 1 the upper end of axis i.
    exit_rate : (X,) float64
    """

    raised: int
    offsets: np.ndarray
    shifts: np.ndarray
    forward: np.ndarray
    backward: np.ndarray
    wrap_offset: np.ndarray
    wrap_source: np.ndarray
    wrap_target: np.ndarray
    wrap_forward: np.ndarray
    wrap_backward: np.ndarray
    exit_offset: np.ndarray
    exit_cell: np.ndarray
    exit_side: np.ndarray
    exit_rate: np.ndarray

    @property
    def reach(self) -> int:
        """Largest component of any offset."""
        return int(np.abs(self.offsets).max())


class RateTable:
    """Collects edges by offset and turns them into :class:`Rates`."""

    def __init__(self, grid: Grid, offsets: list[tuple[int, ...]], joined: bool):
        self.grid, self.joined = grid, joined
        self.index = np.arange(grid.size).reshape(grid.shape)
        self.strides = np.array([int(np.prod(grid.shape[i + 1 :])) for i in range(grid.ndim)])
        self.number = {offset: number for number, offset in enumerate(offsets)}
        self.forward = np.zeros((len(offsets), *grid.shape))
        self.backward = np.zeros((len(offsets), *grid.shape))
        self.wraps: list[tuple[np.ndarray, ...]] = []
        self.exits: list[tuple[np.ndarray, ...]] = []
        self.sources: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []

    def add(
        self, offset: tuple[int, ...], patch: Patch, forward: np.ndarray, backward: np.ndarray
    ) -> None:
        """Take the rates of a block of edges, beside those of the same edges already here."""
        if offset not in self.number:
            self.number[offset] = len(self.number)
            empty = np.zeros((1, *self.grid.shape))
            self.forward = np.concatenate([self.forward, empty])
            self.backward = np.concatenate([self.backward, empty])
        number = self.number[offset]
        if not patch.wrapped:
            self.forward[number][patch.source] += forward
            self.backward[number][patch.source] += backward
            return
        source = self.index[patch.source].reshape(-1)
        target = self.index[patch.target].reshape(-1)
        number_of = np.full(source.size, number)
        self.wraps.append((number_of, source, target, forward.reshape(-1), backward.reshape(-1)))

    def connect(self, offset: tuple[int, ...], patch: Patch, there: np.ndarray) -> None:
        """Note the ends of the edges that are there, whatever of them is stored, to be joined."""
        if not self.joined:
            return
        self.sources.append(self.index[patch.source][there])
        self.targets.append(self.index[patch.target][there])

    def leave(
        self, offset: tuple[int, ...], cells: np.ndarray, side: np.ndarray, rate: np.ndarray
    ) -> None:
        """Take the rates of edges that end at absorbing sides."""
        self.exits.append((np.full(cells.size, self.number[offset]), cells, side, rate))

    def rates(self, raised: int) -> Rates:
        """Everything collected."""
        offsets = np.array(list(self.number), dtype=np.int64)
        return Rates(
            raised,
            offsets,
            offsets @ self.strides,
            self.forward.reshape(len(offsets), -1),
            self.backward.reshape(len(offsets), -1),
            *_columns(self.wraps, (int, int, int, float, float)),
            *_columns(self.exits, (int, int, int, float)),
        )


def _columns(rows: list[tuple[np.ndarray, ...]], kinds: tuple[type, ...]) -> list[np.ndarray]:
    if not rows:
        return [np.zeros(0, dtype=np.int64 if kind is int else float) for kind in kinds]
    return [np.concatenate([row[c] for row in rows]) for c in range(len(kinds))]


def stranded(size: int, sources: list[np.ndarray], targets: list[np.ndarray]) -> np.ndarray:
    """Which cells no edge connects, in either direction, to most of the others.

    Where noise is strongly oblique to the box the lattice offsets are long, and from a cell in a
    corner all of them may lead across a reflecting side, where edges are dropped. Such cells would
    keep their probability for ever.

    Parameters
    ----------
    size : int
        Number of cells N.
    sources, targets : lists of integer arrays
        Flat cells at both ends of the edges with a positive rate.

    Returns
    -------
    (N,) bool
    """
    source, target = np.concatenate(sources), np.concatenate(targets)
    pattern = sparse.coo_matrix(
        (np.ones(source.size, dtype=np.int8), (source, target)), shape=(size, size)
    )
    count, label = connected_components(pattern, directed=False)
    if count == 1:
        return np.zeros(size, dtype=bool)
    return label != np.argmax(np.bincount(label))
