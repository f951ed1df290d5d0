"""Writing a result file frame by frame, so that a killed run leaves what it has reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..errors import StoreError
from ..runtime.interrupts import shielded
from .groups.control import (
    Search,
    fill_search,
    read_search,
)
from .groups.table import GROUPS
from .layout import add_series, append_row, encode_attribute, series_names
from .precision import rounded
from .reader import complete_frames
from .records import Checkpoint, Frame, Header
from .resume import check_same_run
from .skeleton import write_skeleton
from .storage.session import Session
from .storage.slots import GROUP, SLOTS, read_slots, write_slot
from .storage.target import require_space
from .storage.walkers import remove_walkers


class ResultWriter:
    """A result file that grows by one frame at a time.

    Make one with :meth:`create` or :meth:`resume`, best in a ``with`` statement: an exception
    closes the file as ``"interrupted"``, the end of the block as ``"complete"``.

    Every call that writes changes the file as a whole or not at all, whatever stops it: an error,
    a kill, a full disk, a power failure. See :mod:`.journal` for how.

    Attributes
    ----------
    path : Path
    frames : int
        Frames written.
    recovered : str
        One sentence on what was restored when the file was resumed; empty where it was whole.
    """

    def __init__(self, session: Session):
        self.path = session.path
        self.frames = 0
        self.recovered = ""
        self._session = session
        self._slot = 0
        self._sequence = 0
        self._every_frame = bool(session.file["density"].attrs["every_frame"])
        self._pending: np.ndarray | None = None
        # Handles that stay open between frames: to look up a name costs HDF5 more than to write
        # the number.
        self._growing: dict[str, h5py.Dataset] = {}
        self._parts: list[dict[str, h5py.Dataset]] = []

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
            Whether to make room for checkpoints, and to keep a journal.

        Raises
        ------
        StoreError
            If the file exists and ``overwrite`` is False, cannot be written, or is being written
            by another process.
        CaseError
            If an axis has a name that the file needs.
        """

        def fill(file: h5py.File) -> None:
            write_skeleton(file, header, precision, every_frame, resumable)

        return cls(Session.create(Path(path), fill, overwrite, journal=resumable))

    @classmethod
    def resume(cls, path: str | Path, header: Header) -> tuple[ResultWriter, Checkpoint | None]:
        """Open an unfinished file; frames after its last valid checkpoint are dropped.

        There is no checkpoint where the run was stopped before its first frame; all begins anew.

        Raises
        ------
        StoreError
            If there is no such file, it is complete, another process writes it, or the case, the
            versions or the grid are not those of ``header``.
        """
        target = Path(path)

        def check(file: h5py.File) -> None:
            check_same_run(file, header, target)

        writer = cls(Session.resume(target, check))
        try:
            return writer, writer._go_on()
        except BaseException:
            writer._session.close(lambda file: None)
            raise

    def density(self, index: int) -> np.ndarray:
        """Density of a frame that was kept."""
        if self._pending is not None and index == self.frames - 1:
            return self._pending
        with shielded():
            values: np.ndarray = self._session.file["density"][index].astype(np.float64)
        return values

    def append(self, frame: Frame, state: Checkpoint | None = None) -> None:
        """Write the next frame, and the state to go on from.

        Raises
        ------
        ValueError
            If the frame is not the next one, or its observables are not those of the first.
        StoreError
            If the disk does not take it; the frames before are safe.
        """
        if frame.index != self.frames:
            raise ValueError(f"frame {frame.index} was given; {self.frames} is next")
        length = self.frames + 1
        with self._change() as file:
            series = self._series(file, frame.observables)
            # Once in the file and once in the journal, with the checkpoint.
            require_space(self.path, 3 * np.size(frame.density) * series["density"].dtype.itemsize)
            density = rounded(frame.density, series["density"])
            values = {"time": frame.time, "density": density, **frame.observables}
            for name, value in values.items():
                kept = name != "density" or self._every_frame or frame.index == 0
                append_row(series[name], frame.index, value, kept)
            if state is not None:
                write_slot(self._slot_parts(file), state, self._sequence + 1)
        if not self._every_frame and frame.index > 0:
            self._pending = np.array(frame.density)
        self.frames = length
        if state is not None:
            self._next_slot()

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write the state alone, into the older of two slots."""
        with self._change() as file:
            write_slot(self._slot_parts(file), checkpoint, self._sequence + 1)
        self._next_slot()

    def write(self, analysis: str, record: Any) -> None:
        """Write the group of an analysis, replacing one that is there.

        Parameters
        ----------
        analysis : str
            A name of ``GROUPS``.
        record : its record
        """
        with self._change() as file:
            GROUPS[analysis].fill(file, record)
        if analysis == "ensemble":
            self.forget_walkers()

    def found(self, analysis: str) -> Any:
        """What an analysis has found, where a run before came to its end; else None."""
        with shielded():
            return GROUPS[analysis].read(self._session.file)

    def forget_walkers(self) -> None:
        """Remove what was kept for walkers to go on from, once their ensemble is on the disk."""
        self._session.secure()
        # In a folder that is read-only now it stays; no other walkers go on from it.
        with suppress(OSError):
            remove_walkers(self.path)

    def search(self) -> Search | None:
        """Where the optimiser of the control stood."""
        with shielded():
            return read_search(self._session.file)

    def write_search(self, search: Search) -> None:
        """Keep where the optimiser of the control stands."""
        with self._change() as file:
            fill_search(file, search)

    def close(
        self,
        status: str,
        *,
        timings: Mapping[str, float] | None = None,
        notes: list[str] | None = None,
        failed: Mapping[str, str] | None = None,
    ) -> None:
        """Finish with the status ``"complete"`` or ``"interrupted"``; a second call does nothing.

        Parameters
        ----------
        status : str
        timings : mapping, optional
            Seconds by stage of the run.
        notes : list of str, optional
            Sentences that a reader of the result should see.
        failed : mapping, optional
            Analyses that could not be done, by their section, and why.

        Raises
        ------
        StoreError
            If the disk does not take the end; the frames are safe, and the file can be resumed.
        """
        if status not in ("complete", "interrupted"):
            raise ValueError(f'{status!r} is not a status; use "complete" or "interrupted"')

        def finish(file: h5py.File) -> None:
            if self._pending is not None:
                density = file["density"]
                density[self.frames - 1] = rounded(self._pending, density)
            if timings:
                file.attrs["timings"] = encode_attribute(dict(timings))
            if notes:
                file.attrs["notes"] = "\n".join(notes)
            if failed:
                file.attrs["failed"] = encode_attribute(dict(failed))
            file.attrs["status"] = status

        self._growing, self._parts = {}, []
        self._session.close(finish)

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close("complete")
            return
        # What went wrong first is what matters; the frames are safe without the last words.
        with suppress(StoreError):
            self.close("interrupted")

    def _go_on(self) -> Checkpoint | None:
        """Set everything to the last checkpoint."""
        file = self._session.file
        reached = complete_frames(file)
        found = [item for item in read_slots(file) if item[2].frame < reached]
        checkpoint = None
        if found:
            self._sequence, slot, checkpoint = found[0]
            self._slot = SLOTS.index(slot) ^ 1
            self.frames = checkpoint.frame + 1
        place = "before the first frame" if checkpoint is None else f"at time {checkpoint.time!r}"
        if self._session.cut:
            self.recovered = (
                f"{self.path}: the last write was cut off and was restored from the journal beside "
                f"it; {self.frames} whole frames are there, and the run goes on {place}"
            )
        with self._change() as file:
            self._truncate(file, checkpoint)
            file.attrs["history"] += f"\n{_now()} resumed {place}"
            file.attrs["status"] = "running"
        return checkpoint

    @contextmanager
    def _change(self) -> Iterator[h5py.File]:
        """A change of the file as a whole; handles do not outlive one that fails."""
        try:
            with self._session.change() as file:
                yield file
        except BaseException:
            self._growing, self._parts = {}, []
            raise

    def _next_slot(self) -> None:
        self._slot ^= 1
        self._sequence += 1

    def _series(self, file: h5py.File, observables: Mapping[str, Any]) -> dict[str, h5py.Dataset]:
        """What grows with time: time, density and the observables, made at the first frame."""
        if not self._growing:
            names = series_names(file)
            if self.frames == 0 and not names:
                add_series(file, observables)
                names = list(observables)
            self._growing = {name: file[name] for name in ["time", "density", *names]}
        names = [name for name in self._growing if name not in ("time", "density")]
        if set(names) != set(observables):
            raise ValueError(
                f"the observables {sorted(observables)} are not those of the first frame, "
                f"{sorted(names)}"
            )
        return self._growing

    def _slot_parts(self, file: h5py.File) -> dict[str, h5py.Dataset]:
        """The datasets of the older slot."""
        if not self._parts:
            self._parts = [dict(file[GROUP][name].items()) for name in SLOTS]
        return self._parts[self._slot]

    def _truncate(self, file: h5py.File, checkpoint: Checkpoint | None) -> None:
        """Drop every frame after the checkpoint."""
        for name in ["time", *series_names(file)]:
            file[name].resize(self.frames, axis=0)
        if not self._every_frame:
            # Shrinking frees the density that was the last one when the run was interrupted.
            file["density"].resize(min(1, self.frames), axis=0)
            if self.frames > 1 and checkpoint is not None:
                self._pending = checkpoint.density.copy()
        file["density"].resize(self.frames, axis=0)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
