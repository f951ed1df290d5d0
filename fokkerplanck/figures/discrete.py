"""What is stationary under steps of SGD, against rho_ss of (48), over the learning rate."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ..io import Arrays
from ..io.result import Result
from .style import COLORS, PAGE, at_least_a_decade, lived_in, new_figure, symbol, view

# Curves of the map run through these parts of the colour map, dark to light.
SHADES = (0.05, 0.9)
# Learning rates closer than this have no room for two labels.
TICK_RATIO = 1.7


def discrete_figures(result: Result) -> dict[str, Figure]:
    """Marginals of both along every axis, and their distance over eta where there are several."""
    steps = result.discrete
    if steps is None:
        return {}
    scanned = steps.learning_rate is not None and len(steps.learning_rate) > 1
    panels = result.ndim + scanned
    figure = new_figure(max(PAGE * panels / 3, 0.62 * PAGE), 2.9)
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    for axis in range(result.ndim):
        _marginals(axes[axis], result, steps, axis)
    if scanned:
        _distance(axes[-1], steps)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return {"discrete": figure}


def _marginals(axes: Axes, result: Result, steps: Arrays, axis: int) -> None:
    others = tuple(i for i in range(result.ndim) if i != axis)
    share = result.cell_volume / result.grid_spacing[axis]
    curves, rates = steps.scan_density, steps.learning_rate
    if rates is None:
        curves, rates = steps.stationary[None], np.array([steps.rate])
    x = result.centers[axis]
    shown = [curve.sum(axis=others) * share for curve in curves]
    shades = colormaps["viridis"](np.linspace(*SHADES, len(rates)))
    for curve, rate, shade in zip(shown, rates, shades, strict=True):
        axes.plot(x, curve, color=shade, label=rf"$\eta$ = {rate:.3g}")
    if result.stationary is not None:
        rest = result.stationary.density.sum(axis=others) * share
        axes.plot(x, rest, "--", color=COLORS[1], label="diffusion")
        shown.append(rest)
    home = lived_in(np.array(shown))
    axes.set_xlim(*view(home, (result.bounds[axis],))[0])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel(symbol(result.names[axis]))
    axes.set_ylabel("stationary density" if result.ndim == 1 else "marginal at rest")
    axes.locator_params(nbins=5)


def _distance(axes: Axes, steps: Arrays) -> None:
    rates, distance = steps.learning_rate, steps.scan_distance
    axes.loglog(rates, distance, "o-", color=COLORS[0], markersize=4)
    if distance[0] > 0.0:
        axes.loglog(rates, distance[0] * rates / rates[0], ":", color="0.4", label=r"$\propto\eta$")
        axes.annotate(
            r"$\propto\eta$",
            (rates[-1], distance[0] * rates[-1] / rates[0]),
            xytext=(0, -5),
            textcoords="offset points",
            ha="right",
            va="top",
            color="0.4",
        )
    ticks = [rates[0]]
    for rate in rates[1:]:
        if rate > TICK_RATIO * ticks[-1]:
            ticks.append(rate)
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    at_least_a_decade(axes, distance[distance > 0.0])
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(r"learning rate $\eta$ (same $\beta$)")
    axes.set_ylabel("total variation from the diffusion")
