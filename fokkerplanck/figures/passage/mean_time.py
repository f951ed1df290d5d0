"""The mean first-passage time from everywhere in the box."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...io import Arrays
from ...io.result import Result
from ..frames import Plane
from ..style import (
    COLORS,
    COLUMN,
    contour_levels,
    contours,
    frame_panel,
    image,
    lived_in,
    new_figure,
    symbol,
)
from .regions import (
    OUTLINE,
    REGION,
    cover,
    label_region,
    limits_of,
    scale_of,
    stacked,
    target_cells,
    time_words,
)

MAP = "magma"
# The loss is shown as high as rho_ss is above this share of its peak.
COLORED = 1e-6
WHAT = r"mean time $\tau$ to the target"


def mean_time_figures(result: Result) -> dict[str, Figure]:
    """tau with the target and the starts; nothing without a target."""
    found = result.passage
    if found is None or found.mean_time is None:
        return {}
    if result.ndim == 1:
        return {"mean_time": _curve(result, found, found.mean_time)}
    return {"mean_time": _maps(result, found, found.mean_time)}


def _curve(result: Result, found: Arrays, time: np.ndarray) -> Figure:
    figure = new_figure(COLUMN, 3.2)
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(2.0, 1.0))
    x = result.centers[0]
    ((left, right),) = limits_of(result)
    inside = (x >= left) & (x <= right)
    scale, logarithmic = scale_of(time[inside])
    shown = np.where(time > 0.0, time, np.nan)
    top.plot(x, shown, color=COLORS[0], label=r"mean $\tau$")
    if found.deviation is not None:
        spread = np.where(time > 0.0, found.deviation, np.nan)
        top.plot(x, spread, "--", color=COLORS[1], label="standard deviation")
    if logarithmic:
        top.set_yscale("log")
    else:
        top.set_ylim(0.0, 1.08 * scale.vmax)
    _starts_on_curve(top, found)
    bottom.plot(x, result.loss, color="0.3")
    home = inside
    if result.stationary is not None:
        # The walls may be a hundred times higher than the barriers.
        home = inside & lived_in(result.stationary.density[None], COLORED)
    lowest, highest = result.loss[home].min(), result.loss[home].max()
    bottom.set_ylim(lowest - 0.06 * (highest - lowest), highest)
    for axes in (top, bottom):
        _shade(axes, result, target_cells(found))
    top.set(xlim=(left, right), ylabel=r"time to the target")
    bottom.set(xlabel=symbol(result.names[0]), ylabel=r"loss $\Phi$")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _starts_on_curve(axes: Axes, found: Arrays) -> None:
    if found.start_position is None or found.start_mean_time is None:
        return
    for place, value in zip(found.start_position[:, 0], found.start_mean_time, strict=True):
        if value > 0.0:
            axes.plot(place, value, "o", color=COLORS[0], markersize=4)
            # Below the curve, which is highest at the wells where starts usually are.
            axes.annotate(
                time_words(float(value)),
                (place, value),
                xytext=(0, -7),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8,
            )


def _shade(axes: Axes, result: Result, cells: np.ndarray) -> None:
    """Grey where the target is, run by run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], cells.astype(int), [0]])))
    faces = result.bounds[0]
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        axes.axvspan(faces[first, 0], faces[last - 1, 1], color=REGION, linewidth=0)


def _maps(result: Result, found: Arrays, time: np.ndarray) -> Figure:
    figure, panels = stacked(result)
    for plane, axes, pair_limits in panels:
        _panel(result, found, plane, axes, pair_limits, time)
    return figure


def _panel(
    result: Result,
    found: Arrays,
    plane: Plane,
    axes: Axes,
    limits: list[tuple[float, float]],
    time: np.ndarray,
) -> None:
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    centers = tuple(result.centers[axis] for axis in plane.pair)
    values = plane.of_density(time)
    target = plane.of_density(target_cells(found))
    seen = np.ones(values.shape, dtype=bool)
    for axis, (center, (low, high)) in enumerate(zip(centers, limits, strict=True)):
        seen &= ((center >= low) & (center <= high)).reshape(
            [-1 if i == axis else 1 for i in (0, 1)]
        )
    scale, logarithmic = scale_of(values[seen])
    shown = image(axes, np.where(target, np.nan, values), bounds, cmap=MAP, norm=scale)
    loss = plane.of_density(result.loss)
    contours(axes, loss, centers, contour_levels(loss, seen))
    cover(axes, target, bounds)
    label_region(axes, target, centers, limits, "target")
    if found.start_position is not None and found.start_mean_time is not None:
        for place, value in zip(found.start_position, found.start_mean_time, strict=True):
            a, b = (float(place[axis]) for axis in plane.pair)
            axes.plot(a, b, "o", color="white", markeredgecolor="black", markersize=5, zorder=5)
            axes.annotate(
                time_words(float(value)),
                (a, b),
                xytext=(0, 6),
                textcoords="offset points",
                ha="center",
                color="white",
                fontsize=8,
                zorder=5,
                path_effects=OUTLINE,
            )
    names = tuple(result.names[axis] for axis in plane.pair)
    frame_panel(axes, limits, names, True, True)
    label = plane.label + "\n" + WHAT if plane.label else WHAT
    axes.figure.colorbar(shown, ax=axes, label=label, extend="min" if logarithmic else "neither")
