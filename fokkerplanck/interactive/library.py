"""plotly: whether it is there, its script, and figures from plain drawings."""

from __future__ import annotations

import json
from typing import Any

from ..errors import CaseError
from .drawing import Drawing

# The first one whose figures hold arrays in their bytes.
FIRST = 6


def require_plotly() -> None:
    """Raise CaseError with what to install where plotly is missing or writes arrays as text."""
    try:
        import plotly
    except ImportError:
        raise CaseError(
            "a zoomable view is made with plotly, which is not installed; "
            "pip install 'fokkerplanck[zoom]'"
        ) from None
    if int(plotly.__version__.split(".")[0]) < FIRST:
        raise CaseError(
            f"a zoomable view is made with plotly {FIRST} or later, and {plotly.__version__} is "
            "installed; pip install -U 'fokkerplanck[zoom]'"
        )


def plotly_script() -> str:
    """The library's own script, for a page that loads nothing."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def sampled(name: str, count: int) -> list[str]:
    """Evenly spaced colours of a scale, from its lower to its upper end."""
    from plotly.colors import sample_colorscale

    return list(sample_colorscale(name, [k / (count - 1) for k in range(count)]))


def figure_of(drawing: Drawing) -> Any:
    """A drawing as a ``plotly.graph_objects.Figure``, which checks every name and value of it."""
    from plotly.graph_objects import Figure

    return Figure(data=drawing.data, layout=drawing.layout, frames=drawing.frames)


def figure_json(drawing: Drawing) -> str:
    """A drawing as JSON, arrays in their bytes (base64)."""
    return json.dumps(figure_of(drawing).to_dict(), allow_nan=False, separators=(",", ":"))
