"""Eigenvalues of small chains by other means: all of them at once, or in many digits."""

from __future__ import annotations

import mpmath
import numpy as np

from fokkerplanck.operators.generator import Generator

DIGITS = 60


def all_eigenvalues(generator: Generator) -> np.ndarray:
    """Of the full matrix, by decreasing real part."""
    values = np.linalg.eigvals(generator.to_scipy().toarray())
    return values[np.lexsort((-values.imag, -values.real))]


def slowest_rate(generator: Generator, guess: float) -> mpmath.mpf:
    """Rate of a chain in one dimension nearest to a guess, by inverse iteration in 60 digits.

    The rates between cells are taken as they are, exact binary numbers.
    """
    with mpmath.workdps(DIGITS):
        n = generator.grid.size
        up = [mpmath.mpf(float(rate)) for rate in generator.rates.forward[0][:-1]] + [0]
        down = [0] + [mpmath.mpf(float(rate)) for rate in generator.rates.backward[0][:-1]]
        shift = mpmath.mpf(guess) * mpmath.mpf("0.999")
        u = [mpmath.mpf(i - n // 2) for i in range(n)]
        for _ in range(8):
            # Thomas' elimination of (-A^T - shift) v = u.
            ratio, right = [mpmath.mpf(0)] * n, [mpmath.mpf(0)] * n
            for i in range(n):
                before = (ratio[i - 1], right[i - 1]) if i else (0, 0)
                pivot = up[i] + down[i] - shift + down[i] * before[0]
                ratio[i] = -up[i] / pivot
                right[i] = (u[i] + down[i] * before[1]) / pivot
            for i in range(n - 2, -1, -1):
                right[i] -= ratio[i] * right[i + 1]
            largest = max(range(n), key=lambda i: abs(right[i]))
            found = shift + u[largest] / right[largest]
            u = [value / right[largest] for value in right]
        return found
