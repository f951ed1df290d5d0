"""The slowest modes of the generator, and its eigenvalues in the complex plane."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io import Arrays
from ..io.result import Result
from .frames import planes
from .style import (
    COLORS,
    COLUMN,
    PAGE,
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

# Modes shown, of a pair one.
CURVES = 4
PANELS = 6
COLUMNS = 3
MAPS_3D = 3
# Imaginary parts below this share of the largest modulus are no oscillation on paper.
TURNING = 1e-6


def modes_figures(result: Result) -> dict[str, Figure]:
    """The first right modes: lines in 1-D, maps in 2-D, marginals in 3-D; none without [spectrum].

    Of complex modes the real part.
    """
    spectrum = result.spectrum
    if spectrum is None:
        return {}
    draw = {1: _lines, 2: _maps, 3: _marginals}[result.ndim]
    return {"modes": draw(result, spectrum)}


def eigenvalues_figures(result: Result) -> dict[str, Figure]:
    """Eigenvalues in the complex plane; nothing where all are real."""
    spectrum = result.spectrum
    if spectrum is None:
        return {}
    values = spectrum.real + 1j * spectrum.imag
    if np.abs(values.imag).max() <= TURNING * np.abs(values).max():
        return {}
    figure = new_figure(COLUMN, 2.8)
    axes = figure.subplots()
    axes.axhline(0.0, color="0.8", linewidth=0.6, zorder=0)
    axes.axvline(0.0, color="0.8", linewidth=0.6, zorder=0)
    turning = values.imag != 0.0
    for chosen, color, marker, label in (
        (~turning, COLORS[0], "o", "real"),
        (turning, COLORS[1], "D", "oscillating"),
    ):
        if chosen.any():
            axes.plot(
                values.real[chosen],
                values.imag[chosen],
                marker,
                color=color,
                markersize=4.5,
                clip_on=False,
                label=label,
            )
    axes.set(
        xlabel=r"Re $\lambda$ = $-$decay rate",
        ylabel=r"Im $\lambda$ = angular frequency",
    )
    figure.legend(loc="outside lower center", ncols=2)
    return {"eigenvalues": figure}


def shown_modes(spectrum: Arrays, count: int) -> list[int]:
    """Numbers of up to ``count`` modes, of a pair the first."""
    return [j for j in range(len(spectrum.real)) if spectrum.imag[j] >= 0.0][:count]


def heading(spectrum: Arrays, number: int) -> str:
    """A mode's number and eigenvalue."""
    real, imag = float(spectrum.real[number]), float(spectrum.imag[number])
    if number == 0 and spectrum.closed:
        return r"$\lambda_0 = 0$: stationary"
    text = _number(real)
    if imag:
        text += rf" \pm {_number(imag)}\,i"
    return rf"$\lambda_{{{number}}} = {text}$"


def _sizes(spectrum: Arrays) -> np.ndarray:
    """Moduli of the right modes."""
    turning = spectrum.modes_imag
    whole = spectrum.modes if turning is None else spectrum.modes + 1j * turning
    return np.asarray(np.abs(whole))


def _number(value: float) -> str:
    """Three digits, powers of ten as mathematics."""
    plain = f"{value:.3g}"
    if "e" not in plain:
        return plain
    digits, power = plain.split("e")
    return rf"{digits}\times10^{{{int(power)}}}"


def _lines(result: Result, spectrum: Arrays) -> Figure:
    """1-D: right modes above left modes, each divided by its largest value where somebody lives."""
    figure = new_figure(COLUMN, 4.2)
    top, bottom = figure.subplots(2, 1, sharex=True)
    x = result.centers[0]
    home = lived_in(_sizes(spectrum)[: 1 + int(spectrum.closed)])
    shown = shown_modes(spectrum, CURVES)
    for color, j in zip(COLORS, shown, strict=False):
        right, left = spectrum.modes[j], spectrum.left[j]
        top.plot(x, right / np.abs(right).max(), color=color, label=heading(spectrum, j))
        scaled = left / np.abs(left[home]).max()
        bottom.plot(x, np.where(np.abs(scaled) < 2.0, scaled, np.nan), color=color)
    for axes, label in ((top, "right modes"), (bottom, "left modes")):
        axes.axhline(0.0, color="0.8", linewidth=0.6, zorder=0)
        axes.set(ylim=(-1.15, 1.15), ylabel=f"{label} / max")
    bottom.set(xlim=view(home, result.bounds)[0], xlabel=symbol(result.names[0]))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def _maps(result: Result, spectrum: Arrays) -> Figure:
    """2-D: images of the first modes over contours of the loss, colours up to their peaks."""
    shown = shown_modes(spectrum, PANELS)
    columns = min(len(shown), COLUMNS)
    rows = -(-len(shown) // columns)
    home = lived_in(_sizes(spectrum)[shown])
    limits = view(home, result.bounds)
    height = min(0.27 * PAGE * panel_shape(limits), 2.6)
    figure = new_figure(PAGE * (0.12 + 0.29 * columns), 0.4 + (height + 0.3) * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    levels = contour_levels(result.loss, home)
    for number, axes in enumerate(panels):
        if number >= len(shown):
            axes.set_axis_off()
            continue
        _map(axes, spectrum.modes[shown[number]], result.bounds)
        contours(axes, result.loss, result.centers, levels, color="0.3")
        axes.set_title(heading(spectrum, shown[number]))
        last = number + columns >= len(shown)
        frame_panel(axes, limits, result.names, number % columns == 0, last)
    _bar(figure, panels)
    return figure


def _marginals(result: Result, spectrum: Arrays) -> Figure:
    """3-D: a row for each pair of axes, a column for each mode, the third axis integrated."""
    shown = shown_modes(spectrum, MAPS_3D + int(spectrum.closed))[int(spectrum.closed) :]
    shown = shown or [0]
    rows = planes(result, "marginal", np.zeros(3, int))
    limits = view(lived_in(_sizes(spectrum)[shown]), result.bounds)
    row_limits = [[limits[axis] for axis in plane.pair] for plane in rows]
    shapes = [panel_shape(pair) for pair in row_limits]
    width = PAGE * (0.15 + 0.27 * len(shown))
    figure = new_figure(width, 0.4 + sum(0.25 * PAGE * shape + 0.4 for shape in shapes))
    grid = figure.subplots(len(rows), len(shown), squeeze=False, height_ratios=shapes)
    for plane, panels, pair_limits in zip(rows, grid, row_limits, strict=True):
        names = tuple(result.names[axis] for axis in plane.pair)
        bounds = tuple(result.bounds[axis] for axis in plane.pair)
        for number, axes in enumerate(panels):
            _map(axes, plane.of_density(spectrum.modes[shown[number]]), bounds)
            frame_panel(axes, pair_limits, names, number == 0, True)
    for axes, j in zip(grid[0], shown, strict=True):
        axes.set_title(heading(spectrum, j))
    _bar(figure, list(grid.flat))
    return figure


def _map(axes: Axes, values: np.ndarray, bounds: tuple[np.ndarray, ...]) -> None:
    # A marginal may vanish by symmetry: then its scale is one, and it is white.
    peak = float(np.abs(values).max()) or 1.0
    image(axes, values / peak, bounds, cmap="RdBu_r", vmin=-1.0, vmax=1.0)


def _bar(figure: Figure, panels: list[Axes]) -> None:
    shown = [axes for axes in panels if axes.images]
    label = "right mode / max"
    figure.colorbar(shown[0].images[0], ax=panels, label=label, fraction=0.05, pad=0.015, aspect=25)
