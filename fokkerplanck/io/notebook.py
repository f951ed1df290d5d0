"""How records show themselves in a notebook: a small table, no arrays and no figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from typing import Any

import numpy as np

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
