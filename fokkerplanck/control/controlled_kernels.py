"""Kernels of controlled generators: their rates, exp(t A) as a polynomial, and its derivative.

The rates of one edge are m c B(-P) and m c B(P) with P = r P0 + P1: the control enters by the
noise factor m and by r, the factor of the drift over that of the noise. Everything here is in one
file, because a cached kernel does not notice changes in jitted callees of other files.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

# Below this the series of B and of B' are exact to rounding: the next terms are z^12, z^11.
SERIES = 0.1
# Cells per block of a product: its part of one rate row, of x and of the result stay in the cache.
BLOCK = 1024
# Beyond this exp overflows; B(z) is then 0 and B(-z) is z.
LARGEST = 700.0


class Operator(NamedTuple):
    """Rates of a generator as plain arrays: edges by offset, edges across periodic sides, exits.

    ``forward`` and ``backward`` are (K, N), ``shifts`` (K,), ``leaving`` (N,) minus the diagonal,
    and the four last (W,). Exchanging forward and backward of both kinds gives the transpose.
    """

    forward: np.ndarray
    backward: np.ndarray
    shifts: np.ndarray
    leaving: np.ndarray
    wrap_source: np.ndarray
    wrap_target: np.ndarray
    wrap_forward: np.ndarray
    wrap_backward: np.ndarray

    def transposed(self) -> Operator:
        """A^T."""
        return self._replace(
            forward=self.backward,
            backward=self.forward,
            wrap_forward=self.wrap_backward,
            wrap_backward=self.wrap_forward,
        )


@numba.njit(cache=True)
def bernoulli_pair(z):
    """B(z), B(-z) and B'(z) of B(z) = z/(exp(z) - 1).

    Parameters
    ----------
    z : float
        Dimensionless.

    Returns
    -------
    three floats
        Relative errors of a few roundings: B(-|z|) = B(|z|) + |z| adds positive terms only, and
        B'(z) = B(z) (1 - B(-z))/z, by its series near 0; B'(-z) = -1 - B'(z).
    """
    a = abs(z)
    s = a * a
    if a < SERIES:
        even = 1.0 + s / 12.0 * (
            1.0 - s / 60.0 * (1.0 - s / 42.0 * (1.0 - s / 40.0 * (1.0 - s * 5.0 / 198.0)))
        )
        small = even - 0.5 * a
        slope = -0.5 + a / 6.0 * (
            1.0 - s / 30.0 * (1.0 - s / 28.0 * (1.0 - s / 30.0 * (1.0 - s * 5.0 / 158.4)))
        )
    elif a > LARGEST:
        small, slope = 0.0, 0.0
    else:
        small = a / math.expm1(a)
        slope = small * (1.0 - (small + a)) / a
    if z >= 0.0:
        return small, small + a, slope
    return small + a, small, -1.0 - slope


@numba.njit(cache=True)
def edge_rates(conductance, p0, p1, shifts, ratio, noise, forward, backward):
    """Rates of all edges under a control that may differ from cell to cell.

    Parameters
    ----------
    conductance, p0, p1 : (K, N) float64
        c, P0 and P1; c = 0 where there is no edge.
    shifts : (K,) int64
    ratio, noise : (N,) float64
        r and m in each cell; walkers leave a cell by the control of that cell.
    forward, backward : (K, N) float64, modified
    """
    size = ratio.size
    for k in range(shifts.size):
        for x in range(size):
            c = conductance[k, x]
            if c == 0.0:
                forward[k, x] = 0.0
                backward[k, x] = 0.0
                continue
            y = x + shifts[k]
            p = ratio[x] * p0[k, x] + p1[k, x]
            ahead, behind, _ = bernoulli_pair(-p)
            forward[k, x] = noise[x] * c * ahead
            if ratio[y] != ratio[x]:
                _, behind, _ = bernoulli_pair(-(ratio[y] * p0[k, x] + p1[k, x]))
            backward[k, x] = noise[y] * c * behind


@numba.njit(cache=True)
def edge_slopes(conductance, p0, p1, ratio, noise, ratio_slope, noise_slope, forward, backward):
    """Derivatives of :func:`edge_rates` by a control that is the same in all cells.

    Parameters
    ----------
    conductance, p0, p1 : (K, N) float64
    ratio, noise, ratio_slope, noise_slope : float
        r, m and their derivatives.
    forward, backward : (K, N) float64, modified
    """
    for k in range(conductance.shape[0]):
        for x in range(conductance.shape[1]):
            c = conductance[k, x]
            if c == 0.0:
                forward[k, x] = 0.0
                backward[k, x] = 0.0
                continue
            ahead, behind, slope = bernoulli_pair(-(ratio * p0[k, x] + p1[k, x]))
            change = ratio_slope * p0[k, x]
            forward[k, x] = c * (noise_slope * ahead - noise * slope * change)
            backward[k, x] = c * (noise_slope * behind + noise * (-1.0 - slope) * change)


@numba.njit(cache=True)
def total_out(forward, backward, shifts, out):
    """out (N,) = sum of the rates out of each cell, along edges inside the box."""
    size = out.size
    for x in range(size):
        out[x] = 0.0
    for k in range(shifts.size):
        s = shifts[k]
        for x in range(size):
            out[x] += forward[k, x]
        for x in range(max(0, -s), min(size, size - s)):
            out[x + s] += backward[k, x]


@numba.njit(cache=True)
def _add_edges(a, scale, x, out, lo, hi):
    """out[lo:hi] += scale times what flows into these cells along edges inside the box."""
    size = x.size
    for k in range(a.shifts.size):
        s = a.shifts[k]
        first, last = max(lo, s), min(hi, size + s)
        if last > first:
            rate, value = a.forward[k, first - s : last - s], x[first - s : last - s]
            into = out[first:last]
            for i in range(into.size):
                into[i] += scale * rate[i] * value[i]
        first, last = max(lo, -s), min(hi, size - s)
        if last > first:
            rate, value = a.backward[k, first:last], x[first + s : last + s]
            into = out[first:last]
            for i in range(into.size):
                into[i] += scale * rate[i] * value[i]


@numba.njit(cache=True)
def _add_wraps(a, scale, x, out):
    """out += scale times what flows across periodic sides."""
    for w in range(a.wrap_source.size):
        y, z = a.wrap_source[w], a.wrap_target[w]
        out[z] += scale * a.wrap_forward[w] * x[y]
        out[y] += scale * a.wrap_backward[w] * x[z]


@numba.njit(cache=True)
def _step(a, scale, x, out):
    """out = x + scale A x, block by block: what a block needs of the rates is met once."""
    for lo in range(0, x.size, BLOCK):
        hi = min(lo + BLOCK, x.size)
        part, here, leaving = out[lo:hi], x[lo:hi], a.leaving[lo:hi]
        for i in range(part.size):
            part[i] = here[i] - scale * leaving[i] * here[i]
        _add_edges(a, scale, x, out, lo, hi)
    _add_wraps(a, scale, x, out)


@numba.njit(cache=True)
def _step_tangent(a, da, scale, x, v, out):
    """out = v + scale (A v + dA x)."""
    for lo in range(0, x.size, BLOCK):
        hi = min(lo + BLOCK, x.size)
        part, here, moving = out[lo:hi], x[lo:hi], v[lo:hi]
        leaving, change = a.leaving[lo:hi], da.leaving[lo:hi]
        for i in range(part.size):
            part[i] = moving[i] - scale * (leaving[i] * moving[i] + change[i] * here[i])
        _add_edges(a, scale, v, out, lo, hi)
        _add_edges(da, scale, x, out, lo, hi)
    _add_wraps(a, scale, v, out)
    _add_wraps(da, scale, x, out)


@numba.njit(cache=True)
def product(a, x, out):
    """out = A x for an :class:`Operator`."""
    for i in range(out.size):
        out[i] = -a.leaving[i] * x[i]
    _add_edges(a, 1.0, x, out, 0, x.size)
    _add_wraps(a, 1.0, x, out)


@numba.njit(cache=True)
def propagate(a, q, weights, tails, x, total, integral):
    """total = sum_k weights[k] P^k x and integral = sum_k tails[k] P^k x with P = I + A/q.

    Parameters
    ----------
    a : Operator
    q : float
        At least the largest rate out of a cell, so that no entry of P is negative.
    weights, tails : (n,) float64
        Poisson probabilities of mean q t, and their tails over q: exp(t A) x, and its integral
        over t (Jensen 1953).
    x : (N,) float64
        Not modified.
    total, integral : (N,) float64, modified
        Without tails the integral is left alone.
    """
    size = x.size
    spent = tails.size > 0
    now, new = x.copy(), np.empty(size)
    for i in range(size):
        total[i] = weights[0] * now[i]
        if spent:
            integral[i] = tails[0] * now[i]
    for k in range(1, weights.size):
        _step(a, 1.0 / q, now, new)
        now, new = new, now
        w = weights[k]
        for i in range(size):
            total[i] += w * now[i]
        if spent:
            v = tails[k]
            for i in range(size):
                integral[i] += v * now[i]


@numba.njit(cache=True)
def propagate_with_slope(a, da, q, weights, tails, x, total, integral, slope, integral_slope):
    """As :func:`propagate`, with the derivatives of both results along A + s da at s = 0.

    The tangent of P^(k+1) x is P times that of P^k x, plus (da/q) P^k x: exact for the polynomial.
    """
    size = x.size
    spent = tails.size > 0
    now, new = x.copy(), np.empty(size)
    tangent, next_tangent = np.zeros(size), np.empty(size)
    for i in range(size):
        total[i] = weights[0] * now[i]
        slope[i] = 0.0
        if spent:
            integral[i] = tails[0] * now[i]
            integral_slope[i] = 0.0
    for k in range(1, weights.size):
        _step_tangent(a, da, 1.0 / q, now, tangent, next_tangent)
        _step(a, 1.0 / q, now, new)
        now, new = new, now
        tangent, next_tangent = next_tangent, tangent
        w = weights[k]
        for i in range(size):
            total[i] += w * now[i]
            slope[i] += w * tangent[i]
        if spent:
            v = tails[k]
            for i in range(size):
                integral[i] += v * now[i]
                integral_slope[i] += v * tangent[i]
