"""The density at chosen times: curves, images over the loss, marginals and slices."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from ..io.result import Result
from .frames import Plane, chosen_frames, peak_cell, planes
from .style import (
    COLORS,
    COLUMN,
    DENSITY_MAP,
    PAGE,
    TIME_LABEL,
    contour_levels,
    contours,
    frame_panel,
    image,
    lived_in,
    new_figure,
    panel_shape,
    readable_top,
    symbol,
    time_text,
    view,
)

# Peaks within this factor of each other are shown on one colour scale.
COMMON_SCALE = 3.0

# Tails of jumps are powers: this share of the peak and what lies above it are worth a colour.
TAIL_SHARE = 1e-5

CURVES = 8
PANELS = 6
COLUMNS_3D = 4


def density_figures(result: Result) -> dict[str, Figure]:
    """One figure in one and two dimensions, marginals and slices in three; none without frames."""
    if not len(result.kept_frames):
        return {}
    if result.ndim == 1:
        return {"density": _curves(result)}
    if result.ndim == 2:
        return {"density": _panels(result)}
    stems = {"density": "marginal", "density_slices": "slice"}
    return {stem: _matrix(result, kind) for stem, kind in stems.items()}


def _snapshots(result: Result, count: int) -> tuple[np.ndarray, list[str]]:
    """Up to ``count`` densities and their headings, the stationary one last if there is one."""
    stationary = result.stationary
    chosen = chosen_frames(result, count - (stationary is not None))
    densities = [result.density[index] for index in chosen]
    heads = [time_text(float(result.time[index])) for index in chosen]
    if stationary is not None:
        densities.append(stationary.density)
        heads.append("stationary")
    return np.stack(densities), heads


def _curves(result: Result) -> Figure:
    """1-D: densities coloured by time above the loss."""
    figure = new_figure(COLUMN, 3.6)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    chosen = chosen_frames(result, CURVES)
    x, stationary = result.centers[0], result.stationary
    # The light end of the map is not seen on paper.
    colors = colormaps[DENSITY_MAP](np.linspace(0.92, 0.0, len(chosen)))
    for color, index in zip(colors, chosen, strict=True):
        top.plot(x, result.density[index], color=color)
    shown = [result.density[index] for index in chosen]
    if stationary is not None:
        top.plot(x, stationary.density, "k--", linewidth=1.0, label="stationary")
        top.legend(loc="best")
        shown.append(stationary.density)
    edges = np.arange(len(chosen) + 1) - 0.5
    bar = figure.colorbar(
        ScalarMappable(BoundaryNorm(edges, len(chosen)), ListedColormap(colors)),
        ax=top,
        ticks=np.arange(len(chosen)),
        label=TIME_LABEL,
    )
    bar.ax.set_yticklabels([f"{result.time[index]:.3g}" for index in chosen])
    bar.ax.minorticks_off()
    top.set_ylabel(rf"density $\rho$({symbol(result.names[0])})")
    peaks = np.array([curve.max() for curve in shown])
    top.set_ylim(0.0, readable_top(peaks))
    _name_cut_off(top, [float(result.time[index]) for index in chosen], peaks)
    home = lived_in(np.stack(shown))
    ((left, right),) = view(home, result.bounds)
    lived = []
    if stationary is None or np.ptp(result.loss):
        bottom.plot(x, result.loss, color=COLORS[0], label=r"loss $\Phi$")
        lived.append(result.loss[home])
    seen = (x >= left) & (x <= right)
    if stationary is not None:
        # Phi~ has a free constant; put its minimum where the loss has its own.
        quasi = stationary.quasi_potential
        shift = result.loss[seen].min() - np.nanmin(quasi[seen])
        bottom.plot(x, quasi + shift, "--", color=COLORS[1], label=r"$\tilde\Phi$")
        bottom.legend(loc="upper center", ncols=2)
        lived.append((quasi + shift)[home])
    bottom.set(xlim=(left, right), xlabel=symbol(result.names[0]), ylabel="potential")
    low, high = min(map(np.nanmin, lived)), max(map(np.nanmax, lived))
    room = high - low if high > low else 1.0
    bottom.set_ylim(low - 0.08 * room, high + (0.08 if stationary is None else 0.45) * room)
    return figure


def _name_cut_off(axes: Axes, times: list[float], peaks: np.ndarray) -> None:
    """Say how high the curves go that leave the panel."""
    beyond = [
        rf"{time_text(time)}: max $\rho$ = {peak:.3g}"
        for time, peak in zip(times, peaks, strict=False)
        if peak > axes.get_ylim()[1]
    ]
    if beyond:
        axes.set_title("\n".join(beyond), fontsize=8)


def _panels(result: Result) -> Figure:
    """2-D: images of the density over contours of the loss."""
    densities, heads = _snapshots(result, PANELS)
    columns = min(len(heads), 3)
    rows = -(-len(heads) // columns)
    limits = view(_seen(result, densities), result.bounds)
    panel_height = min(0.26 * PAGE * panel_shape(limits), 2.6)
    figure = new_figure(PAGE * (0.1 + 0.3 * columns), 0.4 + (panel_height + 0.25) * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    (plane,) = planes(result, "marginal", np.zeros(2, int))
    panels = list(grid.flat)
    _draw_row(result, plane, panels, densities, _alike(densities))
    for axes, head in zip(panels, heads, strict=False):
        axes.set_title(head)
    for number, axes in enumerate(panels):
        if number >= len(heads):
            axes.set_axis_off()
            continue
        frame_panel(
            axes, limits, result.names, number % columns == 0, number + columns >= len(heads)
        )
    return figure


def _matrix(result: Result, kind: str) -> Figure:
    """3-D: a row for each pair of axes, a column for each time."""
    densities, heads = _snapshots(result, COLUMNS_3D)
    rows = planes(result, kind, peak_cell(densities[-1]))
    limits = view(lived_in(densities), result.bounds)
    row_limits = [[limits[axis] for axis in plane.pair] for plane in rows]
    shapes = [panel_shape(pair) for pair in row_limits]
    figure = new_figure(PAGE, 0.3 + sum(0.19 * PAGE * shape + 0.4 for shape in shapes))
    grid = figure.subplots(len(rows), len(heads), squeeze=False, height_ratios=shapes)
    reduced = [np.stack([plane.of_density(density) for density in densities]) for plane in rows]
    alike = all(_alike(row) for row in reduced)
    for plane, row, panels, pair_limits in zip(rows, reduced, grid, row_limits, strict=True):
        names = tuple(result.names[axis] for axis in plane.pair)
        _draw_row(result, plane, list(panels), row, alike)
        for number, axes in enumerate(panels):
            # Rows have axes of their own, so each shows its labels.
            frame_panel(axes, pair_limits, names, number == 0, True)
    for axes, head in zip(grid[0], heads, strict=True):
        axes.set_title(head)
    return figure


def _heavy(result: Result) -> bool:
    """Whether the noise has jumps, whose tails are seen on a logarithmic scale only."""
    return "over_sides_rate" in result.observables


def _seen(result: Result, densities: np.ndarray) -> np.ndarray:
    """Cells that belong into the picture: where mass is, or anywhere that jumps reach."""
    home = lived_in(densities)
    return np.ones_like(home) if _heavy(result) else home


def _alike(densities: np.ndarray) -> bool:
    """Whether one colour scale shows all of them."""
    peaks = densities.reshape(len(densities), -1).max(axis=1)
    return bool(peaks.max() <= COMMON_SCALE * peaks.min())


def _draw_row(
    result: Result,
    plane: Plane,
    panels: list[Axes],
    densities: np.ndarray,
    common: bool,
) -> None:
    """Images of one plane on one colour scale, with one colour bar.

    A narrow start would leave everything after it dark, so unless ``common`` each image is divided
    by its peak, which is then written into it.
    """
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    centers = tuple(result.centers[axis] for axis in plane.pair)
    loss = plane.of_potential(result.loss)
    levels = contour_levels(loss, lived_in(densities))
    peaks = densities.reshape(len(densities), -1).max(axis=1)
    top = float(peaks.max()) if common else 1.0
    least = TAIL_SHARE * top if _heavy(result) else 0.0
    norm = LogNorm(least, top) if least else Normalize(0.0, top)
    for axes, density, peak in zip(panels, densities, peaks, strict=False):
        values = np.maximum(density if common else density / peak, least)
        shown = image(axes, values, bounds, cmap=DENSITY_MAP, norm=norm)
        contours(axes, loss, centers, levels)
        if not common:
            axes.text(
                0.97,
                0.95,
                rf"max $\rho$ = {peak:.3g}",
                color="white",
                fontsize=8,
                ha="right",
                va="top",
                transform=axes.transAxes,
                bbox={"facecolor": shown.cmap(0.0), "edgecolor": "none", "pad": 1.0},
            )
    label = r"density $\rho$" if common else r"$\rho\,/\,$max $\rho$"
    if plane.label:
        label = f"{plane.label}\n{label}"
    figure = panels[0].figure
    extend = "min" if least else "neither"
    figure.colorbar(
        shown, ax=panels, label=label, fraction=0.05, pad=0.015, aspect=25, extend=extend
    )
