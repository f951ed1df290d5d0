"""Kernels of the generator: Bernoulli function, edge rates, matrix-free product.

One file, because a cached kernel does not notice changes in jitted callees of other files.
Edge arrays are stored by offset: entry (k, x) belongs to the edge from cell x to cell x + e_k,
whose flat index is x + shift_k. Entries of edges that do not exist are zero, which makes the
product branch-free.
"""

from __future__ import annotations

import math

import numba
import numpy as np

# Below this argument the series of B(z) is exact to rounding: its next term is z^4/720.
BERNOULLI_SERIES = 1e-3
# Share of the squared trace below which the sum of the principal minors counts as rounding.
RANK_ONE = 1e-10
# Cells per task of the product: out, x and one rate row stay in the first-level cache.
BLOCK = 2048


@numba.njit(cache=True)
def bernoulli(z):
    """B(z) = z / (exp(z) - 1), positive for every z, B(-z) = B(z) + z.

    Parameters
    ----------
    z : float
        Dimensionless; overflow of the exponential gives 0, its limit.

    Returns
    -------
    float
        Relative error below 1e-15.
    """
    if abs(z) < BERNOULLI_SERIES:
        return 1.0 - 0.5 * z * (1.0 - z / 6.0 * (1.0 - z * z / 60.0))
    if z > 700.0:
        return z * math.exp(-z) if z < 740.0 else 0.0
    return z / math.expm1(z)


@numba.njit(parallel=True, cache=True)
def edge_rates(conductance, force, forward, backward):
    """Scharfetter-Gummel rates: forward = c B(-P), backward = c B(P).

    Parameters
    ----------
    conductance : (N,) float64
        Mean weight of the edge in index units, per unit time; 0 where there is no edge.
    force : (N,) float64
        P, the integral of the thermodynamic force along the edge (dimensionless).
    forward, backward : (N,) float64, modified
        Rates per unit time; their ratio is exp(P).
    """
    for n in numba.prange(conductance.size):
        c = conductance[n]
        if c > 0.0:
            forward[n] = c * bernoulli(-force[n])
            backward[n] = c * bernoulli(force[n])
        else:
            forward[n] = 0.0
            backward[n] = 0.0


@numba.njit(cache=True)
def _product_block(
    forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out, lo, scratch
):
    """The part of :func:`product` from cell ``lo`` on, as far as ``scratch`` reaches."""
    size = x.size
    hi = min(lo + scratch.size, size)
    for i in range(hi - lo):
        scratch[i] = -leaving[lo + i] * x[lo + i]
    for k in range(shifts.size):
        s = shifts[k]
        if lo >= abs(s) and hi + abs(s) <= size:
            ahead, back = forward[k, lo - s : hi - s], backward[k, lo:hi]
            before, after = x[lo - s : hi - s], x[lo + s : hi + s]
            for i in range(hi - lo):
                scratch[i] += ahead[i] * before[i] + back[i] * after[i]
            continue
        first = max(lo, s)
        last = min(hi, size + s)
        if last > first:
            rate = forward[k, first - s : last - s]
            value = x[first - s : last - s]
            part = scratch[first - lo : last - lo]
            for i in range(part.size):
                part[i] += rate[i] * value[i]
        first = max(lo, -s)
        last = min(hi, size - s)
        if last > first:
            rate = backward[k, first:last]
            value = x[first + s : last + s]
            part = scratch[first - lo : last - lo]
            for i in range(part.size):
                part[i] += rate[i] * value[i]
    if weight == 0.0:
        for i in range(hi - lo):
            out[lo + i] = a * scratch[i] + b * x[lo + i] + c * y[lo + i]
    else:
        for i in range(hi - lo):
            result = a * scratch[i] + b * x[lo + i] + c * y[lo + i]
            out[lo + i] = result
            total[lo + i] += weight * result


