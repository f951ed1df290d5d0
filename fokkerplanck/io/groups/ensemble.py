"""The ensemble of walkers as a record: counts on the grid, moments, and who left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..brief import brief
from ..notebook import record_html


@dataclass(eq=False, repr=False)
class EnsembleRecord:
    """Walkers at the output times; all quantities are dimensionless.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Of the walkers' own steps, nearest to the output times.
    counts : ndarray of int, shape (n, n_1, ..., n_d)
        Walkers per cell.
    outside : ndarray of int, shape (n,)
        Walkers beyond the box.
    absorbed : ndarray of int, shape (n, 2 d)
        Walkers that an absorbing side took, by side (lower, upper of each axis).
    lost : ndarray of int, shape (n,)
        Walkers that left to infinity.
    mean : ndarray, shape (n, d)
    covariance : ndarray, shape (n, d, d)
    loss : ndarray, shape (n,)
        Mean loss over the walkers.
    gradient_norm : ndarray, shape (n,)
        Mean |grad Phi|^2.
    particles : int
    method : str
    step : float
        Time per step; the learning rate for SGD.
    seed : int
    trajectories : ndarray, shape (m, n, d), optional
        Places of the first m walkers.
    """

    __repr__ = brief
    _repr_html_ = record_html

    time: np.ndarray
    counts: np.ndarray
    outside: np.ndarray
    absorbed: np.ndarray
    lost: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    particles: int
    method: str
    step: float
    seed: int
    trajectories: np.ndarray | None = None
