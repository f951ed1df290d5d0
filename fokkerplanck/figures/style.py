"""The look of all figures: sizes for print, labels, colours, contour levels."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..runtime.files import whole_file

DPI = 200

# Widths of one and of two columns of a journal page, in inches.
COLUMN = 3.4
PAGE = 7.0

# Perceptually uniform: viridis for densities, cividis for potentials.
DENSITY_MAP = "viridis"
POTENTIAL_MAP = "cividis"

# Okabe and Ito's colours, told apart by colour-blind readers.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.3,
    "mathtext.fontset": "dejavusans",
}

TIME_LABEL = "time $t$ (dimensionless)"

# A density this far below its peak is taken to be nobody's home.
LIVED_IN = 1e-3

# Letters on a line of an axis label that consists of several words.
LINE = 16

# Panels flatter or taller than this lose their true scale and become square.
RIBBON = 0.45

# Peaks beyond this many times the last one are cut off.
DOMINANT = 5.0

# Closer than this to its last value, relative to its range, a curve is at rest on paper.
REST = 5e-3

# Markers along a curve that is shown twice, as a line and as dots.
MARKERS = 40

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"),
    *("lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
)


# The settings of matplotlib belong to the process, and so do its caches of fonts.
_drawing = threading.RLock()


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in our style, in one thread at a time."""
    with _drawing, rc_context(STYLE):
        yield


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, in place of one that is there.

    Raises
    ------
    OSError
    """
    with whole_file(path) as fresh:
        figure.savefig(fresh, dpi=DPI)


def new_figure(width: float, height: float) -> Figure:
    """Figure of its own, outside pyplot's list of open figures."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def symbol(name: str) -> str:
    """Axis name as mathematics: ``theta_1`` or ``x1`` get an index, Greek letters are drawn."""
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    if not match:
        return name
    stem, index = match.groups()
    if stem in _GREEK:
        stem = rf"\{stem}"
    elif len(stem) > 1:
        return name
    return f"${stem}_{{{index}}}$" if index else f"${stem}$"


def is_symbol(text: str) -> bool:
    """Whether a label is one sign, not words."""
    return text.startswith("$")


def axis_label(name: str) -> str:
    """An axis name beside a panel: a symbol, or words on lines that a narrow panel has room for.

    Lines break at underscores only, where the name says that it has parts.
    """
    text = symbol(name)
    if is_symbol(text):
        return text
    lines = [""]
    for part in re.findall(r"[^_]+_*|_+", text):
        if lines[-1] and len(lines[-1] + part.rstrip("_")) > LINE:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def time_text(time: float) -> str:
    """Time to three digits for the head of a panel."""
    return f"$t = {time:.3g}$" if time == 0 or 1e-3 <= abs(time) < 1e4 else f"$t = {time:.2e}$"


def lived_in(densities: np.ndarray, share: float = LIVED_IN) -> np.ndarray:
    """Cells where one of the densities is above a share of its peak.

    Parameters
    ----------
    densities : ndarray, shape (k, ...)
    """
    axes = tuple(range(1, densities.ndim))
    peaks = densities.max(axis=axes, keepdims=True)
    return np.asarray((densities > share * peaks).any(axis=0))


def view(
    home: np.ndarray, bounds: tuple[np.ndarray, ...], margin: float = 0.1
) -> list[tuple[float, float]]:
    """Interval per axis that shows where the density lives: the whole axis if it needs most of it.

    Parameters
    ----------
    home : ndarray of bool, shape (n_1, ..., n_d)
    bounds : tuple of ndarray
        Cell faces, shape (n_i, 2) per axis.
    """
    limits = []
    for axis, faces in enumerate(bounds):
        others = tuple(i for i in range(home.ndim) if i != axis)
        cells = np.flatnonzero(home.any(axis=others))
        lower, upper = faces[0, 0], faces[-1, 1]
        first, last = faces[cells[0], 0], faces[cells[-1], 1]
        room = margin * (last - first)
        if last - first + 2 * room < 0.8 * (upper - lower):
            lower, upper = max(lower, first - room), min(upper, last + room)
        limits.append((float(lower), float(upper)))
    return limits


