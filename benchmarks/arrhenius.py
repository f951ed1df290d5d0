"""Escape times over beta against Kramers' formula, in one and two dimensions, and their figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from fokkerplanck import Problem, generator, load_case
from fokkerplanck.figures.style import COLORS, DPI, PAGE, STYLE, new_figure
from fokkerplanck.passage.escape import escape
from fokkerplanck.passage.passage import passage
from fokkerplanck.stationary.stationary import stationary

from .report import RESULTS, save

TITLE = "Escape times over beta: solver, quadrature and Kramers"
COLUMNS = ("beta", "mean time -1 -> 0", "error", "extrapolated", "Kramers", "Kramers / exact")
BETAS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 160.0, 240.0)
CELLS = (512, 1024)
# Times that inverse iteration in double precision cannot see: exp(beta/4) of 1e12 and more.
QUADRATURE_CELLS = 40_000
SWEEP = (2, 4, 6, 8, 12, 16, 20, 28, 36)
SWEEP_CELLS = (120, 156)


def exact_time(beta: float) -> float:
    """beta int_{-1}^0 exp(beta Phi(y)) int^y exp(-beta Phi(z)) dz dy, Richardson-extrapolated."""
    values = []
    for n in (QUADRATURE_CELLS, 2 * QUADRATURE_CELLS):
        h = 1.0 / n
        z = -2.5 + h * (np.arange(int(2.5 * n)) + 0.5)
        height = (z * z - 1.0) ** 2 / 4.0
        weight = np.exp(-beta * height)
        inner = h * (np.cumsum(weight) - 0.5 * weight)[z > -1.0]
        values.append(beta * h * float((np.exp(beta * height[z > -1.0]) * inner).sum()))
    return (4.0 * values[1] - values[0]) / 3.0


def quartic_records(quick: bool) -> list[dict[str, Any]]:
    """The quartic well: mean time from the minimum to the top of the barrier."""
    records = []
    for beta in BETAS[:4] if quick else BETAS:
        problem = Problem(loss="x**4/4 - x**2/2", beta=beta, domain={"x": (-2.5, 2.5)})
        times = []
        for cells in CELLS:
            found = passage(
                generator(problem, problem.grid(cells)), problem, "x > 0", start=[[-1.0]]
            )
            times.append(float(found.start_mean_time[0]))
        exact = exact_time(beta)
        # Half of the time to the other well: from the top both sides are as likely.
        kramers = np.pi / np.sqrt(2.0) * np.exp(0.25 * beta)
        records.append(
            {
                "study": "quartic",
                "beta": beta,
                "time": times[0],
                "error": times[0] / exact - 1.0,
                "extrapolated": (4.0 * times[1] - times[0]) / 3.0 / exact - 1.0,
                "exact": exact,
                "kramers": float(kramers),
            }
        )
    return records


def sweep_records(quick: bool) -> list[dict[str, Any]]:
    """The case sharp_flat over the batch size: times from either minimum to the other."""
    records = []
    for batch in SWEEP[:3] if quick else SWEEP:
        axes = {f"domain.{axis}.cells": n for axis, n in zip("xy", SWEEP_CELLS, strict=True)}
        case = load_case("sharp_flat", {"noise.batch_size": batch, **axes})
        found = generator(case.problem, case.grid)
        wells = escape(found, case.problem, stationary(found, case.problem))
        assert wells.kramers_times is not None
        records.append(
            {
                "study": "sharp_flat",
                "beta": case.problem.beta,
                "batch": batch,
                "times": wells.times.tolist(),
                "kramers": wells.kramers_times.tolist(),
                "weight": wells.weight.tolist(),
                "quality": wells.quality,
                "agreement": wells.agreement,
            }
        )
    return records


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """log tau over beta: the quartic well, and both ways between the two minima."""
    quartic = [r for r in records if r["study"] == "quartic"]
    sweep = [r for r in records if r["study"] == "sharp_flat"]
    with mpl.rc_context(STYLE):
        figure = new_figure(PAGE, 2.9)
        left, right = figure.subplots(1, 2)
        beta = [r["beta"] for r in quartic]
        times = [r["time"] for r in quartic]
        left.plot(beta, times, "o", color=COLORS[0], markersize=4, label="solver, 512 cells")
        smooth = np.linspace(0.0, beta[-1], 200)
        kramers = np.pi / np.sqrt(2.0) * np.exp(0.25 * smooth)
        left.plot(smooth, kramers, "-", color="0.4", linewidth=1.0, label="Kramers")
        left.legend(loc="upper left")
        left.set(yscale="log", xlabel=r"$\beta$", ylabel=r"mean time $-1 \to 0$")
        left.set_title(r"quartic well, barrier $1/4$")
        beta = [r["beta"] for r in sweep]
        for (i, j), name, color in (
            ((0, 1), "sharp to flat", COLORS[1]),
            ((1, 0), "flat to sharp", COLORS[0]),
        ):
            exact = [r["times"][i][j] for r in sweep]
            formula = [r["kramers"][i][j] for r in sweep]
            right.plot(beta, exact, "o", color=color, markersize=4, label=name)
            right.plot(beta, formula, "-", color=color, linewidth=1.0)
        right.plot([], [], "-", color="0.4", linewidth=1.0, label="Eyring-Kramers")
        right.set(yscale="log", xlabel=r"$\beta = 2|B|/\eta$", ylabel="mean time")
        right.set_title("case sharp_flat")
        right.legend(loc="upper left")
        figure.savefig(path, dpi=DPI)


def run(quick: bool = False) -> str:
    """Measure, draw, store and return the table."""
    records = quartic_records(quick) + sweep_records(quick)
    folder = RESULTS / "quick" if quick else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    draw(records, folder / "arrhenius.png")
    rows = [
        (
            f"{r['beta']:g}",
            f"{r['time']:.8g}",
            f"{r['error']:.1e}",
            f"{r['extrapolated']:.1e}",
            f"{r['kramers']:.6g}",
            f"{r['kramers'] / r['exact']:.5f}",
        )
        for r in records
        if r["study"] == "quartic"
    ]
    sweep = [r for r in records if r["study"] == "sharp_flat"]
    crossing = next(
        (r["batch"] for r in sweep if r["times"][0][1] > r["times"][1][0]), "none of these"
    )
    notes = [
        f"x^4/4 - x^2/2, {CELLS[0]} cells on [-2.5, 2.5]; error against a quadrature, relative; "
        f"extrapolated from {CELLS[0]} and {CELLS[1]} cells",
        "the second panel of the figure: the case sharp_flat over its batch size; the sharp "
        f"minimum is left later than the flat one from |B| = {crossing} on",
        "largest difference of the coarse chain there: "
        f"{max(r['quality'] for r in sweep):.1%} at beta = {sweep[0]['beta']:g}, "
        f"{sweep[-1]['quality']:.1e} at beta = {sweep[-1]['beta']:g}",
    ]
    return save("arrhenius", TITLE, COLUMNS, rows, notes, records, quick)
