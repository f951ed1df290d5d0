"""The parts of a result whose run goes on: small files in ``NAME.h5.part/``, each whole or absent.

A part is written under another name and renamed, so a kill leaves the old one or the new one. It is
a file of numpy's format npz, not compressed: a zip archive, whose members have a CRC-32 each. One
member is a JSON text of names and numbers, the others are arrays. Nothing in it is ever unpickled,
and no array is read whose size is not the one expected, so a part of a stranger costs no memory.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import StoreError
from ...runtime.files import placing, sync_data, sync_folder, write_at
from ...runtime.machine import memory_available, read_regular
from ..layout import plain
from .damage import DAMAGE

SUFFIX = ".part"
WALKERS = "walkers.npz"
# A file of this ending is not whole yet.
FRESH = ".new"
ABOUT = "about.json"
# Far more than the names of some tens of arrays and numbers take.
MOST_TEXT = 2**20
# Of the memory that there is, what one part may take at most.
MEMORY_SHARE = 4

# A run may wait this long for the disk at once, and this share of its time later on. A disk slower
# than that gets several parts at a time; a power failure then costs them, a kill does not.
FREE_SYNC_S = 0.1
SYNC_SHARE = 0.03

# Shape and type of each array, from the text; ValueError for a text that cannot be.
Form = Callable[[Mapping[str, Any]], Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]]


def folder_of(target: Path) -> Path:
    """Where the parts of a result are; of a link that is to be replaced, beside the link."""
    return target.with_name(target.name + SUFFIX)


def frame_name(index: int) -> str:
    """Name of the part with a frame and the state behind it."""
    return f"frame-{index:08d}.npz"


def names_in(folder: Path) -> set[str]:
    """Names of the parts that are there, the walkers left out."""
    try:
        found = os.listdir(folder)
    except OSError:
        return set()
    return {name for name in found if name.endswith((".npz", ".h5")) and name != WALKERS}


class Folder:
    """The parts of a run, for the one process that writes them.

    Attributes
    ----------
    sizes : dict of int
        Bytes of each part that the result does not hold yet.
    """

    def __init__(self, target: Path):
        self.path = folder_of(target)
        self.sizes: dict[str, int] = {}
        self._loose: set[str] = set()
        self._began = time.monotonic()
        self._waited = 0.0

    def make(self) -> Path:
        """Make the folder; a link or a file of that name is removed, and not what it leads to."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            self.path.unlink()
        self.path.mkdir(exist_ok=True)
        return self.path

    def put(self, name: str, data: bytes | memoryview, wait: bool = True) -> None:
        """Write a part, in place of one that is there.

        What is in place survives a kill. It survives a power failure as well once the disk has been
        waited for.

        Parameters
        ----------
        name : str
        data : bytes
        wait : bool
            Whether to wait for the disk before the part takes its place. Else that is done
            afterwards, or, on a slow disk, with parts that come later; then nothing that is there
            may be replaced.

        Raises
        ------
        OSError
            From the disk; what was there stays.
        """
        with placing(self.path / name, self.path / (name + FRESH), wait) as descriptor:
            write_at(descriptor, data)
        self.sizes[name] = len(data)
        if not wait:
            self._loose.add(name)
            if self._waited <= FREE_SYNC_S + SYNC_SHARE * (time.monotonic() - self._began):
                self._sync()

    def _sync(self) -> None:
        """Wait until all parts are on the disk."""
        begin = time.monotonic()
        for name in self._loose:
            descriptor = os.open(self.path / name, os.O_RDWR)
            try:
                sync_data(descriptor)
            finally:
                os.close(descriptor)
        if self._loose:
            sync_folder(self.path)
        self._loose.clear()
        self._waited += time.monotonic() - begin

    def remove(self, names: Iterable[str]) -> None:
        """Remove parts that the result holds; a folder that became read-only keeps them."""
        for name in names:
            with suppress(OSError):
                (self.path / name).unlink(missing_ok=True)
        self.sizes.clear()
        self._loose.clear()


def clear(target: Path) -> None:
    """Remove all parts of a result, and their folder unless it has files of somebody else."""
    folder = folder_of(target)
    if folder.is_symlink() or not folder.is_dir():
        return
    for name in os.listdir(folder):
        if name.endswith((".npz", ".h5", FRESH)):
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def packed(text: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> memoryview:
    """The bytes of a part."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(zipfile.ZipInfo(ABOUT), json.dumps(text, default=plain))
        for name, values in arrays.items():
            large = values.nbytes > 2**30
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=large) as member:
                np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
    return stream.getbuffer()


def read_part(path: Path, form: Form) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Text and arrays of a part.

    Raises
    ------
    StoreError
        If it is damaged, or its arrays are not those that ``form`` expects.
    FileNotFoundError
    """
    try:
        most = (memory_available() or sys.maxsize) // MEMORY_SHARE
        return _unpacked(read_regular(path, most, b"PK"), form)
    except FileNotFoundError:
        raise
    except StoreError as error:
        raise StoreError(error.detail, path) from error
    except (*DAMAGE, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise StoreError(f"this file is damaged: {reason or type(error).__name__}", path) from error


def _unpacked(data: bytes, form: Form) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {member.filename: member for member in archive.infolist()}
        for member in members.values():
            # What is packed could take a thousand times its bytes.
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > len(data):
                raise ValueError(f"{member.filename!r} is packed, or larger than the file")
        if members[ABOUT].file_size > MOST_TEXT:
            raise ValueError(f"its text has {members[ABOUT].file_size} bytes")
        text = json.loads(archive.read(ABOUT))
        if not isinstance(text, dict):
            raise ValueError("its text is no table")
        expected = form(text)
        if [ABOUT, *(f"{name}.npy" for name in expected)] != list(members):
            raise ValueError("its arrays are not those expected")
        arrays = {}
        for name, (shape, dtype) in expected.items():
            with archive.open(f"{name}.npy") as stream:
                if np.lib.format.read_magic(stream) != (1, 0):
                    raise ValueError(f"the array {name} has another format")
                found = np.lib.format.read_array_header_1_0(stream)
                size = math.prod(shape) * dtype.itemsize
                whole = members[f"{name}.npy"].file_size == stream.tell() + size
                if found != (shape, False, dtype) or not whole:
                    raise ValueError("its arrays are not those expected")
                # The last read compares the CRC-32.
                raw = stream.read()
            arrays[name] = np.frombuffer(bytearray(raw), dtype).reshape(shape)
    return text, arrays
