"""Arrays that a caller gives, as real numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import CaseError


def real_array(values: Any, key: str) -> np.ndarray:
    """A float64 array of what may be any array or nested sequence of real numbers.

    Raises
    ------
    CaseError
        With ``key``: the values are complex (numpy would drop the imaginary part), text, or of
        rows that differ in length.
    """
    try:
        found = np.asarray(values)
        if found.dtype.kind == "O":
            found = found.astype(np.float64)
    except (TypeError, ValueError):
        found = np.asarray("")
    if found.dtype.kind == "c":
        raise CaseError(f"holds {found.dtype} values; give real numbers", key)
    if found.dtype.kind not in "fiub":
        raise CaseError(f"{values!r} is not an array of real numbers", key)
    return np.ascontiguousarray(found, dtype=np.float64).reshape(found.shape)
