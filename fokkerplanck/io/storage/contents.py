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
from ..groups.control import Search, fill_search
from ..groups.table import GROUPS
from ..layout import (
    LIBVER,
    add_axes,
    add_series,
    add_variable,
    append_row,
    axis_names,
    complete_frames,
    series_names,
)
from ..precision import rounded
from ..records import Checkpoint, Frame
from .checkpoint import RUN, read_checkpoint, run_of, write_checkpoint
from .damage import DAMAGE
from .guard import guarded
from .parts import CHECKPOINT, SEARCH, frame_name, packed, read_part

REAL = np.dtype(np.float64)


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
        found = {}
        if text["frame"] is not None:
            shapes = text["frame"]["observables"]
            if {name: tuple(one) for name, one in shapes.items()} != self.series:
                raise ValueError("its observables are not those of the result")
            found["density"] = self.shape
            found["observables"] = (sum(map(math.prod, self.series.values())),)
        if text["state"] is not None and text["state"]["own"]:
            found["state"] = self.shape
        return {name: (size, REAL) for name, size in found.items()}


def pack_frame(run: str, frame: Frame | None, state: Checkpoint | None) -> memoryview:
    """The bytes of a part with a frame, a state or both; the same density stands there once."""
    text: dict[str, Any] = {"run": run, "frame": None, "state": None}
    arrays = {}
    if frame is not None:
        shapes = {name: np.shape(value) for name, value in frame.observables.items()}
        text["frame"] = {"index": frame.index, "time": frame.time, "observables": shapes}
        arrays["density"] = np.asarray(frame.density, REAL)
        values = [np.ravel(value) for value in frame.observables.values()]
        arrays["observables"] = np.concatenate([*values, np.empty(0)]).astype(REAL)
    if state is not None:
        own = frame is None or frame.density is not state.density
        text["state"] = {
            **{"frame": state.frame, "time": state.time, "step": state.step},
            **{"counters": dict(state.counters), "own": own},
        }
        if own:
            arrays["state"] = np.asarray(state.density, REAL)
    return packed(text, arrays)


def read_frame(path: Path, expected: Expected) -> tuple[Frame | None, Checkpoint | None]:
    """A frame and a state.

    Raises
    ------
    StoreError
        If the part is damaged or of another run.
    FileNotFoundError
    """
    text, arrays = read_part(path, expected.form)
    frame = state = None
    try:
        if text["frame"] is not None:
            about, values, start = text["frame"], {}, 0
            for name, one in about["observables"].items():
                end = start + math.prod(one)
                values[name] = arrays["observables"][start:end].reshape(one)
                start = end
            index, time = int(about["index"]), float(about["time"])
            frame = Frame(index, time, arrays["density"], values)
        if text["state"] is not None:
            about = text["state"]
            density = arrays["state" if about["own"] else "density"]
            numbers = int(about["frame"]), float(about["time"]), density, float(about["step"])
            state = Checkpoint(*numbers, dict(about["counters"]))
    except DAMAGE as error:
        raise StoreError(f"this file is damaged: {error}", path) from error
    return frame, state


def pack_search(run: str, search: Search) -> memoryview:
    """The bytes of a part with the state of an optimiser."""
    text = {
        **{"run": run, "cost": search.cost, "rounds": search.rounds},
        **{"converged": search.converged, "sizes": [search.values.size, search.history.size]},
    }
    return packed(text, {"values": search.values, "history": search.history})


def read_search_part(path: Path, run: str) -> Search:
    """The state of an optimiser of a run.

    Raises
    ------
    StoreError, FileNotFoundError
    """

    def form(text: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        if text["run"] != run:
            raise StoreError("this part is of another run")
        values, history = (int(size) for size in text["sizes"])
        return {"values": ((values,), REAL), "history": ((history,), REAL)}

    text, arrays = read_part(path, form)
    numbers = float(text["cost"]), arrays["history"], int(text["rounds"]), bool(text["converged"])
    return Search(arrays["values"], *numbers)


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
        GROUPS[name].fill(file, record)
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
            return GROUPS[name].read(file)
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

    Frames count up to the first that is absent, damaged or of another run. A part that the result
    holds already is left alone, or is put there once more.

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
                if frame is None or frame.index != index:
                    raise StoreError("this part has another frame", folder / frame_name(index))
            except StoreError as error:
                faults.append(str(error))
                return
            if state is not None:
                states[:] = [state]
            yield frame
            index += 1

    add_frames(file, frames())
    if CHECKPOINT in names:
        try:
            states += [
                one for one in read_frame(folder / CHECKPOINT, expected)[1:] if one is not None
            ]
        except StoreError as error:
            faults.append(str(error))
    states = [one for one in states if one.frame < complete_frames(file)]
    newest = max(states, key=lambda one: (one.frame, one.time), default=None)
    if newest is not None:
        before = read_checkpoint(file)
        if before is None or (before.frame, before.time) <= (newest.frame, newest.time):
            write_checkpoint(file, newest)
    for name in GROUPS:
        if f"{name}.h5" in names:
            try:
                GROUPS[name].fill(file, read_analysis(folder / f"{name}.h5", name, expected.run))
            except StoreError as error:
                faults.append(str(error))
    if SEARCH in names:
        try:
            fill_search(file, read_search_part(folder / SEARCH, expected.run))
        except StoreError as error:
            faults.append(str(error))
    return faults[0] if faults else ""
