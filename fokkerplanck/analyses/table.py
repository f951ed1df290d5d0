"""The analyses that a case may ask for: how each is done, what it leaves, how it is told.

Runs, reports, comparisons, sweeps and ``[expect]`` go through this table, in its order.
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
from . import local_entropy, passage, spectrum, transfer, validation
from .context import Context
from .control import control_numbers, control_rows, control_tables
from .ensemble import ensemble_numbers, ensemble_rows, ensemble_tables
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
    asked : str
        What a case asks for, in words.
    layout : Layout
        Of its group in a result.
    numbers : callable
        From its arrays to numbers, and arrays of numbers, by the names of ``[expect]``.
    rows : callable
        From result and arrays to rows of the closing table.
    tables : callable
        Likewise to tables of the page.
    stage : str
        Of the run's clock.
    compute : callable, optional
        Leaves the tree in the record of its context, and returns notes. None of those that the
        frames need first, and of the ensemble, which the run itself takes care of.
    """

    title: str
    asked: str
    layout: Layout
    numbers: Callable[[Arrays], dict[str, Any]]
    rows: Callable[[Solved, Arrays], Rows]
    tables: Callable[[Solved, Arrays], tuple[PageTable, ...]] = _no_tables
    stage: str = ""
    compute: Callable[[Context], list[str]] | None = None


ANALYSES: dict[str, Analysis] = {
    "stationary": Analysis(
        "At rest",
        "stationary density, quasi-potential, current and entropy production",
        STATIONARY,
        stationary_numbers,
        stationary_rows,
        stationary_tables,
    ),
    "spectrum": Analysis(
        "Spectrum",
        "slowest modes of the generator and bounds on the mixing time",
        SPECTRUM,
        spectrum.spectrum_numbers,
        spectrum.spectrum_rows,
        spectrum.spectrum_tables,
        stage="modes",
        compute=spectrum.compute,
    ),
    "passage": Analysis(
        "First passage and escape",
        "first passage and escape",
        PASSAGE,
        passage.passage_numbers,
        passage.passage_rows,
        passage.passage_tables,
        stage="passage",
        compute=passage.compute,
    ),
    "ensemble": Analysis(
        "Walkers",
        "walkers beside the density",
        ENSEMBLE,
        ensemble_numbers,
        ensemble_rows,
        ensemble_tables,
    ),
    "validation": Analysis(
        "Density against walkers",
        "density against walkers by statistical tests",
        VALIDATION,
        validation_numbers,
        validation_rows,
        validation_tables,
        stage="validate",
        compute=validation.compute,
    ),
    "control": Analysis(
        "Control",
        "a schedule that steers the density",
        CONTROL,
        control_numbers,
        control_rows,
        control_tables,
    ),
    "smoothing": Analysis(
        "Local entropy",
        "local entropy beside the loss",
        SMOOTHING,
        local_entropy.smoothing_numbers,
        local_entropy.smoothing_rows,
        stage="smooth",
        compute=local_entropy.compute,
    ),
    "discrete": Analysis(
        "Steps of SGD",
        "the transfer operator of SGD, step by step",
        DISCRETE,
        discrete_numbers,
        discrete_rows,
        discrete_tables,
        stage="discrete",
        compute=transfer.compute,
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