def contour_levels(values: np.ndarray, home: np.ndarray, count: int = 7) -> np.ndarray:
    """Levels that enclose equal shares of the area where the density lives.

    Equal steps would go to the steep walls; for a quadratic loss both are the same.
    """
    lived = values[home & np.isfinite(values)]
    if not lived.size:
        return np.empty(0)
    shares = (np.arange(count) + 0.5) / count
    levels = np.unique(np.quantile(lived, shares))
    # A flat landscape has no contours, only rounding.
    if levels[-1] - levels[0] <= 1e-12 * max(1.0, abs(levels[-1])):
        return np.empty(0)
    return levels


def image(axes: Axes, values: np.ndarray, bounds: tuple[np.ndarray, ...], **options: Any) -> Any:
    """Show an array over two axes, the first to the right, one patch per cell."""
    first, second = bounds
    extent = (first[0, 0], first[-1, 1], second[0, 0], second[-1, 1])
    return axes.imshow(
        values.T, origin="lower", extent=extent, aspect="auto", interpolation="nearest", **options
    )


def contours(
    axes: Axes,
    values: np.ndarray,
    centers: tuple[np.ndarray, ...],
    levels: np.ndarray,
    color: str = "white",
) -> None:
    """Thin contour lines over an image."""
    if len(levels):
        axes.contour(*centers, values.T, levels=levels, colors=color, linewidths=0.5, alpha=0.6)


def positive(values: np.ndarray) -> np.ndarray:
    """Values a logarithmic axis can show; at equilibrium rounding makes some negative."""
    return np.where(values > 0, values, np.nan)


def at_least_a_decade(axes: Axes, values: np.ndarray) -> None:
    """Keep a logarithmic axis from zooming into rounding, where only minor ticks are left."""
    finite = values[np.isfinite(values)]
    if finite.size and finite.max() < 10 * finite.min():
        middle = float(np.sqrt(finite.max()) * np.sqrt(finite.min()))
        axes.set_ylim(middle / 10, middle * 10)


def settled(time: np.ndarray, *series: np.ndarray) -> float:
    """When all have come to rest on paper, with half as much time again; at most the last time.

    Parameters
    ----------
    time : ndarray, shape (n,)
    series : ndarray, shape (n,)
        NaN where not known; the largest range of them is the measure.
    """
    reach = max(float(np.nanmax(values) - np.nanmin(values)) for values in series)
    moving = [np.flatnonzero(np.abs(values - values[-1]) > REST * reach) for values in series]
    last = max((int(steps[-1]) for steps in moving if steps.size), default=len(time) - 1)
    return float(min(time[0] + 1.5 * (time[min(last + 1, len(time) - 1)] - time[0]), time[-1]))


def readable_top(peaks: np.ndarray) -> float:
    """Upper end of an axis of densities: a start far above the last one is cut off.

    Parameters
    ----------
    peaks : ndarray, shape (k,)
        Largest value of each curve, the last one last.
    """
    shown = peaks[peaks <= DOMINANT * peaks[-1]]
    return 1.05 * float(shown.max())


def panel_shape(limits: list[tuple[float, float]]) -> float:
    """Height over width of a panel: true to scale where that does not make a ribbon of it."""
    (left, right), (low, high) = limits
    ratio = (high - low) / (right - left)
    return ratio if RIBBON < ratio < 1 / RIBBON else 1.0


def frame_panel(
    axes: Axes, limits: list[tuple[float, float]], names: tuple[str, ...], first: bool, last: bool
) -> None:
    """Limits and labels of a panel; ``first`` of its row, ``last`` of its column."""
    (left, right), (low, high) = limits
    axes.set(xlim=(left, right), ylim=(low, high))
    axes.set_box_aspect(panel_shape(limits))
    axes.locator_params(nbins=5)
    if first:
        word = axis_label(names[1])
        # Only a symbol is narrow enough to stand upright beside the numbers; centred, as a label
        # is by default, a turned one would reach over them.
        upright: dict[str, Any] = {}
        if is_symbol(word):
            upright = {"rotation": 0, "va": "center", "ha": "right"}
        axes.set_ylabel(word, **upright)
    if last:
        axes.set_xlabel(axis_label(names[0]))
    axes.tick_params(labelleft=first, labelbottom=last)


def until(axes: Axes, time: np.ndarray, end: float) -> None:
    """Show the times from the first one to ``end``, with the usual margin on both sides."""
    margin = 0.03 * (end - float(time[0]))
    axes.set_xlim(float(time[0]) - margin, end + margin)
