"""The wells of Phi~, their basins, and the mean times from one to the other."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from ...io import Arrays
from ...io.result import Result
from ..frames import planes
from ..style import (
    COLORS,
    COLUMN,
    POTENTIAL_MAP,
    contour_levels,
    contours,
    frame_panel,
    image,
    lived_in,
    new_figure,
    panel_shape,
    symbol,
)
from .regions import OUTLINE, limits_of, time_words

# Bend of the arrows: those of both directions keep apart.
BEND = 0.28
# Numbers of the wells, in points.
BADGE = 11.0
COLORED = 1e-8


def escape_figures(result: Result) -> dict[str, Figure]:
    """Basins of Phi~ with numbered minima and arrows with mean times; nothing without wells."""
    if result.passage is None or result.passage.escape is None or result.stationary is None:
        return {}
    wells = result.passage.escape
    figure = _line if result.ndim == 1 else _plane
    return {"escape": figure(result, wells, result.stationary)}


def neighbours(wells: Arrays) -> list[tuple[int, int]]:
    """Pairs of wells, each once, whose basins touch."""
    count = len(wells.position)
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    return [(i, j) for i, j in pairs if np.isfinite(wells.barrier[i, j])]


def _line(result: Result, wells: Arrays, rest: Arrays) -> Figure:
    figure = new_figure(COLUMN, 2.9)
    axes = figure.subplots()
    x, height = result.centers[0], rest.quasi_potential - rest.quasi_potential.min()
    ((left, right),) = limits_of(result)
    home = lived_in(rest.density[None], COLORED) & (x >= left) & (x <= right)
    axes.plot(x, height, color="0.3")
    tops = [
        float(wells.barrier[i, j] + np.interp(wells.position[i, 0], x, height))
        for i, j in neighbours(wells)
    ]
    base = max(tops, default=float(height[home].max()))
    for n, place in enumerate(wells.position[:, 0]):
        inside = wells.basin == n
        shade = COLORS[n % len(COLORS)]
        axes.fill_between(x, 0, height, where=inside, color=shade, alpha=0.15, linewidth=0)
        _badge(axes, (float(place), float(np.interp(place, x, height))), n)
    for step, (i, j) in enumerate(neighbours(wells)):
        for row, (a, b) in enumerate(((i, j), (j, i))):
            level = base * (1.14 + 0.22 * row + 0.5 * (step % 2))
            ends = wells.position[a, 0], wells.position[b, 0]
            axes.annotate(
                "",
                (ends[1], level),
                (ends[0], level),
                arrowprops={"arrowstyle": "-|>", "color": "k"},
            )
            axes.text(
                0.5 * (ends[0] + ends[1]),
                level + 0.02 * base,
                time_words(float(wells.times[a, b])),
                ha="center",
                va="bottom",
                fontsize=8,
            )
    rows = 0.5 if len(wells.position) > 2 else 0.0
    axes.set(
        xlim=(left, right),
        ylim=(-0.14 * base, base * (1.6 + rows)),
        xlabel=symbol(result.names[0]),
        ylabel=r"quasi-potential $\tilde\Phi$",
    )
    return figure


def _plane(result: Result, wells: Arrays, rest: Arrays) -> Figure:
    """In three dimensions on the axes along which the minima are furthest apart."""
    rows = planes(result, "marginal", np.zeros(result.ndim, dtype=int))
    apart = np.ptp(wells.position, axis=0)
    plane = max(rows, key=lambda one: float(apart[list(one.pair)].sum()))
    limits = [limits_of(result)[axis] for axis in plane.pair]
    shape = panel_shape(limits)
    # Tall panels are drawn narrower.
    width = 4.4 / max(1.0, shape) ** 0.5
    figure = new_figure(width, 0.8 + 0.66 * width * shape)
    axes = figure.subplots()
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    centers = tuple(result.centers[axis] for axis in plane.pair)
    values = plane.of_potential(rest.quasi_potential - rest.quasi_potential.min())
    home = lived_in(plane.of_density(rest.density)[None], COLORED)
    colors = colormaps[POTENTIAL_MAP]
    shown = image(axes, values, bounds, cmap=colors, vmin=0.0, vmax=float(values[home].max()))
    contours(axes, values, centers, contour_levels(values, home))
    if result.ndim == 2:
        # Up the walls descent from cell to cell prefers the directions of the grid.
        for n in range(len(wells.position)):
            axes.contour(
                *centers, np.where(home, wells.basin == n, np.nan).T, levels=[0.5], colors="white",
                linewidths=1.0,
            )  # fmt: skip
    for i, j in neighbours(wells):
        for a, b in ((i, j), (j, i)):
            _arrow(axes, wells, plane.pair, limits, a, b)
    for n, place in enumerate(wells.position):
        _badge(axes, (float(place[plane.pair[0]]), float(place[plane.pair[1]])), n)
    names = tuple(result.names[axis] for axis in plane.pair)
    frame_panel(axes, limits, names, True, True)
    axes.figure.colorbar(shown, ax=axes, label=r"$\tilde\Phi$ above its minimum", extend="max")
    return figure


def _badge(axes: Axes, place: tuple[float, float], number: int) -> None:
    """The number of a well in a disc."""
    shade = COLORS[number % len(COLORS)]
    axes.plot(*place, "o", color=shade, markeredgecolor="white", markersize=BADGE, zorder=6)
    axes.annotate(
        str(number + 1), place, ha="center", va="center_baseline", color="white",
        fontsize=7.5, fontweight="bold", zorder=7,
    )  # fmt: skip


def _arrow(
    axes: Axes,
    wells: Arrays,
    pair: tuple[int, int],
    limits: list[tuple[float, float]],
    a: int,
    b: int,
) -> None:
    """A bent arrow from well a to well b with its mean time beside the bend."""
    start, end = wells.position[a][list(pair)], wells.position[b][list(pair)]
    axes.add_patch(
        FancyArrowPatch(
            (float(start[0]), float(start[1])),
            (float(end[0]), float(end[1])),
            connectionstyle=f"arc3,rad={BEND}",
            arrowstyle="-|>",
            mutation_scale=9,
            color="white",
            linewidth=1.1,
            shrinkA=6,
            shrinkB=6,
            zorder=4,
            path_effects=OUTLINE,
        )
    )
    # The control point of arc3 lies to the right of the way, on paper, where the axes have their
    # final scale: width one and height ``panel_shape``.
    (left, right), (low, high) = limits
    paper = np.array([1.0 / (right - left), panel_shape(limits) / (high - low)])
    along = (end - start) * paper
    side = np.array([along[1], -along[0]])
    place = 0.5 * (start + end) + 0.5 * BEND * side / paper
    offset = 8.0 * side / max(float(np.hypot(*side)), 1e-9)
    axes.annotate(
        time_words(float(wells.times[a, b])),
        (float(place[0]), float(place[1])),
        xytext=(float(offset[0]), float(offset[1])),
        textcoords="offset points",
        ha="center",
        va="center",
        color="white",
        fontsize=8,
        zorder=7,
        path_effects=OUTLINE,
    )
