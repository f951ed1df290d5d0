"""What was found in stationary states and ensembles, in rows of the closing table."""

from __future__ import annotations

import math

import numpy as np

from .result import Result
from .store import CriticalPoints, Discrete, Loop, RelationRow, Stationary

# Points of one kind that are named one by one.
NAMED_POINTS = 4


def stationary_rows(names: tuple[str, ...], state: Stationary) -> list[tuple[str, str]]:
    """Rows (what, finding) about detailed balance, currents, loops and minima.

    Parameters
    ----------
    names : tuple of str
        Of the axes.
    state : Stationary
    """
    numbers = state.numbers
    verdict = "yes" if state.detailed_balance else "no"
    detail = f"residual {state.residual:.1e}"
    if "largest_curl" in numbers:
        detail += f", largest curl of A {numbers['largest_curl']:.2g}"
    rows = [("detailed balance", f"{verdict} ({detail})")]
    if "mismatch" in numbers:
        rows.append(("both sides of (50)", f"agree to {numbers['mismatch']:.1e} (rms, relative)"))
    if not state.detailed_balance:
        if math.isfinite(state.entropy_production):
            rows.append(("entropy production", f"{state.entropy_production:.6g} per unit time"))
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


def walker_rows(result: Result) -> list[tuple[str, str]]:
    """Rows about the ensemble and its comparison with the density."""
    rows = []
    walkers, comparison = result.ensemble, result.validation
    if walkers is not None:
        text = f"{walkers.particles:,} by {walkers.method}, step {walkers.step:.4g}"
        gone = int(walkers.absorbed[-1].sum())
        text += f", {gone:,} absorbed" if gone else ""
        rows.append(("walkers", text))
        place = ", ".join(
            f"{name} {value:.5g}"
            for name, value in zip(result.names, walkers.mean[-1], strict=True)
        )
        rows.append(("mean of the walkers", place))
    if comparison is not None:
        verdict = "walkers and density agree" if comparison.agrees else "they DIFFER"
        rows.append(
            ("validation", f"{verdict}, p = {comparison.p_value:.2g} (level {comparison.level:g})")
        )
        rows += [
            (f"  t = {time:.4g}", sentence)
            for time, sentence in zip(comparison.time, comparison.sentences, strict=True)
        ]
    return rows


# What the relations say, short enough for a table.
RELATION_TEXT = {
    "dissipation": "(43) of the diffusion",
    "virial": "E[-theta.b] = (eta/2) E|g_B|^2",
    "second_order": "(57) to order 2",
    "third_order": "(57) to order 3",
    "fourth_order": "(57) to order 4",
    "all_orders": "(57) to all orders",
}


def discrete_rows(names: tuple[str, ...], steps: Discrete) -> list[tuple[str, str]]:
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
        rows.append(("  from rho_ss of (48)", text))
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
    return rows + [_relation_row(row) for row in steps.relations]


def _relation_row(row: RelationRow) -> tuple[str, str]:
    text = RELATION_TEXT.get(row.name, f"(53) for O = {row.name}")
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
    text = f"period {loop.period:.6g}, {turn} around {_place(names, loop.centroid)}"
    if math.isfinite(loop.multiplier):
        text += ", attracting" if loop.multiplier < 1.0 else ", repelling"
    return text


def _minima(names: tuple[str, ...], state: Stationary) -> list[tuple[str, str]]:
    """Where the minima of Phi are and where the noise moves them."""
    if not {"loss", "quasi_potential"} <= state.critical.keys():
        return []
    loss, quasi = state.critical["loss"], state.critical["quasi_potential"]
    pairs = np.zeros((0, 2), dtype=int) if state.pairs is None else state.pairs
    rows = []
    moved = [(int(i), int(j)) for i, j in pairs if loss.index[i] == 0]
    for i, j in moved[:NAMED_POINTS]:
        rows.append(
            (
                "minimum moved",
                f"{_place(names, loss.position[i])} -> {_place(names, quasi.position[j])}",
            )
        )
    for text, points, seen in (
        ("minima of Phi only", loss, {i for i, _ in moved}),
        ("minima of Phi~ only", quasi, {j for _, j in moved}),
    ):
        single = _unmatched(points, seen)
        if single:
            places = ", ".join(_place(names, points.position[i]) for i in single[:NAMED_POINTS])
            more = f" and {len(single) - NAMED_POINTS} more" if len(single) > NAMED_POINTS else ""
            rows.append((text, places + more))
    return rows


def _unmatched(points: CriticalPoints, matched: set[int]) -> list[int]:
    return [int(i) for i in np.flatnonzero(points.index == 0) if int(i) not in matched]


def _place(names: tuple[str, ...], position: np.ndarray) -> str:
    """A point to four decimals, without minus zeros."""
    inside = ", ".join(
        f"{name} = {round(float(value), 4) + 0.0:.4g}"
        for name, value in zip(names, position, strict=True)
    )
    return f"({inside})"
