"""The order of the tutorials."""

from __future__ import annotations

from typing import Any

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
