"""One solver in a process of its own: ``python -m benchmarks.single LABEL PROBLEM CELLS``.

Prints one line of JSON: ``status`` and, where solved, times in seconds and errors.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .machine import ROOT, version
from .peers import NotExpressible, adapter
from .problems import PROBLEMS

# Repeats end when either is used up; a slow tool is timed once or twice.
REPEATS = 7
REPEAT_BUDGET_S = 10.0


def measure(label: str, problem: str, cells: int) -> dict[str, Any]:
    """Time and error of one tool.

    Parameters
    ----------
    label : str
        Key of ``peers.ADAPTERS``.
    problem : str
        Key of ``problems.PROBLEMS``.
    cells : int
        Per axis.

    Returns
    -------
    dict
        ``setup_s`` (once per problem), ``first_s`` (first solve: compilation, caches),
        ``solve_s`` (median of the later ones), ``l1``, ``l2``, ``minimum``, ``mass_drift``.
    """
    tool = adapter(label)
    if tool.REQUIRES != "fokkerplanck" and version(tool.REQUIRES) is None:
        return {"status": "not installed"}
    exact = PROBLEMS[problem]()
    begin = time.perf_counter()
    try:
        solve = tool.prepare(exact, cells)
    except NotExpressible as reason:
        return {"status": f"not expressible: {reason}"}
    ready = time.perf_counter()
    density, points = solve()
    first = time.perf_counter() - ready
    times: list[float] = []
    while len(times) < REPEATS and sum(times) + first < REPEAT_BUDGET_S:
        again = time.perf_counter()
        density, points = solve()
        times.append(time.perf_counter() - again)
    cell_volume = exact.problem.grid(cells).cell_volume
    assert exact.density is not None
    gap = density - exact.density(exact.end, points)
    error = np.abs(gap).sum() * cell_volume
    return {
        "status": "ok" if np.isfinite(error) else "not finite",
        "setup_s": ready - begin,
        "first_s": first,
        "solve_s": statistics.median(times or [first]),
        "repeats": len(times),
        "l1": float(error),
        "l2": float(np.sqrt(np.square(gap).sum() * cell_volume)),
        "minimum": float(density.min()),
        "mass_drift": float(density.sum() * cell_volume - 1.0),
    }


def single(label: str, problem: str, cells: int, timeout: float) -> dict[str, Any]:
    """:func:`measure` in its own process; a crash or a timeout becomes a status."""
    command = [sys.executable, "-m", "benchmarks.single", label, problem, str(cells)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"status": f"not done in {timeout:g} s"}
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        return {"status": f"failed: {last[0][:100]}"}
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    """Command line of one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("label")
    parser.add_argument("problem", choices=PROBLEMS)
    parser.add_argument("cells", type=int)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.label, chosen.problem, chosen.cells)))


if __name__ == "__main__":
    main()
