"""Face fluxes of order 6 and their divergence, tile by tile, on one or several threads.

The density is an array (n0, n1, n2); one axis makes it (1, 1, n) and two make it (1, n1, n2). A
task moves a tile along axis 0: `planes` fills it and makes fluxes, `stencils` says where in it
everything lies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

from ..operators.threads import parallel
from ..runtime.compiling import source_stamp
from . import planes, stencils
from .bands import REACH
from .planes import clear, fluxes_of, prepare
from .stencils import (
    ARRAYS,
    F0,
    F1,
    F2,
    Q2,
    RHO,
    RING,
    SIZES,
    FieldArrays,
    Tile,
    place_of,
    uncached,
)


class Work(NamedTuple):
    """Tasks and their room, see `tiles`; ``room`` and ``sums`` are overwritten.

    Attributes
    ----------
    room : (workers, size) float64
    parts : (int, int, int)
    sums : (tasks,) float64
    """

    room: np.ndarray
    parts: tuple[int, int, int]
    sums: np.ndarray


@uncached
def _cut(number, parts, n):
    """Begin and end of one of the parts of an axis."""
    return number * n // parts, (number + 1) * n // parts


@uncached
def _tile(field, room, parts, task):
    """A task's tile and its first and last plane."""
    n0, n1, n2 = field.shape
    low, high = _cut(task // (parts[1] * parts[2]), parts[0], n0)
    first1, last1 = _cut(task // parts[2] % parts[1], parts[1], n1)
    first2, last2 = _cut(task % parts[2], parts[2], n2)
    columns = last2 - first2
    # Whole vectors.
    stride = (columns + 2 * REACH + 7) // 8 * 8
    halo = REACH if n1 > 1 else 0
    return (
        Tile(room, room.size // ARRAYS, first1, first2, last1 - first1, columns, stride, halo),
        low,
        high,
    )


@uncached
def _task(field, room, parts, factors, y, total, weight, out, task):
    """One task of :func:`divergence`; returns the sum of |out|."""
    tile, low, high = _tile(field, room, parts, task)
    clear(field, tile)
    for i in range(low, high):
        prepare(field, tile, i, low)
        fluxes_of(field, tile, i, low)
        _write(field, tile, i, factors, y, total, weight, out)
    return _sum(room[SIZES * tile.size : SIZES * tile.size + tile.columns])


@uncached
def _sum(values):
    """Sum, by halves: in one chain every addition would wait for the one before. Overwritten."""
    n = values.size
    while n > 1:
        half = (n + 1) // 2
        part, other = values[: n - half], values[half:n]
        for m in range(part.size):
            part[m] += other[m]
        n = half
    return values[0]


@uncached
def _write(field, tile, i, factors, y, total, weight, out):
    """out = b rho + c y - a (divergence) and total += weight out in plane i; sums of |out|."""
    a, b, c = factors
    n0, n1, n2 = field.shape
    room, columns = tile.room, tile.columns
    size = room[SIZES * tile.size : SIZES * tile.size + columns]
    for r in range(tile.rows):
        lo = (i * n1 + tile.first1 + r) * n2 + tile.first2
        hi = lo + columns
        sink, at = out[lo:hi], place_of(tile, RHO + (i & (RING - 1)), r)
        here, at = room[at : at + columns], place_of(tile, F2, r)
        left, right = room[at : at + columns], room[at + 1 : at + 1 + columns]
        # Along an axis that does not exist nothing flows: any number minus itself.
        before, after, below, above = left, left, left, left
        if n1 > 1:
            at = place_of(tile, F1, r)
            before, at = room[at : at + columns], at + tile.stride
            after = room[at : at + columns]
        if n0 > 1:
            at = place_of(tile, F0 + (i & 1), r)
            below, at = room[at : at + columns], place_of(tile, F0 + (i + 1 & 1), r)
            above = room[at : at + columns]
        if c == 0.0:
            for m in range(sink.size):
                gain = (left[m] - right[m]) + (before[m] - after[m]) + (below[m] - above[m])
                value = a * gain + b * here[m]
                sink[m] = value
                size[m] += abs(value)
        else:
            # ``out`` may be ``y``, and both in one loop would keep the compiler from using vectors.
            other, at = y[lo:hi], place_of(tile, Q2, r)
            part = room[at : at + columns]
            for m in range(part.size):
                gain = (left[m] - right[m]) + (before[m] - after[m]) + (below[m] - above[m])
                part[m] = a * gain + b * here[m] + c * other[m]
            for m in range(sink.size):
                sink[m] = part[m]
                size[m] += abs(part[m])
        if weight != 0.0:
            gathered = total[lo:hi]
            for m in range(gathered.size):
                gathered[m] += weight * sink[m]


@uncached
def _store(tile, array, first_row, length, rows, columns, out):
    """Fluxes to ``out``, whose lines have ``length`` entries."""
    for r in range(rows):
        at, lo = place_of(tile, array, r), (first_row + r) * length + tile.first2
        part, sink = tile.room[at : at + columns], out[lo : lo + columns]
        for m in range(sink.size):
            sink[m] = part[m]


@uncached
def _task_faces(field, room, parts, f0, f1, f2, task):
    """One task of :func:`fluxes`: the faces below its cells, and the last ones of the box."""
    tile, low, high = _tile(field, room, parts, task)
    n0, n1, n2 = field.shape
    rows, columns = tile.rows, tile.columns
    more1, more2 = int(tile.first1 + rows == n1), int(tile.first2 + columns == n2)
    clear(field, tile)
    for i in range(low, high):
        prepare(field, tile, i, low)
        fluxes_of(field, tile, i, low)
        if n0 > 1:
            _store(tile, F0 + (i & 1), i * n1 + tile.first1, n2, rows, columns, f0)
        if i == n0 - 1 > 0:
            _store(tile, F0 + (n0 & 1), n0 * n1 + tile.first1, n2, rows, columns, f0)
        if n1 > 1:
            _store(tile, F1, i * (n1 + 1) + tile.first1, n2, rows + more1, columns, f1)
        _store(tile, F2, i * n1 + tile.first1, n2 + 1, rows, columns + more2, f2)


# Of the files whose kernels are called here.
SOURCES = source_stamp(__file__, stencils.__file__, planes.__file__)


def _kernels(sources: str) -> tuple[Callable[..., float], ...]:
    """The kernels that hand out the tasks.

    They close over ``sources``: numba looks into its cache by that too, and so notices a change of
    a file whose kernels they call.
    """

    @numba.njit(cache=True)
    def divergence_serial(field, work, factors, y, total, weight, out):
        """:func:`divergence` on one thread, for arrays too small to share."""
        _ = sources
        room, parts, sums = work
        for task in range(sums.size):
            sums[task] = _task(field, room[0], parts, factors, y, total, weight, out, task)
        return _sum(sums)

    @parallel
    def divergence(field, work, factors, y, total, weight, out):
        """out = a A x + b x + c y and total += weight out, A x minus the divergence of the fluxes.

        Returns the sum of |out|.

        Parameters
        ----------
        field : FieldArrays
        work : Work
        factors : (float, float, float)
            a, b and c.
        y : (N,) float64
        total, out : (N,) float64, modified
            ``out`` may be ``y``; it must not be ``x``.
        weight : float

        Notes
        -----
        Every cell is computed in one task in a fixed order: results do not depend on the threads.
        """
        _ = sources
        # A tuple within a tuple does not get into the loop.
        x, drift, tensors, uniform, mixed, bands, shape, wrapped = field
        room, parts, sums = work
        workers = room.shape[0]
        for worker in numba.prange(workers):
            own = FieldArrays(x, drift, tensors, uniform, mixed, bands, shape, wrapped)
            first, last = _cut(worker, workers, sums.size)
            for task in range(first, last):
                sums[task] = _task(own, room[worker], parts, factors, y, total, weight, out, task)
        return _sum(sums)

    @parallel
    def fluxes(field, work, f0, f1, f2):
        """Fluxes through all faces, positive towards larger coordinates.

        They are in units of density times cells per unit time.

        Parameters
        ----------
        field : FieldArrays
        work : Work
        f0, f1, f2 : float64, modified
            Flat, of (n0 + 1) n1 n2, n0 (n1 + 1) n2 and n0 n1 (n2 + 1) entries; not touched along
            the first two axes where they have one cell.
        """
        _ = sources
        # A tuple within a tuple does not get into the loop.
        x, drift, tensors, uniform, mixed, bands, shape, wrapped = field
        room, parts, sums = work
        workers = room.shape[0]
        for worker in numba.prange(workers):
            own = FieldArrays(x, drift, tensors, uniform, mixed, bands, shape, wrapped)
            first, last = _cut(worker, workers, sums.size)
            for task in range(first, last):
                _task_faces(own, room[worker], parts, f0, f1, f2, task)

    return divergence_serial, divergence, fluxes


divergence_serial, divergence, fluxes = _kernels(SOURCES)
