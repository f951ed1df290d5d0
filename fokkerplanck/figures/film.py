"""The film of the density for a page: frames with axes, a colour bar and the time."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ..io.result import Result
from .frames import Plane, even, planes
from .style import DENSITY_MAP, contour_levels, lived_in, panel_shape, readable_top, view

# More frames than this add to the page and not to what is seen.
FRAMES = 60
# Pixels along the longer side of an image, and points of a curve or of a side of a contour plot.
PIXELS = 240
POINTS = 240
# Colours of an image.
LEVELS = 256
# Units of the drawing: the longer side of an image, and width and height of the panel of curves.
SIDE = 300
CURVE_SIZE = (440, 240)

Limits = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: units from its lower end, and the number beside it."""

    place: float
    text: str


@dataclass(frozen=True)
class FilmPanel:
    """One pair of axes of the film: images of two parameters, or curves over one.

    Parameters
    ----------
    names : pair of str
        What runs to the right and upwards.
    limits : pair of (float, float)
        What is shown of them.
    size : pair of float
        Width and height of a frame in units of the drawing.
    ticks : pair of tuple of Tick
    peaks : tuple of float
        Largest density of each frame, the upper end of its colours.
    image : str
        Data URI of a PNG with all frames, each over its peak, the first on top; empty for curves.
    contours : str
        SVG path data of contours of the loss; empty for curves.
    curves : tuple of str
        SVG path data per frame; empty for images.
    rest : str
        SVG path data of the stationary density; empty for images, and where there is none.
    """

    names: tuple[str, str]
    limits: tuple[Limits, Limits]
    size: tuple[float, float]
    ticks: tuple[tuple[Tick, ...], tuple[Tick, ...]]
    peaks: tuple[float, ...]
    image: str = ""
    contours: str = ""
    curves: tuple[str, ...] = ()
    rest: str = ""

    @property
    def bars(self) -> list[list[str]]:
        """Numbers beside the colour bar, from its upper end down, per frame."""
        return [[f"{peak:.3g}", f"{peak / 2:.3g}", "0"] for peak in self.peaks]

    @property
    def data(self) -> str:
        """What the script of the page changes from frame to frame, as JSON."""
        return json.dumps(self.curves or self.bars)


@dataclass(frozen=True)
class Film:
    """Frames of the density with what a page says of them.

    Parameters
    ----------
    frames : tuple of int
        Numbers of the frames of the result.
    heads : tuple of str
        The time of each.
    panels : tuple of FilmPanel
        One in one and two dimensions, each pair of axes in three.
    colors : str
        Data URI of a PNG with the colours, the largest density on top; empty for curves.
    caption : str
    """

    frames: tuple[int, ...]
    heads: tuple[str, ...]
    panels: tuple[FilmPanel, ...]
    colors: str
    caption: str

    @property
    def heads_json(self) -> str:
        """The heads as a JSON list."""
        return json.dumps(self.heads)


def film_of(result: Result) -> Film | None:
    """Film of up to ``FRAMES`` frames; None where fewer than three densities are kept."""
    kept = result.kept_frames
    if len(kept) < 3:
        return None
    frames = kept[even(len(kept), FRAMES)]
    if result.ndim == 1:
        panels = [_curves(result, frames)]
        rest = "" if result.stationary is None else "; dashed: the stationary density"
        caption = f"The density over time{rest}"
        colors = ""
    else:
        found = planes(result, "marginal", np.zeros(result.ndim, int))
        panels = [_images(result, frames, plane) for plane in found]
        what = "The density" if result.ndim == 2 else "Marginal densities"
        lines = "; lines: the loss" if any(panel.contours for panel in panels) else ""
        caption = f"{what} over time, colours up to the peak of each frame{lines}"
        colors = _png(np.arange(LEVELS - 1, -1, -1, dtype=np.uint8)[:, None])
    return Film(
        tuple(map(int, frames)),
        tuple(f"t = {result.time[k]:.4g}" for k in frames),
        tuple(panels),
        colors,
        caption,
    )


def _ticks(limits: Limits, length: float) -> tuple[Tick, ...]:
    low, high = limits
    slack = 1e-9 * (high - low)
    return tuple(
        Tick(length * (value - low) / (high - low), f"{value:.10g}".replace("-", "−"))
        for value in MaxNLocator(5).tick_values(low, high)
        if low - slack <= value <= high + slack
    )


