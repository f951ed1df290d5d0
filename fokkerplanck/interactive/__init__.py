"""A result to zoom into, as figures of plotly: the only place that imports it."""

from .library import figure_json, plotly_script, require_plotly
from .zoomable import VIEWS, drawings_of, zoomable

__all__ = [
    "VIEWS",
    "drawings_of",
    "figure_json",
    "plotly_script",
    "require_plotly",
    "zoomable",
]
