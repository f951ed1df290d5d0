"""One p-value from several."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# What a p-value counts as at most: one near 1 would outvote others that are small.
MOST = 0.99


def independent(p_values: Sequence[float]) -> float:
    """Sidak: the probability that the smallest of independent p-values is as small as it is."""
    if not len(p_values):
        return 1.0
    # 1 - (1 - p)^n without cancellation for small p.
    smallest = min(p_values)
    return 1.0 if smallest >= 1.0 else -math.expm1(len(p_values) * math.log1p(-smallest))


def share(level: float, tests: int) -> float:
    """Level of each of several independent tests that :func:`independent` holds to ``level``."""
    return -math.expm1(math.log1p(-level) / tests)


def dependent(p_values: Sequence[float]) -> float:
    """Cauchy combination of p-values of whatever dependence: tests of the same walkers.

    T = mean of tan((1/2 - p_i) pi) has a Cauchy law both when the p-values are independent and
    when they are equal. Between the two that law holds in the tail: of chi-squares of up to three
    normals with correlations from 0 to 0.9, 1 to 1.1 per cent fall below p = 0.01. In the bulk
    the distribution function of p is off by up to 0.07, most at correlations of 0.7 to 0.9, where
    Bonferroni's bound would press all p towards 1.

    References
    ----------
    Liu and Xie (2020), J. Am. Stat. Assoc. 115, 393.
    """
    if not len(p_values):
        return 1.0
    p = np.clip(np.asarray(p_values, dtype=float), 1e-300, MOST)
    mean = float((1.0 / np.tan(math.pi * p)).mean())
    return math.atan2(1.0, mean) / math.pi
