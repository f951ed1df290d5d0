"""The loss beside the quasi-potential, their minima, and the current without detailed balance."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...io import Arrays
from ...io.result import Result
from ..frames import Plane, peak_cell, planes
from ..style import (
    COLORS,
    COLUMN,
    DENSITY_MAP,
    PAGE,
    POTENTIAL_MAP,
    contour_levels,
    contours,
    frame_panel,
    image,
    lived_in,
    new_figure,
    panel_shape,
    symbol,
    view,
)
from .current import draw_current
from .flow import traced_lines
from .marks import LOOKS, SYMBOLS, handles, mark, points_of, positions, shifts

# Below this share of its peak rho_ss is rounding, and so is its logarithm.
TRUSTED = 1e-12

# Colours of the potentials reach as far as this share of the peak, lest the walls take them all.
COLORED = 1e-6

# Potentials closer than this, relative to their range, differ by rounding and solver residual.
EQUAL = 1e-9


# Level lines of the current in a panel, fewer than in the figure of its own.
LINES = 6


def quasi_potential_figures(result: Result) -> dict[str, Figure]:
    """Phi and Phi~ on one scale with their minima and saddles, where those are known.

    Without a loss Phi~ alone; nothing without a stationary state.
    """
    stationary = result.stationary
    if stationary is None:
        return {}
    figure = _lines(result, stationary) if result.ndim == 1 else _images(result, stationary)
    return {"quasi_potential": figure}


def _trusted(stationary: Arrays) -> np.ndarray:
    """Phi~ with its minimum at zero, NaN where rho_ss is too small to know it."""
    sure = stationary.density > TRUSTED * stationary.density.max()
    values = np.where(sure, stationary.quasi_potential, np.nan)
    return np.asarray(values - np.nanmin(values))


def landscape(result: Result) -> tuple[np.ndarray, str] | None:
    """What Phi~ is compared with, and its name; None without a loss.

    For a heavy ball this is its energy. A loss that does not change along the velocity has no
    isolated critical points, so where there are some they are those of the energy.
    """
    loss, stationary = result.loss, result.stationary
    if not np.ptp(loss):
        return None
    points = None if stationary is None else points_of(stationary, "loss")
    flat = result.ndim == 2 and not np.ptp(loss, axis=1).any()
    if flat and points is not None:
        speed = symbol(result.names[1]).strip("$")
        energy = loss + 0.5 * result.centers[1] ** 2
        return energy, rf"energy $\Phi + \frac{{1}}{{2}}{speed}^2$"
    return loss, r"loss $\Phi$"


def _lines(result: Result, stationary: Arrays) -> Figure:
    figure = new_figure(COLUMN, 2.8 if stationary.critical is None else 3.3)
    axes = figure.subplots()
    home = lived_in(stationary.density[None])
    ((left, right),) = view(home, result.bounds)
    x, quasi = result.centers[0], _trusted(stationary)
    curves = {"quasi_potential": (quasi, np.nanmin(stationary.quasi_potential))}
    if landscape(result) is not None:
        least = result.loss[home].min()
        curves["loss"] = (result.loss - least, least)
        axes.plot(x, curves["loss"][0], color=COLORS[0], label=SYMBOLS["loss"])
    axes.plot(x, quasi, "--", color=COLORS[1], label=SYMBOLS["quasi_potential"])
    _mark_curves(axes, stationary, {field: least for field, (_, least) in curves.items()})
    if not stationary.detailed_balance:
        current = float(np.mean(stationary.current))
        axes.plot([], [], " ", label=f"$J$ = {current:.3g}")
    # The loss may be a wall where Phi~ is not.
    marked = [
        float((points.value - least).max())
        for field, (_, least) in curves.items()
        if (points := points_of(stationary, field)) is not None
    ]
    top = 1.15 * max(float(np.nanmax(quasi[home])), *marked, 0.0)
    axes.set(
        xlim=(left, right),
        ylim=(-0.05 * top, top),
        xlabel=symbol(result.names[0]),
        ylabel="above the minimum",
    )
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _mark_curves(axes: Axes, stationary: Arrays, least: dict[str, float]) -> None:
    """1-D: marks on the curves, and lines from those of Phi to those of Phi~."""
    for (field, kind), look in LOOKS.items():
        points = points_of(stationary, field)
        if field not in least or points is None or not len(positions(stationary, field, kind)):
            continue
        chosen = (points.index == 0) == (kind == "minimum")
        place, value = points.position[chosen, 0], points.value[chosen]
        name = "maximum" if kind == "saddle" else kind
        label = f"{name} of {SYMBOLS[field]}"
        axes.plot(place, value - least[field], linestyle="none", label=label, zorder=4, **look)
    for start, end in shifts(stationary):
        heights = [
            float(points.value[points.position[:, 0] == place[0]][0] - least[field])
            for field, place in zip(SYMBOLS, (start, end), strict=True)
            if (points := points_of(stationary, field)) is not None
        ]
        axes.plot([start[0], end[0]], heights, color="0.4", linewidth=0.8, zorder=2)


def _images(result: Result, stationary: Arrays) -> Figure:
    """A row for each pair of axes, cut through the peak of rho_ss."""
    rows = planes(result, "slice", peak_cell(stationary.density))
    potentials, heads = [_trusted(stationary)], [r"quasi-potential $\tilde\Phi$"]
    limits = view(lived_in(stationary.density[None]), result.bounds)
    home = lived_in(stationary.density[None], COLORED)
    compared = landscape(result)
    if compared is not None:
        loss, name = compared
        potentials.insert(0, loss - loss[home].min())
        heads.insert(0, name)
    row_limits = [[limits[axis] for axis in plane.pair] for plane in rows]
    shapes = [panel_shape(pair) for pair in row_limits]
    marked = handles(stationary)
    balanced = stationary.detailed_balance
    # A difference needs two potentials.
    columns = len(potentials) + (not balanced or len(potentials) == 2)
    equal = len(potentials) == 2 and _equal(potentials[0], potentials[1], home)
    # Without a colour bar of the last panel there is more room for all.
    share = 0.26 if balanced and equal else 0.22
    height = 0.3 + sum(share * PAGE * shape + 0.45 for shape in shapes) + 0.4 * bool(marked)
    figure = new_figure(PAGE * (0.1 + 0.3 * columns), height)
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=shapes)
    for plane, panels, pair_limits in zip(rows, grid, row_limits, strict=True):
        names = tuple(result.names[axis] for axis in plane.pair)
        _potentials(result, plane, panels, potentials, home)
        for axes in panels[: len(potentials)]:
            mark(axes, stationary, plane.pair, pair_limits)
        if not balanced:
            _circulation(result, plane, panels[-1], stationary)
        elif len(potentials) == 2:
            _difference(result, plane, panels[-1], potentials, home, equal)
        for number, axes in enumerate(panels):
            frame_panel(axes, pair_limits, names, number == 0, True)
    heads.append(r"$\tilde\Phi - \Phi$" if balanced else r"$\rho_{ss}$ and $J_{ss}$")
    for axes, head in zip(grid[0], heads, strict=False):
        axes.set_title(head)
    if marked:
        figure.legend(handles=marked, loc="outside lower center", ncols=len(marked))
    return figure


def _geometry(result: Result, plane: Plane) -> tuple[tuple[np.ndarray, ...], ...]:
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    return bounds, tuple(result.centers[axis] for axis in plane.pair)


def _potentials(
    result: Result,
    plane: Plane,
    panels: np.ndarray,
    potentials: list[np.ndarray],
    home: np.ndarray,
) -> None:
    """Phi and Phi~, which is the last, with the same colours and levels."""
    bounds, centers = _geometry(result, plane)
    cut_home = plane.of_density(home)
    cuts = [plane.of_potential(values) for values in potentials]
    # Phi~ ends at log(1/COLORED)/beta; the loss may be a wall there.
    top = float(np.nanmax(cuts[-1][cut_home]))
    levels = contour_levels(cuts[-1], cut_home)
    # Where Phi~ is not known it is above all colours.
    colors = colormaps[POTENTIAL_MAP]
    colors = colors.with_extremes(bad=colors(1.0))
    for axes, values in zip(panels, cuts, strict=False):
        shown = image(axes, values, bounds, cmap=colors, vmin=0.0, vmax=top)
        contours(axes, values, centers, levels)
    label = "above its minimum"
    if plane.label:
        label = f"{plane.label}\n{label}"
    axes.figure.colorbar(shown, ax=list(panels[: len(cuts)]), label=label, extend="max", aspect=25)


def _equal(loss: np.ndarray, quasi: np.ndarray, home: np.ndarray) -> bool:
    """Whether both are the same up to a constant and rounding."""
    return bool(np.ptp((quasi - loss)[home]) < 2.0 * EQUAL * np.ptp(loss[home]))


def _difference(
    result: Result,
    plane: Plane,
    axes: Axes,
    potentials: list[np.ndarray],
    home: np.ndarray,
    equal: bool,
) -> None:
    """Phi~ - Phi up to a constant, on a diverging scale about zero."""
    bounds, _ = _geometry(result, plane)
    values = plane.of_potential(potentials[1] - potentials[0])
    values = values - np.nanmean(values[plane.of_density(home)])
    reach = float(np.nanmax(np.abs(values[plane.of_density(home)])))
    # Equal potentials differ by rounding, which a scale of its own size would paint large.
    scale = 1.0 if equal else reach
    shown = image(axes, values, bounds, cmap="RdBu_r", vmin=-scale, vmax=scale)
    if equal:
        text = f"equal to {reach:.0e}" if reach else "equal"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
        return
    axes.figure.colorbar(shown, ax=axes, label="up to a constant", extend="both", aspect=25)


def _circulation(result: Result, plane: Plane, axes: Axes, stationary: Arrays) -> None:
    """rho_ss with lines of J_ss, wider where the current is stronger."""
    bounds, centers = _geometry(result, plane)
    density = plane.of_density(stationary.density)
    shown = image(axes, density, bounds, cmap=DENSITY_MAP, vmin=0.0)
    if result.ndim == 2:
        draw_current(axes, result, stationary, LINES)
    else:
        current = np.stack([plane.of_density(stationary.current[axis]) for axis in plane.pair])
        fastest = float(np.sqrt((stationary.current**2).sum(axis=0)).max())
        traced_lines(axes, centers, current, fastest)
    axes.figure.colorbar(shown, ax=axes, label=r"$\rho_{ss}$", aspect=25)
