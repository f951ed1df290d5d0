"""Density against walkers: tests, and an error budget from a second grid and other walkers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case, EnsembleRequest, ValidationRequest
from ..errors import CaseError, StoreError
from ..grid import Grid
from ..io import COMPARED, ENSEMBLE, VALIDATION, Arrays
from ..particles import METHODS
from ..particles.methods import REFLECTED
from ..problem import Problem
from ..runtime.progress import Progress, advanced
from ..validation import (
    FurtherRuns,
    Halved,
    Verdict,
    cell_masses,
    coarsened,
    dependent,
    extrapolated,
    judge,
)
from .ensemble import chosen_method, walk
from .start import densities_of, initial_density, scheme_of, system_of

if TYPE_CHECKING:
    from xarray import DataTree

# Output times compared: the frames share their walkers, so more of them tell little more.
FRAMES = 3
# Walkers with weighted batches are fewer by this factor: each of their steps costs more.
SHARE = 3
# Walkers that meet sides are not to be seen below this share of the sampling noise 1/sqrt(n).
VISIBLE = 0.1
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
    """Further ensembles at the frames compared, as :func:`error_budget` wants them.

    ``sides`` may be the number 0 instead, where walkers hardly meet a side.
    """

    halved: list[Halved] | None = None
    symmetric: list[Halved] | None = None
    sides: list[Halved] | float | None = None
    sides_order: int | None = None

    @property
    def explain(self) -> bool:
        """Whether there is one, so that a difference may be explained."""
        return any(isinstance(one, list) for one in (self.halved, self.symmetric, self.sides))


def validate(
    case: Case,
    walkers: Arrays,
    kept: Sequence[int],
    density: Callable[[int], np.ndarray],
    progress: Progress | None = None,
) -> DataTree:
    """Compare the density of a case with its ensemble: the group ``/validation``.

    The grid error is taken out by Richardson's extrapolation from a grid of half as many cells
    along every axis. For SGD the gap to the diffusion is measured: what mini-batches have beyond
    their covariance with walkers whose noise has no third moment, and what the learning rate
    makes with half of it. Where walkers meet sides, what finite steps do there is measured besides:
    for SGD with walkers that sides push back as they do the diffusion, else with half the step.

    Parameters
    ----------
    case : Case
        With what its [validation] asks for.
    walkers : Arrays
        Of the group ``/ensemble``.
    kept : sequence of int
        Numbers of the frames whose density is known.
    density : callable
        From the number of a frame to its density.
    progress : Progress, optional
        Shows the second grid and each further ensemble.
    """
    asked = case.validation or ValidationRequest()
    frames = _chosen(kept, walkers)
    progress = progress or Progress()
    with progress.stage("density on half as many cells"):
        masses = _masses(case, [density(k) for k in frames], frames, asked.budget)
    others = _others(case, walkers, masses, frames, progress) if asked.budget else Others()
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
        ensemble=case.ensemble or EnsembleRequest(),
        validation=case.validation or ValidationRequest(),
    )


def compare(result: Any, significance: float = ValidationRequest().significance) -> DataTree:
    """The group ``/validation`` of a result as it is, without an error budget.

    Parameters
    ----------
    result : Result
    significance : float
        Below it they are said to differ.

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
    walkers: Arrays,
    frames: list[int],
    masses: Masses,
    others: Others,
    level: float,
) -> DataTree:
    """The tests of every frame, and of all together."""
    verdicts = []
    for k, frame in enumerate(frames):
        counts = coarsened(walkers.counts[frame], masses.grid.shape)
        inside = int(counts.sum()) == walkers.particles
        verdicts.append(
            judge(
                masses.grid,
                counts,
                masses.values[k],
                walkers.particles,
                FurtherRuns(
                    better=None if masses.better is None else masses.better[k],
                    halved=None if others.halved is None else others.halved[k],
                    symmetric=None if others.symmetric is None else others.symmetric[k],
                    sides=others.sides[k] if isinstance(others.sides, list) else others.sides,
                    sides_order=others.sides_order,
                ),
                mean=walkers.mean[frame] if inside else None,
                covariance=walkers.covariance[frame] if inside else None,
                level=level,
            )
        )
    p_value = dependent([verdict.p_value for verdict in verdicts])
    remaining = dependent([verdict.budget.p_value for verdict in verdicts])
    time = walkers.time[frames]
    return VALIDATION.build(
        masses.grid,
        {"walk_time": time, "time": time, **_series(verdicts)},
        {
            "p_value": float(p_value),
            "level": float(level),
            # A gap that is measured and accounted for is no disagreement.
            "agrees": bool(max(p_value, remaining if others.explain else 0.0) >= level),
            "sentences": "\n".join(verdict.sentence for verdict in verdicts),
        },
    )


