"""Fields beside the density: loss and quasi-potential above their minima, and their points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analyses.text import kinds
from ..figures.stationary.marks import points_of
from ..figures.stationary.quasi_potential import COLORED, TRUSTED
from ..figures.style import lived_in
from ..io.result import Result
from .drawing import label

KINDS = {"loss": "loss", "quasi_potential": "quasi-potential"}


@dataclass(frozen=True)
class DrawnField:
    """A potential over the cells.

    Parameters
    ----------
    key, name : str
    values : ndarray of the grid's shape
        Above the minimum; NaN where it is not known.
    least : float
        That minimum, taken where somebody lives.
    """

    key: str
    name: str
    values: np.ndarray
    least: float


def home_of(result: Result) -> np.ndarray | None:
    """Cells where a density of the result lives; None if it has none."""
    some = _densities(result)
    return lived_in(np.stack(some)) if some else None


def _densities(result: Result) -> list[np.ndarray]:
    """The first, the last and the stationary one, as far as they are there."""
    kept = result.kept_frames
    some = [result.density[k] for k in kept[[0, -1]]] if len(kept) else []
    return some if result.stationary is None else [*some, result.stationary.density]


def field_table(result: Result, home: np.ndarray) -> list[DrawnField]:
    """Loss, where there is one, and quasi-potential, where the state at rest is known.

    Parameters
    ----------
    result : Result
    home : ndarray of bool, of the grid's shape
        Where minima are looked for.
    """
    found = []
    if np.ptp(result.loss):
        found.append(("loss", np.asarray(result.loss, np.float64)))
    rest = result.stationary
    if rest is not None:
        sure = rest.density > TRUSTED * rest.density.max()
        found.append(("quasi_potential", np.where(sure, rest.quasi_potential, np.nan)))
    table = []
    for key, values in found:
        # The stationary density may live in fewer cells than the first one.
        least = float(np.nanmin(values[home]))
        table.append(DrawnField(key, KINDS[key], values - least, least))
    return table


def top_of(result: Result, field: DrawnField) -> float:
    """Upper end of its colours: the walls, where nobody comes, would take them all."""
    where = lived_in(np.stack(_densities(result)), COLORED) & np.isfinite(field.values)
    return float(field.values[where].max(initial=0.0)) or 1.0


def marks(result: Result, field: DrawnField) -> dict[str, Any] | None:
    """A trace of the critical points of a field in one or two dimensions; None without any.

    Their values above the minimum are the ``customdata``.
    """
    points = None if result.stationary is None else points_of(result.stationary, field.key)
    if points is None:
        return None
    words = kinds(points.index, result.ndim)
    where = "<br>".join(
        f"{label(name)} = %{{{sign}:.5g}}" for name, sign in zip(result.names, "xy", strict=False)
    )
    place = points.position
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{field.name}: critical points",
        "x": place[:, 0],
        **({"y": place[:, 1]} if result.ndim > 1 else {}),
        "customdata": points.value - field.least,
        "text": words,
        "marker": {
            "symbol": ["circle" if kind == "minimum" else "x" for kind in words],
            "size": 9,
            "line": {"width": 1, "color": "white"},
        },
        "hovertemplate": f"%{{text}} of the {field.name}<br>{where}"
        "<br>%{customdata:.5g} above the minimum<extra></extra>",
    }
