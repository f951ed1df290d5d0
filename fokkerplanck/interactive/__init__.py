"""A result to zoom into, as figures of plotly: the only place that imports it."""

from .views import VIEWS, plotly_script, views_of, zoomable

__all__ = ["VIEWS", "plotly_script", "views_of", "zoomable"]
