"""Map of the equations of the review, from ``docs/equations.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from . import api
from . import markdown as md

FILE = Path(__file__).resolve().parents[1] / "equations.toml"
HEAD = """\
# Equation map

Numbers in brackets, here and everywhere in the code, are those of Liu and Theodorou, "Deep Learning
Theory Review: An Optimal Control and Dynamical Systems Perspective". Where the review has a slip,
the formula below is the corrected one, and the entry says what was changed. Symbols are those of
the {doc}`conventions </conventions>`.

(1) to (29) are about the dynamics of networks, of which this package knows nothing; (63) to (65)
are general remarks on risk-aware control; (71) and later leave SGD. All others stand below.

"""


@dataclass(frozen=True)
class Entry:
    """One row of the map.

    Parameters
    ----------
    numbers : tuple of int
        Equations of the review.
    title, formula, meaning : str
        A few words, the statement in TeX, and what it says, in Markdown.
    slip : str
        What the review has otherwise; empty where nothing.
    functions : tuple of str
        Dotted names.
    cases : tuple of str
        Bundled cases.
    tests : tuple of str
        ``file::test`` or ``file::Class::test`` below ``tests``.
    """

    numbers: tuple[int, ...]
    title: str
    formula: str
    meaning: str
    functions: tuple[str, ...]
    cases: tuple[str, ...]
    tests: tuple[str, ...]
    slip: str = ""

    @property
    def label(self) -> str:
        """``(34), (35)``."""
        return ", ".join(f"({number})" for number in self.numbers)


def entries() -> list[Entry]:
    """The map."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["equation"]
    return [
        Entry(**{key: tuple(v) if isinstance(v, list) else v.strip() for key, v in row.items()})
        for row in rows
    ]


def write_page(path: Path, drawn: Collection[str]) -> None:
    """Write the page; ``drawn`` are the cases that the gallery has a page of."""
    found = entries()
    known = {entry.full for entry in api.inventory()}
    text = HEAD + md.table(
        ["equation", "what it is"],
        [[f"[{entry.label}](#equation-{entry.numbers[0]})", entry.title] for entry in found],
    )
    for entry in found:
        text += f"\n(equation-{entry.numbers[0]})=\n## {entry.label} {entry.title}\n\n"
        if entry.formula:
            text += f"$$\n{entry.formula}\n$$\n\n"
        text += f"{entry.meaning}\n\n"
        if entry.slip:
            text += f"*In the review:* {entry.slip}\n\n"
        where = [
            ("Functions", [api.reference(name, known) for name in entry.functions]),
            ("Cases", [case_link(name, drawn) for name in entry.cases]),
            ("Tests", [md.code(name) for name in entry.tests]),
        ]
        for word, names in where:
            if names:
                text += f"- **{word}:** {', '.join(names)}\n"
    md.write(path, text)


def case_link(name: str, drawn: Collection[str]) -> str:
    """The name of a case, with a link where the gallery has a page of it."""
    return f"{{doc}}`{name} <gallery/{name}>`" if name in drawn else md.code(name)
