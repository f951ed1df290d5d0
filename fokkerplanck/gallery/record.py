"""The record of a problem whose answer is known, and the Gaussian it starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from ..grid import Grid
from ..problem import Problem

Points = Sequence[np.ndarray]


def gaussian(points: Points, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Normal density on unbounded space at ``points``.

    Parameters
    ----------
    points : sequence of d arrays
        One per axis, broadcasting against each other.
    mean : (d,) array
    covariance : (d, d) array
        Symmetric positive definite.

    Returns
    -------
    array of the broadcast shape
        Per unit volume; underflows to zero far out.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.
    """
    factor = np.linalg.cholesky(covariance)
    offset = np.stack(np.broadcast_arrays(*points)).astype(float)
    offset -= np.reshape(mean, (-1,) + (1,) * (offset.ndim - 1))
    white = np.linalg.solve(factor, offset.reshape(len(offset), -1))
    log_scale = np.log(np.diag(factor)).sum() + 0.5 * len(offset) * np.log(2.0 * np.pi)
    return np.exp(-0.5 * (white**2).sum(axis=0) - log_scale).reshape(offset.shape[1:])


@dataclass(frozen=True)
class ExactProblem:
    """A Fokker-Planck problem together with what is known about its solution.

    Answers are those of unbounded space (or of the periodic box); a closed box changes them by
    about the mass outside it, which the default boxes keep below 1e-10 (1e-6 for P). Densities
    are values at points, not cell means. Everything is dimensionless.

    Parameters
    ----------
    name : str
    problem : Problem
    end : float
        Time at which transients are compared.
    source : str
        Where the answer comes from.
    start_mean : (d,) array
    start_covariance : (d, d) array
        Of the Gaussian start; all zeros for a point source.
    detailed_balance : bool
        Whether the stationary current vanishes.
    density : callable ``(t, points) -> array``, optional
        Exact density; at ``t = 0`` the initial one.
    mean, covariance : callable ``t -> (d,)``, ``t -> (d, d)``, optional
        Exact moments.
    stationary_density : callable ``points -> array``, optional
        Normalized over the domain of the answer.
    eigenvalues : tuple of complex
        Known eigenvalues of the generator by decreasing real part, the zero first; not
        necessarily all there are.
    entropy_production : float, optional
        Rate of the stationary state, per unit time.
    numbers : mapping of str to float
        Further published numbers.
    """

    name: str
    problem: Problem
    end: float
    source: str
    start_mean: np.ndarray
    start_covariance: np.ndarray
    detailed_balance: bool
    density: Callable[[float, Points], np.ndarray] | None = None
    mean: Callable[[float], np.ndarray] | None = None
    covariance: Callable[[float], np.ndarray] | None = None
    stationary_density: Callable[[Points], np.ndarray] | None = None
    eigenvalues: tuple[complex, ...] = ()
    entropy_production: float | None = None
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def point_source(self) -> bool:
        """Whether the start is a Dirac delta."""
        return not np.any(self.start_covariance)

    def initial(self, grid: Grid) -> np.ndarray:
        """Initial density at the cell centers, scaled to mass 1 on the grid.

        Parameters
        ----------
        grid : Grid

        Returns
        -------
        array of shape ``grid.shape``
            The exact density at time zero where it is known, otherwise the Gaussian start; a
            point source fills the cell that holds its mean.
        """
        if self.point_source:
            values = np.zeros(grid.shape)
            nearest = (
                int(np.argmin(np.abs(axis - place)))
                for axis, place in zip(grid.centers, self.start_mean, strict=True)
            )
            values[tuple(nearest)] = 1.0
        elif self.density is not None:
            values = self.density(0.0, grid.points)
        else:
            values = gaussian(grid.points, self.start_mean, self.start_covariance)
        return values / grid.integrate(values)


def stationary_normalizer(
    unnormalized: Callable[[Points], np.ndarray], grid: Grid
) -> Callable[[Points], np.ndarray]:
    """Scale a density to mass 1 by the midpoint rule on ``grid``.

    Spectrally accurate where the density and its derivatives vanish at the sides or are periodic.
    """
    mass = float(grid.integrate(np.broadcast_to(unnormalized(grid.points), grid.shape)))

    def density(points: Points) -> np.ndarray:
        return np.asarray(unnormalized(points) / mass)

    return density
