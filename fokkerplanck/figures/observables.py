"""Moments, the expected loss and its two rates, and what should be conserved, against time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io.result import Result
from .style import COLORS, MARKERS, PAGE, TIME_LABEL, new_figure, symbol


def observables_figures(result: Result) -> dict[str, Figure]:
    """A panel for each observable that is there."""
    painters: list[tuple[str, Callable[[Axes, Result], None]]] = [
        ("mean", _moments),
        ("expected_loss", _loss),
        ("loss_rate", _rates),
        ("mass", _mass),
    ]
    present = [painter for name, painter in painters if name in result.observables]
    if not present or len(result.time) < 2:
        return {}
    columns = min(len(present), 2)
    rows = -(-len(present) // columns)
    figure = new_figure(PAGE * columns / 2, 2.3 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for number, axes in enumerate(grid.flat):
        if number >= len(present):
            axes.set_axis_off()
            continue
        present[number](axes, result)
        if number + columns >= len(present):
            axes.set_xlabel(TIME_LABEL)
            axes.tick_params(labelbottom=True)
    return {"observables": figure}


def _moments(axes: Axes, result: Result) -> None:
    mean = result.observables["mean"]
    covariance = result.observables.get("covariance")
    for axis, (name, color) in enumerate(zip(result.names, COLORS, strict=False)):
        axes.plot(result.time, mean[:, axis], color=color, label=symbol(name))
        if covariance is not None:
            deviation = np.sqrt(np.maximum(covariance[:, axis, axis], 0.0))
            low, high = mean[:, axis] - deviation, mean[:, axis] + deviation
            axes.fill_between(result.time, low, high, color=color, alpha=0.2, linewidth=0)
    axes.legend(loc="best", ncols=result.ndim)
    axes.set_ylabel("mean" if covariance is None else r"mean $\pm$ one standard deviation")


def _loss(axes: Axes, result: Result) -> None:
    axes.plot(result.time, result.observables["expected_loss"], color=COLORS[0])
    axes.set_ylabel(r"expected loss $E[\Phi]$")


def _rates(axes: Axes, result: Result) -> None:
    """Both sides of (42)."""
    axes.axhline(0.0, color="0.7", linewidth=0.6)
    axes.plot(result.time, result.observables["loss_rate"], color=COLORS[0], label=r"$dE[\Phi]/dt$")
    if "loss_rate_dynkin" in result.observables:
        axes.plot(
            result.time,
            result.observables["loss_rate_dynkin"],
            linestyle="none",
            marker="o",
            markersize=3,
            markevery=max(1, len(result.time) // MARKERS),
            markerfacecolor="none",
            color=COLORS[1],
            label=r"$E[-|\nabla\Phi|^2 + \beta^{-1}\,\mathrm{tr}(H\Sigma)]$",
        )
    axes.legend(loc="best")
    axes.set_ylabel("rate of the expected loss")


def _mass(axes: Axes, result: Result) -> None:
    """The drift of the mass in units of 1e-15 where nothing leaks, else the mass itself."""
    mass = result.observables["mass"]
    drift = mass - mass[0]
    if np.abs(drift).max() < 1e-9:
        axes.plot(result.time, drift * 1e15, color=COLORS[0])
        axes.axhline(0.0, color="0.7", linewidth=0.6)
        axes.set_ylabel(r"change of the mass ($10^{-15}$)")
    else:
        axes.plot(result.time, mass, color=COLORS[0])
        axes.set_ylabel("mass")
