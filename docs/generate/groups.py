"""The groups of a result file, one per analysis, from the layouts that write and read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fokkerplanck.analyses.table import ANALYSES
from fokkerplanck.io.dataset import AXES, COMPONENTS, CORNERS, Layout

from . import markdown as md

HEAD = """# Groups of the result file

What each analysis leaves in {doc}`the result file </result_file>`. `<axis>` stands for each axis
by its name, `<axes>` for all of them, `<corners>` for the corners of the cells, `<k>` for 0, 1, ...
A dataset whose dimension is its own name is a coordinate. What no case asks for is not there.
"""
_SEVERAL = {AXES: "<axes>", CORNERS: "<corners>"}


def datasets(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """Name, dimensions and meaning of what a group may hold, its coordinates first."""
    used = {word for one in layout.variables.values() for word in one.dims.split()}
    if AXES in used:
        yield "<axis>", "<axis>", "<axis>, cell centre"
        yield "<axis>_bounds", "<axis>, bound", "<axis>, cell faces"
        yield "bound", "bound", "side of a cell"
    if CORNERS in used:
        yield "<axis>_corner", "<axis>_corner", "<axis>, cell face"
    for name, long_name in COMPONENTS.items():
        if name in used:
            yield name, name, long_name
    for name, one in layout.variables.items():
        yield name, ", ".join(_SEVERAL.get(w, w) for w in one.dims.split()), one.long_name


def groups() -> Iterator[tuple[str, str, Layout]]:
    """Place, title and layout of every group, those within others behind them."""

    def within(place: str, title: str, layout: Layout) -> Iterator[tuple[str, str, Layout]]:
        yield place, title, layout
        for name, child in layout.children.items():
            yield from within(f"{place}/{name.replace('_*', '_<k>')}", "", child)

    for name, one in ANALYSES.items():
        yield from within(f"/{name}", one.title, one.layout)


def documented() -> tuple[dict[str, tuple[str, str]], set[str]]:
    """Dimensions and meaning of every dataset by its place, and the places of all attributes."""
    found = {
        f"{place}/{name}": (dims, words)
        for place, _, layout in groups()
        for name, dims, words in datasets(layout)
    }
    named = {f"{place}@{name}" for place, _, layout in groups() for name in layout.attributes}
    return found, named


def page() -> str:
    """The page, in Markdown."""
    text = HEAD
    for place, title, layout in groups():
        head = f"{md.code(place)}: {title[:1].lower()}{title[1:]}" if title else md.code(place)
        text += f"\n## {head}\n\n" if title else f"\n### {head}\n\n"
        rows = [(md.code(f"{place}/{name}"), md.escape(dims), md.escape(words))
                for name, dims, words in datasets(layout)]  # fmt: skip
        text += md.table(["dataset", "dimensions", "meaning"], rows)
        if layout.attributes:
            named = [
                (md.code(f"{place}@{name}"), md.escape(one.long_name))
                for name, one in layout.attributes.items()
            ]
            text += "\n" + md.table(["attribute", "meaning"], named)
    return text


def write_page(path: Path) -> None:
    """Write the page."""
    md.write(path, page())
