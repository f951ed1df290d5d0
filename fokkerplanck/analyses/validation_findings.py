"""Density against walkers as numbers and in words."""

from __future__ import annotations

from typing import Any

from ..io import COMPARED, Arrays
from ..validation import dependent
from .text import PageTable, Rows, Solved, columns, number


def validation_numbers(found: Arrays) -> dict[str, Any]:
    """Numbers of the last time by name, and the verdict on all times."""
    last = {name: values[-1] for name, values in found.some(*COMPARED).items()}
    return {**last, "all_times_p_value": found.p_value, "agrees": float(found.agrees)}


def validation_rows(result: Solved, found: Arrays) -> Rows:
    """The verdict on all times, and a sentence on each."""
    sentences = zip(found.time, found.sentences.splitlines(), strict=True)
    return [
        ("validation", _verdict(found)),
        *((f"  t = {time:.4g}", sentence) for time, sentence in sentences),
    ]


def _verdict(found: Arrays) -> str:
    """One of three: agreement, a difference that the budget explains, or one that it does not."""
    chance = f"p = {found.p_value:.2g}, level {found.level:g}"
    if found.p_value >= found.level:
        return f"walkers and density agree ({chance})"
    remaining = dependent(list(found.remaining_p_value))
    if found.agrees:
        return (
            f"explained: walkers and density differ ({chance}), but agree once what is measured "
            f"below is taken out (p = {remaining:.2g})"
        )
    return (
        f"UNEXPLAINED: walkers and density differ ({chance}), and not by what is measured below "
        f"(without it p = {remaining:.2g}); exit status 1"
    )


def validation_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """The tests and the error budget."""
    heads = [f"t = {number(time)}" for time in found.time]
    return (columns("Tests and error budget", "quantity", heads, found.some(*COMPARED)),)
