"""Slow twins of the stationary solver: subtraction-free elimination of a dense chain."""

from __future__ import annotations

import mpmath
import numpy as np


def eliminated(matrix: np.ndarray, digits: int | None = None) -> np.ndarray:
    """log of the null vector of a generator, columns the states left, largest value 0.

    Grassmann, Taksar and Heyman, Oper. Res. 33 (1985) 1107, without regard for cost.

    Parameters
    ----------
    matrix : (n, n) array
    digits : int, optional
        Work with so many decimal digits of mpmath instead of doubles.
    """
    if digits is None:
        return _eliminate(np.array(matrix, dtype=float), np.log)
    with mpmath.workdps(digits):
        exact = np.array([[mpmath.mpf(float(a)) for a in row] for row in matrix])
        return _eliminate(exact, np.vectorize(mpmath.log)).astype(float)


def _eliminate(matrix: np.ndarray, log: np.ufunc | np.vectorize) -> np.ndarray:
    rates = matrix.T.copy()
    n = len(rates)
    for k in range(n - 1, 0, -1):
        rates[:k, k] /= rates[k, :k].sum()
        rates[:k, :k] += rates[:k, k, None] * rates[k, None, :k]
    mass = rates[0].copy()
    mass[0] = rates[0, 0] * 0 + 1
    for k in range(1, n):
        mass[k] = mass[:k] @ rates[:k, k]
    logs = log(mass)
    return np.asarray(logs - logs.max())


def blocked(flux: np.ndarray, block: np.ndarray, share: float) -> np.ndarray:
    """Fluxes between blocks, flux[i, j] from j to i, with a share of their diffusion out."""
    count = int(block.max()) + 1
    total = np.zeros((count, count))
    for i in range(len(flux)):
        for j in range(len(flux)):
            if block[i] != block[j]:
                total[block[i], block[j]] += flux[i, j]
    result = np.zeros_like(total)
    for i in range(count):
        for j in range(count):
            f, g = total[i, j], total[j, i]
            if f + g > 0.0:
                result[i, j] = (1.0 - share) * f + share * f * f / (f + g)
    return result
