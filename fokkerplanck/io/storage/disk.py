"""What HDF5 takes for its file: pages in memory that reach the disk whole or not at all."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...runtime.files import open_fresh, sync_data
from .journal import NAME_BYTES, NUMBER_BYTES, Change, Journal, Mark, write_at

PAGE = 4096

# Beyond this much in memory, pages that the file did not have before go straight into it: nothing
# refers to them until the change is done.
SPILL_PAGES = 64 * 2**20 // PAGE

# Bytes that are searched at once.
SEARCH_BYTES = 2**20

# A run may wait this long for the disk at once, and this share of its time later on. A disk slower
# than that gets several frames at a time; a power failure then costs them, a kill does not.
FREE_SYNC_S = 0.1
SYNC_SHARE = 0.03


class Disk:
    """A file object for h5py's driver ``fileobj``.

    What HDF5 writes stays in memory until :meth:`commit`; so no write of HDF5 ever fails, and its
    library never meets the full disk that it cannot recover from. With a journal, a commit reaches
    the disk there before the file is touched.

    Parameters
    ----------
    descriptor : int
        The file, open; closed by :meth:`close`.
    pages : mapping, optional
        Contents of pages that are newer than those in the file.
    size : int, optional
        Size of the file with these.
    """

    def __init__(
        self, descriptor: int, pages: Mapping[int, bytes] | None = None, size: int | None = None
    ):
        self.journal: Journal | None = None
        self.failure: OSError | None = None
        self._file = descriptor
        self._fresh: dict[int, bytearray] = {}
        self._committed: dict[int, bytes | bytearray] = dict(pages or {})
        self._size = os.fstat(descriptor).st_size if size is None else size
        self._committed_size = self._size
        self._position = 0
        self._spilled = False
        self._began = time.monotonic()
        self._waited = 0.0

    @classmethod
    def create(cls, path: Path) -> Disk:
        """An empty file, in place of one that is there."""
        return cls(open_fresh(path))

    @property
    def changed(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._fresh) or self._size != self._committed_size

    # What h5py calls.

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to an offset from the beginning, from here or from the end."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Where the next read or write begins."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; what lies beyond the end reads as zeros."""
        view = memoryview(buffer).cast("B")
        start, length = self._position, len(view)
        self._position += length
        done = 0
        while done < length:
            got = os.preadv(self._file, [view[done:]], start + done)
            if not got:
                break
            done += got
        if done < length:
            view[done:] = bytes(length - done)
        if self._fresh or self._committed:
            for number, first, last in _cut(start, length):
                page = self._fresh.get(number, self._committed.get(number))
                if page is not None:
                    place = number * PAGE + first - start
                    view[place : place + last - first] = page[first:last]
        return length

    def read(self, size: int = -1) -> bytes:
        """The next bytes; h5py asks whether this exists and calls ``readinto``."""
        length = max(self._size - self._position, 0) if size < 0 else size
        data = bytearray(length)
        self.readinto(memoryview(data))
        return bytes(data)

    def write(self, data: memoryview) -> int:
        """Take bytes into memory."""
        view = memoryview(data).cast("B")
        start, length = self._position, len(view)
        for number, first, last in _cut(start, length):
            page = self._fresh.get(number)
            if page is None:
                page = self._fresh[number] = (
                    bytearray(PAGE) if last - first == PAGE else self._page(number)
                )
            place = number * PAGE + first - start
            page[first:last] = view[place : place + last - first]
        self._position += length
        self._size = max(self._size, self._position)
        if len(self._fresh) > SPILL_PAGES:
            self._spill()
        return length

    def truncate(self, size: int | None = None) -> int:
        """Set the size; the bytes of a longer file stay where they are until the commit."""
        self._size = self._position if size is None else size
        return self._size

    def flush(self) -> None:
        """Nothing: h5py flushes at its own times, and only a commit is a whole."""

    # What the writer calls.

    def commit(self) -> None:
        """Make all that was written since the last commit part of the file.

        Raises
        ------
        OSError
            From the disk. The file, with its journal, is then as it was before or after.
        """
        if self.failure is not None:
            raise self.failure
        if not self.changed:
            return
        journal = self.journal
        if journal is None:
            self._take()
            self._apply()
            return
        if self._spilled:
            sync_data(self._file)
            self._spilled = False
        self._stamp(journal)
        journal.append(self._size, list(_runs(self._fresh)))
        self._take()
        elapsed = time.monotonic() - self._began
        too_much = len(self._committed) > SPILL_PAGES
        if too_much or self._waited <= FREE_SYNC_S + SYNC_SHARE * elapsed:
            self.settle()

    def settle(self) -> None:
        """Wait for the journal to reach the disk, then change the file."""
        journal = self.journal
        assert journal is not None
        begin = time.monotonic()
        journal.sync()
        self._apply()
        if journal.full:
            sync_data(self._file)
            journal.turn()
        self._waited += time.monotonic() - begin

    def restore(self) -> None:
        """Bring the file to what the pages given say, and wait for the disk."""
        self._apply()
        sync_data(self._file)

    def roll_back(self) -> None:
        """Forget what was written since the last commit; HDF5's own memory is to be thrown away."""
        self._fresh.clear()
        self._size = self._committed_size
        self.failure = None

    def secure(self) -> None:
        """Wait until what was committed is on the disk, in the journal or in the file itself."""
        if self.journal is None:
            sync_data(self._file)
        else:
            self.settle()

    def conclude(self) -> None:
        """Wait until the file itself is whole on the disk; the journal is not needed any more."""
        if self.journal is not None and self._committed:
            self.settle()
        sync_data(self._file)

    def is_at(self, path: Path) -> bool:
        """Whether the path still leads to this file."""
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(path))
        except OSError:
            return False

    def find(self, text: bytes) -> int | None:
        """Offset of the first place where these few bytes stand."""
        before = b""
        for start in range(0, self._size, SEARCH_BYTES):
            self.seek(start)
            here = before + self.read(min(SEARCH_BYTES, self._size - start))
            place = here.find(text)
            if place >= 0:
                return start - len(before) + place
            before = here[-len(text) :]
        return None

    def number(self, mark: Mark) -> int:
        """Number of the last change, as the file says."""
        return mark.number(self._file) or 0

    def close(self, remove_journal: bool = False) -> None:
        """Close the file as it is and its journal, which stays unless the file is whole."""
        if self.journal is not None:
            self.journal.close(remove_journal)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @contextmanager
    def closing_on_error(self) -> Iterator[None]:
        """Close the file if the block fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _page(self, number: int) -> bytearray:
        """A copy of a page as it is now."""
        known = self._committed.get(number)
        if known is not None:
            return bytearray(known)
        return bytearray(os.pread(self._file, PAGE, number * PAGE).ljust(PAGE, b"\0"))

    def _take(self) -> None:
        self._committed.update(self._fresh)
        self._fresh = {}
        self._committed_size = self._size

    def _apply(self) -> None:
        """Change the file: new bytes first, the first page last, where HDF5 begins to read."""
        for offset, pieces in reversed(list(_runs(self._committed))):
            data = b"".join(pieces)
            write_at(self._file, data[: max(self._committed_size - offset, 0)], offset)
        if os.fstat(self._file).st_size != self._committed_size:
            os.ftruncate(self._file, self._committed_size)
        self._committed = {}

    def _stamp(self, journal: Journal) -> None:
        """Put the number of the coming change where the file says how far it has come."""
        here = self._position
        self.seek(journal.mark.offset + NAME_BYTES)
        self.write(memoryview(f"{journal.number + 1:0{NUMBER_BYTES}d}".encode()))
        self.seek(here)

    def _spill(self) -> None:
        boundary = -(-self._committed_size // PAGE)
        new = {number: page for number, page in self._fresh.items() if number >= boundary}
        # The last page stays: HDF5 tends to come back to it.
        new.pop(max(new, default=0), None)
        try:
            for offset, pieces in _runs(new):
                if self.failure is None:
                    write_at(self._file, b"".join(pieces), offset)
        except OSError as error:
            # Raised at the commit: HDF5 must not see it. Until then nothing is kept.
            self.failure = error
        for number in new:
            del self._fresh[number]
        self._spilled = True


def overlay(changes: Iterable[Change]) -> tuple[dict[int, bytes], int]:
    """Pages of a file after changes, by number, and its size."""
    pages: dict[int, bytes] = {}
    size = 0
    for change in changes:
        size = change.size
        for offset, data in change.runs:
            for start in range(0, len(data), PAGE):
                pages[(offset + start) // PAGE] = data[start : start + PAGE]
    return pages, size


def differs(descriptor: int, pages: Mapping[int, bytes], size: int) -> bool:
    """Whether a file is not yet, or no longer, what pages and size say."""
    if os.fstat(descriptor).st_size != size:
        return True
    for number, page in pages.items():
        there = os.pread(descriptor, PAGE, number * PAGE)
        if there != page[: max(size - number * PAGE, 0)]:
            return True
    return False


def _cut(start: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(page, first, last) for each page that a range of bytes touches."""
    end = start + length
    for number in range(start // PAGE, -(-end // PAGE)):
        base = number * PAGE
        yield number, max(start - base, 0), min(end - base, PAGE)


def _runs(
    pages: Mapping[int, bytes | bytearray],
) -> Iterator[tuple[int, list[bytes | bytearray]]]:
    """Neighbouring pages together, in the order of the file: (offset, pages)."""
    run: list[bytes | bytearray] = []
    start = before = -2
    for number in sorted(pages):
        if number != before + 1 and run:
            yield start * PAGE, run
            run = []
        if not run:
            start = number
        run.append(pages[number])
        before = number
    if run:
        yield start * PAGE, run
