"""What says most about the members of a sweep, against the swept keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import StoreError
from ..io import SweepRecord
from .style import COLORS, DENSITY_MAP, PAGE, house_style, new_figure, save_figure, symbol

PANELS = 4
# Curves of one panel; of more, equally many are left out between those shown.
CURVES = 6
# Values over more than this factor stand on a logarithmic axis.
WIDE = 30.0
STEM = "sweep"


def draw_sweep(record: SweepRecord, folder: Path) -> list[Path]:
    """Draw the figure of a sweep into its folder; no file where nothing is known yet.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    with house_style():
        figure = sweep_figure(record)
        if figure is None:
            return []
        path = folder / f"{STEM}.png"
        try:
            save_figure(figure, path)
        except OSError as error:
            raise StoreError(f"the figure cannot be written: {error.strerror}", path) from error
    return [path]


def sweep_figure(record: SweepRecord) -> Figure | None:
    """One panel for each of the variables that say most; gaps where members failed.

    The first swept key is the axis, the second one the curves; of further keys the first value is
    shown. None if there is nothing to show.
    """
    shown = record.headlines(PANELS)
    if not shown:
        return None
    columns = min(len(shown), 2)
    rows = -(-len(shown) // columns)
    figure = new_figure(PAGE * columns / 2, 2.4 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(panels, shown, strict=False):
        _panel(axes, record, name)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    grid = not record.paired and len(record.names) > 1
    if grid and len(record.values[1]) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside right upper", title=symbol(record.names[1]),
        )  # fmt: skip
    if grid and len(record.names) > 2:
        rest = zip(record.names[2:], record.values[2:], strict=True)
        figure.suptitle(
            "at " + ", ".join(f"{symbol(name)} = {_text(values[0])}" for name, values in rest),
            fontsize=9,
        )
    return figure


def _panel(axes: Axes, record: SweepRecord, name: str) -> None:
    values = record.scalar(name)
    assert values is not None
    across = record.values[0]
    numeric = across.dtype.kind in "if"
    places: Any = across if numeric else np.arange(len(across))
    order = np.argsort(places) if numeric else np.arange(len(places))
    # Between texts there is nothing.
    line = "o-" if numeric else "o"
    if record.paired or len(record.names) == 1:
        axes.plot(places[order], values[order], line, color=COLORS[0], markersize=3.5)
    else:
        plane = values.reshape(*values.shape[:2], -1)[:, :, 0]
        count = plane.shape[1]
        picked = np.unique(np.linspace(0, count - 1, min(count, CURVES)).round().astype(int))
        shades = colormaps[DENSITY_MAP](np.linspace(0.0, 0.85, len(picked)))
        for column, shade in zip(picked, shades, strict=True):
            axes.plot(
                places[order], plane[order, column], line, color=shade, markersize=3.5,
                label=_text(record.values[1][column]),
            )  # fmt: skip
    _scales(axes, places if numeric else None, values)
    if not numeric:
        axes.set_xticks(places, [_text(value) for value in across], rotation=20, ha="right")
    axes.set_xlabel(symbol(record.names[0]))
    axes.set_ylabel(name.replace("_", " ").replace("kl to", "KL to"))


def _scales(axes: Axes, places: np.ndarray | None, values: np.ndarray) -> None:
    if places is not None and _wide(places):
        axes.set_xscale("log")
    if _wide(values[np.isfinite(values)]):
        axes.set_yscale("log")
    else:
        axes.ticklabel_format(axis="y", useOffset=False)


def _wide(values: np.ndarray) -> bool:
    return bool(values.size and values.min() > 0.0 and values.max() > WIDE * values.min())


def _text(value: Any, most: int = 18) -> str:
    text = value if isinstance(value, str) else f"{value:g}"
    return text if len(text) <= most else f"{text[: most - 3]}..."
