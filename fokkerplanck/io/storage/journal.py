"""What is about to change in a result file, written beside it first.

HDF5 changes its file in place; a power failure in the middle of that leaves neither the old nor
the new one. So every change goes, as the pages it touches, into a journal and to the disk, and
only then into the file. Whatever happens to the file then, the journal can do the change again.

There are two files, ``NAME.journal-a`` and ``-b``, filled in turn: the older one is kept until the
newer one is full, so that the last ``TURN_BYTES`` written can be restored even where the disk did
not keep its word. Each is a head and records:

====== =====================================================================================
head   magic, name of the run (32 letters), where that stands in the result file
record magic, number, size of the file, count of runs, bytes of data; (offset, length) of each
       run; the data; CRC-32 of all that
====== =====================================================================================
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...limits import JOURNAL_BYTES
from ...runtime.files import open_fresh, sync_data
from ...runtime.machine import memory_available, read_regular

# A file of the journal holds at least this much before the other one's turn.
TURN_BYTES = JOURNAL_BYTES
# Of the memory that there is, what a journal may take at most.
MEMORY_SHARE = 4
SUFFIXES = (".journal-a", ".journal-b")

# The name of a run, and the number of the last change as decimal digits behind it.
NAME_BYTES = 32
NUMBER_BYTES = 16

_HEAD = struct.Struct("<8s32sQ")
_HEAD_MAGIC = b"fpjrnl01"
_RECORD = struct.Struct("<4sQQQQ")
_RECORD_MAGIC = b"chng"
_RUN = struct.Struct("<QQ")
_CHECK = struct.Struct("<I")


@dataclass(frozen=True)
class Mark:
    """The name of a run, and the place in its result file where name and number stand."""

    name: bytes
    offset: int

    def number(self, descriptor: int) -> int | None:
        """Number of the last change in a file; None if it is the file of another run."""
        found = os.pread(descriptor, NAME_BYTES + NUMBER_BYTES, self.offset)
        if found[:NAME_BYTES] != self.name or not found[NAME_BYTES:].isdigit():
            return None
        return int(found[NAME_BYTES:])


@dataclass(frozen=True)
class Change:
    """One change: its number, the size of the file after it, and (offset, bytes) of its runs."""

    number: int
    size: int
    runs: tuple[tuple[int, bytes], ...]


def journal_files(target: Path) -> tuple[Path, Path]:
    """Both files of the journal of a result."""
    first, second = (target.with_name(target.name + suffix) for suffix in SUFFIXES)
    return first, second


def remove_journal(target: Path) -> None:
    """Remove the journal of a result, where there is one."""
    for path in journal_files(target):
        path.unlink(missing_ok=True)


class Journal:
    """The journal of a file that is being written.

    Both files are opened at once and reused, so that a folder that becomes read-only or moves does
    not end a run.
    """

    def __init__(self, target: Path, mark: Mark, number: int):
        self.mark = mark
        self.number = number
        self._paths = journal_files(target)
        self._files: list[int] = []
        self._turn = 0
        self._end = 0
        try:
            for path in self._paths:
                self._files.append(open_fresh(path))
            self._begin()
        except BaseException:
            self.close()
            raise

    @property
    def full(self) -> bool:
        """Whether it is the other file's turn."""
        return self._end >= TURN_BYTES

    def append(self, size: int, runs: Sequence[tuple[int, Sequence[bytes | bytearray]]]) -> None:
        """Write the next change; it counts once :meth:`sync` has returned.

        Parameters
        ----------
        size : int
            Of the result file after the change.
        runs : sequence of (offset, pieces)

        Raises
        ------
        OSError
            The journal is then as it was.
        """
        lengths = [sum(map(len, pieces)) for _, pieces in runs]
        parts: list[bytes | bytearray] = [
            _RECORD.pack(_RECORD_MAGIC, self.number + 1, size, len(runs), sum(lengths)),
            b"".join(_RUN.pack(run[0], length) for run, length in zip(runs, lengths, strict=True)),
            *(piece for _, pieces in runs for piece in pieces),
        ]
        check = 0
        for part in parts:
            check = zlib.crc32(part, check)
        record = b"".join([*parts, _CHECK.pack(check)])
        descriptor = self._files[self._turn]
        try:
            write_at(descriptor, record, self._end)
        except OSError:
            os.ftruncate(descriptor, self._end)
            raise
        self._end += len(record)
        self.number += 1

    def sync(self) -> None:
        """Return when all changes have reached the disk."""
        sync_data(self._files[self._turn])

    def turn(self) -> None:
        """Go on in the other file; the result file has reached the disk."""
        self._turn ^= 1
        self._begin()

    def close(self, remove: bool = False) -> None:
        """Close both files, and remove them where the result is whole without."""
        for descriptor, path in zip(self._files, self._paths, strict=False):
            try:
                if remove and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                    path.unlink()
            except OSError:
                pass  # gone, or in a folder that is read-only now: its number says it is done
            os.close(descriptor)
        self._files = []

    def _begin(self) -> None:
        descriptor = self._files[self._turn]
        os.ftruncate(descriptor, 0)
        head = _HEAD.pack(_HEAD_MAGIC, self.mark.name, self.mark.offset)
        write_at(descriptor, head, 0)
        self._end = len(head)


def pending_changes(target: Path, descriptor: int) -> list[Change]:
    """The changes that a file must have gone through, oldest first, to be done again.

    Empty where there is no journal of this very file, and where the file is beyond its journal or
    before it: then the file counts as it is.

    Parameters
    ----------
    target : Path
        The result file.
    descriptor : int
        The same, open.
    """
    found: dict[int, Change] = {}
    number = None
    for path in journal_files(target):
        mark, changes = _read(path)
        if mark is None:
            continue
        there = mark.number(descriptor)
        if there is not None:
            number = there
            found.update((change.number, change) for change in changes)
    if number is None or not found:
        return []
    last = first = max(found)
    while first - 1 in found:
        first -= 1
    if not first - 1 <= number <= last:
        return []
    return [found[i] for i in range(first, last + 1)]


def _read(path: Path) -> tuple[Mark | None, list[Change]]:
    """Whole records of one file; what follows a torn one does not count."""
    try:
        data = read_regular(path, (memory_available() or sys.maxsize) // MEMORY_SHARE, _HEAD_MAGIC)
    except OSError:
        return None, []
    if len(data) < _HEAD.size:
        return None, []
    magic, name, offset = _HEAD.unpack_from(data)
    if magic != _HEAD_MAGIC:
        return None, []
    changes = []
    place = _HEAD.size
    while place + _RECORD.size <= len(data):
        magic, number, size, count, length = _RECORD.unpack_from(data, place)
        table = place + _RECORD.size
        start = table + count * _RUN.size
        end = start + length
        if magic != _RECORD_MAGIC or end + _CHECK.size > len(data):
            break
        if _CHECK.unpack_from(data, end)[0] != zlib.crc32(memoryview(data)[place:end]):
            break
        runs = []
        for offset_of, length_of in _RUN.iter_unpack(data[table:start]):
            runs.append((offset_of, data[start : start + length_of]))
            start += length_of
        changes.append(Change(number, size, tuple(runs)))
        place = end + _CHECK.size
    return Mark(name, offset), changes


def write_at(descriptor: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of ``data``; the operating system may take it in pieces."""
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done
