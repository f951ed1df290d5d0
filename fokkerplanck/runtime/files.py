"""Writing files in folders that others may have filled: whole or not at all, through no link."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# Windows has no such flag.
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def open_fresh(path: Path) -> int:
    """Descriptor of a new, empty file; a file or a link of that name is removed, not opened.

    Raises
    ------
    OSError
    """
    path.unlink(missing_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags, 0o666)


@contextmanager
def placing(target: Path, fresh: Path, sync: bool = True) -> Iterator[int]:
    """Write a file under another name, ``fresh``; it takes its place when it is whole.

    Yields the descriptor of the empty file. If the block fails, ``target`` is as it was. A link in
    its place is replaced, and not what it leads to.

    Parameters
    ----------
    target, fresh : Path
        On one disk.
    sync : bool
        Whether to wait until data and name are on the disk. Without it a power failure, other than
        a kill, may leave a file without its bytes under the name of ``target``.

    Raises
    ------
    OSError
    """
    descriptor = open_fresh(fresh)
    try:
        yield descriptor
        if sync:
            sync_data(descriptor)
        os.replace(fresh, target)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)
    if sync:
        sync_folder(target.parent)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """As :func:`placing`, for who writes to a path: one in the same folder that ends alike."""
    # A name of its own for each writer: two that draw the same figure do not meet.
    fresh = target.with_name(f".{secrets.token_hex(4)}.part.{target.name}")
    with placing(target, fresh):
        yield fresh


def write_at(descriptor: int, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
    """Write all of ``data``; the operating system may take it in pieces."""
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view, offset = view[done:], offset + done


def followed(path: Path) -> Path:
    """The file that a symbolic link leads to; any other path as it is."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def sync_data(descriptor: int) -> None:
    """Wait until what was written, and the size, are on the disk."""
    getattr(os, "fdatasync", os.fsync)(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until names in a folder are on the disk, where the system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folders
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # nor do some network disks
    finally:
        os.close(descriptor)
