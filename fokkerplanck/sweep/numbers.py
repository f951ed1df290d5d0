"""The numbers of one result that the summary of a sweep keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analyses.table import ANALYSES
from ..analyses.table import numbers_of as numbers_of_analysis
from ..io.result import Result

# Dimensions of what is not one number; everything else that has a shape is left in its file.
INNER: dict[str, tuple[str, ...]] = {
    "mean": ("component",),
    "covariance": ("component", "component2"),
    "error_mean": ("component",),
    "error_covariance": ("component", "component2"),
    "ensemble_mean": ("component",),
    "ensemble_covariance": ("component", "component2"),
    "passage_mean_time": ("start",),
    "passage_deviation": ("start",),
    "passage_committor": ("start",),
}
# Of the names of numbers, where it is not that of the analysis.
PREFIXES = {"spectrum": "spectral"}


def numbers_of(result: Result) -> dict[str, Any]:
    """Numbers by the names of the summary: floats, and arrays for the names of ``INNER``."""
    # Whichever member compiles does it for all.
    spent = sum(seconds for stage, seconds in result.timings.items() if stage != "compile")
    found: dict[str, Any] = {"wall_time": spent}
    if len(result.time):
        found["reached"] = result.time[-1]
        # In a summary, error is the name of the sentence on a member that failed.
        found |= {
            "density_error" if name == "error" else name: series[-1]
            for name, series in result.observables.items()
        }
        found["mass_drift"] = np.abs(result.mass - result.mass[0]).max()
        found["minimum"] = np.min(result.minimum)
    for name in ANALYSES:
        prefix = PREFIXES.get(name, name)
        found |= _prefixed(prefix, numbers_of_analysis(name, result) or {})
    walkers = result.ensemble
    if walkers is not None:
        left = walkers.lost[-1] + walkers.outside[-1] + walkers.absorbed[-1].sum()
        last = {
            name: getattr(walkers, name)[-1]
            for name in ("mean", "covariance", "loss", "gradient_norm")
        }
        found |= _prefixed("ensemble", {**last, "left": left / walkers.particles})
    if result.validation is not None:
        verdict = {"agrees": result.validation.agrees, "p_value": result.validation.p_value}
        found |= _prefixed("validation", verdict)
    numbers = {}
    for name, value in found.items():
        array = np.asarray(value, dtype=float)
        if array.ndim == len(INNER.get(name, ())):
            numbers[name] = array if array.ndim else float(array)
    return numbers


def _prefixed(prefix: str, numbers: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in numbers.items()}
