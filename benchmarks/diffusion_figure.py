"""Figures of :mod:`~benchmarks.diffusion_limit`, from its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter, NullLocator

from fokkerplanck.figures.style import COLORS, DENSITY_MAP, DPI, PAGE, STYLE, new_figure

from .diffusion_moments import EQUATIONS

TITLES = {
    "(39)/(48)": "diffusion (48)",
    "second order": "second order",
    "with covariance": "covariance corrected",
}
ROWS = {
    ("irises", "early"): "real batches, $\\lambda t = 1.6$",
    ("irises", "late"): "real batches, $\\lambda t = 6.4$",
    ("double well", "late"): "Gaussian noise, $\\lambda t = 6.4$",
}
MARKERS = dict(zip(EQUATIONS, "os^", strict=True))
KEPT = {"|B|": "fixed $|B|$", "beta": r"fixed $\beta$"}
LINES: dict[float, dict[str, Any]] = {
    0.01: {"color": "white", "linestyle": "--"},
    0.1: {"color": "black", "linestyle": "-"},
}
LINE_WIDTH = 1.3
OUTLINE = [Stroke(linewidth=2.0, foreground="0.25"), Normal()]
# Distances shown, from below the sampling floor to where nothing is left of the picture.
RANGE = LogNorm(2e-3, 0.5)
NEAR_FLOOR = 1.5
RIGHT = 2.8


def draw_phases(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Distance of SGD to each equation over eta lambda and |B|, early and late."""
    with mpl.rc_context(STYLE):
        figure = new_figure(PAGE, 6.6)
        panels = figure.subplots(3, 3)
        for row, (study, when), label in zip(panels, ROWS, ROWS.values(), strict=True):
            for axes, equation in zip(row, EQUATIONS, strict=True):
                chosen = [
                    r
                    for r in records
                    if (r["study"], r["equation"], r["when"]) == (study, equation, when)
                ]
                image = _phase(axes, chosen)
                axes.label_outer(remove_inner_ticks=False)
            row[0].set_ylabel(f"{label}\nbatch size $|B|$")
        for axes, equation in zip(panels[0], EQUATIONS, strict=True):
            axes.set_title(TITLES[equation])
        for axes in panels[2]:
            axes.set_xlabel(r"learning rate $\eta\lambda$")
        for axes in panels[:2].flat:
            axes.tick_params(labelbottom=True)
        _legend(figure)
        bar = figure.colorbar(image, ax=panels, extend="both", shrink=0.6, pad=0.06, aspect=25)
        _percent(bar, "total variation, SGD to density")
        floor = float(np.median([r["floor"] for r in records]))
        bar.ax.axhline(floor, color="white", linewidth=1.2)
        bar.ax.annotate(
            "floor", (-0.15, floor), xycoords=("axes fraction", "data"), fontsize=6.5, ha="right",
            va="center", annotation_clip=False,
        )  # fmt: skip
        figure.savefig(path, dpi=DPI)


def draw_orders(
    moments: Sequence[dict[str, Any]], stationary: Sequence[dict[str, Any]], path: Path
) -> None:
    """Exact errors of a linear regression over eta, and where (48) holds at rest."""
    with mpl.rc_context(STYLE):
        figure = new_figure(PAGE, 2.7)
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.15))
        own = [r for r in moments if r["problem"] == "linear regression"]
        _errors(left, own, "covariance", "error of the covariance")
        _errors(middle, own, "rest", "relative error at rest")
        left.set_title(r"$\lambda t = 1, 2, 3$")
        middle.set_title("at rest")
        image = _rest(right, stationary)
        _percent(figure.colorbar(image, ax=right, extend="both"), "relative error")
        right.set_title("diffusion (48) at rest")
        handles = middle.get_legend_handles_labels()[0]
        handles += [
            Line2D([], [], color="0.3", linestyle=style, linewidth=1.0, label=label)
            for style, label in zip(("-", "--"), KEPT.values(), strict=True)
        ]
        handles += _level_handles()
        figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7)
        figure.savefig(path, dpi=DPI)


def _percent(bar: Any, label: str) -> None:
    bar.set_label(label)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))


def _phase(axes: Axes, records: Sequence[dict[str, Any]]) -> Any:
    rates = np.array(sorted({r["rate"] for r in records}))
    batches = np.array(sorted({r["batch"] for r in records}))
    values, floors = np.empty((2, batches.size, rates.size))
    for r in records:
        place = np.searchsorted(batches, r["batch"]), np.searchsorted(rates, r["rate"])
        values[place], floors[place] = r["total_variation"], r["floor"]
    edges = _edges(rates)
    edges[-1] = min(edges[-1], 2.0)
    image = axes.pcolormesh(
        edges, _edges(batches), values, norm=RANGE, cmap=DENSITY_MAP, rasterized=True
    )
    _level_lines(axes, rates, batches, values)
    hidden = np.argwhere(values < NEAR_FLOOR * floors)
    axes.plot(
        rates[hidden[:, 1]], batches[hidden[:, 0]], "o", markersize=2.5, markerfacecolor="white",
        markeredgecolor="black", markeredgewidth=0.5,
    )  # fmt: skip
    _diverging(axes, 2.0, batches)
    if records[0]["overshoot"] < 2.0:
        axes.axvline(records[0]["overshoot"], color="black", linewidth=0.8, linestyle=":")
    _scales(axes, rates[0], batches)
    axes.set_xlim(edges[0], RIGHT)
    return image