def _chosen(kept: Sequence[int], walkers: Arrays) -> list[int]:
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
    scheme = None
    if half.problem.jumps is None:
        scheme, _ = scheme_of(case, system_of(case))
        if order > 1:
            order = min(scheme.order, COUNTED_ORDER)
    other_path = densities_of(half, scheme, initial_density(half), times)
    pairs = [
        extrapolated(fine, cell_masses(half.grid, density), order)
        for fine, density in zip(own, other_path[1:], strict=True)
    ]
    return Masses(half.grid, [pooled for pooled, _ in pairs], [better for _, better in pairs])


def _others(
    case: Case, walkers: Arrays, masses: Masses, frames: list[int], progress: Progress
) -> Others:
    """The ensembles that tell what steps at sides do, and the gap between SGD and its diffusion."""
    method = chosen_method(case)
    assert case.ensemble is not None
    touched = _meet_sides(case, masses, walkers.step)
    asked = replace(case.ensemble, method=method, trajectories=0)

    def walked(other: Case, held: EnsembleRequest, number: int, words: str) -> list[Halved]:
        own = replace(held, seed=held.seed + number)
        assert other.density is not None
        with progress.bar(f"walkers {words}", own.times(other.density)[-1]) as bar:
            tree, _ = walk(
                replace(other, ensemble=own),
                initial_density(other),
                np.ones(other.grid.shape, dtype=bool),
                advanced(bar),
            )
        found = Arrays(tree, ENSEMBLE)
        return [
            Halved(coarsened(found.counts[k], masses.grid.shape), values, found.particles)
            for k, values in zip(frames, masses.values, strict=True)
        ]

    if not METHODS[method].sgd:
        if not touched:
            return Others(sides=0.0)
        finer = replace(asked, step=0.5 * walkers.step)
        return Others(
            sides=walked(case, finer, 3, "at half the step"), sides_order=METHODS[method].order
        )
    batches = METHODS[method].batches
    if batches == "epochs":
        # Their noise is that of no diffusion, so none of its walkers tells what sides do to it.
        touched, sides = False, None
    else:
        touched, sides = touched and method != REFLECTED, 0.0
    symmetric, drawn = None, asked
    if batches == "drawn":
        # Weighted batches take more samples for the same noise.
        drawn = replace(asked, method="sgd-symmetric", particles=asked.particles // SHARE)
        symmetric = walked(case, drawn, 2, "with symmetric noise")
    held = replace(asked, method=REFLECTED) if touched else drawn
    slower = _slower(case, epochs=batches == "epochs")
    return Others(
        halved=None if slower is None else walked(slower, held, 1, "at half the learning rate"),
        symmetric=symmetric,
        sides=walked(case, held, 3, "reflected as the diffusion is") if touched else sides,
    )


def _meet_sides(case: Case, masses: Masses, step: float) -> bool:
    """Whether enough walkers are within one step of a side, or absorbed, to be seen."""
    assert case.ensemble is not None
    grid = masses.grid
    problem = case.problem
    drift = np.abs(problem.drift_at(grid.points))
    visible = VISIBLE / math.sqrt(case.ensemble.particles)
    density = np.max(masses.values, axis=0)
    if not grid.domain.closed and any(values.sum() < 1.0 - visible for values in masses.values):
        return True
    for a, axis in enumerate(grid.domain.axes):
        if axis.periodic:
            continue
        if problem.jumps is not None:
            spread = (problem.jumps.strengths[a] * step) ** (1.0 / problem.jumps.alpha)
        else:
            spread = np.sqrt(2.0 / problem.beta * problem.sigma_at(grid.points)[a, a] * step)
        reach = np.broadcast_to(spread + drift[a] * step, grid.shape) / grid.spacing[a]
        number = np.arange(grid.shape[a]).reshape([-1 if b == a else 1 for b in range(grid.ndim)])
        for cells in (number, grid.shape[a] - 1 - number):
            share = np.clip(reach - cells, 0.0, 1.0)
            if float((share * density).sum()) > visible:
                return True
    return False


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
    """The numbers of each time by name; NaN where there is none."""
    rows = [
        {
            "p_value": verdict.p_value,
            "fit": verdict.fit.p_value,
            "energy": verdict.energy.p_value,
            "moments": None if verdict.moments is None else verdict.moments.p_value,
            "distance": verdict.energy.energy,
            "detectable": verdict.fit.effect,
            "observed": budget.observed,
            "sampling": budget.sampling,
            "grid_error": budget.grid,
            "noise_shape": budget.shape,
            "sides": budget.sides,
            "diffusion_gap": budget.diffusion,
            "unexplained": budget.unexplained,
            "remaining_p_value": budget.p_value,
            "total_variation": budget.total_variation,
            "expected_total_variation": budget.expected_total_variation,
        }
        for verdict in verdicts
        for budget in (verdict.budget,)
    ]
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in COMPARED}
