"""Minima and saddles of Phi and of Phi~ as markers, with what the noise moved from where."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from ...io import Arrays
from ..style import COLORS

# Shifts shorter than this share of a panel have no room for an arrow head between the markers.
SHORT = 0.08

# An open mark for Phi around a full one for Phi~: where they coincide both are seen.
_OPEN = {"markerfacecolor": "none", "markeredgecolor": COLORS[4], "markeredgewidth": 1.5}
_FULL = {"markerfacecolor": COLORS[1], "markeredgecolor": "white", "markeredgewidth": 0.5}
LOOKS: dict[tuple[str, str], dict[str, Any]] = {
    ("loss", "minimum"): {"marker": "o", "markersize": 8.5, **_OPEN},
    ("quasi_potential", "minimum"): {"marker": "o", "markersize": 4.5, **_FULL},
    ("loss", "saddle"): {"marker": "s", "markersize": 8.0, **_OPEN},
    ("quasi_potential", "saddle"): {"marker": "s", "markersize": 4.0, **_FULL},
}
SYMBOLS = {"loss": r"$\Phi$", "quasi_potential": r"$\tilde\Phi$"}


def points_of(stationary: Arrays, field: str) -> Arrays | None:
    """Critical points of ``"loss"`` or ``"quasi_potential"``; None where there are none."""
    points: Arrays | None = None
    if stationary.critical is not None:
        points = getattr(stationary.critical, field)
    return points


def positions(stationary: Arrays, field: str, kind: str) -> np.ndarray:
    """Where a field has its minima or its saddles, shape (m, d); in 1-D a saddle is a maximum."""
    points = points_of(stationary, field)
    if points is None:
        return np.empty((0, 0))
    places: np.ndarray = points.position
    if kind == "minimum":
        return places[points.index == 0]
    ndim = places.shape[1]
    return places[(points.index > 0) & ((points.index < ndim) | (ndim == 1))]


def mark(
    axes: Axes,
    stationary: Arrays,
    pair: tuple[int, int],
    limits: list[tuple[float, float]],
) -> None:
    """Draw the marks of both fields that lie within a panel, and lines from Phi to Phi~.

    Parameters
    ----------
    axes : Axes
    stationary : Arrays
    pair : tuple of int
        Axes of the panel, onto which the points are projected.
    limits : list of two pairs
        Of the panel.
    """
    (left, right), (low, high) = limits
    for (field, kind), look in LOOKS.items():
        places = positions(stationary, field, kind)
        if not len(places):
            continue
        x, y = places[:, pair[0]], places[:, pair[1]]
        seen = (x > left) & (x < right) & (y > low) & (y < high)
        axes.plot(x[seen], y[seen], linestyle="none", zorder=4, **look)
    size = np.array([right - left, high - low])
    for start, end in shifts(stationary):
        a, b = start[list(pair)], end[list(pair)]
        far = (np.abs(b - a) > SHORT * size).any()
        axes.annotate(
            "",
            xy=(float(b[0]), float(b[1])),
            xytext=(float(a[0]), float(a[1])),
            arrowprops={
                "arrowstyle": "->" if far else "-",
                "color": "white",
                "linewidth": 0.9,
                "shrinkA": 4.5 if far else 0.0,
                "shrinkB": 3.0 if far else 0.0,
            },
            annotation_clip=True,
            zorder=3,
        )


def shifts(stationary: Arrays) -> list[tuple[np.ndarray, np.ndarray]]:
    """Places in Phi and in Phi~ of the matching minima and saddles.

    Those that pass through a periodic side are left out: a line would cross the whole panel.
    """
    table = stationary.critical
    if table is None or table.pairs is None:
        return []
    first, second = (getattr(table, field) for field in SYMBOLS)
    ends = []
    for (i, j), shift in zip(table.pairs, table.shifts, strict=True):
        start, end = first.position[i], second.position[j]
        maximum = start.size > 1 and first.index[i] == start.size
        if not maximum and np.allclose(start + shift, end):
            ends.append((start, end))
    return ends


def handles(stationary: Arrays) -> list[Line2D]:
    """Legend of the marks; projections are called so."""
    found = []
    for (field, kind), look in LOOKS.items():
        places = positions(stationary, field, kind)
        if not len(places):
            continue
        name = "maximum" if places.shape[1] == 1 and kind == "saddle" else kind
        where = ", projected" if places.shape[1] > 2 else ""
        label = f"{name} of {SYMBOLS[field]}{where}"
        found.append(Line2D([], [], linestyle="none", label=label, **look))
    return found
