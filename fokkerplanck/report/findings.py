"""What was found in stationary states and analyses, in rows of the closing table."""

from __future__ import annotations

import math

import numpy as np

from ..analyses.text import NAMED, measured, place
from ..io import (
    CriticalPoints,
    DiscreteRecord,
    Loop,
    RelationRow,
    SpectrumRecord,
    StationaryRecord,
)
from ..io.result import Result

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


def control_rows(result: Result) -> list[tuple[str, str]]:
    """Rows about the schedule, what others cost, and how well (60) holds along the run."""
    record = result.control
    if record is None:
        return []
    what = record.of.replace("-", " ")
    text = f"{record.names[0]}, {record.values.shape[1]} intervals of u for the {what}"
    if record.history.size:
        text += f", {record.history.size} iterations"
    rows = [("schedule", text)]
    ranked = sorted(zip(record.costs, record.names, strict=True))
    if math.isfinite(record.hjb):
        rows.append(("  cost, feedback (HJB)", f"{record.hjb:.6g}"))
    rows += [(f"  cost, {name}", f"{cost:.6g}") for cost, name in ranked]
    if "loss_rate_dynkin" in result.observables and len(result.time):
        left, right = result.loss_rate, result.loss_rate_dynkin
        scale = float(np.abs(left).max())
        if scale > 0.0:
            gap = float(np.abs(left - right).max()) / scale
            text = f"as by Dynkin's formula to {gap:.0e} of the largest rate"
            rows.append(("rate of E[Phi]", text))
    return rows


def smoothing_rows(result: Result) -> list[tuple[str, str]]:
    """Rows about what smoothing and noise make of the minima of the loss."""
    record = result.smoothing
    if record is None:
        return []
    words = {"loss": "Phi", "quasi_potential": "Phi~", "local_entropy": "Phi_ent"}
    rows = []
    for name, knob, places, depths, count in zip(
        record.fields, record.knobs, record.places, record.depths, record.counts, strict=True
    ):
        head = f"minima of {words[name]}"
        if name != "loss":
            head += f", {'gamma' if name == 'local_entropy' else 'beta'} = {knob:g}"
        alive = np.flatnonzero(~np.isnan(depths))
        if not alive.size:
            rows.append((head, f"{int(count)}, none of them near one of Phi"))
            continue
        best = int(alive[np.argmin(depths[alive])])
        flat = best == int(record.flatness.argmin()) and record.flatness.size > 1
        text = f"{int(count)}, deepest {place(result.names, places[best])}"
        text += ", the flattest of Phi" if flat else ""
        if alive.size > 1:
            second = float(np.sort(depths[alive])[1])
            text += f", by {second:.4g}"
        rows.append((head, text))
    for key, what in (("gamma_crossing", "Phi_ent"), ("beta_crossing", "Phi~")):
        if key in record.numbers:
            knob = key.partition("_")[0]
            rows.append((f"{what} changes its mind", f"at {knob} = {record.numbers[key]:.4g}"))
    return rows


# What the relations say, short enough for a table.
RELATION_TEXT = {
    "dissipation": "E|grad Phi|^2 = (1/beta) E tr(H Sigma) of the diffusion",
    "virial": "E[-theta.b] = (eta/2) E|g_B|^2",
    "second_order": "E|grad Phi|^2 = (eta/2) E tr(H S_B), no higher terms",
    "third_order": "the same with third derivatives",
    "fourth_order": "the same with third and fourth derivatives",
    "all_orders": "the same with all derivatives",
}


def discrete_rows(names: tuple[str, ...], steps: DiscreteRecord) -> list[tuple[str, str]]:
    """Rows about the transfer operator: what is stationary, how far from (48), the relations."""
    numbers = steps.numbers
    rows = [("steps of SGD", f"learning rate {numbers['rate']:g}; {steps.noise}")]
    if steps.iteration.size:
        drift = float(np.abs(steps.series["mass"] - steps.series["mass"][0]).max())
        least = float(steps.series["minimum"].min())
        rows.append(
            (
                "  evolved",
                f"{steps.iteration[-1]} steps, mass drift {drift:.1e}, minimum {least:.1e}",
            )
        )
    if numbers["multiplier"] < 1.0 - 1e-9:
        rows.append(("  survival", f"{numbers['multiplier']:.6g} of the density per step"))
    variances = ", ".join(f"{name} {steps.covariance[i, i]:.6g}" for i, name in enumerate(names))
    rows.append(("  variance at rest", variances))
    if "distance" in numbers:
        text = f"total variation {numbers['distance']:.3g}"
        if "distance_order" in numbers:
            text += f", of order {numbers['distance_order']:.3g} in the learning rate"
        rows.append(("  from the diffusion at rest", text))
    second = steps.multipliers[1:2]
    if second.size:
        rate = -math.log(abs(second[0])) / numbers["rate"] if abs(second[0]) > 0.0 else math.inf
        rows.append(
            ("  slowest mode", f"multiplier {_complex(second[0])}, decay {rate:.5g} per unit time")
        )
    if "walkers_p_value" in numbers:
        rows.append(
            (
                "  walkers",
                f"p = {numbers['walkers_p_value']:.2g} against as many steps of the density; "
                f"{100.0 * numbers['walkers_distance']:.2g} % in a wrong bin, "
                f"{100.0 * numbers['walkers_sampling']:.2g} % by their number alone",
            )
        )
    if "walkers_grid" in numbers:
        beyond = numbers["walkers_unexplained"] > 0.5 * numbers["walkers_grid"]
        wide = "; order 2 does not describe cells this wide: take more" if beyond else ""
        rows.append(
            (
                "  of two grids",
                f"bins off by {numbers['walkers_grid']:.2%} through the grid at order 2, "
                f"{numbers['walkers_noise']:.2%} through the number of walkers, "
                f"{numbers['walkers_unexplained']:.2%} beyond both (root mean square){wide}",
            )
        )
    return rows + [_relation_row(row) for row in steps.relations]


def _relation_row(row: RelationRow) -> tuple[str, str]:
    text = RELATION_TEXT.get(row.name, f"E[O] before and after a step, O = {row.name}")
    known = f"known error {row.error:.1e}"
    return (
        f"  by {row.source}",
        f"{text}: {row.left:.6g} against {row.right:.6g}, apart by {row.gap:.1e} ({known})",
    )


def _complex(value: complex) -> str:
    text = f"{value.real:.6g}"
    return text if abs(value.imag) < 1e-9 else f"{text} {value.imag:+.6g}i"


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
