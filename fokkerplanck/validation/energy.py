"""Energy distance and transport distance of walkers from a density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from ..grid import Grid
from .bins import Bins, bisect, check_counts
from .mixture import exceedance

# Halvings: 128 boxes, whose eigenvalues are a matter of a millisecond; displacements are broad.
DEPTH = 7


@dataclass(frozen=True)
class EnergyTest:
    """Outcome of :func:`energy_test`. Lengths are in units of the axes.

    Parameters
    ----------
    statistic : float
        Number of walkers times ``energy``.
    p_value : float
    energy : float
        2 E|X - Y| - E|X - X'| - E|Y - Y'|, a length.
    expected_energy : float
        Its mean from sampling alone.
    distance : ndarray, shape (d,)
        How far the average walker must be moved along each axis to turn the histogram into the
        marginal density (Wasserstein-1).
    expected_distance : ndarray, shape (d,)
        Its mean from sampling alone.
    bins : int
    """

    statistic: float
    p_value: float
    energy: float
    expected_energy: float
    distance: np.ndarray
    expected_distance: np.ndarray
    bins: int

    @property
    def sentence(self) -> str:
        """The distances beside those of pure sampling noise."""
        pairs = ", ".join(
            f"{found:.2g} ({noise:.2g})"
            for found, noise in zip(self.distance, self.expected_distance, strict=True)
        )
        return (
            f"energy distance {self.energy:.2g} (sampling noise gives {self.expected_energy:.2g}), "
            f"p = {self.p_value:.2g}; along the axes the walkers are displaced by {pairs}"
        )


def energy_test(
    grid: Grid, counts: np.ndarray, masses: np.ndarray, *, bins: Bins | None = None
) -> EnergyTest:
    """Energy distance between the walkers on the grid and the density there.

    Sees displacements of the whole rather than local errors, and needs no expected counts to be
    large. Walkers and density are both placed at the centres of mass of pooled boxes.

    Parameters
    ----------
    grid : Grid
    counts : int ndarray of the grid's shape
    masses : ndarray of the grid's shape
        Expected probabilities, up to a factor: what is outside has no place.
    bins : Bins, optional
        Those of :func:`bisect` unless given, merged to at most 128 boxes.

    Returns
    -------
    EnergyTest

    Raises
    ------
    CaseError
        If counts or masses do not fit.

    Notes
    -----
    With p the masses of the boxes, K the matrix of their distances and n walkers, the statistic
    n (q - p)^T (-K) (q - p) tends to sum_k w_k Z_k^2, w the eigenvalues of -K between
    square roots of the multinomial covariance diag(p) - p p^T. Periodic axes are bent to
    circles, whose chords are distances in a Euclidean space; so no eigenvalue is negative.

    References
    ----------
    Szekely and Rizzo (2013), J. Stat. Plan. Inference 143, 1249.
    """
    walkers = int(counts.sum())
    check_counts(grid, counts, walkers)
    bins = (bins or bisect(grid, masses, walkers)).shallower(DEPTH)
    p = bins.pool(masses)
    places = _centroids(grid, masses, bins) / p[:, None]
    p /= p.sum()
    q = bins.pool(counts) / walkers
    squares = (places**2).sum(axis=1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2.0 * places @ places.T, 0.0))
    np.fill_diagonal(distances, 0.0)
    root = np.sqrt(p)
    form = -distances * np.outer(root, root)
    # Projection on both sides away from root, a unit vector.
    form -= np.outer(root, root @ form)
    form -= np.outer(form @ root, root)
    weights = np.maximum(linalg.eigvalsh(form), 0.0)
    energy = float(-(q - p) @ distances @ (q - p))
    found, noise = _transport(grid, counts, masses)
    return EnergyTest(
        statistic=walkers * energy,
        p_value=exceedance(walkers * energy, weights) if weights.any() else 1.0,
        energy=energy,
        expected_energy=float(weights.sum()) / walkers,
        distance=found,
        expected_distance=noise,
        bins=p.size,
    )


def _centroids(grid: Grid, masses: np.ndarray, bins: Bins) -> np.ndarray:
    """First moments of the boxes in Euclidean coordinates, shape (boxes, coordinates)."""
    columns = []
    for axis, x in zip(grid.domain.axes, grid.points, strict=True):
        if axis.periodic:
            radius = axis.length / (2.0 * math.pi)
            angle = (x - axis.lower) / radius
            columns += [radius * np.cos(angle), radius * np.sin(angle)]
        else:
            columns.append(x - 0.5 * (axis.lower + axis.upper))
    return np.stack([bins.pool(masses * column) for column in columns], axis=1)


def _transport(grid: Grid, counts: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wasserstein-1 distance of each marginal, and its mean under the null, both (d,).

    On a periodic axis both distribution functions are taken relative to their mean difference,
    which bounds the transport around the circle from above, closely.
    """
    found, noise = np.empty(grid.ndim), np.empty(grid.ndim)
    for i, axis in enumerate(grid.domain.axes):
        others = tuple(j for j in range(grid.ndim) if j != i)
        number = counts.sum(axis=others)
        mass = masses.sum(axis=others)
        walkers = number.sum()
        below = (mass.cumsum() / mass.sum()).clip(0.0, 1.0)
        gap = number.cumsum() / walkers - below
        variance = below * (1.0 - below)
        if axis.periodic:
            n = below.size
            # Row means of min(F_i, F_j) - F_i F_j, F in ascending order.
            rows = (below.cumsum() + below * np.arange(n - 1, -1, -1)) / n - below * below.mean()
            variance = np.maximum(variance - 2.0 * rows + rows.mean(), 0.0)
            gap = gap - gap.mean()
        found[i] = grid.spacing[i] * np.abs(gap).sum()
        noise[i] = grid.spacing[i] * np.sqrt(2.0 / math.pi * variance / walkers).sum()
    return found, noise
