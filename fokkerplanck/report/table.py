"""Findings as lines of text: names, what was found, numbers with what is known of their error."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import repeat

# Columns of a terminal beside the names; longer findings go on in the next line.
TEXT_WIDTH = 100


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
    known = round(value, places) + 0.0
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


def table(rows: list[tuple[str, str]]) -> str:
    """Rows (what, finding) as lines, the findings below each other and no longer than they read."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, text in rows:
        parts = textwrap.wrap(text, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(parts or [""]):
            lines.append(f"{name if number == 0 else '':{width}}  {part}")
    return "\n".join(lines)
