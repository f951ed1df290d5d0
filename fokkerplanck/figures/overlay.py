"""The last densities of two results over each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import StoreError
from ..io.result import Result
from .frames import planes
from .style import (
    COLORS,
    COLUMN,
    PAGE,
    frame_panel,
    house_style,
    lived_in,
    new_figure,
    panel_shape,
    readable_top,
    save_figure,
    symbol,
    view,
)

# Shares of the mass inside the contours.
SHARES = (0.5, 0.9, 0.99)
LINES: tuple[Any, ...] = ("-", "--")
# Labels are names of files, which a legend cannot hold at any length.
LONGEST = 40


def overlay(
    results: tuple[Result, Result], labels: tuple[str, str], directory: str | Path
) -> Path | None:
    """Draw ``overlay.png`` into a directory and return its path; None without densities.

    Parameters
    ----------
    results : pair of Result
        Of as many parameters.
    labels : pair of str
    directory : path
        Exists.

    Raises
    ------
    StoreError
        If it cannot be written.
    """
    if not all(len(result.kept_frames) for result in results):
        return None
    path = Path(directory) / "overlay.png"
    with house_style():
        figure = overlay_figure(results, tuple(map(_label, labels)))
        try:
            save_figure(figure, path)
        except OSError as error:
            raise StoreError(f"the figure cannot be written: {error.strerror}", path) from error
    return path


def overlay_figure(results: tuple[Result, Result], labels: tuple[str, ...]) -> Figure:
    """Curves in one dimension, else contours around shares of the mass of every pair of axes."""
    limits = _limits(results)
    if results[0].ndim == 1:
        return _curves(results, labels, limits[0])
    found = planes(results[0], "marginal", np.zeros(results[0].ndim, int))
    if len(found) == 1:
        figure = new_figure(PAGE * 0.62, PAGE * 0.62 * min(panel_shape(limits), 1.3) + 0.5)
    else:
        figure = new_figure(PAGE, 2.9)
    panels = list(figure.subplots(1, len(found), squeeze=False).flat)
    for number, axes in enumerate(panels):
        pair = found[number].pair
        for color, style, result in zip(COLORS, LINES, results, strict=False):
            plane = planes(result, "marginal", np.zeros(result.ndim, int))[number]
            density = plane.of_density(result.density[result.kept_frames[-1]])
            _contours(axes, density, tuple(result.centers[a] for a in pair), color, style)
        names = tuple(results[0].names[axis] for axis in pair)
        frame_panel(axes, [limits[axis] for axis in pair], names, True, True)
    shares = ", ".join(f"{share:.0%}" for share in SHARES)
    handles = [
        Line2D([], [], color=color, linestyle=style, label=label)
        for color, style, label in zip(COLORS, LINES, labels, strict=False)
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2, title=f"around {shares} of the mass"
    )
    return figure


def mass_levels(density: np.ndarray, shares: tuple[float, ...] = SHARES) -> np.ndarray:
    """Values above which a density has these shares of its mass, rising; equal ones once.

    Between the values of two cells that differ they are interpolated.

    Parameters
    ----------
    density : ndarray
        On equal cells, not negative.
    """
    falling = np.sort(density, axis=None)[::-1]
    mass = np.cumsum(falling)
    # A cell's own value stands for its middle.
    return np.unique(np.interp(shares, (mass - 0.5 * falling) / mass[-1], falling))


def _contours(
    axes: Axes, density: np.ndarray, centers: tuple[np.ndarray, ...], color: str, style: str
) -> None:
    levels = mass_levels(density)
    # No line runs around the highest cell or along zero.
    levels = levels[(levels > 0.0) & (levels < density.max())]
    if levels.size:
        axes.contour(*centers, density.T, levels, colors=color, linestyles=style, linewidths=1.0)


def _curves(
    results: tuple[Result, Result], labels: tuple[str, ...], limits: tuple[float, float]
) -> Figure:
    figure = new_figure(COLUMN * 1.4, 2.8)
    axes = figure.subplots()
    peaks = []
    for color, style, result, label in zip(COLORS, LINES, results, labels, strict=False):
        density = result.density[result.kept_frames[-1]]
        axes.plot(result.centers[0], density, style, color=color, label=label)
        peaks.append(density.max())
    axes.set(xlim=limits, xlabel=symbol(results[0].names[0]), ylabel=r"density $\rho$")
    axes.set_ylim(0.0, readable_top(np.sort(peaks)))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _limits(results: tuple[Result, Result]) -> list[tuple[float, float]]:
    """What both live in, by axis."""
    found = [
        view(lived_in(result.density[result.kept_frames[-1]][None]), result.bounds)
        for result in results
    ]
    return [
        (min(one[0], other[0]), max(one[1], other[1])) for one, other in zip(*found, strict=True)
    ]


def _label(text: str) -> str:
    # Dollars would be read as mathematics.
    text = text.replace("$", r"\$")
    return text if len(text) <= LONGEST else f"...{text[-LONGEST:]}"
