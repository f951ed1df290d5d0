"""Kernels that lay out the chains of `aggregation`: rows, blocks, and what blocks add.

They run once per solve; no kernel calls another.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def count_edges(forward, backward, shifts, source, target, ahead, back, start):
    """Row pointers of the symmetric pattern of all edges with a positive rate, in ``start``."""
    start[:] = 0
    for k in range(shifts.size):
        s = shifts[k]
        for x in range(forward.shape[1]):
            if forward[k, x] > 0.0 or backward[k, x] > 0.0:
                start[x + 1] += 1
                start[x + s + 1] += 1
    for n in range(source.size):
        if source[n] != target[n] and (ahead[n] > 0.0 or back[n] > 0.0):
            start[source[n] + 1] += 1
            start[target[n] + 1] += 1
    for x in range(start.size - 1):
        start[x + 1] += start[x]


@numba.njit(cache=True)
def fill_edges(
    forward, backward, shifts, source, target, ahead, back, start, column, rate_in, rate_out
):
    """Rows of the generator: neighbours, rates from them and rates to them.

    Parameters
    ----------
    forward, backward : (K, N) float64
    shifts : (K,) int64
    source, target : (W,) int64
        Edges across periodic sides; those that lead back to their own cell are left out.
    ahead, back : (W,) float64
    start : (N + 1,) int64
        From :func:`count_edges`.
    column : (E,) int32, modified
    rate_in, rate_out : (E,) float64, modified
        Rates neighbour -> cell and cell -> neighbour.
    """
    place = start[:-1].copy()
    for k in range(shifts.size):
        s = shifts[k]
        for x in range(forward.shape[1]):
            f, b = forward[k, x], backward[k, x]
            if f > 0.0 or b > 0.0:
                p, r = place[x], place[x + s]
                column[p], rate_out[p], rate_in[p] = x + s, f, b
                column[r], rate_out[r], rate_in[r] = x, b, f
                place[x] += 1
                place[x + s] += 1
    for n in range(source.size):
        x, y = source[n], target[n]
        f, b = ahead[n], back[n]
        if x != y and (f > 0.0 or b > 0.0):
            p, r = place[x], place[y]
            column[p], rate_out[p], rate_in[p] = y, f, b
            column[r], rate_out[r], rate_in[r] = x, b, f
            place[x] += 1
            place[y] += 1


@numba.njit(cache=True)
def coarse_pattern(start, column, block, member_start, member, coarse_start, coarse_column, entry):
    """Pattern of the chain of blocks and the place of every fine entry in it.

    Parameters
    ----------
    start, column : fine rows
    block : (N,) int32
        Block of each cell.
    member_start, member : (B + 1,) and (N,) int64
        Cells block by block.
    coarse_start : (B + 1,) int64, modified
    coarse_column : (E,) int32, modified
        Filled up to ``coarse_start[B]``.
    entry : (E,) int32, modified
        Coarse entry of a fine entry, -1 inside a block.
    """
    blocks = member_start.size - 1
    seen = np.full(blocks, -1, np.int64)
    filled = 0
    for b in range(blocks):
        first = filled
        coarse_start[b] = first
        for m in range(member_start[b], member_start[b + 1]):
            i = member[m]
            for k in range(start[i], start[i + 1]):
                c = block[column[k]]
                if c == b:
                    entry[k] = -1
                    continue
                if seen[c] < first:
                    seen[c] = filled
                    coarse_column[filled] = c
                    filled += 1
                entry[k] = seen[c]
    coarse_start[blocks] = filled


@numba.njit(cache=True)
def find_mirrors(start, column, mirror):
    """mirror[k] = the entry of the same edge in the other row, in rows without repetitions."""
    for i in range(start.size - 1):
        for k in range(start[i], start[i + 1]):
            j = column[k]
            for m in range(start[j], start[j + 1]):
                if column[m] == i:
                    mirror[k] = m
                    break


@numba.njit(cache=True)
def excess_shares(start, column, gross, size, cells, wraps, axis, metric, pair, entry, share):
    """How much of each coarse edge's diffusion comes from the blocks and not from the chain.

    Pairing x with x + p turns a step f that changes the parity along the axis into f - p or
    f + p with equal chance: this adds p p^T to f f^T. The share is twice the part of the addition
    in the length of the step, 2 p^2/(f^2 + p^2), at most 1, averaged over the fine edges of the
    coarse one.

    Parameters
    ----------
    start, column : fine rows
    gross : (E,) float64
        inflow + outflow.
    size : (N,) float64
        Scale of each cell; with it an edge weighs the same in both of its rows, and so must its
        share, or blocks would not balance.
    cells : (d, N) int32
        Lattice coordinates.
    wraps : (d,) int64
        Period of each axis, 0 if it is open.
    axis : int
    metric : (d, d) float64
        Inverse of the diffusion tensor in index units.
    pair : float
        p^2 in this metric.
    entry : (E,) int32
    share : (C,) float64, modified
    """
    share[:] = 0.0
    total = np.zeros(share.size)
    ndim = cells.shape[0]
    step = np.zeros(ndim)
    for i in range(start.size - 1):
        for k in range(start[i], start[i + 1]):
            c = entry[k]
            if c < 0:
                continue
            j = column[k]
            weight = gross[k] * size[i]
            total[c] += weight
            if (cells[axis, i] ^ cells[axis, j]) & 1 == 0:
                continue
            for a in range(ndim):
                d = cells[a, j] - cells[a, i]
                if wraps[a] > 0:
                    d -= wraps[a] * np.rint(d / wraps[a])
                step[a] = d
            square = 0.0
            for a in range(ndim):
                for b in range(ndim):
                    square += metric[a, b] * step[a] * step[b]
            share[c] += weight * min(1.0, 2.0 * pair / (square + pair))
    for c in range(share.size):
        if total[c] > 0.0:
            share[c] /= total[c]


@numba.njit(cache=True)
def order_members(block, first, member):
    """Cells block by block in ``member``, from the first position of each block."""
    place = first[:-1].copy()
    for i in range(block.size):
        b = block[i]
        member[place[b]] = i
        place[b] += 1


@numba.njit(cache=True)
def sample_couplings(start, column, gross, cells, wraps, sample, offsets, shares):
    """Offsets between neighbours in a sample of cells, with their part in their cells' rates.

    Parameters
    ----------
    start, column : rows
    gross : (E,) float64
        inflow + outflow.
    cells : (d, N) int32
    wraps : (d,) int64
    sample : (m,) int64
    offsets : (n, d) int64, modified
        First non-zero component positive, since e and -e are one direction; n may be as large
        as the number of entries in the sampled rows.
    shares : (n,) float64, modified
        Zero at the start; summed over the sample.

    Returns
    -------
    int
        Number of offsets found.
    """
    ndim = cells.shape[0]
    found = 0
    step = np.zeros(ndim, np.int64)
    for i in sample:
        total = 0.0
        for k in range(start[i], start[i + 1]):
            total += gross[k]
        for k in range(start[i], start[i + 1]):
            lead = 0
            for a in range(ndim):
                d = np.int64(cells[a, column[k]]) - cells[a, i]
                if wraps[a] > 0:
                    d -= wraps[a] * np.int64(np.rint(d / wraps[a]))
                step[a] = d
                if lead == 0:
                    lead = d
            if lead < 0:
                step *= -1
            # A few dozen offsets at most: a search along the list is quick.
            n = 0
            while n < found and (offsets[n] != step).any():
                n += 1
            if n == found:
                offsets[n] = step
                found += 1
            shares[n] += gross[k] / total
    return found


@numba.njit(cache=True)
def reached(start, column, log_rate):
    """Number of cells that cell 0 is connected with by entries of a finite ``log_rate``.

    Parameters
    ----------
    start, column : rows
    log_rate : (E,) float64
        -inf where there is no rate.

    Returns
    -------
    int
    """
    size = start.size - 1
    seen = np.zeros(size, np.bool_)
    queue = np.empty(size, np.int64)
    queue[0], seen[0] = 0, True
    first, filled = 0, 1
    while first < filled:
        i = queue[first]
        first += 1
        for k in range(start[i], start[i + 1]):
            j = column[k]
            if not seen[j] and log_rate[k] > -np.inf:
                seen[j] = True
                queue[filled] = j
                filled += 1
    return filled
