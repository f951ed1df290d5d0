"""Two results side by side: what differs in their cases, their densities, their numbers, costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..analyses.regrid import common_edges, regrid, same_edges
from ..analyses.table import ANALYSES
from ..analyses.table import numbers_of as numbers_of_analysis
from ..case import stored_settings
from ..errors import CaseError, StoreError
from ..io.result import Result
from ..validation import cell_masses
from .numbers import free_energy_increase, mass_drift

# Times of frames this close, relative, are the same up to rounding.
SAME = 1e-9
# Arrays beyond this size, such as times between many wells, are summed up in one row.
ENTRIES = 16
# Observables of the last frame that are single numbers.
FINAL = (
    *("mass", "minimum", "free_energy", "kl_to_stationary", "energy", "entropy", "expected_loss"),
    *("dissipation", "entropy_production", "schedule"),
)


@dataclass(frozen=True)
class Pair:
    """One quantity of both results; None where a result lacks it.

    Parameters
    ----------
    section, name : str
    first, second : float or None
    """

    section: str
    name: str
    first: float | None
    second: float | None

    @property
    def change(self) -> float:
        """Second less first; NaN where one is missing, zero for two equal infinities."""
        if self.first is None or self.second is None:
            return math.nan
        return 0.0 if self.first == self.second else self.second - self.first

    @property
    def relative(self) -> float:
        """Change over the larger modulus."""
        if self.change == 0.0 or self.first is None or self.second is None:
            return self.change
        scale = max(abs(self.first), abs(self.second))
        return self.change / scale if math.isfinite(scale) else math.nan


@dataclass(frozen=True)
class Difference:
    """What :func:`differences` found; all numbers are dimensionless.

    Parameters
    ----------
    settings : tuple of (str, str, str)
        Dotted keys of the cases with both values, where they differ; empty for a missing one.
    distances : tuple of (str, float)
        Between the densities.
    note : str
        How the densities were brought onto one grid and which times were compared.
    numbers, costs : tuple of Pair
    """

    settings: tuple[tuple[str, str, str], ...]
    distances: tuple[tuple[str, float], ...]
    note: str
    numbers: tuple[Pair, ...]
    costs: tuple[Pair, ...]


def differences(first: Result, second: Result) -> Difference:
    """Compare two results of the same number of parameters.

    Axes are matched in their order. Densities are compared by the masses of their cells, on
    different grids of the wider cells along each axis, see
    :func:`~fokkerplanck.analyses.regrid.regrid`.

    Raises
    ------
    StoreError
        If the numbers of parameters differ.
    CaseError
        If the text of a case cannot be read.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> first = fp.run(fp.make_case(problem, 64, density={"end": 1.0, "frames": 3}))
    >>> second = fp.run(fp.make_case(problem, 64, density={"end": 2.0, "frames": 3}))
    >>> found = fp.differences(first, second)
    >>> found.settings
    (('density.end', '1.0', '2.0'),)
    """
    if first.ndim != second.ndim:
        raise StoreError(
            f"the results have {first.ndim} and {second.ndim} parameters; take two of as many"
        )
    distances, note = _distances(first, second)
    return Difference(
        settings=tuple(_settings(first, second)),
        distances=tuple(distances),
        note=note,
        numbers=tuple(_pairs(_numbers(first), _numbers(second))),
        costs=tuple(_pairs(_costs(first), _costs(second))),
    )


def common_masses(
    first: Result, second: Result, densities: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Masses of two densities on the cells of one grid, which covers both boxes.

    Parameters
    ----------
    first, second : Result
    densities : pair of ndarray
        On the grid of each.

    Returns
    -------
    pair of ndarray
        Of the same shape; their sums are the masses of the densities.
    """
    masses = [
        cell_masses(result.grid, np.asarray(density, dtype=np.float64))
        for density, result in zip(densities, (first, second), strict=True)
    ]
    for axis in range(first.ndim):
        edges = [_edges(result.bounds[axis]) for result in (first, second)]
        if not same_edges(*edges):
            target = common_edges(*edges)
            masses = [
                regrid(mass, one, target, axis) for one, mass in zip(edges, masses, strict=True)
            ]
    return masses[0], masses[1]


