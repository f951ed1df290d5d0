"""Slow twins of the stationary solver: subtraction-free elimination of a dense chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mpmath
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from fokkerplanck.operators.generator import Generator


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


def inverse_iterated(matrix: sparse.spmatrix, q: float) -> np.ndarray:
    """Null vector by inverse iteration, largest value 1; right only near its peak."""
    size = matrix.shape[0]
    factors = splu((matrix - 1e-13 * q * sparse.identity(size)).tocsc())
    x = np.ones(size)
    for _ in range(6):
        x = factors.solve(x)
        x /= x[np.argmax(np.abs(x))]
    return x


def unbalance(generator: Generator, log_density: np.ndarray) -> np.ndarray:
    """Inflow over outflow of every cell, minus 1; of logarithms, hence of any range."""
    logs, r = log_density.reshape(-1), generator.rates
    cells = np.arange(logs.size)
    inflow = np.zeros(logs.size)
    leaving = np.zeros(logs.size)

    def add(source: np.ndarray, target: np.ndarray, rate: np.ndarray) -> None:
        there = rate > 0.0
        source, target, rate = source[there], target[there], rate[there]
        np.add.at(inflow, target, rate * np.exp(logs[source] - logs[target]))
        np.add.at(leaving, source, rate)

    for shift, forward, backward in zip(r.shifts, r.forward, r.backward, strict=True):
        add(cells, cells + shift, forward)
        add(cells + shift, cells, backward)
    add(r.wrap_source, r.wrap_target, r.wrap_forward)
    add(r.wrap_target, r.wrap_source, r.wrap_backward)
    return np.asarray(inflow / leaving - 1.0)
