"""Where histograms of walkers may lie: bands and error bars for figures."""

from __future__ import annotations

import numpy as np
from scipy import special


def band(
    expected: np.ndarray, particles: int, level: float = 0.95, together: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of walkers compatible with expected masses: quantiles of the binomial law.

    Where many walkers are expected this is p -+ z sqrt(p (1 - p)/N), the masses whose Wilson
    interval holds p. In the tails, where less than a walker is expected, a single one would
    leave that band too often; the quantiles keep their promise.

    Parameters
    ----------
    expected : ndarray, in [0, 1]
        Masses, e.g. of the bins of a marginal histogram.
    particles : int
    level : float
        Least probability that a bin is inside its band, ends included.
    together : bool
        Whether ``level`` is the probability that all bins are inside (Sidak's shares).

    Returns
    -------
    lower, upper : ndarrays of the same shape
        Divide by the widths of the bins to compare with a density.
    """
    expected = np.asarray(expected, dtype=float)
    single = level ** (1.0 / expected.size) if together else level
    lower = _binomial_quantile(0.5 * (1.0 - single), particles, expected)
    upper = _binomial_quantile(0.5 * (1.0 + single), particles, expected)
    return lower / particles, upper / particles


def wilson(
    counts: np.ndarray, particles: int, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval for the mass behind each count: error bars that never vanish at zero.

    Parameters
    ----------
    counts : int ndarray
    particles : int
    level : float

    Returns
    -------
    lower, upper : ndarrays of the same shape
        Ends of the masses p with (count/N - p)^2 <= z^2 p (1 - p)/N.

    References
    ----------
    Wilson (1927), J. Am. Stat. Assoc. 22, 209.
    """
    fraction = np.asarray(counts, dtype=float) / particles
    share = float(special.ndtri(0.5 * (1.0 + level))) ** 2 / particles
    center = fraction + 0.5 * share
    half = np.sqrt(share * (fraction * (1.0 - fraction) + 0.25 * share))
    lower, upper = (center - half) / (1.0 + share), (center + half) / (1.0 + share)
    # At no and at all walkers one end is exact, but for rounding.
    return np.maximum(lower, 0.0), np.minimum(upper, 1.0)


def _binomial_quantile(probability: float, number: int, p: np.ndarray) -> np.ndarray:
    """Smallest k with P(K <= k) >= probability."""
    inside = (p > 0.0) & (p < 1.0)
    safe = np.where(inside, p, 0.5)
    # The inverse in k is undefined below P(K = 0); it is continuous, hence rounded up.
    zero = special.bdtr(0.0, number, safe) >= probability
    guess = np.where(zero, 0.0, np.ceil(special.bdtrik(probability, number, safe)))
    return np.where(inside, guess, np.where(p > 0.0, float(number), 0.0))
