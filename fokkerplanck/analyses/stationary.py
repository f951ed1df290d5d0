"""From a stationary state to its record: what circulates, around what, and where the minima lie."""

from __future__ import annotations

import math

import numpy as np

from ..grid import Grid
from ..io import CriticalPoints, Loop, SpectrumRecord, StationaryRecord
from ..operators.currents import cell_current, circulation, entropy_rates
from ..operators.generator import Generator
from ..operators.samples import STENCIL
from ..problem import Problem
from ..spectrum.rotation import leading_rotation
from ..spectrum.spectrum import spectrum
from ..stationary.critical_points import CriticalPoint, critical_table
from ..stationary.decomposition import decompose
from ..stationary.loops import Cycle, current_cycles, limit_cycles
from ..stationary.stationary import StationaryState
from .observables import entropy_production

# Eigenvalues are looked for up to these sizes; beyond, the factors cost more than the rest.
ROTATION_CELLS = {1: 1_000_000, 2: 150_000, 3: 30_000}
# Beyond this the differences on the grid say little about Phi~.
MISMATCH = 0.2
_CHECKS = (
    *("tolerance", "largest_curl", "misfit", "disagreement", "divergence", "mismatch"),
    *("cosine", "correlation"),
)


def record_of(problem: Problem, generator: Generator, state: StationaryState) -> StationaryRecord:
    """Density, Phi~, current and entropy production: what every run with a stationary state has."""
    return StationaryRecord(
        state.density,
        state.quasi_potential,
        cell_current(generator, state.density),
        # One-way edges of an axis without noise have no finite production.
        np.nan if any(problem.noiseless) else entropy_production(generator, state.density),
        state.detailed_balance,
        state.residual,
        state.circulation,
    )


def analyse(
    problem: Problem, generator: Generator, state: StationaryState, record: StationaryRecord
) -> list[str]:
    """Everything that [stationary] asks for besides the state itself; returns what was left out.

    Both sides of (50) with their checks, measures of circulation, critical points of Phi and
    Phi~, closed loops of the current and of the drift, and the slowest oscillation.

    Parameters
    ----------
    problem : Problem
    generator : Generator
        Of the problem, in a closed box.
    state : StationaryState
        Its stationary state.
    record : StationaryRecord
        Of :func:`record_of`; filled on. What was found before a failure stays in it.

    References
    ----------
    G.-H. Liu and E. A. Theodorou. Deep Learning Theory Review: An Optimal Control and Dynamical
    Systems Perspective. arXiv:1908.10920 (2019), equation (50).

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> from fokkerplanck.analyses.stationary import record_of
    >>> problem = fp.Problem("(x**2 - 1)**2", beta=4.0, domain={"x": (-2.5, 2.5)})
    >>> generator = fp.generator(problem, problem.grid(64))
    >>> state = fp.stationary(generator, problem)
    >>> record = record_of(problem, generator, state)
    >>> fp.analyse(problem, generator, state, record)  # nothing was left out
    []
    >>> record.critical["loss"].minima.ravel()
    array([-1.,  1.])
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
    record.numbers = {name: value for name, value in numbers.items() if math.isfinite(value)}
    record.velocity = split.velocity
    record.integrated_potential = split.integrated
    record.stream_function = turning.stream
    record.angular_momentum = turning.angular_momentum
    if split.mismatch > MISMATCH:
        notes.append(
            "grad Phi and Sigma grad Phi~ - div Sigma/beta - v, which are equal at rest, differ by "
            f"{100.0 * split.mismatch:.0f} %: Phi~ and Sigma vary too quickly for this grid"
        )
    table = critical_table(problem, grid, state)
    record.critical = {
        "loss": _points(grid, table.loss),
        "quasi_potential": _points(grid, table.quasi_potential),
    }
    record.pairs, record.shifts = table.pairs, table.shifts
    record.loops = _loops(problem, resting, state)
    if grid.size > ROTATION_CELLS[grid.ndim]:
        notes.append(
            f"no oscillating mode was looked for: {grid.size} cells are more than "
            f"{ROTATION_CELLS[grid.ndim]}"
        )
    elif rotation := leading_rotation(generator):
        record.numbers |= {
            "rotation_frequency": rotation.frequency,
            "rotation_decay": rotation.decay,
            "rotation_quality": rotation.quality,
        }
    return notes


def spectrum_of(
    generator: Generator, count: int, rest: StationaryState | None
) -> tuple[SpectrumRecord, list[str]]:
    """What [spectrum] asks for, and what to read with care.

    Parameters
    ----------
    generator : Generator
    count : int
        Modes, the zero included.
    rest : StationaryState or None
        Its stationary state, where it is known already.
    """
    found = spectrum(generator, count, None if rest is None else rest.log_density)
    mixing = found.mixing
    record = SpectrumRecord(
        found.real,
        found.imag,
        found.modes,
        found.left,
        found.residuals,
        found.detailed_balance,
        found.closed,
        found.floor,
        found.reach,
        np.nan if mixing is None else mixing.lower,
        np.nan if mixing is None else mixing.upper,
        np.nan if mixing is None else mixing.contraction,
        found.method,
    )
    notes = []
    lost = int((np.abs(record.eigenvalues[int(record.closed) :]) < record.floor).sum())
    if lost:
        notes.append(
            f"{lost} eigenvalues of the spectrum are below {record.floor:.1e}, where they are "
            "rounding: the box falls apart into regions that do not exchange probability"
        )
    fastest = float(np.abs(record.imag).max())
    if record.reach < fastest:
        notes.append(
            f"modes of the spectrum that oscillate faster than {record.reach:.3g} may be missing"
        )
    return record, notes


def _points(grid: Grid, points: tuple[CriticalPoint, ...]) -> CriticalPoints:
    return CriticalPoints(
        np.array([p.position for p in points]).reshape(-1, grid.ndim),
        np.array([p.value for p in points]),
        np.array([p.eigenvalues for p in points]).reshape(-1, grid.ndim),
    )


def _loops(problem: Problem, generator: Generator, state: StationaryState) -> tuple[Loop, ...]:
    """None under detailed balance, where nothing turns."""
    if state.detailed_balance:
        return ()
    found = [("current", cycle) for cycle in current_cycles(generator, state)]
    found += [("drift", cycle) for cycle in limit_cycles(problem, generator.grid)]
    return tuple(_loop(source, cycle) for source, cycle in found)


def _loop(source: str, cycle: Cycle) -> Loop:
    return Loop(
        source,
        cycle.points,
        cycle.time,
        cycle.center,
        cycle.direction,
        cycle.closure,
        cycle.mean_potential,
        cycle.multiplier,
    )
