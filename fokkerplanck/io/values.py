"""Whether the numbers of a result file can be numbers of a result: asked once, at the door.

What reads a result - figures, pages, comparisons, exports - relies on it.
"""

from __future__ import annotations

from collections.abc import Mapping

import h5py
import numpy as np

from ..limits import LARGEST_VALUE
from .layout import axis_names, series_names

# Of a density, relative to its largest value: results of other programs may have undershoots.
NEGATIVE = 1e-6
# Series that have a value at every time; others may be NaN where a density has none.
ALWAYS = ("mass", "minimum", "free_energy", "kl_to_stationary")
# What is measured of every density, or of none.
TOGETHER = (
    ("mass", "minimum", "mean", "covariance", "entropy", "expected_loss"),
    ("energy", "free_energy", "kl_to_stationary", "dissipation"),
    ("loss_rate", "loss_rate_dynkin"),
    ("error", "error_mean", "error_covariance"),
)
# Texts that name the axes.
COMPONENTS = ("component", "component2", "row", "column")


def check_values(file: h5py.File, frames: int, density: np.ndarray | None = None) -> None:
    """Compare the arrays at the root of a file with what they can be; shapes are checked before.

    Parameters
    ----------
    file : h5py.File
    frames : int
        Whole frames.
    density : (frames, ...) ndarray, optional
        Where it was read already.

    Raises
    ------
    ValueError
        Naming the first array or attribute whose values cannot be.
    """
    beta = file.attrs["beta"]
    if not (isinstance(beta, float | int | np.number) and np.isfinite(beta) and beta > 0.0):
        raise ValueError(f"its beta is {beta}")
    names = axis_names(file)
    for name in names:
        _require_rising(name, file[name][...])
    _require_rising("time", file["time"][:frames])
    for label in COMPONENTS:
        if label in file and (found := _texts(file[label])) != names:
            raise ValueError(f"/{label} names {', '.join(found)}, and the axes are {names}")
    for name in ("loss", "sigma", "drift"):
        if name in file and not (np.abs(file[name][...]) <= LARGEST_VALUE).all():
            raise ValueError(f"/{name} has values that are no numbers, or beyond {LARGEST_VALUE:g}")
    growing = series_names(file)
    for observables in TOGETHER:
        lacking = [name for name in observables if name not in growing]
        if lacking and len(lacking) < len(observables):
            raise ValueError(f"/{lacking[0]} is absent, and other observables are not")
    series: Mapping[str, h5py.Dataset] = {name: file[name] for name in ALWAYS if name in file}
    for name, dataset in series.items():
        if not np.isfinite(dataset[:frames]).all():
            raise ValueError(f"/{name} has values that are no numbers")
    closed = "absorbing" not in str(file.attrs.get("boundaries", "absorbing"))
    for index in range(frames):
        values = file["density"][index] if density is None else density[index]
        _require_density(values, index, closed)


def _require_rising(name: str, values: np.ndarray) -> None:
    if not (np.isfinite(values).all() and (np.diff(values) > 0.0).all()):
        raise ValueError(f"/{name} does not rise")


def _require_density(values: np.ndarray, index: int, closed: bool) -> None:
    """A frame that was not kept is NaN throughout."""
    if np.isnan(values).all():
        return
    largest = float(values.max())
    if not (np.isfinite(values).all() and values.min() >= -NEGATIVE * largest):
        raise ValueError(f"/density is negative or no number in frame {index}")
    if closed and not largest > 0.0:
        raise ValueError(f"/density is empty in frame {index} of a closed box")


def _texts(dataset: h5py.Dataset) -> tuple[str, ...]:
    return tuple(dataset.asstr()[...].reshape(-1).tolist())
