"""Findings in words and tables: numbers with what is known of their error, places, heads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import numpy as np

# What, and what was found.
Rows = list[tuple[str, str]]
# Points or modes of one kind that are named one by one.
NAMED = 4
# Rows of points, wells and relations that a table shows.
ROWS = 12
# Times that a table shows; all of them are in the file.
TIMES = 6


class Solved(Protocol):
    """What the words on an analysis may ask of the result that it belongs to."""

    names: tuple[str, ...]
    time: np.ndarray
    observables: dict[str, np.ndarray]


@dataclass(frozen=True)
class PageTable:
    """Numbers with heads.

    Parameters
    ----------
    caption : str
    head : tuple of str
        Heads of the columns, that of the row heads first.
    rows : tuple of tuple of str
        The first entry of each is its head.
    folded : bool
        Whether the page shows it only when asked.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False


def measured(value: float, error: float | None = None, digits: int = 6) -> str:
    """A number with its error, and no digit that the error leaves open; without one to ``digits``.

    Parameters
    ----------
    value : float
    error : float, optional
        Standard error or bound; of none, or one that is not known, nothing is said.
    digits : int
    """
    if error is None or not (math.isfinite(error) and error > 0.0 and math.isfinite(value)):
        return f"{value + 0.0:.{digits}g}"
    places = 1 - math.floor(math.log10(error))
    known = round(float(value), places) + 0.0
    digits = max(1, places + 1 + math.floor(math.log10(abs(known)))) if known else 1
    return f"{known:.{digits}g} +- {error:.2g}"


def by_axis(
    names: Sequence[str], values: Iterable[float], errors: Iterable[float] | None = None
) -> str:
    """Numbers by axis, each with its error where that is known."""
    bounds = repeat(None) if errors is None else errors
    return ", ".join(
        f"{name} {measured(value, error, 5)}"
        for name, value, error in zip(names, values, bounds, strict=False)
    )


def place(names: Sequence[str], position: np.ndarray) -> str:
    """A point by its axes to four decimals, without minus zeros."""
    inside = ", ".join(
        f"{name} = {round(float(value), 4) + 0.0:.4g}"
        for name, value in zip(names, position, strict=True)
    )
    return f"({inside})"


def point(position: np.ndarray) -> str:
    """A point in a table."""
    return _signed("(" + ", ".join(f"{round(float(x), 4) + 0.0:.4g}" for x in position) + ")")


def kinds(index: np.ndarray, ndim: int) -> list[str]:
    """minimum, saddle or maximum, for each critical point by the directions that lead down."""
    words = {0: "minimum", ndim: "maximum"}
    return [words.get(int(down), "saddle") for down in index]


def number(value: float, digits: int = 6) -> str:
    """A number in a table to some digits, or a word where there is none."""
    if math.isnan(value):
        return "none"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    # Adding zero turns minus zero into zero.
    return _signed(f"{float(value) + 0.0:.{digits}g}")


def number_table(
    caption: str, values: Mapping[str, float], words: Mapping[str, str]
) -> list[PageTable]:
    """Numbers with what they mean, folded; empty where there are none."""
    rows = tuple((words.get(k, k.replace("_", " ")), number(v)) for k, v in values.items())
    return [PageTable(caption, ("quantity", "value"), rows, folded=True)] if rows else []


def spread_out(count: int, most: int = TIMES) -> list[int]:
    """Some of the numbers below ``count``, both ends among them."""
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, most))}) if count else []


def columns(
    caption: str, what: str, heads: Sequence[str], series: Mapping[str, np.ndarray]
) -> PageTable:
    """Series below each other, without what is nowhere known."""
    rows = tuple(
        (name.replace("_", " "), *(number(v) for v in values))
        for name, values in series.items()
        if not np.isnan(values).all()
    )
    return PageTable(caption, (what, *heads), rows)


def _signed(text: str) -> str:
    return text.replace("-", "−")
