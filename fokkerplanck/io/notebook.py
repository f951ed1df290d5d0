"""How a result shows itself in a notebook: a small table, no arrays, and its last density."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from .picture import density_image

if TYPE_CHECKING:
    from .result import Result

# Rows beyond these are left out: a notebook keeps what it shows.
ROWS = 24


def html_table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    """Rows (what, value) as a table; every text is escaped."""
    lines = [
        '<tr><th scope="row" style="text-align: left">'
        f'{escape(name)}</th><td style="text-align: left">{escape(value)}</td></tr>'
        for name, value in rows
    ]
    if len(lines) > ROWS:
        more = f'<tr><td colspan="2">and {len(lines) - ROWS} more</td></tr>'
        lines = [*lines[:ROWS], more]
    head = f'<caption style="text-align: left"><strong>{escape(caption)}</strong></caption>'
    return f"<table>{head}<tbody>{''.join(lines)}</tbody></table>"


def result_html(result: Result, analyses: Iterable[str]) -> str:
    """Table of what a result is and what was kept, those ``analyses`` it has, the last density."""
    cells = " × ".join(str(count) for count in result.shape)
    rows = [("cells", f"{cells} ({', '.join(result.names)})"), ("β", f"{result.beta:.6g}")]
    if len(result.time):
        rows.append(("frames", f"{len(result.time)} up to t = {result.time[-1]:g}"))
    # A result in memory need not have every observable.
    known = {k: v for k, v in result.observables.items() if len(v)}
    if "mass" in known:
        rows.append(("largest |mass − 1|", f"{np.abs(known['mass'] - 1.0).max():.1e}"))
    if "minimum" in known:
        rows.append(("smallest density", f"{known['minimum'].min():.1e}"))
    if "free_energy" in known:
        first, last = known["free_energy"][0], known["free_energy"][-1]
        rows.append(("free energy", f"{first:.6g} → {last:.6g}"))
    if "kl_to_stationary" in known:
        rows.append(("KL to stationary", f"{known['kl_to_stationary'][-1]:.3e}"))
    if "mean" in known:
        mean = zip(result.names, known["mean"][-1], strict=True)
        rows.append(("final mean", ", ".join(f"{name} {value:.5g}" for name, value in mean)))
    there = [name for name in analyses if getattr(result, name) is not None]
    rows.append(("analyses", ", ".join(there) or "none"))
    if result.failed:
        rows.append(("not computed", ", ".join(result.failed)))
    rows.append(("status", result.status))
    return html_table(result.title or "Result", rows) + density_image(result)
