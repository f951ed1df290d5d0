"""G-test of walkers against a density, at three scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from ..grid import Grid
from .bins import Bins, bisect, check_counts
from .combine import independent, share
from .power import POWER, detectable

# Halvings seen by each scale, and the most bins they lead to.
SCALES = (("broad", 0, 3), ("middle", 3, 6), ("fine", 6, 9))


@dataclass(frozen=True)
class Scale:
    """What one range of bin sizes says.

    Parameters
    ----------
    name : str
    bins : int
        The most bins at this scale.
    statistic, degrees, p_value
        G, its degrees of freedom, and the probability of a larger one.
    effect : float
        Root-mean-square relative error of the bins' masses that is found with power 0.9.
    """

    name: str
    bins: int
    statistic: float
    degrees: int
    p_value: float
    effect: float


@dataclass(frozen=True)
class FitTest:
    """Outcome of :func:`g_test`.

    Parameters
    ----------
    statistic, degrees : float, int
        G over all scales and its degrees of freedom.
    p_value : float
        That of the scales together: uniform under the null.
    bins : int
    effect : float
        As of :class:`Scale`, for an error of the finest scale, the hardest to see.
    level : float
        At which ``effect`` is found with power 0.9.
    scales : tuple of Scale
    """

    statistic: float
    degrees: int
    p_value: float
    bins: int
    effect: float
    level: float
    scales: tuple[Scale, ...]

    @property
    def sentence(self) -> str:
        """What was tested, and the smallest error it would have found."""
        sizes = ", ".join(f"{s.effect:.2%} ({s.name}, {s.bins} bins)" for s in self.scales)
        return (
            f"G = {self.statistic:.1f} with {self.degrees} degrees of freedom, p = "
            f"{self.p_value:.2g}; masses wrong by {sizes}, root mean square, would be found with "
            f"probability {POWER:.0%}"
        )


def g_test(
    grid: Grid,
    counts: np.ndarray,
    masses: np.ndarray,
    particles: int,
    *,
    level: float = 0.01,
    bins: Bins | None = None,
) -> FitTest:
    """Likelihood-ratio test of counts against expected masses, in pooled bins.

    G = 2 sum n log(n / expected) of the bins is, exactly, the sum of the binomial G of the
    halvings that led to the bins, and these are independent under the null. So the coarse
    halvings, which see a smooth error, and the fine ones, which see a sharp one, are judged
    apart, and the smallest p-value counts at its exact price (Sidak).

    Parameters
    ----------
    grid : Grid
    counts : int ndarray of the grid's shape
    masses : ndarray of the grid's shape
        Expected probabilities, from :func:`cell_masses`; what is missing to 1 is outside.
    particles : int
        Walkers that started. Those not in ``counts`` are outside.
    level : float
        Of the test whose power is stated.
    bins : Bins, optional
        Those of :func:`bisect` unless given: up to 512 boxes.

    Returns
    -------
    FitTest

    Raises
    ------
    CaseError
        If counts or masses do not fit.

    Notes
    -----
    An error of the relative size e(bin), weighted by the mass, has the size
    sqrt(sum mass e^2); for a Gaussian in d dimensions whose covariance is wrong by the
    factor 1 + e that is e sqrt(d/2). With lambda the noncentrality that gives power 0.9,
    ``effect`` is sqrt(lambda / particles).

    References
    ----------
    Williams (1976), Biometrika 63, 33: the factor that makes the mean of G that of chi-square.
    """
    check_counts(grid, counts, particles)
    bins = bins or bisect(grid, masses, particles)
    number = _nodes(bins.pool_all(counts, particles), bins.splits)
    mass = _nodes(bins.pool_all(masses, 1.0), bins.splits)
    statistic = _binomial_g(number, mass, particles)
    present = [
        (name, lower, upper)
        for name, lower, upper in SCALES
        if ((bins.levels >= lower) & (bins.levels < upper)).any()
    ]
    scales = []
    for name, lower, upper in present:
        chosen = (bins.levels >= lower) & (bins.levels < upper)
        degrees, value = int(chosen.sum()), float(statistic[chosen].sum())
        scales.append(
            Scale(
                name=name,
                bins=int((bins.levels < upper).sum()) + 1,
                statistic=value,
                degrees=degrees,
                p_value=float(special.chdtrc(degrees, value)),
                effect=detectable(degrees, particles, share(level, len(present))),
            )
        )
    return FitTest(
        statistic=float(statistic.sum()),
        degrees=statistic.size,
        p_value=independent([scale.p_value for scale in scales]),
        bins=bins.size,
        effect=max((scale.effect for scale in scales), default=float("inf")),
        level=level,
        scales=tuple(scales),
    )


def _nodes(values: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Both halves of each split, shape (2, s)."""
    below = np.append(0.0, values.cumsum())
    first, middle, last = below[splits.T]
    return np.stack([middle - first, last - middle])


def _binomial_g(number: np.ndarray, mass: np.ndarray, particles: int) -> np.ndarray:
    """G of each split given the walkers that reached it, with Williams' correction, shape (s,)."""
    parent = mass.sum(axis=0)
    fraction = mass / parent
    expected = number.sum(axis=0) * fraction
    g = 2.0 * (special.xlogy(number, number) - special.xlogy(number, expected)).sum(axis=0)
    correction = 1.0 + ((1.0 / fraction).sum(axis=0) - 1.0) / (6.0 * particles * parent)
    # Rounding takes the difference of the two logarithms below zero where the counts fit exactly.
    return np.maximum(g, 0.0) / correction
