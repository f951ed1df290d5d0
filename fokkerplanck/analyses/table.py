"""The analyses that a case may ask for: what each leaves in a result, and how it is told.

Reports, comparisons, sweeps and ``[expect]`` go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..io import ENSEMBLE, PASSAGE, VALIDATION, Arrays, Layout
from .ensemble import ensemble_numbers, ensemble_rows, ensemble_tables
from .passage import passage_numbers, passage_rows, passage_tables
from .text import PageTable, Rows, Solved
from .validation import validation_numbers, validation_rows, validation_tables


def _no_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    return ()


@dataclass(frozen=True)
class Analysis:
    """One analysis.

    Parameters
    ----------
    title : str
        Of its part of a page.
    layout : Layout
        Of its group in a result.
    numbers : callable
        From its arrays to numbers, and arrays of numbers, by the names of ``[expect]``.
    rows : callable
        From result and arrays to rows of the closing table.
    tables : callable
        Likewise to tables of the page.
    """

    title: str
    layout: Layout
    numbers: Callable[[Arrays], dict[str, Any]]
    rows: Callable[[Solved, Arrays], Rows]
    tables: Callable[[Solved, Arrays], tuple[PageTable, ...]] = _no_tables


ANALYSES: dict[str, Analysis] = {
    "passage": Analysis(
        "First passage and escape", PASSAGE, passage_numbers, passage_rows, passage_tables
    ),
    "ensemble": Analysis("Walkers", ENSEMBLE, ensemble_numbers, ensemble_rows, ensemble_tables),
    "validation": Analysis(
        "Density against walkers",
        VALIDATION,
        validation_numbers,
        validation_rows,
        validation_tables,
    ),
}


def rows_of(name: str, result: Any) -> Rows:
    """Rows of the closing table on one analysis of a result; empty where it is not there."""
    found = getattr(result, name)
    return [] if found is None else ANALYSES[name].rows(result, found)


def tables_of(name: str, result: Any) -> tuple[PageTable, ...]:
    """Tables of the page on one analysis of a result; empty where it is not there."""
    found = getattr(result, name)
    return () if found is None else ANALYSES[name].tables(result, found)


def numbers_of(name: str, result: Any) -> dict[str, Any] | None:
    """Numbers of one analysis of a result, by the names of ``[expect]``; None without it."""
    found = getattr(result, name)
    return None if found is None else ANALYSES[name].numbers(found)
