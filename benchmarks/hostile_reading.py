"""One spoiled result after the other, read by every command that takes one."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from fokkerplanck.cli.main import main

from .hostile_child import FAILURE, RESULT, SENTENCE, Outcome, failure
from .hostile_files import KINDS, places

# Of `fokkerplanck --help`: success, a missed expectation, bad input, a numerical failure.
STATUSES = (0, 1, 2, 3)
FIGURES = (
    *("density", "free_energy", "observables", "quasi_potential", "current", "entropy_production"),
    *("schedules", "local_entropy", "discrete", "modes", "eigenvalues", "walkers", "mean_time"),
    *("committor", "arrival", "escape"),
)
# Beginnings of the lines that a command may write on stderr.
SIGNS = ("fokkerplanck: ", "warning: ", "not as expected: ", "not computed: ")


def commands(rng: np.random.Generator, file: Path, good: Path, out: Path) -> list[list[str]]:
    """What is done with a file; what may change it comes last."""
    name, folder = str(file), str(out)
    to = str(rng.choice(["vtkhdf", "xdmf"]))
    pair = [name, str(good)] if rng.random() < 0.5 else [str(good), name]
    page = ["--html", str(out / "compared.html")] if rng.random() < 0.1 else []
    some = [str(one) for one in rng.choice(FIGURES, 2, replace=False)]
    more = [
        ["plot", name, "--out", folder, "--figures", *some],
        ["plot", name, "--out", folder],
        ["validate", name],
        ["check", name],
        ["report", name, "--out", folder],
        ["run", name, "--no-figures", "--quiet", "--out", folder],
        ["run", name, "--no-figures", "--quiet", "--resume"],
    ]
    if importlib.util.find_spec("plotly"):
        more.append(["report", name, "--out", folder, "--no-figures", "--zoomable"])
    weights = np.array([6.0, 1.0, 2.0, 2.0, 1.0, 0.5, 2.0, 1.0][: len(more)])
    last = more[int(rng.choice(len(more), p=weights / weights.sum()))]
    other = ["export", name, "--to", to, "--out", str(out / f"exported.{to}")]
    if rng.random() < 0.5:
        other = ["compare", *pair, *page]
    return [["report", name, "--out", folder, "--no-figures"], other, last]


def attempt(task: dict[str, Any]) -> Outcome:
    """Read a spoiled file by its number; in a child. A file that fails is kept."""
    file, good = places(task)
    rng = np.random.default_rng([task["seed"], KINDS[task["kind"]], task["number"], 1])
    out = file.with_suffix("")
    out.mkdir(exist_ok=True)
    worst = Outcome(RESULT, "result")
    original, before = file.read_bytes(), _sum(good)
    for arguments in commands(rng, file, good, out):
        told = _command(arguments)
        if told.kind != FAILURE and arguments[0] != "run" and file.read_bytes() != original:
            told = failure("wrong", "the file was changed")
        if told.kind != FAILURE and _sum(good) != before:
            told = failure("wrong", "another file was changed")
        if told.kind == FAILURE:
            file.write_bytes(original)
            return failure(told.what, f"{' '.join(arguments[:1])} of {good.stem}: {told.text}")
        if told.kind == SENTENCE:
            worst = told
    shutil.rmtree(out)
    for left in file.parent.glob(f"{file.name}*"):
        left.unlink()
    return worst


def _sum(file: Path) -> str:
    return hashlib.sha1(file.read_bytes(), usedforsecurity=False).hexdigest()


def _command(arguments: list[str]) -> Outcome:
    stderr = io.StringIO()
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        status = main(arguments)
    lines = stderr.getvalue().splitlines()
    if status not in STATUSES:
        return failure("wrong", f"status {status}")
    strange = [line for line in lines if not line.startswith(SIGNS)]
    if strange:
        return failure("warning", strange[0][:300])
    if status in (0, 1):
        return Outcome(RESULT, "result")
    said = [line for line in lines if line.startswith(("fokkerplanck: ", "not computed: "))]
    if not said or (status == 2 and len(said) > 1):
        return failure("wrong", f"status {status} with {len(said)} sentences")
    return Outcome(SENTENCE, "sentence", said[0])
