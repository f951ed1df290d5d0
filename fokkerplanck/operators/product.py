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

from typing import Any, NamedTuple

import numba
import numpy as np

from .threads import parallel

# Cells per task: the part of the result stays in the first-level cache.
BLOCK = 4096
# Offsets per loop. With more arrays in a loop the compiler gives up on vectors.
GROUP = 3

# Without reference counts, and so without new arrays: counting views would take as long as using
# them.
UNCOUNTED: dict[str, Any] = {"_nrt": False}
bare = numba.njit(cache=True, **UNCOUNTED)


class EdgeRates(NamedTuple):
    """Rates of a generator as plain arrays: edges by offset, edges across periodic sides, exits.

    Attributes
    ----------
    forward, backward : (K, N) float64
    shifts : (K,) int64
        Flat index distance of the offsets, any sign.
    leaving : (N,) float64
        Sum of all rates out of each cell.
    source, target : (W,) int64
        Flat cells; the edge leads from source across the side to target.
    ahead, behind : (W,) float64
        Rates from source to target and back.
    """

    forward: np.ndarray
    backward: np.ndarray
    shifts: np.ndarray
    leaving: np.ndarray
    source: np.ndarray
    target: np.ndarray
    ahead: np.ndarray
    behind: np.ndarray

    def transposed(self) -> EdgeRates:
        """Those of A^T: each edge turned around."""
        return EdgeRates(
            self.backward, self.forward, self.shifts, self.leaving, self.source, self.target,
            self.behind, self.ahead,
        )  # fmt: skip


class Stream(NamedTuple):
    """What comes to a stretch of cells along one offset: rates and densities, from both sides."""

    f: np.ndarray
    u: np.ndarray
    b: np.ndarray
    v: np.ndarray


@bare
def _stream(rates, x, k, lo, hi):
    s = rates.shifts[k]
    return Stream(
        rates.forward[k, lo - s : hi - s], x[lo - s : hi - s], rates.backward[k, lo:hi],
        x[lo + s : hi + s],
    )  # fmt: skip


@bare
def _add(part, one, two, three, second, third, a):
    """part += a times what comes along three offsets; ``second`` and ``third`` are 1 or 0."""
    f0, u0, b0, v0 = one
    f1, u1, b1, v1 = two
    f2, u2, b2, v2 = three
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] += a * gain


@bare
def _write(part, one, two, three, second, third, leave, x, a, b):
    """part = a A x + b x, as far as three offsets go."""
    f0, u0, b0, v0 = one
    f1, u1, b1, v1 = two
    f2, u2, b2, v2 = three
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] = a * (gain - leave[i] * x[i]) + b * x[i]


@bare
def _update(part, one, two, three, second, third, leave, x, factors):
    """part = a A x + b x + c part, as far as three offsets go.

    What is added to is read from ``part`` itself: under a second name it would keep the compiler
    from using vectors.
    """
    f0, u0, b0, v0 = one
    f1, u1, b1, v1 = two
    f2, u2, b2, v2 = three
    a, b, c = factors
    for i in range(part.size):
        gain = (
            f0[i] * u0[i]
            + b0[i] * v0[i]
            + second * (f1[i] * u1[i] + b1[i] * v1[i])
            + third * (f2[i] * u2[i] + b2[i] * v2[i])
        )
        part[i] = a * (gain - leave[i] * x[i]) + b * x[i] + c * part[i]


@bare
def _alone(part, one, leave, x, factors):
    """part = a A x + b x + c part for a generator with one offset."""
    f0, u0, b0, v0 = one
    a, b, c = factors
    if c == 0.0:
        for i in range(part.size):
            gain = f0[i] * u0[i] + b0[i] * v0[i]
            part[i] = a * (gain - leave[i] * x[i]) + b * x[i]
    else:
        for i in range(part.size):
            gain = f0[i] * u0[i] + b0[i] * v0[i]
            part[i] = a * (gain - leave[i] * x[i]) + b * x[i] + c * part[i]


