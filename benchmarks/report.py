"""Tables: aligned text for the terminal, the same as Markdown and JSON in ``results/``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .machine import ROOT, describe

RESULTS = ROOT / "benchmarks" / "results"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown table whose columns line up as plain text."""
    widths = [max(len(line[i]) for line in [columns, *rows]) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([line(columns), rule, *(line(row) for row in rows)])


def save(
    name: str,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    quick: bool = False,
) -> str:
    """Write ``results/<name>.md`` and ``.json``; return the text for the terminal.

    Parameters
    ----------
    name : str
        File stem.
    title : str
        Heading.
    columns, rows : strings
        The table as shown.
    notes : strings
        One sentence each: settings, reading aids.
    records : mappings
        The numbers behind the table, at full precision.
    quick : bool
        A trial: goes to ``results/quick/``, which is not kept.
    """
    machine = describe()
    shown = table(columns, rows)
    text = "\n".join(
        [
            f"# {title}",
            "",
            shown,
            "",
            *(f"- {note}" for note in notes),
            "",
            *(f"- {key}: {value}" for key, value in machine.items()),
            "",
        ]
    )
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text)
    content = {"title": title, "machine": machine, "notes": list(notes), "records": list(records)}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
    return f"{title}\n\n{shown}\n\n" + "\n".join(f"- {note}" for note in notes)
