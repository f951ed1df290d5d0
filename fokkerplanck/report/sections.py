"""The parts of a page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping

from ..analyses.table import rows_of, tables_of
from ..io.result import Result
from .closing_table import evolution_rows
from .findings import (
    control_rows,
    discrete_rows,
    smoothing_rows,
    spectrum_rows,
    stationary_rows,
)
from .records import PageSection, Picture
from .tables import (
    control_tables,
    discrete_tables,
    frame_tables,
    spectrum_tables,
    stationary_tables,
)


def sections_of(result: Result, pictures: Mapping[str, list[Picture]]) -> tuple[PageSection, ...]:
    """Findings, tables and pictures by analysis; parts that a result lacks are left out.

    Parameters
    ----------
    result : Result
    pictures : mapping
        By the key of the section.
    """
    rest, modes = result.stationary, result.spectrum
    control, steps = result.control, result.discrete
    parts = [
        ("evolution", "Evolution", evolution_rows(result), frame_tables(result)),
        (
            "stationary",
            "At rest",
            [] if rest is None else stationary_rows(result.names, rest),
            () if rest is None else stationary_tables(rest),
        ),
        (
            "spectrum",
            "Spectrum",
            [] if modes is None else spectrum_rows(modes),
            () if modes is None else spectrum_tables(modes),
        ),
        (
            "passage",
            "First passage and escape",
            rows_of("passage", result),
            tables_of("passage", result),
        ),
        (
            "walkers",
            "Walkers and validation",
            rows_of("ensemble", result) + rows_of("validation", result),
            tables_of("ensemble", result) + tables_of("validation", result),
        ),
        (
            "control",
            "Control",
            control_rows(result),
            () if control is None else control_tables(control),
        ),
        ("smoothing", "Local entropy", smoothing_rows(result), ()),
        (
            "discrete",
            "Steps of SGD",
            [] if steps is None else discrete_rows(result.names, steps),
            () if steps is None else discrete_tables(steps),
        ),
    ]
    found = (
        PageSection(key, title, _headed(rows), tables, tuple(pictures.get(key, ())))
        for key, title, rows, tables in parts
    )
    return tuple(section for section in found if not section.empty)


def _headed(rows: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """With heads as they begin on a page: no indentation, words with a capital."""
    heads = (name.strip() for name, _ in rows)
    # "t = 2" stays as it is.
    heads = (head[:1].upper() + head[1:] if head[1:2].isalpha() else head for head in heads)
    return tuple((head, text) for head, (_, text) in zip(heads, rows, strict=True))
