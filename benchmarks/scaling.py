"""Every stage over the number of cells: time and memory per cell.

``python -m benchmarks.scaling PROBLEM CELLS`` measures one grid and prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.gallery import ExactProblem, ornstein_uhlenbeck_2d, quadratic_3d
from fokkerplanck.high_order.high_order import high_order
from fokkerplanck.io import Frame, Header, ResultWriter
from fokkerplanck.linear_solvers.multilevel import null_state
from fokkerplanck.linear_solvers.shifted import DIRECT_CELLS
from fokkerplanck.timestepping.flux_integrator import FluxIntegrator
from fokkerplanck.timestepping.schemes import gibbs
from fokkerplanck.timestepping.steppers import STEPPERS
from fokkerplanck.timestepping.system import System

from .machine import ROOT
from .report import save

PROBLEMS: dict[str, Callable[[], ExactProblem]] = {
    "plane": lambda: ornstein_uhlenbeck_2d(4.0),
    "space": quadratic_3d,
}
SIZES = {"plane": (64, 128, 256, 512, 1024, 2048), "space": (32, 64, 96, 128, 160)}
QUICK = {"plane": (64, 128), "space": (16,)}
# Kernels are compiled on a grid of this many cells per axis.
FEW_CELLS = 12
# Length of a step in units of 1/q.
STEP = 100.0
REPEATS = 5
REPEAT_BUDGET_S = 1.5
# A first call that took longer is not repeated.
LONG_S = 4.0
TIMEOUT_S = 420.0
TITLE = "Stages over the number of cells: nanoseconds / bytes per cell"

Action = Callable[[], Any]


def stages(exact: ExactProblem, cells: int, folder: Path) -> Iterator[tuple[str, Action]]:
    """Name and action of each stage on one grid; what one stage makes the next ones use."""
    problem, grid = exact.problem, exact.problem.grid(cells)
    yield "assemble, scharfetter-gummel", lambda: fp.generator(problem, grid)
    generator = fp.generator(problem, grid)
    yield "assemble, high-order", lambda: high_order(problem, grid)
    operator = high_order(problem, grid)
    # Near rest, where Chebyshev polynomials apply at once.
    assert exact.stationary_density is not None
    start = exact.stationary_density(grid.points) * (1.0 + 0.5 * np.tanh(grid.points[0]))
    x = (start / grid.integrate(start)).reshape(-1)
    out = np.empty_like(x)
    yield "product, scharfetter-gummel", lambda: generator.combine(x, 1.0, 0.0, x, 0.0, out)
    yield "product, high-order", lambda: operator.combine(x, 1.0, 0.0, x, 0.0, out)
    system = System(problem, grid)
    q = system.at(0.0).q
    march = FluxIntegrator(system, 1e-8, STEP / q, _flat(gibbs(system)))
    yield "step, high-order", lambda: march.advance(x, 0.0, STEP / q, 0.0)
    for name, stepper in STEPPERS.items():
        if stepper.needs_detailed_balance and not generator.detailed_balance:
            continue
        if name == "krylov" and grid.size > DIRECT_CELLS[grid.ndim]:
            continue
        dt = min(STEP / q, stepper.largest_step(system, 0.0))
        step = stepper.step
        yield f"step, {name}", lambda step=step, dt=dt: step(system, x, 0.0, dt)
    yield "stationary state", lambda: null_state(generator)
    header = Header(
        names=grid.domain.names,
        centers=grid.centers,
        bounds=grid.bounds,
        loss=np.broadcast_to(problem.loss_at(grid.points), grid.shape),
        sigma=np.asarray(problem.constant_sigma).reshape(grid.ndim, grid.ndim, *(1,) * grid.ndim),
        beta=problem.beta,
        title="scaling",
        case_toml="",
        source="benchmark",
    )
    frame = Frame(0, 0.0, x.reshape(grid.shape))

    def write() -> None:
        with ResultWriter.create(folder / "result.h5", header, overwrite=True) as writer:
            writer.append(frame)

    yield "write a frame", write


def _flat(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else values.reshape(-1)


def clear_peak() -> bool:
    """Let the peak of the resident memory start anew; False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def resident(entry: str) -> int:
    """Bytes of VmRSS or VmHWM, the peak; 0 where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{entry}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def timed(action: Action) -> tuple[float, int | None]:
    """Median seconds after a first call, and the peak bytes of that call beyond those before."""
    known = clear_peak()
    before = resident("VmRSS")
    begin = time.perf_counter()
    action()
    first = time.perf_counter() - begin
    extra = max(0, resident("VmHWM") - before) if known else None
    if first > LONG_S:
        return first, extra
    times: list[float] = []
    while len(times) < REPEATS and sum(times) < REPEAT_BUDGET_S:
        begin = time.perf_counter()
        action()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), extra


def measure(problem: str, cells: int) -> dict[str, Any]:
    """All stages on one grid, in this process: seconds and bytes by stage."""
    exact = PROBLEMS[problem]()
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for _, action in stages(exact, FEW_CELLS, Path(folder)):
            action()
        for name, action in stages(exact, cells, Path(folder)):
            seconds, extra = timed(action)
            found[name] = {"seconds": seconds, "bytes": extra}
    return {"status": "ok", "stages": found}


def single(problem: str, cells: int) -> dict[str, Any]:
    """One grid in its own process; a crash or a timeout becomes a status."""
    command = [sys.executable, "-m", "benchmarks.scaling", problem, str(cells)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return {"status": f"not done in {TIMEOUT_S:g} s", "stages": {}}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"status": f"failed: {last[:100]}", "stages": {}}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def _cell(record: dict[str, Any], stage: str) -> str:
    if record["status"] != "ok":
        return "failed" if record["status"].startswith("failed") else "late"
    found = record["stages"].get(stage)
    if found is None:
        return ""
    count = math.prod(record["shape"])
    text = f"{_short(1e9 * found['seconds'] / count)}"
    return text if found["bytes"] is None else f"{text} / {_short(found['bytes'] / count)}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 99.5 else f"{value:.2g}"


def report(records: list[dict[str, Any]], quick: bool) -> str:
    """Write what is there so far; returns the table."""
    names = list(dict.fromkeys(name for record in records for name in record["stages"]))
    columns = ["stage", *(f"{r['shape'][0]}^{len(r['shape'])}" for r in records)]
    rows = [[name, *(_cell(record, name) for record in records)] for name in names]
    notes = [
        "Problem P with k = 4 in two dimensions, the anisotropic quadratic in three, which has "
        "detailed balance; medians of up to 5 calls after a first one, or that one where it took "
        f"more than {LONG_S:g} s, on two cores shared with other work.",
        "Bytes: peak of the resident memory in the first call beyond what was resident before it; "
        "factors that are kept (krylov, implicit, extrapolated) are made there and not timed. "
        "Small grids show what libraries allocate once; memory that an earlier stage gave back and "
        "a later one takes again does not show.",
        f"A step is of length {STEP:g}/q, q the largest rate out of a cell, explicit 1/q; "
        "exponentials of any kind take many products in it, the others a few solves or sweeps. "
        f"krylov only up to {DIRECT_CELLS[2]} and {DIRECT_CELLS[3]} cells, where factors pay.",
        "Stationary state: the null vector by multilevel aggregation, hierarchy included, whether "
        "or not detailed balance would give it away.",
        *(f"{r['shape']}: {r['status']}." for r in records if r["status"] != "ok"),
    ]
    return save("scaling", TITLE, columns, rows, notes, records, quick)


def run(quick: bool = False) -> str:
    """All grids, each in its own process; returns the table."""
    records: list[dict[str, Any]] = []
    text = ""
    for problem, sizes in (QUICK if quick else SIZES).items():
        for cells in sizes:
            found = single(problem, cells)
            ndim = 2 if problem == "plane" else 3
            records.append({"problem": problem, "shape": [cells] * ndim, **found})
            print(f"  {cells}^{ndim}: {found['status']}", file=sys.stderr)
            text = report(records, quick)
    return text


def main() -> None:
    """Command line of one grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", choices=PROBLEMS)
    parser.add_argument("cells", type=int)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.problem, chosen.cells)))


if __name__ == "__main__":
    main()
