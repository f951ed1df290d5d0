"""Eyring-Kramers rates between the minima of Phi~, with the noise Sigma in them.

Under detailed balance the drift is -Sigma grad Phi~ + div(Sigma)/beta, and for large beta the rate
from a minimum m over a saddle s is

    k = |lambda| / (2 pi) sqrt(det H_m / |det H_s|) exp(-beta (Phi~_s - Phi~_m)),

H the Hessian of Phi~ and lambda the negative eigenvalue of Sigma(s) H_s (Bovier, Eckhoff, Gayrard
and Klein, J. Eur. Math. Soc. 6 (2004) 399). Without detailed balance the prefactor needs more than
Phi~ (Bouchet and Reygner, Ann. Henri Poincare 17 (2016) 3499), and only barriers are given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..grid import Grid
from ..operators.samples import Samples
from ..problem import Problem
from ..stationary.critical_points import CriticalPoint

# Basins within this many cells of a saddle meet there.
AROUND = 2


def kramers_rates(
    problem: Problem,
    grid: Grid,
    quasi_potential: np.ndarray,
    label: np.ndarray,
    minima: Sequence[CriticalPoint],
    saddles: Sequence[CriticalPoint],
) -> tuple[np.ndarray, np.ndarray]:
    """Rates (n, n) from minimum to minimum, and the heights (n, n) of the lowest saddles.

    Parameters
    ----------
    problem : Problem
        With detailed balance, where the rates are to mean anything.
    grid : Grid
    quasi_potential : ndarray of the grid's shape
    label : int64 ndarray of the grid's shape
        Basins of the minima.
    minima, saddles : sequences of CriticalPoint
        Of Phi~; in one dimension saddles are maxima.

    Returns
    -------
    rates : (n, n)
        Per unit time, zero where no saddle joins two basins.
    heights : (n, n)
        Phi~ at the lowest saddle; inf where there is none.
    """
    samples = Samples.of_cells(grid, quasi_potential)
    count = len(minima)
    rates, heights = np.zeros((count, count)), np.full((count, count), np.inf)
    for saddle in saddles:
        joined = _joined(grid, label, saddle.position)
        if len(joined) != 2:
            continue
        _, _, hessian = samples.derivatives(saddle.position, saddle.position)
        sigma = problem.sigma_at([np.array(x) for x in saddle.position])
        downward = float(np.linalg.eigvals(sigma @ hessian).real.min())
        for i, j in (joined, joined[::-1]):
            shape = np.prod(minima[i].eigenvalues) / abs(np.prod(saddle.eigenvalues))
            barrier = saddle.value - minima[i].value
            rates[i, j] += (
                abs(downward) / (2.0 * np.pi) * np.sqrt(shape) * np.exp(-problem.beta * barrier)
            )
            heights[i, j] = min(heights[i, j], saddle.value)
    return rates, heights


def _joined(grid: Grid, label: np.ndarray, position: np.ndarray) -> list[int]:
    """Numbers of the basins around a point."""
    indices = []
    for axis, n, h, x in zip(grid.domain.axes, grid.shape, grid.spacing, position, strict=True):
        cell = int((x - axis.lower) / h) + np.arange(-AROUND, AROUND + 1)
        indices.append(cell % n if axis.periodic else np.clip(cell, 0, n - 1))
    return [int(number) for number in np.unique(label[np.ix_(*indices)])]


def passage_times(rates: np.ndarray) -> np.ndarray:
    """Mean times (n, n) of a small chain from state to state; inf where no way leads.

    By elimination without subtraction, like `elimination`, so that rates of all sizes mix.

    Parameters
    ----------
    rates : (n, n)
        Per unit time; the diagonal does not count.
    """
    count = len(rates)
    times = np.zeros((count, count))
    for target in range(count):
        rest = [i for i in range(count) if i != target]
        ahead = rates[np.ix_(rest, rest)].copy()
        dies = rates[rest, target].copy()
        source = np.ones(len(rest))
        total = np.zeros(len(rest))
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in range(len(rest)):
                total[k] = dies[k] + ahead[k, k + 1 :].sum()
                share = np.where(ahead[k + 1 :, k] > 0.0, ahead[k + 1 :, k] / total[k], 0.0)
                ahead[k + 1 :, k + 1 :] += share[:, None] * ahead[k, k + 1 :]
                dies[k + 1 :] += share * dies[k]
                source[k + 1 :] += share * source[k]
            value = np.zeros(len(rest))
            for k in reversed(range(len(rest))):
                later = np.where(ahead[k, k + 1 :] > 0.0, ahead[k, k + 1 :] * value[k + 1 :], 0.0)
                value[k] = (source[k] + later.sum()) / total[k]
        times[rest, target] = value
    return times
