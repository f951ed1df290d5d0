"""Figures of a result: the only place that imports matplotlib."""

from .draw import FIGURES, draw
from .film import Film, film_of
from .overlay import overlay

__all__ = ["FIGURES", "Film", "draw", "film_of", "overlay"]
