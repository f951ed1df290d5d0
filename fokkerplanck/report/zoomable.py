"""One page with figures to zoom into: plotly's script is inside, and nothing is loaded."""

from __future__ import annotations

from pathlib import Path

from ..interactive import VIEWS, plotly_script, views_of
from ..io.result import Result
from .page import asset, render, write_page

# File name of the page beside its result.
ZOOMABLE = "zoomable.html"


def write_zoomable(result: Result, path: str | Path) -> Path:
    """Write a page of a result to zoom into, in place of one that is there; needs plotly.

    The page has the views of :func:`zoomable`: the density under a slider, loss and
    quasi-potential, and the observables over time. It needs no network: the script of plotly is
    inside, which makes 5 MB, and at most 10 MB of numbers. What was joined or left out to stay
    below that is said on the page.

    Parameters
    ----------
    result : Result
    path : path
        Of the page, ``zoomable.html`` by custom; its folder is made if need be.

    Returns
    -------
    Path

    Raises
    ------
    CaseError
        If plotly is missing or there is no result.
    StoreError
        If it cannot be written, or the result has no density at any time and none at rest.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> result = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = fp.write_zoomable(result, Path(folder, "zoomable.html"))
    ...     text = page.read_text(encoding="utf-8")
    >>> text[:15]
    '<!DOCTYPE html>'
    """
    views = [
        {"key": key, "title": VIEWS[key][0], "note": note, "figure": figure.to_json()}
        for key, (figure, note) in views_of(result).items()
    ]
    text = render(
        "zoomable.html",
        scripts=(plotly_script(), asset("zoomable.js")),
        images="data: blob:",
        title=result.title or str(result.attrs.get("name", "Result")),
        name=str(result.attrs.get("name", "")),
        status=result.status,
        views=views,
    )
    return write_page(Path(path), lambda: text)
