"""Pages for readers: the report of a result and the comparison of two."""

from .comparison import write_comparison
from .page import REPORT, report_page, write_report

__all__ = ["REPORT", "report_page", "write_comparison", "write_report"]
