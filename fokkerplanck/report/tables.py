"""Observables of the frames, as a table."""

from __future__ import annotations

from ..analyses.text import PageTable, number, spread_out
from ..io.result import Result

# Observables of the table of frames, with their heads.
SERIES = (
    ("mass", "mass"),
    ("minimum", "minimum"),
    ("free_energy", "free energy"),
    ("kl_to_stationary", "KL to stationary"),
    ("entropy", "entropy"),
    ("expected_loss", "E[Φ]"),
)


def frame_tables(result: Result) -> tuple[PageTable, ...]:
    """Observables at some of the output times."""
    series = [(key, head) for key, head in SERIES if key in result.observables]
    means = [f"E[{name}]" for name in result.names] if "mean" in result.observables else []
    rows = []
    for k in spread_out(len(result.time)):
        # Of the minimum only the size matters, and its digits take the room of others.
        values = [
            number(result.observables[key][k], 2 if key == "minimum" else 6) for key, _ in series
        ]
        values += [number(x) for x in result.mean[k]] if means else []
        rows.append((number(result.time[k]), *values))
    head = ("time", *(head for _, head in series), *means)
    return (
        (PageTable("Observables at some of the output times", head, tuple(rows)),) if rows else ()
    )
