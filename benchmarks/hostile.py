"""What strangers and accidents do, tried at random: cases, other words, crafted and torn files.

Each trial survives with a result that keeps what is promised, or with one sentence that says what
is wrong. Python objects of the user are trusted; what a case, a result and their folder hold is
not, see ``docs/trust.md``. Runs that are killed have a table of their own, :mod:`.kills`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .hostile_child import FAILURE, RESULT, SENTENCE, Outcome, counts, tried
from .hostile_files import make_good
from .report import save

SEED = 70921
CASES, INVARIANCES, CRAFTED, FLIPPED = 200, 130, 1000, 600
QUICK = 10
FAILURES = ("traceback", "abort", "hang", "memory", "warning", "wrong")
TITLE = "Hostile input"
COLUMNS = ("trials", "tried", "results", "sentences", "failures", *FAILURES)


def _tasks(count: int, folder: Path, **more: Any) -> list[dict[str, Any]]:
    return [{"seed": SEED, "number": n, "folder": str(folder), **more} for n in range(count)]


def _files(kind: str, count: int, folder: Path) -> list[Outcome]:
    """Spoil so many results, then read them; in other processes, as HDF5 may die of either."""
    tasks = _tasks(count, folder, kind=kind)
    made = tried("hostile_files", tasks, folder)
    # Those that came after another had broken the heap of their process; a file that is torn
    # while it is made is one to be read all the same.
    broken = [task for task, one in zip(tasks, made, strict=True) if one.kind == FAILURE]
    tried("hostile_files", broken, folder)
    return tried("hostile_reading", tasks, folder)


def run(quick: bool = False) -> str:
    """Try everything; returns the table."""
    part = QUICK if quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = folder / "good"
        good.mkdir()
        make_good(good)
        found = {
            "random cases in Python": tried("hostile_cases", _tasks(CASES // part, folder), folder),
            "the same in other words": tried(
                "hostile_invariances", _tasks(INVARIANCES // part, folder), folder
            ),
            "crafted result files": _files("craft", CRAFTED // part, folder),
            "flipped and cut result files": _files("flip", FLIPPED // part, folder),
        }
    rows = [[name, *_row(outcomes)] for name, outcomes in found.items()]
    records = [{"trials": name, "tried": len(one), **counts(one)} for name, one in found.items()]
    notes = [
        "Random cases: 1 to 3 axes; losses, Sigmas, sides, drifts, steppers, sections at random; "
        "one in five has an extreme number, one in five a value that makes no sense. A result has "
        "a finite density, never below 0, keeps its mass or loses it through absorbing sides only, "
        "and its relative entropy does not rise where the stepper promises that.",
        "The same in other words: a frame in between, [0, T] in two, mirrored and permuted axes, "
        "scale, shift, unit of time, a constant in the loss. L1 distance of both densities below "
        "1e-9 where the stepper is exact in time, else 10 rtol; where the limiter of the scheme "
        "high-order acts, which a caution says, below the share of the flux that it takes away.",
        "Crafted: up to three changes of values, types, shapes, names, attributes, the case, "
        "scales, links, storage. Flipped: bits, bytes, pages, cuts. Each file is read by `report`, "
        "by `export` or `compare`, and by one of `plot`, `validate`, `check`, `run` and "
        "`run --resume`; a line that passes on a warning of numpy counts as no failure there.",
        "A trial may take 2 GiB and a minute; one that takes longer is tried once more, as its "
        "kernels may have been compiled the first time. Steppers of low order run at rtol 1e-3, "
        "and coefficients in time in other words by auto and magnus only: others can take minutes.",
        "Results: all commands came to their end. Sentences: a line on stderr, and status 2 or 3.",
        "Runs killed at any moment, 200 times: `kills.md`.",
        *_complaints(found),
    ]
    return save("hostile", TITLE, COLUMNS, rows, notes, records, quick)


def _row(outcomes: Sequence[Outcome]) -> list[str]:
    found = counts(outcomes)
    names = (RESULT, SENTENCE, FAILURE, *FAILURES)
    return [str(len(outcomes)), *(str(found.get(name, 0)) for name in names)]


def _complaints(found: dict[str, list[Outcome]]) -> list[str]:
    return [
        f"{name}, number {number}: {one.what}: {one.text}"
        for name, outcomes in found.items()
        for number, one in enumerate(outcomes)
        if one.kind == FAILURE
    ]
