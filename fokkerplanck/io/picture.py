"""The density of one frame as a plain picture, for notebooks and quick looks.

The figures of a run are made in :mod:`fokkerplanck.figures`; this one is what xarray draws.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .result import Result

# Inches and dots per inch: some 20 kB in a notebook.
SIZE, DPI = (4.2, 3.0), 80


def plot_density(result: Result, frame: int, ax: Any) -> Any:
    """Draw a frame; returns the axes. Of three parameters the marginal of the first two."""
    from xarray import DataArray

    values, shown, label = result.density[frame], result.names[:2], "probability density"
    if result.ndim == 3:
        values = values.sum(axis=2, dtype=np.float64) * result.grid_spacing[2]
        label += f", {result.names[2]} integrated out"
    density = DataArray(values, dict(zip(shown, result.centers, strict=False)), shown, name=label)
    if result.ndim == 1:
        axes = density.plot.line(ax=ax)[0].axes
    else:
        axes = density.plot.pcolormesh(x=shown[0], y=shown[1], ax=ax).axes
    axes.set_title(f"t = {result.time[frame]:.6g}")
    return axes


def density_image(result: Result) -> str:
    """The last density that was kept as an image inside HTML; empty where there is none."""
    kept = result.kept_frames
    if not len(kept) or len(result.time) != len(result.density):
        return ""
    # Without pyplot: what a notebook has drawn so far stays as it is.
    from matplotlib.figure import Figure

    figure = Figure(SIZE, layout="constrained")
    plot_density(result, int(kept[-1]), figure.subplots())
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img alt="the last density" src="data:image/png;base64,{data}">'
