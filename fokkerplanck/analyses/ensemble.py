"""The ensemble of a case: which walkers, from where, as a tree, as numbers and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..case import Case
from ..grid import Grid
from ..io import ENSEMBLE, Arrays
from ..particles import METHODS, Client, EnsembleFrames, Gaussian, Keeper, ensemble
from ..particles.ensemble import Pieces, require_steerable
from ..particles.methods import DEFAULT_STEP, fastest_rate, longest_step, settings
from .text import PageTable, Rows, Solved, by_axis, number, spread_out

if TYPE_CHECKING:
    from xarray import DataTree

# Share of the sampling noise 1/sqrt(particles) that the error of the time steps may take, for an
# error constant of one in units of the drift's fastest rate.
BIAS = 0.25
# Below this share of the largest value nobody is met.
VISITED = 1e-8
# Frames further from an iteration than this share of the learning rate are worth a note.
APART = 1e-6


def walk(
    case: Case,
    start: np.ndarray,
    visited: np.ndarray,
    progress: Callable[[float], object] | None = None,
    pieces: Pieces | None = None,
    client: Client | None = None,
    keeper: Keeper | None = None,
) -> tuple[DataTree, list[str]]:
    """Run the ensemble that a case asks for, at output times of its density.

    Parameters
    ----------
    case : Case
        With [density] and [ensemble].
    start : ndarray of the grid's shape
        Density at t = 0, drawn from unless the case starts from a Gaussian or a point.
    visited : bool ndarray of the grid's shape
        Cells that the steps must be small enough for.
    progress : callable, optional
        Called with the time reached.
    pieces : callable, optional
        Factors of drift and noise, as :func:`~fokkerplanck.particles.ensemble.ensemble` takes them.
    client : distributed.Client or concurrent.futures.Executor, optional
    keeper : Keeper, optional
        As there.

    Returns
    -------
    tree : DataTree
        The group ``/ensemble``.
    notes : list of str
        What to read with care.

    Raises
    ------
    CaseError
        If the method does not fit the problem.
    """
    asked = case.ensemble
    assert asked is not None
    assert case.density is not None
    method = chosen_method(case)
    found = ensemble(
        case.problem,
        case.grid,
        _start(case, start),
        asked.times(case.density),
        method=method,
        particles=asked.particles,
        seed=asked.seed,
        step=step_of(case, method, visited),
        trajectories=asked.trajectories,
        progress=progress,
        pieces=pieces,
        client=client,
        keeper=keeper,
    )
    tree = ensemble_tree(case.grid, found)
    return tree, walkers_notes(case, Arrays(tree, ENSEMBLE))


def ensemble_tree(grid: Grid, found: EnsembleFrames) -> DataTree:
    """The group ``/ensemble``."""
    sides = [f"{name} {end}" for name in grid.names for end in ("lower", "upper")]
    own = {"walk_time": found.time, "side": sides, "walker": None}
    arrays = {name: getattr(found, name) for name in ENSEMBLE.variables if name not in own}
    numbers = {name: getattr(found, name) for name in ENSEMBLE.attributes}
    return ENSEMBLE.build(grid, own | arrays, numbers)


def check_walkers(case: Case) -> None:
    """Refuse a method that does not fit the noise, before anything long is computed.

    Raises
    ------
    CaseError
    """
    if case.ensemble is None:
        return
    method, step = chosen_method(case), case.ensemble.step
    free = step is None and not METHODS[method].sgd
    chosen = settings(case.problem, case.grid, method, 1.0 if free else step, None)
    if case.control is not None:
        require_steerable(case.problem, chosen)


def chosen_method(case: Case) -> str:
    """The method of a case; "auto" is SGD on data where there is a batch, else weak order 2.

    Heavy-tailed noise has a method of its own.
    """
    assert case.ensemble is not None
    if case.ensemble.method != "auto":
        return case.ensemble.method
    problem = case.problem
    if problem.jumps is not None:
        return "stable"
    data = problem.model is not None and problem.batch_size is not None
    return "sgd" if data and problem.learning_rate is not None else "weak-2"


def _start(case: Case, density: np.ndarray) -> np.ndarray | Gaussian:
    initial = case.initial
    if initial.kind == "gaussian" and initial.mean is not None and initial.covariance is not None:
        return Gaussian(initial.mean, initial.covariance)
    if initial.kind == "point" and initial.mean is not None:
        return Gaussian(initial.mean, np.zeros((case.grid.ndim, case.grid.ndim)))
    return density


def visited_cells(densities: Iterable[np.ndarray]) -> np.ndarray:
    """Cells where one of the densities is more than ``VISITED`` of its largest value."""
    return np.asarray(np.any([rho > VISITED * rho.max() for rho in densities], axis=0))


def step_of(case: Case, method: str, visited: np.ndarray) -> float | None:
    """A step whose error hides in the sampling noise; None for SGD, which has its own."""
    assert case.ensemble is not None
    row = METHODS[method]
    if row.sgd or case.ensemble.step is not None:
        return case.ensemble.step
    share = float((BIAS / np.sqrt(case.ensemble.particles)) ** (1.0 / row.order))
    assert case.density is not None
    rate = fastest_rate(case.problem, case.grid, visited)
    step = min(share, DEFAULT_STEP[row.order]) / max(rate, 1.0 / case.density.end)
    return min(step, longest_step(case.problem, case.grid, visited))


def walkers_notes(case: Case, found: Arrays) -> list[str]:
    """What to read with care in the ensemble of a case."""
    notes = []
    rate = case.problem.learning_rate
    if METHODS[found.method].sgd and rate is not None:
        assert case.density is not None
        assert case.ensemble is not None
        asked = np.array(case.ensemble.times(case.density))
        off = float(np.abs(found.time - asked).max())
        if off > APART * rate:
            notes.append(
                f"walkers are seen up to {off:.2g} beside the output times: these are no "
                f"multiples of the time per iteration, {found.step:g}"
            )
    if found.lost[-1]:
        notes.append(f"{int(found.lost[-1])} of {found.particles} walkers left to infinity")
    if found.outside[-1]:
        notes.append(f"{int(found.outside[-1])} of {found.particles} walkers are outside the box")
    return notes


def ensemble_numbers(found: Arrays) -> dict[str, Any]:
    """Numbers of the last time by name, moments and the walkers taken by each side among them."""
    gone = found.lost[-1] + found.outside[-1] + found.absorbed[-1].sum()
    last = ("mean", "covariance", "loss", "gradient_norm", "outside", "absorbed", "lost")
    return {
        **{name: getattr(found, name) for name in ("particles", "step")},
        **{name: getattr(found, name)[-1] for name in last},
        "left": gone / found.particles,
    }


def ensemble_rows(result: Solved, found: Arrays) -> Rows:
    """How many walkers, by which method, and their mean at the last time."""
    text = f"{found.particles:,} by {found.method}, step {found.step:.4g}"
    gone = int(found.absorbed[-1].sum())
    text += f", {gone:,} absorbed" if gone else ""
    # Of independent walkers; those that are gone are in no mean.
    left = max(int(found.particles - gone - found.lost[-1]), 1)
    errors = np.sqrt(np.diagonal(found.covariance[-1]) / left)
    mean = f"{by_axis(result.names, found.mean[-1], errors)} at t = {found.time[-1]:g}"
    return [("walkers", text), ("mean of the walkers", f"{mean} (standard errors)")]


def ensemble_tables(result: Solved, found: Arrays) -> tuple[PageTable, ...]:
    """Moments of the walkers, and how many are gone, at some of the times."""
    head = ("time", *(f"mean {name}" for name in result.names), "mean loss", "outside", "gone")
    rows = tuple(
        (
            number(found.time[k]),
            *(number(x) for x in found.mean[k]),
            number(found.loss[k]),
            f"{int(found.outside[k]):,}",
            f"{int(found.absorbed[k].sum() + found.lost[k]):,}",
        )
        for k in spread_out(len(found.time))
    )
    return (PageTable(f"{found.particles:,} walkers by {found.method}", head, rows),)
