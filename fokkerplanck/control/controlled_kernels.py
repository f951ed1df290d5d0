"""Kernels of controlled generators: exp(t A) as a polynomial, and its derivative by the control.

The rates of one edge are m c B(-P) and m c B(P) with P = r P0 + P1: the control enters by the
noise factor m and by r, the factor of the drift over that of the noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

from ..operators import kernels, product
from ..operators.kernels import bernoulli
from ..operators.product import product_serial
from ..runtime.compiling import source_stamp

# Below this the series of B' is exact to rounding: its next term is z^11.
SERIES = 0.1
# Of the files whose kernels are called here.
SOURCES = source_stamp(__file__, kernels.__file__, product.__file__)


@numba.njit
def bernoulli_slope(z, ahead, behind):
    """B'(z) of B(z) = z/(exp(z) - 1), from B(z) and B(-z).

    Notes
    -----
    Relative error of a few roundings: B'(z) = B(z) (1 - B(-z))/z, by its series near 0.
    """
    if abs(z) < SERIES:
        s = z * z
        return -0.5 + z / 6.0 * (
            1.0 - s / 30.0 * (1.0 - s / 28.0 * (1.0 - s / 30.0 * (1.0 - s * 5.0 / 158.4)))
        )
    return ahead * (1.0 - behind) / z


def _kernels(sources: str) -> tuple[Callable[..., None], ...]:
    """The kernels that call those of other files.

    They close over ``sources``: numba looks into its cache by that too, and so notices a change of
    a file whose kernels they call.
    """

    @numba.njit(cache=True)
    def edge_slopes(conductance, p0, p1, factors, slopes, forward, backward):
        """Derivatives of the rates by a control that is the same in all cells.

        Parameters
        ----------
        conductance, p0, p1 : (E,) float64
            c, P0 and P1 of the edges.
        factors, slopes : (float, float)
            r and m, and their derivatives.
        forward, backward : (E,) float64, modified
        """
        _ = sources
        (r, m), (dr, dm) = factors, slopes
        for n in range(conductance.size):
            c = conductance[n]
            if c == 0.0:
                forward[n] = 0.0
                backward[n] = 0.0
                continue
            p = r * p0[n] + p1[n]
            ahead, behind = bernoulli(-p), bernoulli(p)
            slope = bernoulli_slope(-p, ahead, behind)
            change = dr * p0[n]
            forward[n] = c * (dm * ahead - m * slope * change)
            # B'(-z) is -1 - B'(z).
            backward[n] = c * (dm * behind + m * (-1.0 - slope) * change)

    @numba.njit(cache=True)
    def propagate(rates, q, weights, tails, x, total, integral):
        """total = sum_k weights[k] P^k x and integral = sum_k tails[k] P^k x with P = I + A/q.

        Parameters
        ----------
        rates : EdgeRates
            Of A.
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
        _ = sources
        now, new = x.copy(), np.empty(x.size)
        total[:] = 0.0
        _gather(total, weights, 0, now)
        if tails.size > 0:
            integral[:] = 0.0
            _gather(integral, tails, 0, now)
        for k in range(1, weights.size):
            product_serial(rates, now, (1.0 / q, 1.0, 0.0), now, total, weights[k], new, True)
            now, new = new, now
            _gather(integral, tails, k, now)

    @numba.njit(cache=True)
    def propagate_with_slope(
        rates, change, q, weights, tails, x, total, integral, slope, integral_slope
    ):
        """As :func:`propagate`, with the derivatives of both results along A + s dA at s = 0.

        ``change`` has the rates of dA. The tangent of P^(k+1) x is P times that of P^k x, plus
        (dA/q) P^k x: exact for the polynomial.
        """
        _ = sources
        size, scale = x.size, 1.0 / q
        now, new = x.copy(), np.empty(size)
        tangent, following = np.zeros(size), np.empty(size)
        total[:] = 0.0
        slope[:] = 0.0
        _gather(total, weights, 0, now)
        if tails.size > 0:
            integral[:] = 0.0
            integral_slope[:] = 0.0
            _gather(integral, tails, 0, now)
        for k in range(1, weights.size):
            w = weights[k]
            product_serial(
                rates, tangent, (scale, 1.0, 0.0), tangent, following, 0.0, following, True
            )
            product_serial(change, now, (scale, 0.0, 1.0), following, slope, w, following, False)
            product_serial(rates, now, (scale, 1.0, 0.0), now, total, w, new, True)
            now, new = new, now
            tangent, following = following, tangent
            _gather(integral, tails, k, now)
            _gather(integral_slope, tails, k, tangent)

    return edge_slopes, propagate, propagate_with_slope


@numba.njit
def _gather(sums, weights, k, values):
    """sums += weights[k] values; nothing where there are no weights."""
    if weights.size > 0:
        w = weights[k]
        for i in range(values.size):
            sums[i] += w * values[i]


edge_slopes, propagate, propagate_with_slope = _kernels(SOURCES)
