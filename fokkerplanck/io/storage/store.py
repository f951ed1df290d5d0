"""A result while its run goes on: one file, the parts beside it, one process that writes both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from ...errors import StoreError
from ...runtime.interrupts import shielded
from ..layout import series_names
from .checkpoint import run_of
from .contents import merge
from .lock import Lock
from .parts import FRESH, Folder, clear, names_in
from .sink import write_result
from .target import naming, require_space

# Parts are put into the result when they have as many bytes as it, or are as many as its frames and
# at least so many. So it doubles each time, and parts are never more than half of the frames; a
# frame is written once as a part and about twice in results, what is beside frames once for each
# doubling.
FEWEST_PARTS = 64

Fill = Callable[[h5py.File], None]


class Store:
    """The files of one run.

    Parameters
    ----------
    path : Path
    lock : Lock
        Of the result; given back by :meth:`release`.
    skeleton : callable, optional
        Writes what a new result begins with. Left out where the result is there.
    size : int
        Bytes of the result, or about those that a new one begins with.

    Attributes
    ----------
    run : str
        Name of the run.
    series : set of str
        Observables of the frames.
    every_frame : bool
        Whether the result keeps all densities.
    """

    def __init__(self, path: Path, lock: Lock, skeleton: Fill | None, size: int):
        self.path = path
        self.folder = Folder(path)
        self.run = ""
        self.series: set[str] = set()
        self.every_frame = True
        self._skeleton = skeleton
        self._size = size
        self._lock = lock
        self._place: os.stat_result | None = None
        self._file: h5py.File | None = None

    @property
    def begun(self) -> bool:
        """Whether the result of this run is there."""
        return self._skeleton is None

    @property
    def result(self) -> h5py.File:
        """The result without its parts; it is made if need be."""
        if not self.begun:
            self.begin(lambda file: None)
        if self._file is None:
            self._file = h5py.File(self.path, "r", locking="best-effort")
        return self._file

    @property
    def due(self) -> bool:
        """Whether the parts are to be put into the result."""
        sizes = self.folder.sizes
        many = len(sizes) >= max(FEWEST_PARTS, len(self.result["time"]))
        return many or sum(sizes.values()) >= self._size

    @contextmanager
    def writing(self, verb: str = "written") -> Iterator[None]:
        """A block that writes, if the result is where it was."""
        with shielded(), naming(self.path, verb):
            if self._place is not None and not self._is_here(self._place):
                raise StoreError(
                    "this file was moved or deleted while the run wrote it; where it is now, it "
                    "holds the frames so far, and --resume goes on from there",
                    self.path,
                )
            yield

    def begin(self, fill: Fill) -> None:
        """Make the file, or go on with one without frames; ``fill`` adds what comes first."""
        skeleton = self._skeleton
        if skeleton is None:
            self.replace(fill, self.path)
            return

        def whole(file: h5py.File) -> None:
            skeleton(file)
            fill(file)

        self.replace(whole, None)
        self._skeleton = None
        # Parts of a run before: of no use, and no harm until now.
        clear(self.path)
        self.folder.make()

    def put(self, name: str, data: bytes | memoryview, wait: bool = True) -> None:
        """Write a part, see :meth:`.Folder.put`, if the result can be put together after it."""
        size = len(data) + self._size + sum(self.folder.sizes.values()) + len(data)
        require_space(self.path, size, "the next part, and the result once more, take")
        self.folder.put(name, data, wait)

    def assemble(self, frames: int, finish: Fill) -> None:
        """Put the parts into the result, which then has so many frames."""
        if not self.begun:
            self.begin(lambda file: None)
        names = names_in(self.folder.path)

        def fill(file: h5py.File) -> None:
            fault = merge(file, self.folder.path, names)
            # Else parts behind the fault would be removed without having been taken.
            if fault:
                raise StoreError(fault)
            if len(file["time"]) != frames:
                raise StoreError("parts of it were removed while the run wrote it", self.path)
            finish(file)

        self.replace(fill, self.path)
        self.folder.remove(names)

    def replace(self, fill: Fill, base: Path | None) -> None:
        """Write the result anew, or from ``base`` on."""

        def whole(file: h5py.File) -> None:
            fill(file)
            self.run = run_of(file)
            self.series = set(series_names(file))
            self.every_frame = bool(file["density"].attrs["every_frame"])

        size = self._size + sum(self.folder.sizes.values())
        require_space(self.path, size, "the result takes")
        self.let_go()
        write_result(self.path, self.folder.make() / f"result{FRESH}", whole, base)
        self._place = os.stat(self.path)
        self._size = self._place.st_size

    def let_go(self) -> None:
        """Close the result."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def release(self) -> None:
        """Give everything back; the folder stays only where something is in it."""
        with suppress(OSError):
            self.folder.path.rmdir()
        self.let_go()
        self._lock.release()

    def _is_here(self, place: os.stat_result) -> bool:
        try:
            return os.path.samestat(place, os.stat(self.path))
        except OSError:
            return False
