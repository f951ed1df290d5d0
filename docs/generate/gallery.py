"""The gallery: a page per bundled case, with text, figures and numbers of a result.

Results come from ``runs/NAME/NAME.h5`` where that file is complete and of the very case; else the
case is run here, at the size at which tests/test_run.py runs it. Such results are kept in
``docs/pages/gallery`` until the case, its size or the package changes.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from fokkerplanck import load_case, open_result, run
from fokkerplanck.case import bundled_cases
from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.figures import FIGURES, draw
from fokkerplanck.io.result import Result
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.numbers import judged

from . import markdown as md
from .stamp import ROOT, of_package, stamp

# Cases to draw, by name; all where it is empty or not set.
ONLY = "DOCS_CASES"
# What stands for a case: the first of these that its result has, and then one of the second.
FIRST = ("schedules", "local_entropy", "escape", "discrete", "current", "modes", "density")
SECOND = ("density", "quasi_potential", "free_energy", "eigenvalues", "mean_time")
THUMBNAIL = (480, 360)
# Pixels across the figures of a page.
WIDTH = 1400
STAMP = "made.json"
# What a reader may want to see, and the cases that show it.
QUESTIONS = {
    "How does the density come to rest?": (
        *("quadratic", "quadratic_anisotropic", "quadratic_3d", "cross_diffusion"),
    ),
    "Where does SGD rest, if not in the minima of the loss?": (
        *("quadratic_rotating", "chaudhari_soatto", "sharp_flat"),
    ),
    "What goes round in circles?": ("hopf", "sgd_limit_cycle", "van_der_pol", "caughey"),
    "How long does it stay in a minimum?": (
        *("double_well_1d", "double_well_2d", "kramers", "mueller_brown", "saddle_escape"),
    ),
    "What do data, batches and large steps do?": (
        *("linear_regression", "logistic_regression", "tanh_neuron"),
        *("fluctuation_dissipation", "large_step"),
    ),
    "What do momentum, local entropy and schedules change?": (
        *("momentum", "entropy_sgd", "local_entropy_sharp_flat"),
        *("schedule_quadratic", "schedule_double_well"),
    ),
    "What if the noise has heavy tails?": ("levy_ou", "levy_double_well", "levy_four_wells"),
}
HEAD = """\
# Gallery

Every case that comes with the package, by the question that it answers. Each page has its text,
figures, the numbers that it expects, and the case file itself. Run one with `make case=NAME`, or,
without a checkout, with `fokkerplanck run NAME`.

