"""The order of the tutorials, and when they run again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from .stamp import of_package, stamp

NAMES = (
    "free_energy",
    "quasi_potential",
    "limit_cycle",
    "escape_times",
    "schedules",
    "large_steps",
    "walkers",
)


class Order:
    """Key by which sphinx-gallery sorts the scripts of a folder."""

    def __init__(self, folder: Any):
        self.folder = folder

    def __call__(self, filename: str) -> int:
        return NAMES.index(filename.removesuffix(".py"))

    def __repr__(self) -> str:
        # Sphinx compares settings by their text.
        return "Order"


def forget(folder: Path, settings: Path) -> None:
    """Remove what the tutorials made with another package or other settings of Sphinx.

    sphinx-gallery itself runs a script again only when the script has changed.
    """
    mark = folder / "made.txt"
    now = stamp([of_package(), settings.read_text(encoding="utf-8")])
    if not mark.exists() or mark.read_text() != now:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(now)
