"""The views of a result by name: for a page, and one of them for a notebook."""

from __future__ import annotations

from typing import Any

from ..errors import CaseError, StoreError
from ..io.result import Result, require_result
from .figures import density, label, landscape, observables

# Title and maker of each view, in the order of a page.
VIEWS = {
    "density": ("Density", density),
    "quasi_potential": ("Loss and quasi-potential", landscape),
    "observables": ("Over time", observables),
}
# The first plotly whose figures hold arrays in their bytes.
FIRST = 6


def zoomable(result: Result, view: str | None = None) -> Any:
    """A figure of a result to zoom into, which a notebook shows; needs plotly.

    Cells beyond 2048 along one parameter, 256 along two and 128 along three are joined to means,
    and frames beyond some megabytes are left out, as the subtitle says. plotly 7 has a button that
    would send the numbers to its makers; ``show(config={"showSendToCloud": False})`` has not.

    Parameters
    ----------
    result : Result
    view : str, optional
        ``"density"`` over a slider of the frames, the state at rest as its last step: a curve in
        one dimension, a map in two, marginals in three; ``"quasi_potential"`` and loss above their
        minima; ``"observables"`` over time. By default the first that there is data for.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    CaseError
        If plotly is missing, there is no result, or the result has no such view.
    StoreError
        If the result has no density at any time and none at rest.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> result = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> figure = fp.zoomable(result, "density")  # figure.show() in a notebook
    >>> [step.label for step in figure.layout.sliders[0].steps]
    ['t = 0', 't = 0.5', 't = 1', 'at rest']
    """
    found = views_of(result)
    chosen = next(iter(found)) if view is None else str(view)
    if chosen not in found:
        raise CaseError(f"this result has no view {chosen!r}; it has {', '.join(found)}")
    figure, note = found[chosen]
    texts = {"text": label(result.title or "Result"), "subtitle_text": label(note)}
    # By default the title would stand in the middle of its margin, over the buttons.
    place = {"yref": "container", "y": 1.0, "yanchor": "top", "pad_t": 12}
    height, top = figure.layout.height + 60, figure.layout.margin.t + 60
    return figure.update_layout(title=texts | place, height=height, margin_t=top)


def views_of(result: Result) -> dict[str, tuple[Any, str]]:
    """Figure and note of every view that a result has data for; raises as :func:`zoomable`."""
    require_result(result)
    require_plotly()
    if not len(result.kept_frames) and result.stationary is None:
        detail = "no density at any time and none at rest, so there is nothing to zoom into"
        raise StoreError(f"this result has {detail}")
    return {key: made for key, (_, make) in VIEWS.items() if (made := make(result)) is not None}


def require_plotly() -> None:
    """Raise CaseError with what to install where plotly is missing or too old."""
    try:
        from plotly import __version__ as version
    except ImportError:
        version = "0"
    if int(version.split(".")[0]) < FIRST:
        raise CaseError(
            f"a zoomable view is made with plotly {FIRST} or later, which is not installed; "
            "pip install -U 'fokkerplanck[zoom]'"
        )


def plotly_script() -> str:
    """The library's own script, for a page that loads nothing."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