"""


@dataclass(frozen=True)
class Drawn:
    """A case with what is shown of it."""

    name: str
    title: str
    figures: tuple[str, ...]
    reduced: dict[str, Any]


def chosen() -> list[str]:
    """Cases to draw.

    Raises
    ------
    CaseError
        For a name that is not bundled.
    """
    bundled = list(bundled_cases())
    wanted = os.environ.get(ONLY, "").replace(",", " ").split()
    for name in wanted:
        if name not in bundled:
            raise CaseError(f"{name!r} is no bundled case; there are {', '.join(bundled)}", ONLY)
    return wanted or bundled


def write_pages(folder: Path) -> list[str]:
    """Write the gallery; returns the names of its cases."""
    drawn = [_case(name, folder) for name in chosen()]
    for page in folder.glob("*.md"):
        # Of an earlier build with other cases, or of a case that is gone; its result is kept.
        if page.stem not in {"index", *(one.name for one in drawn)}:
            page.unlink()
    by_name = {one.name: one for one in drawn}
    parts = [HEAD]
    for question, names in QUESTIONS.items():
        cards = "".join(map(_card, (by_name[name] for name in names if name in by_name)))
        if cards:
            parts.append(f"## {question}\n\n::::{{grid}} 1 2 3 3\n:gutter: 2\n\n{cards}::::\n\n")
    listed = "\n".join(by_name)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n")
    md.write(folder / "index.md", "".join(parts))
    return list(by_name)


def _card(one: Drawn) -> str:
    return (
        f":::{{grid-item-card}} {md.escape(one.name)}\n:link: {one.name}\n:link-type: doc\n"
        f":img-top: {one.name}/thumbnail.png\n\n{md.escape(one.title)}\n:::\n"
    )


def _case(name: str, folder: Path) -> Drawn:
    """Result, figures and page of one case."""
    place = folder / name
    full = load_case(name)
    finished = _finished(name, full.text)
    reduced = {} if finished else _sizes()[name]
    solved = _stamp(full.text, reduced, finished)
    shown = stamp([solved, Path(__file__).read_text(encoding="utf-8")])
    made = json.loads((place / STAMP).read_text()) if (place / STAMP).exists() else {}
    if made.get("shown") != shown or not (folder / f"{name}.md").exists():
        if made.get("solved") != solved:
            shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True, exist_ok=True)
        result = finished or _reduced(name, reduced, place / f"{name}.h5")
        figures = _figures(result, place, full.output.figures)
        numbers = _stated(full) if reduced else _numbers(full, result)
        table = summary(replace(full, expect={}), result)
        page = _page(full, result, figures, numbers, table, reduced)
        md.write(folder / f"{name}.md", page)
        made = {"solved": solved, "shown": shown, "figures": figures}
        (place / STAMP).write_text(json.dumps(made))
    return Drawn(name, full.title, tuple(made["figures"]), reduced)


def _reduced(name: str, sizes: dict[str, Any], path: Path) -> Result:
    """Run a case at its reduced size, or read what is left of such a run."""
    with warnings.catch_warnings():
        # What coarse grids are cautioned about.
        warnings.simplefilter("ignore", CaseWarning)
        case = replace(load_case(name, sizes), ensemble=None, validation=None)
        return run(case, path, resume=True)


def _finished(name: str, text: str) -> Result | None:
    """The result in ``runs``, where it is whole and of this case as it stands."""
    file = ROOT / "runs" / name / f"{name}.h5"
    if not file.exists():
        return None
    try:
        result = open_result(file)
    except (StoreError, CaseError):
        return None
    whole = result.status == "complete" and result.case_toml == text
    return result if whole and not json.loads(result.attrs.get("overrides", "{}")) else None


def _sizes() -> dict[str, dict[str, Any]]:
    """Sizes at which the cases keep their physics, of the tests."""
    from test_run import REDUCED

    return REDUCED


def _stamp(text: str, reduced: dict[str, Any], finished: Result | None) -> str:
    parts = [of_package(), text, json.dumps(reduced, sort_keys=True, default=str)]
    if finished is not None:
        parts.append(json.dumps(finished.timings) + finished.source)
    return stamp(parts)


def _figures(result: Result, place: Path, asked: tuple[str, ...] | None) -> list[str]:
    """Draw the two figures that say most; returns their files. The thumbnail is of the first."""
    scratch = place / "drawn"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        names = asked if asked is not None else _with_data(result)
        names = [name for name in names if name in FIGURES]
        order = [name for name in (*FIRST, *SECOND, *names) if name in names]
        files: list[Path] = []
        for name in dict.fromkeys(order):
            files += draw(result, scratch, [name])[:1]
            if len(files) == 2:
                break
    for file in files:
        with Image.open(file) as picture:
            small = picture.convert("RGB")
            small.thumbnail((WIDTH, 10 * WIDTH))
            small.save(place / file.name, optimize=True)
            if file is files[0]:
                small.thumbnail(THUMBNAIL)
                small.save(place / "thumbnail.png", optimize=True)
    shutil.rmtree(scratch)
    return [file.name for file in files]


def _with_data(result: Result) -> list[str]:
    """Figures that the result has data for."""
    found = ["density"] if len(result.kept_frames) else []
    found += ["free_energy"] if "free_energy" in result.observables else []
    if result.stationary is not None and result.stationary.velocity is not None:
        found += ["quasi_potential"]
        found += [] if result.stationary.detailed_balance or result.ndim != 2 else ["current"]
    found += ["modes", "eigenvalues"] if result.spectrum is not None else []
    if result.passage is not None:
        found += ["mean_time"] + (["escape"] if result.passage.escape is not None else [])
    found += ["schedules"] if result.control is not None else []
    found += ["local_entropy"] if result.smoothing is not None else []
    found += ["discrete"] if result.discrete is not None else []
    return found


def _numbers(case: Any, result: Result) -> list[list[str]]:
    """Rows of the table of expected numbers."""
    rows = []
    for name, expect in case.expect.items():
        try:
            [found] = judged({name: expect}, result)
        except CaseError:
            rows.append([md.code(name), "", _expected(expect), "not in this result"])
            continue
        verdict = "missed" if found.reason else "met"
        rows.append([md.code(name), f"{found.actual:.6g}", _expected(expect), verdict])
    return rows


def _stated(case: Any) -> list[list[str]]:
    """The same without what came out: on another grid and at other times that is no verdict."""
    return [[md.code(name), _expected(expect)] for name, expect in case.expect.items()]


def _expected(expect: Any) -> str:
    words = []
    if expect.value is not None:
        allowed = expect.atol + expect.rtol * abs(expect.value)
        words.append(f"{expect.value:.6g} within {allowed:.1g}")
    if expect.min is not None:
        words.append(f"at least {expect.min:g}")
    if expect.max is not None:
        words.append(f"at most {expect.max:g}")
    return ", ".join(words)


def _page(
    case: Any,
    result: Result,
    figures: list[str],
    numbers: list[list[str]],
    table: str,
    reduced: dict[str, Any],
) -> str:
    name = case.name
    cells, own = (" x ".join(map(str, shape)) for shape in (result.shape, case.grid.shape))
    text = f"# {name}\n\n**{md.escape(case.title)}**\n\n{introduction(case.text)}\n\n"
    if reduced:
        text += (
            ":::{note}\nThis page was made from a run of reduced size, "
            f"{cells} cells in place of {own}, without walkers. The numbers "
            f"below are stated for the case as it stands: `make case={name}` shows them, "
            f"and once `runs/{name}` is there, `make docs` takes that result.\n:::\n\n"
        )
    else:
        text += f"Made from `runs/{name}/{name}.h5`, {cells} cells.\n\n"
    for figure in figures:
        what = figure.removesuffix(".png").replace("_", " ")
        text += f"![{what} of {name}]({name}/{figure}){{.figure}}\n\n"
    if numbers:
        columns = ["name", "expected"] if reduced else ["name", "here", "expected", ""]
        text += "## Numbers that the case expects\n\n" + md.table(columns, numbers)
    text += f"\n## The closing table of the run\n\n```text\n{table}\n```\n"
    return text + f"\n## The case file\n\n```{{code-block}} toml\n{case.text.rstrip()}\n```\n"


def introduction(text: str) -> str:
    """Comments that follow the title of a case file, as Markdown."""
    lines: list[str] = []
    for line in text.splitlines()[1:]:
        if not line.startswith("#"):
            if lines:
                break
            continue
        lines.append(line[1:].removeprefix(" "))
    paragraphs: list[str] = []
    for line in lines:
        shown = f"    {line.strip()}" if line.startswith("  ") else md.escape(line)
        # An indented formula stands apart from the text around it.
        turn = paragraphs and paragraphs[-1].startswith("    ") != shown.startswith("    ")
        paragraphs += ["", shown] if turn else [shown]
    return "\n".join(paragraphs)
