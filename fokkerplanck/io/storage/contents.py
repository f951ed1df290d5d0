"""What the parts of a result hold, and how it gets into the result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...errors import StoreError
from ..groups.control import fill_search, read_search
from ..groups.table import GROUPS
from ..layout import (
    LIBVER,
    add_axes,
    add_series,
    add_variable,
    append_row,
    axis_names,
    series_names,
)
from ..precision import rounded
from ..records import Checkpoint, Frame
from .checkpoint import RUN, run_of, write_checkpoint
from .damage import DAMAGE
from .guard import guarded
from .parts import frame_name, packed, read_part

REAL = np.dtype(np.float64)


class SearchGroup:
    """Where the optimiser of a control stands, written and read as groups of analyses are."""

    fill, read = staticmethod(fill_search), staticmethod(read_search)


# What is a part as a group of HDF5.
GROUPS_OF_PARTS: dict[str, Any] = {**GROUPS, "search": SearchGroup}


@dataclass(frozen=True)
class Expected:
    """What parts with frames must be like.

    Parameters
    ----------
    run : str
    shape : tuple of int
        Of the grid.
    series : dict of tuples of int
        Shape of each observable.
    """

    run: str
    shape: tuple[int, ...]
    series: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, file: h5py.File) -> Expected:
        """Those of the run that writes a result."""
        series = {name: file[name].shape[1:] for name in series_names(file)}
        return cls(run_of(file), file["loss"].shape, series)

    def form(self, text: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """The arrays of a part with such a text."""
        if text["run"] != self.run:
            raise StoreError("this part is of another run")
        if {name: tuple(one) for name, one in text["shapes"].items()} != self.series:
            raise ValueError("its observables are not those of the result")
        numbers = sum(map(math.prod, self.series.values()))
        return {"density": (self.shape, REAL), "observables": ((numbers,), REAL)}


def pack_frame(run: str, frame: Frame, state: Checkpoint | None) -> memoryview:
    """The bytes of a part with a frame, and a state of the same density."""
    text = {
        **{"run": run, "index": frame.index, "time": frame.time},
        "shapes": {name: np.shape(value) for name, value in frame.observables.items()},
        "state": state and [state.time, state.step, dict(state.counters)],
    }
    values = [np.empty(0), *map(np.ravel, frame.observables.values())]
    density = np.asarray(frame.density, REAL)
    return packed(text, {"density": density, "observables": np.concatenate(values).astype(REAL)})


def read_frame(path: Path, expected: Expected) -> tuple[Frame, Checkpoint | None]:
    """A frame and the state to go on from.

    Raises
    ------
    StoreError
        If the part is damaged or of another run.
    FileNotFoundError
    """
    text, arrays = read_part(path, expected.form)
    density, state, values, start = arrays["density"], None, {}, 0
    try:
        for name in text["shapes"]:
            end = start + math.prod(expected.series[name])
            values[name] = arrays["observables"][start:end].reshape(expected.series[name])
            start = end
        frame = Frame(int(text["index"]), float(text["time"]), density, values)
        if text["state"] is not None:
            reached, step, counters = text["state"]
            state = Checkpoint(frame.index, float(reached), density, float(step), dict(counters))
        if path.name != frame_name(frame.index):
            raise ValueError("its name is that of another frame")
    except DAMAGE as error:
        raise StoreError(f"this file is damaged: {error}", path) from error
    return frame, state


def pack_analysis(result: h5py.File, name: str, record: Any) -> bytes:
    """The bytes of a part with what an analysis has found: a small HDF5 file.

    Parameters
    ----------
    result : h5py.File
        Of the run, whose axes the part has as well.
    name : str
    record : its record
    """
    with h5py.File("part", "w", driver="core", backing_store=False, libver=LIBVER) as file:
        file.attrs[RUN] = run_of(result)
        names = axis_names(result)
        axes = [(one, result[one][...], result[f"{one}_bounds"][...]) for one in names]
        add_axes(file, axes)
        # It says which axes there are; its values are never written and take no room.
        shape = result["loss"].shape
        add_variable(file, "loss", [file[one] for one in names], "loss", shape=shape, dtype=REAL)
        GROUPS_OF_PARTS[name].fill(file, record)
        file.flush()
        image: bytes = file.id.get_file_image()
        return image


def read_analysis(path: Path, name: str, run: str) -> Any:
    """What an analysis of a run has found.

    Raises
    ------
    StoreError, FileNotFoundError
    """
    with guarded(path) as file:
        try:
            if file.attrs[RUN] != run:
                raise StoreError("this part is of another run", path)
            return GROUPS_OF_PARTS[name].read(file)
        except DAMAGE as error:
            raise StoreError(f"this file is damaged: {error}", path) from error


def add_frames(file: h5py.File, frames: Iterable[Frame]) -> None:
    """Append frames; densities one by one, the short series of all of them together."""
    density = file["density"]
    every = bool(density.attrs["every_frame"])
    start = count = len(file["time"])
    columns: dict[str, list[Any]] = {"time": []}
    for frame in frames:
        if count == 0 and not series_names(file):
            add_series(file, frame.observables)
        kept = every or count == 0
        append_row(density, count, rounded(frame.density, density) if kept else frame.density, kept)
        for name, value in {"time": frame.time, **frame.observables}.items():
            columns.setdefault(name, []).append(value)
        count += 1
    if count > start:
        for name, values in columns.items():
            file[name].resize(count, axis=0)
            file[name][start:] = values


def keep_frames(file: h5py.File, count: int) -> None:
    """Drop every frame from ``count`` on, and a density that was kept as the last one only."""
    for name in ["time", "density", *series_names(file)]:
        file[name].resize(count, axis=0)
    if not file["density"].attrs["every_frame"] and count > 1:
        file["density"].resize(1, axis=0)
        file["density"].resize(count, axis=0)


def merge(file: h5py.File, folder: Path, names: set[str]) -> str:
    """Put all parts of its run into a result; returns what is wrong with one, in a sentence.

    Frames count up to the first that is absent, damaged or of another run. A frame that the result
    holds already is left alone, an analysis is put there once more.

    Raises
    ------
    FileNotFoundError
        If a part is gone: then another result has taken the place of this one, and holds it.
    """
    expected, faults, states = Expected.of(file), list[str](), list[Checkpoint]()

    def frames() -> Iterator[Frame]:
        index = len(file["time"])
        while index and frame_name(index) in names:
            try:
                frame, state = read_frame(folder / frame_name(index), expected)
            except StoreError as error:
                faults.append(str(error))
                return
            # Of each state the one before is dropped: large ones would fill the memory.
            states[:] = states if state is None else [state]
            yield frame
            index += 1

    add_frames(file, frames())
    for state in states:
        write_checkpoint(file, state)
    for name, group in GROUPS_OF_PARTS.items():
        if f"{name}.h5" in names:
            try:
                group.fill(file, read_analysis(folder / f"{name}.h5", name, expected.run))
            except StoreError as error:
                faults.append(str(error))
    return faults[0] if faults else ""
