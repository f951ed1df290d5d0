"""The density frame by frame for a page with a slider: a strip of small images, or curves."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from PIL import Image

from ..io.result import Result
from .animation import film_frames
from .frames import planes
from .style import DENSITY_MAP, lived_in, panel_shape, readable_top, view

# More frames than this add to the page and not to what is seen.
FRAMES = 60
# Pixels along the longer side of an image, and points of a curve.
PIXELS = 240
POINTS = 240
# Colours of an image.
LEVELS = 256
# Size of the drawing of curves, in its own units.
CURVE_SIZE = (480, 240)


@dataclass(frozen=True)
class Filmstrip:
    """Frames one below the other as a PNG, or as curves.

    Parameters
    ----------
    frames : tuple of int
        Numbers of the frames of the result.
    names : tuple of str
        Axes to the right and upwards; the second is missing for curves.
    limits : tuple of (float, float)
        What is shown of them.
    ratio : float
        Height over width of a frame.
    image : bytes
        PNG of all frames, each divided by its peak, the first on top; empty for curves.
    curves : tuple of str
        SVG path data per frame; empty for images.
    rest : str
        SVG path data of the stationary density; empty where there is none.
    top : float
        Density at the upper side of the drawing of curves.
    """

    frames: tuple[int, ...]
    names: tuple[str, ...]
    limits: tuple[tuple[float, float], ...]
    ratio: float
    image: bytes = b""
    curves: tuple[str, ...] = ()
    rest: str = ""
    top: float = 0.0


def filmstrip(result: Result) -> Filmstrip | None:
    """Strip of up to ``FRAMES`` frames; None where fewer than three densities are kept.

    In three dimensions it shows the marginal density of the first two axes.
    """
    frames = film_frames(result)
    if len(frames) < 3:
        return None
    frames = frames[_even(len(frames), FRAMES)]
    return _curves(result, frames) if result.ndim == 1 else _images(result, frames)


def _even(count: int, most: int) -> np.ndarray:
    """Up to ``most`` of the numbers below ``count``, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _curves(result: Result, frames: np.ndarray) -> Filmstrip:
    densities = result.density[frames]
    limits = view(lived_in(densities), result.bounds)[0]
    x = result.centers[0]
    inside = np.flatnonzero((x >= limits[0]) & (x <= limits[1]))
    points = inside[_even(len(inside), POINTS)]
    top = readable_top(densities.max(axis=1))
    width, height = CURVE_SIZE
    across = width * (x[points] - limits[0]) / (limits[1] - limits[0])

    def path(density: np.ndarray) -> str:
        # A start far above the last density is cut off at the upper side.
        heights = height * (1.0 - np.minimum(density[points] / top, 1.0))
        pairs = zip(across, heights, strict=True)
        return "M" + "L".join(f"{right:.1f},{down:.1f}" for right, down in pairs)

    return Filmstrip(
        tuple(map(int, frames)),
        result.names,
        (limits,),
        height / width,
        curves=tuple(path(density) for density in densities),
        rest="" if result.stationary is None else path(result.stationary.density),
        top=top,
    )


def _images(result: Result, frames: np.ndarray) -> Filmstrip:
    plane = planes(result, "marginal", np.zeros(result.ndim, int))[0]
    # One by one: frames of a fine grid, stacked, would need their memory again.
    shown = [plane.of_density(result.density[k]) for k in frames]
    home = np.logical_or.reduce([lived_in(density[None]) for density in shown])
    bounds = tuple(result.bounds[axis] for axis in plane.pair)
    limits = view(home, bounds)
    cells = []
    ratio = panel_shape(limits)
    for (low, high), faces, pixels in zip(
        limits, bounds, (PIXELS / max(ratio, 1.0), PIXELS * min(ratio, 1.0)), strict=True
    ):
        # Every pixel shows the cell at its middle.
        middles = low + (high - low) * (np.arange(round(pixels)) + 0.5) / round(pixels)
        cells.append(np.clip(np.searchsorted(faces[:, 1], middles), 0, len(faces) - 1))
    strip = []
    for density in shown:
        peak = density.max()
        part = density[np.ix_(*cells)] / (peak if peak > 0.0 else 1.0)
        # Rows of an image run downwards, the second axis up.
        strip.append(np.round((LEVELS - 1) * part).astype(np.uint8).T[::-1])
    picture = Image.fromarray(np.concatenate(strip), "P")
    colors = colormaps[DENSITY_MAP](np.linspace(0.0, 1.0, LEVELS), bytes=True)[:, :3]
    picture.putpalette(colors.tobytes())
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return Filmstrip(
        tuple(map(int, frames)),
        tuple(result.names[axis] for axis in plane.pair),
        tuple(limits),
        len(strip[0]) / strip[0].shape[1],
        image=out.getvalue(),
    )
