"""What the commands do that only read result files: the report of one, the comparison of two."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..case import stored_settings
from ..errors import CaseError, StoreError
from ..figures import draw, overlay
from ..io.result import Result, open_result
from ..report.compare import differences, text_of
from ..report.comparison_page import write_comparison
from ..report.page import REPORT, write_report
from ..report.zoomable import ZOOMABLE, write_zoomable


def figures_of(result: Result, path: Path) -> list[str] | None:
    """The figures that the case of a result asked for; None for those that there is data for.

    Raises
    ------
    CaseError
        If the case in it cannot be read.
    """
    try:
        settings = stored_settings(result.case_toml, result.attrs)
    except CaseError as error:
        raise error.in_file(path) from None
    output = settings.get("output", {})
    return output.get("figures") if isinstance(output, dict) else None


def report(
    path: Path, directory: Path | None = None, figures: bool = True, zoomable: bool = False
) -> list[Path]:
    """Draw the figures of a result file again and put them into its page; returns the pages.

    Parameters
    ----------
    path : Path
        Result file.
    directory : Path, optional
        For page and figures, that of the file by default.
    figures : bool
        Whether the page has figures.
    zoomable : bool
        Whether a page to zoom into is written beside it, and linked.

    Raises
    ------
    StoreError, CaseError
        If the file cannot be read or a page not be written, or has nothing to zoom into.
    """
    result = open_result(path)
    folder = path.parent if directory is None else directory
    more = []
    if zoomable:
        try:
            more.append(write_zoomable(result, folder / ZOOMABLE))
        except StoreError as error:
            raise error if error.file else StoreError(error.detail, path) from None
    drawn = draw(result, folder, figures_of(result, path)) if figures else []
    page = write_report(
        result, folder / REPORT, drawn, file=path, zoomable=more[0] if more else None
    )
    return [page, *more]


def compare(first: Path, second: Path, page: Path | None = None) -> str:
    """The comparison of two result files as text; with ``page`` also as a page with a figure.

    Raises
    ------
    StoreError, CaseError
        If a file cannot be read, the numbers of parameters differ, or the page cannot be written.
    """
    results = open_result(first), open_result(second)
    labels = labels_of(first, second)
    try:
        found = differences(*results)
    except StoreError as error:
        raise StoreError(error.detail, f"{first}, {second}") from None
    except CaseError as error:
        raise error.in_file(f"{first}, {second}") from None
    if page is not None:
        with tempfile.TemporaryDirectory() as folder:
            figure = overlay(results, labels, folder)
            write_comparison(found, labels, page, figure)
    return text_of(found, labels)


def labels_of(first: Path, second: Path) -> tuple[str, str]:
    """Names for two files: the shortest ends of their paths that differ."""
    parts = [file.absolute().with_suffix("").parts for file in (first, second)]
    for count in range(1, max(map(len, parts)) + 1):
        one, other = ("/".join(part[-count:]) for part in parts)
        if one != other:
            return one, other
    return "first", "second"