def _rest(axes: Axes, records: Sequence[dict[str, Any]]) -> Any:
    rates = np.array(sorted({r["rate"] for r in records}))
    batches = np.array(sorted({r["batch"] for r in records}))
    values = np.full((batches.size, rates.size), np.nan)
    for r in records:
        if r["error"] is not None:
            place = np.searchsorted(batches, r["batch"]), np.searchsorted(rates, r["rate"])
            values[place] = r["error"]
    image = axes.pcolormesh(
        rates, batches, values, norm=RANGE, cmap=DENSITY_MAP, shading="nearest", rasterized=True
    )
    _level_lines(axes, rates, batches, values)
    bounds = [rates[np.isfinite(line)][-1] for line in values]
    axes.fill_betweenx(
        batches, bounds, RIGHT, facecolor="white", edgecolor="0.4", hatch="////", linewidth=0.0
    )
    axes.plot(bounds, batches, color="0.2", linewidth=0.8)
    _scales(axes, rates[0], batches)
    axes.set_ylim(batches[0], batches[-1])
    axes.set(xlabel=r"learning rate $\eta\lambda$", ylabel="batch size $|B|$")
    return image


def _level_lines(axes: Axes, rates: np.ndarray, batches: np.ndarray, values: np.ndarray) -> None:
    for level, options in LINES.items():
        axes.contour(
            rates, batches, np.log10(values), levels=[np.log10(level)], colors=[options["color"]],
            linestyles=[options["linestyle"]], linewidths=LINE_WIDTH,
        ).set_path_effects(OUTLINE)  # fmt: skip


def _level_handles() -> list[Any]:
    return [
        Line2D(
            [],
            [],
            **options,
            linewidth=LINE_WIDTH,
            path_effects=OUTLINE,
            label=f"{100 * level:g} %",
        )
        for level, options in LINES.items()
    ]


def _legend(figure: Figure) -> None:
    """What lines, dots and hatches mean, below the panels."""
    handles = _level_handles()
    handles += [
        Line2D([], [], linestyle="", marker="o", markersize=2.5, label="within sampling noise",
               markerfacecolor="white", markeredgecolor="black", markeredgewidth=0.5),
        Line2D([], [], color="black", linestyle=":", linewidth=0.8,
               label=r"$\eta = 2/\max\,\Phi^{\prime\prime}$"),
        Patch(facecolor="white", edgecolor="0.4", hatch="////", linewidth=0.0, label="unstable"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=7.5)


def _diverging(axes: Axes, bound: float, batches: np.ndarray) -> None:
    low, high = _edges(batches)[[0, -1]]
    axes.fill_betweenx(
        [low, high], bound, RIGHT, facecolor="white", edgecolor="0.4", hatch="////", linewidth=0.0
    )
    axes.axvline(bound, color="0.2", linewidth=0.8)


def _scales(axes: Axes, first: float, batches: np.ndarray) -> None:
    edges = _edges(batches)
    axes.set(xscale="log", yscale="log", xlim=(first, RIGHT), ylim=(edges[0], edges[-1]))
    ticks = [tick for tick in (0.01, 0.03, 0.1, 0.3, 1.0, 2.0) if tick >= first]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    shown = [2**k for k in range(0, 13, 2) if edges[0] < 2**k < edges[-1]]
    axes.set_yticks(shown, [str(batch) for batch in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())


def _errors(axes: Axes, records: Sequence[dict[str, Any]], quantity: str, label: str) -> None:
    for color, equation in zip(COLORS, EQUATIONS, strict=False):
        for kept, style, filled in (("|B|", "-", True), ("beta", "--", False)):
            (row,) = (
                r
                for r in records
                if (r["equation"], r["kept"], r["quantity"]) == (equation, kept, quantity)
            )
            values = np.array([np.nan if v is None else v for v in row["errors"]])
            axes.loglog(
                row["rates"], values, style, color=color, marker=MARKERS[equation], markersize=3,
                markerfacecolor=color if filled else "white", linewidth=1.0,
                label=TITLES[equation] if filled else None,
            )  # fmt: skip
    axes.set(xlabel=r"learning rate $\eta\lambda$", ylabel=label)


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges halfway between logarithms."""
    logs = np.log(values)
    middle = 0.5 * (logs[1:] + logs[:-1])
    first, last = 2 * logs[0] - middle[0], 2 * logs[-1] - middle[-1]
    return np.exp(np.concatenate([[first], middle, [last]]))
