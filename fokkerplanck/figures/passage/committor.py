"""The committor between two regions, and the current of those on their way."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...io import Arrays
from ...io.result import Result
from ..frames import Plane
from ..stationary.flow import traced_lines
from ..style import (
    COLORS,
    COLUMN,
    contour_levels,
    contours,
    frame_panel,
    image,
    new_figure,
    symbol,
)
from .regions import cover, label_region, limits_of, source_cells, stacked, target_cells

MAP = "RdYlBu_r"
LEVELS = np.arange(1, 10) / 10.0
WHAT = "committor $q$: target before source"


def committor_figures(result: Result) -> dict[str, Figure]:
    """q with its isolines and the reactive current; nothing without a source."""
    found = result.passage
    if found is None or found.committor is None:
        return {}
    if result.ndim == 1:
        return {"committor": _curve(result, found, found.committor)}
    figure, panels = stacked(result)
    for plane, axes, pair_limits in panels:
        _panel(result, found, plane, axes, pair_limits, found.committor)
    return {"committor": figure}


def _curve(result: Result, found: Arrays, committor: np.ndarray) -> Figure:
    figure = new_figure(COLUMN, 2.7)
    axes = figure.subplots()
    x = result.centers[0]
    axes.plot(x, committor, color=COLORS[0], label="forward $q^+$")
    if found.backward_committor is not None:
        axes.plot(x, found.backward_committor, "--", color=COLORS[1], label="backward $q^-$")
    axes.axhline(0.5, color="0.6", linewidth=0.6, zorder=0)
    axes.set(
        xlim=limits_of(result)[0],
        ylim=(-0.03, 1.03),
        xlabel=symbol(result.names[0]),
        ylabel="committor",
    )
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _panel(
    result: Result,
    found: Arrays,
    plane: Plane,
    axes: Axes,
    limits: list[tuple[float, float]],
    committor: np.ndarray,
) -> None:
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    centers = tuple(result.centers[axis] for axis in plane.pair)
    values = plane.of_density(committor)
    shown = image(axes, values, bounds, cmap=MAP, vmin=0.0, vmax=1.0)
    loss = plane.of_density(result.loss)
    seen = np.ones(values.shape, dtype=bool)
    contours(axes, loss, centers, contour_levels(loss, seen), "0.35")
    lines = axes.contour(*centers, values.T, levels=LEVELS, colors="black", linewidths=0.6)
    lines.set_linewidth([1.5 if abs(level - 0.5) < 1e-9 else 0.6 for level in LEVELS])
    if found.current is not None:
        current = np.stack([plane.of_density(found.current[axis]) for axis in plane.pair])
        traced_lines(axes, centers, current, float(np.sqrt((found.current**2).sum(axis=0)).max()))
    for cells, name in ((source_cells(found), "A"), (target_cells(found), "B")):
        part = plane.of_density(cells)
        cover(axes, part, bounds)
        label_region(axes, part, centers, limits, name)
    names = tuple(result.names[axis] for axis in plane.pair)
    frame_panel(axes, limits, names, True, True)
    label = plane.label + "\n" + WHAT if plane.label else WHAT
    bar = axes.figure.colorbar(shown, ax=axes, label=label)
    bar.set_ticks([0.0, 0.25, 0.5, 0.75, 1.0])
