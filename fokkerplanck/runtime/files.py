"""Writing files in folders that others may have filled: whole or not at all, through no link."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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
def whole_file(target: Path) -> Iterator[Path]:
    """Write a file so that it takes its place when it is whole and on the disk.

    Yields the path of an empty file in the same folder, whose name ends as that of ``target``. If
    the block fails, ``target`` is as it was. A link in its place is replaced, and not what it
    leads to.

    Raises
    ------
    OSError
    """
    # A name of its own for each writer: two that draw the same figure do not meet.
    fresh = target.with_name(f".{secrets.token_hex(4)}.part.{target.name}")
    os.close(open_fresh(fresh))
    try:
        yield fresh
        descriptor = os.open(fresh, os.O_RDWR)
        try:
            sync_data(descriptor)
        finally:
            os.close(descriptor)
        os.replace(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(target.parent)


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
