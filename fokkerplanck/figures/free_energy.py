"""The fall of the free energy to its limit -(1/beta) log Z, (46)."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io.result import Result
from .style import (
    COLORS,
    MARKERS,
    PAGE,
    TIME_LABEL,
    at_least_a_decade,
    new_figure,
    positive,
    settled,
    until,
)

# Below this share of the fall of F the naive free energy is the same curve on paper.
SAME = 1e-2
# A limit this small, relative to the fall, is rounding.
ROUNDING = 1e-9
# Steps upwards smaller than this share of the whole range are not seen.
SEEN = 2e-3


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
    ratios = [1.0 if _naive(result) is None else 1.4, *[1.0] * (panels - 1)]
    axes = list(figure.subplots(1, panels, squeeze=False, width_ratios=ratios).flat)
    _fall(axes.pop(0), result, excess)
    if excess is not None:
        _distance(axes.pop(0), result, excess)
    if axes:
        _rate(axes.pop(0), result)
    return {"free_energy": figure}


def _fall(axes: Axes, result: Result, excess: np.ndarray | None) -> None:
    """F with its limit, and beside it what it would be with Phi for Phi~, where that differs."""
    energy = result.observables["free_energy"]
    axes.plot(result.time, energy, color=COLORS[0], label="$F(t)$")
    if excess is not None:
        limit = rest_energy(energy, excess)
        shown = 0.0 if abs(limit) < ROUNDING * np.ptp(energy) else limit
        axes.axhline(
            limit,
            color="black",
            linestyle="--",
            linewidth=1.0,
            label=rf"$-\frac{{1}}{{\beta}}\,\log Z = {shown:.4g}$",
        )
    naive = _naive(result)
    if naive is not None:
        _beside(axes, result.time, naive)
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + 0.15 * (high - low))
    # The other panels show how it goes on.
    until(axes, result.time, settled(result.time, *(c for c in (energy, naive) if c is not None)))
    axes.legend(loc="upper right")
    axes.set(xlabel=TIME_LABEL, ylabel="free energy $F$", title="free energy")


def _naive(result: Result) -> np.ndarray | None:
    """The free energy with Phi, moved to end where F ends; None if that is the same curve."""
    naive = result.observables.get("naive_free_energy")
    if naive is None:
        return None
    energy = result.observables["free_energy"]
    moved = naive - naive[-1] + energy[-1]
    return moved if np.abs(moved - energy).max() > SAME * np.ptp(energy) else None


def rising(values: np.ndarray) -> np.ndarray:
    """Steps in which a series rises by an amount that is seen, shape (n - 1,)."""
    return np.asarray(np.diff(values) > SEEN * np.ptp(values))


def _beside(axes: Axes, time: np.ndarray, naive: np.ndarray) -> None:
    """The naive free energy, thick and on a shaded ground where it rises."""
    label = r"with $\Phi$ for $\tilde\Phi$, moved"
    axes.plot(time, naive, color=COLORS[1], linestyle="-.", label=label)
    rises = rising(naive)
    # A point belongs to a rise if a step on either side of it does.
    there = np.concatenate([rises, [False]]) | np.concatenate([[False], rises])
    if rises.any():
        risen = np.where(there, naive, np.nan)
        axes.plot(time, risen, color=COLORS[1], linewidth=2.6, label="where that rises")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rises, [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        axes.axvspan(time[start], time[end], color=COLORS[1], alpha=0.12, linewidth=0)


def _distance(axes: Axes, result: Result, excess: np.ndarray) -> None:
    shown = positive(excess)
    axes.semilogy(result.time, shown, color=COLORS[0])
    axes.set(
        xlabel=TIME_LABEL,
        ylabel=r"$F - F_\infty = \mathrm{KL}(\rho\,\|\,\rho_{ss})/\beta$",
        title="distance to the limit",
    )
    at_least_a_decade(axes, shown)


def _rate(axes: Axes, result: Result) -> None:
    """Dissipation at the frames, and the mean of -dF/dt between them."""
    time, energy = result.time, result.observables["free_energy"]
    dissipation = positive(result.observables["dissipation"])
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
    at_least_a_decade(axes, np.concatenate([dissipation, slope]))


def rest_energy(energy: np.ndarray, excess: np.ndarray) -> float:
    """F_ss from the last frame at which both F and F - F_ss are known."""
    known = np.flatnonzero(np.isfinite(energy - excess))
    return float(energy[known[-1]] - excess[known[-1]])
