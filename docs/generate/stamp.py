"""A mark of the package as it is, by which results made with another one are told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def stamp(parts: Iterable[str]) -> str:
    """Hash of texts in their order."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def of_package() -> str:
    """Hash of the sources of the package."""
    files = sorted((ROOT / "fokkerplanck").rglob("*.py"))
    return stamp(file.read_text(encoding="utf-8") for file in files)
