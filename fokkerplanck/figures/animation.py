"""The density as a film: a GIF by Pillow, or an MP4 where ffmpeg is installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.animation import AbstractMovieWriter, FFMpegWriter, PillowWriter
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from ..errors import CaseError
from ..io.result import Result
from ..runtime.files import whole_file
from .frames import planes
from .style import (
    COLORS,
    COLUMN,
    DENSITY_MAP,
    PAGE,
    contour_levels,
    contours,
    frame_panel,
    image,
    lived_in,
    new_figure,
    panel_shape,
    readable_top,
    symbol,
    time_text,
    view,
)

# A film of some seconds; more frames make a file too large to send.
MAX_FRAMES = 120
FRAMES_PER_SECOND = 12
GIF_DPI = 120


def animate_gif(result: Result, folder: Path) -> Path:
    """Write ``animation.gif`` and return its path."""
    path = folder / "animation.gif"
    _film(result, path, PillowWriter(fps=FRAMES_PER_SECOND), GIF_DPI)
    return path


def animate_mp4(result: Result, folder: Path) -> Path:
    """Write ``animation.mp4`` and return its path.

    Raises
    ------
    CaseError
        If ffmpeg is not installed.
    """
    if not FFMpegWriter.isAvailable():
        raise CaseError(
            "'animation_mp4' needs the program ffmpeg, which is not installed; 'animation' makes "
            "a GIF without it",
            "output.figures",
        )
    path = folder / "animation.mp4"
    _film(result, path, FFMpegWriter(fps=FRAMES_PER_SECOND, bitrate=2000), 200)
    return path


def film_frames(result: Result) -> np.ndarray:
    """Numbers of the frames that are filmed: all, or ``MAX_FRAMES`` evenly among them."""
    kept = result.kept_frames
    if len(kept) <= MAX_FRAMES:
        return kept
    return kept[np.round(np.linspace(0, len(kept) - 1, MAX_FRAMES)).astype(int)]


def _film(result: Result, path: Path, writer: AbstractMovieWriter, dpi: int) -> None:
    chosen = film_frames(result)
    figure, update = (_moving_curve if result.ndim == 1 else _moving_images)(result, chosen)
    # A layout solved at every frame would make the panels tremble.
    update(int(chosen[0]))
    figure.canvas.draw()
    figure.set_layout_engine("none")
    with whole_file(path) as fresh, writer.saving(figure, str(fresh), dpi):
        for index in chosen:
            update(int(index))
            writer.grab_frame()


def _moving_curve(result: Result, chosen: np.ndarray) -> tuple[Figure, Callable[[int], None]]:
    figure = new_figure(COLUMN * 1.3, 2.8)
    axes = figure.subplots()
    (line,) = axes.plot(result.centers[0], result.density[chosen[0]], color=COLORS[0])
    if result.stationary is not None:
        axes.plot(
            result.centers[0], result.stationary.density, "k--", linewidth=1, label="stationary"
        )
        axes.legend(loc="upper right")
    shown = result.density[chosen]
    axes.set(
        xlim=view(lived_in(shown), result.bounds)[0],
        ylim=(0.0, readable_top(shown.max(axis=1))),
        xlabel=symbol(result.names[0]),
        ylabel=r"density $\rho$",
    )

    def update(index: int) -> None:
        line.set_ydata(result.density[index])
        axes.set_title(time_text(float(result.time[index])))

    return figure, update


def _moving_images(result: Result, chosen: np.ndarray) -> tuple[Figure, Callable[[int], None]]:
    """One image per pair of axes, each divided by its peak at every frame."""
    found = planes(result, "marginal", np.zeros(result.ndim, int))
    home = lived_in(result.density[chosen])
    limits = view(home, result.bounds)
    if len(found) == 1:
        figure = new_figure(1.3 + 2.7 / panel_shape(limits), 3.3)
    else:
        figure = new_figure(PAGE, 2.7)
    panels = list(figure.subplots(1, len(found), squeeze=False).flat)
    pictures = []
    for plane, axes in zip(found, panels, strict=True):
        bounds = tuple(result.bounds[axis] for axis in plane.pair)
        centers = tuple(result.centers[axis] for axis in plane.pair)
        names = tuple(result.names[axis] for axis in plane.pair)
        first = plane.of_density(result.density[chosen[0]])
        pictures.append(image(axes, first, bounds, cmap=DENSITY_MAP, norm=Normalize(0.0, 1.0)))
        loss = plane.of_potential(result.loss)
        contours(axes, loss, centers, contour_levels(loss, _shadow(home, plane.pair)))
        frame_panel(axes, [limits[axis] for axis in plane.pair], names, True, True)
    figure.colorbar(pictures[-1], ax=panels, label=r"$\rho\,/\,$max $\rho$", aspect=25)

    def update(index: int) -> None:
        for plane, picture in zip(found, pictures, strict=True):
            density = plane.of_density(result.density[index])
            picture.set_data((density / density.max()).T)
        peak = float(result.density[index].max())
        # Figures of fixed width, so that the heading does not jump from frame to frame.
        figure.suptitle(rf"$t = {result.time[index]:.3f}$,  max $\rho$ = {peak:.3f}", fontsize=9)

    return figure, update


def _shadow(home: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    """Cells of the pair of axes above or below which somebody lives."""
    rest = tuple(set(range(home.ndim)) - set(pair))
    return np.asarray(home.any(axis=rest)) if rest else home
