"""Reading a result file, finished or cut off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import one_line
from .groups.table import GROUPS
from .inputs import read_inputs
from .layout import ROOT_ATTRIBUTES, axis_names, complete_frames, series_names
from .records import Header
from .shapes import check_shapes
from .storage.damage import DAMAGE, damaged
from .storage.opening import reading
from .values import check_values


@dataclass(frozen=True)
class Contents:
    """A whole result file in memory; the attributes beyond the fixed ones are in ``header``.

    ``time`` has shape (n,), ``density`` (n, n_1, ..., n_d), each observable (n,), (n, d) or
    (n, d, d). Only whole frames are here. ``analyses`` has what is there, by the names of
    ``GROUPS``.
    """

    header: Header
    status: str
    time: np.ndarray
    density: np.ndarray
    observables: dict[str, np.ndarray]
    analyses: dict[str, Any]
    timings: dict[str, float]
    notes: list[str]
    failed: dict[str, str]


def read(path: str | Path) -> Contents:
    """Read everything, of a run that goes on or was killed with the parts beside the file.

    A run may go on meanwhile.

    Raises
    ------
    StoreError
        If the file is missing, is not a result file, or is damaged.
    """
    target = Path(path)
    with reading(target) as file:
        try:
            check_shapes(file)
            frames = complete_frames(file)
            density = file["density"][:frames]
            check_values(file, frames, density)
            attributes = {name: _decode(value) for name, value in file.attrs.items()}
            timings = json.loads(attributes.get("timings", "{}"))
            failed = json.loads(attributes.get("failed", "{}"))
            return Contents(
                header=_header(file, attributes),
                status=_text(attributes, "status"),
                time=file["time"][:frames],
                density=density,
                observables={name: file[name][:frames] for name in series_names(file)},
                analyses={
                    name: found
                    for name, group in GROUPS.items()
                    if (found := group.read(file)) is not None
                },
                timings={name: float(seconds) for name, seconds in timings.items()},
                notes=_text(attributes, "notes", "").splitlines(),
                failed={name: one_line(str(why)) for name, why in failed.items()},
            )
        except DAMAGE as error:
            raise damaged(target, error) from error


def _header(file: h5py.File, attributes: dict[str, Any]) -> Header:
    names = axis_names(file)
    return Header(
        names=names,
        centers=tuple(file[name][...] for name in names),
        bounds=tuple(file[f"{name}_bounds"][...] for name in names),
        loss=file["loss"][...],
        sigma=file["sigma"][...],
        beta=float(attributes["beta"]),
        seed=None if attributes.get("seed") is None else int(attributes["seed"]),
        title=_text(attributes, "title"),
        case_toml=_text(attributes, "case_toml"),
        source=_text(attributes, "source"),
        drift=file["drift"][...] if "drift" in file else None,
        inputs=read_inputs(file),
        parameters={k: v for k, v in attributes.items() if k not in ROOT_ATTRIBUTES},
    )


def _text(attributes: dict[str, Any], name: str, default: str | None = None) -> str:
    value = attributes.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"its {name} is {'absent' if value is None else 'not a text'}")
    return value


def _decode(value: Any) -> Any:
    """Numpy scalars become Python numbers."""
    return value.item() if isinstance(value, np.generic) else value
