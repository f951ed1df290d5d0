"""Error against wall time: both schemes of ours, Crank-Nicolson by hand and the other solvers."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from .peers import ADAPTERS, adapter
from .report import RESULTS, save
from .single import single
from .work_precision_figure import NEGATIVE, draw

P_CELLS: Mapping[str, tuple[int, ...]] = {
    "high-order": (24, 32, 48, 64, 96, 128, 192),
    "scharfetter-gummel": (32, 64, 128, 256, 512),
    "Crank-Nicolson": (32, 64, 128, 256),
    "FiPy": (32, 64, 128, 256),
    "FiPy, implicit Euler": (32, 64, 128),
}
# Cells per axis, problem by problem, solver by solver.
PLAN: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "P, k = 1": {**P_CELLS, "fplanck": (32, 64, 128, 256), "py-pde": (64, 128, 256)},
    "P, k = 4": {**P_CELLS, "fplanck, turned by hand": (32, 64, 128, 256), "py-pde": (64, 128)},
    "P, k = 100": {
        **P_CELLS,
        "high-order": (48, 64, 80, 96, 128, 192, 256),
        "fplanck, turned by hand": (32,),
        "py-pde": (64, 128),
    },
    "cross-diffusion": {
        "high-order": (32, 44, 64, 88, 128, 176),
        "scharfetter-gummel": (44, 88, 176, 352),
        "Crank-Nicolson": (44, 88, 176),
    },
    "turning tensor": {
        "high-order": (48, 64, 96, 128, 192, 256),
        "scharfetter-gummel": (48, 96, 192, 384),
        "Crank-Nicolson": (48, 96, 192, 384),
    },
    "quartic well": {
        "high-order": (48, 64, 96, 128, 192, 256, 512),
        "scharfetter-gummel": (64, 128, 256, 512, 1024, 4096),
        "Crank-Nicolson": (64, 128, 256, 512, 1024, 4096),
    },
}
QUICK_SIZES = 2
TIMEOUT_S = 75.0
# Most of a minute of compilation, more on a busy machine.
LONGER_S = {"py-pde": 170.0}
# Errors to be reached; the times to them go into the notes.
TARGETS = {
    "P, k = 1": (2.2e-4,),
    "P, k = 4": (1e-3,),
    "P, k = 100": (1e-2,),
    "cross-diffusion": (1e-2, 1e-4),
    "turning tensor": (1e-2, 1e-4),
    "quartic well": (1e-3, 1e-5),
}
COLUMNS = (
    "problem",
    "solver",
    "cells",
    "set-up + compile / s",
    "solve / s",
    "L1 error",
    "L2 error",
    "minimum",
    "mass drift",
)
TITLE = "Work and precision: error against wall time"


def row(record: Mapping[str, Any]) -> list[str]:
    """One line of the table."""
    power = "" if record["problem"] == "quartic well" else "^2"
    start = [record["problem"], record["solver"], f"{record['cells']}{power}"]
    if record["status"] != "ok":
        return [*start, record["status"], "", "", "", "", ""]
    once = record["setup_s"] + max(record["first_s"] - record["solve_s"], 0.0)
    return [
        *start,
        f"{once:.2f}",
        f"{record['solve_s']:.3g}",
        f"{record['l1']:.2e}",
        f"{record['l2']:.2e}",
        f"{record['minimum']:.1e}",
        f"{record['mass_drift']:.1e}",
    ]


def fastest(
    records: Sequence[Mapping[str, Any]], problem: str, solver: str, target: float
) -> Mapping[str, Any] | None:
    """The measurement with the least time among those of an L1 error of at most ``target``."""
    good = [
        r
        for r in records
        if (r["problem"], r["solver"], r["status"]) == (problem, solver, "ok") and r["l1"] <= target
    ]
    return min(good, key=lambda r: float(r["solve_s"]), default=None)


def target_notes(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Times to given errors, solver by solver, and what stays above them."""
    notes = []
    for problem, targets in TARGETS.items():
        for target in targets:
            parts = []
            for solver in PLAN[problem]:
                own = [
                    r
                    for r in records
                    if (r["problem"], r["solver"], r["status"]) == (problem, solver, "ok")
                ]
                found = fastest(records, problem, solver, target)
                if found is not None:
                    parts.append(f"{solver} {found['solve_s']:.3g} s ({found['cells']} cells)")
                elif own:
                    best = min(own, key=lambda r: float(r["l1"]))
                    parts.append(
                        f"{solver} not reached, {best['l1']:.1e} after {best['solve_s']:.3g} s"
                    )
            if parts:
                notes.append(f"{problem}, time to an L1 error of {target:g}: {'; '.join(parts)}.")
    return notes


def report(records: Sequence[Mapping[str, Any]], quick: bool) -> str:
    """Write what is there so far, figure included; returns the table."""
    notes = [
        "Each line ran alone in its own process; solve is the median of up to 7 repeats, all that "
        "happens once (building, compiling, loading compiled kernels) stands in the column before.",
        f"Two cores shared with other work; {TIMEOUT_S:g} s are allowed to a process, "
        f"{LONGER_S['py-pde']:g} s to one of py-pde. What does "
        "not finish on one grid is not tried on finer ones.",
        "Problems: P is the Ornstein-Uhlenbeck transient to t = 1 under a constant tensor of "
        "condition number k; cross-diffusion has a drift and a correlation that move (Itkin); "
        "the turning tensor is a linear process seen through shears; the quartic well is 1-D, its "
        "exact transient by sinc collocation.",
        "Errors are against the exact density at the solver's own cell centres; a minimum below "
        f"-{NEGATIVE:g} is marked in the figure.",
        *(adapter(label).NOTE for label in ADAPTERS),
        "fplanck has no tensors that vary, and its adapters as those of FiPy and py-pde are for P.",
        *target_notes(records),
    ]
    shown = [row(r) for r in records]
    text = save("work_precision", TITLE, COLUMNS, shown, notes, records, quick)
    draw(records, (RESULTS / "quick" if quick else RESULTS) / "work_precision.png")
    return text


def run(quick: bool = False) -> str:
    """All problems and solvers; returns the table."""
    records: list[dict[str, Any]] = []
    text = ""
    # Leaves compiled kernels on the disk.
    single("high-order", "cross-diffusion", 32, LONGER_S["py-pde"])
    for problem, solvers in PLAN.items():
        for solver, sizes in solvers.items():
            slow = ""
            allowed = LONGER_S.get(solver, TIMEOUT_S)
            for cells in sizes[:QUICK_SIZES] if quick else sizes:
                found = {"status": slow} if slow else single(solver, problem, cells, allowed)
                slow = found["status"] if found["status"].startswith("not done") else ""
                records.append({"problem": problem, "solver": solver, "cells": cells, **found})
                print(f"  {problem}, {solver}, {cells}: {found['status']}", file=sys.stderr)
        # An interrupt then loses one problem, not all.
        text = report(records, quick)
    return text
