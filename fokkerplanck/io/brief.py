"""How a record shows itself: names and shapes instead of pages of numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

# Longer texts than this are cut.
LONGEST = 60


def brief(record: Any) -> str:
    """One line for a record of arrays, to stand as its ``__repr__``; what is None is left out."""
    parts = []
    for entry in fields(record):
        value = getattr(record, entry.name)
        if value is not None:
            parts.append(f"{entry.name}={_shown(value)}")
    return f"{type(record).__name__}({', '.join(parts)})"


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return "x".join(str(n) for n in value.shape) if value.ndim else f"{value:.6g}"
    if isinstance(value, dict):
        return "{" + ", ".join(str(key) for key in value) + "}"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
