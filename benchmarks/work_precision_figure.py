"""Figure of :mod:`~benchmarks.work_precision`, from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from fokkerplanck.figures.style import COLORS, DPI, PAGE, STYLE, new_figure

# A minimum below minus this is a negative density and no rounding.
NEGATIVE = 1e-12
PANELS = {
    "P, k = 1": "Ornstein-Uhlenbeck, $k = 1$",
    "P, k = 4": "Ornstein-Uhlenbeck, $k = 4$",
    "P, k = 100": "Ornstein-Uhlenbeck, $k = 100$",
    "cross-diffusion": "cross-diffusion, moving",
    "turning tensor": "tensor that turns in space",
    "quartic well": "quartic well, 1-D",
}
LABELS = {
    "high-order": "high-order",
    "scharfetter-gummel": "scharfetter-gummel",
    "Crank-Nicolson": "Crank-Nicolson (scipy)",
    "fplanck": "fplanck",
    "FiPy": "FiPy",
    "FiPy, implicit Euler": "FiPy, implicit Euler",
    "py-pde": "py-pde",
}
# Turned by hand or not, it is the same solver.
SAME = {"fplanck, turned by hand": "fplanck"}
MARKERS = dict(zip(LABELS, "os^vDdP", strict=True))
LINES = dict(zip(LABELS, ("-", "-", "--", ":", ":", ":", ":"), strict=True))
HUES = dict(zip(LABELS, (*COLORS[:5], "0.5", COLORS[5]), strict=True))
SIZE = 4.0


def draw(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """L1 error over wall time, one panel per problem, negative densities hollow."""
    solved = [r for r in records if r["status"] == "ok"]
    with mpl.rc_context(STYLE):
        figure = new_figure(PAGE, 4.9)
        panels = figure.subplots(2, 3).flat
        for axes, (problem, title) in zip(panels, PANELS.items(), strict=True):
            axes.set_title(title)
            own = [r for r in solved if r["problem"] == problem]
            if own:
                curves(axes, own)
        for number, axes in enumerate(figure.axes):
            if number % 3 == 0:
                axes.set_ylabel("$L^1$ error")
            if number >= 3:
                axes.set_xlabel("wall time / s")
        shown = {SAME.get(r["solver"], r["solver"]) for r in solved}
        handles = [_style_of(solver) for solver in LABELS if solver in shown]
        handles.append(
            Line2D([], [], linestyle="", marker="o", markersize=SIZE, color="0.3",
                   markerfacecolor="white", label="hollow: negative densities")
        )  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
        figure.savefig(path, dpi=DPI)


def _style_of(solver: str) -> Line2D:
    return Line2D(
        [], [], color=HUES[solver], linestyle=LINES[solver], marker=MARKERS[solver],
        markersize=SIZE, linewidth=1.2, label=LABELS[solver],
    )  # fmt: skip


def curves(axes: Axes, records: Sequence[Mapping[str, Any]]) -> None:
    """Error over time of the solvers of one problem."""
    for solver in dict.fromkeys(r["solver"] for r in records):
        name = SAME.get(solver, solver)
        own = sorted((r for r in records if r["solver"] == solver), key=lambda r: int(r["cells"]))
        times, errors = [r["solve_s"] for r in own], [r["l1"] for r in own]
        style = _style_of(name)
        color = style.get_color()
        axes.loglog(
            times, errors, linestyle=LINES[name], color=color, linewidth=1.2, label=LABELS[name]
        )
        for r in own:
            hollow = r["minimum"] < -NEGATIVE
            axes.plot(
                r["solve_s"], r["l1"], marker=MARKERS[name], markersize=SIZE, color=color,
                markerfacecolor="white" if hollow else color, linestyle="",
            )  # fmt: skip
    axes.grid(color="0.92", linewidth=0.5)
    axes.xaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())
