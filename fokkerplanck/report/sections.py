"""The parts of a page, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping

from ..analyses.table import ANALYSES, rows_of, tables_of
from ..analyses.text import PageTable, Rows
from ..io.result import Result
from .closing_table import evolution_rows
from .records import PageSection, Picture
from .tables import frame_tables


def sections_of(result: Result, pictures: Mapping[str, list[Picture]]) -> tuple[PageSection, ...]:
    """Findings, tables and pictures by analysis; parts that a result lacks are left out.

    Parameters
    ----------
    result : Result
    pictures : mapping
        By the key of the section.
    """
    parts = [
        ("evolution", "Evolution", evolution_rows(result), frame_tables(result)),
        *(_of_analysis(name, result) for name in ("stationary", "spectrum", "passage")),
        (
            "walkers",
            "Walkers and validation",
            rows_of("ensemble", result) + rows_of("validation", result),
            tables_of("ensemble", result) + tables_of("validation", result),
        ),
        *(_of_analysis(name, result) for name in ("control", "smoothing", "discrete")),
    ]
    found = (
        PageSection(key, title, _headed(rows), tables, tuple(pictures.get(key, ())))
        for key, title, rows, tables in parts
    )
    return tuple(section for section in found if not section.empty)


def _of_analysis(name: str, result: Result) -> tuple[str, str, Rows, tuple[PageTable, ...]]:
    return name, ANALYSES[name].title, rows_of(name, result), tables_of(name, result)


def _headed(rows: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """With heads as they begin on a page: no indentation, words with a capital."""
    heads = (name.strip() for name, _ in rows)
    # "t = 2" stays as it is.
    heads = (head[:1].upper() + head[1:] if head[1:2].isalpha() else head for head in heads)
    return tuple((head, text) for head, (_, text) in zip(heads, rows, strict=True))
