"""What a user waits for: importing the package, and a whole run in a fresh process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .machine import ROOT
from .report import save

REPEATS = 5
TIMEOUT_S = 600.0
CASE = "quadratic"
COLUMNS = ("what", "seconds")
TITLE = "Start-up"


def import_time(module: str) -> float:
    """Median seconds of ``import module`` in fresh processes, interpreter start not included."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    times = [float(_python("-c", code)) for _ in range(REPEATS)]
    return statistics.median(times)


def run_times(count: int) -> list[float]:
    """Seconds of ``fokkerplanck run`` on the bundled case, one fresh process after the other."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            out = Path(folder) / str(number)
            begin = time.perf_counter()
            _python("-m", "fokkerplanck", "run", CASE, "--out", str(out), "--quiet")
            times.append(time.perf_counter() - begin)
    return times


def run(quick: bool = False) -> str:
    """Import and run times; returns the table."""
    first, *later = run_times(2 if quick else 4)
    values = {
        "import fokkerplanck": import_time("fokkerplanck"),
        "import numpy, for comparison": import_time("numpy"),
        f"fokkerplanck run {CASE}, first process": first,
        f"fokkerplanck run {CASE}, later processes": statistics.median(later),
    }
    notes = [
        "Runs contain solving, observables, the result file and the figures.",
        "The first process compiles the kernels only if nothing has compiled them before.",
    ]
    rows = [[what, f"{seconds:.2f}"] for what, seconds in values.items()]
    records = [{"what": what, "seconds": seconds} for what, seconds in values.items()]
    return save("startup", TITLE, COLUMNS, rows, notes, records, quick)


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip()[-300:]}")
    return done.stdout
