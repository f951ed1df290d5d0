"""Weights of order 6 applied to the rows of a tile: derivatives in cells, fluxes through faces.

A tile is a stretch of rows (axis 1) and columns (axis 2) small enough for the cache, which moves
along axis 0 plane by plane. Its room holds `ARRAYS` arrays of ``size`` numbers one after another:
five rings of `RING` planes each, plane i in number i mod 8, and ten arrays of the present plane.

    RHO       Q0        P00       P01       P02       Q1  Q2  ...  F2  SIZES
    |0|1|..|7|0|1|..|7|0|1|..|7|0|1|..|7|0|1|..|7|   |   | ... |   |     |

An array is the tile with REACH = 3 cells more on every side, copied there, wrapped around or zero:

             column 0         columns               stride: whole vectors of 8
    MARGIN <<< |################| >>> pad <<<         r = -halo, halo = 3 (0 where n1 = 1)
               |#### halo ######| >>> pad <<<         r = -1
               |================| >>> pad <<<         r = 0
               |===== tile =====| >>> pad <<<         r = rows - 1
               |#### halo ######| >>> pad <<<         r = rows, the last faces along axis 1 too
               |################| >>> pad MARGIN      r = rows + halo - 1, and a spare row for faces

``>>>`` are the three columns beyond the upper end, the first of them the last face along axis 2;
``<<<`` those before the lower end, of the row that follows. MARGIN numbers stand before the first
and after the last cell. :func:`place_of` has the place of column 0 of row r.

So neighbours along any axis lie at a fixed distance in memory, and most loops run over all rows at
once, what is between them included. The weights along axis 2 are wrong near a side in such a loop;
those cells are set right afterwards.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, NamedTuple

import numba
import numpy as np

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
# For kernels that call those of other files: the cache would not notice a change there.
uncached = numba.njit(**UNCOUNTED)


class FieldArrays(NamedTuple):
    """What all tiles share of the density and its equation, on n0 n1 n2 = N cells.

    Attributes
    ----------
    x : (N,) float64
        The density.
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
    """

    x: np.ndarray
    drift: np.ndarray
    tensors: np.ndarray
    uniform: bool
    mixed: tuple[bool, bool, bool]
    bands: np.ndarray
    shape: tuple[int, int, int]
    wrapped: tuple[bool, bool, bool]


# Cells (i, first1 + r, first2 + c) with r < rows and c < columns. Each array takes ``size`` numbers
# of ``room``, ``stride`` of them per row, with ``halo`` rows before and after.
Tile = namedtuple("Tile", "room size first1 first2 rows columns stride halo")


@bare
def _row(place, n, wrapped):
    """Row of the weights; see `bands.row`."""
    return INNER if wrapped else max(min(place, INNER), place - max(n - WIDTH, 0))


@bare
def place_of(tile, array, r):
    """Where the first column of row r of an array is."""
    return array * tile.size + MARGIN + (r + tile.halo) * tile.stride


@bare
def _add(room, cells, into, places, weights):
    """cells from ``into`` on += sum_k w_k (cells from n_k on), k from 0 to 6."""
    n0, n1, n2, n3, n4, n5, n6 = places
    w0, w1, w2, w3, w4, w5, w6 = weights
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
    cells = np.uint64((high - low) * tile.stride)
    sink = np.uint64(place_of(tile, into, low) - margin)
    first, size = place_of(tile, source, low) - margin - REACH * shift, tile.size
    n0 = np.uint64(first + (plane & mask) * size)
    n1 = np.uint64(first + (plane + 1 & mask) * size + shift)
    n2 = np.uint64(first + (plane + 2 & mask) * size + 2 * shift)
    n3 = np.uint64(first + (plane + 3 & mask) * size + 3 * shift)
    n4 = np.uint64(first + (plane + 4 & mask) * size + 4 * shift)
    n5 = np.uint64(first + (plane + 5 & mask) * size + 5 * shift)
    n6 = np.uint64(first + (plane + 6 & mask) * size + 6 * shift)
    weights = (
        factor * w[0], factor * w[1], factor * w[2], factor * w[3], factor * w[4], factor * w[5],
        factor * w[6],
    )  # fmt: skip
    _add(tile.room, cells, sink, (n0, n1, n2, n3, n4, n5, n6), weights)


@bare
def derive_across(field, tile, into, source, i, factor, low, high, margin):
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
def derive_down(field, tile, into, source, factor, margin):
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
def derive_along(field, tile, into, source, factor, low, high):
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
            at = np.uint64(place_of(tile, source, low) + column - REACH)
            sink = np.uint64(place_of(tile, into, low) + column)
            for _ in range(low, high):
                room[sink] += (
                    w0 * room[at] + w1 * room[at + U1] + w2 * room[at + U2] + w3 * room[at + U3]
                ) + (w4 * room[at + U4] + w5 * room[at + U5] + w6 * room[at + U6])
                at, sink = at + step, sink + step


@bare
def _pass(room, cells, into, q, p, w, v):
    """cells from ``into`` on = sum_k w_k (cells from q_k on) + v_k (cells from p_k on)."""
    q0, q1, q2, q3, q4, q5 = q
    p0, p1, p2, p3, p4, p5 = p
    w0, w1, w2, w3, w4, w5 = w
    v0, v1, v2, v3, v4, v5 = v
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
    cells, sink = np.uint64((high - low) * tile.stride), np.uint64(place_of(tile, into, low))
    first, size, other = place_of(tile, q, low) - REACH * shift, tile.size, (p - q) * tile.size
    n0 = first + (plane & mask) * size
    n1 = first + (plane + 1 & mask) * size + shift
    n2 = first + (plane + 2 & mask) * size + 2 * shift
    n3 = first + (plane + 3 & mask) * size + 3 * shift
    n4 = first + (plane + 4 & mask) * size + 4 * shift
    n5 = first + (plane + 5 & mask) * size + 5 * shift
    carried = (
        np.uint64(n0), np.uint64(n1), np.uint64(n2), np.uint64(n3), np.uint64(n4), np.uint64(n5)
    )  # fmt: skip
    spread = (
        np.uint64(n0 + other), np.uint64(n1 + other), np.uint64(n2 + other), np.uint64(n3 + other),
        np.uint64(n4 + other), np.uint64(n5 + other),
    )  # fmt: skip
    _pass(
        tile.room, cells, sink, carried, spread, (w[0], w[1], w[2], w[3], w[4], w[5]),
        (v[0], v[1], v[2], v[3], v[4], v[5]),
    )  # fmt: skip


@bare
def flux_across(field, tile, into, p, i):
    """Fluxes along axis 0 below plane i."""
    row = _row(i, field.shape[0], field.wrapped[0])
    w, v = field.bands[0, CARRIED, row], field.bands[0, SPREAD, row]
    _flux(tile, into, Q0, p, i - REACH, RING - 1, 0, w, v, 0, tile.rows)


@bare
def flux_down(field, tile, p):
    """Fluxes along axis 1, one row more than there are rows of cells."""
    r = 0
    while r < tile.rows + 1:
        row, end = _run(field, tile, r, tile.rows + 1)
        w, v = field.bands[1, CARRIED, row], field.bands[1, SPREAD, row]
        _flux(tile, F1, Q1, p, 0, 0, tile.stride, w, v, r, end)
        r = end


@bare
def flux_along(field, tile, p):
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
            q = np.uint64(place_of(tile, Q2, 0) + column - REACH)
            s = np.uint64(place_of(tile, p, 0) + column - REACH)
            sink = np.uint64(place_of(tile, F2, 0) + column)
            for _ in range(tile.rows):
                room[sink] = (
                    (w0 * room[q] + w1 * room[q + U1] + w2 * room[q + U2])
                    + (w3 * room[q + U3] + w4 * room[q + U4] + w5 * room[q + U5])
                ) + (
                    (v0 * room[s] + v1 * room[s + U1] + v2 * room[s + U2])
                    + (v3 * room[s + U3] + v4 * room[s + U4] + v5 * room[s + U5])
                )
                q, s, sink = q + step, s + step, sink + step
