"""What a result says of where its numbers come from, and whether a file has them already."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..case import Case
from ..errors import StoreError
from ..io import Header, hdf5_version, read

# Overrides that leave the numbers of a run as they are.
HARMLESS = ("expect", "output.figures", "output.report", "title")


def is_complete(path: Path, header: Header) -> bool:
    """Whether a file holds this very case, finished.

    Raises
    ------
    StoreError
        If the file is of a run with other overrides, or complete but of another case text or
        version.
    """
    contents = read(path)
    stored = contents.header
    ours = _settings(header)
    theirs = _settings(stored)
    changed = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    if changed:
        raise StoreError(
            f"this result was begun with another setting of {', '.join(changed)}; give "
            "--overwrite to replace it or --out to write elsewhere",
            path,
        )
    if contents.status != "complete":
        return False
    if stored.case_toml != header.case_toml or stored.source != header.source:
        raise StoreError(
            "this result is complete, but of another case text or version; give --overwrite to "
            "replace it or --out to write elsewhere",
            path,
        )
    return True


def _settings(header: Header) -> dict[str, Any]:
    """The overrides that change what is computed; the numbers expected and the figures do not."""
    return effective_overrides(json.loads(header.parameters.get("overrides", "{}")))


def effective_overrides(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that change what is computed, as a result file keeps them."""
    kept = {key: value for key, value in overrides.items() if not key.startswith(HARMLESS)}
    plain: dict[str, Any] = json.loads(json.dumps(kept, default=np.ndarray.tolist))
    return plain


def source() -> str:
    """This package and the versions of those that its numbers depend on."""
    libraries = ("numpy", "scipy", "numba", "h5py")
    versions = ", ".join(
        [*(f"{name} {version(name)}" for name in libraries), f"HDF5 {hdf5_version()}"]
    )
    return f"fokkerplanck {__version__} ({versions}, Python {platform.python_version()})"


def header_of(case: Case) -> Header:
    """Axes, coefficients and settings of a case, as its result file keeps them."""
    problem, grid = case.problem, case.grid
    sigma = problem.sigma_at(grid.points)
    return Header(
        names=grid.names,
        centers=grid.centers,
        bounds=grid.bounds,
        loss=problem.loss_at(grid.points),
        sigma=sigma,
        drift=problem.drift_at(grid.points),
        beta=problem.beta,
        seed=None if case.ensemble is None else case.ensemble.seed,
        title=case.title,
        case_toml=case.text,
        source=source(),
        inputs=case.inputs,
        parameters={
            "name": case.name,
            "overrides": json.dumps(dict(case.overrides), default=np.ndarray.tolist),
            "boundaries": ", ".join("/".join(axis.boundary) for axis in grid.domain.axes),
            # Only where there are some: files of cases from files stay as they are.
            **({"functions": ", ".join(case.functions)} if case.functions else {}),
        },
    )
