"""Two parameters, or each pair of three: maps of the density under a slider, and of potentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..figures.frames import Plane, planes
from ..figures.style import COLORS, panel_shape, view
from ..io.result import Result
from .cells import Blocks, blocks, even, frames_note, page_frames, single, time_texts
from .colors import DECADES, bar, linear_scale, log_scale
from .drawing import Drawing, buttons, dropdown, film, label, look, said, slider
from .fields import DrawnField, field_table, home_of, marks, top_of

# Cells per axis, by the number of parameters: about what a screen shows of one map, or of three.
CELLS = {2: 256, 3: 128}
PATHS = 5
# Points of a path.
STEPS = 1000
# Pixels of a drawing, of what stands above, below and beside its maps, and of a gap.
HEIGHT, ABOVE, BELOW, LEFT, RIGHT, GAP = 760, 110, 230, 75, 110, 75
PANEL = 270
# Letters of a name that stand upright beside an axis.
UPRIGHT = 2


@dataclass(frozen=True)
class Map:
    """A plane of the parameters with its blocks and its axes in the figure."""

    plane: Plane
    blocks: Blocks
    end: str

    def trace(self, values: np.ndarray, names: tuple[str, ...], what: str) -> dict[str, Any]:
        """A heatmap over the blocks; values run over (first axis, second axis)."""
        first, second = (label(names[axis]) for axis in self.plane.pair)
        return {
            "type": "heatmap",
            "x": self.blocks.edges[0],
            "y": self.blocks.edges[1],
            "z": single(values.T),
            "xaxis": f"x{self.end}",
            "yaxis": f"y{self.end}",
            "zmin": 0.0,
            "hovertemplate": f"{first} = %{{x:.5g}}<br>{second} = %{{y:.5g}}"
            f"<br>{what} %{{z:.5g}}<extra></extra>",
        }

    def density(self, values: np.ndarray) -> np.ndarray:
        """Of an array over the grid: what the map shows, means over the blocks."""
        return self.blocks.mean(self.plane.of_density(values))

    def potential(self, values: np.ndarray) -> np.ndarray:
        """As :meth:`density`; of three axes the least value along the third that is known."""
        known = np.where(np.isnan(values), np.inf, values)
        found = self.blocks.mean(self.plane.of_potential(known))
        return np.where(np.isinf(found), np.nan, found)


def maps(result: Result) -> Drawing | None:
    """Maps of densities and potentials; None without a density."""
    home = home_of(result)
    if home is None:
        return None
    panels = [
        Map(
            plane,
            blocks(tuple(result.bounds[axis] for axis in plane.pair), CELLS[result.ndim]),
            end,
        )
        for plane, end in zip(
            planes(result, "marginal", np.zeros(result.ndim)), ("", "2", "3"), strict=False
        )
    ]
    limits = view(home, result.bounds)
    size = sum(int(np.prod(panel.blocks.counts)) for panel in panels)
    frames = page_frames(result, size)
    fields = field_table(result, home)
    groups = _groups(result, panels, frames, fields)
    data = [trace for _, traces in groups for trace in traces]
    data.append(bar(result.ndim > 2))
    for trace in data[len(groups[0][1]) : -1]:
        trace["visible"] = False
    layout, width = _layout(result, panels, limits)
    layout["updatemenus"] = _menus(groups, bool(len(frames)))
    if len(frames):
        texts = time_texts(result, frames)
        if result.ndim == 2:
            texts = [
                f"{text}, largest density {result.density[k].max():.4g}"
                for text, k in zip(texts, frames, strict=True)
            ]
        layout["sliders"] = [slider(texts, len(frames) - 1)]
    steps = film([_frame(panel, result.density[k]) for panel in panels] for k in frames)
    if result.ndim == 2:
        data += _overlays(result, fields)
    notes = [frames_note(result, frames), *dict.fromkeys(p.blocks.note for p in panels)]
    if result.ndim == 3:
        notes.insert(
            0,
            "Densities are integrated over the third parameter; of loss and "
            "quasi-potential its least value is shown.",
        )
    return Drawing(
        "density",
        "Density" if result.ndim == 2 else "Marginal densities",
        data,
        layout,
        steps,
        said(*notes),
        width,
    )


def _frame(panel: Map, density: np.ndarray) -> dict[str, Any]:
    values = panel.density(density)
    return {"type": "heatmap", "z": single(values.T), "zmax": float(values.max())}


Group = tuple[str, list[dict[str, Any]]]


def _groups(
    result: Result, panels: list[Map], frames: np.ndarray, fields: list[DrawnField]
) -> list[Group]:
    """What there is to choose from, each with a trace per panel."""
    rest, names = result.stationary, result.names
    densities = []
    if len(frames):
        densities.append(("density", result.density[frames[-1]]))
    if rest is not None:
        densities.append(("stationary density", rest.density))
    groups: list[Group] = []
    for what, values in densities:
        traces = []
        for panel in panels:
            shown = panel.density(values)
            trace = panel.trace(shown, names, "density")
            more = {"zmax": float(shown.max()), "colorscale": linear_scale(), "showscale": False}
            traces.append(trace | more)
        groups.append((what, traces))
    for field in fields:
        top = top_of(result, field)
        traces = []
        for number, panel in enumerate(panels):
            trace = panel.trace(panel.potential(field.values), names, f"{field.name} − minimum")
            colors = {"colorscale": "Cividis", "zmax": top, "showscale": number == 0}
            head = {"text": f"{field.name} above its minimum", "side": "right"}
            traces.append(trace | colors | {"colorbar": {"title": head}})
        groups.append((field.name, traces))
    return groups


def _menus(groups: list[Group], film: bool) -> list[dict[str, Any]]:
    """A list of the groups, and buttons for the colours of densities."""
    owners = [k for k, (_, traces) in enumerate(groups) for _ in traces]
    scaled = [k for k, owner in enumerate(owners) if "density" in groups[owner][0]]
    ruler = len(owners)
    chosen = []
    for number, (what, _) in enumerate(groups):
        dense = "density" in what
        shown = [owner == number for owner in owners]
        relayout: dict[str, Any] = {"updatemenus[1].visible": dense}
        if film:
            relayout["sliders[0].visible"] = what == "density"
        # Traces beside these stay as the reader has switched them.
        chosen.append((what, [{"visible": [*shown, dense]}, relayout, [*range(ruler + 1)]]))
    places = [*scaled, ruler]
    scales = []
    for text, scale, low, ticks in (
        ("linear colours", linear_scale(), 0.0, bar(False)["marker"]["colorbar"]),
        ("logarithmic", log_scale(), -DECADES, _decades()),
    ):
        restyle = {
            "colorscale": [scale],
            "marker.cmin": low,
            "marker.cmax": 0.0 if low else 1.0,
            "marker.colorbar.tickvals": [ticks["tickvals"]],
            "marker.colorbar.ticktext": [ticks["ticktext"]],
        }
        scales.append((text, [restyle, {}, places]))
    return [dropdown(chosen, 0.0, 1), buttons(scales, 0.0, 0)]


def _decades() -> dict[str, Any]:
    exponents = range(-int(DECADES), 1)
    return {
        "tickvals": list(exponents),
        "ticktext": ["1" if k == 0 else f"10<sup>−{-k}</sup>" for k in exponents],
    }


def _layout(
    result: Result, panels: list[Map], limits: list[tuple[float, float]]
) -> tuple[dict[str, Any], int]:
    """Axes of the panels side by side, true to scale where that makes no ribbon of them."""
    count = len(panels)
    # Names of what may be switched on stand below one map only.
    below = BELOW if count == 1 else BELOW - 100
    height = HEIGHT if count == 1 else PANEL + ABOVE + below
    layout = look(height, (LEFT, RIGHT, ABOVE, below))
    inner = HEIGHT - ABOVE - BELOW
    ratios = [panel_shape([limits[axis] for axis in panel.plane.pair]) for panel in panels]
    width = inner / ratios[0] if count == 1 else count * PANEL + (count - 1) * GAP
    gap = GAP / width
    share = (1.0 - (count - 1) * gap) / count
    for number, panel in enumerate(panels):
        first, second = panel.plane.pair
        left = number * (share + gap)
        layout[f"xaxis{panel.end}"] = {
            "domain": [left, left + share],
            "anchor": f"y{panel.end}",
            "range": list(limits[first]),
            "title": {"text": label(result.names[first])},
            "constrain": "domain",
            "showgrid": False,
            "zeroline": False,
        }
        (a, b), (c, d) = limits[first], limits[second]
        # A letter is not to be read from the side.
        upright = len(result.names[second]) <= UPRIGHT
        true = abs(ratios[number] - (d - c) / (b - a)) < 1e-9
        scale = {"scaleanchor": f"x{panel.end}", "scaleratio": 1.0} if true else {}
        layout[f"yaxis{panel.end}"] = {
            "anchor": f"x{panel.end}",
            "range": list(limits[second]),
            "title": {"text": "" if upright else label(result.names[second]), "standoff": 4},
            "constrain": "domain",
            "showgrid": False,
            "zeroline": False,
            **scale,
        }
        if upright:
            layout.setdefault("annotations", []).append(
                {
                    "text": label(result.names[second]),
                    "showarrow": False,
                    "xref": f"x{panel.end} domain",
                    "yref": f"y{panel.end} domain",
                    "x": 0.0,
                    "y": 0.5,
                    "xanchor": "right",
                    "xshift": -36,
                    "font": {"size": 15},
                }
            )
    return layout, int(min(max(width + LEFT + RIGHT, 480), 1200))


def _overlays(result: Result, fields: list[DrawnField]) -> list[dict[str, Any]]:
    """Critical points and some walkers, each shown when its name is clicked."""
    found: list[dict[str, Any]] = []
    for field, color in zip(fields, (COLORS[1], COLORS[3]), strict=False):
        points = marks(result, field)
        if points is not None:
            points["marker"]["color"] = color
            found.append(points)
    walkers = result.ensemble
    if walkers is not None and walkers.trajectories is not None:
        chosen = even(len(walkers.time), STEPS)
        for number, path in enumerate(walkers.trajectories[:PATHS]):
            found.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": "some walkers",
                    "legendgroup": "walkers",
                    "showlegend": number == 0,
                    "x": single(path[chosen, 0]),
                    "y": single(path[chosen, 1]),
                    "customdata": single(walkers.time[chosen]),
                    "line": {"width": 1},
                    "marker": {"size": 3},
                    "hovertemplate": f"walker {number + 1}, t = %{{customdata:.4g}}"
                    "<br>(%{x:.4g}, %{y:.4g})<extra></extra>",
                }
            )
    return [trace | {"visible": "legendonly"} for trace in found]
