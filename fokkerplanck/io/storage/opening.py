"""Opening a result, whether its run has ended or goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import numpy as np
from h5py import h5f

from ...errors import StoreError
from ...runtime.files import followed
from ..layout import SCHEMA
from .contents import merge
from .damage import DAMAGE, damaged
from .guard import guarded
from .parts import folder_of, names_in

# A result takes the place of another at most this often while it is opened.
ATTEMPTS = 10
# Of h5py: that a file in memory may grow.
READ_WRITE = 1


@contextmanager
def reading(path: Path) -> Iterator[h5py.File]:
    """Open a result that exists, with the parts beside it that it does not hold yet.

    Nothing is written: where there are such parts, they are put together in memory. A run may go on
    meanwhile. The file that was opened stays as it is, since a new one takes its place.

    Raises
    ------
    StoreError
        If it is missing, is not a result file, or belongs to a newer version.
    """
    path = followed(path)
    with ExitStack() as stack:
        yield _opened(path, stack)


def _opened(path: Path, stack: ExitStack) -> h5py.File:
    for _ in range(ATTEMPTS):
        before = _identity(path)
        if before is None:
            raise StoreError("there is no such result file", path)
        try:
            # In this order: what is a part no more when the file is opened is in the file.
            names = names_in(folder_of(path))
            file = stack.enter_context(opened(path))
            if not names or file.attrs.get("status") == "complete":
                return file
            image = h5f.open_file_image(file.id.get_file_image(), READ_WRITE)
            whole = stack.enter_context(h5py.File(image))
            try:
                merge(whole, folder_of(path), names)
            except FileNotFoundError:
                raise
            except DAMAGE as error:
                raise damaged(path, error) from error
            return whole
        except FileNotFoundError:
            continue
        except StoreError:
            if _identity(path) == before:
                raise
    raise StoreError("a run writes this result faster than it can be opened; try again", path)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open a result file as it is, without its parts.

    Raises
    ------
    FileNotFoundError
    StoreError
        If it is not a result file, a doctored one, or of a newer version.
    """
    with guarded(path) as file:
        try:
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
            raise damaged(path, error) from error
        yield file


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path; None where there is none."""
    if not path.is_file():
        return None
    state = path.stat()
    return state.st_ino, state.st_mtime_ns
