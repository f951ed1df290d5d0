"""Tables: aligned text for the terminal and as Markdown, and one file with the numbers of all.

``results/results.json`` holds, by the name of the benchmark, its title, the machine with the
commit, the notes and the records at full precision.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .machine import ROOT, describe

RESULTS = ROOT / "benchmarks" / "results"
STORED = "results.json"
# Stem of the page with all tables, and of its figure, which the caller draws.
PAGE = "summary"


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
    """Write ``results/<name>.md`` and the entry in ``results/results.json``.

    Returns the text for the terminal.

    Parameters
    ----------
    name : str
        Of the benchmark and its table.
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
    stored = load(quick)
    stored[name] = content
    (folder / STORED).write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
    return f"{title}\n\n{shown}\n\n" + "\n".join(f"- {note}" for note in notes)


def load(quick: bool = False) -> dict[str, dict[str, Any]]:
    """What is stored so far, by the name of the benchmark."""
    path = (RESULTS / "quick" if quick else RESULTS) / STORED
    return dict(json.loads(path.read_text())) if path.exists() else {}


def summarise(names: Sequence[str], quick: bool = False) -> Path:
    """Collect all tables on one page, ``summary.md``, each with its machine.

    Parameters
    ----------
    names : strings
        Benchmarks in the order of the page; others follow, those without results are left out.
    quick : bool
        Those of ``results/quick/``.

    Returns
    -------
    path
        Of the page.
    """
    folder = RESULTS / "quick" if quick else RESULTS
    page = folder / f"{PAGE}.md"
    stored = load(quick)
    parts = ["# Benchmarks", f"![The main figures]({PAGE}.png)"]
    for name in [*(n for n in names if n in stored), *(n for n in stored if n not in names)]:
        content = stored[name]
        machine = content["machine"]
        lines = (folder / f"{name}.md").read_text().splitlines()
        shown = [line for line in lines if line.startswith("|")]
        figure = [f"![{content['title']}]({name}.png)", ""]
        parts.append(
            "\n".join(
                [
                    f"## {content['title']}",
                    "",
                    f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; "
                    f"commit {machine['commit']}, {machine['date']}; notes and settings in "
                    f"[{name}.md]({name}.md).",
                    "",
                    *(figure if (folder / f"{name}.png").exists() else []),
                    *shown,
                ]
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(parts) + "\n")
    return page
