"""Mean first-passage times: processor time and error, against SuperLU on the same matrix."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import quad
from scipy.sparse.linalg import splu

from fokkerplanck import Problem, generator
from fokkerplanck.linear_solvers.backward import BackwardSolver
from fokkerplanck.passage.targets import Killed, Region, kill

from .report import save

TITLE = "Mean first-passage time in two dimensions"
COLUMNS = ("problem", "cells", "solver", "processor s", "error", "order")
SIZES = (128, 256, 512)
QUICK_SIZES = (32, 64)
REPEATS = 3
NOTES = (
    "disc: exit of dX = (-x - 3 y, -y + 3 x) dt + sqrt(2/4) dW from the unit disc, start at the "
    "origin, edges cut at the circle, box [-1.2, 1.2]^2; against a quadrature.",
    "well: x^4/4 - x^2/2 + 2 x y + 2.5 y^2 on [-2.4, 2.4] x [-2, 2], Sigma = [[1, .5], [.5, 1]], "
    "beta 12, to x > 0.6 from (-1.4, 0.6); no closed form: the error is that "
    "against the extrapolation of the two finest grids.",
    "steep: the quartic well x^4/4 - x^2/2 + y^2 at beta = 160, a mean time of 5e17; against a "
    "quadrature of the x direction alone.",
    "Processor time: cutting the edges, ordering, factors and one solve; the generator and "
    "compilation are left out. Median of three. SuperLU: MMD_AT_PLUS_A, no pivoting.",
)


def _disc() -> tuple[Problem, Callable[..., np.ndarray], tuple[float, float], float]:
    problem = Problem(
        loss="(x**2 + y**2)/2",
        drift=["-3*y", "3*x"],
        beta=4.0,
        domain={"x": (-1.2, 1.2), "y": (-1.2, 1.2)},
    )
    exact = quad(lambda s: np.expm1(2.0 * s * s) / s, 0.0, 1.0)[0]
    return problem, lambda p: p[0] ** 2 + p[1] ** 2 > 1.0, (0.0, 0.0), exact


def _well() -> tuple[Problem, Callable[..., np.ndarray], tuple[float, float], float]:
    problem = Problem(
        loss="x**4/4 - x**2/2 + 2*x*y + 2.5*y**2",
        sigma=[[1.0, 0.5], [0.5, 1.0]],
        beta=12.0,
        domain={"x": (-2.4, 2.4), "y": (-2.0, 2.0)},
    )
    return problem, lambda p: p[0] + 0.0 * p[1] > 0.6, (-1.4, 0.6), float("nan")


def _steep() -> tuple[Problem, Callable[..., np.ndarray], tuple[float, float], float]:
    beta = 160.0
    problem = Problem(
        loss="x**4/4 - x**2/2 + y**2", beta=beta, domain={"x": (-1.8, 1.8), "y": (-0.8, 0.8)}
    )
    h = 1e-5
    z = -1.8 + h * (np.arange(180_000) + 0.5)
    height = (z * z - 1.0) ** 2 / 4.0
    inner = h * np.cumsum(np.exp(-beta * height))[z > -1.0]
    exact = beta * h * float((np.exp(beta * height[z > -1.0]) * inner).sum())
    return problem, lambda p: p[0] + 0.0 * p[1] > 0.0, (-1.0, 0.0), exact


PROBLEMS = {"disc": _disc, "well": _well, "steep": _steep}


def eliminated(killed: Killed) -> np.ndarray:
    """By elimination without subtraction."""
    return BackwardSolver(killed.generator, killed.free).solve(np.ones(killed.free.shape))


def superlu(killed: Killed) -> np.ndarray:
    """By sparse LU factors."""
    free = np.flatnonzero(killed.free.reshape(-1))
    matrix = -killed.generator.to_scipy()[free][:, free].T.tocsc()
    factors = splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    result = np.zeros(killed.free.size)
    result[free] = factors.solve(np.ones(free.size))
    return result.reshape(killed.free.shape)


SOLVERS = {"fokkerplanck": eliminated, "superlu": superlu}


def measure(name: str, cells: int, solver: str) -> dict[str, Any]:
    """Processor time and the mean time at the start."""
    from fokkerplanck.operators.probe import at_points

    problem, inside, start, exact = PROBLEMS[name]()
    found = generator(problem, problem.grid(cells))
    spent = []
    for _ in range(REPEATS + 1):
        begin = time.process_time()
        killed = kill(found, [Region.of(found.grid, inside, "target")])
        values = SOLVERS[solver](killed)
        spent.append(time.process_time() - begin)
    value = float(at_points(found.grid, values, np.array([start]), killed.free)[0])
    return {
        "problem": name,
        "cells": cells,
        "solver": solver,
        # The first one compiles.
        "seconds": statistics.median(spent[1:]),
        "value": value,
        "exact": exact,
    }


def run(quick: bool = False) -> str:
    """Measure, store and return the table."""
    records = [
        measure(name, cells, solver)
        for name in PROBLEMS
        for cells in (QUICK_SIZES if quick else SIZES)
        for solver in SOLVERS
    ]
    rows = []
    for record in records:
        same = [
            r
            for r in records
            if (r["problem"], r["solver"]) == (record["problem"], record["solver"])
        ]
        exact = record["exact"]
        if not np.isfinite(exact):
            exact = (4.0 * same[-1]["value"] - same[-2]["value"]) / 3.0
        record["error"] = record["value"] / exact - 1.0
        before = next((r for r in same if 2 * r["cells"] == record["cells"]), None)
        order = "" if before is None else f"{np.log2(abs(before['error'] / record['error'])):.2f}"
        rows.append(
            (
                record["problem"],
                f"{record['cells']}^2",
                record["solver"],
                f"{record['seconds']:.3f}",
                f"{record['error']:.1e}",
                order,
            )
        )
    return save("passage", TITLE, COLUMNS, rows, NOTES, records, quick)
