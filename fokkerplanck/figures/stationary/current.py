"""The stationary current over rho_ss, with its most likely loop and the drift's limit cycle."""

from __future__ import annotations

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...io import Arrays
from ...io.result import Result
from ..frames import planes
from ..style import (
    COLORS,
    COLUMN,
    DENSITY_MAP,
    PAGE,
    frame_panel,
    image,
    lived_in,
    new_figure,
    panel_shape,
    symbol,
    view,
)
from .flow import LINE_COLOR, RIM_COLOR, arrow, level_lines, traced_lines

# Steps of the stream function.
LINES = 10

# Cells below this share of the peak are not shown: nothing flows there that would be seen.
FOCUS = 1e-2

LOOP_COLOR = COLORS[1]
CYCLE_COLOR = "black"


def current_figures(result: Result) -> dict[str, Figure]:
    """J_ss over rho_ss; nothing without a stationary state or where detailed balance holds."""
    stationary = result.stationary
    if stationary is None or stationary.detailed_balance:
        return {}
    draw = {1: _around, 2: _over_density, 3: _marginals}[result.ndim]
    return {"current": draw(result, stationary)}


def _around(result: Result, stationary: Arrays) -> Figure:
    """1-D: the current is one number; what changes along the circle is its velocity J/rho_ss."""
    figure = new_figure(COLUMN, 3.2)
    top, bottom = figure.subplots(2, 1, sharex=True)
    x, density = result.centers[0], stationary.density
    current = float(np.mean(stationary.current))
    name = symbol(result.names[0])
    top.fill_between(x, density, color=COLORS[0], alpha=0.25, linewidth=0)
    top.plot(x, density, color=COLORS[0])
    height = 1.25 * float(density.max())
    ends = result.bounds[0][0, 0], result.bounds[0][-1, 1]
    tail, head = (ends[0] + share * (ends[1] - ends[0]) for share in (0.1, 0.9))
    if current < 0.0:
        tail, head = head, tail
    # Beside the curve: a current has no place of its own on a circle.
    top.annotate(
        "",
        xy=(head, 0.88 * height),
        xytext=(tail, 0.88 * height),
        arrowprops={"arrowstyle": "->", "color": LOOP_COLOR, "linewidth": 1.3},
    )
    top.text(
        sum(ends) / 2,
        0.9 * height,
        f"$J$ = {current:.4g} turns per unit time",
        ha="center",
        va="bottom",
        fontsize=8,
    )
    top.set(xlim=ends, ylim=(0.0, 1.05 * height), ylabel=rf"density $\rho_{{ss}}$({name})")
    bottom.plot(x, stationary.current[0] / density, color=LOOP_COLOR)
    bottom.set(xlabel=name, ylabel=r"velocity $J/\rho_{ss}$")
    reach = bottom.get_ylim()
    bottom.set_ylim(min(0.0, reach[0]), max(0.0, reach[1]))
    return figure


def _over_density(result: Result, stationary: Arrays) -> Figure:
    limits = view(lived_in(stationary.density[None], FOCUS), result.bounds)
    loops = [
        (loop, of_drift)
        for stem, of_drift in (("cycle", False), ("limit_cycle", True))
        for loop in stationary.numbered(stem)[:1]
    ]
    height = 3.4 * panel_shape(limits)
    figure = new_figure(4.6, height + 0.65 + 0.2 * (1 + len(loops)))
    axes = figure.subplots()
    shown = image(axes, stationary.density, result.bounds, cmap=DENSITY_MAP, vmin=0.0)
    figure.colorbar(shown, ax=axes, label=r"$\rho_{ss}$", aspect=25)
    flux = draw_current(axes, result, stationary, LINES)
    frame_panel(axes, limits, result.names, True, True)
    label = r"lines of $J_{ss}$"
    if flux:
        label += f", {flux:.2g} per unit time between two"
    rim = _outline(RIM_COLOR, 6.0)
    legend = [Line2D([], [], color=LINE_COLOR, label=label, path_effects=rim)]
    legend += [draw_loop(axes, loop, of_drift) for loop, of_drift in loops]
    figure.legend(handles=legend, loc="outside lower center", alignment="left")
    return figure


def draw_current(axes: Axes, result: Result, stationary: Arrays, count: int) -> float:
    """Lines of J_ss in 2-D, level lines where there is a stream function; returns their step."""
    stream = stationary.stream_function
    if stream is None:
        speeds = np.hypot(*stationary.current)
        traced_lines(axes, result.centers, stationary.current, float(speeds.max()))
        return 0.0
    corners = tuple(np.append(faces[:, 0], faces[-1, 1]) for faces in result.bounds)
    return level_lines(axes, corners, stream, result.centers, stationary.current, count)


def draw_loop(axes: Axes, loop: Arrays, of_drift: bool) -> Line2D:
    """A loop with its direction: solid for the current, dashed for the drift without noise."""
    color = CYCLE_COLOR if of_drift else LOOP_COLOR
    if of_drift:
        label = f"limit cycle of the drift: {_turn(loop)}"
    else:
        label = f"most likely loop of the current: {_turn(loop)}"
    closed = np.concatenate([loop.points, loop.points[:1]])
    (line,) = axes.plot(
        *closed.T,
        color=color,
        linestyle="--" if of_drift else "-",
        linewidth=1.4 if of_drift else 3.2,
        # Black dashes are seen on the dark and on the light end of the map.
        path_effects=_outline("white", 2.2) if of_drift else None,
        label=label,
        zorder=4 if of_drift else 3.5,
    )
    arrow(axes, closed, 0.375 if of_drift else 0.125, color, 13.0)
    return line


def _turn(loop: Arrays) -> str:
    return f"period {loop.period:.4g}, winding {loop.winding:+d}"


def _outline(color: object, width: float) -> list[patheffects.AbstractPathEffect]:
    return [patheffects.withStroke(linewidth=width, foreground=color)]


def _marginals(result: Result, stationary: Arrays) -> Figure:
    """3-D: marginals with their own currents, which are as free of sources as the whole one.

    A slice would show what leaves it as a source.
    """
    found = planes(result, "marginal", np.zeros(3, int))
    limits = view(lived_in(stationary.density[None]), result.bounds)
    figure = new_figure(PAGE, 2.6)
    panels = figure.subplots(1, len(found))
    currents = [
        np.stack([plane.of_density(stationary.current[axis]) for axis in plane.pair])
        for plane in found
    ]
    fastest = max(float(np.hypot(*current).max()) for current in currents)
    for plane, axes, current in zip(found, panels, currents, strict=True):
        bounds = tuple(result.bounds[axis] for axis in plane.pair)
        centers = tuple(result.centers[axis] for axis in plane.pair)
        names = tuple(result.names[axis] for axis in plane.pair)
        density = plane.of_density(stationary.density)
        shown = image(axes, density, bounds, cmap=DENSITY_MAP, vmin=0.0)
        traced_lines(axes, centers, current, fastest)
        frame_panel(axes, [limits[axis] for axis in plane.pair], names, True, True)
        figure.colorbar(shown, ax=axes, aspect=25)
    figure.suptitle(r"marginals of $\rho_{ss}$ and of $J_{ss}$", fontsize=9)
    return figure
