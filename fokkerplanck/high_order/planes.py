"""What a tile holds of each plane: copied values, products p and q, and the fluxes made of them.

With p_ij = D_ij rho the flux through a face of axis i is (mean of q_i) - (slope of p_ii), with
q_i = drift_i rho - sum_j T_j p_ij and T the derivative; `bands` has the weights. Rings get their
planes as the tile moves on: rho, q_0 and what of p varies and is derived along axis 0.
"""

from __future__ import annotations

from .bands import REACH
from .stencils import (
    F0,
    P00,
    P01,
    P02,
    P11,
    P12,
    P22,
    Q0,
    Q1,
    Q2,
    RHO,
    RING,
    SIZES,
    derive_across,
    derive_along,
    derive_down,
    flux_across,
    flux_along,
    flux_down,
    place_of,
    uncached,
)


@uncached
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


@uncached
def _wrap(place, n):
    """Place of a cell at most n beyond the sides of a periodic axis."""
    return place + n if place < 0 else (place - n if place >= n else place)


@uncached
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
            at, other = place_of(tile, into, r) - REACH, place_of(tile, rho, r) - REACH
            _fill(
                values[start : start + n2], tile.first2, field.wrapped[2],
                tile.room[other : other + columns], rho != into, tile.room[at : at + columns],
            )  # fmt: skip


@uncached
def clear(field, tile):
    """Zero the sums and all that fluxes are made of: beyond the sides nothing else is written."""
    for array in range(F0):
        used = array == RHO or field.shape[0] > 1 or array >= Q1
        if field.uniform and (P00 <= array < Q1 or array >= P11):
            used = False
        if used:
            tile.room[array * tile.size : (array + 1) * tile.size] = 0.0
    tile.room[SIZES * tile.size : SIZES * tile.size + tile.columns] = 0.0


@uncached
def _source(field, own, rho, entry):
    """Array and factor that make up p_ij: rho and D_ij where D is the same everywhere."""
    return (rho, field.tensors[entry, 0]) if field.uniform else (own, 1.0)


@uncached
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
            derive_down(field, tile, q, source, -factor, 0)
        else:
            derive_along(field, tile, q, source, -factor, 0, rows)


@uncached
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
        derive_across(field, tile, Q1, source, i, -factor, -halo, rows + halo, 0)
    if field.mixed[1]:
        source, factor = _source(field, P02, RHO, 4)
        derive_across(field, tile, Q2, source, i, -factor, 0, rows, REACH)
    if field.mixed[2]:
        source, factor = _source(field, P12, rho, 5)
        derive_along(field, tile, Q1, source, -factor, -halo, rows + halo)
        derive_down(field, tile, Q2, source, -factor, REACH)


@uncached
def fluxes_of(field, tile, i, low):
    """Fluxes of plane i, those along axis 0 above it; ``low`` is the first plane of the tile."""
    n0, n1, _ = field.shape
    rho = RHO + (i & (RING - 1))
    # The weights of what spreads contain D where it is the same everywhere.
    p0, p1, p2 = (RHO, rho, rho) if field.uniform else (P00, P11, P22)
    _carry(field, tile, i)
    flux_along(field, tile, p2)
    if n1 > 1:
        flux_down(field, tile, p1)
    if n0 > 1:
        if i == low:
            flux_across(field, tile, F0 + (i & 1), p0, i)
        flux_across(field, tile, F0 + (i + 1 & 1), p0, i + 1)


@uncached
def prepare(field, tile, i, low):
    """Enter what plane i needs; ``low`` is the first plane of the tile."""
    if field.shape[0] == 1:
        _enter(field, tile, i)
    else:
        for plane in range(i - REACH if i == low else i + REACH, i + REACH + 1):
            _enter(field, tile, plane)
