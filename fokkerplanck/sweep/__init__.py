"""One case at many settings, spread over the cores of this machine or a Dask cluster."""

from .conduct import SUMMARY, sweep
from .plan import parse_settings
from .summary import table_of

__all__ = ["SUMMARY", "parse_settings", "sweep", "table_of"]
