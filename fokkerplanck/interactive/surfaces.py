"""Three parameters: surfaces of constant density that hold given shares of the probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..figures.style import RIBBON, view
from ..io.result import Result
from .cells import blocks, frames_note, page_frames, single, time_texts
from .colors import NAME
from .drawing import Drawing, film, label, look, said, slider
from .fields import home_of

# Cells per axis: a browser finds the surfaces again at every step of the slider.
CELLS = 40
SHARES = (0.9, 0.5)


def surfaces(result: Result) -> Drawing | None:
    """Surfaces that can be turned, at the frames or at rest; None without a density."""
    joined = blocks(result.bounds, CELLS)
    frames = page_frames(result, int(np.prod(joined.counts)))
    if len(frames):
        shown = [joined.mean(result.density[k]) for k in frames]
        texts = time_texts(result, frames)
        note = frames_note(result, frames)
    elif result.stationary is not None:
        shown, texts, note = [joined.mean(result.stationary.density)], [], "The state at rest."
    else:
        return None
    places = np.meshgrid(*joined.centers, indexing="ij")
    names = [label(name) for name in result.names]
    where = "<br>".join(
        f"{name} = %{{{sign}:.4g}}" for name, sign in zip(names, "xyz", strict=True)
    )
    data = [
        {
            "type": "isosurface",
            **{sign: single(place.ravel()) for sign, place in zip("xyz", places, strict=True)},
            **_levels(shown[-1], joined.volume),
            "surface": {"count": len(SHARES)},
            "caps": {sign: {"show": False} for sign in "xyz"},
            "colorscale": NAME,
            "showscale": False,
            "opacity": 0.45,
            "hovertemplate": f"{where}<br>density %{{value:.4g}}<extra></extra>",
        }
    ]
    home = home_of(result)
    assert home is not None
    layout = look(640, (10, 10, 20, 110), scene=_scene(names, view(home, result.bounds)))
    steps: list[dict[str, Any]] = []
    if texts:
        layout["sliders"] = [slider(texts, len(texts) - 1)]
        steps = film([{"type": "isosurface", **_levels(one, joined.volume)}] for one in shown)
    held = " and ".join(f"{100 * share:.0f} %" for share in SHARES)
    first = f"Surfaces of constant density that hold {held} of the probability; drag to turn them."
    notes = said(first, note, joined.note)
    return Drawing("surfaces", "Surfaces", data, layout, steps, notes, 900, webgl=True)


def _levels(density: np.ndarray, volume: np.ndarray) -> dict[str, Any]:
    low, high = (level_of(density, volume, share) for share in SHARES)
    # A start within one cell has all its mass above one level.
    spread = (high - low) or abs(high)
    return {
        "value": single(density.ravel()),
        "isomin": low,
        "isomax": high,
        # The colours of both stay the same from frame to frame.
        "cmin": low - spread,
        "cmax": high + 0.3 * spread,
    }


def level_of(density: np.ndarray, volume: np.ndarray, share: float) -> float:
    """The density above which a share of the probability lies.

    Parameters
    ----------
    density, volume : ndarray
        Of the cells, in the same shape.
    share : float
    """
    falling = np.argsort(density, axis=None)[::-1]
    held = np.cumsum((density * volume).ravel()[falling])
    return float(density.ravel()[falling[np.searchsorted(held, share * held[-1])]])


def _scene(names: list[str], ends: list[tuple[float, float]]) -> dict[str, Any]:
    lengths = [high - low for low, high in ends]
    true = min(lengths) > RIBBON * max(lengths)
    return {
        "aspectmode": "data" if true else "cube",
        "camera": {"eye": {"x": 1.5, "y": 1.5, "z": 1.1}, "center": {"x": 0, "y": 0, "z": -0.15}},
        **{
            f"{sign}axis": {"title": {"text": name}, "range": list(end), "nticks": 6}
            for sign, name, end in zip("xyz", names, ends, strict=True)
        },
    }
