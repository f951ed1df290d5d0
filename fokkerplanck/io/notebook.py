"""How results and their records show themselves in a notebook: small tables, no arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .picture import density_image

if TYPE_CHECKING:
    from .result import Result

# Rows and letters beyond these are left out: a notebook keeps what it shows.
ROWS = 24
LETTERS = 80


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


def record_html(record: Any) -> str:
    """Table of a record, to stand as its ``_repr_html_``: numbers, and arrays by shape and range.

    Parameters
    ----------
    record : dataclass instance
        Entries that are None are left out.
    """
    rows = []
    for entry in fields(record):
        value = getattr(record, entry.name)
        if isinstance(value, dict):
            rows += [(str(key).replace("_", " "), _shown(one)) for key, one in value.items()]
        elif value is not None and not (isinstance(value, tuple) and not value):
            rows.append((entry.name.replace("_", " "), _shown(value)))
    return html_table(type(record).__name__, rows)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return _array(value)
    if isinstance(value, float | np.floating | np.ndarray):
        return f"{float(value):.6g}"
    if isinstance(value, tuple) and not all(isinstance(one, str) for one in value):
        return f"{len(value)} entries"
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    if hasattr(value, "_repr_html_"):
        text = type(value).__name__
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}..."


def _array(values: np.ndarray) -> str:
    shape = " × ".join(str(count) for count in values.shape)
    if not values.size:
        return "empty"
    if np.iscomplexobj(values) or values.dtype.kind not in "iuf":
        return shape
    if values.size <= 4 and values.ndim == 1:
        return ", ".join(f"{value:.6g}" for value in values)
    known = values[np.isfinite(values)]
    if not known.size:
        return f"{shape}, no finite value"
    return f"{shape}, from {known.min():.4g} to {known.max():.4g}"
