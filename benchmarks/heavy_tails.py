"""Heavy tails (51): what a step costs in pairs of transforms, and what it gets right.

A pair is a cosine transform of the grid and its inverse. Times are CPU times of all threads, so
that what else a machine does counts little; they alternate in one loop, and ratios are medians of
those of one round.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import fft
from scipy.linalg import expm

from .report import save

TITLE = "Heavy tails: cost of a step in pairs of transforms"
COLUMNS = (
    "grid",
    "sides",
    "pair / CPU ms",
    "step / CPU ms",
    "step / pair",
    "drift / pair",
    "jumps / pair",
    "accepted step with its error estimate / pair",
)
ERROR_TITLE = "Heavy tails: error and time"
ERROR_COLUMNS = ("problem", "cells", "rtol or steps", "wall / s", "steps", "error", "mass drift")
COST_PLAN = (
    *((1, n, "reflecting") for n in (1024, 4096, 16384)),
    *((2, n, "reflecting") for n in (128, 256, 512)),
    *((1, n, "absorbing") for n in (1024, 4096)),
    *((2, n, "absorbing") for n in (256, 512)),
)
QUICK_COST_PLAN = ((1, 512, "reflecting"), (2, 64, "absorbing"))
# Alpha, cells: a box so long that what jumps over its sides is below the errors shown.
LINE_PLAN = (*((1.5, n) for n in (1024, 2048, 4096, 8192)), (1.0, 16384), (0.8, 16384))
PLANE_PLAN = (*((kind, n) for kind in ("isotropic", "components") for n in (128, 256, 512)),)
REACH = {1.5: 400.0, 1.0: 2000.0, 0.8: 4000.0}
PLANE_REACH = 60.0
WAVES = (0.3, 0.7, 1.2)
BLOCK = 8
BUDGET_S = 8.0
ROUNDS = 400
COST_NOTES = (
    "Ornstein-Uhlenbeck drift, alpha = 1.5, isotropic; the length of a step is a tenth of the "
    "drift's time, some hundred cells per step at the sides.",
    f"A step is an eighth of a block of {BLOCK}, whose jumps and drift alternate with halves of "
    "jumps at both ends; drift and jumps are the times of one of each.",
    "With its error estimate: a block and another one with half as many jumps, over the steps of "
    "the block, which is what a run pays per accepted step.",
    "Closed boxes take cosine transforms of the grid, absorbing ones real transforms of twice the "
    "cells per axis; pair is the cosine pair in both. One thread for transforms.",
    "CPU times of all threads, medians of the rounds of one loop; tables of a length of step were "
    "made before.",
)
ERROR_NOTES = (
    "line, plane: alpha-stable Ornstein-Uhlenbeck process from a Gaussian (mean 2, variance 0.25) "
    "to t = 1, in the plane with alpha = 1.5; error: the largest distance to the exact "
    f"characteristic function at the wave numbers {WAVES} (in the plane along the diagonal).",
    "absorbing: no drift, 256 cells in [-1, 1], t = 1/4; error: L1 distance to the matrix "
    "exponential, relative.",
    "What has jumped over the sides by the end is below 1e-4 on the line and 5e-4 in the plane.",
)


def _problem(
    ndim: int, side: str, reach: float, alpha: float = 1.5, kind: str | None = None
) -> Any:
    from fokkerplanck.problem import Problem

    names = "xyz"[:ndim]
    domain = {name: {"range": (-reach, reach), "boundary": side} for name in names}
    loss = "+".join(f"{name}**2/2" for name in names)
    return Problem(loss, domain=domain, alpha=alpha, jumps=kind)


def _start(grid: Any) -> np.ndarray:
    from fokkerplanck.timestepping.initial import gaussian_density

    mean = [2.0] + [0.0] * (grid.ndim - 1)
    return gaussian_density(grid, mean, 0.25 * np.eye(grid.ndim))


def cost(ndim: int, cells: int, side: str) -> dict[str, Any]:
    """Times of a step, of its parts and of a pair, alternating."""
    from fokkerplanck.fractional.levy import LevySystem

    problem = _problem(ndim, side, 40.0)
    grid = problem.grid(cells)
    system = LevySystem(problem, grid)
    density = system.steps(_start(grid), 0.0, 0.1, 2)
    room = density.copy()

    def pairs() -> None:
        # As many as jumps of a block: one alone would find the caches full of other things.
        for _ in range(BLOCK):
            fft.idctn(fft.dctn(room, overwrite_x=True), overwrite_x=True)

    def controlled() -> None:
        system.steps(density, 0.0, 0.1, BLOCK)
        system.steps(density, 0.0, 0.1, BLOCK, group=2)

    acts: dict[str, Callable[[], Any]] = {
        "pairs": pairs,
        "block": lambda: system.steps(density, 0.0, 0.1, BLOCK),
        "drift": lambda: system.transport.advance(density, 0.0, 0.1),
        "jumps": lambda: system.fractional.jump(density.copy(), 0.1),
        "controlled": controlled,
    }
    times: dict[str, list[float]] = {name: [] for name in acts}
    until = time.perf_counter() + BUDGET_S
    while not times["pairs"] or (len(times["pairs"]) < ROUNDS and time.perf_counter() < until):
        for name, act in acts.items():
            if not times["pairs"]:
                act()
            begin = time.process_time()
            act()
            times[name].append(time.process_time() - begin)

    def ratio(name: str, count: int = 1) -> float:
        rounds = zip(times[name], times["pairs"], strict=True)
        return statistics.median(BLOCK * one / count / base for one, base in rounds)

    return {
        "grid": f"{cells}" if ndim == 1 else f"{cells}^{ndim}",
        "sides": side,
        "rounds": len(times["pairs"]),
        "pair_s": statistics.median(times["pairs"]) / BLOCK,
        "step_s": statistics.median(times["block"]) / BLOCK,
        "step": ratio("block", BLOCK),
        "drift": ratio("drift"),
        "jumps": ratio("jumps"),
        "controlled": ratio("controlled", BLOCK),
    }


def _evolved(problem: Any, cells: int, rtol: float) -> dict[str, Any]:
    from fokkerplanck.fractional.levy import LevySystem
    from fokkerplanck.fractional.levy_integrator import LevyIntegrator

    grid = problem.grid(cells)
    start = _start(grid)
    for _ in range(2):
        # The first round loads the kernels.
        begin = time.perf_counter()
        system = LevySystem(problem, grid)
        march = LevyIntegrator(system, rtol, 1.0)
        density = march.advance(start.reshape(-1), 0.0, 1.0, 0.0)[0].reshape(grid.shape)
        wall = time.perf_counter() - begin
    alpha, kind = problem.jumps.alpha, problem.jumps.kind
    error = 0.0
    for wave in WAVES:
        k = np.full(grid.ndim, wave / np.sqrt(grid.ndim))
        size = wave**alpha if kind == "isotropic" else float((k**alpha).sum())
        decayed = k * np.exp(-1.0)
        exact = np.exp(
            2.0j * decayed[0]
            - 0.125 * float(decayed @ decayed)
            - size * (1.0 - np.exp(-alpha)) / alpha
        )
        phase = sum(one * x for one, x in zip(k, grid.points, strict=True))
        error = max(error, float(abs(grid.integrate(density * np.exp(1j * phase)) - exact)))
    return {
        "cells": f"{cells}" if grid.ndim == 1 else f"{cells}^{grid.ndim}",
        "setting": f"{rtol:g}",
        "wall_s": wall,
        "steps": system.counts["steps"],
        "error": error,
        "mass_drift": float(grid.integrate(density)) - 1.0,
    }


def _absorbing(alpha: float, steps: int) -> dict[str, Any]:
    from fokkerplanck.fractional.fractional import Fractional
    from fokkerplanck.problem.jumps import Jumps

    grid = _problem(1, "absorbing", 1.0).grid(256)
    operator = Fractional(grid, Jumps(alpha, "isotropic", (1.0,)))
    start = np.exp(-((grid.centers[0] - 0.4) ** 2) / 0.05)
    exact = expm(0.25 * np.stack([operator.matvec(e) for e in np.eye(256)], axis=1)) @ start
    operator.exponential(start, 0.25 / steps)
    begin = time.perf_counter()
    density = start
    for _ in range(steps):
        density = operator.exponential(density, 0.25 / steps)
    return {
        "cells": "256",
        "setting": f"{steps} steps",
        "wall_s": time.perf_counter() - begin,
        "steps": steps,
        "error": float(np.abs(density - exact).sum() / exact.sum()),
        "mass_drift": float("nan"),
    }


def errors(quick: bool) -> list[dict[str, Any]]:
    """Error beside time, for closed boxes and absorbing ones."""
    found = []
    for alpha, cells in ((1.5, 512),) if quick else LINE_PLAN:
        problem = _problem(1, "reflecting", REACH[alpha], alpha)
        named = {"problem": f"line, alpha = {alpha:g}"}
        found.append({**named, **_evolved(problem, cells, 1e-4)})
    for kind, cells in (("isotropic", 64),) if quick else PLANE_PLAN:
        problem = _problem(2, "reflecting", PLANE_REACH, 1.5, kind)
        found.append({"problem": f"plane, {kind}", **_evolved(problem, cells, 1e-3)})
    for alpha in (0.6, 1.0, 1.5):
        for steps in (8, 32, 128):
            found.append({"problem": f"absorbing, alpha = {alpha:g}", **_absorbing(alpha, steps)})
    return found


def run(quick: bool = False) -> str:
    """Costs, then errors; returns both tables."""
    costs = [cost(*entry) for entry in (QUICK_COST_PLAN if quick else COST_PLAN)]
    rows = [
        [
            record["grid"],
            record["sides"],
            f"{1e3 * record['pair_s']:.3g}",
            f"{1e3 * record['step_s']:.3g}",
            *(f"{record[name]:.2f}" for name in ("step", "drift", "jumps", "controlled")),
        ]
        for record in costs
    ]
    shown = save("heavy_tails", TITLE, COLUMNS, rows, COST_NOTES, costs, quick)
    found = errors(quick)
    lines = [
        [
            record["problem"],
            record["cells"],
            record["setting"],
            f"{record['wall_s']:.3g}",
            f"{record['steps']}",
            f"{record['error']:.1e}",
            "" if np.isnan(record["mass_drift"]) else f"{record['mass_drift']:.0e}",
        ]
        for record in found
    ]
    for record in found:
        if np.isnan(record["mass_drift"]):
            del record["mass_drift"]
    name = "heavy_tails_error"
    return f"{shown}\n\n{save(name, ERROR_TITLE, ERROR_COLUMNS, lines, ERROR_NOTES, found, quick)}"
