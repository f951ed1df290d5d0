"""Where a case comes from: a case file, the name of a bundled case, or a result file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import CaseError
from ...io import stored_case
from ...io.storage.guard import SIGNATURE
from .. import Case, Sources, overridden, read_case
from .. import load_case as load_case_file


def is_result(case: str | Path) -> bool:
    """Whether this is a result file: by its first bytes, or by its name where there is none."""
    path = Path(case)
    if not path.is_file():
        return path.suffix == ".h5"
    try:
        with path.open("rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE or path.suffix == ".h5"
    except OSError:
        return False


def load_case(
    case: str | Path, overrides: dict[str, Any] | None = None, *, origin: str = "overrides"
) -> Case:
    """Read a case and check it.

    Parameters
    ----------
    case : str or path
        A case file (TOML), the name of a bundled case, or a result file, whose case runs again
        bit for bit: text, overrides and data are inside.
    overrides : dict, optional
        Dotted keys with the values that replace those of the file, ``{"density.end": 2.0}``; those
        of a result file apply before them.
    origin : str
        Named instead of the file where an override is at fault.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        One sentence with the file, the dotted key, the value and what is allowed.
    StoreError
        If a result file cannot be read, or holds no case.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> case = fp.load_case("quadratic", {"domain.x.cells": 64, "density.end": 2.0})
    >>> case.grid.shape
    (64, 128)
    """
    if not is_result(case):
        return load_case_file(case, overrides, origin=origin)
    path, given = Path(case), dict(overrides or {})
    stored = stored_case(path)
    # In this order: a table given now replaces single keys that were set before.
    merged = {key: one for key, one in stored.overrides.items() if key not in given} | given
    sources = Sources(path.parent, stored.inputs, path, given)
    try:
        return read_case(stored.text, path, merged, sources, str(path))
    except CaseError as error:
        raise error.in_file(origin if overridden(error.key, given) else path) from None
