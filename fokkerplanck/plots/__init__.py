"""Figures of a result: the only place that imports matplotlib."""

from .draw import FIGURES, draw

__all__ = ["FIGURES", "draw"]
