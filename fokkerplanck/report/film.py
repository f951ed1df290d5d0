"""The density under a slider: frames inside the page, moved by a few lines of script."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from ..figures import CURVE_SIZE, Filmstrip, filmstrip
from ..io.result import Result


@dataclass(frozen=True)
class Film:
    """What the page needs of a strip.

    Parameters
    ----------
    strip : Filmstrip
    times : str
        JSON list of the times as text.
    curves : str
        JSON list of path data.
    source : str
        Data URI of the image; empty for curves.
    caption : str
    size : pair of int
        Of the drawing of curves.
    """

    strip: Filmstrip
    times: str
    curves: str
    source: str
    caption: str
    size: tuple[int, int] = CURVE_SIZE


def film_of(result: Result) -> Film | None:
    """The film of a result; None where fewer than three densities are kept."""
    strip = filmstrip(result)
    if strip is None:
        return None
    source = ""
    if strip.image:
        source = f"data:image/png;base64,{base64.b64encode(strip.image).decode('ascii')}"
    return Film(
        strip,
        json.dumps([f"{result.time[k]:.4g}" for k in strip.frames]),
        json.dumps(strip.curves),
        source,
        _caption(result, strip),
    )


def _caption(result: Result, strip: Filmstrip) -> str:
    ends = [
        f"{name} from {low:.4g} to {high:.4g}"
        for name, (low, high) in zip(strip.names, strip.limits, strict=False)
    ]
    if strip.curves:
        rest = "; dashed: stationary" if strip.rest else ""
        return f"Density over {ends[0]}, up to {strip.top:.4g}{rest}"
    what = "Density" if result.ndim == 2 else f"Marginal density of {' and '.join(strip.names)}"
    return f"{what}, each frame over its peak; {ends[0]} to the right, {ends[1]} upwards"
