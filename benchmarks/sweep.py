"""Sweeps: two workers against one after the other, and a worker that is killed on the way.

Members are the same files bit for bit either way; both ways run in turns, share by share, so that
other work on the machine meets both.
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fokkerplanck as fp
from fokkerplanck.io import SweepRecord
from fokkerplanck.sweep.cluster import dask_client

from .report import save

WORKERS = 2
MEMBERS, SHARES = 64, 4
QUICK_MEMBERS, QUICK_SHARES = 8, 2
COLUMNS = ("what", "seconds", "speed-up", "same bits", "cores busy")
TITLE = "Sweeps: {members} members on {workers} workers"
# About a second each: a plane with currents, its stationary state and walkers, in one file.
CASE = """
title = "turning noise"
[loss]
formula = "0.5*(x**2 + 2*y**2)"
[noise]
sigma = [["1", "0.5"], ["0.5", "1"]]
beta = 2.0
[domain]
x = { range = [-5, 5], cells = 64 }
y = { range = [-5, 5], cells = 64 }
[density]
end = 40.0
frames = 11
[ensemble]
particles = 50_000
"""


def betas(count: int) -> list[float]:
    """Inverse temperatures of the members."""
    return [round(float(beta), 6) for beta in np.linspace(1.0, 4.0, count)]


def swept(values: Sequence[float], folder: Path, client: Any) -> tuple[float, SweepRecord]:
    """Seconds and summary of a sweep over these inverse temperatures."""
    begin = time.perf_counter()
    record = fp.sweep(folder.parent / "case.toml", {"noise.beta": values}, out=folder,
                      client=client)  # fmt: skip
    return time.perf_counter() - begin, record


def load() -> float:
    """Processes that want a core, as the system counts them over a minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def differing(one: Path, other: Path) -> list[str]:
    """Members whose densities, observables or walkers are not bit for bit the same."""
    found = []
    for path in sorted(one.glob("*/case.h5")):
        a, b = fp.open_result(path), fp.open_result(other / path.relative_to(one))
        assert a.ensemble is not None
        assert b.ensemble is not None
        pairs = [(a.density, b.density), (a.ensemble.counts, b.ensemble.counts)]
        pairs += [(a.ensemble.covariance, b.ensemble.covariance)]
        pairs += [(values, b.observables[name]) for name, values in a.observables.items()]
        if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
            found.append(path.parent.name)
    return found


def compared(folder: Path, values: Sequence[float], shares: int) -> list[dict[str, Any]]:
    """Time of all members on one worker and on several, in turns."""
    parts = [values[k::shares] for k in range(shares)]
    spent = {1: 0.0, WORKERS: 0.0}
    ratios, loads = [], []
    with dask_client(1) as one, dask_client(WORKERS) as several:
        clients = {1: one, WORKERS: several}
        # Each process loads the library and its kernels; a user waits for it once.
        for count, client in clients.items():
            swept([5.0 + number for number in range(count)], folder / f"warm-up-{count}", client)
        for number, part in enumerate(parts):
            seconds = {}
            # Who begins changes, as the load does.
            for count in sorted(clients, reverse=bool(number % 2)):
                seconds[count], _ = swept(part, folder / f"workers-{count}", clients[count])
                spent[count] += seconds[count]
            ratios.append(seconds[1] / seconds[WORKERS])
            loads.append(load())
    gap = differing(folder / "workers-1", folder / f"workers-{WORKERS}")
    return [
        {"what": "one worker", "seconds": spent[1], "ratio": 1.0, "load": float(np.mean(loads))},
        {
            "what": f"{WORKERS} workers",
            "seconds": spent[WORKERS],
            "ratio": spent[1] / spent[WORKERS],
            "ratios": ratios,
            "differing": gap,
            "load": float(np.mean(loads)),
        },
    ]


def killed(folder: Path, values: Sequence[float]) -> dict[str, Any]:
    """The same sweep while a worker is killed after a quarter of the members."""
    out = folder / "killed"
    deaths: list[int] = []
    with dask_client(WORKERS) as client:

        def kill() -> None:
            while len(list(out.glob("*/case.h5"))) < max(len(values) // 4, 2):
                time.sleep(0.02)
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            [pid] = client.run(os.getpid, workers=busy[:1]).values()
            os.kill(pid, signal.SIGKILL)
            deaths.append(pid)

        killer = threading.Thread(target=kill)
        killer.start()
        seconds, record = swept(values, out, client)
        killer.join()
    return {
        "what": f"{WORKERS} workers, one killed",
        "seconds": seconds,
        "deaths": len(deaths),
        "complete": int((record.status == "complete").sum()),
        "differing": differing(folder / "workers-1", out),
        "load": load(),
    }


def run(quick: bool = False) -> str:
    """Both ways and the killed worker; returns the table."""
    members, shares = (QUICK_MEMBERS, QUICK_SHARES) if quick else (MEMBERS, SHARES)
    values = betas(members)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "case.toml").write_text(CASE)
        records = compared(folder, values, shares)
        records.append(killed(folder, values))
    for record in records:
        if record.get("differing"):
            raise RuntimeError(f"{record['what']}: other bits for {', '.join(record['differing'])}")
    if records[-1]["complete"] != members:
        raise RuntimeError(f"only {records[-1]['complete']} of {members} survived a dead worker")
    rows = [
        [
            record["what"],
            f"{record['seconds']:.1f}",
            f"{record['ratio']:.2f}" if "ratio" in record else "",
            "yes" if "differing" in record else "",
            f"{record['load']:.1f}",
        ]
        for record in records
    ]
    notes = [
        f"Members of {records[0]['seconds'] / members:.1f} s; each on one core, with its file.",
        f"One and {WORKERS} workers take turns over {shares} shares of the members; speed-up of "
        f"the shares {', '.join(f'{ratio:.2f}' for ratio in records[1]['ratios'])}.",
        f"The killed worker died by SIGKILL in the middle of a member, one of {members}; it is "
        "started again in the time shown.",
        "Cores busy: processes that wanted one over the last minute, those of others included.",
        "Start of the workers and loading of the kernels are left out: once per sweep.",
    ]
    return save(
        "sweep",
        TITLE.format(members=members, workers=WORKERS),
        COLUMNS,
        rows,
        notes,
        records,
        quick,
    )
