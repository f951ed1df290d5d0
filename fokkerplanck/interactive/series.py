"""Observables over time, one below the other on a common axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..figures.free_energy import ROUNDING, rest_energy
from ..figures.style import COLORS, positive
from ..io.result import Result
from .cells import TIMES, even
from .drawing import Drawing, label, look

# Pixels of a panel, and of the gap to the next.
PANEL, GAP = 190, 34
# A mass closer to 1 than this is shown by its error.
CLOSED = 1e-6


@dataclass(frozen=True)
class Panel:
    """One of the panels: curves by name, and whether their axis is logarithmic."""

    head: str
    curves: tuple[tuple[str, np.ndarray, dict[str, Any]], ...]
    log: bool = False


def series(result: Result) -> Drawing | None:
    """Free energy, divergence, mass, mean, expected loss and rates; None below two frames."""
    panels = list(_panels(result))
    if len(result.time) < 2 or not panels:
        return None
    kept = even(len(result.time), TIMES)
    height = len(panels) * (PANEL + GAP) - GAP
    layout = look(height + 110, (75, 30, 40, 70), hovermode="x", showlegend=False)
    data: list[dict[str, Any]] = []
    for number, panel in enumerate(panels):
        end = str(number + 1) if number else ""
        top = 1.0 - number * (PANEL + GAP) / height
        layout[f"yaxis{end}"] = {
            "domain": [max(top - PANEL / height, 0.0), top],
            "type": "log" if panel.log else "linear",
            "exponentformat": "power",
            "zeroline": False,
            "nticks": 6,
        }
        last = number == len(panels) - 1
        layout[f"xaxis{end}"] = {
            "anchor": f"y{end}",
            "showticklabels": last,
            **({"matches": "x"} if number else {}),
            **({"title": {"text": "time t"}} if last else {}),
        }
        layout.setdefault("annotations", []).append(_head(panel.head, top))
        data += [_curve(result, kept, end, *curve) for curve in panel.curves]
    notes = ["Dragging over one panel zooms all of them in time; a double click shows all again."]
    if len(kept) < len(result.time):
        notes.append(f"{len(kept)} of {len(result.time)} times are shown, evenly spread.")
    return Drawing("observables", "Over time", data, layout, notes=tuple(notes))


def _head(text: str, top: float) -> dict[str, Any]:
    return {
        "text": f"<b>{text}</b>",
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0.0,
        "xanchor": "left",
        "y": top,
        "yanchor": "bottom",
    }


def _curve(
    result: Result,
    kept: np.ndarray,
    end: str,
    name: str,
    values: np.ndarray,
    more: dict[str, Any],
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": result.time[kept],
        "y": values[kept],
        "xaxis": f"x{end}",
        "yaxis": f"y{end}",
        "hovertemplate": f"{name} %{{y:.6g}}<extra>t = %{{x:.5g}}</extra>",
        **more,
    }


def _line(color: str, **more: Any) -> dict[str, Any]:
    return {"line": {"color": color, "width": 1.8, **more}}


def _panels(result: Result) -> Iterator[Panel]:
    known = {name: np.asarray(v) for name, v in result.observables.items() if len(v)}
    blue, red = _line(COLORS[0]), _line(COLORS[1], dash="dash")
    divergence = known.get("kl_to_stationary")
    if "free_energy" in known:
        energy = known["free_energy"]
        found = [("F", energy, blue)]
        if divergence is not None and np.isfinite(energy - divergence).any():
            found.append(("limit", np.full(len(energy), _limit(result, divergence)), red))
        yield Panel("free energy" + (", dashed: its limit" if len(found) > 1 else ""), tuple(found))
    if divergence is not None and (divergence > 0.0).any():
        shown = positive(divergence)
        yield Panel("divergence from the stationary density (KL)", (("KL", shown, blue),), True)
    if "mass" in known:
        error = known["mass"] - 1.0
        closed = float(np.abs(error).max()) < CLOSED
        shown, head = (error, "error of the mass") if closed else (known["mass"], "mass")
        yield Panel(head, (("mass − 1" if closed else "mass", shown, blue),))
    if "mean" in known:
        yield Panel("mean of the parameters, shaded: one standard deviation", _means(result, known))
    if "expected_loss" in known:
        yield Panel("expected loss", (("E[loss]", known["expected_loss"], blue),))
    rates = [
        (name.replace("_", " "), positive(known[name]), look)
        for name, look in (("dissipation", blue), ("entropy_production", red))
        if name in known and (known[name] > 0.0).any()
    ]
    if rates:
        yield Panel(" and (dashed) ".join(name for name, _, _ in rates), tuple(rates), True)


def _means(
    result: Result, known: dict[str, np.ndarray]
) -> tuple[tuple[str, np.ndarray, dict[str, Any]], ...]:
    found: list[tuple[str, np.ndarray, dict[str, Any]]] = []
    for axis, (name, color) in enumerate(zip(result.names, COLORS, strict=False)):
        mean, text = known["mean"][:, axis], label(name)
        if "covariance" in known:
            deviation = np.sqrt(np.maximum(known["covariance"][:, axis, axis], 0.0))
            edge = {
                "line": {"width": 0, "color": color},
                "hoverinfo": "skip",
                "hovertemplate": None,
            }
            red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
            shade = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.15)"}
            found.append((text, mean - deviation, edge))
            found.append((text, mean + deviation, {**edge, **shade}))
        found.append((text, mean, _line(color)))
    return tuple(found)


def _limit(result: Result, divergence: np.ndarray) -> float:
    """F at rest, by F - F_ss = KL/beta at the last frame at which both are known."""
    energy = result.observables["free_energy"]
    limit = rest_energy(energy, divergence / result.beta)
    reach = float(np.nanmax(energy) - limit)
    return 0.0 if abs(limit) < ROUNDING * reach else limit
