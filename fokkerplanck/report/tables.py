"""The key numbers of each part of a result, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..analyses.text import ROWS, PageTable, number, number_table, point, spread_out
from ..io import NUMBERS, ControlRecord, DiscreteRecord, SpectrumRecord, StationaryRecord
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


def stationary_tables(state: StationaryRecord) -> tuple[PageTable, ...]:
    """Critical points of Phi and Phi~, and the numbers."""
    rows = []
    for field, points in state.critical.items():
        name = {"loss": "Φ", "quasi_potential": "Φ̃"}.get(field, field)
        for place, value, kind in zip(points.position, points.value, points.kinds, strict=True):
            rows.append((name, kind, point(place), number(value)))
    found = []
    if rows:
        head = ("of", "kind", "place", "value")
        found = [PageTable("Critical points", head, tuple(rows[:ROWS]))]
    return (*found, *number_table("All numbers at rest", state.all_numbers(), NUMBERS))


def spectrum_tables(spectrum: SpectrumRecord) -> tuple[PageTable, ...]:
    """The modes one by one."""
    columns = (spectrum.real, spectrum.imag, spectrum.relaxation_times, spectrum.residuals)
    rows = tuple(
        (str(j), *(number(values[j]) for values in columns)) for j in range(len(spectrum.real))
    )
    head = ("mode", "Re λ", "Im λ", "relaxation time", "residual")
    return (PageTable("Slowest modes of the generator", head, rows),)


def _present(series: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without what no time has."""
    return {k.replace("_", " "): v for k, v in series.items() if not np.isnan(v).all()}


def _columns(
    caption: str, what: str, heads: Sequence[str], series: Mapping[str, Iterable[float]]
) -> PageTable:
    rows = tuple((name, *(number(v) for v in values)) for name, values in series.items())
    return PageTable(caption, (what, *heads), rows)


def control_tables(record: ControlRecord) -> tuple[PageTable, ...]:
    """What the schedules cost, the cheapest first."""
    ranked = sorted(zip(record.costs, record.names, strict=True))
    rows = [(name, number(cost), number(cost - record.costs[0])) for cost, name in ranked]
    if math.isfinite(record.hjb):
        gap = number(record.hjb - record.costs[0])
        rows.insert(0, ("best feedback (HJB)", number(record.hjb), gap))
    head = ("schedule", "cost", f"above {record.names[0]}")
    return (PageTable("Costs of the schedules", head, tuple(rows)),)


def discrete_tables(steps: DiscreteRecord) -> tuple[PageTable, ...]:
    """Both sides of the fluctuation-dissipation relations, and the scan of learning rates."""
    tables = []
    if steps.relations:
        rows = tuple(
            (
                f"{row.name.replace('_', ' ')}, {row.source}",
                *(number(v) for v in (row.left, row.right, row.gap, row.error)),
            )
            for row in steps.relations
        )
        head = ("relation, by", "left side", "right side", "relative gap", "known error")
        tables.append(PageTable("Fluctuation-dissipation relations", head, rows))
    if len(steps.scan_rates) > 1:
        heads = [number(rate) for rate in steps.scan_rates]
        series = _present(steps.scan)
        tables.append(_columns("By learning rate", "learning rate", heads, series))
    return tuple(tables)
