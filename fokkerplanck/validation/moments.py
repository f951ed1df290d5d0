"""Mean and covariance of walkers against those of a density."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy import linalg, special

from ..errors import CaseError, NumericalFailure
from ..grid import Grid
from .bins import check_masses
from .masses import second_difference
from .power import POWER, noncentrality

# Directions in which the moments vary by less, relative to the others, carry no information.
RANK = 1e-10
# Roughness up to which moments are trusted: a Gaussian one cell wide has 0.97, and its variance
# is off by 1e-3.
ROUGH = 1.0


@dataclass(frozen=True)
class MomentTest:
    """Outcome of :func:`moment_test`.

    Parameters
    ----------
    mean_z : ndarray, shape (d,)
        Deviations of the means in standard errors.
    covariance_z : ndarray, shape (d, d)
        Those of the covariances.
    statistic, degrees : float, int
        All of them together, with their correlations; chi-square under the null.
    p_value : float
    effect : float
        Relative error of the whole covariance that is found with power 0.9.
    level : float
        At which ``effect`` is found.
    """

    mean_z: np.ndarray
    covariance_z: np.ndarray
    statistic: float
    degrees: int
    p_value: float
    effect: float
    level: float

    @property
    def sentence(self) -> str:
        """What was tested, and the smallest error it would have found."""
        largest = max(np.abs(self.mean_z).max(), np.abs(self.covariance_z).max())
        return (
            f"means and covariances deviate by up to {largest:.1f} standard errors, p = "
            f"{self.p_value:.2g}; a covariance wrong by {self.effect:.2%} would be found with "
            f"probability {POWER:.0%}"
        )


def moment_test(
    grid: Grid,
    mean: np.ndarray,
    covariance: np.ndarray,
    particles: int,
    masses: np.ndarray,
    *,
    level: float = 0.01,
) -> MomentTest:
    """Chi-square test of the mean and covariance of walkers, at their true places.

    Parameters
    ----------
    grid : Grid
    mean : ndarray, shape (d,)
    covariance : ndarray, shape (d, d)
        Over ``particles`` walkers, all of them on the grid.
    particles : int
    masses : ndarray of the grid's shape
        Expected probabilities, from :func:`cell_masses`, up to a factor.
    level : float
        Of the test whose power is stated.

    Returns
    -------
    MomentTest

    Raises
    ------
    CaseError
        If masses or moments do not fit the grid, or a moment is not finite.
    NumericalFailure
        If the density is too narrow for the grid.

    Notes
    -----
    The moments of the density are integrals over the cells to order 4, not sums over their
    centres. The sampling variances follow from its moments up to the fourth:
    N Cov(C_ij, C_kl) = mu_ijkl - S_ij S_kl and N Cov(m_i, C_jk) = mu_ijk.
    """
    check_masses(grid, masses)
    d = grid.ndim
    if mean.shape != (d,) or covariance.shape != (d, d):
        raise CaseError(
            f"a mean of the shape {mean.shape} and a covariance of the shape {covariance.shape} "
            f"do not fit {d} axes"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise CaseError(f"the ensemble's mean {mean} or covariance is not finite")
    rough = roughness(grid, masses)
    if rough.max() > ROUGH:
        name = grid.names[int(rough.argmax())]
        raise NumericalFailure(
            f"along {name} the density is about {rough.max() ** -0.5:.2g} cells wide, too narrow "
            "for its moments",
            f"take more cells along {name}, at least one per standard deviation",
        )
    center, moments = central_moments(grid, masses)
    pairs = list(combinations_with_replacement(range(d), 2))
    indices: list[tuple[int, ...]] = [*((i,) for i in range(d)), *pairs]
    exact = np.array([moments[_order(index, d)] for index in indices])
    # E[y y'] - E[y] E[y'] for the products y: first moments about the mean vanish.
    joint = np.array([[moments[_order(a + b, d)] for b in indices] for a in indices])
    joint = (joint - np.outer(exact, exact)) / particles
    deviation = np.array(
        [mean[i] - center[i] for i in range(d)]
        + [covariance[pair] - moments[_order(pair, d)] for pair in pairs]
    )
    error = np.sqrt(np.diag(joint))
    known = np.flatnonzero(error > 0.0)
    z = np.zeros(len(indices))
    z[known] = deviation[known] / error[known]
    values, vectors = linalg.eigh(
        joint[np.ix_(known, known)] / np.outer(error[known], error[known])
    )
    kept = values > RANK
    independent = vectors[:, kept] / np.sqrt(values[kept])
    statistic, degrees = float(((z[known] @ independent) ** 2).sum()), int(kept.sum())
    scaled = np.where(np.arange(len(indices)) < d, 0.0, exact)[known] / error[known]
    signal = float(((scaled @ independent) ** 2).sum())
    covariance_z = np.zeros((d, d))
    for (i, j), score in zip(pairs, z[d:], strict=True):
        covariance_z[i, j] = covariance_z[j, i] = score
    return MomentTest(
        mean_z=z[:d],
        covariance_z=covariance_z,
        statistic=statistic,
        degrees=degrees,
        p_value=float(special.chdtrc(degrees, statistic)),
        effect=math.sqrt(noncentrality(degrees, level) / signal),
        level=level,
    )


def roughness(grid: Grid, masses: np.ndarray) -> np.ndarray:
    """Sum of |second differences| per mass along each axis, shape (d,).

    About (h/s)^2 for wells of the standard deviation s, however far apart; 4 for a point.
    """
    total = masses.sum()
    return np.array(
        [
            np.abs(second_difference(masses, i, axis.periodic)).sum() / total
            for i, axis in enumerate(grid.domain.axes)
        ]
    )


def central_moments(grid: Grid, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,), and the table E[prod_i (x_i - m_i)^k_i] over k_i = 0 to 4, shape (5,) * d.

    Order 4 in the spacing.
    """
    weights = masses / masses.sum()
    mean = np.empty(grid.ndim)
    for i in range(grid.ndim):
        marginal = weights.sum(axis=tuple(j for j in range(grid.ndim) if j != i))
        mean[i] = marginal @ _powers(grid, i, 0.0)[1]
    table = weights
    for i in range(grid.ndim):
        # Each contraction takes away the first axis and appends that of the powers.
        table = np.tensordot(table, _powers(grid, i, mean[i]), axes=(0, 1))
    return mean, table


