"""First passage: how long it takes to reach a target, by which way, and how often it happens.

With A the generator ended at the target, the mean time tau solves -A^T tau = 1, its second moment
-A^T m = 2 tau, the probability of leaving through one side -A^T p = (its exit rates). All by
elimination without subtraction (`backward`), so relatively right however long the times; order 2
in the cell width, the target's boundary taken where it lies (`targets`). Where the noise has no
full rank the times are those of short steps instead (`step_times`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import real_array
from ..errors import CaseError
from ..linear_solvers.backward import BackwardSolver
from ..operators.generator import Generator
from ..operators.probe import at_points
from ..problem import Problem
from ..problem.expressions.condition import Condition
from ..semi_lagrangian.choice import deficiency
from ..stationary.stationary import StationaryState, stationary
from ..timestepping.initial import point_density
from .arrival import Arrival, arrival
from .committor import Committor, committor
from .step_times import step_times
from .targets import Membership, Region, kill

# The word for all absorbing sides together.
BOUNDARY = "boundary"


@dataclass(frozen=True)
class Passage:
    """First passage to a target; all quantities dimensionless.

    Attributes
    ----------
    mean_time : ndarray of the grid's shape
        Mean time until the target, or an absorbing side, is reached; zero in the target.
    deviation : ndarray of the grid's shape
        Standard deviation of that time.
    sides : tuple of str
        The ways out: absorbing sides by name, and "target" for a region.
    exit_probability : ndarray (sides, cells)
        Probability of each way out. The rows sum to one.
    committor : Committor or None
        Given a source.
    starts : ndarray (m, d)
    start_mean_time, start_deviation : ndarray (m,)
        At the starts, by linear interpolation, order 2.
    start_exit_probability : ndarray (m, sides)
    start_committor : ndarray (m,) or None
    arrivals : tuple of Arrival
        First-passage densities in time, one per start; empty where no times were asked for.
    """

    mean_time: np.ndarray
    deviation: np.ndarray
    sides: tuple[str, ...]
    exit_probability: np.ndarray
    committor: Committor | None
    starts: np.ndarray
    start_mean_time: np.ndarray
    start_deviation: np.ndarray
    start_exit_probability: np.ndarray
    start_committor: np.ndarray | None
    arrivals: tuple[Arrival, ...] = field(default=())


def passage(
    generator: Generator,
    problem: Problem,
    target: str | Membership | np.ndarray = BOUNDARY,
    source: str | Membership | np.ndarray | None = None,
    start: Sequence[Sequence[float]] | np.ndarray | None = None,
    times: Sequence[float] | None = None,
    state: StationaryState | None = None,
) -> Passage:
    """Mean first-passage time and what belongs to it, from everywhere in the box.

    Arguments, errors and sources are those of :func:`fokkerplanck.library.generators.passage`, and

    Parameters
    ----------
    problem : Problem
        That the generator came from.
    state : StationaryState, optional
        Of the generator, if it is known already.
    """
    grid = generator.grid
    if problem.time_dependent:
        raise CaseError("coefficients that change in time leave no mean time", "passage")
    region = target_region(generator, problem, target)
    regions = [] if region is None else [region]
    killed = kill(generator, regions) if regions else None
    ended = generator if killed is None else killed.generator
    free = np.ones(grid.shape, dtype=bool) if killed is None else killed.free
    solver = BackwardSolver(ended, free)
    if region is not None and region.inside is not None and deficiency(problem, grid, (0.0,)):
        # The generator would add noise where there is none, and shorten the times by it.
        mean_time, deviation = step_times(solver, problem, region.inside)
    else:
        mean_time = solver.solve(np.ones(grid.shape))
        # Squares of times beyond 1e154 would overflow; a power of two rounds nothing.
        unit = np.ldexp(1.0, int(np.frexp(mean_time.max())[1]))
        second = solver.solve(2.0 * mean_time / unit) / unit
        deviation = unit * np.sqrt(np.maximum(second - (mean_time / unit) ** 2, 0.0))
    numbers = [n for n in range(2 * grid.ndim + len(regions)) if ended.exit_rates(n).any()]
    sides = tuple(_side_name(grid.names, number) for number in numbers)
    exits = np.array([solver.solve(ended.exit_rates(n)).reshape(grid.shape) for n in numbers])
    if region is not None and "target" in sides:
        exits[sides.index("target")][region.cells] = 1.0
    found = None
    if source is not None:
        if region is None:
            raise CaseError(
                f'needs a target inside the box; the target is "{BOUNDARY}"', "passage.source"
            )
        other = read_region(generator, problem, source, "passage.source")
        if state is None and generator.closed:
            state = stationary(generator, problem)
        found = committor(generator, region, other, state)
    starts = _starts(generator, problem, start, free)
    arrived = np.zeros(len(starts), dtype=bool)
    if region is not None and region.inside is not None:
        arrived = np.asarray(region.inside(list(starts.T)))

    def probed(values: np.ndarray, inside: float) -> np.ndarray:
        return np.where(arrived, inside, np.maximum(at_points(grid, values, starts, free), 0.0))

    at_start = None
    if found is not None:
        at_start = probe_committor(found, region, other, starts)
    return Passage(
        mean_time=mean_time,
        deviation=deviation,
        sides=sides,
        exit_probability=exits,
        committor=found,
        starts=starts,
        start_mean_time=probed(mean_time, 0.0),
        start_deviation=probed(deviation, 0.0),
        start_exit_probability=np.stack(
            [probed(row, float(name == "target")) for name, row in zip(sides, exits, strict=True)],
            axis=1,
        ),
        start_committor=at_start,
        arrivals=()
        if times is None
        else tuple(
            arrival(ended, point_density(grid, place), times, numbers, free) for place in starts
        ),
    )


def target_region(
    generator: Generator, problem: Problem, target: str | Membership | np.ndarray
) -> Region | None:
    """The target as a region; None for the absorbing sides.

    Raises
    ------
    CaseError
    """
    if isinstance(target, str) and target.strip() == BOUNDARY:
        if generator.closed:
            raise CaseError(
                f'is "{BOUNDARY}", but no side of the box is absorbing; give a condition such as '
                f'"{generator.grid.names[0]} > 0", or a side boundary = "absorbing"',
                "passage.target",
            )
        return None
    return read_region(generator, problem, target, "passage.target")


def read_region(
    generator: Generator, problem: Problem, region: str | Membership | np.ndarray, key: str
) -> Region:
    """A region from a condition, a function or cells."""
    if isinstance(region, str):
        constants = {**problem.parameters, "beta": problem.beta}
        region = Condition.of(region, generator.grid.names, constants, key)
    return Region.of(generator.grid, region, key)


def probe_committor(
    found: Committor, target: Region | None, source: Region, points: np.ndarray
) -> np.ndarray:
    """The committor at points, (m,)."""
    grid = found.killed.generator.grid
    values = np.clip(at_points(grid, found.forward, points, found.killed.free), 0.0, 1.0)
    for region, value in ((target, 1.0), (source, 0.0)):
        if region is not None and region.inside is not None:
            values = np.where(region.inside(list(points.T)), value, values)
    return values


def _side_name(names: Sequence[str], number: int) -> str:
    if number >= 2 * len(names):
        return "target"
    return f"{names[number // 2]} {('lower', 'upper')[number % 2]}"


def _starts(
    generator: Generator,
    problem: Problem,
    start: Sequence[Sequence[float]] | np.ndarray | None,
    free: np.ndarray,
) -> np.ndarray:
    """Start points, (m, d), inside the box."""
    grid = generator.grid
    if start is None:
        loss = np.where(free, problem.loss_at(grid.points), np.inf)
        cell = np.unravel_index(int(np.argmin(loss)), grid.shape)
        return np.array([[centers[i] for centers, i in zip(grid.centers, cell, strict=True)]])
    points = real_array(start, "passage.start")
    if points.ndim != 2 or points.shape[1] != grid.ndim or not len(points):
        raise CaseError(
            f"has the shape {points.shape}; give points with {grid.ndim} coordinates each",
            "passage.start",
        )
    for number, point in enumerate(points):
        for axis, value in zip(grid.domain.axes, point, strict=True):
            if not axis.lower <= value <= axis.upper:
                raise CaseError(
                    f"{axis.name} = {value:g} is not in [{axis.lower:g}, {axis.upper:g}]",
                    f"passage.start[{number}]",
                )
    return points
