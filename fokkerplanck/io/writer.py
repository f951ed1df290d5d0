"""Writing a result frame by frame, so that a killed run leaves what it has reached."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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
from .layout import series_names
from .precision import rounded
from .records import Checkpoint, Frame, Header
from .resume import check_same_run
from .skeleton import check_header, now, write_ending, write_skeleton
from .storage.checkpoint import read_checkpoint, run_of, write_checkpoint
from .storage.contents import (
    Expected,
    add_frames,
    keep_frames,
    merge,
    pack_analysis,
    pack_frame,
    read_frame,
)
from .storage.lock import Lock, locked
from .storage.opening import opened
from .storage.parts import FRESH, Folder, clear, frame_name, names_in
from .storage.sink import write_result
from .storage.target import check_target, naming, require_space
from .storage.walkers import walkers_file

# Parts are put into the result when they have as many bytes as it, or are as many as its frames and
# at least so many. So it at least doubles each time, and all that a run writes is at most a part
# and two copies of each frame, and what is beside them once for each doubling.
FEWEST_PARTS = 64
# Arrays of the grid in a new result: loss, Sigma, drift, a frame and a checkpoint.
NEW_ARRAYS = 5


Fill = Callable[[h5py.File], None]


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

    def __init__(self, path: Path, lock: Lock, skeleton: Fill | None = None, size: int = 0):
        self.path = path
        self.frames = 0
        self.recovered = ""
        self._lock = lock
        self._folder = Folder(path)
        # Until the result is there.
        self._skeleton = skeleton
        self._size = size
        self._run = ""
        self._every_frame = True
        self._series: set[str] = set()
        self._place: os.stat_result | None = None
        self._file: h5py.File | None = None
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
                return cls(target, lock, fill, NEW_ARRAYS * header.loss.size * 8)

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
            writer = cls(target, lock)
            return writer, writer._go_on()

    def density(self, index: int) -> np.ndarray:
        """Density of a frame that was kept, as the result keeps it."""
        if self._pending is not None and index == self.frames - 1:
            return self._pending
        with shielded():
            density = self._result["density"]
            if index < len(density):
                values = density[index]
            else:
                place, expected = self._folder.path / frame_name(index), Expected.of(self._result)
                frame, _ = read_frame(place, expected)
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
        with self._writing():
            if frame.index == 0:
                self._begin(frame, state)
            else:
                self._append(frame, state)

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
            return None if self._skeleton else GROUPS[analysis].read(self._result)

    def forget_walkers(self) -> None:
        """Remove what was kept for walkers to go on from; their ensemble is on the disk."""
        # In a folder that is read-only now it stays; no other walkers go on from it.
        with suppress(OSError):
            walkers_file(self.path).unlink(missing_ok=True)

    def search(self) -> Search | None:
        """Where the optimiser of the control stood."""
        with shielded():
            return None if self._skeleton else read_search(self._result)

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
                if status == "complete" or self._skeleton is None or not self.path.exists():
                    with self._writing("closed"):
                        self._assemble(finish)
                if status == "complete":
                    clear(self.path)
            finally:
                with suppress(OSError):
                    # It is empty now, but for walkers that an interrupt ended.
                    self._folder.path.rmdir()
                self._let_go()
                self._lock.release()

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

    @property
    def _result(self) -> h5py.File:
        """The result without its parts; it is made if need be."""
        if self._skeleton is not None:
            self._begin()
        if self._file is None:
            self._file = h5py.File(self.path, "r", locking="best-effort")
        return self._file

    @contextmanager
    def _writing(self, verb: str = "written") -> Iterator[None]:
        """A block that writes, if the result is where it was."""
        with shielded(), naming(self.path, verb):
            if self._place is not None and not self._is_here(self._place):
                raise StoreError(
                    "this file was moved or deleted while the run wrote it; where it is now, it "
                    "holds the frames so far, and --resume goes on from there",
                    self.path,
                )
            yield

    def _is_here(self, place: os.stat_result) -> bool:
        try:
            return os.path.samestat(place, os.stat(self.path))
        except OSError:
            return False

    def _begin(self, frame: Frame | None = None, state: Checkpoint | None = None) -> None:
        """Make the file, or go on with one without frames; a first frame goes straight into it."""
        skeleton = self._skeleton

        def fill(file: h5py.File) -> None:
            if skeleton is not None:
                skeleton(file)
            if frame is not None:
                add_frames(file, [frame])
            if state is not None:
                write_checkpoint(file, state)

        self._replace(fill, self._size, self.path if skeleton is None else None)
        self.frames = 0 if frame is None else 1
        if skeleton is not None:
            self._skeleton = None
            # Parts of a run before: of no use, and no harm until now.
            clear(self.path)
            self._folder.make()

    def _write(self, name: str, record: Any) -> None:
        with self._writing():
            self._put(f"{name}.h5", pack_analysis(self._result, name, record))

    def _append(self, frame: Frame, state: Checkpoint | None) -> None:
        if self._series != set(frame.observables):
            raise ValueError(
                f"the observables {sorted(frame.observables)} are not those of the first frame, "
                f"{sorted(self._series)}"
            )
        self._put(frame_name(frame.index), pack_frame(self._run, frame, state), wait=False)
        self.frames += 1
        if not self._every_frame:
            self._pending = np.array(frame.density)
        sizes = self._folder.sizes
        if sum(sizes.values()) >= self._size or len(sizes) >= max(
            FEWEST_PARTS, self.frames - len(sizes)
        ):
            self._assemble(lambda file: None)

    def _put(self, name: str, data: bytes | memoryview, wait: bool = True) -> None:
        """Write a part if the result can still be put together after it."""
        size = len(data) + self._size + sum(self._folder.sizes.values()) + len(data)
        require_space(self.path, size, "the next part, and the result once more, take")
        self._folder.put(name, data, wait)

    def _assemble(self, finish: Fill) -> None:
        """Put the parts into the result."""
        if self._skeleton is not None:
            self._begin()
        names = names_in(self._folder.path)

        def fill(file: h5py.File) -> None:
            fault = merge(file, self._folder.path, names)
            # Else parts behind the fault would be removed without having been taken.
            if fault:
                raise StoreError(fault)
            if len(file["time"]) != self.frames:
                raise StoreError("parts of it were removed while the run wrote it", self.path)
            finish(file)

        self._replace(fill, self._size + sum(self._folder.sizes.values()), self.path)
        self._folder.remove(names)

    def _replace(self, fill: Fill, size: int, base: Path | None) -> None:
        """Write the result anew, or from ``base`` on; it takes about ``size`` bytes."""

        def whole(file: h5py.File) -> None:
            fill(file)
            self._run = run_of(file)
            self._series = set(series_names(file))
            self._every_frame = bool(file["density"].attrs["every_frame"])

        require_space(self.path, size, "the result takes")
        self._let_go()
        write_result(self.path, self._folder.make() / f"result{FRESH}", whole, base)
        self._place = os.stat(self.path)
        self._size = self._place.st_size

    def _let_go(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _go_on(self) -> Checkpoint | None:
        """Put everything into the result up to its last checkpoint."""
        names = names_in(self._folder.path)
        found: list[Checkpoint] = []

        def fill(file: h5py.File) -> None:
            fault = merge(file, self._folder.path, names)
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

        self._replace(fill, os.stat(self.path).st_size, self.path)
        self._folder.remove(names)
        if found and self.frames > 1 and not self._every_frame:
            self._pending = found[0].density.copy()
        return found[0] if found else None
