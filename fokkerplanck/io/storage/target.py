"""Where a result may be written, and what the operating system says of it in words."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import StoreError

# Kept free on the disk for the structure of the file, which grows a little with every frame.
SPARE_BYTES = 2**20

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def check_target(path: Path, overwrite: bool) -> None:
    """Raise :class:`StoreError` if a result may not be written to ``path``."""
    if path.is_dir():
        raise StoreError("this is a directory; a result needs the name of a file", path)
    for parent in path.parents:
        if parent.exists() and not parent.is_dir():
            raise StoreError(f"the result cannot be created: {parent} is not a directory", path)
    if path.exists() and not overwrite:
        raise StoreError(
            "this result exists and is kept; replace it with --overwrite (overwrite=True), "
            "continue it with --resume (resume=True), or write elsewhere with --out (another path)",
            path,
        )


def require_space(path: Path, size: int, what: str = "the next frame takes") -> None:
    """Refuse before the disk is full, so that the end of the run can still be written.

    Raises
    ------
    StoreError
        If ``size`` bytes would leave less than ``SPARE_BYTES``.
    """
    free = shutil.disk_usage(path.parent).free
    if free < size + SPARE_BYTES:
        raise StoreError(
            f"the disk is full: {what} {size / 2**20:.1f} MiB and "
            f"{free / 2**20:.1f} MiB are free; free some space and go on with --resume",
            path,
        )


@contextmanager
def naming(path: Path, verb: str) -> Iterator[None]:
    """Name the file in whatever the operating system or HDF5 complain about."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in _FULL:
            reason += "; free some space and go on with --resume"
        raise StoreError(f"the result cannot be {verb}: {reason}", path) from error
    except RuntimeError as error:
        raise StoreError(f"the result cannot be {verb}: {error}", path) from error
