"""Pieces of Markdown: escaped text, tables, and files that are only written if they change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|$#~])")


def escape(text: str) -> str:
    """Text that Markdown shows as it stands."""
    return _SPECIAL.sub(r"\\\1", text)


def code(text: object) -> str:
    """Text in the typeface of code."""
    # Single backticks inside would end it; none of our names has one.
    return f"`{text}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(_cell, line)) + " |\n" for line in lines)


def _cell(text: str) -> str:
    flat = " ".join(text.split())
    return re.sub(r"(?<!\\)\|", r"\\|", flat)


def write(path: Path, text: str) -> None:
    """Write a file unless it holds that very text: Sphinx goes by the time of its last change."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
