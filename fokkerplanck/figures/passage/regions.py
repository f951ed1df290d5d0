"""What the figures of first passage share: regions, views, and times in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure

from ...io import Arrays
from ...io.result import Result
from ..frames import Plane, peak_cell, planes
from ..style import lived_in, new_figure, panel_shape, view

# Regions lie flat over everything else.
REGION = "0.72"
# Times over less than this ratio are shown on a linear scale.
DECADES = 30.0
# White letters are read on any colour with a dark rim.
OUTLINE = [patheffects.withStroke(linewidth=1.8, foreground="black")]
# A region that is hardly seen in the part of the box shown is still given this much of it.
ROOM = 0.02


def target_cells(found: Arrays) -> np.ndarray:
    """Cells of the target: the time from there is zero."""
    return np.asarray(found.mean_time == 0.0)


def source_cells(found: Arrays) -> np.ndarray:
    """Cells of the source: the committor is zero there."""
    return np.asarray((found.committor == 0.0) & (found.mean_time > 0.0))


def limits_of(result: Result) -> list[tuple[float, float]]:
    """Part of the box to show: where rho_ss lives, where it is known, and all starts."""
    found = result.passage
    if result.stationary is None:
        return [(float(f[0, 0]), float(f[-1, 1])) for f in result.bounds]
    home = lived_in(result.stationary.density[None])
    if found is not None and found.start_position is not None:
        for place in found.start_position:
            cell = tuple(
                int(np.argmin(np.abs(c - x))) for c, x in zip(result.centers, place, strict=True)
            )
            home[cell] = True
    return view(home, result.bounds)


def sections(result: Result) -> list[Plane]:
    """Planes through the first start, or through the peak of rho_ss."""
    found = result.passage
    if found is not None and found.start_position is not None:
        at = np.array(
            [
                int(np.argmin(np.abs(c - x)))
                for c, x in zip(result.centers, found.start_position[0], strict=True)
            ]
        )
    elif result.stationary is not None:
        at = peak_cell(result.stationary.density)
    else:
        at = np.array(result.shape) // 2
    return planes(result, "slice", at)


def stacked(
    result: Result,
) -> tuple[Figure, list[tuple[Plane, Axes, list[tuple[float, float]]]]]:
    """A figure with the panels of :func:`sections` one below the other, and what each shows."""
    rows, limits = sections(result), limits_of(result)
    row_limits = [[limits[axis] for axis in plane.pair] for plane in rows]
    shapes = [panel_shape(pair) for pair in row_limits]
    # Tall panels are drawn narrower.
    width = 4.4 / max(1.0, *shapes) ** 0.5
    height = 0.35 + sum(0.68 * width * shape + 0.45 for shape in shapes)
    figure = new_figure(width, height)
    grid = figure.subplots(len(rows), 1, squeeze=False, height_ratios=shapes)[:, 0]
    return figure, list(zip(rows, grid, row_limits, strict=True))


def cover(axes: Axes, cells: np.ndarray, bounds: tuple[np.ndarray, ...]) -> None:
    """Lay a flat colour over the cells of a region, (n_1, n_2)."""
    first, second = bounds
    extent = (first[0, 0], first[-1, 1], second[0, 0], second[-1, 1])
    axes.imshow(
        np.where(cells, 1.0, np.nan).T,
        origin="lower",
        extent=extent,
        aspect="auto",
        interpolation="nearest",
        cmap=ListedColormap([REGION]),
        zorder=1.5,
    )


def label_region(
    axes: Axes,
    cells: np.ndarray,
    centers: tuple[np.ndarray, ...],
    limits: list[tuple[float, float]],
    text: str,
) -> None:
    """A letter on the visible cell of a region that is furthest inside it."""
    seen = cells.copy()
    for axis, (center, (lower, upper)) in enumerate(zip(centers, limits, strict=True)):
        shape = [-1 if i == axis else 1 for i in range(2)]
        room = ROOM * (upper - lower)
        seen &= ((center > lower + room) & (center < upper - room)).reshape(shape)
    if not seen.any():
        return
    depth = np.zeros(cells.shape)
    inside = seen.copy()
    while inside.any():
        depth += inside
        padded = np.pad(inside, 1)
        inside = (
            inside & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        )
    place = np.unravel_index(int(np.argmax(depth)), cells.shape)
    x, y = (float(c[i]) for c, i in zip(centers, place, strict=True))
    rim = [patheffects.withStroke(linewidth=2.0, foreground="white")]
    axes.text(
        x, y, text, ha="center", va="center", fontsize=8, zorder=5, clip_on=True, path_effects=rim
    )


def scale_of(values: np.ndarray) -> tuple[Any, bool]:
    """Colour scale of positive times, logarithmic where they span more than ``DECADES``."""
    known = values[np.isfinite(values) & (values > 0.0)]
    low, high = float(known.min()), float(known.max())
    if high > DECADES * low:
        # The last cells before a target would take all colours.
        return LogNorm(max(low, float(np.quantile(known, 0.02))), high), True
    return Normalize(0.0, high), False


def time_words(time: float) -> str:
    """A time to three digits as mathematics."""
    if not np.isfinite(time):
        return r"$\infty$"
    if 1e-3 <= time < 1e4:
        return f"{float(f'{time:.3g}'):g}"
    exponent = int(np.floor(np.log10(time)))
    return rf"${time / 10.0**exponent:.2f} \times 10^{{{exponent}}}$"
