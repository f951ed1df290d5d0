"""Kernels of the high-order operator: face fluxes of order 6 and their divergence, tile by tile.

The density is an array (n0, n1, n2); one axis makes it (1, 1, n) and two make it (1, n1, n2). With
p_ij = D_ij rho the flux through a face of axis i is (mean of q_i) - (slope of p_ii), with
q_i = drift_i rho - sum_j T_j p_ij and T the derivative; `bands` has the weights.

A tile is a stretch of rows (axis 1) and columns (axis 2) small enough for the cache, which moves
along axis 0 plane by plane. What it needs of the density and the coefficients is copied with three
cells more on every side, wrapped around or zero. Then neighbours along any axis lie at a fixed
distance in memory, and most loops run over all rows at once. The weights along axis 2 are wrong
near a side in such a loop; those cells are set right afterwards.

One file, because a cached kernel does not notice changes in jitted callees of other files.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numba
import numpy as np

from ..operators.threads import parallel
from .bands import CARRIED, DERIVATIVE, INNER, REACH, SPREAD, WIDTH

# Planes kept at a time: a power of two above the reach to both sides.
RING = 8
# Room before the first and after the last cell of a tile, for loops that begin at its corner.
MARGIN = 8
# Arrays of a tile: rings over the planes of rho, q_0 and, where D varies, p_00, p_01 and p_02; then
# those of one plane; the fluxes, those along axis 0 below and above it; sums of |out| by columns.
RHO, Q0, P00, P01, P02 = 0, RING, 2 * RING, 3 * RING, 4 * RING
Q1, Q2, P11, P22, P12, F0, F0_NEXT, F1, F2, SIZES = range(5 * RING, 5 * RING + 10)
ARRAYS = SIZES + 1
# Steps between places without sign.
U1, U2, U3, U4, U5, U6 = (np.uint64(k) for k in range(1, 7))

# Without reference counts, and so without new arrays: counting the views of a row took longer than
# computing it.
UNCOUNTED: dict[str, Any] = {"_nrt": False}
bare = numba.njit(cache=True, **UNCOUNTED)

# What all tiles share; see `divergence`.
Field = namedtuple("Field", "x drift tensors uniform mixed bands shape wrapped")
# Cells (i, first1 + r, first2 + c) with r < rows and c < columns. Each array takes ``size`` numbers
# of ``room``, ``stride`` of them per row, with ``halo`` rows before and after.
Tile = namedtuple("Tile", "room size first1 first2 rows columns stride halo")


@bare
def _row(place, n, wrapped):
    """Row of the weights; see `bands.row`."""
    return INNER if wrapped else max(min(place, INNER), place - max(n - WIDTH, 0))


@bare
def _at(tile, array, r):
    """Where the first column of row r of an array is."""
    return array * tile.size + MARGIN + (r + tile.halo) * tile.stride


@bare
def _add(room, cells, into, n0, n1, n2, n3, n4, n5, n6, w0, w1, w2, w3, w4, w5, w6):
    """cells from ``into`` on += sum_k w_k (cells from n_k on)."""
    for m in range(cells):
        room[into + m] += (
            w0 * room[n0 + m] + w1 * room[n1 + m] + w2 * room[n2 + m] + w3 * room[n3 + m]
        ) + (w4 * room[n4 + m] + w5 * room[n5 + m] + w6 * room[n6 + m])


@bare
def _derive(tile, into, source, plane, mask, shift, w, factor, low, high, margin):
    """Rows low to high of array ``into`` += factor sum_k w_k (neighbour k).

    Neighbour k lies (k - 3) ``shift`` cells away, in array ``source`` + (plane + k modulo the size
    of a ring); ``mask`` is that size minus one. The rows begin ``margin`` columns before the first.
    """
    # Places without sign need no test for counting from the end.
    cells, sink = (
        np.uint64((high - low) * tile.stride),
        np.uint64(_at(tile, into, low) - margin),
    )
    first, size = _at(tile, source, low) - margin - REACH * shift, tile.size
    n0 = np.uint64(first + (plane & mask) * size)
    n1 = np.uint64(first + (plane + 1 & mask) * size + shift)
    n2 = np.uint64(first + (plane + 2 & mask) * size + 2 * shift)
    n3 = np.uint64(first + (plane + 3 & mask) * size + 3 * shift)
    n4 = np.uint64(first + (plane + 4 & mask) * size + 4 * shift)
    n5 = np.uint64(first + (plane + 5 & mask) * size + 5 * shift)
    n6 = np.uint64(first + (plane + 6 & mask) * size + 6 * shift)
    _add(
        tile.room, cells, sink, n0, n1, n2, n3, n4, n5, n6, factor * w[0], factor * w[1],
        factor * w[2], factor * w[3], factor * w[4], factor * w[5], factor * w[6],
    )  # fmt: skip


@bare
def _derive_across(field, tile, into, source, i, factor, low, high, margin):
    """Rows low to high of array ``into`` += factor T along axis 0 of a ring."""
    weights = field.bands[0, DERIVATIVE, _row(i, field.shape[0], field.wrapped[0])]
    _derive(tile, into, source, i - REACH, RING - 1, 0, weights, factor, low, high, margin)


@bare
def _run(field, tile, r, high):
    """Row of the weights along axis 1 in row r, and the first row with others, at most ``high``."""
    n, wrapped = field.shape[1], field.wrapped[1]
    row = _row(tile.first1 + r, n, wrapped)
    if row != INNER:
        return row, r + 1
    return row, high if wrapped else min(high, max(n - REACH, INNER + 1) - tile.first1)


@bare
def _derive_down(field, tile, into, source, factor, margin):
    """The rows of array ``into`` += factor T along axis 1."""
    r = 0
    while r < tile.rows:
        row, end = _run(field, tile, r, tile.rows)
        weights = field.bands[1, DERIVATIVE, row]
        _derive(tile, into, source, 0, 0, tile.stride, weights, factor, r, end, margin)
        r = end


@bare
def _near_sides(field, tile, columns, end):
    """The first (``end`` 0) or last columns whose weights differ from those inside."""
    first, last = tile.first2, tile.first2 + columns
    if field.wrapped[2]:
        return 0, 0
    if end == 0:
        return 0, min(INNER, last) - first
    return max(first, field.shape[2] - REACH, INNER + 1) - first, columns


@bare
def _derive_along(field, tile, into, source, factor, low, high):
    """Rows low to high of array ``into`` += factor T along axis 2."""
    bands = field.bands[2, DERIVATIVE]
    _derive(tile, into, source, 0, 0, 1, bands[INNER], factor, low, high, 0)
    room, step = tile.room, np.uint64(tile.stride)
    for end in range(2):
        start, stop = _near_sides(field, tile, tile.columns, end)
        for column in range(start, stop):
            w, v = bands[_row(tile.first2 + column, field.shape[2], False)], bands[INNER]
            w0, w1, w2 = factor * (w[0] - v[0]), factor * (w[1] - v[1]), factor * (w[2] - v[2])
            w4, w5, w6 = factor * (w[4] - v[4]), factor * (w[5] - v[5]), factor * (w[6] - v[6])
            w3 = factor * (w[3] - v[3])
            at = np.uint64(_at(tile, source, low) + column - REACH)
            sink = np.uint64(_at(tile, into, low) + column)
            for _ in range(low, high):
                room[sink] += (
                    w0 * room[at] + w1 * room[at + U1] + w2 * room[at + U2] + w3 * room[at + U3]
                ) + (w4 * room[at + U4] + w5 * room[at + U5] + w6 * room[at + U6])
                at, sink = at + step, sink + step


@bare
def _pass(
    room, cells, into, q0, q1, q2, q3, q4, q5, p0, p1, p2, p3, p4, p5,
    w0, w1, w2, w3, w4, w5, v0, v1, v2, v3, v4, v5,
):  # fmt: skip
    """cells from ``into`` on = sum_k w_k (cells from q_k on) + v_k (cells from p_k on)."""
    for m in range(cells):
        room[into + m] = (
            (w0 * room[q0 + m] + w1 * room[q1 + m] + w2 * room[q2 + m])
            + (w3 * room[q3 + m] + w4 * room[q4 + m] + w5 * room[q5 + m])
        ) + (
            (v0 * room[p0 + m] + v1 * room[p1 + m] + v2 * room[p2 + m])
            + (v3 * room[p3 + m] + v4 * room[p4 + m] + v5 * room[p5 + m])
        )


@bare
def _flux(tile, into, q, p, plane, mask, shift, w, v, low, high):
    """Fluxes through the faces below the cells of rows low to high, into an array.

    ``w`` and ``v`` are rows of weights for arrays ``q`` and ``p``; see :func:`_derive`. The same
    face has the same flux, to the last digit, whatever tile computes it.
    """
    cells, sink = np.uint64((high - low) * tile.stride), np.uint64(_at(tile, into, low))
    first, size, other = _at(tile, q, low) - REACH * shift, tile.size, (p - q) * tile.size
    n0 = first + (plane & mask) * size
    n1 = first + (plane + 1 & mask) * size + shift
    n2 = first + (plane + 2 & mask) * size + 2 * shift
    n3 = first + (plane + 3 & mask) * size + 3 * shift
    n4 = first + (plane + 4 & mask) * size + 4 * shift
    n5 = first + (plane + 5 & mask) * size + 5 * shift
    _pass(
        tile.room, cells, sink, np.uint64(n0), np.uint64(n1), np.uint64(n2), np.uint64(n3),
        np.uint64(n4), np.uint64(n5), np.uint64(n0 + other), np.uint64(n1 + other),
        np.uint64(n2 + other), np.uint64(n3 + other), np.uint64(n4 + other), np.uint64(n5 + other),
        w[0], w[1], w[2], w[3], w[4], w[5], v[0], v[1], v[2], v[3], v[4], v[5],
    )  # fmt: skip


@bare
def _flux_across(field, tile, into, p, i):
    """Fluxes along axis 0 below plane i."""
    row = _row(i, field.shape[0], field.wrapped[0])
    w, v = field.bands[0, CARRIED, row], field.bands[0, SPREAD, row]
    _flux(tile, into, Q0, p, i - REACH, RING - 1, 0, w, v, 0, tile.rows)


@bare
def _flux_down(field, tile, p):
    """Fluxes along axis 1, one row more than there are rows of cells."""
    r = 0
    while r < tile.rows + 1:
        row, end = _run(field, tile, r, tile.rows + 1)
        w, v = field.bands[1, CARRIED, row], field.bands[1, SPREAD, row]
        _flux(tile, F1, Q1, p, 0, 0, tile.stride, w, v, r, end)
        r = end


@bare
def _flux_along(field, tile, p):
    """Fluxes along axis 2, one column more than there are columns of cells."""
    bands = field.bands[2]
    _flux(tile, F2, Q2, p, 0, 0, 1, bands[CARRIED, INNER], bands[SPREAD, INNER], 0, tile.rows)
    room, step = tile.room, np.uint64(tile.stride)
    for end in range(2):
        start, stop = _near_sides(field, tile, tile.columns + 1, end)
        for column in range(start, stop):
            row = _row(tile.first2 + column, field.shape[2], False)
            w, v = bands[CARRIED, row], bands[SPREAD, row]
            w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
            v0, v1, v2, v3, v4, v5 = v[0], v[1], v[2], v[3], v[4], v[5]
            q = np.uint64(_at(tile, Q2, 0) + column - REACH)
            s = np.uint64(_at(tile, p, 0) + column - REACH)
            sink = np.uint64(_at(tile, F2, 0) + column)
            for _ in range(tile.rows):
                room[sink] = (
                    (w0 * room[q] + w1 * room[q + U1] + w2 * room[q + U2])
                    + (w3 * room[q + U3] + w4 * room[q + U4] + w5 * room[q + U5])
                ) + (
                    (v0 * room[s] + v1 * room[s + U1] + v2 * room[s + U2])
                    + (v3 * room[s + U3] + v4 * room[s + U4] + v5 * room[s + U5])
                )
                q, s, sink = q + step, s + step, sink + step


@bare
def _fill(line, first, wrapped, factor, times, into):
    """into = the columns of a line from ``first`` - 3 on, times ``factor`` with ``times``.

    Beyond a side they are wrapped around or left alone.
    """
    n = line.size
    low, high = max(first - REACH, 0), min(first - REACH + into.size, n)
    before = low - (first - REACH)
    after = before + high - low
    part, values = into[before:after], line[low:high]
    if times:
        other = factor[before:after]
        for m in range(part.size):
            part[m] = values[m] * other[m]
    else:
        for m in range(part.size):
            part[m] = values[m]
    if wrapped:
        for m in range(before):
            into[m] = line[n - before + m] * (factor[m] if times else 1.0)
        for m in range(after, into.size):
            into[m] = line[m - after] * (factor[m] if times else 1.0)


@bare
def _wrap(place, n):
    """Place of a cell at most n beyond the sides of a periodic axis."""
    return place + n if place < 0 else (place - n if place >= n else place)


@bare
def _gather(field, tile, values, plane, low, high, into, rho):
    """Rows low to high of array ``into`` from a plane of ``values``; beyond the sides left alone.

    They are multiplied by array ``rho`` unless it is ``into`` itself.
    """
    _, n1, n2 = field.shape
    columns = tile.columns + 2 * REACH
    for r in range(low, high):
        j = _wrap(tile.first1 + r, n1) if field.wrapped[1] else tile.first1 + r
        if 0 <= j < n1:
            start = (plane * n1 + j) * n2
            at, other = _at(tile, into, r) - REACH, _at(tile, rho, r) - REACH
            _fill(
                values[start : start + n2], tile.first2, field.wrapped[2],
                tile.room[other : other + columns], rho != into, tile.room[at : at + columns],
            )  # fmt: skip


@bare
def _clear(field, tile):
    """Zero the sums and all that fluxes are made of: beyond the sides nothing else is written."""
    for array in range(F0):
        used = array == RHO or field.shape[0] > 1 or array >= Q1
        if field.uniform and (P00 <= array < Q1 or array >= P11):
            used = False
        if used:
            tile.room[array * tile.size : (array + 1) * tile.size] = 0.0
    tile.room[SIZES * tile.size : SIZES * tile.size + tile.columns] = 0.0


@bare
def _source(field, own, rho, entry):
    """Array and factor that make up p_ij: rho and D_ij where D is the same everywhere."""
    return (rho, field.tensors[entry, 0]) if field.uniform else (own, 1.0)


@bare
def _enter(field, tile, i):
    """Plane i of the rings: rho, q_0 and what of p varies."""
    n0 = field.shape[0]
    rows, halo = tile.rows, tile.halo
    slot = i & (RING - 1)
    rho = RHO + slot
    if not (field.wrapped[0] or 0 <= i < n0):
        for ring in range(RHO, Q1, RING):
            if ring <= Q0 or not field.uniform:
                tile.room[(ring + slot) * tile.size : (ring + slot + 1) * tile.size] = 0.0
        return
    plane = _wrap(i, n0)
    _gather(field, tile, field.x, plane, -halo, rows + halo, rho, rho)
    if n0 == 1:
        return
    q = Q0 + slot
    _gather(field, tile, field.drift[0], plane, 0, rows, q, rho)
    if not field.uniform:
        _gather(field, tile, field.tensors[0], plane, 0, rows, P00 + slot, rho)
    for axis in range(1, 3):
        if not field.mixed[axis - 1]:
            continue
        own = (P01 if axis == 1 else P02) + slot
        if not field.uniform:
            _gather(field, tile, field.tensors[2 + axis], plane, -halo, rows + halo, own, rho)
        source, factor = _source(field, own, rho, 2 + axis)
        if axis == 1:
            _derive_down(field, tile, q, source, -factor, 0)
        else:
            _derive_along(field, tile, q, source, -factor, 0, rows)


@bare
def _carry(field, tile, i):
    """q_1, q_2 and what of p varies in plane i."""
    rows, halo = tile.rows, tile.halo
    _, n1, _ = field.shape
    rho = RHO + (i & (RING - 1))
    tensors = field.tensors
    if not field.uniform:
        _gather(field, tile, tensors[2], i, 0, rows, P22, rho)
        if n1 > 1:
            _gather(field, tile, tensors[1], i, -halo, rows + halo, P11, rho)
        if field.mixed[2]:
            _gather(field, tile, tensors[5], i, -halo, rows + halo, P12, rho)
    _gather(field, tile, field.drift[2], i, 0, rows, Q2, rho)
    if n1 > 1:
        _gather(field, tile, field.drift[1], i, -halo, rows + halo, Q1, rho)
    if field.mixed[0]:
        source, factor = _source(field, P01, RHO, 3)
        _derive_across(field, tile, Q1, source, i, -factor, -halo, rows + halo, 0)
    if field.mixed[1]:
        source, factor = _source(field, P02, RHO, 4)
        _derive_across(field, tile, Q2, source, i, -factor, 0, rows, REACH)
    if field.mixed[2]:
        source, factor = _source(field, P12, rho, 5)
        _derive_along(field, tile, Q1, source, -factor, -halo, rows + halo)
        _derive_down(field, tile, Q2, source, -factor, REACH)


@bare
def _fluxes(field, tile, i, low):
    """Fluxes of plane i, those along axis 0 above it; ``low`` is the first plane of the tile."""
    n0, n1, _ = field.shape
    rho = RHO + (i & (RING - 1))
    # The weights of what spreads contain D where it is the same everywhere.
    p0, p1, p2 = (RHO, rho, rho) if field.uniform else (P00, P11, P22)
    _carry(field, tile, i)
    _flux_along(field, tile, p2)
    if n1 > 1:
        _flux_down(field, tile, p1)
    if n0 > 1:
        if i == low:
            _flux_across(field, tile, F0 + (i & 1), p0, i)
        _flux_across(field, tile, F0 + (i + 1 & 1), p0, i + 1)


@bare
def _write(field, tile, i, a, b, c, y, total, weight, out):
    """out = b rho + c y - a (divergence) and total += weight out in plane i; sums of |out|."""
    n0, n1, n2 = field.shape
    room, columns = tile.room, tile.columns
    size = room[SIZES * tile.size : SIZES * tile.size + columns]
    for r in range(tile.rows):
        lo = (i * n1 + tile.first1 + r) * n2 + tile.first2
        hi = lo + columns
        sink, at = out[lo:hi], _at(tile, RHO + (i & (RING - 1)), r)
        here, at = room[at : at + columns], _at(tile, F2, r)
        left, right = room[at : at + columns], room[at + 1 : at + 1 + columns]
        # Along an axis that does not exist nothing flows: any number minus itself.
        before, after, below, above = left, left, left, left
        if n1 > 1:
            at = _at(tile, F1, r)
            before, at = room[at : at + columns], at + tile.stride
            after = room[at : at + columns]
        if n0 > 1:
            at = _at(tile, F0 + (i & 1), r)
            below, at = room[at : at + columns], _at(tile, F0 + (i + 1 & 1), r)
            above = room[at : at + columns]
        if c == 0.0:
            for m in range(sink.size):
                gain = (left[m] - right[m]) + (before[m] - after[m]) + (below[m] - above[m])
                value = a * gain + b * here[m]
                sink[m] = value
                size[m] += abs(value)
        else:
            # ``out`` may be ``y``, and both in one loop would keep the compiler from using vectors.
            other, at = y[lo:hi], _at(tile, Q2, r)
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


@bare
def _prepare(field, tile, i, low):
    """Enter what plane i needs; ``low`` is the first plane of the tile."""
    if field.shape[0] == 1:
        _enter(field, tile, i)
    else:
        for plane in range(i - REACH if i == low else i + REACH, i + REACH + 1):
            _enter(field, tile, plane)


@bare
def _cut(number, parts, n):
    """Begin and end of one of the parts of an axis."""
    return number * n // parts, (number + 1) * n // parts


@bare
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


@bare
def _task(field, room, parts, a, b, c, y, total, weight, out, task):
    """One task of :func:`divergence`; returns the sum of |out|."""
    tile, low, high = _tile(field, room, parts, task)
    _clear(field, tile)
    for i in range(low, high):
        _prepare(field, tile, i, low)
        _fluxes(field, tile, i, low)
        _write(field, tile, i, a, b, c, y, total, weight, out)
    return _sum(room[SIZES * tile.size : SIZES * tile.size + tile.columns])


@bare
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


@bare
def _store(tile, array, first_row, length, rows, columns, out):
    """Fluxes to ``out``, whose lines have ``length`` entries."""
    for r in range(rows):
        at, lo = _at(tile, array, r), (first_row + r) * length + tile.first2
        part, sink = tile.room[at : at + columns], out[lo : lo + columns]
        for m in range(sink.size):
            sink[m] = part[m]


@bare
def _task_faces(field, room, parts, f0, f1, f2, task):
    """One task of :func:`fluxes`: the faces below its cells, and the last ones of the box."""
    tile, low, high = _tile(field, room, parts, task)
    n0, n1, n2 = field.shape
    rows, columns = tile.rows, tile.columns
    more1, more2 = int(tile.first1 + rows == n1), int(tile.first2 + columns == n2)
    _clear(field, tile)
    for i in range(low, high):
        _prepare(field, tile, i, low)
        _fluxes(field, tile, i, low)
        if n0 > 1:
            _store(tile, F0 + (i & 1), i * n1 + tile.first1, n2, rows, columns, f0)
        if i == n0 - 1 > 0:
            _store(tile, F0 + (n0 & 1), n0 * n1 + tile.first1, n2, rows, columns, f0)
        if n1 > 1:
            _store(tile, F1, i * (n1 + 1) + tile.first1, n2, rows + more1, columns, f1)
        _store(tile, F2, i * n1 + tile.first1, n2 + 1, rows, columns + more2, f2)


@numba.njit(cache=True)
def divergence_serial(
    x, drift, tensors, uniform, mixed, bands, shape, wrapped, room, parts, sums,
    a, b, c, y, total, weight, out,
):  # fmt: skip
    """:func:`divergence` on one thread, for arrays too small to share."""
    field = Field(x, drift, tensors, uniform, mixed, bands, shape, wrapped)
    for task in range(sums.size):
        sums[task] = _task(field, room[0], parts, a, b, c, y, total, weight, out, task)
    return _sum(sums)


@parallel
def divergence(
    x, drift, tensors, uniform, mixed, bands, shape, wrapped, room, parts, sums,
    a, b, c, y, total, weight, out,
):  # fmt: skip
    """out = a A x + b x + c y and total += weight out, A x minus the divergence of the fluxes.

    Returns the sum of |out|.

    Parameters
    ----------
    x, y : (N,) float64
        Flat, of N = n0 n1 n2 cells.
    drift : (3, N) float64
        In cells per unit time.
    tensors : (6, 1 or more) or (6, N) float64
        D_00, D_11, D_22, D_01, D_02, D_12 in index units.
    uniform : bool
        They are the same in all cells, and ``bands`` contain them.
    mixed : (bool, bool, bool)
        Which of the last three are not zero.
    bands : (3, 3, ROWS, WIDTH) float64
        See `bands.bands`.
    shape : (int, int, int)
    wrapped : (bool, bool, bool)
        Which axes are periodic.
    room, parts, sums : (workers, size) float64, (int, int, int), (tasks,) float64
        See `tiles`. ``room`` and ``sums`` are overwritten.
    total, out : (N,) float64, modified
        ``out`` may be ``y``; it must not be ``x``.

    Notes
    -----
    Every cell is computed in one task in a fixed order: results do not depend on the threads.
    """
    workers = room.shape[0]
    for worker in numba.prange(workers):
        field = Field(x, drift, tensors, uniform, mixed, bands, shape, wrapped)
        first, last = _cut(worker, workers, sums.size)
        for task in range(first, last):
            sums[task] = _task(field, room[worker], parts, a, b, c, y, total, weight, out, task)
    return _sum(sums)


@parallel
def fluxes(x, drift, tensors, uniform, mixed, bands, shape, wrapped, room, parts, sums, f0, f1, f2):
    """Fluxes through all faces, positive towards larger coordinates.

    They are in units of density times cells per unit time.

    Parameters
    ----------
    f0, f1, f2 : float64, modified
        Flat, of (n0 + 1) n1 n2, n0 (n1 + 1) n2 and n0 n1 (n2 + 1) entries; not touched along the
        first two axes where they have one cell. The others as in :func:`divergence`.
    """
    workers = room.shape[0]
    for worker in numba.prange(workers):
        field = Field(x, drift, tensors, uniform, mixed, bands, shape, wrapped)
        first, last = _cut(worker, workers, sums.size)
        for task in range(first, last):
            _task_faces(field, room[worker], parts, f0, f1, f2, task)
