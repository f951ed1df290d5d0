"""Whether a file may be continued by this run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from ..errors import StoreError
from .layout import axis_names
from .records import Header
from .storage.checkpoint import EARLIER, GROUP, run_of


def check_same_run(file: h5py.File, header: Header, path: Path) -> None:
    """Raise :class:`StoreError` unless the file was begun by the run that ``header`` describes.

    Bit-identical results need the same case, the same versions and the same numbers, so all of
    them are compared exactly.
    """

    def refuse(detail: str) -> None:
        raise StoreError(f"{detail}; run it again with --overwrite, or --out elsewhere", path)

    attributes = file.attrs
    if attributes["status"] == "complete":
        refuse("this run is complete, so there is nothing to resume")
    if attributes["source"] != header.source:
        refuse(
            f"the file was begun by {attributes['source']!r} and this is {header.source!r}, so "
            "it cannot be continued bit for bit"
        )
    if not run_of(file):
        refuse("this file was not begun by a run, so it cannot be continued")
    if EARLIER in file[GROUP]:
        refuse("this file was begun by an earlier version, which kept its checkpoints otherwise")
    names = axis_names(file)
    if names != header.names:
        refuse(f"the file has the axes {list(names)} and this case {list(header.names)}")
    for name, centers, bounds in zip(names, header.centers, header.bounds, strict=True):
        cells = len(file[name])
        if cells != len(centers):
            refuse(f"the file has {cells} cells along {name} and this case {len(centers)}")
        if not np.array_equal(file[f"{name}_bounds"][...], bounds):
            refuse(f"the file has another range along {name} than this case")
    if attributes["case_toml"] != header.case_toml:
        refuse("the case was changed since the file was begun")
    if float(attributes["beta"]) != float(header.beta):
        refuse(f"the file has beta = {attributes['beta']:g} and this case {header.beta:g}")
    if attributes.get("seed") != header.seed:
        refuse(f"the file has the seed {attributes.get('seed')} and this case {header.seed}")
    for name, values in (("loss", header.loss), ("sigma", header.sigma)):
        stored = file[name][...]
        if not np.array_equal(stored, np.broadcast_to(values, stored.shape), equal_nan=True):
            refuse(f"the {name} of the file is not that of this case")
