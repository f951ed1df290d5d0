"""From a result to its drawings, and to one figure for a notebook."""

from __future__ import annotations

import difflib
from typing import Any

from ..errors import CaseError, StoreError
from ..io.result import Result, require_result
from .curves import curves
from .drawing import Drawing, label
from .library import figure_of, require_plotly
from .maps import maps
from .series import series
from .surfaces import surfaces

VIEWS = ("density", "surfaces", "observables")
# Pixels of a title, and of a line below it.
HEAD, LINE = 45, 20


def zoomable(result: Result, view: str | None = None) -> Any:
    """A figure of a result to zoom into, which a notebook shows; needs plotly.

    Cells beyond 2048 along one parameter, 256 along two and 128 along three (40 for the surfaces)
    are joined to means that keep the probability, and frames beyond some megabytes are left out;
    the figure says so below its title.

    A notebook plays the frames once, as plotly does by itself. plotly 7 has a button there that
    would send the numbers to its makers, which the page of :func:`write_zoomable` has not;
    ``figure.show(config={"showSendToCloud": False})`` leaves it out.

    Parameters
    ----------
    result : Result
    view : str, optional
        ``"density"`` has the density at the frames under a slider: a curve with the loss and the
        stationary density in one dimension, maps in two (with loss, quasi-potential and some paths
        of walkers) and marginals in three. ``"surfaces"`` are, in three dimensions, the surfaces
        of constant density that hold 50 % and 90 % of the probability. ``"observables"`` are
        curves over time. By default the first that there is data for.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    CaseError
        If plotly is missing, there is no result, or the result has no such view.
    StoreError
        If the result has nothing that any view could show.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> result = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> figure = fp.zoomable(result, "density")  # figure.show() in a notebook
    >>> len(figure.frames)
    3
    """
    found = {drawing.key: drawing for drawing in drawings_of(result)}
    chosen = next(iter(found)) if view is None else view
    if chosen not in found:
        raise CaseError(_no_view(str(chosen), found))
    drawing = found[chosen]
    figure = figure_of(drawing)
    small = "<br>".join(label(note) for note in drawing.notes)
    room = HEAD + LINE * len(drawing.notes)
    figure.update_layout(
        title={
            "text": label(result.title or "Result"),
            "subtitle": {"text": small},
            # By default it would stand in the middle of its margin, over the buttons.
            **{"yref": "container", "y": 1.0, "yanchor": "top", "pad": {"t": 12}},
        },
        height=drawing.layout["height"] + room,
        margin_t=drawing.layout["margin"]["t"] + room,
    )
    return figure


def _no_view(chosen: str, found: dict[str, Drawing]) -> str:
    if chosen in VIEWS:
        return f"this result has no data for the view {chosen!r}; it has {', '.join(found)}"
    nearest = difflib.get_close_matches(chosen, VIEWS, n=1, cutoff=0.0)[0]
    return f"{chosen!r} is not a view; did you mean {nearest!r}? Known are {', '.join(VIEWS)}"


def drawings_of(result: Result) -> list[Drawing]:
    """Every drawing that a result has data for, in the order of ``VIEWS``.

    Raises
    ------
    CaseError
        If plotly is missing or there is no result.
    StoreError
        If there is none.
    """
    require_result(result)
    require_plotly()
    drawings = [
        curves(result) if result.ndim == 1 else maps(result),
        surfaces(result) if result.ndim == 3 else None,
        series(result),
    ]
    found = [drawing for drawing in drawings if drawing is not None]
    if not found:
        raise StoreError(
            "this result has no density at any time and none at rest, so there is nothing to zoom "
            "into"
        )
    return found
