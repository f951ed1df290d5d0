"""Where HDF5 writes a new result file: it takes the place of the old one when it is whole."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import h5py

from ...runtime.files import placing, write_at
from ..layout import LIBVER

# Bytes that are copied at once.
COPY_BYTES = 4 * 2**20


class Sink:
    """A file object for h5py's driver ``fileobj`` that never fails.

    The HDF5 library does not recover from a full disk, and may crash at the end of the process. So
    it is not told of a write that failed; who made the sink looks at ``failure`` afterwards.
    """

    def __init__(self, descriptor: int):
        self.failure: OSError | None = None
        self._file = descriptor
        self._position = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the beginning, from here or from the end."""
        end = os.fstat(self._file).st_size if whence == io.SEEK_END else 0
        self._position = offset + (self._position if whence == io.SEEK_CUR else end)
        return self._position

    def tell(self) -> int:
        """Where the next read or write begins."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; what lies beyond the end reads as zeros."""
        view = memoryview(buffer).cast("B")
        done = 0
        while got := os.preadv(self._file, [view[done:]], self._position + done):
            done += got
        view[done:] = bytes(len(view) - done)
        self._position += len(view)
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """The next bytes; h5py asks whether this exists and calls ``readinto``."""
        data = bytearray(max(size, 0))
        self.readinto(memoryview(data))
        return bytes(data)

    def write(self, data: memoryview) -> int:
        """Write, or remember why that was not possible."""
        view = memoryview(data).cast("B")
        if self.failure is None:
            try:
                write_at(self._file, view, self._position)
            except OSError as error:
                self.failure = error
        self._position += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        size = self._position if size is None else size
        if self.failure is None:
            try:
                os.ftruncate(self._file, size)
            except OSError as error:
                self.failure = error
        return size

    def flush(self) -> None:
        """Nothing: the disk is waited for when the file is whole."""


def write_result(
    target: Path, fresh: Path, fill: Callable[[h5py.File], None], base: Path | None = None
) -> None:
    """Write an HDF5 file as ``fresh``, empty or a copy of ``base`` first, and put it in place.

    Raises
    ------
    OSError
        From the disk; ``target`` is then as it was.
    """
    with placing(target, fresh) as descriptor:
        if base is not None:
            _copy(base, descriptor)
        sink = Sink(descriptor)
        try:
            with h5py.File(sink, "w" if base is None else "r+", libver=LIBVER) as file:
                fill(file)
        except BaseException as error:
            if sink.failure is not None:
                raise sink.failure from error
            raise
        if sink.failure is not None:
            raise sink.failure


def _copy(source: Path, descriptor: int) -> None:
    with source.open("rb") as file:
        place = 0
        while piece := file.read(COPY_BYTES):
            write_at(descriptor, piece, place)
            place += len(piece)
