"""The key numbers of each part of a result, as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..analyses.text import PageTable, number
from ..io.result import Result

# Output times shown; all of them are in the file.
TIMES = 6
# Observables of the table of frames, with their heads.
SERIES = (
    ("mass", "mass"),
    ("minimum", "minimum"),
    ("free_energy", "free energy"),
    ("kl_to_stationary", "KL to stationary"),
    ("entropy", "entropy"),
    ("expected_loss", "E[Φ]"),
)


def _some(count: int, most: int = TIMES) -> list[int]:
    return sorted({round(k) for k in np.linspace(0, count - 1, min(count, most))}) if count else []


def frame_tables(result: Result) -> tuple[PageTable, ...]:
    """Observables at some of the output times."""
    series = [(key, head) for key, head in SERIES if key in result.observables]
    means = [f"E[{name}]" for name in result.names] if "mean" in result.observables else []
    rows = []
    for k in _some(len(result.time)):
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


def walker_tables(result: Result) -> tuple[PageTable, ...]:
    """Moments of the walkers, and the tests and the error budget of the comparison."""
    tables = []
    walkers, comparison = result.ensemble, result.validation
    if walkers is not None:
        head = ("time", *(f"mean {name}" for name in result.names), "mean loss", "outside", "gone")
        rows = tuple(
            (
                number(walkers.time[k]),
                *(number(x) for x in walkers.mean[k]),
                number(walkers.loss[k]),
                f"{int(walkers.outside[k]):,}",
                f"{int(walkers.absorbed[k].sum() + walkers.lost[k]):,}",
            )
            for k in _some(len(walkers.time))
        )
        tables.append(PageTable(f"{walkers.particles:,} walkers by {walkers.method}", head, rows))
    if comparison is not None:
        heads = [f"t = {number(time)}" for time in comparison.time]
        series = _present(comparison.series)
        tables.append(_columns("Tests and error budget", "quantity", heads, series))
    return tuple(tables)


def _present(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without what no time has."""
    return {k.replace("_", " "): v for k, v in series.items() if not np.isnan(v).all()}


def _columns(
    caption: str, what: str, heads: Sequence[str], series: Mapping[str, Iterable[float]]
) -> PageTable:
    rows = tuple((name, *(number(v) for v in values)) for name, values in series.items())
    return PageTable(caption, (what, *heads), rows)
