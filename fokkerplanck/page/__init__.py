"""Pages for readers: the report of a result, one to zoom into, the comparison of two."""

from .comparison import write_comparison
from .page import REPORT, report_page, write_report
from .zoomable import ZOOMABLE, write_zoomable

__all__ = [
    "REPORT",
    "ZOOMABLE",
    "report_page",
    "write_comparison",
    "write_report",
    "write_zoomable",
]
