"""Writing a result frame by frame, so that a killed run leaves what it has reached."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from ..errors import StoreError
from ..runtime.files import followed
from ..runtime.interrupts import shielded
from .groups.control import Search, read_search
from .groups.table import GROUPS
from .precision import rounded
from .records import Checkpoint, Frame, Header
from .resume import check_same_run
from .skeleton import check_header, now, write_ending, write_skeleton
from .storage.checkpoint import read_checkpoint, write_checkpoint
from .storage.contents import (
    Expected,
    add_frames,
    keep_frames,
    merge,
    pack_analysis,
    pack_frame,
    read_frame,
)
from .storage.lock import locked
from .storage.opening import opened
from .storage.parts import clear, frame_name, names_in
from .storage.store import Store
from .storage.target import check_target, naming
from .storage.walkers import walkers_file

# Arrays of the grid in a new result: loss, Sigma, drift, a frame and a checkpoint.
NEW_ARRAYS = 5


class ResultWriter:
    """A result that grows by one frame at a time.

    Make one with :meth:`create` or :meth:`resume`, best in a ``with`` statement: an exception
    closes the result as ``"interrupted"``, the end of the block as ``"complete"``.

    The file is made with the first frame, or the first analysis. What comes then are parts in a
    folder beside it (:mod:`.storage.parts`), which go into a new file from time to time and at the
    end. Every file is whole or not there, whatever stops the run: an error, a kill, a full disk, a
    power failure.

    Attributes
    ----------
    path : Path
    frames : int
        Frames written.
    recovered : str
        One sentence on what was wrong with a part when the run was resumed; else empty.
    """

    def __init__(self, store: Store):
        self.path = store.path
        self.frames = 0
        self.recovered = ""
        self._store = store
        self._pending: np.ndarray | None = None
        self._closed = False

    @classmethod
    def create(
        cls,
        path: str | Path,
        header: Header,
        *,
        overwrite: bool = False,
        precision: str = "float64",
        every_frame: bool = True,
    ) -> ResultWriter:
        """Take the place of a new result.

        Where it is a symbolic link, the link is replaced, and not what it leads to.

        Parameters
        ----------
        path : path
            Parent directories are made.
        header : Header
        overwrite : bool
            Replace an existing file. It is kept until the new one has its first frame.
        precision : {"float64", "float32", "compact"}
            Of ``/density``, see :func:`density_storage`; the rest is float64 always.
        every_frame : bool
            If False, only the densities of the first and the last frame are kept; those between
            read as NaN and take no room. Observables are kept at every frame.

        Raises
        ------
        StoreError
            If the file exists and ``overwrite`` is False, cannot be written, or is being written
            by another process.
        CaseError
            If an axis has a name that the file needs.
        """
        target = Path(path)
        check_header(header)
        check_target(target, overwrite)
        with shielded(), naming(target, "created"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with locked(target) as lock:
                # Between the first look and the lock another run may have come and gone.
                check_target(target, overwrite)
                fill = partial(
                    write_skeleton, header=header, precision=precision, every_frame=every_frame
                )
                return cls(Store(target, lock, fill, NEW_ARRAYS * header.loss.size * 8))

    @classmethod
    def resume(cls, path: str | Path, header: Header) -> tuple[ResultWriter, Checkpoint | None]:
        """Go on with an unfinished result; frames after its last checkpoint are dropped.

        There is no checkpoint where the run was stopped before its first frame; all begins anew.

        Raises
        ------
        StoreError
            If there is no such file, it is complete, another process writes it, or the case, the
            versions or the grid are not those of ``header``.
        """
        target = followed(Path(path))
        if not target.is_file():
            raise StoreError("there is no such result file", target)
        with shielded(), naming(target, "resumed"), locked(target) as lock:
            if (names := os.stat(target).st_nlink) > 1:
                # Lock and parts go by the name, and only one of them would go on.
                raise StoreError(
                    f"this file has {names} names (hard links), and a run would go on under one "
                    "of them only; make a copy and go on with that",
                    target,
                )
            with opened(target) as file:
                check_same_run(file, header, target)
            writer = cls(Store(target, lock, None, os.stat(target).st_size))
            return writer, writer._go_on()

    def density(self, index: int) -> np.ndarray:
        """Density of a frame that was kept, as the result keeps it."""
        if self._pending is not None and index == self.frames - 1:
            return self._pending
        with shielded():
            result = self._store.result
            density = result["density"]
            if index < len(density):
                values = density[index]
            else:
                place = self._store.folder.path / frame_name(index)
                frame, _ = read_frame(place, Expected.of(result))
                values = rounded(frame.density, density).astype(density.dtype)
        return np.asarray(values, np.float64)

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
        if state is not None and (state.frame, id(state.density)) != (
            frame.index,
            id(frame.density),
        ):
            raise ValueError("the state to go on from is not that of the frame")
        store = self._store
        with store.writing():
            if frame.index == 0:
                # It goes straight into the file.
                store.begin(lambda file: _add_first(file, frame, state))
                self.frames = 1
                return
            if store.series != set(frame.observables):
                raise ValueError(
                    f"the observables {sorted(frame.observables)} are not those of the first "
                    f"frame, {sorted(store.series)}"
                )
            name = frame_name(frame.index)
            store.put(name, pack_frame(store.run, frame, state), wait=False)
            self.frames += 1
            if not store.every_frame:
                self._pending = np.array(frame.density)
            if store.due:
                store.assemble(self.frames, lambda file: None)

    def write(self, analysis: str, record: Any) -> None:
        """Write what an analysis has found, replacing what is there.

        Parameters
        ----------
        analysis : str
            A name of ``GROUPS``.
        record : its record
        """
        self._write(analysis, record)
        if analysis == "ensemble":
            self.forget_walkers()

    def found(self, analysis: str) -> Any:
        """What an analysis had found where a run before came to its end; else None."""
        with shielded():
            return GROUPS[analysis].read(self._store.result) if self._store.begun else None

    def forget_walkers(self) -> None:
        """Remove what was kept for walkers to go on from; their ensemble is on the disk."""
        # In a folder that is read-only now it stays; no other walkers go on from it.
        with suppress(OSError):
            walkers_file(self.path).unlink(missing_ok=True)

    def search(self) -> Search | None:
        """Where the optimiser of the control stood."""
        with shielded():
            return read_search(self._store.result) if self._store.begun else None

    def write_search(self, search: Search) -> None:
        """Keep where the optimiser of the control stands."""
        self._write("search", search)

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
            If the disk does not take the end; the parts are safe, and the run can be resumed.
        """
        if status not in ("complete", "interrupted"):
            raise ValueError(f'{status!r} is not a status; use "complete" or "interrupted"')
        if self._closed:
            return
        self._closed = True

        def finish(file: h5py.File) -> None:
            write_ending(file, status, timings, notes, failed)
            if self._pending is not None:
                file["density"][self.frames - 1] = rounded(self._pending, file["density"])

        with shielded():
            try:
                # A run that has not begun leaves what is there.
                if status == "complete" or self._store.begun or not self.path.exists():
                    with self._store.writing("closed"):
                        self._store.assemble(self.frames, finish)
                if status == "complete":
                    clear(self.path)
            finally:
                self._store.release()

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

    def _write(self, name: str, record: Any) -> None:
        store = self._store
        with store.writing():
            store.put(f"{name}.h5", pack_analysis(store.result, name, record))

    def _go_on(self) -> Checkpoint | None:
        """Put everything into the result up to its last checkpoint."""
        folder = self._store.folder
        names = names_in(folder.path)
        found: list[Checkpoint] = []

        def fill(file: h5py.File) -> None:
            fault = merge(file, folder.path, names)
            reached, checkpoint = len(file["time"]), read_checkpoint(file)
            place = "before the first frame"
            if checkpoint is not None and checkpoint.frame < reached:
                found.append(checkpoint)
                self.frames = checkpoint.frame + 1
                place = f"at time {checkpoint.time!r}"
            if fault:
                self.recovered = (
                    f"{fault}; {reached} whole frames are there, and the run goes on {place}"
                )
            keep_frames(file, self.frames)
            file.attrs["history"] += f"\n{now()} resumed {place}"
            file.attrs["status"] = "running"

        self._store.replace(fill, self.path)
        folder.remove(names)
        if found and self.frames > 1 and not self._store.every_frame:
            self._pending = found[0].density.copy()
        return found[0] if found else None


def _add_first(file: h5py.File, frame: Frame, state: Checkpoint | None) -> None:
    add_frames(file, [frame])
    if state is not None:
        write_checkpoint(file, state)