@bare
def _inner(rates, x, factors, out, lo, hi):
    """Cells lo to hi, all of which the offsets reach from inside the array; ``out`` holds y."""
    a, b, c = factors
    part, here, leave = out[lo:hi], x[lo:hi], rates.leaving[lo:hi]
    last = rates.shifts.size - 1
    if last == 0:
        _alone(part, _stream(rates, x, 0, lo, hi), leave, here, factors)
        return
    for k in range(0, last + 1, GROUP):
        # A missing offset repeats the last one, with the factor 0.
        k1, k2 = min(k + 1, last), min(k + 2, last)
        second = 1.0 if k + 1 <= last else 0.0
        third = 1.0 if k + 2 <= last else 0.0
        one, two = _stream(rates, x, k, lo, hi), _stream(rates, x, k1, lo, hi)
        three = _stream(rates, x, k2, lo, hi)
        if k > 0:
            _add(part, one, two, three, second, third, a)
        elif c == 0.0:
            _write(part, one, two, three, second, third, leave, here, a, b)
        else:
            _update(part, one, two, three, second, third, leave, here, factors)


@bare
def _outer(rates, x, factors, out, lo, hi):
    """Cells lo to hi, where some offsets lead out of the array; ``out`` holds y."""
    forward, backward, shifts, leaving = rates.forward, rates.backward, rates.shifts, rates.leaving
    a, b, c = factors
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
def _block(rates, reach, x, factors, y, total, weight, out, fresh, lo):
    """The part of :func:`product` in the block from cell ``lo`` on."""
    size, c = x.size, factors[2]
    hi = min(lo + BLOCK, size)
    if fresh and c != 0.0:
        part, given = out[lo:hi], y[lo:hi]
        for i in range(part.size):
            part[i] = given[i]
    begin = min(max(lo, reach), hi)
    end = max(min(hi, size - reach), begin)
    _outer(rates, x, factors, out, lo, begin)
    if end > begin:
        _inner(rates, x, factors, out, begin, end)
    _outer(rates, x, factors, out, end, hi)
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


@bare
def _wrapped(rates, x, a, total, weight, out):
    """Add the edges across periodic sides, and their share of the sum."""
    for n in range(rates.source.size):
        i, j = rates.source[n], rates.target[n]
        gain_j = a * rates.ahead[n] * x[i]
        gain_i = a * rates.behind[n] * x[j]
        out[j] += gain_j
        out[i] += gain_i
        total[j] += weight * gain_j
        total[i] += weight * gain_i


@numba.njit(cache=True)
def product_serial(rates, x, factors, y, total, weight, out, fresh):
    """:func:`product` on one thread, for arrays too small to share."""
    reach = _reach(rates.shifts)
    for block in range((x.size + BLOCK - 1) // BLOCK):
        _block(rates, reach, x, factors, y, total, weight, out, fresh, block * BLOCK)
    _wrapped(rates, x, factors[0], total, weight, out)


@parallel
def product(rates, x, factors, y, total, weight, out, fresh):
    """out = a A x + b x + c y and total += weight * out, in one pass over memory.

    (A x)_i = sum_k [ forward_k(i - s_k) x(i - s_k) + backward_k(i) x(i + s_k) ] - leaving_i x_i,
    and what comes across periodic sides.

    Parameters
    ----------
    rates : EdgeRates
    x, y : (N,) float64
        ``y`` is not read where c is 0.
    factors : (float, float, float)
        a, b and c.
    total, out : (N,) float64, modified
        ``out`` must not overlap ``x``.
    weight : float
    fresh : bool
        False where ``out`` is ``y`` itself.

    Notes
    -----
    Every cell is computed by one thread in a fixed order: results do not depend on the threads.
    """
    reach = _reach(rates.shifts)
    for block in numba.prange((x.size + BLOCK - 1) // BLOCK):
        _block(rates, reach, x, factors, y, total, weight, out, fresh, block * BLOCK)
    _wrapped(rates, x, factors[0], total, weight, out)


@numba.njit(cache=True)
def powers_serial(rates, x, y, a, weights, begin, end, total):
    """Products ``begin`` to ``end`` of :func:`product_serial` with A + 1/a, one after the other.

    Parameters
    ----------
    rates : EdgeRates
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
    for k in range(begin, end):
        product_serial(rates, x, (a, 1.0, 0.0), x, total, weights[k], y, True)
        x, y = y, x
    change = 0.0
    for i in range(x.size):
        change += abs(x[i] - y[i])
    return change


@numba.njit(cache=True)
def total_out(forward, backward, shifts, out):
    """out (N,) = sum of the rates out of each cell, along edges inside the box."""
    size = out.size
    out[:] = 0.0
    for k in range(shifts.size):
        s = shifts[k]
        for x in range(size):
            out[x] += forward[k, x]
        for x in range(max(0, -s), min(size, size - s)):
            out[x + s] += backward[k, x]
