"""Size of the densities in a result file and what writing them costs, by compression."""

from __future__ import annotations

import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np

import fokkerplanck as fp
from fokkerplanck.io.layout import COMPRESSION, LIBVER, density_chunk
from fokkerplanck.io.precision import density_storage, rounded

from .report import save

REPEATS = 3
TITLE = "Result files: size and cost of the densities"
COLUMNS = ("case", "frames", "stored as", "share of raw", "write s", "of the run", "largest error")
GZIP = dict(COMPRESSION)
LZF = {"compression": "lzf", "shuffle": True}
# What is chosen stands first of each precision; the others are what it was chosen from.
STORED: dict[str, tuple[str, dict[str, Any] | None]] = {
    "float64": ("float64", None),
    "float64, lzf": ("float64", LZF),
    "float64, gzip": ("float64", GZIP),
    "float32 (gzip)": ("float32", None),
    "float32, lzf": ("float32", LZF),
    "compact (gzip)": ("compact", None),
}
CASES: dict[str, dict[str, Any]] = {
    # What the cost is stated for: 256 x 256 cells, 50 frames.
    "quadratic": {"domain.x.cells": 256, "domain.y.cells": 256, "density.frames": 50},
    "hopf": {},
    "double_well_2d": {},
    "van_der_pol": {},
    "sharp_flat": {},
    "double_well_1d": {},
    "quadratic_3d": {},
}
QUICK = {"quadratic": {"domain.x.cells": 64, "domain.y.cells": 64, "density.frames": 10}}


def solved(name: str, overrides: dict[str, Any]) -> tuple[np.ndarray, float]:
    """Densities of a case, and the wall time of its second run: the march and its observables."""
    case = fp.load_case(name, {**overrides, "expect": {}})
    alone = replace(
        case, ensemble=None, validation=None, spectrum=None, passage=None, discrete=None,
        stationary=None,
    )  # fmt: skip
    fp.run(alone)
    begin = time.perf_counter()
    result = fp.run(alone)
    return result.density, time.perf_counter() - begin


def write(
    densities: np.ndarray, precision: str, options: dict[str, Any] | None
) -> tuple[int, float, float]:
    """Bytes on disk, median seconds, and largest relative error of what can be seen."""
    dtype, chosen, marks = density_storage(precision)
    shape, times = densities.shape[1:], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(REPEATS):
            path = Path(folder) / "a.h5"
            begin = time.perf_counter()
            with h5py.File(path, "w", libver=LIBVER) as file:
                dataset = file.create_dataset(
                    "density", (0, *shape), dtype, maxshape=(None, *shape), fillvalue=np.nan,
                    chunks=(1, *density_chunk(shape, dtype.itemsize)),
                    **(chosen if options is None else options),
                )  # fmt: skip
                dataset.attrs.update(marks)
                for index, frame in enumerate(densities):
                    dataset.resize(index + 1, axis=0)
                    dataset[index] = rounded(frame, dataset)
                    file.flush()
            times.append(time.perf_counter() - begin)
        with h5py.File(path) as file:
            size, stored = file["density"].id.get_storage_size(), file["density"][...]
    seen = densities > 1e-12 * densities.max()
    error = float(np.abs(stored[seen] / densities[seen] - 1.0).max())
    return size, median(times), error


def run(quick: bool = False) -> str:
    """Sizes, times and errors; returns the table."""
    rows, records = [], []
    for name, overrides in (QUICK if quick else CASES).items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", fp.CaseWarning)
            densities, wall = solved(name, overrides)
        for label, (precision, options) in STORED.items():
            size, seconds, error = write(densities, precision, options)
            share, cost = size / densities.nbytes, seconds / (wall + seconds)
            rows.append(
                [
                    *(name, f"{len(densities)} of {'x'.join(map(str, densities.shape[1:]))}"),
                    *(label, f"{share:.2f}", f"{seconds:.3f}"),
                    *(f"{100.0 * cost:.1f} %", f"{error:.1e}"),
                ]
            )
            records.append(
                {"case": name, "frames": list(densities.shape), "stored": label, "share": share}
                | {"write_seconds": seconds, "run_seconds": wall, "error": error}
            )
    notes = [
        "Raw is 8 bytes per cell and frame. Each frame is written and flushed as a run does it; "
        "the operating system keeps it in memory, so the disk is not in the times.",
        "'Of the run' sets the writing against the march and its observables, compiled, without "
        "figures, walkers or analyses: what a run costs at least.",
        "Everywhere gzip is level 1 with shuffle. lzf is read by h5py alone: netCDF-4 and ParaView "
        "do not know it.",
    ]
    return save("files", TITLE, COLUMNS, rows, notes, records, quick)
