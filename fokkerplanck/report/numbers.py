"""The closing table of a run, and the numbers that a case expects of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..analyses.table import ANALYSES, numbers_of
from ..case import Case, Expect
from ..errors import CaseError
from ..io import OBSERVABLES
from ..io.result import Result
from ..pipeline.provenance import effective_overrides

# "final.mean[0]", "stationary.entropy_production", "mass_drift"
_NAME = re.compile(
    rf"^(?:({'|'.join(('final', *ANALYSES))})\.)?"
    r"([a-z_]+)(?:\[(\d+(?:\s*,\s*\d+)*)\])?$"
)


def mass_drift(result: Result) -> float:
    """Largest |mass - 1| over the frames."""
    return float(np.abs(result.mass - 1.0).max())


def free_energy_increase(result: Result) -> float:
    """Largest rise of F between frames, relative to max |F|; negative where it always fell."""
    energy = result.free_energy
    if energy.size < 2:
        return 0.0
    return float(np.diff(energy).max() / max(np.abs(energy).max(), np.finfo(float).tiny))


def expectations(case: Case, result: Result) -> list[str]:
    """One sentence for every number of ``[expect]`` that is missed.

    Raises
    ------
    CaseError
        If a name does not exist in this result.
    """
    return [
        f"{one.name} = {one.actual:.8g}, {one.reason}"
        for one in judged(case.expect, result)
        if one.reason
    ]


@dataclass(frozen=True)
class Judged:
    """A number that was expected: its name, its value, and why it is missed; empty if it is met."""

    name: str
    actual: float
    reason: str


def judged(expect: Mapping[str, Expect], result: Result) -> list[Judged]:
    """Every number of ``[expect]`` beside the one that came out.

    Raises
    ------
    CaseError
        If a name does not exist in this result, and not for an analysis that failed.
    """
    found = []
    for name, one in expect.items():
        try:
            actual = number_of(name, result)
        except CaseError:
            absent = _absence(name, result)
            if not absent:
                raise
            found.append(Judged(name, math.nan, f"not computed: {absent}"))
            continue
        reason = _miss(actual, one)
        found.append(Judged(name, actual, reason and reason + _set_since(result)))
    return found


def _absence(name: str, result: Result) -> str:
    """Why a number is not there although its analysis was asked for; empty where it is no failure.

    Numbers of the frames may lack the stationary state that they compare with.
    """
    parts = _NAME.match(name)
    section = (parts and parts[1]) or "final"
    if section == "final":
        if name != "free_energy_increase" and not (parts and parts[2] in OBSERVABLES):
            return ""
        told = [note for note in result.notes if note.startswith("no stationary density")]
        return told[0] if told else result.failed.get("stationary", "")
    reasons = [why for key, why in result.failed.items() if key.partition(".")[0] == section]
    return reasons[0] if reasons else ""


def _set_since(result: Result) -> str:
    """Which keys were set beside the case that its [expect] was written for."""
    try:
        overrides = json.loads(str(result.attrs.get("overrides", "{}")))
    except ValueError:
        return ""
    if not isinstance(overrides, dict) or any(key.startswith("expect") for key in overrides):
        return ""
    keys = list(effective_overrides(overrides))
    return f"; [expect] stands for the case before {', '.join(keys)} was set" if keys else ""


def disagreement(case: Case, result: Result) -> list[str]:
    """One sentence where walkers and density differ; none where ``[expect]`` says by how much."""
    comparison = result.validation
    stated = any(name.startswith("validation.") for name in case.expect)
    if comparison is None or comparison.agrees or stated:
        return []
    return [
        f"walkers and density differ, p = {comparison.p_value:.2g}, and nothing measured beside "
        "them explains it"
    ]


def number_of(name: str, result: Result) -> float:
    """The number an ``[expect]`` name stands for.

    Names are ``mass_drift``, ``free_energy_increase``, ``minimum`` (over all frames),
    ``final.<observable>`` with indices for means and covariances, and ``stationary.<number>``,
    among them ``cycle_period`` and ``limit_cycle_period``, and with indices
    ``angular_momentum`` and ``shifts``; ``spectrum.<series>[mode]`` and ``spectrum.<number>``;
    ``passage.<number>``, with the number of the start for ``mean_time``, ``deviation`` and
    ``committor``, start and way out for ``exit_probability``, and wells for ``times``,
    ``exit_time`` and the like; ``ensemble.<series>`` and ``validation.<series>`` at the last time;
    ``control.<schedule>``, the costs, among them ``hjb``; ``smoothing.<number>``;
    ``discrete.<number>``, where ``<source>_<relation>`` is the relative gap of a relation.

    Raises
    ------
    CaseError
    """
    key = f"expect.{name}"
    of_frames = name in ("mass_drift", "free_energy_increase", "minimum")
    if (of_frames or name.startswith("final.")) and not len(result.time):
        raise CaseError("does not exist: this result has no frame", key)
    if name == "mass_drift":
        return mass_drift(result)
    if name == "free_energy_increase":
        _require("free_energy", result, key)
        return free_energy_increase(result)
    if name == "minimum":
        return float(np.min(result.minimum))
    parts = _NAME.match(name)
    if parts is None or parts[1] is None:
        raise CaseError(
            "is not a number of a result; names are mass_drift, minimum, free_energy_increase, "
            "final.<observable>, stationary.<number>, spectrum.<series>[mode], passage.<number>, "
            "ensemble.<series>, validation.<series>, control.<schedule>, smoothing.<number> and "
            "discrete.<number>",
            key,
        )
    place, quantity, index = parts[1], parts[2], parts[3]
    if place in ANALYSES:
        values = _of_analysis(place, quantity, result, key)
    else:
        _require(quantity, result, key)
        values = np.asarray(result.observables[quantity][-1])
    where = tuple(int(i) for i in index.split(",")) if index else ()
    if len(where) != values.ndim or any(i >= n for i, n in zip(where, values.shape, strict=True)):
        raise CaseError(f"needs indices for the shape {values.shape}", key)
    return float(values[where])


def _of_analysis(place: str, quantity: str, result: Result, key: str) -> np.ndarray:
    found = numbers_of(place, result)
    if found is None:
        raise CaseError(f"does not exist: this case has no [{place}]", key)
    if quantity not in found:
        raise CaseError(f"does not exist in this result; its numbers are {', '.join(found)}", key)
    return np.asarray(found[quantity])


def _require(quantity: str, result: Result, key: str) -> None:
    if quantity not in result.observables:
        raise CaseError(
            f"does not exist in this result; its observables are {', '.join(result.observables)}",
            key,
        )


def _miss(actual: float, expect: Expect) -> str:
    """Why a number is not as expected; empty if it is."""
    if math.isnan(actual):
        return "not a number"
    if expect.value is not None:
        allowed = expect.atol + expect.rtol * abs(expect.value)
        if not abs(actual - expect.value) <= allowed:
            return f"expected {expect.value:.8g} within {allowed:.2g}"
    if expect.max is not None and not actual <= expect.max:
        return f"expected at most {expect.max:g}"
    if expect.min is not None and not actual >= expect.min:
        return f"expected at least {expect.min:g}"
    return ""
