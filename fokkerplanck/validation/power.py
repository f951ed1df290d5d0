"""How large an error must be for a chi-square test to find it."""

from __future__ import annotations

import math

from scipy import special

POWER = 0.9


def noncentrality(degrees: int, level: float, power: float = POWER) -> float:
    """The lambda at which a noncentral chi-square exceeds the critical value with ``power``."""
    return float(special.chndtrinc(special.chdtri(degrees, level), degrees, 1.0 - power))


def detectable(degrees: int, particles: float, level: float, power: float = POWER) -> float:
    """Root-mean-square relative error of the expected masses found with ``power``.

    The statistic of ``particles`` walkers has lambda = particles sum_k mass_k error_k^2.
    """
    return math.sqrt(noncentrality(degrees, level, power) / particles)
