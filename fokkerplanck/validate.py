"""Density against walkers: tests, and an error budget from a second grid and learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .case import Case, Ensemble, Validation, load_case
from .density import evolve
from .density.levy import evolve_levy
from .domain import Axis, Domain
from .errors import CaseError, StoreError
from .grid import Grid
from .result import Result
from .start import initial_density
from .store import EnsembleRecord, ValidationRecord
from .validation import Halved, Verdict, cell_masses, coarsened, dependent, judge
from .walk import chosen_method, walk

# Output times compared: the frames share their walkers, so more of them tell little more.
FRAMES = 3


@dataclass(frozen=True, eq=False)
class Masses:
    """Masses of the cells of one grid at the frames compared, and the same without grid error.

    ``better`` is None where there was no second grid.
    """

    grid: Grid
    values: list[np.ndarray]
    better: list[np.ndarray] | None


def validate(
    case: Case, walkers: EnsembleRecord, kept: Sequence[int], density: Callable[[int], np.ndarray]
) -> ValidationRecord:
    """Compare the density of a case with its ensemble.

    The grid error is taken out by Richardson's extrapolation from a grid of half as many cells
    along every axis; for SGD the gap to the diffusion is measured with half the learning rate.

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
    frames = _chosen(kept)
    masses = _masses(case, [density(k) for k in frames], frames, asked.budget)
    halved = _halved(case, masses, frames) if asked.budget else None
    return _judged(walkers, frames, masses, halved, asked.significance)


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
    axes = tuple(
        Axis(name, float(faces[0, 0]), float(faces[-1, 1]), _sides(result, number))
        for number, (name, faces) in enumerate(zip(result.names, result.bounds, strict=True))
    )
    grid = Grid(Domain(axes), result.shape)
    frames = _chosen([int(k) for k in result.kept_frames])
    own = [cell_masses(grid, result.density[k].astype(float)) for k in frames]
    return _judged(result.ensemble, frames, Masses(grid, own, None), None, significance)


def _judged(
    walkers: EnsembleRecord,
    frames: list[int],
    masses: Masses,
    halved: list[Halved] | None,
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
                halved=None if halved is None else halved[number],
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
        agrees=max(p_value, remaining if halved is not None else 0.0) >= level,
        sentences=tuple(verdict.sentence for verdict in verdicts),
    )


def _chosen(kept: Sequence[int]) -> list[int]:
    """Numbers of the frames compared: the last and some before it, after the start."""
    later = [k for k in kept if k > 0]
    chosen = np.unique(np.linspace(0, len(later), FRAMES + 1).round().astype(int))[1:] - 1
    return [later[i] for i in chosen]


def _sides(result: Result, axis: int) -> tuple[str, str]:
    """Sides of an axis as the header of the result names them."""
    words = str(result.attrs["boundaries"]).split(", ")[axis].split("/")
    return words[0], words[-1]


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
    if half.problem.jumps is not None:
        other_path = evolve_levy(
            half.problem, half.grid, initial_density(half), times, rtol=asked.rtol
        )
    else:
        other_path = evolve(
            half.problem,
            half.grid,
            initial_density(half),
            times,
            stepper=asked.stepper,
            rtol=asked.rtol,
        ).density
    # The scheme is of order 2, of order 1 along axes without noise.
    factor = 2.0 ** (1 if any(case.problem.noiseless) else 2) - 1.0
    values, extrapolated = [], []
    for fine, density in zip(own, other_path[1:], strict=True):
        pooled = coarsened(fine, half.grid.shape)
        correction = (pooled - cell_masses(half.grid, density)) / factor
        better = np.maximum(pooled + correction, 0.0)
        better *= pooled.sum() / better.sum()
        values.append(pooled)
        extrapolated.append(better)
    return Masses(half.grid, values, extrapolated)


def _halved(case: Case, masses: Masses, frames: list[int]) -> list[Halved] | None:
    """SGD at half the learning rate, independent of the first; None where it is not SGD."""
    method = chosen_method(case)
    rate, batch = case.problem.learning_rate, case.problem.batch_size
    if not method.startswith("sgd") or rate is None or case.ensemble is None:
        return None
    changes: dict[str, float] = {"noise.learning_rate": rate / 2.0}
    if batch is not None:
        if batch % 2:
            return None
        changes["noise.batch_size"] = batch / 2.0
    other = load_case(case.file, {**case.overrides, **changes, "expect": {}})
    if not math.isclose(other.problem.beta, case.problem.beta, rel_tol=1e-12):
        return None
    other = replace(
        other, ensemble=replace(case.ensemble, seed=case.ensemble.seed + 1, trajectories=0)
    )
    record, _ = walk(other, initial_density(other), np.ones(other.grid.shape, dtype=bool))
    return [
        Halved(
            coarsened(record.counts[frame], masses.grid.shape),
            masses.values[number],
            record.particles,
        )
        for number, frame in enumerate(frames)
    ]


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
                "diffusion_gap": math.nan if budget.diffusion is None else budget.diffusion,
                "unexplained": budget.unexplained,
                "remaining_p_value": budget.p_value,
                "total_variation": budget.total_variation,
                "expected_total_variation": budget.expected_total_variation,
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}
