"""Kernels that build the generator: Bernoulli function, edge rates, tensors cell by cell.

One file, because a cached kernel does not notice changes in jitted callees of other files.
"""

from __future__ import annotations

import math

import numba

from .threads import parallel

# Below this argument the series of B(z) is exact to rounding: its next term is z^4/720.
BERNOULLI_SERIES = 1e-3
# Share of the squared trace below which the sum of the principal minors counts as rounding.
RANK_ONE = 1e-10


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


@numba.njit(cache=True)
def _edge_rates(conductance, force, forward, backward, n):
    c = conductance[n]
    if c > 0.0:
        forward[n] = c * bernoulli(-force[n])
        backward[n] = c * bernoulli(force[n])
    else:
        forward[n] = 0.0
        backward[n] = 0.0


@parallel
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
        _edge_rates(conductance, force, forward, backward, n)


@numba.njit(cache=True)
def edge_rates_serial(conductance, force, forward, backward):
    """:func:`edge_rates` on one thread, for arrays too small to share."""
    for n in range(conductance.size):
        _edge_rates(conductance, force, forward, backward, n)


@numba.njit(cache=True)
def forward_rates_serial(conductance, force, forward):
    """The first half of :func:`edge_rates`, on one thread; with -P it is the second half."""
    for n in range(conductance.size):
        c = conductance[n]
        forward[n] = c * bernoulli(-force[n]) if c > 0.0 else 0.0


@parallel
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


@parallel
def solve_tensor(tensors, vectors, out):
    """Solve D g = b cell by cell by elimination.

    Parameters
    ----------
    tensors : (d, d, N) float64
        Symmetric positive definite, d = 1, 2 or 3.
    vectors : (d, N) float64
    out : (d, N) float64, modified
        Not finite where D is singular.
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


@parallel
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