def _powers(grid: Grid, i: int, origin: float) -> np.ndarray:
    """Weights w with E[(x - origin)^k] = sum_cell w[k, cell] mass[cell], shape (5, n).

    In a cell (x + u)^k = x^k + k x^(k-1) u + k(k-1)/2 x^(k-2) u^2; the density's slope gives the
    mean of u, a difference of neighbouring masses, and u^2 averages h^2/12.
    """
    axis, h, n = grid.domain.axes[i], grid.spacing[i], grid.shape[i]
    x = grid.centers[i] - origin
    result = np.empty((5, n))
    for k in range(5):
        result[k] = x**k
        if k >= 1:
            result[k] += k * h / 12.0 * _slope_adjoint(x ** (k - 1), axis.periodic)
        if k >= 2:
            result[k] += 0.5 * k * (k - 1) * h**2 / 12.0 * x ** (k - 2)
    return result


def _slope_adjoint(values: np.ndarray, periodic: bool) -> np.ndarray:
    """Transpose of the difference (m[i+1] - m[i-1])/2, one-sided of order 2 at the ends."""
    result = np.zeros_like(values)
    inner = values[1:-1]
    result[2:] += 0.5 * inner
    result[:-2] -= 0.5 * inner
    first, last = 0.5 * values[0], 0.5 * values[-1]
    if periodic:
        result[1] += first
        result[-1] -= first
        result[0] += last
        result[-2] -= last
    else:
        result[:3] += first * np.array([-3.0, 4.0, -1.0])
        result[-3:] += last * np.array([1.0, -4.0, 3.0])
    return result


def _order(index: tuple[int, ...], d: int) -> tuple[int, ...]:
    """Exponent of each axis in a product of coordinates."""
    return tuple(index.count(i) for i in range(d))
