"""How the kernels of the high-order operator cut a grid into tasks, and their room to work in."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np

from .bands import REACH
from .stencils import ARRAYS, MARGIN, RING

# Below this many cells one thread is as fast.
SHARED_CELLS = 16_000
# Numbers in all arrays of a tile together: three quarters of a second-level cache of 1 MiB.
ROOM = 96_000
# Most columns of a tile, in one dimension and beyond; most planes along which it moves; fewest
# rows: six more are computed twice.
COLUMNS_ALONE, COLUMNS, PLANES, ROWS = 4096, 512, 64, 8
# Cells per vector, and what the sizes of arrays leave when divided by 512. Loads are held up by a
# store just before to an address that differs by a multiple of 4096 bytes, or by little more; this
# remainder keeps the arrays that are read and written together apart.
VECTOR, PHASE = 8, 88


@dataclass(frozen=True)
class Tiles:
    """Tasks and room.

    Attributes
    ----------
    parts : (int, int, int)
        Into how many each axis is cut; part k of p is that of the cells k n // p to
        (k + 1) n // p. They depend on the problem only, not on the threads: nor do sums over tasks.
    size : int
        Numbers per array of a tile.
    shared : bool
        Worth several threads.
    """

    parts: tuple[int, int, int]
    size: int
    shared: bool

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return math.prod(self.parts)

    def room(self) -> np.ndarray:
        """Room of the calling Python thread for its kernel's threads, (workers, ARRAYS size)."""
        workers = min(numba.get_num_threads(), self.tasks) if self.shared else 1
        return _local.room(workers, self.size)


def tiles(shape: tuple[int, int, int], varying: bool) -> Tiles:
    """Tiles for a grid, with or without tensors that vary."""
    n0, n1, n2 = shape
    shared = math.prod(shape) >= SHARED_CELLS
    # Rings and single arrays; see `stencils`.
    arrays = ((5 if varying else 2) * RING if n0 > 1 else 1) + (6 if varying else 3) + 2
    columns = -(-n2 // (COLUMNS if n1 > 1 else COLUMNS_ALONE))
    width = -(-n2 // columns) + 2 * REACH
    rows = 1
    if n1 > 1:
        rows = -(-n1 // max(ROOM // arrays // width - 2 * REACH, ROWS))
    parts = [-(-n0 // PLANES), rows, columns]
    if shared and math.prod(parts) % 2:
        # Even, for two threads to share.
        parts[0 if n0 > 1 else (1 if n1 > 1 else 2)] += 1
    stride = _rounded(-(-n2 // parts[2]) + 2 * REACH, VECTOR)
    # A row more than the tile and its margins, for faces.
    lines = -(-n1 // parts[1]) + (2 * REACH + 1 if n1 > 1 else 0)
    size = lines * stride + 2 * MARGIN
    return Tiles((parts[0], parts[1], parts[2]), size + (PHASE - size) % 512, shared)


def _rounded(number: int, step: int) -> int:
    return -(-number // step) * step


def _room(workers: int, size: int) -> np.ndarray:
    """Begins where a cache line begins."""
    entries = workers * ARRAYS * size
    memory = np.zeros(entries + VECTOR)
    first = -memory.ctypes.data // memory.itemsize % VECTOR
    return memory[first : first + entries].reshape(workers, ARRAYS * size)


class _Local(threading.local):
    """Room of each Python thread, for all its operators: only one of them is at work at a time."""

    def __init__(self) -> None:
        self.room = lru_cache(maxsize=4)(_room)


_local = _Local()
