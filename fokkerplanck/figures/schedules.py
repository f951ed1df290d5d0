"""Schedules of a control with their costs, and the best feedback."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io import Arrays
from ..io.result import Result
from .style import COLORS, PAGE, TIME_LABEL, image, new_figure, symbol, time_text

STYLES = ("-", "--", "-.", ":", (0, (3, 1, 1, 1, 1, 1)), (0, (1, 2)), (0, (6, 2)))
# Costs further apart than this ratio are shown on a logarithmic axis.
WIDE = 20.0
LABELS = {
    "optimal": "open-loop optimum",
    "inverse-time": "best $1/(1+rt)$",
    "feedback": "feedback on expectations",
    "printed": "feedback as printed in the review",
    "hjb": r"feedback $u(t,\theta)$, HJB",
}


def schedules_figures(result: Result) -> dict[str, Figure]:
    """u(t) of all schedules and what they cost; the best feedback as a second figure."""
    found = result.control
    if found is None:
        return {}
    figure = new_figure(PAGE, 2.9)
    left, right = figure.subplots(1, 2, width_ratios=[1.35, 1.0])
    shades = (*COLORS, "0.4", "black")
    colors = {name: shades[k % len(shades)] for k, name in enumerate(found.policy)}
    _controls(left, found, colors)
    _costs(right, found, colors)
    figures = {"schedules": figure}
    if found.feedback is not None and result.ndim <= 2:
        figures["feedback"] = _feedback(result, found)
    return figures


def _controls(axes: Axes, found: Arrays, colors: dict[str, str]) -> None:
    # The one that is followed on top.
    for number in range(len(found.policy) - 1, -1, -1):
        name = found.policy[number]
        axes.stairs(
            found.values[number],
            found.edges,
            baseline=None,
            color=colors[name],
            linestyle=STYLES[number % len(STYLES)],
            linewidth=2.0 if number == 0 else 1.2,
        )
    least = float(found.values.min())
    if least < 0.1:
        axes.set_yscale("log")
        axes.set_ylim(max(0.5 * least, 5e-4), 1.5)
    else:
        axes.set_ylim(0.0, 1.08)
    what = "learning rate" if found.of == "learning-rate" else "inverse batch size"
    axes.set(
        xlabel=TIME_LABEL, ylabel=f"$u$, share of the largest {what}", title="schedules",
        xlim=(found.edges[0], found.edges[-1]),
    )  # fmt: skip


def _costs(axes: Axes, found: Arrays, colors: dict[str, str]) -> None:
    """Bars in the order of the costs, named and numbered."""
    bars = [(float(c), n) for c, n in zip(found.costs, found.policy, strict=True)]
    if found.hjb is not None:
        bars.append((found.hjb, "hjb"))
    bars.sort(reverse=True)
    heights = np.array([cost for cost, _ in bars])
    places = np.arange(len(bars))
    logarithmic = heights.min() > 0.0 and heights.max() > WIDE * heights.min()
    span = float(np.ptp(heights))
    low = 0.0 if heights.min() > 0.0 else float(heights.min()) - 0.1 * span
    low = 0.5 * float(heights.min()) if logarithmic else low
    axes.barh(
        places, heights - low, left=low, height=0.62,
        color=[colors.get(name, "0.55") for _, name in bars],
    )  # fmt: skip
    if logarithmic:
        axes.set_xscale("log")
    for place, (cost, _) in zip(places, bars, strict=True):
        axes.annotate(
            f"{cost:.4g}", (cost, place), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=8,
        )  # fmt: skip
    axes.set_yticks(places, [LABELS.get(name, name.replace("-", " ")) for _, name in bars])
    # Room for the numbers beyond the longest bar.
    top = float(heights.max())
    axes.set_xlim(low, top * (top / low) ** 0.4 if logarithmic else top + 0.4 * (top - low))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(xlabel="cost $J$", title="what they cost")


def _feedback(result: Result, found: Arrays) -> Figure:
    """The control by place at the times kept."""
    times, controls = found.feedback_time, found.feedback
    if result.ndim == 1:
        figure = new_figure(0.62 * PAGE, 2.7)
        axes = figure.subplots()
        shades = [0.85 * k / max(1, len(times) - 1) for k in range(len(times))]
        for time, control, shade in zip(times, controls, shades, strict=True):
            axes.semilogy(
                result.centers[0], control, color=(shade, 0.35, 1.0 - shade), label=time_text(time)
            )
        # Where walkers are only hurried there is nothing to see.
        slowed = np.flatnonzero((controls < 1.0).any(axis=0))
        if slowed.size:
            first, last = result.centers[0][slowed[[0, -1]]]
            axes.set_xlim(first - 0.2 * (last - first), last + 0.2 * (last - first))
        axes.set(xlabel=symbol(result.names[0]), ylabel="$u$", title="best feedback")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return figure
    picked = np.unique(np.linspace(0, len(times) - 1, min(3, len(times))).round().astype(int))
    figure = new_figure(PAGE, 2.4)
    panels = figure.subplots(1, len(picked), squeeze=False)[0]
    lowest = float(np.log10(controls.min()))
    for axes, number in zip(panels, picked, strict=True):
        shown = image(axes, np.log10(controls[number]), result.bounds, vmin=lowest, vmax=0.0)
        axes.set(title=time_text(times[number]), xlabel=symbol(result.names[0]))
    panels[0].set_ylabel(symbol(result.names[1]))
    figure.colorbar(shown, ax=list(panels), label=r"$\log_{10} u$", shrink=0.9)
    return figure
