"""One writer for one file: a lock beside it that the operating system drops with its process."""

from __future__ import annotations

import errno
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import StoreError
from ...runtime.files import NO_FOLLOW, followed
from ...runtime.interrupts import shielded
from ...runtime.machine import open_regular
from .parts import clear, folder_of
from .target import naming

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# Some network disks know no locks; there the words in the file have to do.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class Lock:
    """Held from :meth:`take` to :meth:`release`, or to the end of the process.

    The lock is on ``NAME.lock`` and not on the result itself, which readers of HDF5 would lock as
    well. The file says which process on which machine holds it; one that a killed process left is
    taken over.
    """

    def __init__(self, path: Path, descriptor: int):
        self.path = path
        self._descriptor: int | None = descriptor

    @classmethod
    def take(cls, target: Path) -> Lock:
        """Lock a result.

        Raises
        ------
        StoreError
            If another process writes it; the sentence names that process. If the lock is a link
            or no file at all.
        OSError
            If the lock cannot be written.
        """
        path = lock_file(target)
        while True:
            descriptor = _open(path, target)
            try:
                _hold(descriptor, target)
                # Whoever had the lock may have removed the file between our two calls.
                if _same(descriptor, path):
                    # A full disk takes the lock and not the words.
                    with suppress(OSError):
                        os.ftruncate(descriptor, 0)
                        os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
                    return cls(path, descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if _same(descriptor, self.path):
                self.path.unlink(missing_ok=True)
        except OSError:
            # A folder that became read-only keeps the file; without its process it locks nothing.
            pass
        finally:
            os.close(descriptor)


def check_free(target: Path) -> None:
    """Raise :class:`StoreError` if another process writes a result."""
    target = followed(target)
    if lock_file(target).exists():
        Lock.take(target).release()


@contextmanager
def locked(target: Path) -> Iterator[Lock]:
    """The lock of a result, given back only if the block fails."""
    lock = Lock.take(target)
    try:
        yield lock
    except BaseException:
        lock.release()
        raise


@contextmanager
def replacing(target: Path) -> Iterator[None]:
    """Hold the lock of a result while a whole file takes its place, and drop its old parts.

    Raises
    ------
    StoreError
        If another process writes the file.
    """
    with naming(target, "replaced"):
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target) as lock:
            yield
            clear(target)
            lock.release()


def settle(target: Path) -> None:
    """Clear away what a kill at the end of a run left beside its result.

    Raises
    ------
    StoreError
        If another process writes the file.
    """
    target = followed(target)
    if folder_of(target).exists() or lock_file(target).exists():
        with shielded(), naming(target, "put in order"), locked(target) as lock:
            clear(target)
            lock.release()


def lock_file(target: Path) -> Path:
    """The lock of a result."""
    return target.with_name(target.name + ".lock")


def _open(path: Path, target: Path) -> int:
    """The lock, made if need be; what somebody else's file would lose is not written there."""
    try:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | NO_FOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EINVAL):
            raise _linked(path, target) from error
        raise
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise _linked(path, target)
    return descriptor


def _linked(path: Path, target: Path) -> StoreError:
    return StoreError(
        f"{path.name} beside it is a link or no file, and has to be a file of its own; remove it, "
        "or give --out elsewhere",
        target,
    )


def _hold(descriptor: int, target: Path) -> None:
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            raise _refusal(_holder(descriptor), target) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
    holder = _holder(descriptor)
    if holder.get("host") == socket.gethostname() and not _alive(holder.get("process")):
        return
    if holder and holder != _me():
        raise _refusal(holder, target)


def _refusal(holder: dict[str, object], target: Path) -> StoreError:
    who = "another process"
    if holder:
        who = f"process {holder.get('process')} on {holder.get('host')}"
    return StoreError(
        f"{who} is writing this result; wait for it, or give --out to write elsewhere", target
    )


def _me() -> dict[str, object]:
    return {"process": os.getpid(), "host": socket.gethostname()}


def _holder(descriptor: int) -> dict[str, object]:
    """What the file says; empty where a kill came before the words."""
    try:
        found = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _alive(process: object) -> bool:
    if not isinstance(process, int) or process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
