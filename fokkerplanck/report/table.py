"""Findings as lines of text for a terminal."""

from __future__ import annotations

import textwrap

# Columns of a terminal beside the names; longer findings go on in the next line.
TEXT_WIDTH = 100


def table(rows: list[tuple[str, str]]) -> str:
    """Rows (what, finding) as lines, the findings below each other and no longer than they read."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = []
    for name, text in rows:
        parts = textwrap.wrap(text, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
        for number, part in enumerate(parts or [""]):
            lines.append(f"{name if number == 0 else '':{width}}  {part}")
    return "\n".join(lines)
