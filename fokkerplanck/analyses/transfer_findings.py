"""What the transfer operator of a case says, as numbers and in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..io import DISCRETE, Arrays
from .text import PageTable, Rows, Solved, columns, number

# What the relations say, short enough for a table.
RELATION_TEXT = {
    "dissipation": "E|grad Phi|^2 = (1/beta) E tr(H Sigma) of the diffusion",
    "virial": "E[-theta.b] = (eta/2) E|g_B|^2",
    "second_order": "E|grad Phi|^2 = (eta/2) E tr(H S_B), no higher terms",
    "third_order": "the same with third derivatives",
    "fourth_order": "the same with third and fourth derivatives",
    "all_orders": "the same with all derivatives",
}
_SERIES = ("mass", "minimum", "mean", "covariance")
_SCAN = tuple(
    name
    for name, one in DISCRETE.variables.items()
    if name.startswith("scan_") and one.dims == "learning_rate"
)


def multipliers_of(found: Arrays) -> np.ndarray:
    """Eigenvalues of the operator by decreasing modulus, complex of shape (m,)."""
    return np.asarray(found.multiplier_real + 1j * found.multiplier_imag)


def relation_gaps(found: Arrays) -> np.ndarray:
    """Difference of the two sides of each relation over the larger one; empty without any."""
    if found.relation_left is None:
        return np.zeros(0)
    return np.asarray(np.abs(found.relation_left - found.relation_right) / _scales(found))


def relation_errors(found: Arrays) -> np.ndarray:
    """Known error of that difference over the larger side."""
    if found.relation_left is None:
        return np.zeros(0)
    grid = found.relation_grid
    known = found.relation_sampling + np.where(np.isfinite(grid), grid, 0.0)
    return np.asarray(known / _scales(found))


def _scales(found: Arrays) -> np.ndarray:
    larger = np.maximum(np.abs(found.relation_left), np.abs(found.relation_right))
    return np.maximum(larger, np.finfo(float).tiny)


def _relation_names(found: Arrays) -> list[tuple[str, str]]:
    """Source and name of each relation."""
    if found.relation_name is None:
        return []
    return list(zip(found.relation_source, found.relation_name, strict=True))


def discrete_numbers(found: Arrays) -> dict[str, Any]:
    """Every number by name, arrays over rates, modes and axes among them.

    Gaps of relations stand under source and name, those of formulas with operators left out: their
    names are none of a number. What begins with ``final`` is of the last step.
    """
    numbers: dict[str, Any] = dict(found.numbers)
    values = multipliers_of(found)
    numbers |= {
        "mean": found.stationary_mean,
        "covariance": found.stationary_covariance,
        "multiplier_modulus": np.abs(values),
        "multiplier_real": values.real,
        "stationary_minimum": float(found.stationary.min()),
        **found.some(*_SCAN),
    }
    numbers |= {
        f"{source}_{name}": float(gap)
        for (source, name), gap in zip(_relation_names(found), relation_gaps(found), strict=True)
        if name.isidentifier()
    }
    if found.iteration is not None:
        numbers |= {f"final_{name}": getattr(found, name)[-1] for name in _SERIES}
        numbers["mass_drift"] = _mass_drift(found)
        numbers["minimum"] = float(found.minimum.min())
    return numbers


def _mass_drift(found: Arrays) -> float:
    return float(np.abs(found.mass - found.mass[0]).max())


def discrete_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about what is stationary under the operator, how far from (48), the relations."""
    rows = [("steps of SGD", f"learning rate {found.rate:g}; {found.noise}")]
    if found.iteration is not None:
        text = f"{found.iteration[-1]} steps, mass drift {_mass_drift(found):.1e}"
        rows.append(("  evolved", f"{text}, minimum {found.minimum.min():.1e}"))
    if found.multiplier < 1.0 - 1e-9:
        rows.append(("  survival", f"{found.multiplier:.6g} of the density per step"))
    variances = np.diagonal(found.stationary_covariance)
    text = ", ".join(
        f"{name} {value:.6g}" for name, value in zip(result.names, variances, strict=True)
    )
    rows.append(("  variance at rest", text))
    if found.distance is not None:
        text = f"total variation {found.distance:.3g}"
        if found.distance_order is not None:
            text += f", of order {found.distance_order:.3g} in the learning rate"
        rows.append(("  from the diffusion at rest", text))
    for second in multipliers_of(found)[1:2]:
        rate = -math.log(abs(second)) / found.rate if abs(second) > 0.0 else math.inf
        text = f"multiplier {_complex(second)}, decay {rate:.5g} per unit time"
        rows.append(("  slowest mode", text))
    return rows + _walker_rows(found) + _relation_rows(found)


def _walker_rows(found: Arrays) -> Rows:
    """The walkers against as many steps of the density, and what two grids tell about that."""
    rows: Rows = []
    if found.walkers_p_value is not None:
        text = (
            f"p = {found.walkers_p_value:.2g} against as many steps of the density; "
            f"{100.0 * found.walkers_distance:.2g} % in a wrong bin, "
            f"{100.0 * found.walkers_sampling:.2g} % by their number alone"
        )
        rows.append(("  walkers", text))
    if found.walkers_grid is not None:
        beyond = found.walkers_unexplained > 0.5 * found.walkers_grid
        wide = "; order 2 does not describe cells this wide: take more" if beyond else ""
        text = (
            f"bins off by {found.walkers_grid:.2%} through the grid at order 2, "
            f"{found.walkers_noise:.2%} through the number of walkers, "
            f"{found.walkers_unexplained:.2%} beyond both (root mean square){wide}"
        )
        rows.append(("  of two grids", text))
    return rows


def _relation_rows(found: Arrays) -> Rows:
    rows: Rows = []
    gaps, errors = relation_gaps(found), relation_errors(found)
    for k, (source, name) in enumerate(_relation_names(found)):
        what = RELATION_TEXT.get(name, f"E[O] before and after a step, O = {name}")
        sides = f"{found.relation_left[k]:.6g} against {found.relation_right[k]:.6g}"
        text = f"{what}: {sides}, apart by {gaps[k]:.1e} (known error {errors[k]:.1e})"
        rows.append((f"  by {source}", text))
    return rows


def _complex(value: complex) -> str:
    text = f"{value.real:.6g}"
    return text if abs(value.imag) < 1e-9 else f"{text} {value.imag:+.6g}i"


def discrete_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """Both sides of the fluctuation-dissipation relations, and the scan of learning rates."""
    tables = []
    if named := _relation_names(found):
        sides = (found.relation_left, found.relation_right)
        values = zip(*sides, relation_gaps(found), relation_errors(found), strict=True)
        rows = tuple(
            (f"{name.replace('_', ' ')}, {source}", *(number(value) for value in row))
            for (source, name), row in zip(named, values, strict=True)
        )
        head = ("relation, by", "left side", "right side", "relative gap", "known error")
        tables.append(PageTable("Fluctuation-dissipation relations", head, rows))
    if found.learning_rate is not None and len(found.learning_rate) > 1:
        heads = [number(rate) for rate in found.learning_rate]
        series = {name.removeprefix("scan_"): one for name, one in found.some(*_SCAN).items()}
        tables.append(columns("By learning rate", "learning rate", heads, series))
    return tuple(tables)
