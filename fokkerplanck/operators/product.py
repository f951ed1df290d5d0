"""The product of the generator with a density: one pass over memory, no matrix.

One file, because a cached kernel does not notice changes in jitted callees of other files.
Edge arrays are stored by offset: entry (k, x) belongs to the edge from cell x to cell x + e_k,
whose flat index is x + shift_k. Entries of edges that do not exist are zero, which makes the
product branch-free.

The product moves 16 bytes per offset and 24 more for each cell and computes little, so the memory
decides how long it takes. Two things keep it near that limit: all of a cell is summed in registers
within one loop, and that loop writes the result (a loop of its own for the result would wait for
memory while nothing is read).
"""

from __future__ import annotations

from typing import Any

import numba

from .threads import parallel

# Cells per task: the part of the result stays in the first-level cache.
BLOCK = 4096
# Offsets per loop. With more arrays in a loop the compiler gives up on vectors.
GROUP = 3

# Without reference counts, and so without new arrays: counting views would take as long as using
# them.
UNCOUNTED: dict[str, Any] = {"_nrt": False}
bare = numba.njit(cache=True, **UNCOUNTED)


@bare
def _add(part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third, a):
    """part += a times what comes along three offsets; ``second`` and ``third`` are 1 or 0."""
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] += a * gain


@bare
def _write(part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third, leave, x, a, b):
    """part = a A x + b x, as far as three offsets go."""
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] = a * (gain - leave[i] * x[i]) + b * x[i]


@bare
def _update(part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third, leave, x, a, b, c):
    """part = a A x + b x + c part, as far as three offsets go.

    What is added to is read from ``part`` itself: under a second name it would keep the compiler
    from using vectors.
    """
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] = a * (gain - leave[i] * x[i]) + b * x[i] + c * part[i]


@bare
def _inner(forward, backward, shifts, leaving, x, a, b, c, out, lo, hi):
    """Cells lo to hi, all of which the offsets reach from inside the array; ``out`` holds y."""
    part, here, leave = out[lo:hi], x[lo:hi], leaving[lo:hi]
    last = shifts.size - 1
    for k in range(0, last + 1, GROUP):
        # A missing offset repeats the last one, with the factor 0.
        k1, k2 = min(k + 1, last), min(k + 2, last)
        second = 1.0 if k + 1 <= last else 0.0
        third = 1.0 if k + 2 <= last else 0.0
        s0, s1, s2 = shifts[k], shifts[k1], shifts[k2]
        f0, u0 = forward[k, lo - s0 : hi - s0], x[lo - s0 : hi - s0]
        f1, u1 = forward[k1, lo - s1 : hi - s1], x[lo - s1 : hi - s1]
        f2, u2 = forward[k2, lo - s2 : hi - s2], x[lo - s2 : hi - s2]
        b0, v0 = backward[k, lo:hi], x[lo + s0 : hi + s0]
        b1, v1 = backward[k1, lo:hi], x[lo + s1 : hi + s1]
        b2, v2 = backward[k2, lo:hi], x[lo + s2 : hi + s2]
        if k > 0:
            _add(part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third, a)
        elif c == 0.0:
            _write(
                part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third,
                leave, here, a, b,
            )  # fmt: skip
        else:
            _update(
                part, f0, u0, b0, v0, f1, u1, b1, v1, f2, u2, b2, v2, second, third,
                leave, here, a, b, c,
            )  # fmt: skip


@bare
def _outer(forward, backward, shifts, leaving, x, a, b, c, out, lo, hi):
    """Cells lo to hi, where some offsets lead out of the array; ``out`` holds y."""
    size = x.size
    for i in range(lo, hi):
        kept = c * out[i] if c != 0.0 else 0.0
        out[i] = (b - a * leaving[i]) * x[i] + kept
    for k in range(shifts.size):
        s = shifts[k]
        first, last = max(lo, s), min(hi, size + s)
        if last > first:
            part, rate, value = (
                out[first:last],
                forward[k, first - s : last - s],
                x[first - s : last - s],
            )
            for i in range(part.size):
                part[i] += a * rate[i] * value[i]
        first, last = max(lo, -s), min(hi, size - s)
        if last > first:
            part = out[first:last]
            rate, value = backward[k, first:last], x[first + s : last + s]
            for i in range(part.size):
                part[i] += a * rate[i] * value[i]


