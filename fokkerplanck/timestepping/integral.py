"""int_0^dt exp(s A) x ds by Chebyshev polynomials, for operators whose spectrum is a flat ellipse.

The density after a step is x + A R with R this integral, so that its fluxes are those of R.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.fft import dct

from ..high_order.high_order import HighOrder

# Values below this share of the largest are taken for zero: arithmetic with numbers below the
# smallest normal double takes ten times as long, and the tails of the result are not theirs anyway.
NEGLIGIBLE = 1e-100
# Terms below this share of dt |x| are left out; three in a row end the sum.
TRUNCATION = 1e-12
QUIET = 3
# Largest term admitted, in units of dt |x|: rounding then stays below 1e-10.
LARGEST_TERM = 1e6
# Exponent of the growth that is planned for, and bound on speed * dt; the rest is seen on the way.
PLANNED_GROWTH = 9.0
PLANNED_TURNS = 30.0


class TermsGrow(ArithmeticError):
    """The step is too long: the terms of the series outgrow its sum."""


def longest_step(operator: HighOrder) -> float:
    """Longest step for which the series is expected to keep its rounding small."""
    half = 0.5 * interval(operator)
    ratio = operator.speed / half
    # On the ellipse through the ends and +-i speed the terms grow like exp(half dt (a - 1)).
    growth = half * (math.sqrt(1.0 + ratio * ratio) - 1.0)
    return min(PLANNED_GROWTH / growth, PLANNED_TURNS / operator.speed) if growth else math.inf


def interval(operator: HighOrder) -> float:
    """Length of the interval [-length, 0] on which the polynomials live."""
    return max(operator.extent, operator.speed)


def integral(operator: HighOrder, x: np.ndarray, dt: float) -> tuple[np.ndarray, int]:
    """R = int_0^dt exp(s A) x ds, to about ``TRUNCATION`` in L1 relative to dt |x|.

    Parameters
    ----------
    operator : HighOrder
    x : (N,) float64
        Any sign.
    dt : float

    Returns
    -------
    R : (N,) float64
    products : int

    Raises
    ------
    TermsGrow
        If a shorter step is needed.
    """
    half = 0.5 * interval(operator)
    coefficients = _coefficients(half * dt)
    size = np.abs(x)
    x = np.where(size > NEGLIGIBLE * float(size.max()), x, 0.0)
    scale = dt * float(size.sum())
    if scale == 0.0:
        return np.zeros_like(x), 0
    total = (dt * coefficients[0]) * x
    before, current = x, np.empty_like(x)
    operator.combine(x, 1.0 / half, 1.0, x, 0.0, current, total, dt * coefficients[1])
    quiet = 0
    for k in range(2, coefficients.size):
        weight = dt * float(coefficients[k])
        size = operator.combine(current, 2.0 / half, 2.0, before, -1.0, before, total, weight)
        before, current = current, before
        term = abs(weight) * size
        if not term <= LARGEST_TERM * scale:
            raise TermsGrow
        quiet = quiet + 1 if term <= TRUNCATION * scale else 0
        if quiet == QUIET:
            return total, k
    raise TermsGrow


@lru_cache(maxsize=16)
def _coefficients(z: float) -> np.ndarray:
    """Chebyshev coefficients of (exp(y) - 1)/y, y = z (cos(angle) - 1)."""
    count = int(64 + 8.0 * z)
    y = z * (np.cos((np.arange(count) + 0.5) * np.pi / count) - 1.0)
    # Nowhere zero: the nodes lie inside the interval.
    values = np.expm1(y) / y if z > 0.0 else np.ones(count)
    result = np.asarray(dct(values)) / count
    result[0] *= 0.5
    # Half of them would do where the spectrum is real; the others serve where it turns.
    result.setflags(write=False)
    return result[: count // 2]