def _edges(bounds: np.ndarray) -> np.ndarray:
    return np.append(bounds[:, 0], bounds[-1, 1])


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Kullback-Leibler divergence sum p log(p/q) of masses, both brought to one; may be infinite.

    Parameters
    ----------
    p, q : ndarray
        Of the same shape, not negative.
    """
    p, q = p / p.sum(), q / q.sum()
    there = p > 0.0
    if not (q[there] > 0.0).all():
        return math.inf
    # Each term p log(p/q) - p + q is not negative, so that the sum does not cancel below zero; of
    # masses that nearly agree only log1p knows the term.
    p, rest, q = p[there], q[~there].sum(), q[there]
    near = np.abs(q - p) < 0.5 * p
    ratio = np.divide(q - p, p, out=np.zeros_like(p), where=near)
    far = q - p + p * (np.log(p) - np.log(q))
    terms = np.where(near, p * (ratio - np.log1p(ratio)), far)
    return float(terms.sum() + rest)


def _distances(first: Result, second: Result) -> tuple[list[tuple[str, float]], str]:
    found: list[tuple[str, float]] = []
    sentences = []
    if not all(
        same_edges(_edges(a), _edges(b)) for a, b in zip(first.bounds, second.bounds, strict=True)
    ):
        sentences.append("densities on different grids are compared on the wider cells")
    if len(first.kept_frames) and len(second.kept_frames):
        last = int(first.kept_frames[-1]), int(second.kept_frames[-1])
        times = float(first.time[last[0]]), float(second.time[last[1]])
        p, q = common_masses(first, second, (first.density[last[0]], second.density[last[1]]))
        found += [
            ("L1 distance of the last densities", float(np.abs(p - q).sum())),
            ("KL divergence, first from second", divergence(p, q)),
            ("KL divergence, second from first", divergence(q, p)),
        ]
        if not _same_time(*times):
            sentences.append(
                f"the last densities are those at t = {times[0]:g} and at t = {times[1]:g}"
            )
        shared = list(_common_frames(first, second))
        if len(shared) > 1:
            largest = max(
                float(np.abs(np.subtract(*common_masses(first, second, both))).sum())
                for both in ((first.density[i], second.density[j]) for i, j in shared)
            )
            found.append((f"largest L1 distance at {len(shared)} common times", largest))
    if first.stationary is not None and second.stationary is not None:
        p, q = common_masses(first, second, (first.stationary.density, second.stationary.density))
        found.append(("L1 distance of the stationary densities", float(np.abs(p - q).sum())))
    return found, "; ".join(sentences)


def _same_time(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other), SAME)


def _common_frames(first: Result, second: Result) -> Iterator[tuple[int, int]]:
    others = second.kept_frames
    for i in first.kept_frames:
        if len(others):
            j = others[int(np.argmin(np.abs(second.time[others] - first.time[i])))]
            if _same_time(float(first.time[i]), float(second.time[j])):
                yield int(i), int(j)


def _settings(first: Result, second: Result) -> Iterator[tuple[str, str, str]]:
    """Keys of the cases that differ; ``[expect]`` and ``[output]`` change no number."""
    flat = []
    for number, result in enumerate((first, second), start=1):
        try:
            tables = stored_settings(result.case_toml, result.attrs)
        except CaseError as error:
            raise CaseError(f"of result {number}, {error.detail}") from None
        flat.append(dict(_leaves(tables)))
    for key in dict.fromkeys([*flat[0], *flat[1]]):
        values = [one.get(key, "") for one in flat]
        if values[0] != values[1] and key.split(".")[0] not in ("expect", "output"):
            yield key, values[0], values[1]


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            # A section without keys asks for an analysis.
            yield f"{prefix}{key}", "asked for" if value == {} else str(value)


def _pairs(
    first: Mapping[tuple[str, str], float], second: Mapping[tuple[str, str], float]
) -> Iterator[Pair]:
    sections = dict.fromkeys(section for section, _ in [*first, *second])
    for section in sections:
        for key in dict.fromkeys([*first, *second]):
            if key[0] == section:
                yield Pair(*key, first.get(key), second.get(key))


def _numbers(result: Result) -> dict[tuple[str, str], float]:
    """Numbers of a result by section and name."""
    found: dict[tuple[str, str], float] = {}

    def take(section: str, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            found.update({(section, key): x for key, x in _flat(name, value)})

    if len(result.time):
        take("run", {"mass drift": mass_drift(result), "minimum": float(result.minimum.min())})
        if "free_energy" in result.observables:
            take("run", {"free energy increase": free_energy_increase(result)})
        series = {k: result.observables[k][-1] for k in FINAL if k in result.observables}
        take("final", {"time": float(result.time[-1]), **series})
        take("final", _moments(result.names, result.mean[-1], result.covariance[-1]))
    for name in ANALYSES:
        numbers = dict(numbers_of_analysis(name, result) or {})
        if {"mean", "covariance"} <= numbers.keys():
            numbers |= _moments(result.names, numbers.pop("mean"), numbers.pop("covariance"))
        take(name, numbers)
    return found


def _moments(names: tuple[str, ...], mean: np.ndarray, covariance: np.ndarray) -> dict[str, float]:
    """Means and the upper triangle of the covariance, by the names of the axes."""
    found = {f"mean {name}": float(x) for name, x in zip(names, mean, strict=True)}
    pairs = combinations_with_replacement(range(len(names)), 2)
    return found | {f"cov {names[i]}, {names[j]}": float(covariance[i, j]) for i, j in pairs}


def _flat(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Entries of an array by index, or its range where there are many; NaN is no number."""
    values = np.asarray(value, dtype=float)
    name = name.replace("kl_", "KL ").replace("_", " ")
    if values.size > ENTRIES:
        known = values[~np.isnan(values)]
        if known.size:
            yield f"{name}, smallest of {values.size}", float(known.min())
            yield f"{name}, largest of {values.size}", float(known.max())
        return
    for index, entry in np.ndenumerate(values):
        if not math.isnan(entry):
            place = f" [{', '.join(map(str, index))}]" if index else ""
            yield f"{name}{place}", float(entry)


