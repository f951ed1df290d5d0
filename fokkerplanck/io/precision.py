"""How many bits of the density a file keeps."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from .layout import COMPRESSION

# Bits of the significand that "compact" keeps, the leading one not counted: an error of at most
# 2^-17 = 7.6e-6 of the value, a hundredth of what grids leave.
COMPACT_BITS = 16
_SINGLE_BITS = 23
# The name that netCDF has for this rounding.
BITS = "_QuantizeBitRoundNumberOfSignificantBits"


def density_storage(precision: str) -> tuple[np.dtype, dict[str, Any], dict[str, Any]]:
    """Type of the numbers, options of the dataset, and attributes that tell of the rounding.

    Double precision is not compressed: all but a few bits of a smooth field are noise there, so
    that gzip saves a fifth and costs ten times the writing.

    Parameters
    ----------
    precision : {"float64", "float32", "compact"}
        ``"compact"`` is single precision with ``COMPACT_BITS`` of the significand.
    """
    if precision == "float64":
        return np.dtype(np.float64), {}, {}
    marks = {BITS: np.int32(COMPACT_BITS)} if precision == "compact" else {}
    return np.dtype(np.float32), dict(COMPRESSION), marks


def rounded(values: np.ndarray, target: h5py.Dataset) -> np.ndarray:
    """Values with the bits that ``target`` keeps; ties go to even, NaN and infinities stay."""
    if BITS not in target.attrs:
        return values
    single = np.ascontiguousarray(values, dtype=np.float32)
    dropped = np.uint32(_SINGLE_BITS - int(target.attrs[BITS]))
    bits = single.view(np.uint32)
    one = np.uint32(1)
    half = (one << (dropped - one)) - one
    kept = (bits + half + ((bits >> dropped) & one)) & ~((one << dropped) - one)
    return np.where(np.isfinite(single), kept.view(np.float32), single)
