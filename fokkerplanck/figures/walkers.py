"""Walkers against the density: marginals with the bands that chance allows, and paths over it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..io import Arrays
from ..io.result import Result
from ..validation import band, cell_masses, coarsened, wilson
from .frames import chosen_frames
from .style import (
    COLORS,
    COLUMN,
    DENSITY_MAP,
    PAGE,
    TIME_LABEL,
    axis_label,
    frame_panel,
    image,
    is_symbol,
    lived_in,
    new_figure,
    panel_shape,
    symbol,
    time_text,
    view,
)

# Bins of a marginal: enough for its shape, few enough for their bars to be told apart.
BINS = 40
# A bin with fewer walkers expected has a noise of more than a tenth: it would set the scale.
LEAST = 100.0
TIMES = 3
LEVEL = 0.95
PATHS = 3
# Dots at the output times: the lines between them are no paths where these are far apart.
DOTS: dict[str, Any] = {"marker": ".", "markersize": 2.5, "linewidth": 0.5}
# Half the height of a panel of differences, in half widths of the band where the mass is.
ROOM = 2.2


def walkers_figures(result: Result) -> dict[str, Figure]:
    """Marginals of both, and paths where some were kept; none without walkers and a density."""
    walkers = result.ensemble
    if walkers is None or not _frames(result, walkers):
        return {}
    figures = {"walkers": _marginals(result, walkers)}
    if walkers.trajectories is not None and len(walkers.trajectories):
        painter = _paths_in_time if result.ndim == 1 else _paths
        figures["walkers_paths"] = painter(result, walkers)
    return figures


def _frames(result: Result, walkers: Arrays) -> list[int]:
    """Numbers of some frames of both after the start, the last one last."""
    kept = [int(k) for k in result.kept_frames if 0 < k < len(walkers.time)]
    chosen = [int(k) for k in chosen_frames(result, TIMES + 1) if k in kept[:-1]]
    return [*chosen[: TIMES - 1], *kept[-1:]]


def pooled(
    masses: np.ndarray, counts: np.ndarray, edges: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expected masses, counts and edges of the bins of one axis where the density lives.

    Parameters
    ----------
    masses : ndarray of the grid's shape
        Probabilities of the cells.
    counts : ndarray of the grid's shape
    edges : ndarray, shape (n + 1,)
        Faces of the axis.
    axis : int
    """
    others = tuple(i for i in range(masses.ndim) if i != axis)
    expected, found = masses.sum(axis=others), counts.sum(axis=others)
    lived = np.flatnonzero(lived_in(expected[None]))
    first, last = int(lived[0]), int(lived[-1]) + 1
    width = math.ceil((last - first) / BINS)
    starts = np.arange(first, last, width)
    stops = np.minimum(starts + width, last)
    below = np.append(0.0, expected.cumsum())
    number = np.append(0, found.cumsum())
    return (
        below[stops] - below[starts],
        number[stops] - number[starts],
        edges[np.append(starts, stops[-1])],
    )


def _marginals(result: Result, walkers: Arrays) -> Figure:
    """A column for each axis: densities at some times, and the last difference in its band."""
    grid = result.grid
    frames = _frames(result, walkers)
    figure = new_figure(COLUMN * 1.15 if result.ndim == 1 else PAGE, 3.9)
    panels = figure.subplots(2, result.ndim, squeeze=False, sharex="col", height_ratios=(2.2, 1))
    for number, frame in enumerate(frames):
        masses = cell_masses(grid, result.density[frame].astype(float))
        counts = coarsened(walkers.counts[frame], grid.shape)
        color = COLORS[number]
        for axis in range(result.ndim):
            edges = np.append(result.bounds[axis][:, 0], result.bounds[axis][-1, 1])
            expected, found, bins = pooled(masses, counts, edges, axis)
            _histogram(panels[0, axis], expected, found, bins, walkers.particles, color)
            if frame == frames[-1]:
                _difference(panels[1, axis], expected, found, bins, walkers.particles, color)
    for axis, name in enumerate(result.names):
        mark = symbol(name)
        panels[0, axis].set_ylim(bottom=0.0)
        # A word takes a line of its own: the label would reach beyond the panel.
        gap = " " if is_symbol(mark) else "\n"
        head = f"marginal density{gap}of {axis_label(name)}"
        panels[0, axis].set_ylabel(head if result.ndim > 1 else "density")
        panels[1, axis].set_xlabel(axis_label(name))
    panels[1, 0].set_ylabel("difference (%)")
    labels = [time_text(float(walkers.time[frame])) for frame in frames]
    panels[0, 0].plot([], [], color="0.3", label="density")
    panels[0, 0].errorbar([], [], yerr=[], fmt="o", markersize=2.5, color="0.3", label="walkers")
    for number, label in enumerate(labels):
        panels[0, 0].plot([], [], "s", color=COLORS[number], label=label)
    panels[1, 0].fill_between([], [], [], color="0.85", label="95 % of the differences, by chance")
    figure.legend(loc="outside lower center", ncols=2 if result.ndim == 1 else 3)
    figure.suptitle(f"{walkers.particles:,} walkers, {walkers.method}", fontsize=9)
    return figure


