"""One self-contained page for the comparison of two results."""

from __future__ import annotations

import math
from itertools import groupby
from pathlib import Path

from ..analyses.text import PageTable, number
from .compare import Difference, Pair
from .page import render, write_page
from .pictures import figure_of

TITLES = {
    "run": "Over the run",
    "final": "At the last frame",
    "stationary": "At rest",
    "ensemble": "Walkers",
    "discrete": "Steps of SGD",
}


def write_comparison(
    found: Difference, labels: tuple[str, str], path: str | Path, figure: Path | None = None
) -> Path:
    """Write the page of a comparison, in place of one that is there; returns its path.

    Parameters
    ----------
    found : Difference
    labels : pair of str
        Names of the two results.
    path : path
        Of the page.
    figure : path, optional
        PNG of both densities.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    tables = [
        _table(TITLES.get(section, section.capitalize()), labels, tuple(pairs))
        for section, pairs in groupby(found.numbers, lambda pair: pair.section)
    ]

    def text() -> str:
        picture = None
        if figure is not None:
            alt = f"Contours or curves of the last density of {labels[0]} and of {labels[1]}"
            picture = figure_of(figure, "Last densities over each other", alt)
        return render(
            "comparison.html",
            labels=labels,
            settings=PageTable("Settings that differ", ("key", *labels), found.settings),
            distances=tuple((what, number(value)) for what, value in found.distances),
            note=found.note,
            picture=picture,
            tables=tables,
            costs=_table("Costs", labels, found.costs),
        )

    return write_page(Path(path), text)


def _table(caption: str, labels: tuple[str, str], pairs: tuple[Pair, ...]) -> PageTable:
    return PageTable(caption, ("number", *labels, "change", "relative"), tuple(map(_row, pairs)))


def _row(pair: Pair) -> tuple[str, ...]:
    values = ("–" if x is None else number(x, 8) for x in (pair.first, pair.second))
    changes = ("" if math.isnan(x) else number(x, 2) for x in (pair.change, pair.relative))
    return pair.name, *values, *changes
