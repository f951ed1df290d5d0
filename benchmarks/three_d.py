"""The anisotropic quadratic in three dimensions to equilibrium: time, memory, exactness.

``python -m benchmarks.three_d CELLS`` does one run and prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import numpy as np

from fokkerplanck.runtime.machine import peak_memory

from .machine import ROOT
from .report import save

CELLS = (64, 96)
QUICK_CELLS = (32,)
# KL falls like exp(-2 t): 1e-10 at the end.
END = 12.0
TIMEOUT_S = 900.0
COLUMNS = (
    "cells",
    "wall / s",
    "peak memory / GiB",
    "stepper",
    "mass drift",
    "minimum",
    "KL to Gibbs",
)
TITLE = "Anisotropic quadratic in 3-D, full tensor, to equilibrium"


def measure(cells: int) -> dict[str, Any]:
    """One run in this process; the time contains everything but importing."""
    import fokkerplanck as fp
    from fokkerplanck.gallery import quadratic_3d

    exact = quadratic_3d()
    assert exact.stationary_density is not None
    begin = time.perf_counter()
    grid = exact.problem.grid(cells)
    evolution = fp.evolve(exact.problem, grid, exact.initial(grid), [0.0, END])
    wall = time.perf_counter() - begin
    peak = peak_memory()
    density = evolution.density.values[-1]
    gibbs = exact.stationary_density(grid.points)
    gibbs /= grid.integrate(gibbs)
    live = density > 0.0
    # p log(p/q) - p + q is >= 0 cell by cell, which the sum of p log(p/q) alone is not.
    p, q = density[live], np.maximum(gibbs[live], np.finfo(float).tiny)
    divergence = float(np.sum(p * np.log(p / q) - p + q) + gibbs[~live].sum()) * grid.cell_volume
    return {
        "status": "ok",
        "cells": cells,
        "wall_s": wall,
        "peak_bytes": peak,
        "stepper": evolution.stepper,
        "mass_drift": float(grid.integrate(density) - 1.0),
        "minimum": float(density.min()),
        "kl": divergence,
    }


def run(quick: bool = False) -> str:
    """Each size in its own process, so that peak memory is its own; returns the table."""
    records = []
    for cells in QUICK_CELLS if quick else CELLS:
        command = [sys.executable, "-m", "benchmarks.three_d", str(cells)]
        try:
            done = subprocess.run(
                command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            records.append({"status": f"not done in {TIMEOUT_S:g} s", "cells": cells})
            continue
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            records.append({"status": f"failed: {last[:100]}", "cells": cells})
            continue
        records.append(json.loads(done.stdout.strip().splitlines()[-1]))
    rows = [_row(record) for record in records]
    notes = [
        f"Sigma with eigenvalues 1, 0.32, 0.1 along turned axes that it shares with the Hessian; "
        f"from a Gaussian at t = 0 to t = {END:g}; kernels compiled before.",
        "Wall time holds grid, generator and steps; peak memory is that of the whole process.",
    ]
    return save("three_d", TITLE, COLUMNS, rows, notes, records, quick)


def _row(record: dict[str, Any]) -> list[str]:
    if record["status"] != "ok":
        return [f"{record['cells']}^3", record["status"], "", "", "", "", ""]
    return [
        f"{record['cells']}^3",
        f"{record['wall_s']:.1f}",
        f"{record['peak_bytes'] / 2**30:.2f}",
        record["stepper"],
        f"{record['mass_drift']:.1e}",
        f"{record['minimum']:.1e}",
        f"{record['kl']:.1e}",
    ]


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