def _path(across: np.ndarray, down: np.ndarray) -> str:
    pairs = zip(across, down, strict=True)
    return "M" + "L".join(f"{right:.1f},{below:.1f}" for right, below in pairs)


def _curves(result: Result, frames: np.ndarray) -> FilmPanel:
    densities = result.density[frames]
    limits = view(lived_in(densities), result.bounds)[0]
    x = result.centers[0]
    inside = np.flatnonzero((x >= limits[0]) & (x <= limits[1]))
    points = inside[even(len(inside), POINTS)]
    peaks = densities.max(axis=1)
    # Where all has left the box, the last density is no measure.
    top = readable_top(peaks) or 1.05 * float(peaks.max())
    width, height = CURVE_SIZE
    across = width * (x[points] - limits[0]) / (limits[1] - limits[0])

    def path(density: np.ndarray) -> str:
        # A start far above the last density is cut off at the upper side.
        return _path(across, height * (1.0 - np.minimum(density[points] / top, 1.0)))

    return FilmPanel(
        (result.names[0], "density"),
        (limits, (0.0, top)),
        CURVE_SIZE,
        (_ticks(limits, width), _ticks((0.0, top), height)),
        tuple(map(float, peaks)),
        curves=tuple(path(density) for density in densities),
        rest="" if result.stationary is None else path(result.stationary.density),
    )


def _images(result: Result, frames: np.ndarray, plane: Plane) -> FilmPanel:
    # One by one: frames of a fine grid, stacked, would need their memory again.
    shown = [plane.of_density(result.density[k]) for k in frames]
    home = np.logical_or.reduce([lived_in(density[None]) for density in shown])
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    across, up = limits = view(home, bounds)
    ratio = panel_shape(limits)
    shape = (1.0 / max(ratio, 1.0), min(ratio, 1.0))
    cells = []
    for (low, high), faces, share in zip(limits, bounds, shape, strict=True):
        # Every pixel shows the cell at its middle.
        pixels = round(PIXELS * share)
        middles = low + (high - low) * (np.arange(pixels) + 0.5) / pixels
        cells.append(np.clip(np.searchsorted(faces[:, 1], middles), 0, len(faces) - 1))
    peaks = [float(density.max()) for density in shown]
    strip = []
    for density, peak in zip(shown, peaks, strict=True):
        part = density[np.ix_(*cells)] / (peak if peak > 0.0 else 1.0)
        # Rows of an image run downwards, the second axis up.
        strip.append(np.round((LEVELS - 1) * part).astype(np.uint8).T[::-1])
    first, second = plane.pair
    size = (SIDE * shape[0], SIDE * shape[1])
    return FilmPanel(
        (result.names[first], result.names[second]),
        (across, up),
        size,
        (_ticks(across, size[0]), _ticks(up, size[1])),
        tuple(peaks),
        image=_png(np.concatenate(strip)),
        contours=_contours(result, plane, home, limits, size),
    )


def _contours(
    result: Result,
    plane: Plane,
    home: np.ndarray,
    limits: list[Limits],
    size: tuple[float, float],
) -> str:
    """Lines of the loss at levels that share the area where the density lives."""
    loss = plane.of_potential(result.loss)
    levels = contour_levels(loss, home)
    if not len(levels):
        return ""
    places = []
    for axis, (low, high), length in zip(plane.pair, limits, size, strict=True):
        places.append(length * (result.centers[axis] - low) / (high - low))
    some = [even(len(place), POINTS) for place in places]
    across, up = (place[kept] for place, kept in zip(places, some, strict=True))
    values = np.ma.masked_invalid(loss[np.ix_(*some)].T)
    found = Figure().subplots().contour(across, size[1] - up, values, levels=levels)
    lines = [line for path in found.get_paths() for line in path.to_polygons(closed_only=False)]
    return "".join(_path(*np.asarray(line).T) for line in lines)


def _png(shades: np.ndarray) -> str:
    """Data URI of an image in the colours of densities."""
    picture = Image.fromarray(shades, "P")
    colors = colormaps[DENSITY_MAP](np.linspace(0.0, 1.0, LEVELS), bytes=True)[:, :3]
    picture.putpalette(colors.tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
