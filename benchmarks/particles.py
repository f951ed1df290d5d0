"""Walkers: time and error per particle-step, beside numpy and a plain loop in numba.

The problem is 2-D Langevin with a linear drift, whose law at the end is known; the mini-batch part
compares SGD on 150 samples with drawing its indices and gathering its rows.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy.linalg import expm, solve_continuous_lyapunov

import fokkerplanck as fp
from fokkerplanck.particles import Gaussian, ensemble
from fokkerplanck.particles.methods import MethodSettings, settings
from fokkerplanck.particles.rng import fill_indices
from fokkerplanck.particles.start import starting_places
from fokkerplanck.particles.threads import Team, team
from fokkerplanck.particles.walkers import BLOCK, Walkers, motion_of
from fokkerplanck.problem.models import DataModel
from fokkerplanck.runtime.machine import peak_memory

from .machine import ROOT
from .report import save

HESSIAN = np.array([[3.0, 0.8], [0.8, 1.0]])
BETA, STEP, END = 2.0, 0.01, 1.0
START = Gaussian(np.array([1.5, -1.0]), 0.09 * np.eye(2))
BOX = {"x": (-6, 6), "y": (-6, 6)}
SAMPLES, BATCH, RATE = 150, 8, 0.1
REPEATS = 5
COLUMNS = ("what", "ns per particle-step", "error of mean", "of covariance", "sampling floor")

# What a user's first call costs in a new process, its kernels included.
FIRST_CALL = """
import time, fokkerplanck as fp
from fokkerplanck.particles import Gaussian, ensemble
p = fp.Problem("0.5*(3*x**2 + 1.6*x*y + y**2)", 1.0, 2.0, {"x": (-6, 6), "y": (-6, 6)})
begin = time.perf_counter()
start = Gaussian([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
ensemble(p, p.grid(64), start, [0.0, 0.1], method="langevin", step=0.01, particles=1000)
print(time.perf_counter() - begin)
"""


def problem() -> fp.Problem:
    """2-D Langevin with a linear drift."""
    return fp.Problem("0.5*(3*x**2 + 1.6*x*y + y**2)", 1.0, BETA, BOX)


def exact() -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance at the end."""
    rest = solve_continuous_lyapunov(HESSIAN, 2.0 / BETA * np.eye(2))
    flow = expm(-HESSIAN * END)
    return flow @ START.mean, rest + flow @ (START.covariance - rest) @ flow.T


@numba.njit(parallel=True)
def naive(x: np.ndarray, steps: int, h: float) -> None:
    """The loop one writes first."""
    scale = np.sqrt(2.0 * h / BETA)
    for i in numba.prange(x.shape[0]):
        for _ in range(steps):
            a, b = x[i, 0], x[i, 1]
            x[i, 0] = a - h * (3.0 * a + 0.8 * b) + scale * np.random.standard_normal()  # noqa: NPY002
            x[i, 1] = b - h * (0.8 * a + b) + scale * np.random.standard_normal()  # noqa: NPY002


def with_naive(particles: int, steps: int) -> np.ndarray:
    """Plain numba."""
    x = np.random.default_rng(20261).multivariate_normal(START.mean, START.covariance, particles)
    naive(x, steps, STEP)
    return x


def with_numpy(particles: int, steps: int) -> np.ndarray:
    """Whole arrays."""
    rng = np.random.default_rng(20261)
    x = rng.multivariate_normal(START.mean, START.covariance, particles)
    scale = np.sqrt(2.0 * STEP / BETA)
    for _ in range(steps):
        x += -STEP * (x @ HESSIAN) + scale * rng.standard_normal(x.shape)
    return x


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Median seconds of the call after one that compiles, and its last result."""
    result, times = call(), []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), result


def langevin_rows(particles: int) -> list[dict[str, Any]]:
    """The tools side by side, with the same number of steps; a run without steps is taken off."""
    target, grid = problem(), problem().grid(128)
    steps = round(END / STEP)
    mean, covariance = exact()
    rows = []

    def row(name: str, seconds: float, found_mean: np.ndarray, found: np.ndarray) -> None:
        rows.append(
            {
                "what": name,
                "ns": 1e9 * seconds / particles / steps,
                "mean": float(np.abs(found_mean - mean).max()),
                "covariance": float(np.abs(found - covariance).max()),
                "floor": float(covariance.max() * np.sqrt(2.0 / particles)),
            }
        )

    for name, tool in (("numpy", with_numpy), ("plain numba", with_naive)):
        seconds, x = timed(lambda tool=tool: tool(particles, steps))  # type: ignore[misc]
        without, _ = timed(lambda tool=tool: tool(particles, 0))  # type: ignore[misc]
        row(name, seconds - without, x.mean(axis=0), np.cov(x.T))
    for method, h in (("langevin", STEP), ("leimkuhler-matthews", STEP), ("weak-2", STEP)):
        with team() as threads:
            chosen = settings(target, grid, method, h, None)
            walkers = walkers_of(target, grid, chosen, particles, threads)
            seconds, _ = timed(lambda w=walkers: w._run(0.0, STEP, steps))  # type: ignore[misc]
        found = ensemble(
            target, grid, START, [0.0, END], method=method, step=h, particles=particles
        )
        row(method, seconds, found.mean[1], found.covariance[1])
    begin = time.perf_counter()
    found = ensemble(
        target, grid, START, [0.0, END], method="langevin", step=STEP, particles=particles
    )
    seconds = time.perf_counter() - begin
    row("langevin, whole call", seconds, found.mean[1], found.covariance[1])
    return rows


def walkers_of(
    problem: fp.Problem, grid: fp.Grid, chosen: MethodSettings, particles: int, threads: Team
) -> Walkers:
    """Walkers at their start."""
    streams, draws = np.random.SeedSequence(20261).spawn(2)
    places = (part for _, part in starting_places(grid, START, particles, draws))
    return Walkers(motion_of(problem, grid, chosen, False), places, particles, streams, threads)


def batch_rows(particles: int) -> list[dict[str, Any]]:
    """SGD on a linear regression, and no more than its indices and gathers."""
    rng = np.random.default_rng(20261)
    x = np.column_stack([rng.standard_normal(SAMPLES), np.ones(SAMPLES)])
    y = x @ (0.7, -0.3) + 0.5 * rng.standard_normal(SAMPLES)
    rows = []
    for kind in ("linear_regression", "logistic_regression", "tanh_neuron"):
        features = x[:, :1] if kind == "tanh_neuron" else x
        model = DataModel(kind, features, (y > 0) * 1.0 if kind[:3] == "log" else y)
        target = fp.Problem(model, "minibatch", batch_size=BATCH, learning_rate=RATE, domain=BOX)
        grid = target.grid(64)
        for method, replacement in (("sgd", True), ("sgd", False), ("sgd-epochs", None)):
            with team() as threads:
                chosen = settings(target, grid, method, None, replacement)
                walkers = walkers_of(target, grid, chosen, particles, threads)
                steps = SAMPLES // BATCH * 2
                seconds, _ = timed(lambda w=walkers, n=steps: w._run(0.0, RATE, n))  # type: ignore[misc]
            drawn = {True: "with replacement", False: "without", None: "in epochs"}[replacement]
            name = f"{kind}, {drawn}"
            rows.append({"what": name, "ns": 1e9 * seconds / particles / steps})
        if kind == "linear_regression":
            rows.insert(0, gathers(walkers, particles))
    return rows


@numba.njit(error_model="numpy")
def gather(index: np.ndarray, data: np.ndarray, out: np.ndarray) -> None:
    """Sum of the rows that the indices name."""
    first, second, third = data[0], data[1], data[2]
    for j in range(index.shape[0]):
        for i in range(index.shape[1]):
            s = index[j, i]
            out[i] += first[s] + second[s] + third[s]


def gathers(walkers: Walkers, particles: int) -> dict[str, Any]:
    """Indices and gathers of one step, by one thread, over the number of threads."""
    words = np.empty(BATCH * BLOCK // 2, np.uint64)
    index, out = np.empty((BATCH, BLOCK), np.uint32), np.zeros(BLOCK)
    blocks = particles // BLOCK

    def call() -> None:
        for _ in range(blocks):
            fill_indices(walkers.states[0], words, SAMPLES, index.reshape(-1))
            gather(index, walkers.motion.data, out)

    seconds, _ = timed(call)
    nanoseconds = 1e9 * seconds / (blocks * BLOCK) / numba.get_num_threads()
    return {"what": "indices and gathers alone", "ns": nanoseconds}


def first_calls() -> tuple[float, float]:
    """Seconds of the first call with an empty and with a warm cache."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        seconds = [
            float(
                subprocess.run(
                    [sys.executable, "-c", FIRST_CALL],
                    cwd=ROOT,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            for _ in range(2)
        ]
    return seconds[0], seconds[1]


def memory(particles: int) -> float:
    """Largest resident GiB of a process that runs so many walkers."""
    times, grid = [0.0, STEP], problem().grid(128)
    ensemble(problem(), grid, START, times, method="langevin", step=STEP, particles=particles)
    return (peak_memory() or 0) / 2**30


def memory_apart(particles: int) -> float:
    """The same, measured in a process of its own."""
    code = f"from benchmarks.particles import memory; print(memory({particles}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def run(quick: bool = False) -> str:
    """Measure, store and return the table."""
    particles = 100_000 if quick else 1_000_000
    rows = langevin_rows(particles) + batch_rows(particles // 2)
    cold, warm = first_calls()
    most = 1_000_000 if quick else 10_000_000
    gib = memory_apart(most)
    shown = [
        [
            row["what"],
            f"{row['ns']:.1f}",
            *(f"{row[key]:.1e}" if key in row else "" for key in ("mean", "covariance", "floor")),
        ]
        for row in rows
    ]
    notes = [
        f"{numba.get_num_threads()} threads; numpy has one; {particles:,} walkers, step {STEP:g} "
        f"to t = {END:g}, medians of {REPEATS}",
        "errors against the exact law hold the time error of the method, 1e-2 for weak order 1",
        f"mini-batches of {BATCH} from {SAMPLES} samples, {particles // 2:,} walkers",
        f"first call in a new process: {cold:.1f} s with an empty cache, {warm:.2f} s with a warm "
        "one",
        f"{most:,} walkers in 2-D: {gib:.2f} GiB resident at most, Python and libraries included",
    ]
    extra = {"first_call_cold_s": cold, "first_call_warm_s": warm, "memory_gib": gib}
    return save("particles", "Walkers", COLUMNS, shown, notes, [*rows, extra], quick)