@bare
def _block(forward, backward, shifts, reach, leaving, x, a, b, y, c, total, weight, out, fresh, lo):
    """The part of :func:`product` in the block from cell ``lo`` on."""
    size = x.size
    hi = min(lo + BLOCK, size)
    if fresh and c != 0.0:
        part, given = out[lo:hi], y[lo:hi]
        for i in range(part.size):
            part[i] = given[i]
    begin = min(max(lo, reach), hi)
    end = max(min(hi, size - reach), begin)
    _outer(forward, backward, shifts, leaving, x, a, b, c, out, lo, begin)
    if end > begin:
        _inner(forward, backward, shifts, leaving, x, a, b, c, out, begin, end)
    _outer(forward, backward, shifts, leaving, x, a, b, c, out, end, hi)
    if weight != 0.0:
        part, sums = out[lo:hi], total[lo:hi]
        for i in range(part.size):
            sums[i] += weight * part[i]


@bare
def _reach(shifts):
    """Largest distance of an offset."""
    reach = 0
    for k in range(shifts.size):
        reach = max(reach, abs(shifts[k]))
    return reach


@numba.njit(cache=True)
def product_serial(forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out, fresh):
    """:func:`product` on one thread, for arrays too small to share."""
    reach = _reach(shifts)
    for block in range((x.size + BLOCK - 1) // BLOCK):
        _block(
            forward, backward, shifts, reach, leaving, x, a, b, y, c, total, weight, out, fresh,
            block * BLOCK,
        )  # fmt: skip


@parallel
def product(forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out, fresh):
    """out = a A x + b x + c y and total += weight * out, in one pass over memory.

    (A x)_i = sum_k [ forward_k(i - s_k) x(i - s_k) + backward_k(i) x(i + s_k) ] - leaving_i x_i.

    Parameters
    ----------
    forward, backward : (K, N) float64
        Swapping the two gives the adjoint.
    shifts : (K,) int64
        Flat index distance of the offsets, any sign.
    leaving : (N,) float64
        Sum of all rates out of each cell.
    x, y : (N,) float64
        ``y`` is not read where c is 0.
    total, out : (N,) float64, modified
        ``out`` must not overlap ``x``.
    fresh : bool
        False where ``out`` is ``y`` itself.

    Notes
    -----
    Every cell is computed by one thread in a fixed order: results do not depend on the threads.
    """
    reach = _reach(shifts)
    for block in numba.prange((x.size + BLOCK - 1) // BLOCK):
        _block(
            forward, backward, shifts, reach, leaving, x, a, b, y, c, total, weight, out, fresh,
            block * BLOCK,
        )  # fmt: skip


@numba.njit(cache=True)
def product_wrapped(source, target, forward, backward, x, a, total, weight, out):
    """Add the edges across periodic sides to what :func:`product` has left.

    Parameters
    ----------
    source, target : (W,) int64
        Flat cells; the edge leads from source across the side to target.
    forward, backward : (W,) float64
    x : (N,) float64
    total, out : (N,) float64, modified
    """
    for n in range(source.size):
        i, j = source[n], target[n]
        gain_j = a * forward[n] * x[i]
        gain_i = a * backward[n] * x[j]
        out[j] += gain_j
        out[i] += gain_i
        total[j] += weight * gain_j
        total[i] += weight * gain_i


@numba.njit(cache=True)
def powers_serial(
    forward, backward, shifts, leaving, source, target, ahead, behind, x, y, a, weights, begin, end,
    total,
):  # fmt: skip
    """Products ``begin`` to ``end`` of :func:`product_serial` with A + 1/a, one after the other.

    Parameters
    ----------
    forward, backward, shifts, leaving
        As in :func:`product`.
    source, target, ahead, behind : (W,) arrays
        As in :func:`product_wrapped`.
    x, y : (N,) float64, modified
        The density, and room for a product. The last product ends in ``y`` after an odd number
        of them and in ``x`` after an even one, the last but one in the other.
    a : float
        x becomes a A x + x.
    weights : (W,) float64
        Product k is added to ``total`` with the weight weights[k].
    begin, end : int
        ``end`` is left out.
    total : (N,) float64, modified

    Returns
    -------
    float
        L1 distance of the last two products.
    """
    reach = _reach(shifts)
    for k in range(begin, end):
        weight = weights[k]
        for block in range((x.size + BLOCK - 1) // BLOCK):
            _block(
                forward, backward, shifts, reach, leaving, x, a, 1.0, x, 0.0, total, weight, y,
                True, block * BLOCK,
            )  # fmt: skip
        product_wrapped(source, target, ahead, behind, x, a, total, weight, y)
        x, y = y, x
    change = 0.0
    for i in range(x.size):
        change += abs(x[i] - y[i])
    return change
