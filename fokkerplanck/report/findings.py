"""What was found in stationary states and ensembles, in rows of the closing table."""

from __future__ import annotations

import math

import numpy as np

from ..analyses.text import NAMED, by_axis, measured, place
from ..io import (
    CriticalPoints,
    Loop,
    SpectrumRecord,
    StationaryRecord,
    ValidationRecord,
)
from ..io.result import Result
from ..validation import dependent

# Modes that are named one by one.
NAMED_MODES = 4


def stationary_rows(names: tuple[str, ...], state: StationaryRecord) -> list[tuple[str, str]]:
    """Rows (what, finding) about detailed balance, currents, loops and minima.

    Parameters
    ----------
    names : tuple of str
        Of the axes.
    state : StationaryRecord
    """
    numbers = state.numbers
    verdict = "yes" if state.detailed_balance else "no"
    detail = f"residual {state.residual:.1e}"
    if "largest_curl" in numbers:
        detail += f", largest curl of A {numbers['largest_curl']:.2g}"
    rows = [("detailed balance", f"{verdict} ({detail})")]
    if "mismatch" in numbers:
        text = f"grad Phi = Sigma grad Phi~ - div Sigma/beta - v to {numbers['mismatch']:.0e}"
        rows.append(("drift at rest", f"{text} (rms, relative)"))
    if not state.detailed_balance:
        if math.isfinite(state.entropy_production):
            text = measured(state.entropy_production, numbers.get("error_entropy_production"))
            rows.append(("entropy production", f"{text} per unit time"))
        if "turnover" in numbers:
            rows.append(
                ("circulation", f"{numbers['turnover']:.4g} per unit time is carried around")
            )
        rows += [("cycle of the current", _loop(names, loop)) for loop in state.cycles]
        rows += [("cycle of the drift", _loop(names, loop)) for loop in state.limit_cycles]
        if "rotation_frequency" in numbers:
            rows.append(
                (
                    "slowest rotation",
                    f"angular frequency {numbers['rotation_frequency']:.5g}, decay "
                    f"{numbers['rotation_decay']:.4g}, quality {numbers['rotation_quality']:.3g}",
                )
            )
    return rows + _minima(names, state)


def spectrum_rows(spectrum: SpectrumRecord) -> list[tuple[str, str]]:
    """Rows about the slowest modes and the mixing time.

    Parameters
    ----------
    spectrum : SpectrumRecord
    """
    rows = []
    first = int(spectrum.closed)
    values, times = spectrum.eigenvalues, spectrum.relaxation_times
    # Of a pair one tells all.
    shown = [j for j in range(first, len(values)) if values[j].imag >= 0.0][:NAMED_MODES]
    for j in shown:
        error = None if spectrum.error_real is None else float(spectrum.error_real[j])
        if values[j].imag:
            text = f"{values[j].real:.6g} +- {values[j].imag:.6g} i"
            text += "" if error is None else f", error {error:.1g}"
            text += f", frequency {values[j].imag / (2.0 * np.pi):.4g}"
        else:
            text = measured(float(values[j].real), error)
        if abs(values[j]) < spectrum.floor:
            text += " (rounding)"
        else:
            text += f", relaxation time {times[j]:.6g}"
        rows.append((f"eigenvalue {j}", text))
    detail = "" if spectrum.closed else "; mode 0 is no zero but the slowest way to leave"
    rows.append(
        ("spectrum", f"{len(values)} modes, residuals {spectrum.residuals.max():.1e}{detail}")
    )
    if math.isfinite(spectrum.mixing_lower):
        text = f"at least {spectrum.mixing_lower:.4g}"
        if math.isfinite(spectrum.mixing_upper):
            text += f", at most {spectrum.mixing_upper:.4g}"
        rows.append(("mixing time", f"{text} (1/4 in total variation, worst start)"))
    return rows


def walker_rows(result: Result) -> list[tuple[str, str]]:
    """Rows about the ensemble and its comparison with the density."""
    rows = []
    walkers, comparison = result.ensemble, result.validation
    if walkers is not None:
        text = f"{walkers.particles:,} by {walkers.method}, step {walkers.step:.4g}"
        gone = int(walkers.absorbed[-1].sum())
        text += f", {gone:,} absorbed" if gone else ""
        rows.append(("walkers", text))
        # Of independent walkers; those that are gone are in no mean.
        left = max(int(walkers.particles - gone - walkers.lost[-1]), 1)
        errors = np.sqrt(np.diagonal(walkers.covariance[-1]) / left)
        text = f"{by_axis(result.names, walkers.mean[-1], errors)} at t = {walkers.time[-1]:g}"
        rows.append(("mean of the walkers", f"{text} (standard errors)"))
    if comparison is not None:
        rows.append(("validation", _verdict(comparison)))
        rows += [
            (f"  t = {time:.4g}", sentence)
            for time, sentence in zip(comparison.time, comparison.sentences, strict=True)
        ]
    return rows


def _verdict(comparison: ValidationRecord) -> str:
    """One of three: agreement, a difference that the budget explains, or one that it does not."""
    found = f"p = {comparison.p_value:.2g}, level {comparison.level:g}"
    if comparison.p_value >= comparison.level:
        return f"walkers and density agree ({found})"
    remaining = dependent(list(comparison.series["remaining_p_value"]))
    if comparison.agrees:
        return (
            f"explained: walkers and density differ ({found}), but agree once what is measured "
            f"below is taken out (p = {remaining:.2g})"
        )
    return (
        f"UNEXPLAINED: walkers and density differ ({found}), and not by what is measured below "
        f"(without it p = {remaining:.2g}); exit status 1"
    )


def _loop(names: tuple[str, ...], loop: Loop) -> str:
    turn = "counter-clockwise" if loop.winding > 0 else "clockwise"
    text = f"period {loop.period:.6g}, {turn} around {place(names, loop.centroid)}"
    if math.isfinite(loop.multiplier):
        text += ", attracting" if loop.multiplier < 1.0 else ", repelling"
    return text


def _minima(names: tuple[str, ...], state: StationaryRecord) -> list[tuple[str, str]]:
    """Where the minima of Phi are and where the noise moves them."""
    if not {"loss", "quasi_potential"} <= state.critical.keys():
        return []
    loss, quasi = state.critical["loss"], state.critical["quasi_potential"]
    pairs = np.zeros((0, 2), dtype=int) if state.pairs is None else state.pairs
    rows = []
    moved = [(int(i), int(j)) for i, j in pairs if loss.index[i] == 0]
    for i, j in moved[:NAMED]:
        rows.append(
            (
                "minimum moved",
                f"{place(names, loss.position[i])} -> {place(names, quasi.position[j])}",
            )
        )
    for text, points, seen in (
        ("minima of Phi only", loss, {i for i, _ in moved}),
        ("minima of Phi~ only", quasi, {j for _, j in moved}),
    ):
        single = _unmatched(points, seen)
        if single:
            places = ", ".join(place(names, points.position[i]) for i in single[:NAMED])
            more = f" and {len(single) - NAMED} more" if len(single) > NAMED else ""
            rows.append((text, places + more))
    return rows


def _unmatched(points: CriticalPoints, matched: set[int]) -> list[int]:
    return [int(i) for i in np.flatnonzero(points.index == 0) if int(i) not in matched]
