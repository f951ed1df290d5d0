"""Steps of SGD as a record: their densities, what is stationary under them, and the relations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..brief import brief
from ..notebook import record_html

# Attributes of the group in a file.
NUMBERS: dict[str, str] = {
    "rate": "learning rate",
    "multiplier": "mass left after a step at rest; 1 in a closed box",
    "residual": "change of the stationary density in a step, L1",
    "entries": "entries of the transfer operator",
    "excess": "variance that the grid adds to a step, relative",
    "folded": "share of a step at rest that reflecting sides bring back",
    "distance": "total variation between rho_ss of the steps and of the diffusion",
    "divergence": "Kullback-Leibler divergence of rho_ss of the steps from that of the diffusion",
    "distance_order": "order of the distance in the learning rate",
    "walkers_p_value": "p-value of the walkers against the density of as many steps",
    "walkers_distance": "share of the walkers in a wrong bin",
    "walkers_sampling": "its mean from the number of walkers alone",
    "walkers_grid": "rms relative error of the bins' masses through the grid, from two grids",
    "walkers_noise": "the same through the number of walkers",
    "walkers_unexplained": "the same through neither",
}
SERIES: dict[str, str] = {
    "mass": "mass after that many steps",
    "minimum": "smallest value of the density",
    "mean": "mean of the parameters",
    "covariance": "covariance of the parameters",
}
SCAN: dict[str, str] = {
    "distance": "total variation between rho_ss of the steps and of the diffusion",
    "divergence": "Kullback-Leibler divergence of rho_ss of the steps from that of the diffusion",
    "variance_ratio": "variance of the steps over that of the diffusion, summed over the axes",
    "excess": "variance that the grid adds to a step, relative",
    "folded": "share of a step at rest that reflecting sides bring back",
}
SOURCES: dict[str, str] = {
    "diffusion": "stationary density of the diffusion",
    "transfer": "stationary density of the steps",
    "walkers": "walkers at the last output time",
}


@dataclass(frozen=True)
class RelationRow:
    """Both sides of a relation; ``sampling`` and ``grid`` are errors of their difference."""

    source: str
    name: str
    left: float
    right: float
    sampling: float
    grid: float

    @property
    def scale(self) -> float:
        """The larger side."""
        return max(abs(self.left), abs(self.right), np.finfo(float).tiny)

    @property
    def gap(self) -> float:
        """Difference of the sides over the larger one."""
        return abs(self.left - self.right) / self.scale

    @property
    def error(self) -> float:
        """Known error of the difference over the larger side."""
        return (self.sampling + (self.grid if np.isfinite(self.grid) else 0.0)) / self.scale


@dataclass(eq=False, repr=False)
class DiscreteRecord:
    """What the transfer operator of SGD says; all quantities dimensionless.

    Parameters
    ----------
    noise : str
        Words for the noise of a step.
    iteration : ndarray of int, shape (n,)
        Empty where no evolution was asked for.
    density : ndarray, shape (n, n_1, ..., n_d)
    series : dict
        ``SERIES`` over the iterations.
    stationary : ndarray, shape (n_1, ..., n_d)
        What many steps tend to, of mass one.
    mean, covariance : ndarrays, shapes (d,) and (d, d)
        Of ``stationary``.
    multipliers : ndarray of complex, shape (m,)
        Eigenvalues of the operator by decreasing modulus.
    scan_rates : ndarray, shape (k,)
        Learning rates at the same beta.
    scan : dict
        ``SCAN`` over them, each of shape (k,).
    scan_density : ndarray, shape (k, n_1, ..., n_d)
    relations : tuple of RelationRow
    numbers : dict
        Of ``NUMBERS``, those that exist.
    """

    __repr__ = brief
    _repr_html_ = record_html

    noise: str
    iteration: np.ndarray
    density: np.ndarray
    series: dict[str, np.ndarray]
    stationary: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    multipliers: np.ndarray
    scan_rates: np.ndarray
    scan: dict[str, np.ndarray]
    scan_density: np.ndarray
    relations: tuple[RelationRow, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    def relation(self, source: str, name: str) -> RelationRow | None:
        """One row of the table; None where it is not there."""
        found = [row for row in self.relations if (row.source, row.name) == (source, name)]
        return found[0] if found else None
