"""Stationary states with a current: time, memory and tails, against sparse direct solvers.

``python -m benchmarks.stationary SOLVER PROBLEM CELLS`` does one and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fokkerplanck.runtime.machine import peak_memory

from .machine import ROOT, version
from .peers import NotExpressible
from .report import save

TITLE = "Stationary state without detailed balance"
COLUMNS = (
    "problem",
    "cells",
    "solver",
    "set-up / s",
    "solve / s",
    "peak memory / GiB",
    "L1 error",
    "minimum",
)
# Solver, problem, cells per axis. SuperLU beyond 512^2 takes more memory than most machines have.
PLAN = (
    *(("fokkerplanck", "hopf", n) for n in (256, 1024)),
    *(("fplanck", "hopf", n) for n in (256, 512)),
    *(("superlu", "hopf", n) for n in (256, 512)),
    *(("fokkerplanck", "ornstein_uhlenbeck", n) for n in (256, 512, 1024)),
    *(("fplanck", "ornstein_uhlenbeck", n) for n in (256,)),
    *(("superlu", "ornstein_uhlenbeck", n) for n in (256, 512)),
)
QUICK_CELLS = 64
TIMEOUT_S = 300.0
REPEATS = 5
REPEAT_BUDGET_S = 15.0
NOTES = (
    "hopf: drift (1 - r^2) x + 2 x_perp, D = 0.1, box [-2.2, 2.2]^2; ornstein_uhlenbeck: drift "
    "-(x, 3 y), D = [[1, 0.9], [0.9, 1]], box [-6, 6] x [-4, 4].",
    "Set-up is the matrix, solve the stationary vector of it: median of up to "
    f"{REPEATS}, compilation left out (all kernels come from the disk).",
    "The box bends the tails next to its sides, so entrywise accuracy is tested elsewhere: against "
    "Gibbs states and elimination without subtractions. Of direct solvers the minimum tells.",
    "fplanck: steady_state, an eigenvector by shift-invert about zero; its diffusion is diagonal.",
    "superlu: inverse iteration with the LU factors of the matrix of fokkerplanck (scipy).",
)

Solve = Callable[[], np.ndarray]


def _exact(problem: str) -> Any:
    from fokkerplanck import gallery

    if problem == "hopf":
        return gallery.hopf()
    return gallery.circulating_ornstein_uhlenbeck()


def _ours(exact: Any, cells: int) -> Solve:
    from fokkerplanck.linear_solvers.multilevel import null_state
    from fokkerplanck.operators.generator import generator

    built = generator(exact.problem, exact.problem.grid(cells))
    return lambda: null_state(built).density


def _superlu(exact: Any, cells: int) -> Solve:
    from scipy import sparse
    from scipy.sparse.linalg import splu

    from fokkerplanck.operators.generator import generator

    grid = exact.problem.grid(cells)
    built = generator(exact.problem, grid)
    matrix = built.to_scipy().tocsc()
    # Just right of the eigenvalue zero, where the factors exist.
    shifted = matrix - 1e-10 * built.q * sparse.identity(grid.size, format="csc")

    def solve() -> np.ndarray:
        factors = splu(shifted)
        x = np.ones(grid.size)
        for _ in range(4):
            x = factors.solve(x)
            x /= x.sum() * grid.cell_volume
        return x.reshape(grid.shape)

    return solve


def _fplanck(exact: Any, cells: int) -> Solve:
    vars(np).setdefault("product", np.prod)
    import fplanck
    from scipy import constants

    problem = exact.problem
    sigma = problem.constant_sigma
    if sigma is None or np.any(sigma != np.diag(np.diag(sigma))):
        raise NotExpressible("diffusion is diagonal only")
    lengths = [axis.length for axis in problem.domain.axes]
    model = fplanck.fokker_planck(
        temperature=np.diag(sigma) / (problem.beta * constants.k),
        drag=1.0,
        extent=lengths,
        resolution=[length / cells for length in lengths],
        force=lambda *points: list(problem.drift_at(points)),
        boundary=fplanck.boundary.reflecting,
    )
    cell_volume = float(np.prod(lengths)) / cells**2
    return lambda: model.steady_state() / cell_volume


SOLVERS: dict[str, Callable[[Any, int], Solve]] = {
    "fokkerplanck": _ours,
    "fplanck": _fplanck,
    "superlu": _superlu,
}


def measure(solver: str, problem: str, cells: int) -> dict[str, Any]:
    """One solver on one problem, in this process."""
    named = {"solver": solver, "problem": problem, "cells": cells}
    if solver == "fplanck" and version("fplanck") is None:
        return {**named, "status": "not installed"}
    exact = _exact(problem)
    if solver == "fokkerplanck":
        # Loads the kernels.
        _ours(exact, 32)()
    begin = time.perf_counter()
    try:
        solve = SOLVERS[solver](exact, cells)
    except NotExpressible as reason:
        return {**named, "status": f"not expressible: {reason}"}
    setup = time.perf_counter() - begin
    times: list[float] = []
    while not times or (len(times) < REPEATS and sum(times) < REPEAT_BUDGET_S):
        begin = time.perf_counter()
        density = solve()
        times.append(time.perf_counter() - begin)
    grid = exact.problem.grid(cells)
    truth = np.broadcast_to(exact.stationary_density(grid.points), grid.shape)
    return {
        **named,
        "status": "ok",
        "setup_s": setup,
        "solve_s": statistics.median(times),
        "peak_bytes": peak_memory(),
        "l1": float(np.abs(density - truth).sum() * grid.cell_volume),
        "minimum": float(density.min()),
    }


def run(quick: bool = False) -> str:
    """Each in its own process, so that peak memory is its own; returns the table."""
    plan = PLAN
    if quick:
        plan = tuple(dict.fromkeys((s, p, QUICK_CELLS) for s, p, _ in PLAN))
    records = [_apart(*entry) for entry in plan]
    return save("stationary", TITLE, COLUMNS, [_row(r) for r in records], NOTES, records, quick)


def _apart(solver: str, problem: str, cells: int) -> dict[str, Any]:
    named = {"solver": solver, "problem": problem, "cells": cells}
    command = [sys.executable, "-m", "benchmarks.stationary", solver, problem, str(cells)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {**named, "status": f"not done in {TIMEOUT_S:g} s"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {**named, "status": f"failed: {last[:100]}"}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _row(record: dict[str, Any]) -> list[str]:
    first = [record["problem"], f"{record['cells']}^2", record["solver"]]
    if record["status"] != "ok":
        return [*first, record["status"], *[""] * (len(COLUMNS) - 4)]
    return [
        *first,
        f"{record['setup_s']:.2f}",
        f"{record['solve_s']:.2f}",
        f"{record['peak_bytes'] / 2**30:.2f}",
        f"{record['l1']:.1e}",
        f"{record['minimum']:.1e}",
    ]


def main() -> None:
    """Command line of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("solver", choices=SOLVERS)
    parser.add_argument("problem", choices=("hopf", "ornstein_uhlenbeck"))
    parser.add_argument("cells", type=int)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.solver, chosen.problem, chosen.cells)))


if __name__ == "__main__":
    main()
