"""A result file while it is written: one process, whole changes, a journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py

from ...errors import StoreError
from ...runtime.files import followed, sync_folder
from ...runtime.interrupts import shielded
from .disk import Disk
from .journal import Journal, journal_files, remove_journal
from .lock import Lock, lock_file
from .opening import give_mark, mark_of, open_disk, restored
from .slots import GROUP, RUN
from .target import check_target, naming, partial_file
from .walkers import remove_walkers, walkers_file


class Session:
    """An open result file that only this process writes.

    Attributes
    ----------
    path : Path
    cut : bool
        Whether the file was found cut off in its last change, and was put in order.
    """

    def __init__(self, path: Path, disk: Disk, lock: Lock, cut: bool = False):
        self.path = path
        self.cut = cut
        self._disk = disk
        self._lock = lock
        self._file: h5py.File | None = None
        self._closed = False

    @classmethod
    def create(
        cls, target: Path, fill: Callable[[h5py.File], None], overwrite: bool, journal: bool
    ) -> Session:
        """Make a file and put it in place when ``fill`` has written it.

        Where the place is a symbolic link, the link is replaced, and not what it leads to.

        Raises
        ------
        StoreError
            If the file exists and ``overwrite`` is False, cannot be written, or is being written
            by another process.
        """
        check_target(target, overwrite)
        partial = partial_file(target)
        with shielded(), naming(target, "created"):
            target.parent.mkdir(parents=True, exist_ok=True)
            with _locked(target) as lock:
                # Between the first look and the lock another run may have come and gone.
                check_target(target, overwrite)
                try:
                    disk = Disk.create(partial)
                    with disk.closing_on_error():
                        _fill(partial, disk, fill)
                        # A journal must not outlive its file, nor the file be cut off without it.
                        there = target.exists() and not target.is_symlink()
                        if there and any(map(Path.exists, journal_files(target))):
                            restored(target)[0].close()
                        remove_journal(target)
                        os.replace(partial, target)
                        sync_folder(target.parent)
                        # Of the run before; kept as long as its result was.
                        remove_walkers(target)
                        return cls._begin(target, disk, lock, journal)
                finally:
                    partial.unlink(missing_ok=True)

    @classmethod
    def resume(cls, target: Path, check: Callable[[h5py.File], None]) -> Session:
        """Open a file that ``check`` does not object to, as it is after its last change.

        Raises
        ------
        StoreError
            If there is no such file, it cannot be written, or another process writes it.
        """
        if not target.is_file():
            raise StoreError("there is no such result file", target)
        target = followed(target)
        with shielded(), naming(target, "resumed"), _locked(target) as lock:
            disk, cut = restored(target)
            with disk.closing_on_error():
                with open_disk(target, disk, "r") as file:
                    check(file)
                    named = GROUP not in file or RUN in file[GROUP].attrs
                if named:
                    return cls._begin(target, disk, lock, True, cut)
            # A file of earlier days.
            disk.close()
            give_mark(target)
            disk, _ = restored(target)
            with disk.closing_on_error():
                return cls._begin(target, disk, lock, True, cut)

    @property
    def file(self) -> h5py.File:
        """The file as it was after the last change that went well."""
        if self._file is None:
            self._file = open_disk(self.path, self._disk, "r+")
        return self._file

    @contextmanager
    def change(self, verb: str = "written") -> Iterator[h5py.File]:
        """All that is written in the block becomes part of the file together, or none of it.

        Raises
        ------
        StoreError
            If the disk does not take it, or the file is not where it was.
        """
        with shielded(), naming(self.path, verb):
            if not self._disk.is_at(self.path):
                raise StoreError(
                    "this file was moved or deleted while the run wrote it; where it is now, it "
                    "holds the frames so far, and --resume goes on from there",
                    self.path,
                )
            try:
                file = self.file
                yield file
                file.flush()
                self._disk.commit()
            except BaseException as error:
                failure = self._disk.failure
                self.let_go()
                self._disk.roll_back()
                if failure is not None and error is not failure:
                    raise failure from error
                raise

    def secure(self) -> None:
        """Wait until the last change is on the disk.

        Raises
        ------
        StoreError
            If the disk does not take it.
        """
        with shielded(), naming(self.path, "written"):
            self._disk.secure()

    def let_go(self) -> None:
        """Close HDF5's view of the file; what it still writes stays in memory."""
        if self._file is not None:
            file, self._file = self._file, None
            # After an error HDF5 may hold what it cannot put in order; it is thrown away.
            with suppress(OSError, RuntimeError, ValueError):
                file.close()

    def close(self, finish: Callable[[h5py.File], None]) -> None:
        """Write the last words, wait for the disk, and give the file back, whatever happens.

        Raises
        ------
        StoreError
            If the disk does not take it. The journal then stays.
        """
        if self._closed:
            return
        self._closed = True
        whole = False
        with shielded():
            try:
                with self.change("closed") as file:
                    finish(file)
                with naming(self.path, "closed"):
                    self.let_go()
                    self._disk.commit()
                    self._disk.conclude()
                whole = True
            finally:
                self.let_go()
                self._disk.close(remove_journal=whole)
                self._lock.release()

    @classmethod
    def _begin(
        cls, target: Path, disk: Disk, lock: Lock, journal: bool, cut: bool = False
    ) -> Session:
        session = cls(target, disk, lock, cut)
        if journal:
            try:
                mark = mark_of(target, session.file, disk)
                disk.journal = Journal(target, mark, disk.number(mark))
            except BaseException:
                session.let_go()
                raise
        return session


def settle(target: Path) -> None:
    """Do what a kill kept from being done at the end of a run, and clear away what lies beside.

    Raises
    ------
    StoreError
        If another process writes the file, or the disk does not take it.
    """
    target = followed(target)
    beside = (*journal_files(target), lock_file(target), walkers_file(target))
    if not any(map(Path.exists, beside)):
        return
    with shielded(), naming(target, "put in order"), _locked(target) as lock:
        disk, _ = restored(target)
        disk.close()
        remove_journal(target)
        remove_walkers(target)
        lock.release()


@contextmanager
def replacing(target: Path) -> Iterator[None]:
    """Hold the lock of a result while a whole file takes its place, and drop its old journal.

    Raises
    ------
    StoreError
        If another process writes the file.
    """
    with naming(target, "replaced"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target) as lock:
            yield
            # They name the run of the file that was there before, so they are no harm until now.
            remove_journal(target)
            remove_walkers(target)
            lock.release()


def _fill(path: Path, disk: Disk, fill: Callable[[h5py.File], None]) -> None:
    """Write a new file and wait until the disk has it."""
    try:
        with open_disk(path, disk, "w") as file:
            fill(file)
    except BaseException as error:
        if disk.failure is not None:
            raise disk.failure from error
        raise
    disk.commit()
    disk.conclude()


@contextmanager
def _locked(target: Path) -> Iterator[Lock]:
    """The lock of a result, given back only if the block fails."""
    lock = Lock.take(target)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise
