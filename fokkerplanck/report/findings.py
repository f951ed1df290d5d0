"""What was found in stationary states and ensembles, in rows of the closing table."""

from __future__ import annotations

import math

import numpy as np

from ..analyses.text import by_axis, place
from ..io import (
    DiscreteRecord,
    RelationRow,
    ValidationRecord,
)
from ..io.result import Result
from ..validation import dependent


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
