"""Colours of densities: linear, or logarithmic over some decades below the peak."""

from __future__ import annotations

from functools import cache
from typing import Any

from .library import sampled

DECADES = 6.0
NAME = "Viridis"
# Between two stops a scale is linear in the density; these are a fifth apart.
STOPS = 72


def linear_scale() -> list[list[Any]]:
    """Stops (share of the peak, colour)."""
    colors = _colors(11)
    return [[k / 10, color] for k, color in enumerate(colors)]


def log_scale() -> list[list[Any]]:
    """Stops at shares of the peak whose logarithms are evenly spaced; the rest is the lowest."""
    stops: list[list[Any]] = [[0.0, _colors(STOPS)[0]]]
    for k, color in enumerate(_colors(STOPS)):
        stops.append([10.0 ** (-DECADES * (1.0 - k / (STOPS - 1))), color])
    return stops


@cache
def _colors(count: int) -> tuple[str, ...]:
    return tuple(sampled(NAME, count))


def bar(own_peaks: bool) -> dict[str, Any]:
    """A trace that draws nothing but the colour bar, in shares of the peak.

    A map's own bar would squeeze the decades of a logarithmic scale into its lowest line.

    Parameters
    ----------
    own_peaks : bool
        Whether each of several maps has colours up to its own peak.
    """
    ticks = [k / 5 for k in range(6)]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [None],
        "y": [None],
        "showlegend": False,
        "hoverinfo": "skip",
        "marker": {
            "color": [0.0],
            "cmin": 0.0,
            "cmax": 1.0,
            "colorscale": linear_scale(),
            "showscale": True,
            "colorbar": {
                "title": {
                    "text": f"density / {'its own' if own_peaks else 'its'} peak",
                    "side": "right",
                },
                "tickvals": ticks,
                "ticktext": [f"{tick:g}" for tick in ticks],
            },
        },
    }
