"""Densities of the time of arrival, from every start."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ...io.result import Result
from ..style import COLORS, COLUMN, new_figure, symbol, until

# Time axes end where this share has not arrived yet.
LATE = 5e-3


def arrival_figures(result: Result) -> dict[str, Figure]:
    """Density of the first-passage time and survival; nothing where no times were asked for."""
    found = result.passage
    if found is None or found.delay is None or found.start_position is None:
        return {}
    figure = new_figure(COLUMN, 3.9)
    top, bottom = figure.subplots(2, sharex=True)
    names = [symbol(name).strip("$") for name in result.names]
    end = 0.0
    for number, place in enumerate(found.start_position):
        color = COLORS[number % len(COLORS)]
        point = ", ".join(f"{x:.3g}" for x in place)
        label = f"from ${names[0]} = {point}$"
        if len(names) > 1:
            label = f"from $({', '.join(names)}) = ({point})$"
        total = found.arrival[number].sum(axis=1)
        top.plot(found.delay, total, color=color, label=label)
        bottom.plot(found.delay, found.survival[number], color=color)
        mean = float(found.start_mean_time[number])
        if mean <= found.delay[-1]:
            top.axvline(mean, color=color, linestyle=":", linewidth=0.8)
        late = np.flatnonzero(found.survival[number] > LATE)
        end = max(
            end, float(found.delay[min(late[-1] + 1, len(found.delay) - 1)]) if late.size else 0
        )
    top.set_ylim(bottom=0.0)
    top.set_ylabel("density of arrival")
    bottom.set_yscale("log")
    smallest = max(float(found.survival.min()), LATE)
    bottom.set(ylim=(0.8 * smallest, 1.2), xlabel="time $t$ since the start", ylabel="survival")
    until(bottom, found.delay, end or float(found.delay[-1]))
    figure.legend(loc="outside lower center", ncols=1 if len(found.start_position) < 3 else 2)
    return {"arrival": figure}
