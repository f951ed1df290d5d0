"""One self-contained page for a result: nothing is loaded from anywhere, nothing is executed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..case import stored_expect, stored_settings
from ..errors import CaseError, StoreError
from ..figures import film_of
from ..io.result import Result, require_result
from ..runtime.files import whole_file
from .checks import checks_of
from .cite import command, command_of_file, references
from .pictures import pictures_of
from .records import Check
from .sections import sections_of
from .words import equation, setup

# File name of the page beside its result.
REPORT = "report.html"
# What every page begins with.
PAGE_START = b"<!doctype html>"
STAGES = {
    "compile": "compiling kernels",
    "assemble": "assembling",
    "step": "evolution in time",
    "measure": "observables",
    "write": "writing",
    "analyse": "analyses at rest",
    "modes": "modes of the generator",
    "walk": "walkers",
    "validate": "density against walkers",
}


def write_report(
    result: Result,
    path: str | Path,
    figures: Sequence[str | Path] = (),
    *,
    file: str | Path | None = None,
    peak: int | None = None,
    zoomable: str | Path | None = None,
) -> Path:
    """Write the page of a result, in place of one that is there; returns its path.

    Parameters
    ----------
    result : Result
    path : path
        Of the page.
    figures : sequence of path
        Drawn figures of this result, PNG; they become part of the page.
    file : path, optional
        The result file, for its size.
    peak : int, optional
        Largest memory of the process that made the result, in bytes.
    zoomable : path, optional
        A page of :func:`write_zoomable` in the same folder, which this page then links.

    Raises
    ------
    StoreError
        If it cannot be written, or a figure not be read.
    CaseError
        If there is no result.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> result = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = fp.write_report(result, Path(folder, "report.html"))
    ...     text = page.read_text(encoding="utf-8")
    >>> text[:15]
    '<!DOCTYPE html>'
    """
    require_result(result)
    files = [Path(figure) for figure in figures]

    def text() -> str:
        return report_page(
            result,
            files,
            file=None if file is None else Path(file),
            peak=peak,
            zoomable=None if zoomable is None else Path(zoomable).name,
        )

    return write_page(Path(path), text, "report")


def write_page(target: Path, text: Callable[[], str], what: str = "page") -> Path:
    """Make the text of a page and write it; returns its path, and makes the folder if need be.

    Raises
    ------
    StoreError
        If it cannot be written, a file that it shows not be read, or something that is no page
        would be replaced.
    """
    try:
        if not _is_page(target):
            raise StoreError(f"there is a file that is no {what}, and it is kept", target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as fresh:
            # Names from a file system need not be text.
            fresh.write_text(text(), encoding="utf-8", errors="replace")
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"the {what} cannot be written: {error.strerror}", target) from error
    return target


def _is_page(target: Path) -> bool:
    """Whether nothing is lost where this is replaced."""
    if not target.exists():
        return True
    if not target.is_file():
        return False
    with target.open("rb") as file:
        start = file.read(len(PAGE_START))
    return start.lower() == PAGE_START or not start


def report_page(
    result: Result,
    figures: Sequence[Path] = (),
    *,
    file: Path | None = None,
    peak: int | None = None,
    zoomable: str | None = None,
) -> str:
    """Text of the page; arguments as of :func:`write_report`."""
    unread: tuple[Check, ...] = ()
    try:
        settings = stored_settings(result.case_toml, result.attrs)
        expect = stored_expect(settings)
    except CaseError as error:
        settings, expect = {}, {}
        unread = (Check("broken", "Case", str(error)),)
    checks = (*unread, *checks_of(result, expect))
    functions = str(result.attrs.get("functions", ""))
    # A case that is not there or cannot be read cannot be solved again either.
    again = "" if unread or functions or not result.case_toml.strip() else command_of_file(result)
    return render(
        "report.html",
        title=result.title or str(result.attrs.get("name", "Result")),
        name=str(result.attrs.get("name", "")),
        equation=equation(settings),
        setup=setup(result, settings),
        checks=checks,
        counts={state: sum(c.state == state for c in checks) for state in STATES},
        sections=sections_of(result, pictures_of(result, figures)),
        film=film_of(result),
        zoomable=zoomable,
        costs=_costs(result, file, peak),
        source=result.source,
        case_text=result.case_toml,
        command=command(result) if again else "",
        again=again,
        functions=functions,
        references=references(result, settings),
    )


STATES = {"kept": "passed", "care": "to be read with care", "broken": "failed"}
MARKS = {"kept": "✓", "care": "!", "broken": "✗"}


def render(
    template: str, *, scripts: Sequence[str] = (), images: str = "data:", **values: Any
) -> str:
    """A page from a template: style and scripts inside, and no others allowed to run.

    Parameters
    ----------
    template : str
    scripts : sequence of str
        Texts of our own or of a library, never of a case; that of the reports by default.
    images : str
        Where images may come from.
    values
        What the template shows.
    """
    texts = tuple(scripts) or (asset("page.js"),)
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return (
        _surroundings()
        .get_template(template)
        .render(
            style=asset("style.css"),
            scripts=texts,
            digests=[base64.b64encode(digest).decode() for digest in digests],
            images=images,
            version=__version__,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            states=STATES,
            marks=MARKS,
            **values,
        )
    )


@cache
def _surroundings() -> Environment:
    return Environment(
        loader=PackageLoader("fokkerplanck.report"),
        # Titles, formulas and texts of cases come from anywhere.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def asset(name: str) -> str:
    """Text of a file beside the templates."""
    loader, surroundings = _surroundings().loader, _surroundings()
    assert loader is not None
    return loader.get_source(surroundings, name)[0]


def _costs(result: Result, file: Path | None, peak: int | None) -> tuple[tuple[str, str], ...]:
    rows = [
        (STAGES.get(stage, stage), f"{seconds:.2f} s")
        for stage, seconds in result.timings.items()
        if seconds >= 0.005
    ]
    if result.timings:
        rows.append(("all together", f"{sum(result.timings.values()):.2f} s"))
    if peak is not None:
        rows.append(("largest memory of the process", f"{peak / 2**20:,.0f} MiB"))
    cells = " × ".join(str(count) for count in result.shape)
    kept = len(result.kept_frames)
    rows.append(
        (
            f"densities, {kept} of {cells} cells" if kept else f"grid of {cells} cells",
            f"{result.density.nbytes / 2**20:,.1f} MiB",
        )
    )
    if file is not None and file.exists():
        rows.append(("result file", f"{file.stat().st_size / 2**20:,.1f} MiB"))
    return tuple(rows)
