"""Figures of plotly from the datasets of a result, each with a note on what it shows."""

from __future__ import annotations

import math
from html import escape
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures.frames import chosen_frames, even
from ..figures.stationary.quasi_potential import COLORED, TRUSTED
from ..figures.style import COLORS, LIVED_IN, RIBBON, lived_in, positive, readable_top, view
from ..io.result import Result

if TYPE_CHECKING:
    from xarray import DataArray

# Cells per axis by the number of parameters, frames, and times of a series that a page shows.
CELLS, FRAMES, TIMES = {1: 2048, 2: 256, 3: 128}, 200, 4000
# Bytes of the frames of a page, and of each number there: single precision, in base64.
FRAME_BYTES, BYTES_EACH = 6_000_000, 4 * 4 / 3
SERIES = "free_energy kl_to_stationary mass mean expected_loss dissipation entropy_production"
LOGARITHMIC = {"kl_to_stationary", "dissipation", "entropy_production"}


def label(name: object) -> str:
    """A name as text: plotly takes signs of HTML in labels for HTML, and ``%{`` for a value."""
    return escape(str(name), quote=False).replace("%", "&#37;")


def density(result: Result) -> tuple[Any, str]:
    """The density, of three parameters its marginals, at the frames and at rest."""
    texts, shown, note = _frames(result)
    steps = [[_part(result, one, pair, "sum") for pair in _pairs(result)] for one in shown]
    # One scale for all panels of a frame, so that its colour bar is that of all.
    peaks = np.array([max(float(part.max()) for part in parts) for parts in steps])
    if result.ndim > 1:
        figure = _maps(result, {"density": steps[0]}, "Viridis", peaks[0])
        both = zip(steps, peaks, strict=True)
        maps = [[{"z": part.values.T, "zmax": top} for part in parts] for parts, top in both]
        return _slide(figure, texts, maps), note
    rest = {"at rest": steps[-1][0]} if result.stationary is not None else {}
    # Where all has left the box, the last density is no measure.
    top, high = readable_top(peaks) or 1.05 * peaks.max(), np.log10(peaks.max())
    figure = _curves(result, {"density": steps[0][0], **rest}, "density", top)
    buttons = [
        {"label": kind, "method": "relayout", "args": [{"yaxis.type": kind, "yaxis.range": ends}]}
        for kind, ends in (("linear", [0.0, top]), ("log", [high - 8.0, high + 0.1]))
    ]
    menu = {"type": "buttons", "direction": "right", "x": 0.0, "xanchor": "left", "y": 1.0}
    figure.update_layout(updatemenus=[{**menu, "yanchor": "bottom", "buttons": buttons}])
    return _slide(figure, texts, [[{"y": parts[0].values}] for parts in steps]), note


def landscape(result: Result) -> tuple[Any, str] | None:
    """Loss and quasi-potential above their minima; of a third parameter the least value."""
    root, rest = result.tree.to_dataset(), result.tree.children.get("stationary")
    fields = {"loss": root["loss"]} if np.ptp(root["loss"].values) else {}
    if rest is not None:
        sure = rest["density"] > TRUSTED * rest["density"].max()
        fields["quasi-potential"] = rest["quasi_potential"].where(sure)
    if not fields:
        return None
    rows, top, home = {}, 0.0, _home(result, COLORED)
    for key, field in fields.items():
        # The walls, where nobody comes, would take all the colours.
        lived = field.where(home & np.isfinite(field))
        top = max(top, float(lived.max() - lived.min()))
        rows[key] = [_part(result, field - lived.min(), pair, "min") for pair in _pairs(result)]
    if result.ndim > 1:
        note = "Heights above the minima; of a third parameter the least is shown."
        return _maps(result, rows, "Cividis", top or 1.0), note
    curves = {key: parts[0] for key, parts in rows.items()}
    return _curves(result, curves, "above the minimum", 1.1 * top or 1.0), ""


def observables(result: Result) -> tuple[Any, str] | None:
    """Series over time, one below the other, with the names that the dataset gives them."""
    from plotly.subplots import make_subplots

    root = result.tree.to_dataset()
    root = root.isel(time=even(root.sizes["time"], TIMES))
    found = [name for name in SERIES.split() if name in root and root[name].notnull().any()]
    if root.sizes["time"] < 2 or not found:
        return None
    heads = [str(root[name].attrs["long_name"]) + " − 1" * (name == "mass") for name in found]
    count = len(found)
    figure = make_subplots(count, 1, shared_xaxes=True, subplot_titles=heads)
    for row, name in enumerate(found, 1):
        values, log = root[name].values - (name == "mass"), name in LOGARITHMIC
        columns = values.reshape(len(values), -1).T
        texts = result.names if name == "mean" else [name.replace("_", " ")]
        for one, text, color in zip(columns, texts, COLORS, strict=False):
            y, look = positive(one) if log else one, {"line_color": color, "mode": "lines"}
            figure.add_scatter(x=root["time"].values, y=y, name=label(text), **look, row=row, col=1)
        figure.update_yaxes(type="log" if log else "linear", exponentformat="power", row=row)
    figure.update_xaxes(title="time t", row=count)
    figure.update_layout(_look(180 * count + 80) | {"hovermode": "x", "showlegend": False})
    return figure, "A zoom into one panel is a zoom into the times of all."


