"""Where the walkers of a run stand, in a file beside its result: ``NAME.h5.walkers``.

Not in the result, because HDF5 does not give the room of what is deleted back, and not in HDF5:
its library does not recover from a full disk, and of a file that is read by one reader only, and
as a whole, nothing more is wanted than that damage shows. The file is

====== =====================================================================================
head   magic, identity (64 letters), length of the text
text   JSON: the numbers, and name, type and shape of every array
data   the arrays, one after the other
check  CRC-32 of all that
====== =====================================================================================

It is written under another name and takes its place when the disk has it.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import StoreError
from ...runtime.files import followed, open_fresh, sync_data, sync_folder
from ...runtime.interrupts import shielded
from ...runtime.machine import open_regular
from .journal import write_at
from .target import partial_file, require_space

SUFFIX = ".walkers"
_HEAD = struct.Struct("<8s64sQ")
_MAGIC = b"fpwlkr01"
_CHECK = struct.Struct("<I")
# Far more than the names of a dozen arrays and numbers take.
MOST_TEXT = 2**20

Form = Callable[[Mapping[str, Any]], Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]]


def walkers_file(target: Path) -> Path:
    """Where the walkers of a result stand."""
    target = followed(target)
    return target.with_name(target.name + SUFFIX)


def write_walkers(
    target: Path,
    identity: str,
    numbers: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    room: int,
) -> None:
    """Write where walkers stand, in place of where they stood; that stays if this fails.

    Parameters
    ----------
    target : Path
        The result file.
    identity : str
        64 letters; only walkers that have the same go on from here.
    numbers : mapping of int and float
    arrays : mapping of ndarray
    room : int
        Bytes to leave free on the disk, for the result.

    Raises
    ------
    OSError
        From the disk; :class:`StoreError` where less than ``room`` would be left.
    """
    path = walkers_file(target)
    kept = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    table = [[name, values.dtype.str, values.shape] for name, values in kept.items()]
    text = json.dumps({"numbers": dict(numbers), "arrays": table}).encode("ascii")
    head = _HEAD.pack(_MAGIC, identity.encode("ascii"), len(text)) + text
    parts = [memoryview(head), *(_bytes_of(values) for values in kept.values())]
    require_space(path, sum(map(len, parts)) + room, "where the walkers stand takes")
    partial = partial_file(path)
    with shielded():
        try:
            descriptor = open_fresh(partial)
            try:
                place = check = 0
                for part in parts:
                    write_at(descriptor, part, place)
                    place += len(part)
                    check = zlib.crc32(part, check)
                write_at(descriptor, _CHECK.pack(check), place)
                sync_data(descriptor)
            finally:
                os.close(descriptor)
            os.replace(partial, path)
        except BaseException:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def read_walkers(
    target: Path, identity: str, form: Form
) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """Numbers and arrays; None where there is no such file.

    Parameters
    ----------
    target : Path
        The result file.
    identity : str
    form : callable
        From the numbers to shape and type of every array; ValueError for numbers that cannot be.
        No array is read that does not have them, so a file from elsewhere takes no more memory
        than the walkers do.

    Raises
    ------
    StoreError
        If it is damaged, cannot be read, or has another identity.
    """
    path = walkers_file(target)
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            return _read(file, identity, form)
    except FileNotFoundError:
        return None
    except StoreError as error:
        raise StoreError(error.detail, path) from error
    except OSError as error:
        raise StoreError(f"this file cannot be read: {error.strerror or error}", path) from error
    except (ArithmeticError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"this file is damaged: {error}", path) from error


def remove_walkers(target: Path) -> None:
    """Remove what is known of the walkers of a result, where there is something."""
    path = walkers_file(target)
    for file in (path, partial_file(path)):
        file.unlink(missing_ok=True)


def _read(file: Any, identity: str, form: Form) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise ValueError("its beginning is missing")
    magic, found, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise ValueError("it does not begin as it should")
    if length > MOST_TEXT:
        raise ValueError(f"its text should have {length} bytes")
    text = file.read(length)
    check = zlib.crc32(text, zlib.crc32(head))
    if found != identity.encode("ascii"):
        raise StoreError("these walkers are of another case, version or kind of machine")
    described = json.loads(text)
    numbers = described["numbers"]
    expected = dict(form(numbers))
    if described["arrays"] != [
        [name, dtype.str, list(shape)] for name, (shape, dtype) in expected.items()
    ]:
        raise ValueError("its arrays are not those of these walkers")
    size = sum(math.prod(shape) * dtype.itemsize for shape, dtype in expected.values())
    there = os.fstat(file.fileno()).st_size
    whole = len(head) + len(text) + size + _CHECK.size
    if there != whole:
        raise ValueError(f"it should have {whole:,} bytes and has {there:,}")
    arrays = {name: np.empty(shape, dtype) for name, (shape, dtype) in expected.items()}
    for values in arrays.values():
        view = _bytes_of(values)
        if file.readinto(view) != len(view):
            raise ValueError("its end is missing")
        check = zlib.crc32(view, check)
    if file.read(_CHECK.size) != _CHECK.pack(check):
        raise ValueError("its checksum does not fit")
    return numbers, arrays


def _bytes_of(values: np.ndarray) -> memoryview:
    # An empty array has no bytes that could be cast.
    return values.data.cast("B") if values.size else memoryview(bytearray())
