"""What a damaged result file leads to, in one sentence."""

from __future__ import annotations

import zlib
from pathlib import Path

from ...errors import StoreError

# What h5py and numpy raise where a part is absent, torn, or of another kind or shape than it was.
DAMAGE = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(OSError, RuntimeError, TypeError, ValueError, zlib.error),
)


def damaged(path: Path, error: Exception) -> StoreError:
    """One sentence for what HDF5 or numpy met in a damaged file."""
    if isinstance(error, StoreError):
        return error
    reason = " ".join(str(error).split()) or type(error).__name__
    return StoreError(f"this result file is damaged: {reason}", path)
