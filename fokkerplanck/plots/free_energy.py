"""The fall of the free energy to its limit -(1/beta) log Z, (46)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..result import Result
from .style import COLORS, MARKERS, PAGE, TIME_LABEL, new_figure


def free_energy_figures(result: Result) -> dict[str, Figure]:
    """F(t) with its limit, the distance to the limit, and the rate against the dissipation.

    The limit is known with the divergence to the stationary state: F - F_ss = KL/beta. Without it
    the panel of the distance is left out.
    """
    series = result.observables
    if "free_energy" not in series or len(result.time) < 2:
        return {}
    divergence = series.get("kl_to_stationary")
    excess = None
    if divergence is not None and np.isfinite(divergence).any():
        excess = divergence / result.beta
    panels = 1 + (excess is not None) + ("dissipation" in series)
    figure = new_figure(PAGE * panels / 3 + 0.3 * (3 - panels), 2.5)
    axes = list(figure.subplots(1, panels, squeeze=False).flat)
    _fall(axes.pop(0), result, excess)
    if excess is not None:
        _distance(axes.pop(0), result, excess)
    if axes:
        _rate(axes.pop(0), result)
    return {"free_energy": figure}


def _fall(axes: Axes, result: Result, excess: np.ndarray | None) -> None:
    axes.plot(result.time, result.observables["free_energy"], color=COLORS[0], label="$F(t)$")
    if excess is not None:
        limit = _limit(result.observables["free_energy"], excess)
        axes.axhline(
            limit,
            color="black",
            linestyle="--",
            linewidth=1.0,
            label=rf"$-\frac{{1}}{{\beta}}\,\log Z = {limit:.4g}$",
        )
    axes.legend(loc="upper right")
    axes.set(xlabel=TIME_LABEL, ylabel="free energy $F$", title="free energy")


def _distance(axes: Axes, result: Result, excess: np.ndarray) -> None:
    shown = _positive(excess)
    axes.semilogy(result.time, shown, color=COLORS[0])
    axes.set(
        xlabel=TIME_LABEL,
        ylabel=r"$F - F_\infty = \mathrm{KL}(\rho\,\|\,\rho_{ss})/\beta$",
        title="distance to the limit",
    )
    _at_least_a_decade(axes, shown)


def _rate(axes: Axes, result: Result) -> None:
    """Dissipation at the frames, and the mean of -dF/dt between them."""
    time, energy = result.time, result.observables["free_energy"]
    dissipation = _positive(result.observables["dissipation"])
    # Differences of F are rounding noise once F no longer changes in its last digits.
    fall = -np.diff(energy)
    noise = 64 * np.finfo(np.float64).eps * np.abs(energy).max()
    slope = np.where(fall > noise, fall, np.nan) / np.diff(time)
    axes.semilogy(time, dissipation, color=COLORS[0], label="dissipation")
    axes.semilogy(
        (time[:-1] + time[1:]) / 2,
        slope,
        linestyle="none",
        marker="o",
        markersize=3,
        markevery=max(1, len(time) // MARKERS),
        markerfacecolor="none",
        color=COLORS[1],
        label=r"$-\Delta F/\Delta t$",
    )
    axes.legend(loc="upper right")
    axes.set(xlabel=TIME_LABEL, ylabel="rate", title="rate of fall")
    _at_least_a_decade(axes, np.concatenate([dissipation, slope]))


def _limit(energy: np.ndarray, excess: np.ndarray) -> float:
    """F_ss from the last frame at which both are known."""
    known = np.flatnonzero(np.isfinite(energy - excess))
    return float(energy[known[-1]] - excess[known[-1]])


def _positive(values: np.ndarray) -> np.ndarray:
    """Values a logarithmic axis can show; at equilibrium rounding makes some negative."""
    return np.where(values > 0, values, np.nan)


def _at_least_a_decade(axes: Axes, values: np.ndarray) -> None:
    """Keep a logarithmic axis from zooming into rounding, where only minor ticks are left."""
    finite = values[np.isfinite(values)]
    if finite.size and finite.max() < 10 * finite.min():
        middle = float(np.sqrt(finite.max() * finite.min()))
        axes.set_ylim(middle / 10, middle * 10)
