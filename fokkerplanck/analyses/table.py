"""The analyses that a case may ask for: what each leaves in a result, and how it is told.

Reports, comparisons, sweeps and ``[expect]`` go through this table, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..io import (
    CONTROL,
    DISCRETE,
    ENSEMBLE,
    PASSAGE,
    SMOOTHING,
    SPECTRUM,
    STATIONARY,
    VALIDATION,
    Arrays,
    Layout,
)
from .control import control_numbers, control_rows, control_tables
from .ensemble import ensemble_numbers, ensemble_rows, ensemble_tables
from .local_entropy import smoothing_numbers, smoothing_rows
from .passage import passage_numbers, passage_rows, passage_tables
from .spectrum import spectrum_numbers, spectrum_rows, spectrum_tables
from .stationary import stationary_numbers, stationary_rows, stationary_tables
from .text import PageTable, Rows, Solved
from .transfer_findings import discrete_numbers, discrete_rows, discrete_tables
from .validation_findings import validation_numbers, validation_rows, validation_tables


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
    "stationary": Analysis(
        "At rest", STATIONARY, stationary_numbers, stationary_rows, stationary_tables
    ),
    "spectrum": Analysis("Spectrum", SPECTRUM, spectrum_numbers, spectrum_rows, spectrum_tables),
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
    "control": Analysis("Control", CONTROL, control_numbers, control_rows, control_tables),
    "smoothing": Analysis("Local entropy", SMOOTHING, smoothing_numbers, smoothing_rows),
    "discrete": Analysis(
        "Steps of SGD", DISCRETE, discrete_numbers, discrete_rows, discrete_tables
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
