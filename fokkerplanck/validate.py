"""Density against walkers: tests, and an error budget from a second grid and other walkers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .case import Case, Ensemble, Validation
from .density import System, evolve
from .density.levy_march import evolve_levy
from .errors import CaseError, StoreError
from .grid import Grid
from .particles import METHODS
from .problem import Problem
from .result import Result
from .start import initial_density, scheme_of
from .store import EnsembleRecord, ValidationRecord
from .validation import Halved, Verdict, cell_masses, coarsened, dependent, extrapolated, judge
from .walk import chosen_method, walk

# Output times compared: the frames share their walkers, so more of them tell little more.
FRAMES = 3
# Walkers with weighted batches are fewer by this factor: each of their steps costs more.
SHARE = 3
# Order of the scheme high-order that the grid error is judged by.
COUNTED_ORDER = 4


@dataclass(frozen=True, eq=False)
class Masses:
    """Masses of the cells of one grid at the frames compared, and the same without grid error.

    ``better`` is None where there was no second grid.
    """

    grid: Grid
    values: list[np.ndarray]
    better: list[np.ndarray] | None


@dataclass(frozen=True, eq=False)
class Others:
    """Further ensembles at the frames compared, as :func:`error_budget` wants them."""

    halved: list[Halved] | None = None
    symmetric: list[Halved] | None = None


def validate(
    case: Case, walkers: EnsembleRecord, kept: Sequence[int], density: Callable[[int], np.ndarray]
) -> ValidationRecord:
    """Compare the density of a case with its ensemble.

    The grid error is taken out by Richardson's extrapolation from a grid of half as many cells
    along every axis. For SGD the gap to the diffusion is measured: what mini-batches have beyond
    their covariance with walkers whose noise has no third moment, and what the learning rate
    makes with half of it.

    Parameters
    ----------
    case : Case
        With what its [validation] asks for.
    walkers : EnsembleRecord
    kept : sequence of int
        Numbers of the frames whose density is known.
    density : callable
        From the number of a frame to its density.
    """
    asked = case.validation or Validation()
    frames = _chosen(kept, walkers)
    masses = _masses(case, [density(k) for k in frames], frames, asked.budget)
    others = _others(case, masses, frames) if asked.budget else Others()
    return _judged(walkers, frames, masses, others, asked.significance)


def with_validation(case: Case) -> Case:
    """The case with walkers and their comparison, by default settings where it has none.

    Raises
    ------
    CaseError
        If it has no [density].
    """
    if case.density is None:
        raise CaseError("is missing; walkers are counted at the times of [density]", "density")
    return replace(
        case,
        ensemble=case.ensemble or Ensemble(),
        validation=case.validation or Validation(),
    )


def compare(result: Result, significance: float = Validation().significance) -> ValidationRecord:
    """Compare density and ensemble of a result as they are, without an error budget.

    Raises
    ------
    StoreError
        If the result has no ensemble.
    """
    if result.ensemble is None:
        raise StoreError("this result has no ensemble; run its case with a section [ensemble]")
    frames = _chosen([int(k) for k in result.kept_frames], result.ensemble)
    own = [cell_masses(result.grid, result.density[k].astype(float)) for k in frames]
    return _judged(result.ensemble, frames, Masses(result.grid, own, None), Others(), significance)


def _judged(
    walkers: EnsembleRecord,
    frames: list[int],
    masses: Masses,
    others: Others,
    level: float,
) -> ValidationRecord:
    """The tests of every frame, and of all together."""
    verdicts = []
    for number, frame in enumerate(frames):
        counts = coarsened(walkers.counts[frame], masses.grid.shape)
        inside = int(counts.sum()) == walkers.particles
        verdicts.append(
            judge(
                masses.grid,
                counts,
                masses.values[number],
                walkers.particles,
                mean=walkers.mean[frame] if inside else None,
                covariance=walkers.covariance[frame] if inside else None,
                better=None if masses.better is None else masses.better[number],
                halved=None if others.halved is None else others.halved[number],
                symmetric=None if others.symmetric is None else others.symmetric[number],
                level=level,
            )
        )
    p_value = dependent([verdict.p_value for verdict in verdicts])
    remaining = dependent([verdict.budget.p_value for verdict in verdicts])
    return ValidationRecord(
        time=walkers.time[frames],
        series=_series(verdicts),
        p_value=p_value,
        level=level,
        # A gap that is measured and accounted for is no disagreement.
        agrees=max(p_value, remaining if others.halved is not None else 0.0) >= level,
        sentences=tuple(verdict.sentence for verdict in verdicts),
    )


def _chosen(kept: Sequence[int], walkers: EnsembleRecord) -> list[int]:
    """Numbers of the frames compared: the last and some before it, after the start.

    Raises
    ------
    CaseError
        If no density is kept that walkers were seen at.
    """
    later = [k for k in kept if 0 < k < len(walkers.time)]
    if not later:
        raise CaseError(
            "must not be false, or the walkers must go to the end: there is no density at a time "
            "of theirs",
            "output.every_frame",
        )
    chosen = np.unique(np.linspace(0, len(later), FRAMES + 1).round().astype(int))[1:] - 1
    return [later[i] for i in chosen]


def _masses(
    case: Case, densities: list[np.ndarray], frames: list[int], second_grid: bool
) -> Masses:
    """Masses at the frames, extrapolated to vanishing cell width where there is a second grid."""
    grid = case.grid
    own = [cell_masses(grid, density) for density in densities]
    if not second_grid or any(cells % 2 or cells < 8 for cells in grid.shape):
        return Masses(grid, own, None)
    half = replace(case, grid=Grid(grid.domain, tuple(cells // 2 for cells in grid.shape)))
    asked = case.density
    assert asked is not None
    times = [0.0, *(asked.times[k] for k in frames)]
    # Order 1 along axes without noise; of the order 6 of the other scheme 4 is counted on, which
    # leaves the error estimate on the safe side.
    order = 1 if any(case.problem.noiseless) else 2
    if half.problem.jumps is not None:
        other_path = evolve_levy(
            half.problem,
            half.grid,
            initial_density(half),
            times,
            rtol=asked.rtol,
            breakpoints=asked.breakpoints,
        )
    else:
        scheme, _ = scheme_of(case, System(case.problem, grid))
        if order > 1:
            order = min(scheme.order, COUNTED_ORDER)
        other_path = evolve(
            half.problem,
            half.grid,
            initial_density(half),
            times,
            scheme=scheme.name,
            stepper=asked.stepper,
            rtol=asked.rtol,
            breakpoints=asked.breakpoints,
        ).density
    pairs = [
        extrapolated(fine, cell_masses(half.grid, density), order)
        for fine, density in zip(own, other_path[1:], strict=True)
    ]
    return Masses(half.grid, [pooled for pooled, _ in pairs], [better for _, better in pairs])


def _others(case: Case, masses: Masses, frames: list[int]) -> Others:
    """The ensembles that tell the gap between SGD and its diffusion; none where it is not SGD."""
    method = chosen_method(case)
    assert case.ensemble is not None
    if not METHODS[method].sgd:
        return Others()
    batches = METHODS[method].batches
    kind = "sgd-symmetric" if batches == "drawn" else method
    # Weighted batches take more samples for the same noise.
    share = SHARE if batches == "drawn" else 1
    asked = replace(
        case.ensemble, method=kind, trajectories=0, particles=case.ensemble.particles // share
    )

    def walked(other: Case, number: int) -> list[Halved]:
        other = replace(other, ensemble=replace(asked, seed=asked.seed + number))
        record, _ = walk(other, initial_density(other), np.ones(other.grid.shape, dtype=bool))
        return [
            Halved(coarsened(record.counts[k], masses.grid.shape), values, record.particles)
            for k, values in zip(frames, masses.values, strict=True)
        ]

    slower = _slower(case, epochs=kind == "sgd-epochs")
    return Others(
        halved=None if slower is None else walked(slower, 1),
        symmetric=walked(case, 2) if batches == "drawn" else None,
    )


def _slower(case: Case, epochs: bool) -> Case | None:
    """The case at half the learning rate and the same beta; None where there is none."""
    problem = case.problem
    if problem.friction is not None:
        # Half the learning rate at the same friction is another momentum.
        return None
    rate, given = problem.learning_rate, problem.arguments
    assert rate is not None
    if given is None:
        return None
    changes: dict[str, Any] = {"learning_rate": rate / 2.0}
    if epochs:
        # Only real batches make an epoch.
        if problem.batch_size is None or problem.batch_size % 2:
            return None
        changes["batch_size"] = int(problem.batch_size) // 2
    else:
        # Without a batch there is nothing that could be drawn without replacement.
        changes |= {"batch_size": None, "beta": problem.beta, "replacement": True}
    other = replace(case, problem=Problem(**(given | changes)))
    return other if math.isclose(other.problem.beta, problem.beta, rel_tol=1e-12) else None


def _series(verdicts: list[Verdict]) -> dict[str, np.ndarray]:
    rows = []
    for verdict in verdicts:
        budget = verdict.budget
        rows.append(
            {
                "p_value": verdict.p_value,
                "fit": verdict.fit.p_value,
                "energy": verdict.energy.p_value,
                "moments": math.nan if verdict.moments is None else verdict.moments.p_value,
                "distance": verdict.energy.energy,
                "detectable": verdict.fit.effect,
                "observed": budget.observed,
                "sampling": budget.sampling,
                "grid_error": math.nan if budget.grid is None else budget.grid,
                "noise_shape": math.nan if budget.shape is None else budget.shape,
                "diffusion_gap": math.nan if budget.diffusion is None else budget.diffusion,
                "unexplained": budget.unexplained,
                "remaining_p_value": budget.p_value,
                "total_variation": budget.total_variation,
                "expected_total_variation": budget.expected_total_variation,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