def _costs(result: Result) -> dict[tuple[str, str], float]:
    found = {("costs", f"{stage}, s"): spent for stage, spent in result.timings.items()}
    if result.timings:
        found["costs", "all together, s"] = sum(result.timings.values())
    found["costs", "cells"] = float(math.prod(result.shape))
    found["costs", "frames"] = float(len(result.time))
    return found


def text_of(found: Difference, labels: tuple[str, str]) -> str:
    """The comparison as lines for a terminal."""
    lines = []
    if found.settings:
        settings = [("case", *labels), *found.settings]
        lines += [*_columns(settings, right=False), ""]
    else:
        lines += ["the cases have the same settings", ""]
    if found.note:
        lines.append(found.note)
    lines += _columns([(what, f"{value:.6g}") for what, value in found.distances])
    rows = [pair_row(pair) for pair in (*found.numbers, *found.costs)]
    head = ("number", *labels, "change", "relative")
    return "\n".join([*lines, "", *_columns([head, *rows])]).rstrip()


def pair_row(pair: Pair) -> tuple[str, ...]:
    """Name, both values, change and relative change as text; a missing value is a dash."""
    shown = ["-" if value is None else f"{value:.8g}" for value in (pair.first, pair.second)]
    changes = ["" if math.isnan(x) else f"{x:.2g}" for x in (pair.change, pair.relative)]
    return f"{pair.section}: {pair.name}", *shown, *changes


def _columns(rows: Sequence[tuple[str, ...]], right: bool = True) -> list[str]:
    """Rows as lines with their columns below each other."""
    if not rows:
        return []
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            f"{cell:>{width}}" if right and k else f"{cell:{width}}"
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
