"""Entropy production over time: what keeps the currents going, and what relaxes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io.result import Result
from .style import (
    COLORS,
    COLUMN,
    PAGE,
    TIME_LABEL,
    at_least_a_decade,
    new_figure,
    positive,
    settled,
    until,
)

# Parts that differ more than this from the total were summed over cells without a density.
MISSED = 1e-2


def entropy_production_figures(result: Result) -> dict[str, Figure]:
    """The total with its parts, and the excess alone on the way to equilibrium.

    Nothing without a series of the total: along axes without noise it is infinite, and its finite
    part, beta times the dissipation, is in the figure of the free energy.
    """
    series = result.observables
    if "entropy_production" not in series or len(result.time) < 2:
        return {}
    total, housekeeping, excess = parts(result)
    if not np.isfinite(total).any():
        return {}
    rest = result.stationary
    balanced = rest is not None and rest.detailed_balance
    two = excess is not None and not balanced
    figure = new_figure(*(PAGE if two else COLUMN, 2.6))
    panels = list(figure.subplots(1, 2 if two else 1, squeeze=False).flat)
    axes = panels.pop(0)
    if balanced:
        axes.plot(result.time, positive(total), color=COLORS[0], label="total = excess")
        axes.set_yscale("log")
        at_least_a_decade(axes, positive(total))
    else:
        axes.plot(result.time, total, color=COLORS[0], label="total")
        if housekeeping is not None:
            label = "housekeeping: keeps the currents"
            axes.plot(result.time, housekeeping, color=COLORS[2], label=label)
        if excess is not None:
            axes.plot(result.time, excess, color=COLORS[1], label="excess: relaxes")
        if rest is not None and np.isfinite(rest.entropy_production):
            label = f"stationary: {rest.entropy_production:.4g}"
            value = rest.entropy_production
            axes.axhline(value, color="black", linestyle="--", linewidth=1.0, label=label)
        _scale(axes, result.time, total, housekeeping)
    axes.legend(loc="upper right")
    axes.set(xlabel=TIME_LABEL, ylabel="rate of entropy production")
    for alone in panels:
        shown = positive(np.asarray(excess))
        alone.semilogy(result.time, shown, color=COLORS[1])
        at_least_a_decade(alone, shown)
        alone.set(xlabel=TIME_LABEL, ylabel="excess = $-\\beta\\,dF/dt$")
    return {"entropy_production": figure}


def parts(result: Result) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Total, housekeeping and excess; the last two None where they are not known.

    Frames in which the parts do not add up are NaN: the density vanishes in cells, as at a point
    start, and the production is infinite there.
    """
    series = result.observables
    total = np.asarray(series["entropy_production"], np.float64)
    if "dissipation" not in series:
        return total, None, None
    excess = result.beta * series["dissipation"]
    housekeeping = series.get("housekeeping")
    summed = excess if housekeeping is None else excess + housekeeping
    # Relative to the largest, as totals under detailed balance end in rounding.
    noise = 1e-12 * np.nanmax(np.abs(total))
    known = np.abs(total - summed) <= MISSED * np.abs(summed) + noise
    total, excess = (np.where(known, values, np.nan) for values in (total, excess))
    return total, None if housekeeping is None else np.where(known, housekeeping, np.nan), excess


def _scale(
    axes: Axes, time: np.ndarray, total: np.ndarray, housekeeping: np.ndarray | None
) -> None:
    """Logarithmic where the start would flatten everything after it, else until all is at rest.

    The excess falls without end; a logarithmic axis ends a little below the rest.
    """
    rest = total if housekeeping is None else housekeeping
    high, low = float(np.nanmax(total)), float(np.nanmin(rest))
    if low > 0.0 and high > 10.0 * np.nanmedian(total):
        axes.set_yscale("log")
        axes.set_ylim(low / 5.0, 30.0 * high)
    else:
        axes.set_ylim(0.0, 1.6 * high)
        known = [total] if housekeeping is None else [total, housekeeping]
        until(axes, time, settled(time, *known))
