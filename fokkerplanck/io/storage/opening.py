"""Opening a result file as its journal says it is."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from ...errors import StoreError
from ...runtime.files import followed, whole_file
from ..layout import LIBVER, SCHEMA
from .damage import DAMAGE, damaged
from .disk import Disk, differs, overlay
from .guard import inspect, refuse_endless
from .journal import NAME_BYTES, SUFFIXES, Mark, journal_files, pending_changes
from .slots import GROUP, RUN, new_mark

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What HDF5 says of a file that is shorter than its superblock claims.
_CUT = re.compile(r"truncated file: eof = (\d+), sblock->base_addr = (\d+), stored_eof = (\d+)")
# The superblock of version 0 with the entry of the root group.
LEAST_BYTES = 96


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """Open a result file that exists, as it is after the last change in its journal.

    Nothing is written: a file whose last change was cut off is put together in memory.

    Raises
    ------
    StoreError
        If it is missing, is not a result file, or belongs to a newer version.
    """
    if not path.is_file():
        raise StoreError("there is no such result file", path)
    path = followed(path)
    if not any(file.is_file() for file in journal_files(path)):
        refuse_endless(path)
        with _opened(path, path, "r") as file:
            yield file
        return
    with _descriptor(path, os.O_RDONLY) as descriptor:
        changes = pending_changes(path, descriptor)
        pages, size = overlay(changes) if changes else ({}, None)
        refuse_endless(path, pages, size)
        with _opened(path, Disk(descriptor, pages, size), "r") as file:
            yield file


def signature(path: Path) -> tuple[tuple[int, int, int] | None, ...]:
    """What changes when somebody writes the file or its journal."""
    path = followed(path)
    found: list[tuple[int, int, int] | None] = []
    for file in (path, *journal_files(path)):
        try:
            state = file.stat()
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        except OSError:
            found.append(None)
    return tuple(found)


def restored(path: Path) -> tuple[Disk, bool]:
    """A file open for writing, after the changes of its journal have been done again.

    Returns
    -------
    disk : Disk
        Without a journal yet.
    cut : bool
        Whether the file was not what its journal says, so that something was restored.

    Raises
    ------
    StoreError
        If there is no such file, it may not be written or has more than one name.
    OSError
        If the disk does not take the changes.
    """
    if not path.is_file():
        raise StoreError("there is no such result file", path)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except PermissionError as error:
        raise StoreError("permission to open this file is denied", path) from error
    try:
        if (names := os.fstat(descriptor).st_nlink) > 1:
            # Lock and journal go by the name, so they would not be seen under another one.
            raise StoreError(
                f"this file has {names} names (hard links), and a run would change it under all of "
                "them; make a copy and go on with that",
                path,
            )
        changes = pending_changes(path, descriptor)
        if not changes:
            return Disk(descriptor), False
        pages, size = overlay(changes)
        cut = differs(descriptor, pages, size)
        disk = Disk(descriptor, pages, size)
        disk.restore()
    except BaseException:
        os.close(descriptor)
        raise
    return disk, cut


def open_disk(path: Path, disk: Disk, mode: str) -> h5py.File:
    """HDF5 on a disk of ours."""
    if mode != "w":
        refuse_endless(path)
    try:
        file = h5py.File(disk, mode, libver=LIBVER)
    except OSError as error:
        raise _unreadable(error, path) from error
    if mode != "w":
        _check(file, path)
    return file


def mark_of(path: Path, file: h5py.File, disk: Disk) -> Mark:
    """Where the name of the run stands in an open file.

    Raises
    ------
    StoreError
        If it has none, as a result that was saved and not run.
    """
    text = bytes(file[GROUP].attrs[RUN]) if GROUP in file and RUN in file[GROUP].attrs else b""
    name = text[:NAME_BYTES]
    place = disk.find(name) if name else None
    if place is None:
        raise StoreError(
            "this file was not begun by a run, so it cannot be continued; start again with "
            "--overwrite",
            path,
        )
    return Mark(name, place)


def give_mark(path: Path) -> None:
    """Name the run of a file of earlier days, in a copy that takes its place when it is whole."""
    with reading(path) as file:
        if GROUP not in file or RUN in file[GROUP].attrs:
            return
    with whole_file(path) as copy:
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+", libver=LIBVER, locking="best-effort") as file:
            file[GROUP].attrs[RUN] = new_mark()


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC)
    except PermissionError as error:
        raise StoreError("permission to open this file is denied", path) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path, source: Path | Disk, mode: str) -> Iterator[h5py.File]:
    locking = {"locking": "best-effort"} if isinstance(source, Path) else {}
    try:
        file = h5py.File(source, mode, libver=LIBVER, **locking)
    except OSError as error:
        if isinstance(error, BlockingIOError) or "unable to lock" in str(error):
            raise StoreError("another process is writing this file; wait for it", path) from error
        if isinstance(error, PermissionError):
            raise StoreError("permission to open this file is denied", path) from error
        raise _unreadable(error, path) from error
    with file:
        _check(file, path)
        yield file


def _unreadable(error: OSError, path: Path) -> StoreError:
    """A sentence for what HDF5 does not open.

    Nothing is salvaged from a file that was cut off. HDF5 would open it once zeros fill up its end;
    but names and attributes of the root lie all over a file that grew, the status at its very end,
    and a chunk of zeros is a density like any other.
    """
    if cut := _CUT.search(str(error)):
        there, base, claimed = (int(number) for number in cut.groups())
        return StoreError(
            f"the end of this file is missing: it should have {base + claimed:,} bytes and has "
            f"{there:,}, and no journal that could restore it lies beside it; copy it again, with "
            f"{' and '.join(SUFFIXES)} where its run has not ended, or run the case again with "
            "--overwrite",
            path,
        )
    with suppress(OSError):
        with path.open("rb") as file:
            begun, size = SIGNATURE.startswith(file.read(len(SIGNATURE))), path.stat().st_size
        if begun and size < LEAST_BYTES:
            return StoreError(
                f"this file has {size} bytes, which is no whole HDF5 file; copy it again, or run "
                "the case again with --overwrite",
                path,
            )
    return StoreError(f"this is not a readable HDF5 file: {error}", path)


def _check(file: h5py.File, path: Path) -> None:
    """Raise :class:`StoreError` if this is no result, a doctored one, or of a newer version."""
    try:
        inspect(file, path)
        schema = file.attrs.get("schema")
        if schema is None or "density" not in file:
            raise StoreError("this HDF5 file is not a result of fokkerplanck", path)
        if not isinstance(schema, int | np.integer):
            raise StoreError(f"this result file is damaged: its schema is {schema!r}", path)
        if schema > SCHEMA:
            raise StoreError(
                f"the file has schema {schema}, this version reads up to {SCHEMA}; use a newer "
                "fokkerplanck",
                path,
            )
    except DAMAGE as error:
        file.close()
        raise damaged(path, error) from error
