"""Figures of a result: the only place that imports matplotlib."""

from .draw import FIGURES, draw
from .filmstrip import CURVE_SIZE, Filmstrip, filmstrip
from .overlay import overlay

__all__ = ["CURVE_SIZE", "FIGURES", "Filmstrip", "draw", "filmstrip", "overlay"]
