"""Problem P side by side: time, L1 error, minimum and mass drift of every solver installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from .machine import ROOT
from .peers import ADAPTERS, NOTHING_TO_TURN, adapter
from .report import save

CONDITIONS = (1.0, 4.0, 100.0)
CELLS = (64, 128, 256, 512)
QUICK_CONDITIONS = (1.0, 100.0)
QUICK_CELLS = (64, 128)
TIMEOUT_S = 180.0
COLUMNS = (
    "k",
    "cells",
    "solver",
    "set-up + compile / s",
    "solve / s",
    "L1 error",
    "minimum",
    "mass drift",
)
TITLE = "Problem P: Ornstein-Uhlenbeck transient to t = 1, noise of condition number k"


def single(label: str, problem: str, cells: int, timeout: float) -> dict[str, Any]:
    """One measurement in its own process; a crash or a timeout becomes a status."""
    command = [sys.executable, "-m", "benchmarks.single", label, problem, str(cells)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"status": f"not done in {timeout:g} s"}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return {"status": f"failed: {last[0][:100]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def row(record: dict[str, Any]) -> list[str]:
    """One line of the table."""
    start = [f"{record['k']:g}", f"{record['cells']}^2", record["solver"]]
    if record["status"] != "ok":
        return [*start, record["status"], "", "", "", ""]
    once = record["setup_s"] + max(record["first_s"] - record["solve_s"], 0.0)
    return [
        *start,
        f"{once:.2f}",
        f"{record['solve_s']:.3g}",
        f"{record['l1']:.2e}",
        f"{record['minimum']:.1e}",
        f"{record['mass_drift']:.1e}",
    ]


def speed_notes(records: list[dict[str, Any]]) -> list[str]:
    """How our time compares with each other solver's where both finished."""
    solved = {(r["k"], r["cells"], r["solver"]): r for r in records if r["status"] == "ok"}
    notes = []
    for (k, cells, solver), record in solved.items():
        ours = solved.get((k, cells, "fokkerplanck"))
        if ours is None or solver == "fokkerplanck" or cells != max(r["cells"] for r in records):
            continue
        notes.append(
            f"k = {k:g}, {cells}^2: {solver} takes {record['solve_s'] / ours['solve_s']:.3g} times "
            f"our solve, at {record['l1'] / ours['l1']:.3g} times our error."
        )
    return notes


def report(records: list[dict[str, Any]], quick: bool) -> str:
    """Write what is there so far; returns the table."""
    order = list(ADAPTERS)
    records = sorted(records, key=lambda r: (r["k"], r["cells"], order.index(r["solver"])))
    notes = [
        "Each line ran alone in its own process; solve is the median of repeated solves, all that "
        "happens once (building, compiling, loading compiled kernels) stands in the column before.",
        "All start from the same cell-centre values of mass 1; errors are against the exact "
        "density at the tool's own cell centres.",
        *(adapter(label).NOTE for label in ADAPTERS),
        *speed_notes(records),
    ]
    shown = [row(r) for r in records if not r["status"].endswith(NOTHING_TO_TURN)]
    return save("problem_p", TITLE, COLUMNS, shown, notes, records, quick)


def run(quick: bool = False, cells: Sequence[int] = (), timeout: float = TIMEOUT_S) -> str:
    """All solvers, all condition numbers, all sizes (or only ``cells``); returns the table."""
    sizes = cells or (QUICK_CELLS if quick else CELLS)
    records: list[dict[str, Any]] = []
    text = ""
    for k in QUICK_CONDITIONS if quick else CONDITIONS:
        for label in ADAPTERS:
            slow = ""
            for size in sizes:
                # What did not finish on a coarser grid will not on a finer one.
                found = {"status": slow} if slow else single(label, f"P, k = {k:g}", size, timeout)
                slow = found["status"] if found["status"].startswith("not done") else ""
                records.append({"k": k, "cells": size, "solver": label, **found})
                print(f"  k = {k:g}, {size}^2, {label}: {found['status']}", file=sys.stderr)
                # An interrupt then loses one measurement, not all.
                text = report(records, quick)
    return text
