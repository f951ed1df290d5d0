"""The loss beside the quasi-potential, and the current where detailed balance fails."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..result import Result, Stationary
from .frames import Plane, peak_cell, planes
from .style import (
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

# Below this share of its peak rho_ss is rounding, and so is its logarithm.
TRUSTED = 1e-12

# Colours of the potentials reach as far as this share of the peak, lest the walls take them all.
COLORED = 1e-6

# Potentials closer than this, relative to their range, differ by rounding and solver residual.
EQUAL = 1e-9


def quasi_potential_figures(result: Result) -> dict[str, Figure]:
    """Phi and Phi~ on one scale; nothing without a stationary state."""
    stationary = result.stationary
    if stationary is None:
        return {}
    figure = _lines(result, stationary) if result.ndim == 1 else _images(result, stationary)
    return {"quasi_potential": figure}


def _trusted(stationary: Stationary) -> np.ndarray:
    """Phi~ with its minimum at zero, NaN where rho_ss is too small to know it."""
    sure = stationary.density > TRUSTED * stationary.density.max()
    values = np.where(sure, stationary.quasi_potential, np.nan)
    return np.asarray(values - np.nanmin(values))


def _lines(result: Result, stationary: Stationary) -> Figure:
    figure = new_figure(COLUMN, 2.6)
    axes = figure.subplots()
    home = lived_in(stationary.density[None])
    ((left, right),) = view(home, result.bounds)
    x, loss, quasi = result.centers[0], result.loss, _trusted(stationary)
    loss = loss - loss[home].min()
    axes.plot(x, loss, color=COLORS[0], label=r"$\Phi$")
    axes.plot(x, quasi, "--", color=COLORS[1], label=r"$\tilde\Phi$")
    if not stationary.detailed_balance:
        current = float(np.mean(stationary.current))
        axes.plot([], [], " ", label=f"$J$ = {current:.3g}")
    top = 1.1 * max(loss[home].max(), quasi[home].max())
    axes.set(
        xlim=(left, right),
        ylim=(-0.05 * top, top),
        xlabel=symbol(result.names[0]),
        ylabel="potential above its minimum",
    )
    axes.legend(loc="best")
    return figure


def _images(result: Result, stationary: Stationary) -> Figure:
    """A row for each pair of axes, cut through the peak of rho_ss."""
    rows = planes(result, "slice", peak_cell(stationary.density))
    quasi = _trusted(stationary)
    limits = view(lived_in(stationary.density[None]), result.bounds)
    home = lived_in(stationary.density[None], COLORED)
    row_limits = [[limits[axis] for axis in plane.pair] for plane in rows]
    shapes = [panel_shape(pair) for pair in row_limits]
    figure = new_figure(PAGE, 0.3 + sum(0.22 * PAGE * shape + 0.45 for shape in shapes))
    grid = figure.subplots(len(rows), 3, squeeze=False, height_ratios=shapes)
    loss = result.loss - result.loss[home].min()
    for plane, panels, pair_limits in zip(rows, grid, row_limits, strict=True):
        names = tuple(result.names[axis] for axis in plane.pair)
        _potentials(result, plane, panels, loss, quasi, home)
        if stationary.detailed_balance:
            _difference(result, plane, panels[2], quasi - loss, home)
        else:
            _circulation(result, plane, panels[2], stationary)
        for number, axes in enumerate(panels):
            frame_panel(axes, pair_limits, names, number == 0, True)
    last = "$\\tilde\\Phi - \\Phi$" if stationary.detailed_balance else r"$\rho_{ss}$ and $J_{ss}$"
    for axes, head in zip(
        grid[0], (r"loss $\Phi$", r"quasi-potential $\tilde\Phi$", last), strict=True
    ):
        axes.set_title(head)
    return figure


def _geometry(result: Result, plane: Plane) -> tuple[tuple[np.ndarray, ...], ...]:
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    return bounds, tuple(result.centers[axis] for axis in plane.pair)


def _potentials(
    result: Result,
    plane: Plane,
    panels: np.ndarray,
    loss: np.ndarray,
    quasi: np.ndarray,
    home: np.ndarray,
) -> None:
    """Phi and Phi~ with the same colours and levels."""
    bounds, centers = _geometry(result, plane)
    cut_home = plane.of_density(home)
    cuts = [plane.of_potential(values) for values in (loss, quasi)]
    # Phi~ ends at log(1/COLORED)/beta; the loss may be a wall there.
    top = float(np.nanmax(cuts[1][cut_home]))
    levels = contour_levels(cuts[1], cut_home)
    for axes, values in zip(panels, cuts, strict=False):
        shown = image(axes, values, bounds, cmap=POTENTIAL_MAP, vmin=0.0, vmax=top)
        contours(axes, values, centers, levels)
    label = "above its minimum"
    if plane.label:
        label = f"{plane.label}\n{label}"
    axes.figure.colorbar(shown, ax=list(panels[:2]), label=label, extend="max", aspect=25)


def _difference(
    result: Result, plane: Plane, axes: Axes, difference: np.ndarray, home: np.ndarray
) -> None:
    """Phi~ - Phi up to a constant, on a diverging scale about zero."""
    bounds, _ = _geometry(result, plane)
    values = plane.of_potential(difference)
    values = values - np.nanmean(values[plane.of_density(home)])
    reach = float(np.nanmax(np.abs(values[plane.of_density(home)])))
    equal = reach < EQUAL * float(np.ptp(result.loss[home]))
    # Equal potentials differ by rounding, which a scale of its own size would paint large.
    scale = 1.0 if equal else reach
    shown = image(axes, values, bounds, cmap="RdBu_r", vmin=-scale, vmax=scale)
    if equal:
        text = f"equal to {reach:.0e}" if reach else "equal"
        axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
        return
    axes.figure.colorbar(shown, ax=axes, label="up to a constant", extend="both", aspect=25)


def _circulation(result: Result, plane: Plane, axes: Axes, stationary: Stationary) -> None:
    """rho_ss with streamlines of J_ss, wider where the current is stronger."""
    bounds, centers = _geometry(result, plane)
    density = plane.of_density(stationary.density)
    shown = image(axes, density, bounds, cmap=DENSITY_MAP, vmin=0.0)
    first, second = (plane.of_density(stationary.current[axis]).T for axis in plane.pair)
    speed = np.hypot(first, second)
    # Streamlines of rounding noise far out would only be clutter.
    weak = speed < 1e-3 * speed.max()
    across, up = _even(centers)
    axes.streamplot(
        across,
        up,
        np.where(weak, np.nan, first),
        np.where(weak, np.nan, second),
        color="white",
        density=0.8,
        linewidth=0.3 + 1.2 * speed / max(float(speed.max()), 1e-300),
        arrowsize=0.7,
    )
    axes.figure.colorbar(shown, ax=axes, label=r"$\rho_{ss}$", aspect=25)


def _even(centers: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Cell centres with the rounding of their spacing removed, which streamplot refuses."""
    return [np.linspace(center[0], center[-1], len(center)) for center in centers]