@numba.njit(cache=True)
def product_serial(forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out):
    """:func:`product` on one thread, for arrays too small to share."""
    scratch = np.empty(BLOCK)
    for block in range((x.size + BLOCK - 1) // BLOCK):
        _product_block(
            forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out,
            block * BLOCK, scratch,
        )  # fmt: skip


@numba.njit(parallel=True, cache=True)
def product(forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out):
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
    total, out : (N,) float64, modified
        ``out`` may be ``y`` itself; it must not be ``x``.

    Notes
    -----
    Every cell is computed by one thread in a fixed order: results do not depend on the threads.
    """
    for block in numba.prange((x.size + BLOCK - 1) // BLOCK):
        scratch = np.empty(BLOCK)
        _product_block(
            forward, backward, shifts, leaving, x, a, b, y, c, total, weight, out,
            block * BLOCK, scratch,
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


@numba.njit(parallel=True, cache=True)
def scatter_weights(weights, rows, table):
    """Write each cell's decomposition into the rows of its offsets: table[rows[k, n], n].

    Parameters
    ----------
    weights : (K, N) float64
    rows : (K, N) int64
    table : (M, N) float64, modified
    """
    for n in numba.prange(weights.shape[1]):
        for k in range(weights.shape[0]):
            table[rows[k, n], n] += weights[k, n]


@numba.njit(parallel=True, cache=True)
def solve_tensor(tensors, vectors, out):
    """Solve D g = b cell by cell by elimination.

    Parameters
    ----------
    tensors : (d, d, N) float64
        Symmetric positive definite, d = 1, 2 or 3.
    vectors : (d, N) float64
    out : (d, N) float64, modified
    """
    ndim = tensors.shape[0]
    for n in numba.prange(tensors.shape[2]):
        if ndim == 1:
            out[0, n] = vectors[0, n] / tensors[0, 0, n]
        elif ndim == 2:
            a, b, c = tensors[0, 0, n], tensors[0, 1, n], tensors[1, 1, n]
            det = a * c - b * b
            u, v = vectors[0, n], vectors[1, n]
            out[0, n] = (c * u - b * v) / det
            out[1, n] = (a * v - b * u) / det
        else:
            xx, xy, xz = tensors[0, 0, n], tensors[0, 1, n], tensors[0, 2, n]
            yy, yz, zz = tensors[1, 1, n], tensors[1, 2, n], tensors[2, 2, n]
            # D = L diag(p) L^T; the adjugate would lose the square of the condition number.
            lyx, lzx = xy / xx, xz / xx
            p1 = yy - lyx * xy
            rest = yz - lyx * xz
            lzy = rest / p1
            p2 = zz - lzx * xz - lzy * rest
            u, v, w = vectors[0, n], vectors[1, n], vectors[2, n]
            v -= lyx * u
            w -= lzx * u + lzy * v
            w /= p2
            v = v / p1 - lzy * w
            out[0, n] = u / xx - lyx * v - lzx * w
            out[1, n] = v
            out[2, n] = w


@numba.njit(parallel=True, cache=True)
def regularise(tensors, share):
    """Raise D by delta I where it is close to singular: delta = max(0, share tr D - 1/tr D^-1).

    1/tr D^-1 is between a third of the smallest eigenvalue and the smallest eigenvalue itself, so
    the condition number stays below about 1/share and with it the reach of the Selling offsets.

    Parameters
    ----------
    tensors : (d, d, N) float64, modified
        Symmetric positive semi-definite, d = 2 or 3.
    share : float
        Smallest admitted eigenvalue in units of the trace.

    Returns
    -------
    int
        Number of tensors raised.
    """
    ndim = tensors.shape[0]
    raised = 0
    for n in numba.prange(tensors.shape[2]):
        if ndim == 2:
            xx, xy, yy = tensors[0, 0, n], tensors[0, 1, n], tensors[1, 1, n]
            trace = xx + yy
            # One power of the trace more on both, so that two and three axes go on alike.
            minors = trace * trace
            det = (xx * yy - xy * xy) * trace
        else:
            xx, xy, xz = tensors[0, 0, n], tensors[0, 1, n], tensors[0, 2, n]
            yy, yz, zz = tensors[1, 1, n], tensors[1, 2, n], tensors[2, 2, n]
            trace = xx + yy + zz
            mxx, myy, mzz = yy * zz - yz * yz, xx * zz - xz * xz, xx * yy - xy * xy
            minors = mxx + myy + mzz
            det = xx * mxx - xy * (xy * zz - xz * yz) + xz * (xy * yz - xz * yy)
        # For rank one both are rounding, and their quotient is anything.
        low = max(det, 0.0) / minors if minors > RANK_ONE * trace * trace else 0.0
        delta = share * trace - low
        if delta > 0.0:
            raised += 1
            for i in range(ndim):
                tensors[i, i, n] += delta
    return raised
