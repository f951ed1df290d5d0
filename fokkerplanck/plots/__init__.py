"""Figures of a result: the only place that imports matplotlib."""

from .draw import FIGURES, draw
from .overlay import overlay

__all__ = ["FIGURES", "draw", "overlay"]