def _histogram(
    axes: Axes,
    expected: np.ndarray,
    found: np.ndarray,
    bins: np.ndarray,
    particles: int,
    color: str,
) -> None:
    widths, middle = np.diff(bins), 0.5 * (bins[1:] + bins[:-1])
    axes.plot(middle, expected / widths, color=color, linewidth=1.0)
    low, high = wilson(found, particles, LEVEL)
    axes.vlines(middle, low / widths, high / widths, color=color, linewidth=0.8)
    axes.plot(middle, found / particles / widths, "o", color=color, markersize=2.5)


def _difference(
    axes: Axes,
    expected: np.ndarray,
    found: np.ndarray,
    bins: np.ndarray,
    particles: int,
    color: str,
) -> None:
    """Relative differences of the bins, in per cent, over the band of the binomial law."""
    full = expected * particles >= LEAST
    low, high = band(expected[full], particles, LEVEL)
    middle = (0.5 * (bins[1:] + bins[:-1]))[full]
    share = expected[full]
    axes.axhline(0.0, color="0.6", linewidth=0.6)
    axes.fill_between(
        middle, 100 * (low / share - 1), 100 * (high / share - 1), color="0.85", linewidth=0
    )
    points = 100 * (found[full] / particles / share - 1)
    axes.plot(middle, points, "o", color=color, markersize=2.5)
    if share.size:
        center = share > 0.05 * share.max()
        half = 100 * float((high / share - 1)[center].max())
        reach = max(ROOM * half, 1.15 * float(np.abs(points[center]).max()))
        axes.set_ylim(-reach, reach)


def _paths_in_time(result: Result, walkers: Arrays) -> Figure:
    """1-D: the density over time and place, with paths through it."""
    figure = new_figure(COLUMN * 1.3, 2.9)
    axes = figure.subplots()
    kept = result.kept_frames
    density = result.density[kept]
    ((low, high),) = view(lived_in(density), result.bounds)
    rise = density / density.max(axis=1, keepdims=True)
    edges = np.append(result.bounds[0][:, 0], result.bounds[0][-1, 1])
    time = result.time[kept]
    middle = 0.5 * (time[1:] + time[:-1])
    shown = axes.pcolormesh(
        np.concatenate([time[:1], middle, time[-1:]]),
        edges,
        rise.T,
        cmap=DENSITY_MAP,
        rasterized=True,
    )
    for color, path in zip(_colors(), walkers.trajectories[:PATHS], strict=False):
        axes.plot(walkers.time, path[:, 0], color=color, **DOTS)
    axes.set(xlabel=TIME_LABEL, ylabel=symbol(result.names[0]), ylim=(low, high))
    figure.colorbar(shown, ax=axes, label=r"$\rho\,/\,$max $\rho$ at each time")
    return figure


def _paths(result: Result, walkers: Arrays) -> Figure:
    """Paths over the last density, on every pair of axes."""
    paths = walkers.trajectories[:PATHS]
    kept = [int(k) for k in result.kept_frames if k < paths.shape[1]]
    last = result.density[kept[-1]]
    pairs = list(combinations(range(result.ndim), 2))
    limits = view(lived_in(result.density[[kept[0], kept[-1]]]), result.bounds)
    width = PAGE if len(pairs) > 1 else 1.25 * COLUMN
    shapes = [panel_shape([limits[i] for i in pair]) for pair in pairs]
    share = 0.85 * width / len(pairs)
    figure = new_figure(width, min(max(0.8 * share * max(shapes) + 0.7, 2.2), 5.0))
    panels = figure.subplots(1, len(pairs), squeeze=False)[0]
    for axes, pair in zip(panels, pairs, strict=True):
        (rest, spacing) = _others(result, pair)
        shown = last.sum(axis=rest, dtype=np.float64) * spacing if rest else last
        bounds = tuple(result.bounds[i] for i in pair)
        image(axes, shown / shown.max(), bounds, cmap=DENSITY_MAP, norm=Normalize(0.0, 1.0))
        for color, path in zip(_colors(), paths, strict=False):
            x, y = path[:, pair[0]], path[:, pair[1]]
            axes.plot(x, y, color=color, **DOTS)
            axes.plot(x[:1], y[:1], "o", color=color, markersize=4, markeredgecolor="black")
        names = tuple(result.names[i] for i in pair)
        frame_panel(axes, [limits[i] for i in pair], names, True, True)
    head = "density" if len(pairs) == 1 else "marginal"
    figure.colorbar(
        ScalarMappable(Normalize(0.0, 1.0), DENSITY_MAP),
        ax=list(panels),
        label=rf"last {head}, $\rho\,/\,$max $\rho$",
        fraction=0.05,
        pad=0.015,
        aspect=25,
    )
    figure.suptitle("walkers at the output times, from their starts (circles)", fontsize=9)
    return figure


def _others(result: Result, pair: tuple[int, ...]) -> tuple[tuple[int, ...], float]:
    """Axes beside a pair, and the volume of a cell along them."""
    rest = tuple(i for i in range(result.ndim) if i not in pair)
    return rest, float(np.prod([result.grid_spacing[i] for i in rest]))


def _colors() -> Iterator[str]:
    """Colours that are seen on the whole of the density's map."""
    yield from ("white", COLORS[1], COLORS[3])
