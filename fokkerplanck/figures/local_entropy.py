"""Phi, Phi~ and Phi_ent with their minima."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io import Arrays
from ..io.result import Result
from .style import COLORS, PAGE, POTENTIAL_MAP, image, new_figure, symbol

# Curves or maps of local entropy that are shown.
SHOWN = 4
# Values this far above the lowest are not shown: the walls would take the whole panel.
CEILING = 1.6


def local_entropy_figures(result: Result) -> dict[str, Figure]:
    """The loss and its local entropies with their minima, and the depths of these over gamma."""
    found = result.smoothing
    if found is None or result.ndim > 2:
        return {}
    picked = np.unique(
        np.linspace(0, len(found.gamma) - 1, min(SHOWN, len(found.gamma))).round().astype(int)
    )
    if result.ndim == 1:
        figure = new_figure(PAGE, 2.9)
        left, right = figure.subplots(1, 2, width_ratios=[1.3, 1.0])
        _curves(left, result, found, picked)
        _depths(right, found)
        return {"local_entropy": figure}
    figure = new_figure(PAGE, 2.5)
    panels = figure.subplots(1, 1 + len(picked[:2]), squeeze=False)[0]
    _map(panels[0], result, result.loss, "$\\Phi$", _of_loss(found, result.ndim))
    for axes, number in zip(panels[1:], picked, strict=False):
        title = rf"$\Phi_{{\rm ent}}$, $\gamma = {found.gamma[number]:g}$"
        places = _of_gamma(found, number, result.ndim)
        _map(axes, result, found.local_entropy[number], title, places)
    figures = {"local_entropy": figure}
    if found.flatness is not None and found.flatness.size > 1:
        depths = new_figure(0.5 * PAGE, 2.6)
        _depths(depths.subplots(), found)
        figures["local_entropy_depths"] = depths
    return figures


def _of_loss(found: Arrays, ndim: int) -> np.ndarray:
    """Minima of the loss, (m, d)."""
    return np.empty((0, ndim)) if found.loss_minima is None else np.asarray(found.loss_minima)


def _of_gamma(found: Arrays, number: int, ndim: int) -> np.ndarray:
    """Minima of one local entropy, (m, d)."""
    for k, field in enumerate(() if found.field is None else found.field):
        if field == "local_entropy" and found.knob[k] == found.gamma[number]:
            places = found.places[k]
            return np.asarray(places[~np.isnan(places[:, 0])])
    return np.empty((0, ndim))


def _curves(axes: Axes, result: Result, found: Arrays, picked: np.ndarray) -> None:
    x = result.centers[0]
    entries = [(result.loss, r"$\Phi$", _of_loss(found, 1), "black", "-")]
    if result.stationary is not None:
        quasi = result.stationary.quasi_potential
        entries.append((quasi, r"$\tilde\Phi$", np.empty((0, 1)), "0.5", "--"))
    entries += [
        (found.local_entropy[k], rf"$\Phi_{{\rm ent}}$, $\gamma = {found.gamma[k]:g}$",
         _of_gamma(found, k, 1), COLORS[i % len(COLORS)], "-")
        for i, k in enumerate(picked)
    ]  # fmt: skip
    barrier = _barrier(result, found)
    for values, label, minima, color, style in entries:
        lowered = values - values.min()
        axes.plot(x, lowered, color=color, linestyle=style, label=label)
        heights = np.interp(minima[:, 0], x, lowered)
        axes.plot(minima[:, 0], heights, "o", color=color, markersize=4, markerfacecolor="white")
    room = CEILING * barrier
    inside = np.flatnonzero(result.loss - result.loss.min() <= room)
    axes.set_xlim(x[inside[0]], x[inside[-1]])
    axes.set_ylim(-0.04 * room, room)
    axes.legend(loc="upper center", ncols=2, columnspacing=1.0, handlelength=1.6)
    axes.set(
        xlabel=symbol(result.names[0]), ylabel="above the lowest value", title="loss and smoothings"
    )


def _barrier(result: Result, found: Arrays) -> float:
    """Highest value of the loss between its minima, above the lowest; else its median."""
    x, loss = result.centers[0], result.loss
    minima = _of_loss(found, 1)
    if len(minima) > 1:
        low, high = minima[:, 0].min(), minima[:, 0].max()
        between = loss[(x >= low) & (x <= high)]
        return float(between.max() - loss.min())
    return float(np.median(loss) - loss.min())


def _map(axes: Axes, result: Result, values: np.ndarray, title: str, minima: np.ndarray) -> None:
    top = float(np.quantile(values, 0.6))
    image(axes, np.minimum(values, top), result.bounds, cmap=POTENTIAL_MAP)
    axes.plot(minima[:, 0], minima[:, 1], "o", color="white", markersize=5, markeredgecolor="black")
    axes.set(title=title, xlabel=symbol(result.names[0]), ylabel=symbol(result.names[1]))


def _depths(axes: Axes, found: Arrays) -> None:
    """How far each minimum of Phi lies above the deepest one, over gamma."""
    fields = () if found.field is None else found.field
    rows = [k for k, field in enumerate(fields) if field == "local_entropy"]
    rows.sort(key=lambda k: found.knob[k])
    for number, place in enumerate(_of_loss(found, 1)):
        name = ", ".join(f"{value:.3g}" for value in place)
        label = f"minimum at {name}" + (" (flattest)" if number == found.flatness.argmin() else "")
        color = COLORS[number % len(COLORS)]
        axes.plot(
            found.knob[rows], found.depths[rows, number], "o-", color=color, markersize=3,
            label=label,
        )  # fmt: skip
        axes.axhline(found.depths[0, number], color=color, linestyle=":", linewidth=1.0)
    axes.set_xscale("log")
    axes.legend(loc="best")
    axes.set(
        xlabel=r"$\gamma$", ylabel="above the deepest",
        title=r"minima of $\Phi_{\rm ent}$ (dotted: of $\Phi$)",
    )  # fmt: skip
