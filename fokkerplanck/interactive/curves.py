"""One parameter: the density under a slider, and the loss on an axis of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..figures.style import COLORS, readable_top, view
from ..io.result import Result
from .cells import Blocks, blocks, frames_note, page_frames, single, time_texts
from .drawing import Drawing, buttons, film, label, look, said, slider
from .fields import DrawnField, field_table, home_of, marks

# A curve is zoomed into further than an image.
CELLS = 2048
# Decades of the logarithmic axis below the largest density.
DECADES = 8.0


def curves(result: Result) -> Drawing | None:
    """Density, stationary density, loss and quasi-potential; None without a density."""
    home = home_of(result)
    if home is None:
        return None
    joined = blocks(result.bounds, CELLS)
    x, name = joined.centers[0], label(result.names[0])
    frames = page_frames(result, joined.counts[0])
    fields = field_table(result, home)
    data = [_density(single(joined.mean(result.density[k])), x, name) for k in frames[-1:]]
    if result.stationary is not None:
        line = {"color": "black", "width": 1.5, "dash": "dash"}
        rest = {"name": "stationary density", "line": line}
        values = single(joined.mean(result.stationary.density))
        data.append({**_density(values, x, name), **rest})
    data += _landscape(result, fields, joined, x, name)
    shown = [result.density[frames]] if len(frames) else []
    if result.stationary is not None:
        shown.append(result.stationary.density[None])
    peaks = np.concatenate([some.max(axis=1) for some in shown])
    # Where all has left the box, the last density is no measure.
    top = readable_top(peaks) or 1.05 * float(peaks.max())
    layout = look(
        640,
        (75, 75, 75, 200),
        xaxis={"title": {"text": name}, "range": list(view(home, result.bounds)[0])},
        yaxis={"title": {"text": "density"}, "exponentformat": "power"},
        yaxis2={
            "title": {"text": "above the minimum"},
            "overlaying": "y",
            "side": "right",
            "showgrid": False,
            "zeroline": False,
            "tickmode": "auto",
            **_upper(fields, home),
        },
        updatemenus=[_scales(top, float(peaks.max()))],
    )
    layout["yaxis"]["range"] = [0.0, top]
    if len(frames):
        layout["sliders"] = [slider(time_texts(result, frames), len(frames) - 1)]
    steps = film(
        [{"type": "scatter", "y": single(joined.mean(one))}] for one in result.density[frames]
    )
    notes = said(frames_note(result, frames), joined.note)
    return Drawing("density", "Density", data, layout, steps, notes)


def _density(values: np.ndarray, x: np.ndarray, name: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "density",
        "x": x,
        "y": values,
        "line": {"color": COLORS[0], "width": 2},
        "hovertemplate": f"{name} = %{{x:.5g}}<br>density %{{y:.5g}}",
    }


def _landscape(
    result: Result, fields: list[DrawnField], joined: Blocks, x: np.ndarray, name: str
) -> list[dict[str, Any]]:
    """Loss and quasi-potential above their minima, with their critical points."""
    found: list[dict[str, Any]] = []
    looks = {"loss": (COLORS[1], "solid"), "quasi_potential": (COLORS[2], "dot")}
    for field in fields:
        color, dash = looks[field.key]
        found.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": field.name,
                "x": x,
                "y": single(joined.mean(field.values)),
                "yaxis": "y2",
                "line": {"color": color, "width": 1.5, "dash": dash},
                "hovertemplate": f"{name} = %{{x:.5g}}<br>%{{y:.5g}} above the minimum",
            }
        )
        points = marks(result, field)
        if points is not None:
            points["marker"]["color"] = color
            found.append({**points, "y": points["customdata"], "yaxis": "y2"})
    return found


def _upper(fields: list[DrawnField], home: np.ndarray) -> dict[str, Any]:
    """Range of the axis of the potentials: the walls of a loss would press all else flat."""
    tops = [
        float(field.values[home & np.isfinite(field.values)].max(initial=0.0)) for field in fields
    ]
    if not any(tops):
        return {}
    return {"range": [0.0, 1.1 * max(tops)]}


def _scales(top: float, peak: float) -> dict[str, Any]:
    low = float(np.log10(peak)) - DECADES
    linear = {"yaxis.type": "linear", "yaxis.range": [0.0, top]}
    log = {"yaxis.type": "log", "yaxis.range": [low, low + DECADES + 0.1]}
    return buttons([("linear density", [{}, linear]), ("logarithmic", [{}, log])], 0.0)
