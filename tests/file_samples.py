"""Small runs of many bundled cases, written once for all tests of result files; every section."""

from __future__ import annotations

import gzip
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

from fokkerplanck import load_case, run
from fokkerplanck.errors import CaseWarning

HERE = Path(__file__).parent


def sized(cells: dict[str, int], end: float, **rest: Any) -> dict[str, Any]:
    """Overrides for a tiny grid and three frames."""
    grid = {f"domain.{axis}.cells": count for axis, count in cells.items()}
    return {**grid, "density.frames": 3, "density.end": end, "expect": {}, **rest}


FEW = {"ensemble.particles": 300}
CASES: dict[str, dict[str, Any]] = {
    # One axis: spectrum, local entropy, escape, walkers and their validation.
    "double_well_1d": sized(
        {"x": 24}, 2.0, spectrum={"count": 3}, smoothing={"gamma": [4.0]}, **FEW,
        passage={"target": "x > 0.8", "source": "x < -0.8", "escape": True},
    ),
    # Two: currents, loops and complex modes; exits; no noise along x; coefficients in time.
    "hopf": sized({"x": 20, "y": 18}, 0.5, spectrum={"count": 3}, **FEW),
    "saddle_escape": sized({"x": 10, "y": 8}, 0.5, **FEW),
    "momentum": sized({"x": 12, "v": 10}, 0.5, **FEW, **{"output.every_frame": False}),
    "cross_diffusion": sized(
        {"x": 10, "y": 12}, 0.1, **FEW, **{"density.scheme": "high-order"}
    ),
    "large_step": sized(
        {"x": 12, "y": 10}, 1.0,
        **{"discrete.rates": [0.2, 0.5], "discrete.frames": 2, "discrete.modes": 2},
    ),
    # Data; the walkers of SGD are not seen at the times of the frames.
    "linear_regression": sized(
        {"flipper": 14, "bill": 12}, 1.0, **FEW, **{"output.precision": "compact"}
    ),
    # Schedules; heavy tails; three axes.
    "schedule_double_well": sized({"x": 10, "y": 12}, 1.0, **{"control.intervals": 3}, **FEW),
    "levy_ou": sized(
        {"x": 48}, 0.2, **{"domain.x.range": [-20, 20], "density.rtol": 0.1},
        **{"ensemble.particles": 200, "ensemble.step": 0.02},
    ),
    "quadratic_3d": sized({"x": 6, "y": 5, "z": 7}, 0.5, stationary={}, **FEW),
}  # fmt: skip


# Of these the search for closed loops, which takes longer than all else, is left out.
PLAIN = {"momentum", "linear_regression"}
# Kernels of walkers are compiled for each problem; what these would show of them others do.
NOBODY = {"hopf", "momentum", "cross_diffusion"}


def written(name: str, folder: Path) -> Path:
    """Result file of one of the cases."""
    path = folder / f"{name}.h5"
    if not path.exists():
        with warnings.catch_warnings():
            # Coarse grids are what the cautions are for.
            warnings.simplefilter("ignore", CaseWarning)
            case = load_case(name, CASES[name])
            if name in NOBODY:
                case = replace(case, ensemble=None, validation=None)
            run(replace(case, stationary=None) if name in PLAIN else case, path)
    return path


def earlier(name: str, folder: Path) -> Path:
    """A file that an earlier version has written, from ``tests/data``."""
    path = folder / f"{name}.h5"
    path.write_bytes(gzip.decompress((HERE / "data" / f"{name}.h5.gz").read_bytes()))
    return path


def variables(path: Path) -> dict[str, tuple[str, str]]:
    """Dimensions and meaning of each dataset by its place, the names of the axes left open.

    ``/density`` gives ``("time, <axes>", "probability density at the cell centre")``.
    """
    found = {}
    with h5py.File(path) as file:
        axes = tuple(dimension[0].name.rsplit("/", 1)[1] for dimension in file["loss"].dims)

        def general(word: str) -> str:
            stem, _, end = word.partition("_")
            return "_".join(["<axis>", *([end] if end else [])]) if stem in axes else word

        def look(place: str, item: Any) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            dims = [
                dimension[0].name.rsplit("/", 1)[1] for dimension in item.dims if len(dimension)
            ]
            if item.is_scale:
                dims = [place.rsplit("/", 1)[-1]]
            text = ", ".join(map(general, dims)) if len(dims) < len(axes) else ""
            if not text and dims:
                lead, last = dims[: -len(axes)], dims[-len(axes) :]
                corner = tuple(f"{name}_corner" for name in axes)
                whole = {axes: "<axes>", corner: "<corners>"}.get(tuple(last))
                text = ", ".join([*lead, whole] if whole else map(general, dims))
            meaning = item.attrs["long_name"]
            for name in axes:
                meaning = meaning.replace(f"{name}, cell", "<axis>, cell")
            folders = [numbered(one) for one in place.split("/")]
            folders[-1] = general(folders[-1])
            if item.is_scale and dims[0] in axes:
                text = "<axis>"
            found["/" + "/".join(folders)] = (text, meaning)

        file.visititems(look)
    return found


def numbered(word: str) -> str:
    """``cycle_0`` stands for all of them."""
    stem, _, end = word.rpartition("_")
    return f"{stem}_<k>" if end.isdigit() else word


def attributes(path: Path) -> set[str]:
    """Places of all attributes of groups, ``/stationary@curl``."""
    found = set()
    with h5py.File(path) as file:

        def look(place: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                group = "/".join(numbered(one) for one in place.split("/"))
                found.update(f"/{group}@{name}" for name in item.attrs)

        look("", file)
        file.visititems(look)
    return found
