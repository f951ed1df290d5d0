"""Nested dissection of the cells of a box: an order of elimination with little fill.

A box of cells is cut by slabs as wide as the longest edge reaches, again and again; what lies on
both sides of a slab has no edge in common (George, SIAM J. Numer. Anal. 10 (1973) 345). Parts come
before their slab, so that every node of the tree follows its children.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# Parts of at most this many cells are eliminated as one dense block.
LEAF = 20

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Dissection:
    """A tree of sets of cells in postorder.

    Attributes
    ----------
    order : (n,) int64
        Cells in the order of elimination.
    first : (m + 1,) int64
        Where the cells of each node begin in ``order``.
    children : (m,) int64
        Children of each node: the subtrees that end right before it.
    """

    order: np.ndarray
    first: np.ndarray
    children: np.ndarray


def dissect(
    shape: Sequence[int], reach: Sequence[int], periodic: Sequence[bool], free: np.ndarray
) -> Dissection:
    """Order the free cells of a box.

    Parameters
    ----------
    shape : d integers
        Cells per axis.
    reach : d integers
        Largest step of any edge along each axis.
    periodic : d booleans
    free : bool ndarray of N cells, flat
        The others are left out, with all their edges.
    """
    tree = _Tree(np.arange(free.size).reshape(shape), free, [max(1, int(r)) for r in reach])
    slabs: list[Box] = []
    box: Box = tuple((0, n) for n in shape)
    for axis, wraps in enumerate(periodic):
        # Every edge across the joined sides has an end in the first slab.
        if wraps and shape[axis] > tree.reach[axis]:
            slabs.append(_part(box, axis, 0, tree.reach[axis]))
            box = _part(box, axis, tree.reach[axis], shape[axis])
    roots = tree.split(box)
    for slab in reversed(slabs):
        roots = tree.emit(slab, roots)
    counts = [cells.size for cells in tree.cells]
    return Dissection(
        np.concatenate([np.zeros(0, dtype=np.int64), *tree.cells]),
        np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
        np.array(tree.children, dtype=np.int64),
    )


def _part(box: Box, axis: int, lower: int, upper: int) -> Box:
    return (*box[:axis], (lower, upper), *box[axis + 1 :])


@dataclass
class _Tree:
    """The nodes so far."""

    index: np.ndarray
    free: np.ndarray
    reach: list[int]
    cells: list[np.ndarray] = field(default_factory=list)
    children: list[int] = field(default_factory=list)

    def emit(self, box: Box, roots: int) -> int:
        """Add a node above the last ``roots`` subtrees; returns how many are left."""
        cells = self.index[tuple(slice(lower, upper) for lower, upper in box)].reshape(-1)
        cells = cells[self.free[cells]]
        if not cells.size and roots <= 1:
            return roots
        self.cells.append(cells)
        self.children.append(roots)
        return 1

    def split(self, box: Box) -> int:
        """Add the nodes of a box; returns 1, or 0 if none of its cells is free."""
        sizes = [upper - lower for lower, upper in box]
        volume = int(np.prod(sizes))
        # Slab cells per way to cut; a slab with less than a cell on each side is no use.
        slabs = [
            (volume // size * width, axis)
            for axis, (size, width) in enumerate(zip(sizes, self.reach, strict=True))
            if size >= width + 2
        ]
        if volume <= LEAF or not slabs:
            return self.emit(box, 0)
        _, axis = min(slabs)
        width = self.reach[axis]
        lower, upper = box[axis]
        middle = lower + (upper - lower - width) // 2
        roots = self.split(_part(box, axis, lower, middle))
        roots += self.split(_part(box, axis, middle + width, upper))
        return self.emit(_part(box, axis, middle, middle + width), roots)
