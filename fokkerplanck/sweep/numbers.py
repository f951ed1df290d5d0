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
    if "validation_p_value" in found:
        # In a summary the p-value is that of the verdict.
        found["validation_p_value"] = found.pop("validation_all_times_p_value")
    numbers = {}
    for name, value in found.items():
        array = np.asarray(value, dtype=float)
        if array.ndim == len(INNER.get(name, ())):
            numbers[name] = array if array.ndim else float(array)
    return numbers


def _prefixed(prefix: str, numbers: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in numbers.items()}
