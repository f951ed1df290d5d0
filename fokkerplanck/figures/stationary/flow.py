"""Lines of a stationary current over an image: level lines of its stream function, or traced."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import FancyArrowPatch

# White with a dark rim is seen on both ends of the colour map.
LINE_COLOR, RIM_COLOR = "white", "#440154"
THIN, THICK, RIM = 0.35, 1.4, 0.7

# Streamlines of rounding noise far out would only be clutter.
WEAK = 1e-3

# Arrows of neighbouring lines are this share of a turn apart, lest they line up.
GOLDEN = 0.618


def level_lines(
    axes: Axes,
    corners: tuple[np.ndarray, ...],
    stream: np.ndarray,
    centers: tuple[np.ndarray, ...],
    current: np.ndarray,
    count: int,
) -> float:
    """Draw level lines of a stream function, which close exactly; wider where |J| is larger.

    Parameters
    ----------
    axes : Axes
    corners : tuple of ndarray
        Cell faces, shape (n_i + 1,) per axis.
    stream : ndarray, shape (n_1 + 1, n_2 + 1)
    centers : tuple of ndarray
        Cell centres, shape (n_i,) per axis.
    current : ndarray, shape (2, n_1, n_2)
    count : int
        Steps between the smallest and the largest value.

    Returns
    -------
    float
        Probability per unit time between neighbouring lines, the same for all.
    """
    low, high = float(stream.min()), float(stream.max())
    step = (high - low) / count
    if not step > 0.0:
        return 0.0
    # Half steps keep clear of zero, the value along all walls.
    levels = step * (np.arange(np.floor(low / step), np.ceil(high / step)) + 0.5)
    levels = levels[(levels > low) & (levels < high)]
    drawn = axes.contour(*corners, stream.T, levels=levels)
    lines = [line for group in drawn.allsegs for line in group if len(line) > 2]
    drawn.remove()
    fastest = float(np.hypot(*current).max())
    longest = max((_length(line) for line in lines), default=0.0)
    for number, line in enumerate(lines):
        middles = 0.5 * (line[1:] + line[:-1])
        speed = np.hypot(*(bilinear(centers, part, middles) for part in current)) / fastest
        pairs = np.stack([line[:-1], line[1:]], axis=1)
        widths = THIN + (THICK - THIN) * speed
        # Two collections, as a rim drawn with each piece would cover the end of the last.
        for more, color in ((RIM, RIM_COLOR), (0.0, LINE_COLOR)):
            pieces = LineCollection(
                list(pairs), linewidths=widths + more, colors=color, capstyle="round"
            )
            axes.add_collection(pieces, autolim=False)
        ahead = _along(line, current, centers)
        start = GOLDEN * number
        for share in (start, start + 0.5) if _length(line) > 0.4 * longest else (start,):
            arrow(axes, line if ahead else line[::-1], share % 1.0, LINE_COLOR, 6.0)
    return step


def traced_lines(
    axes: Axes, centers: tuple[np.ndarray, ...], current: np.ndarray, fastest: float
) -> None:
    """Trace lines of a current; wider where it is larger, none where it is next to nothing.

    Parameters
    ----------
    axes : Axes
    centers : tuple of ndarray
    current : ndarray, shape (2, n_1, n_2)
    fastest : float
        Largest |J| of all panels that share their widths.
    """
    first, second = (part.T for part in current)
    speed = np.hypot(first, second)
    weak = speed < WEAK * fastest
    if weak.all():
        return
    # The rounding of the spacing is removed, which streamplot refuses.
    across, up = (np.linspace(center[0], center[-1], len(center)) for center in centers)
    axes.streamplot(
        across,
        up,
        np.where(weak, np.nan, first),
        np.where(weak, np.nan, second),
        color=LINE_COLOR,
        density=0.8,
        linewidth=THIN + (THICK - THIN) * speed / fastest,
        arrowsize=0.7,
    )


def arrow(axes: Axes, line: np.ndarray, share: float, color: str, size: float) -> None:
    """Arrow head on a line of points, shape (m, 2), after a share of its length."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = int(np.clip(np.searchsorted(lengths, share * lengths[-1]), 1, len(line) - 1))
    tail, head = line[at - 1], line[at]
    axes.add_patch(
        FancyArrowPatch(
            (float(tail[0]), float(tail[1])),
            (float(head[0]), float(head[1])),
            arrowstyle="-|>",
            mutation_scale=size,
            shrinkA=0.0,
            shrinkB=0.0,
            color=color,
            linewidth=0.5,
            zorder=3,
        )
    )


def bilinear(centers: tuple[np.ndarray, ...], values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values at points of shape (m, 2); constant beyond the outermost cell centres."""
    cells, shares = [], []
    for center, place in zip(centers, points.T, strict=True):
        spacing = (center[-1] - center[0]) / (len(center) - 1)
        scaled = np.clip((place - center[0]) / spacing, 0.0, len(center) - 1.0)
        cell = np.minimum(scaled.astype(int), len(center) - 2)
        cells.append(cell)
        shares.append(scaled - cell)
    (i, j), (s, t) = cells, shares
    lower = (1.0 - t) * values[i, j] + t * values[i, j + 1]
    upper = (1.0 - t) * values[i + 1, j] + t * values[i + 1, j + 1]
    return np.asarray((1.0 - s) * lower + s * upper)


def _length(line: np.ndarray) -> float:
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _along(line: np.ndarray, current: np.ndarray, centers: tuple[np.ndarray, ...]) -> bool:
    """Whether the current runs along the line rather than against it."""
    middles, steps = 0.5 * (line[1:] + line[:-1]), np.diff(line, axis=0)
    flow = np.stack([bilinear(centers, part, middles) for part in current], axis=1)
    return bool((flow * steps).sum() > 0.0)
