"""Results with every group there is, and what strangers and accidents make of them."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.errors import CaseWarning

from .hostile_child import RESULT, Outcome
from .hostile_crafts import craft


def _sized(cells: dict[str, int], end: float, **rest: Any) -> dict[str, Any]:
    grid = {f"domain.{axis}.cells": count for axis, count in cells.items()}
    return {**grid, "density.frames": 3, "density.end": end, "expect": {}, **rest}


FEW = {"ensemble.particles": 300}
GOOD: dict[str, dict[str, Any]] = {
    # Spectrum, local entropy, escape, walkers with their validation.
    "double_well_1d": _sized(
        {"x": 24}, 2.0, spectrum={"count": 3}, smoothing={"gamma": [4.0]}, **FEW,
        passage={"target": "x > 0.8", "source": "x < -0.8", "escape": True},
    ),
    # Loops of the current, complex modes.
    "hopf": _sized({"x": 14, "y": 12}, 0.5, spectrum={"count": 3}, **FEW),
    # Exits over sides, with two axes.
    "saddle_escape": _sized({"x": 10, "y": 8}, 0.5, **FEW),
    "large_step": _sized(
        {"x": 12, "y": 10}, 1.0,
        **{"discrete.rates": [0.2, 0.5], "discrete.frames": 2, "discrete.modes": 2},
    ),
    # Tables of data.
    "linear_regression": _sized(
        {"flipper": 14, "bill": 12}, 1.0, **FEW, **{"output.precision": "compact"}
    ),
    "schedule_double_well": _sized({"x": 10, "y": 12}, 1.0, **{"control.intervals": 3}, **FEW),
    "quadratic_3d": _sized({"x": 6, "y": 5, "z": 7}, 0.5, stationary={}),
}  # fmt: skip
# Kinds of spoiled files, with their part of the seed.
KINDS = {"craft": 1, "flip": 2}


def make_good(folder: Path) -> list[Path]:
    """The results that are spoiled; small ones that hold every group."""
    paths = []
    for name, changes in GOOD.items():
        path = folder / f"{name}.h5"
        with warnings.catch_warnings():
            # Coarse grids are what the cautions are for.
            warnings.simplefilter("ignore", CaseWarning)
            fp.run(fp.load_case(name, changes), path)
        paths.append(path)
    return paths


def places(task: dict[str, Any]) -> tuple[Path, Path]:
    """The file of a task, and the result that it is made of."""
    folder = Path(task["folder"])
    goods = sorted((folder / "good").glob("*.h5"))
    good = goods[task["number"] % len(goods)]
    return folder / f"{task['kind']}-{task['number']}-{good.name}", good


def attempt(task: dict[str, Any]) -> Outcome:
    """Make a spoiled file by its number; in a child, as HDF5 may die of it."""
    rng = np.random.default_rng([task["seed"], KINDS[task["kind"]], task["number"]])
    file, good = places(task)
    if task["kind"] == "flip":
        file.write_bytes(flip(rng, good.read_bytes()))
    else:
        shutil.copyfile(good, file)
        craft(rng, file)
    return Outcome(RESULT, "made")


def flip(rng: np.random.Generator, raw: bytes) -> bytes:
    """A file after an accident: bits, bytes or pages of it changed, or the end cut off."""
    data = bytearray(raw)
    # Half of them where most of the structure is.
    reach = len(data) // 4 if rng.random() < 0.5 else len(data)
    kind = rng.choice(
        ["bit", "bits", "bytes", "hole", "cut", "moved"], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]
    )
    if kind in ("bit", "bits"):
        for place in rng.integers(0, reach, 1 if kind == "bit" else 6):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == "bytes":
        for place in rng.integers(0, reach, 8):
            data[place] = int(rng.choice([0, 255, int(rng.integers(256))]))
    elif kind == "hole":
        place, length = int(rng.integers(reach)), int(rng.choice([8, 64, 512, 4096]))
        data[place : place + length] = bytes(len(data[place : place + length]))
    elif kind == "cut":
        del data[int(rng.integers(len(data))) :]
    else:
        place, other = (int(one) for one in rng.integers(0, reach, 2))
        part = data[place : place + 64]
        data[other : other + len(part)] = part
    return bytes(data)
