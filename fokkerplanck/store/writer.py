"""Writing a result file frame by frame, so that a killed run leaves what it has reached."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..errors import StoreError
from .control import (
    ControlRecord,
    Search,
    SmoothingRecord,
    fill_control,
    fill_search,
    fill_smoothing,
    read_search,
)
from .discrete import Discrete
from .discrete_group import fill_discrete
from .ensemble import EnsembleRecord
from .ensemble_group import fill_ensemble
from .layout import LIBVER, OBSERVABLES, SERIES_ROWS, add_variable, encode_attribute, series_names
from .passage import PassageRecord
from .passage_group import fill_passage
from .precision import rounded
from .reader import complete_frames, open_file
from .records import Checkpoint, Frame, Header
from .resume import check_same_run
from .skeleton import write_skeleton
from .slots import SLOTS, read_slots, write_slot
from .spectrum import SpectrumRecord, fill_spectrum
from .stationary import Stationary
from .stationary_group import fill_stationary
from .validation import ValidationRecord, fill_validation

# Kept free on the disk for the structure of the file, which grows a little with every frame.
SPARE_BYTES = 2**20


class ResultWriter:
    """A result file that grows by one frame at a time.

    Make one with :meth:`create` or :meth:`resume`, best in a ``with`` statement: an exception
    closes the file as ``"interrupted"``, the end of the block as ``"complete"``.

    All lengths change in one flush after the data of the frame are on their way to the disk, so
    a kill leaves whole frames but for an instant; readers drop a torn last frame.
    """

    def __init__(self, path: Path, file: h5py.File, frames: int, slot: int, sequence: int):
        self.path = path
        self.frames = frames
        self._file = file
        self._slot = slot
        self._sequence = sequence
        self._every_frame = bool(file["density"].attrs["every_frame"])
        self._pending: np.ndarray | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        header: Header,
        *,
        overwrite: bool = False,
        precision: str = "float64",
        every_frame: bool = True,
        resumable: bool = True,
    ) -> ResultWriter:
        """Start a new file; everything but the frames is in it when this returns.

        Parameters
        ----------
        path : path
            Parent directories are made.
        header : Header
        overwrite : bool
            Replace an existing file. It is kept until the new one has its header.
        precision : {"float64", "float32", "compact"}
            Of ``/density``, see :func:`density_storage`; the rest is float64 always.
        every_frame : bool
            If False, only the densities of the first and the last frame are kept; those between
            read as NaN and take no room. Observables are kept at every frame.
        resumable : bool
            Whether to make room for checkpoints.

        Raises
        ------
        StoreError
            If the file exists and ``overwrite`` is False, or cannot be written.
        CaseError
            If an axis has a name that the file needs.
        """
        target = Path(path)
        check_target(target, overwrite)
        partial = target.with_name(target.name + ".part")
        with _writing(target, "created"):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with h5py.File(partial, "w", libver=LIBVER, locking="best-effort") as file:
                    write_skeleton(file, header, precision, every_frame, resumable)
                os.replace(partial, target)
            finally:
                partial.unlink(missing_ok=True)
            file = h5py.File(target, "r+", libver=LIBVER, locking="best-effort")
        return cls(target, file, frames=0, slot=0, sequence=0)

    @classmethod
    def resume(cls, path: str | Path, header: Header) -> tuple[ResultWriter, Checkpoint | None]:
        """Open an unfinished file; frames after its last valid checkpoint are dropped.

        There is no checkpoint yet where the run was stopped while it looked for a schedule.

        Raises
        ------
        StoreError
            If there is no such file, it is complete, it holds no checkpoint, or the case, the
            versions or the grid are not those of ``header``.
        """
        target = Path(path)
        file = open_file(target, "r+")
        try:
            check_same_run(file, header, target)
            reached = complete_frames(file)
            found = [item for item in read_slots(file) if item[2].frame < reached]
            if not found and read_search(file) is not None:
                with _writing(target, "resumed"):
                    writer = cls(target, file, 0, 0, 0)
                    writer._truncate(None)
                    file.attrs["history"] += f"\n{_now()} resumed before the first frame"
                    file.attrs["status"] = "running"
                    file.flush()
                return writer, None
            if not found:
                raise StoreError(
                    "this run was stopped before its first checkpoint; start it again with "
                    "--overwrite",
                    target,
                )
            sequence, slot, checkpoint = found[0]
            with _writing(target, "resumed"):
                writer = cls(target, file, checkpoint.frame + 1, SLOTS.index(slot) ^ 1, sequence)
                writer._truncate(checkpoint)
                file.attrs["history"] += f"\n{_now()} resumed at time {checkpoint.time!r}"
                file.attrs["status"] = "running"
                file.flush()
        except BaseException:
            file.close()
            raise
        return writer, checkpoint

    def density(self, index: int) -> np.ndarray:
        """Density of a frame that was kept."""
        if self._pending is not None and index == self.frames - 1:
            return self._pending
        values: np.ndarray = self._file["density"][index].astype(np.float64)
        return values

    def append(self, frame: Frame) -> None:
        """Write the next frame and flush.

        Raises
        ------
        ValueError
            If the frame is not the next one, or its observables are not those of the first.
        StoreError
            If the disk does not take it.
        """
        if frame.index != self.frames:
            raise ValueError(f"frame {frame.index} was given; {self.frames} is next")
        length = self.frames + 1
        self._require_space(np.size(frame.density) * self._file["density"].dtype.itemsize)
        with _writing(self.path, "written"):
            series = self._series(frame.observables)
            density = self._file["density"]
            density.resize(length, axis=0)
            if self._every_frame or frame.index == 0:
                density[frame.index] = rounded(frame.density, density)
            else:
                self._pending = np.array(frame.density)
            for name, value in frame.observables.items():
                series[name].resize(length, axis=0)
                series[name][frame.index] = value
            self._file["time"].resize(length, axis=0)
            self._file["time"][frame.index] = frame.time
            self._file.flush()
        self.frames = length

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the state into the older of two slots and flush.

        A kill is survived at any point; a power failure may cost the newest checkpoints, because
        the operating system is not asked to reach the disk.
        """
        with _writing(self.path, "written"):
            write_slot(self._file["checkpoint"][SLOTS[self._slot]], checkpoint, self._sequence + 1)
            self._file.flush()
        self._slot ^= 1
        self._sequence += 1

    def write_stationary(self, stationary: Stationary) -> None:
        """Write the group ``/stationary``, replacing values that are there."""
        with _writing(self.path, "written"):
            fill_stationary(self._file, stationary)
            self._file.flush()

    def write_spectrum(self, spectrum: SpectrumRecord) -> None:
        """Write the group ``/spectrum``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_spectrum(self._file, spectrum)
            self._file.flush()

    def write_ensemble(self, ensemble: EnsembleRecord) -> None:
        """Write the group ``/ensemble``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_ensemble(self._file, ensemble)
            self._file.flush()

    def write_discrete(self, discrete: Discrete) -> None:
        """Write the group ``/discrete``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_discrete(self._file, discrete)
            self._file.flush()

    def write_validation(self, validation: ValidationRecord) -> None:
        """Write the group ``/validation``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_validation(self._file, validation)
            self._file.flush()

    def search(self) -> Search | None:
        """Where the optimiser of the control stood."""
        return read_search(self._file)

    def write_search(self, search: Search) -> None:
        """Keep where the optimiser of the control stands."""
        with _writing(self.path, "written"):
            fill_search(self._file, search)
            self._file.flush()

    def write_control(self, control: ControlRecord) -> None:
        """Write the group ``/control``, replacing values that are there."""
        with _writing(self.path, "written"):
            fill_control(self._file, control)
            self._file.flush()

    def write_smoothing(self, smoothing: SmoothingRecord) -> None:
        """Write the group ``/smoothing``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_smoothing(self._file, smoothing)
            self._file.flush()

    def write_passage(self, passage: PassageRecord) -> None:
        """Write the group ``/passage``, replacing one that is there."""
        with _writing(self.path, "written"):
            fill_passage(self._file, passage)
            self._file.flush()

    def close(
        self,
        status: str,
        *,
        timings: Mapping[str, float] | None = None,
        notes: list[str] | None = None,
    ) -> None:
        """Finish with the status ``"complete"`` or ``"interrupted"``; a second call does nothing.

        Parameters
        ----------
        status : str
        timings : mapping, optional
            Seconds by stage of the run.
        notes : list of str, optional
            Sentences that a reader of the result should see.
        """
        if not self._file:
            return
        if status not in ("complete", "interrupted"):
            raise ValueError(f'{status!r} is not a status; use "complete" or "interrupted"')
        with _writing(self.path, "closed"):
            try:
                if self._pending is not None:
                    density = self._file["density"]
                    density[self.frames - 1] = rounded(self._pending, density)
                if timings:
                    self._file.attrs["timings"] = encode_attribute(dict(timings))
                if notes:
                    self._file.attrs["notes"] = "\n".join(notes)
                self._file.attrs["status"] = status
            finally:
                self._file.close()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close("complete" if kind is None else "interrupted")

    def _require_space(self, size: int) -> None:
        """Refuse early: HDF5 cannot close a file after a write for which there was no room."""
        free = shutil.disk_usage(self.path.parent).free
        if free < size + SPARE_BYTES:
            raise StoreError(
                f"the disk is full: the next frame takes {size / 2**20:.1f} MiB and "
                f"{free / 2**20:.1f} MiB are free; free some space and go on with --resume",
                self.path,
            )

    def _series(self, observables: Mapping[str, Any]) -> dict[str, h5py.Dataset]:
        """Datasets of the observables, made at the first frame."""
        file = self._file
        names = series_names(file)
        if self.frames == 0 and not names:
            components = (file["component"], file["component2"])
            for name, value in observables.items():
                shape = np.shape(value)
                add_variable(
                    file,
                    name,
                    [file["time"], *components[: len(shape)]],
                    OBSERVABLES.get(name, name),
                    shape=(0, *shape),
                    maxshape=(None, *shape),
                    chunks=(SERIES_ROWS, *shape),
                    dtype=np.float64,
                    fillvalue=np.nan,
                )
            names = list(observables)
        if set(names) != set(observables):
            raise ValueError(
                f"the observables {sorted(observables)} are not those of the first frame, "
                f"{sorted(names)}"
            )
        return {name: file[name] for name in names}

    def _truncate(self, checkpoint: Checkpoint | None) -> None:
        """Drop every frame after the checkpoint."""
        file = self._file
        for name in ["time", *series_names(file)]:
            file[name].resize(self.frames, axis=0)
        if not self._every_frame:
            # Shrinking frees the density that was the last one when the run was interrupted.
            file["density"].resize(min(1, self.frames), axis=0)
            if self.frames > 1 and checkpoint is not None:
                self._pending = checkpoint.density.copy()
        file["density"].resize(self.frames, axis=0)


def check_target(path: Path, overwrite: bool) -> None:
    """Raise :class:`StoreError` if a result may not be written to ``path``."""
    if path.is_dir():
        raise StoreError("this is a directory; a result needs the name of a file", path)
    for parent in path.parents:
        if parent.exists() and not parent.is_dir():
            raise StoreError(f"the result cannot be created: {parent} is not a directory", path)
    if path.exists() and not overwrite:
        raise StoreError(
            "this result exists and is kept; give --overwrite to replace it, --resume to "
            "continue it, or --out to write elsewhere",
            path,
        )


@contextmanager
def _writing(path: Path, verb: str) -> Iterator[None]:
    """Name the file in whatever the operating system or HDF5 complain about."""
    try:
        yield
    except StoreError:
        raise
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"the result cannot be {verb}: {reason}", path) from error


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
