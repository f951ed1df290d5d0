"""The key numbers of each part of a result, as tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..io import NUMBERS, PASSAGE_NUMBERS, EscapeRecord
from ..io.result import (
    ControlRecord,
    DiscreteRecord,
    PassageRecord,
    Result,
    SpectrumRecord,
    StationaryRecord,
)
from .records import PageTable

# Output times shown; all of them are in the file.
TIMES = 6
# Rows of points, wells and relations shown.
ROWS = 12
# Observables of the table of frames, with their heads.
SERIES = (
    ("mass", "mass"),
    ("minimum", "minimum"),
    ("free_energy", "free energy"),
    ("kl_to_stationary", "KL to stationary"),
    ("entropy", "entropy"),
    ("expected_loss", "E[Φ]"),
)


def number(value: float, digits: int = 6) -> str:
    """A number to some digits, or a word where there is none."""
    if math.isnan(value):
        return "none"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    # Adding zero turns minus zero into zero.
    return f"{float(value) + 0.0:.{digits}g}".replace("-", "−")


def _point(place: np.ndarray) -> str:
    return "(" + ", ".join(f"{round(float(x), 4) + 0.0:.4g}" for x in place).replace("-", "−") + ")"


def _numbers(
    caption: str, values: Mapping[str, float], words: Mapping[str, str]
) -> list[PageTable]:
    rows = tuple((words.get(k, k.replace("_", " ")), number(v)) for k, v in values.items())
    return [PageTable(caption, ("quantity", "value"), rows, folded=True)] if rows else []


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


def stationary_tables(state: StationaryRecord) -> tuple[PageTable, ...]:
    """Critical points of Phi and Phi~, and the numbers."""
    rows = []
    for field, points in state.critical.items():
        name = {"loss": "Φ", "quasi_potential": "Φ̃"}.get(field, field)
        for place, value, kind in zip(points.position, points.value, points.kinds, strict=True):
            rows.append((name, kind, _point(place), number(value)))
    found = []
    if rows:
        head = ("of", "kind", "place", "value")
        found = [PageTable("Critical points", head, tuple(rows[:ROWS]))]
    return (*found, *_numbers("All numbers at rest", state.all_numbers(), NUMBERS))


def spectrum_tables(spectrum: SpectrumRecord) -> tuple[PageTable, ...]:
    """The modes one by one."""
    columns = (spectrum.real, spectrum.imag, spectrum.relaxation_times, spectrum.residuals)
    rows = tuple(
        (str(j), *(number(values[j]) for values in columns)) for j in range(len(spectrum.real))
    )
    head = ("mode", "Re λ", "Im λ", "relaxation time", "residual")
    return (PageTable("Slowest modes of the generator", head, rows),)


def passage_tables(found: PassageRecord) -> tuple[PageTable, ...]:
    """Times from the starts, and the wells."""
    tables: list[PageTable] = []
    if found.start is not None:
        columns: list[tuple[str, np.ndarray]] = [
            (head, values)
            for head, values in (
                ("mean time", found.start_mean_time),
                ("deviation", found.start_deviation),
                ("committor", found.start_committor),
            )
            if values is not None
        ]
        if found.start_exit_probability is not None:
            exits = found.start_exit_probability.T
            columns += [(f"by {side}", by) for side, by in zip(found.sides, exits, strict=True)]
        rows = [
            (_point(place), *(number(values[k]) for _, values in columns))
            for k, place in enumerate(found.start[:ROWS])
        ]
        head = ("start", *(head for head, _ in columns))
        tables.append(PageTable("First passage by start", head, tuple(rows)))
    tables += _numbers("Numbers of the passage", found.numbers, PASSAGE_NUMBERS)
    if found.escape is not None:
        tables += _wells(found.escape)
    return tuple(tables)


def _wells(wells: EscapeRecord) -> list[PageTable]:
    count = min(len(wells.minima), ROWS)
    rows = tuple(
        (
            str(k + 1),
            _point(wells.minima[k]),
            *(number(v[k]) for v in (wells.weight, wells.exit_time, wells.spread, wells.indicator)),
        )
        for k in range(count)
    )
    head = ("well", "minimum of Φ̃", "share", "mean exit time", "spread", "tr(H Σ)")
    tables = [PageTable("Wells", head, rows)]
    if count > 1:
        heads = ("from", *(f"to {j + 1}" for j in range(count)))
        tables.append(
            PageTable("Mean times between wells", heads, _matrix(wells.times[:count, :count]))
        )
        if wells.kramers_times is not None:
            kramers = _matrix(wells.kramers_times[:count, :count])
            tables.append(
                PageTable("The same by Eyring-Kramers rates", heads, kramers, folded=True)
            )
    return tables


def _matrix(values: np.ndarray) -> tuple[tuple[str, ...], ...]:
    return tuple(
        (str(i + 1), *("" if i == j else number(v) for j, v in enumerate(row)))
        for i, row in enumerate(values)
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
