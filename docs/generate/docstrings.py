"""Docstrings are plain text with numpy's sections: what reStructuredText would take is escaped."""

from __future__ import annotations

import re
from typing import Any

_KEPT = re.compile(r"(``.+?``|:[a-z:]+:`[^`]+`)")
_TRAILING = re.compile(r"(?<=\w)_(?!\w)")


def escaped(line: str) -> str:
    """One line, with bars, asterisks, backticks and trailing underscores taken literally."""
    parts = _KEPT.split(line)
    for index in range(0, len(parts), 2):
        text = re.sub(r"([|*`\\])", r"\\\1", parts[index])
        parts[index] = _TRAILING.sub(r"\\_", text)
    return "".join(parts)


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Handler of autodoc: change the lines of a docstring in place, outside literal blocks.

    Examples are literal too, from their prompt to the next empty line.
    """
    if what in ("property", "attribute", "data") and lines:
        # napoleon would take what stands before a colon for a type; not so at the end of a line.
        before, colon, after = lines[0].partition(": ")
        if after:
            lines[:1] = [before + colon.rstrip(), after]
    depth: int | None = None
    example = False
    for index, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>> "))
        if example:
            continue
        indent = len(line) - len(line.lstrip())
        if depth is not None and line.strip() and indent <= depth:
            depth = None
        if depth is None:
            lines[index] = escaped(line)
            if line.rstrip().endswith("::"):
                depth = indent
