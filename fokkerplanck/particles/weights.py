"""Weights of a batch whose mean gradient has the covariance of another's, and no third moment.

With independent samples i and weights w_i the gradient sum w_i g_i has the mean grad Phi for
sum w_i = 1, the covariance Sigma sum w_i^2, and the third cumulant K_3 sum w_i^3. One or two
negative weights cancel the last. Of the fourth cumulant sum w_i^4 K_4 is left: 0.28 of a single
sample's, as much as that of a batch of eight, and small beside everything for larger batches.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

# Places where a change of sign is looked for, in units of the equal weight 1/k.
LATTICE = np.linspace(0.02, 2.0, 400)


def symmetric_weights(square: float) -> np.ndarray:
    """The fewest weights k x a, d, e with the sum 1, the sum of squares given, and of cubes 0.

    Parameters
    ----------
    square : float
        Covariance wanted, in units of Sigma: 1/|B| for a batch drawn with replacement.

    Returns
    -------
    ndarray, shape (k + 2,)
        The k equal weights first.
    """
    # 1/square samples would have to be equal: some are needed beyond them.
    k = max(1, int(1.0 / square))
    while True:
        for a in _equal_weights(k, square):
            total, squares = 1.0 - k * a, square - k * a * a
            root = np.sqrt(max(2.0 * squares - total * total, 0.0))
            rest = 0.5 * (total + root), 0.5 * (total - root)
            return np.array([*[a] * k, *rest])
        k += 1


def _equal_weights(k: int, square: float) -> list[float]:
    """The a for which two further real weights exist."""

    def total(a: float) -> float:
        return 1.0 - k * a

    def cubes(a: float) -> float:
        # d^3 + e^3 in terms of d + e and d^2 + e^2.
        squares = square - k * a * a
        return 0.5 * total(a) * (3.0 * squares - total(a) ** 2) + k * a**3

    values = LATTICE / k
    signs = np.sign([cubes(a) for a in values])
    found = [
        float(brentq(cubes, values[i], values[i + 1], xtol=1e-15, rtol=1e-14))
        for i in np.flatnonzero(signs[1:] != signs[:-1])
    ]
    return [a for a in found if 2.0 * (square - k * a * a) >= total(a) ** 2]
