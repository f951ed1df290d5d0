"""Outcomes of members become arrays over the swept keys, and a table in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..case import Case
from ..io import SweepRecord
from ..io.sweep import COMPLETE, FAILED, MISSING
from ..pipeline.provenance import source
from .numbers import INNER
from .plan import Plan
from .task import Outcome

# Columns and rows of the closing table.
COLUMNS, ROWS = 4, 64


def summary_of(case: Case, plan: Plan, outcomes: Mapping[int, Outcome], state: str) -> SweepRecord:
    """The record of a sweep as far as it is; NaN where there is no number yet."""
    shape = plan.shape
    members, status, error = (np.full(shape, "", dtype=object) for _ in range(3))
    status[...] = MISSING
    for member in plan.members:
        members[member.place] = member.name
        outcome = outcomes.get(member.number)
        if outcome is not None:
            status[member.place] = FAILED if outcome.failure else COMPLETE
            error[member.place] = outcome.sentence
    names = dict.fromkeys(name for one in outcomes.values() for name in one.numbers)
    starts = max(
        (
            len(value)
            for one in outcomes.values()
            for name, value in one.numbers.items()
            if INNER.get(name) == ("start",)
        ),
        default=0,
    )
    sizes = {"component": case.grid.ndim, "component2": case.grid.ndim, "start": starts}
    variables = {}
    for name in names:
        dims = INNER.get(name, ())
        values = np.full((*shape, *(sizes[dim] for dim in dims)), np.nan)
        for number, one in outcomes.items():
            if name in one.numbers:
                found = np.asarray(one.numbers[name])
                # A member with fewer starts than others leaves NaN behind its own.
                index: Any = (*plan.members[number].place, ...)
                target = values[index]
                target[tuple(slice(n) for n in found.shape)] = found
        variables[name] = values
    return SweepRecord(
        title=case.title,
        case_toml=case.text,
        source=source(),
        keys=plan.keys,
        names=plan.names,
        values=tuple(map(_coordinates, plan.values)),
        paired=plan.paired,
        axes=case.grid.names,
        members=members,
        status=status,
        error=error,
        variables=variables,
        inner={name: INNER.get(name, ()) for name in names},
        state=state,
    )


def _coordinates(values: tuple[Any, ...]) -> np.ndarray:
    """Numbers where all are, else texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return np.array(values)
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return np.array(texts, dtype=object)


def table_of(record: SweepRecord) -> str:
    """Aligned columns: the swept keys, what became of each member, and what says most."""
    shown = record.headlines(COLUMNS)
    head = [*record.names, "status", *(name.replace("_", " ") for name in shown), "seconds"]
    columns = {name: record.scalar(name) for name in (*shown, "wall_time")
               if name in record.variables}  # fmt: skip
    lines = [head]
    for number, place in enumerate(np.ndindex(record.shape)):
        if number == ROWS:
            break
        at = place * len(record.names) if record.paired else place
        values = [record.values[i][at[i]] for i in range(len(record.names))]
        cells = [f"{value:g}" if not isinstance(value, str) else _cut(value) for value in values]
        cells.append(str(record.status[place]))
        for name in (*shown, "wall_time"):
            column = columns.get(name)
            number_here = np.nan if column is None else column[place]
            digits = ".2f" if name == "wall_time" else ".5g"
            cells.append("-" if np.isnan(number_here) else format(number_here, digits))
        lines.append(cells)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines
    ]
    left = record.members.size - ROWS
    return "\n".join([*rows, *([f"... and {left} more in the summary"] if left > 0 else [])])


def _cut(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."
