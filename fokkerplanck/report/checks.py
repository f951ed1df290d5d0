"""The promises of a result, one by one: kept, broken, or to be read with care."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..case import Expect
from ..errors import CaseError
from ..io.result import Result
from .numbers import free_energy_increase, judged, mass_drift
from .records import Check, State

# Drift of the mass of a closed box, and rise of F between frames relative to its size, that
# rounding explains. The second is what the closing table calls a fall.
ROUNDING_OF_MASS = 1e-10
ROUNDING_OF_ENERGY = 1e-12


def checks_of(result: Result, expect: Mapping[str, Expect]) -> tuple[Check, ...]:
    """Whole, mass, sign, free energy, walkers, cautions, and the numbers expected.

    Parameters
    ----------
    result : Result
    expect : mapping
        Of the case, by the name of the number.
    """
    found = [_whole(result)]
    found += [Check("broken", f"Not computed: {key}", why) for key, why in result.failed.items()]
    if len(result.time):
        found += [_mass(result), _minimum(result)]
        if "free_energy" in result.observables and len(result.time) > 1:
            found.append(_free_energy(result))
    if result.validation is not None:
        found.append(_walkers(result))
    found += _expected(result, expect)
    found += [
        Check("care", "Caution", note)
        for note in result.notes
        if note.partition(" ")[0] not in ("scheme", "stepper")
    ]
    return tuple(found)


def _state(kept: bool) -> State:
    return "kept" if kept else "broken"


def _whole(result: Result) -> Check:
    whole = result.status == "complete" and not result.failed
    text = "everything that was asked for is here" if whole else f"the run is {result.status}"
    if result.status == "complete" and result.failed:
        text = "all is here but for what could not be computed"
    return Check(_state(whole), "Complete", text)


def _mass(result: Result) -> Check:
    if "absorbing" in str(result.attrs.get("boundaries", "")):
        left, lost = result.mass[-1], float(np.diff(result.mass, prepend=result.mass[:1]).max())
        text = f"{left:.8g} of {result.mass[0]:.8g} is left; the sides take the rest"
        return Check(_state(lost <= ROUNDING_OF_MASS), "Mass never grows", text)
    drift = mass_drift(result)
    text = f"drift of at most {drift:.1e} over {len(result.time)} frames"
    return Check(_state(drift <= ROUNDING_OF_MASS), "Mass is kept", text)


def _minimum(result: Result) -> Check:
    least = float(np.min(result.minimum))
    return Check(_state(least >= 0.0), "Density is never negative", f"smallest value {least:.2g}")


def _free_energy(result: Result) -> Check:
    rise = free_energy_increase(result)
    start, end = result.free_energy[0], result.free_energy[-1]
    text = f"from {start:.6g} to {end:.6g}"
    if rise > ROUNDING_OF_ENERGY:
        text += f", with a rise of {rise:.1e} of its size"
    return Check(_state(rise <= ROUNDING_OF_ENERGY), "Free energy falls throughout", text)


def _walkers(result: Result) -> Check:
    comparison = result.validation
    assert comparison is not None
    text = f"p = {comparison.p_value:.2g} at the level {comparison.level:g}"
    if comparison.agrees and comparison.p_value < comparison.level:
        text += "; the gap is the measured one between SGD and its diffusion"
        return Check("care", "Walkers differ from the density as known", text)
    return Check(_state(comparison.agrees), "Walkers agree with the density", text)


def _expected(result: Result, expect: Mapping[str, Expect]) -> list[Check]:
    found = []
    for name, one in expect.items():
        try:
            [verdict] = judged({name: one}, result)
        except CaseError as error:
            found.append(Check("broken", f"Expected: {name}", error.detail))
            continue
        text = f"{verdict.actual + 0.0:.8g}, {verdict.reason or _allowed(one)}"
        found.append(Check(_state(not verdict.reason), f"Expected: {name}", text))
    return found


def _allowed(expect: Expect) -> str:
    parts = []
    if expect.value is not None:
        room = expect.atol + expect.rtol * abs(expect.value)
        parts.append(f"expected {expect.value:.8g} within {room:.2g}")
    if expect.min is not None:
        parts.append(f"at least {expect.min:g}")
    if expect.max is not None:
        parts.append(f"at most {expect.max:g}")
    return ", ".join(parts)
