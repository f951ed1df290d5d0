"""The state at rest: what circulates, around what, where the minima lie; as a tree and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..grid import Grid
from ..io import CRITICAL, LOOP, POINTS, STATIONARY, Arrays
from ..operators.currents import cell_current, circulation, entropy_rates
from ..operators.generator import Generator
from ..operators.samples import STENCIL
from ..problem import Problem
from ..spectrum.rotation import leading_rotation
from ..stationary.critical_points import CriticalPoint, CriticalTable, critical_table
from ..stationary.decomposition import decompose
from ..stationary.loops import Cycle, current_cycles, limit_cycles
from ..stationary.stationary import StationaryState
from .observables import entropy_production
from .text import (
    NAMED,
    ROWS,
    PageTable,
    Rows,
    Solved,
    kinds,
    measured,
    number,
    number_table,
    place,
    point,
)

if TYPE_CHECKING:
    from xarray import DataTree

# Eigenvalues are looked for up to these sizes; beyond, the factors cost more than the rest.
ROTATION_CELLS = {1: 1_000_000, 2: 150_000, 3: 30_000}
# Beyond this the differences on the grid say little about Phi~.
MISMATCH = 0.2
_CHECKS = (
    *("tolerance", "largest_curl", "misfit", "disagreement", "divergence", "mismatch"),
    *("cosine", "correlation"),
)
# Groups of loops, most likely ones of the current and limit cycles of the drift without noise.
_LOOPS = {"cycle": "cycle of the current", "limit_cycle": "cycle of the drift"}


@dataclass
class StationaryParts:
    """Parts of the group ``/stationary`` as they are found, by their names there.

    Attributes
    ----------
    arrays : dict
    attributes : dict
    critical : CriticalTable or None
    loops : dict
        Tuples of :class:`Cycle` by the stem of their groups.
    """

    arrays: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    critical: CriticalTable | None = None
    loops: dict[str, tuple[Cycle, ...]] = field(default_factory=dict)

    def tree(self, grid: Grid) -> DataTree:
        """The group."""
        children = {} if self.critical is None else {"critical": _critical(grid, self.critical)}
        for stem, cycles in self.loops.items():
            children |= {f"{stem}_{k}": _loop(grid, cycle) for k, cycle in enumerate(cycles)}
        return STATIONARY.build(grid, self.arrays, self.attributes, children)


def at_rest(problem: Problem, state: StationaryState) -> StationaryParts:
    """Density, Phi~, current and entropy production: what every run with a stationary state has."""
    generator = state.generator
    # One-way edges of an axis without noise have no finite production.
    noiseless = any(problem.noiseless)
    produced = np.nan if noiseless else entropy_production(generator, state.density)
    return StationaryParts(
        {
            "density": state.density,
            "quasi_potential": state.quasi_potential,
            "current": cell_current(generator, state.density),
        },
        {
            "entropy_production": float(produced),
            "detailed_balance": bool(state.detailed_balance),
            "residual": float(state.residual),
            "curl": float(state.circulation),
        },
    )


def examine(
    problem: Problem, generator: Generator, state: StationaryState, parts: StationaryParts
) -> list[str]:
    """Add to the parts of :func:`at_rest` what [stationary] asks for; returns what was left out.

    Both sides of (50) with their checks, measures of circulation, critical points of Phi and Phi~,
    closed loops of the current and of the drift, and the slowest oscillation.

    Parameters
    ----------
    problem : Problem
    generator : Generator
        Of the problem, in a closed box.
    state : StationaryState
        Its stationary state.
    parts : StationaryParts
        What was found before a failure stays in it.
    """
    grid, notes = generator.grid, []
    if min(grid.shape) < STENCIL:
        return [f"analyses of the stationary state need {STENCIL} cells along every axis"]
    # Of the scheme high-order the state is that of a chain with other rates, in which currents
    # are; its slow modes are no better than those of the generator.
    resting = state.generator
    split = decompose(resting, problem, state)
    turning = circulation(resting, state.density)
    numbers = {name: float(getattr(split, name)) for name in _CHECKS}
    numbers |= {"imbalance": turning.imbalance, "turnover": turning.turnover}
    if not any(problem.noiseless):
        rates = entropy_rates(resting, state.density, state.log_density)
        numbers["housekeeping"] = rates.housekeeping
    parts.attributes |= {k: float(value) for k, value in numbers.items() if math.isfinite(value)}
    parts.arrays |= {
        "velocity": split.velocity,
        "integrated_potential": split.integrated,
        "stream_function": turning.stream,
        "angular_momentum": turning.angular_momentum,
    }
    if split.mismatch > MISMATCH:
        notes.append(
            "grad Phi and Sigma grad Phi~ - div Sigma/beta - v, which are equal at rest, differ by "
            f"{100.0 * split.mismatch:.0f} %: Phi~ and Sigma vary too quickly for this grid"
        )
    parts.critical = critical_table(problem, grid, state)
    # Under detailed balance nothing turns.
    if not state.detailed_balance:
        parts.loops = {
            "cycle": current_cycles(resting, state),
            "limit_cycle": limit_cycles(problem, resting.grid),
        }
    if grid.size > ROTATION_CELLS[grid.ndim]:
        notes.append(
            f"no oscillating mode was looked for: {grid.size} cells are more than "
            f"{ROTATION_CELLS[grid.ndim]}"
        )
    elif rotation := leading_rotation(generator):
        parts.attributes |= {
            f"rotation_{name}": float(getattr(rotation, name))
            for name in ("frequency", "decay", "quality")
        }
    return notes


def _critical(grid: Grid, table: CriticalTable) -> DataTree:
    """Tables of critical points; those without a row are left out."""
    arrays = {"pairs": table.pairs, "shifts": table.shifts} if len(table.pairs) else {}
    both = {"loss": table.loss, "quasi_potential": table.quasi_potential}
    children = {name: _points(grid, points) for name, points in both.items() if points}
    return CRITICAL.build(grid, arrays, children=children)


def _points(grid: Grid, points: tuple[CriticalPoint, ...]) -> DataTree:
    return POINTS.build(
        grid,
        {
            "position": [one.position for one in points],
            "value": [one.value for one in points],
            "eigenvalues": [one.eigenvalues for one in points],
            "index": [one.index for one in points],
        },
    )


def _loop(grid: Grid, cycle: Cycle) -> DataTree:
    return LOOP.build(
        grid,
        {"loop_time": cycle.time, "points": cycle.points},
        {
            "period": cycle.period,
            "center": np.asarray(cycle.center),
            "winding": cycle.direction,
            "closure": float(cycle.closure),
            "mean_potential": float(cycle.mean_potential),
            "multiplier": float(cycle.multiplier),
        },
    )


def centroid(loop: Arrays) -> np.ndarray:
    """Centre of the area that a loop encloses, shape (2,)."""
    x, y = (loop.points - loop.center).T
    cross = x * np.roll(y, -1) - y * np.roll(x, -1)
    sums = [((part + np.roll(part, -1)) * cross).sum() for part in (x, y)]
    return np.asarray(loop.center + np.array(sums) / (3.0 * cross.sum()))


def stationary_numbers(found: Arrays) -> dict[str, Any]:
    """Every number by name, with the period of the first loop of each kind, and small arrays."""
    numbers: dict[str, Any] = dict(found.numbers)
    for stem in _LOOPS:
        for loop in found.numbered(stem)[:1]:
            numbers |= {f"{stem}_period": loop.period, f"{stem}_winding": float(loop.winding)}
    numbers |= found.some("angular_momentum")
    return numbers if found.critical is None else numbers | found.critical.some("shifts")


def stationary_rows(result: Solved, found: Arrays) -> Rows:
    """Rows about detailed balance, currents, loops and minima."""
    names, balanced = result.names, found.detailed_balance
    detail = f"residual {found.residual:.1e}"
    if found.largest_curl is not None:
        detail += f", largest curl of A {found.largest_curl:.2g}"
    rows: Rows = [("detailed balance", f"{'yes' if balanced else 'no'} ({detail})")]
    if found.mismatch is not None:
        text = f"grad Phi = Sigma grad Phi~ - div Sigma/beta - v to {found.mismatch:.0e}"
        rows.append(("drift at rest", f"{text} (rms, relative)"))
    if not balanced:
        if math.isfinite(found.entropy_production):
            text = measured(found.entropy_production, found.error_entropy_production)
            rows.append(("entropy production", f"{text} per unit time"))
        if found.turnover is not None:
            rows.append(("circulation", f"{found.turnover:.4g} per unit time is carried around"))
        for stem, what in _LOOPS.items():
            rows += [(what, _loop_text(names, loop)) for loop in found.numbered(stem)]
        if found.rotation_frequency is not None:
            rows.append(
                (
                    "slowest rotation",
                    f"angular frequency {found.rotation_frequency:.5g}, decay "
                    f"{found.rotation_decay:.4g}, quality {found.rotation_quality:.3g}",
                )
            )
    return rows + _minima_rows(names, found.critical)


def _loop_text(names: tuple[str, ...], loop: Arrays) -> str:
    turn = "counter-clockwise" if loop.winding > 0 else "clockwise"
    text = f"period {loop.period:.6g}, {turn} around {place(names, centroid(loop))}"
    if math.isfinite(loop.multiplier):
        text += ", attracting" if loop.multiplier < 1.0 else ", repelling"
    return text


def _minima_rows(names: tuple[str, ...], critical: Arrays | None) -> Rows:
    """Where the minima of Phi are and where the noise moves them."""
    if critical is None or critical.loss is None or critical.quasi_potential is None:
        return []
    loss, quasi = critical.loss, critical.quasi_potential
    pairs = [] if critical.pairs is None else critical.pairs
    moved = [(int(i), int(j)) for i, j in pairs if loss.index[i] == 0]
    rows = [
        ("minimum moved", f"{place(names, loss.position[i])} -> {place(names, quasi.position[j])}")
        for i, j in moved[:NAMED]
    ]
    for text, points, seen in (
        ("minima of Phi only", loss, {i for i, _ in moved}),
        ("minima of Phi~ only", quasi, {j for _, j in moved}),
    ):
        single = [int(i) for i in np.flatnonzero(points.index == 0) if int(i) not in seen]
        if single:
            places = ", ".join(place(names, points.position[i]) for i in single[:NAMED])
            more = f" and {len(single) - NAMED} more" if len(single) > NAMED else ""
            rows.append((text, places + more))
    return rows


def stationary_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """Critical points of Phi and Phi~, and the numbers."""
    rows = []
    for field_name, symbol in (("loss", "Φ"), ("quasi_potential", "Φ̃")):
        points = None if found.critical is None else getattr(found.critical, field_name)
        if points is not None:
            words = kinds(points.index, len(result.names))
            for kind, where, value in zip(words, points.position, points.value, strict=True):
                rows.append((symbol, kind, point(where), number(value)))
    head = ("of", "kind", "place", "value")
    tables = [PageTable("Critical points", head, tuple(rows[:ROWS]))] if rows else []
    numbers = {k: v for k, v in stationary_numbers(found).items() if not np.ndim(v)}
    words_of = {name: one.long_name for name, one in STATIONARY.attributes.items()}
    return (*tables, *number_table("All numbers at rest", numbers, words_of))
