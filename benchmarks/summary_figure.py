"""One page of figures for ``results/summary.md``, from what is stored of each benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes

from fokkerplanck.figures.style import COLORS, DPI, PAGE, STYLE, new_figure

from .work_precision_figure import LABELS, curves

Records = Sequence[Mapping[str, Any]]
# Stages of `scaling` that are drawn.
STAGES = {
    "assemble, scharfetter-gummel": "assembly",
    "stationary state": "stationary state",
    "step, high-order": "step, high-order",
    "step, exponential": "step, exponential",
    "product, high-order": "product, high-order",
    "product, scharfetter-gummel": "product, low order",
}


def draw(stored: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Curves of error, scaling, roofline, walkers and start-up; what is not stored stays empty."""
    panels: list[tuple[str, str, Callable[[Axes, Records], None]]] = [
        ("work_precision", "isotropic noise", lambda a, r: _errors(a, r, "P, k = 1")),
        ("work_precision", "condition number 100", lambda a, r: _errors(a, r, "P, k = 100")),
        ("scaling", "stages, 2-D", _scaling),
        ("stream", "products over stream triad", _roofline),
        ("particles", "walkers, ns per step", _walkers),
        ("startup", "start-up, s", _startup),
    ]
    with mpl.rc_context(STYLE):
        figure = new_figure(PAGE, 7.2)
        # Rows of their own, so that long labels in one leave the others alone.
        for row, part in enumerate(figure.subfigures(3, 1, height_ratios=(1.15, 1.0, 1.0))):
            for axes, (name, title, fill) in zip(
                part.subplots(1, 2), panels[2 * row : 2 * row + 2], strict=True
            ):
                axes.set_title(title)
                if name in stored:
                    fill(axes, stored[name]["records"])
                else:
                    axes.set_axis_off()
            if row == 0:
                handles, labels = part.axes[0].get_legend_handles_labels()
                part.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7)
        figure.savefig(path, dpi=DPI)


def _errors(axes: Axes, records: Records, problem: str) -> None:
    own = [
        r
        for r in records
        if r["status"] == "ok" and r["problem"] == problem and r["solver"] in LABELS
    ]
    curves(axes, own)
    axes.set_xlabel("wall time / s")
    axes.set_ylabel("$L^1$ error")


def _scaling(axes: Axes, records: Records) -> None:
    plane = [r for r in records if len(r["shape"]) == 2]
    for color, (stage, label) in zip(COLORS, STAGES.items(), strict=True):
        found = [
            (math.prod(r["shape"]), r["stages"][stage]["seconds"])
            for r in plane
            if stage in r["stages"]
        ]
        axes.loglog(
            [size for size, _ in found], [1e9 * s / size for size, s in found],
            "o-", markersize=3, linewidth=1.2, color=color, label=label,
        )  # fmt: skip
    axes.set_xlabel("cells")
    axes.set_ylabel("ns per cell")
    axes.set_ylim(0.3, 3e6)
    axes.legend(fontsize=6, ncols=2, loc="upper center", handlelength=1.2, columnspacing=1.0)


def _roofline(axes: Axes, records: Records) -> None:
    for shift, key, color, label in (
        (-0.2, "share", COLORS[1], "scharfetter-gummel"),
        (0.2, "high_share", COLORS[0], "high-order"),
    ):
        axes.barh(
            [y + shift for y in range(len(records))], [r[key] for r in records],
            0.38, color=color, label=label,
        )  # fmt: skip
    axes.set_yticks(range(len(records)), [r["problem"] for r in records])
    axes.invert_yaxis()
    axes.axvline(0.8, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_xlim(0.0, 1.6)
    axes.legend(fontsize=6, loc="lower right")


def _bars(axes: Axes, labels: Sequence[str], values: Sequence[float]) -> None:
    axes.barh(range(len(values)), values, 0.6, color=COLORS[0])
    axes.set_xscale("log")
    axes.set_yticks(range(len(values)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    for y, value in enumerate(values):
        axes.annotate(
            f"{value:.3g}", (value, y), (3, 0), textcoords="offset points", va="center", fontsize=6
        )


def _walkers(axes: Axes, records: Records) -> None:
    timed = [r for r in records if "what" in r]
    _bars(axes, [r["what"] for r in timed], [r["ns"] for r in timed])
    axes.tick_params(axis="y", labelsize=5.5)


def _startup(axes: Axes, records: Records) -> None:
    _bars(axes, [r["what"] for r in records], [r["seconds"] for r in records])
    axes.tick_params(axis="y", labelsize=5.5)