def _frames(result: Result) -> tuple[list[str], list[DataArray], str]:
    """Texts of the times, densities, that at rest the last, and a note on them."""
    cells, kept = CELLS[result.ndim], len(result.kept_frames)
    counts = combinations([min(count, cells) for count in result.shape], min(result.ndim, 2))
    room = FRAME_BYTES / (BYTES_EACH * sum(map(math.prod, counts)))
    frames = chosen_frames(result, min(FRAMES, max(2, int(room))))
    texts = [f"t = {result.time[k]:.4g}" for k in frames]
    shown = [result["density"].isel(time=k) for k in frames]
    if result.stationary is not None:
        texts, shown = [*texts, "at rest"], [*shown, result["stationary/density"]]
    note = f"{len(frames)} of {kept} densities over time." if kept else "Only the state at rest."
    note += " The third parameter is integrated over." * (result.ndim == 3)
    note += f" At most {cells} cells along an axis: means." * (max(result.shape) > cells)
    return texts, shown, note


def _pairs(result: Result) -> list[tuple[str, ...]]:
    """The axes of each panel."""
    return list(combinations(result.names, min(result.ndim, 2)))


def _part(result: Result, values: DataArray, pair: tuple[str, ...], how: str) -> DataArray:
    """Over the axes of a panel: ``"sum"`` integrates over the others, ``"min"`` is the least."""
    for name, width in zip(result.names, result.grid_spacing, strict=True):
        if name not in pair:
            values = values.sum(name) * width if how == "sum" else values.min(name)
    blocks = {name: -(-values.sizes[name] // CELLS[result.ndim]) for name in pair}
    # What is missing of the last block takes no part in its mean.
    return values.coarsen(blocks, boundary="pad").mean().astype(np.float32)


def _home(result: Result, share: float = LIVED_IN) -> np.ndarray:
    """Cells where the first, the last or the stationary density lives."""
    kept, rest = result.kept_frames, result.stationary
    some = [result.density[k] for k in (*kept[:1], *kept[-1:])]
    return lived_in(np.stack(some if rest is None else [*some, rest.density]), share)


def _curves(result: Result, lines: dict[str, DataArray], title: str, top: float) -> Any:
    """Curves over the only parameter."""
    from plotly.graph_objects import Figure

    [name], [limits] = result.names, view(_home(result), result.bounds)
    figure = Figure(layout=_look(600))
    for (key, line), color, dash in zip(lines.items(), COLORS, ("solid", "dash"), strict=False):
        look = {"name": key, "line": {"color": color, "dash": dash}, "mode": "lines"}
        figure.add_scatter(x=line[name].values, y=line.values, **look)
    figure.update_yaxes(title=title, range=[0.0, top], exponentformat="power")
    return figure.update_xaxes(title=label(name), range=limits)


def _maps(result: Result, rows: dict[str, list[DataArray]], colors: str, top: float) -> Any:
    """Maps over the pairs of parameters for each name, with colours up to ``top``."""
    from plotly.subplots import make_subplots

    limits = dict(zip(result.names, view(_home(result), result.bounds), strict=True))
    pairs = _pairs(result)
    heads, columns = [name for name in rows for _ in pairs], max(len(pairs), len(rows))
    height = len(heads) // columns
    figure = make_subplots(height, columns, subplot_titles=heads, horizontal_spacing=0.1)
    for number, part in enumerate(part for parts in rows.values() for part in parts):
        first, second = pairs[number % len(pairs)]
        place = {"row": number // columns + 1, "col": number % columns + 1}
        figure.add_heatmap(
            **{"x": part[first].values, "y": part[second].values, "z": part.values.T, **place},
            **{"zmin": 0.0, "zmax": top, "colorscale": colors, "showscale": number == 0},
            hovertemplate=f"{label(first)} = %{{x:.5g}}<br>{label(second)} = %{{y:.5g}}"
            "<br>%{z:.5g}<extra></extra>",
        )
        ratio = np.ptp(limits[second]) / np.ptp(limits[first])
        scale = {"scaleanchor": f"x{number + 1}"} if RIBBON < ratio < 1 / RIBBON else {}
        look = {"constrain": "domain", **place}
        figure.update_xaxes(title=label(first), range=limits[first], **look)
        figure.update_yaxes(title=label(second), range=limits[second], **scale, **look)
    return figure.update_layout(_look(200 + (280 if columns > 2 else 400) * height))


def _slide(figure: Any, texts: list[str], moving: list[list[dict[str, Any]]]) -> Any:
    """The figure with a slider, whose steps change the first traces; the first step is shown."""
    how = {"mode": "immediate", "frame": {"duration": 0, "redraw": True}}
    kind, frames, steps = figure.data[0].type, [], []
    for number, (text, changes) in enumerate(zip(texts, moving, strict=True)):
        data = [{"type": kind, **change} for change in changes]
        frames.append({"name": str(number), "data": data, "traces": [*range(len(data))]})
        steps.append({"label": text, "method": "animate", "args": [[str(number)], how]})
    # Labels below the slider would lie over each other; only the chosen one is shown.
    look = {"font": {"color": "rgba(0,0,0,0)"}, "currentvalue": {"font": {"color": "#1b1f24"}}}
    figure.frames = frames
    return figure.update_layout(sliders=[{"steps": steps, "pad": {"t": 50}, **look}])


def _look(height: int) -> dict[str, Any]:
    # Margins that grow with what stands in them make plotly draw again in the midst of an
    # update, with traces that are not computed yet.
    margin = {"l": 75, "r": 130, "t": 60, "b": 140, "autoexpand": False}
    legend = {"orientation": "h", "x": 1.0, "xanchor": "right", "y": 1.0, "yanchor": "bottom"}
    return {"template": "plotly_white", "height": height, "margin": margin, "legend": legend}
