"""What all zoomable drawings share: the slider over frames, buttons, labels, the look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

INK, SOFT = "#1b1f24", "#59636e"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Drawing:
    """A figure in plotly's own words, without plotly.

    Parameters
    ----------
    key, title : str
        Its name for the library, and its head on a page.
    data : list of dict
        Traces; their arrays are ndarrays.
    layout : dict
    frames : list of dict
    notes : tuple of str
        What is shown, and what was joined or left out, in sentences; see :func:`said`.
    width : int
        Pixels beyond which it gains nothing.
    webgl : bool
        Whether the browser must give WebGL.
    """

    key: str
    title: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    frames: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    width: int = 1100
    webgl: bool = False


def label(name: str) -> str:
    """A name as text: plotly takes signs of HTML in labels for HTML, and ``%{`` for a value."""
    return escape(name, quote=False).replace("%", "&#37;")


def look(height: int, margin: tuple[int, int, int, int], **more: Any) -> dict[str, Any]:
    """The layout that all drawings start from.

    Parameters
    ----------
    height : int
        Pixels.
    margin : tuple of int
        Pixels to the left, to the right, above and below the panels.
    more
        Further keys of the layout.
    """
    sides: dict[str, Any] = dict(zip("lrtb", margin, strict=True))
    return {
        "template": "plotly_white",
        "font": {"family": FONT, "color": INK, "size": 13},
        "height": height,
        # Margins that grow with what stands in them make plotly draw again in the midst of an
        # update, with traces that are not computed yet.
        "margin": {**sides, "autoexpand": False},
        "hovermode": "closest",
        # Above the panels it would grow into the buttons.
        "legend": {
            "orientation": "h",
            "x": 0.0,
            "yref": "container",
            "y": 0.0,
            "yanchor": "bottom",
        },
        **more,
    }


def said(*notes: str) -> tuple[str, ...]:
    """Those of the notes that say something."""
    return tuple(note for note in notes if note)


def film(frames: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Frames "0", "1", ... of a slider.

    Parameters
    ----------
    frames : iterable of list of dict
        What each changes of the first traces, in their order.
    """
    return [
        {"name": str(k), "data": changes, "traces": list(range(len(changes)))}
        for k, changes in enumerate(frames)
    ]


def slider(labels: Sequence[str], active: int) -> dict[str, Any]:
    """A slider over the frames "0", "1", ...; the labels stand above it, one at a time.

    Parameters
    ----------
    labels : sequence of str
        One per frame.
    active : int
        The frame that is shown first.
    """
    how = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    return {
        "active": active,
        "pad": {"t": 55, "b": 10},
        "ticklen": 4,
        # Labels below the slider would lie over each other; only the chosen one is shown.
        "font": {"color": "rgba(0,0,0,0)"},
        "currentvalue": {"xanchor": "left", "font": {"color": INK, "size": 14}},
        "steps": [
            {"label": label(text), "method": "animate", "args": [[str(k)], how]}
            for k, text in enumerate(labels)
        ],
    }


def buttons(entries: list[tuple[str, list[Any]]], x: float, row: int = 0) -> dict[str, Any]:
    """Buttons beside each other above the panels, the first one pressed.

    Parameters
    ----------
    entries : list of (label, arguments)
        Arguments of ``Plotly.update``.
    x : float
        Left end in shares of the width.
    row : int
        How many rows of buttons stand below.
    """
    return _menu(entries, {"type": "buttons", "direction": "right"}, x, row)


def dropdown(entries: list[tuple[str, list[Any]]], x: float, row: int = 0) -> dict[str, Any]:
    """A list to choose from, as :func:`buttons`."""
    return _menu(entries, {"type": "dropdown", "direction": "down"}, x, row)


def _menu(
    entries: list[tuple[str, list[Any]]], kind: dict[str, Any], x: float, row: int
) -> dict[str, Any]:
    return {
        **kind,
        "x": x,
        "xanchor": "left",
        "y": 1.0,
        "yanchor": "bottom",
        "pad": {"b": 8 + 42 * row},
        "buttons": [
            {"label": text, "method": "update", "args": arguments} for text, arguments in entries
        ],
    }
