"""Where the walkers of a run stand, one of its parts: ``NAME.h5.part/walkers.npz``.

It is not put into the result, where HDF5 would not give its room back; so it stays after an
interrupt, and goes when the ensemble is in the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import StoreError
from ...runtime.files import followed, placing, write_at
from ...runtime.interrupts import shielded
from .parts import FRESH, WALKERS, Folder, Form, folder_of, packed, read_part
from .target import require_space


def walkers_file(target: Path) -> Path:
    """Where the walkers of a result stand."""
    return folder_of(followed(target)) / WALKERS


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
        Of the walkers; only those that have the same go on from here.
    numbers : mapping of int and float
    arrays : mapping of ndarray
    room : int
        Bytes to leave free on the disk, for the result.

    Raises
    ------
    OSError
        From the disk; :class:`StoreError` where less than ``room`` would be left.
    """
    with shielded():
        data = packed({"identity": identity, "numbers": dict(numbers)}, arrays)
        folder = Folder(followed(target)).make()
        require_space(folder / WALKERS, len(data) + room, "where the walkers stand takes")
        with placing(folder / WALKERS, folder / (WALKERS + FRESH)) as descriptor:
            write_at(descriptor, data)


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

    Raises
    ------
    StoreError
        If it is damaged, cannot be read, or has another identity.
    """

    def expected(text: Mapping[str, Any]) -> Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        if text["identity"] != identity:
            raise StoreError("these walkers are of another case, version or kind of machine")
        return form(text["numbers"])

    try:
        text, arrays = read_part(walkers_file(target), expected)
    except FileNotFoundError:
        return None
    return text["numbers"], arrays
