"""What goes into a result file: its header, one frame, a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Header:
    """Everything known before the first frame; all quantities are dimensionless.

    Parameters
    ----------
    names : tuple of str
        Axis names in the order of the array dimensions.
    centers : tuple of ndarray
        Cell centres, shape (n_i,) per axis.
    bounds : tuple of ndarray
        Lower and upper face of each cell, shape (n_i, 2) per axis.
    loss : ndarray, shape (n_1, ..., n_d)
        Phi at the cell centres.
    sigma : ndarray, shape (d, d, n_1, ..., n_d) or broadcasting to it
        Sigma at the cell centres.
    drift : ndarray, shape (d, n_1, ..., n_d), optional
        Deterministic drift at the cell centres, at time 0.
    beta : float
        Inverse temperature.
    seed : int, optional
        Seed of the random numbers, where there are any.
    title, case_toml, source : str
        Title, full text of the case, package and versions.
    inputs : mapping
        Text of each file that the case reads, by the name that the case gives it.
    parameters : mapping
        Further attributes of the file: strings, numbers, or lists of numbers.
    """

    names: tuple[str, ...]
    centers: tuple[np.ndarray, ...]
    bounds: tuple[np.ndarray, ...]
    loss: np.ndarray
    sigma: np.ndarray
    beta: float
    seed: int | None = None
    title: str = ""
    case_toml: str = ""
    source: str = ""
    drift: np.ndarray | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells per axis."""
        return tuple(len(center) for center in self.centers)


@dataclass(frozen=True)
class Frame:
    """One output time: its number from 0, the time, the density and its observables.

    ``observables`` maps a name to a number, a vector of shape (d,) or a matrix of shape (d, d).
    """

    index: int
    time: float
    density: np.ndarray
    observables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """State from which a run continues bit for bit.

    Parameters
    ----------
    frame : int
        Number of the last frame that was written.
    time : float
        Time of the state; at or after that of the frame.
    density : ndarray, shape (n_1, ..., n_d)
        The state itself, always kept in float64.
    step : float
        Step size the stepper wants next.
    counters : mapping
        Counters of the stepper by name: numbers, strings or None.
    """

    frame: int
    time: float
    density: np.ndarray
    step: float = 0.0
    counters: Mapping[str, Any] = field(default_factory=dict)
