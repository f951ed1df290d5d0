"""A case on a ladder of grids and of time steps: observed orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from ..analyses.start import densities_of, initial_density, scheme_of, system_of
from ..case import Case
from ..errors import CaseError
from ..grid import MIN_CELLS, Grid
from ..timestepping.evolve import fixed_steps
from ..timestepping.schemes import Scheme
from ..timestepping.semi_lagrangian import ORDER as STEP_ORDER
from ..timestepping.semi_lagrangian import SemiLagrangianIntegrator
from ..timestepping.steppers import STEPPERS, choose_stepper
from .resampling import resampled
from .stationary_state import rest_state

# Equal steps of the coarsest rung of the ladder in time.
FIRST_STEPS = 16
# The ladder in time runs on a grid of at most this many cells.
TIME_CELLS = 20_000
EXACT = "is exact for coefficients that do not depend on time"


def study(case: Case, levels: int = 3) -> str:
    """Solve a case on ``levels`` grids, each twice as fine, up to its own; return a table.

    Parameters
    ----------
    case : Case
    levels : int
        At least 2. Orders need differences of successive grids, hence one row less, and one
        order less still.

    Returns
    -------
    str
        For each grid the L1 distance of the final density to that of the next finer grid at
        the coarser cell centres, and the fitted order; then the same for equal time steps
        where the stepper has a time error.

    Raises
    ------
    CaseError
        If the case has no [density] section or too few cells for the ladder.
    """
    if case.density is None:
        raise CaseError("a study needs the section [density]", "density", case.file)
    if case.control is not None:
        raise CaseError("is not part of a study; leave it out", "control", case.file)
    grids = _ladder(case, levels)
    # One scheme for all levels, that of the case's own grid.
    scheme = scheme_of(case, system_of(case))[0] if case.problem.jumps is None else None
    finals = []
    for grid in grids:
        at_level = replace(case, grid=grid)
        times = (0.0, case.density.end)
        finals.append(densities_of(at_level, scheme, _initial(at_level, scheme), times)[-1])
    distances = [
        float(grid.integrate(np.abs(coarse - resampled(finer, fine, grid))))
        for (grid, finer), (coarse, fine) in zip(
            itertools.pairwise(grids), itertools.pairwise(finals), strict=True
        )
    ]
    names = [" x ".join(str(n) for n in grid.shape) for grid in grids[:-1]]
    lines = [f"{case.name} at t = {case.density.end:g}"]
    lines += _table("cells", "L1 to next grid", names, distances)
    return "\n".join([*lines, "", *_time_ladder(case, grids[0], levels, scheme)])


def _ladder(case: Case, levels: int) -> list[Grid]:
    """Grids from coarse to the case's own."""
    grids = []
    most = (min(case.grid.shape) // MIN_CELLS).bit_length()
    if levels > most:
        raise CaseError(
            f"{levels} levels are too many: each halves the cells, and {MIN_CELLS} per axis have "
            f"to be left; the case with {case.grid.shape} allows {most}",
            "domain",
            case.file,
        )
    for level in reversed(range(levels)):
        shape = tuple(n // 2**level for n in case.grid.shape)
        exact = all(n % 2**level == 0 for n in case.grid.shape)
        if not exact or min(shape) < MIN_CELLS:
            raise CaseError(
                f"{levels} levels need cell numbers divisible by {2 ** (levels - 1)} and at least "
                f"{MIN_CELLS * 2 ** (levels - 1)}; the case has {case.grid.shape}",
                "domain",
                case.file,
            )
        grids.append(Grid(case.grid.domain, shape))
    return grids


def _initial(case: Case, scheme: Scheme | None) -> np.ndarray:
    """The start, at rest where the case asks for that."""
    if case.initial.kind != "stationary":
        return initial_density(case)
    rest = None if case.problem.jumps is not None else rest_state(case, system_of(case), scheme)
    return initial_density(case, rest)


def _time_ladder(case: Case, grid: Grid, levels: int, scheme: Scheme | None) -> list[str]:
    assert case.density is not None
    if scheme is None:
        return ["time: steps of stable jumps, as long as density.rtol allows"]
    system = system_of(replace(case, grid=grid))
    if scheme.name == "high-order":
        return [
            "time: high-order steps of order 4, as long as density.rtol allows"
            if case.problem.time_dependent
            else f"time: {scheme.name} {EXACT}"
        ]
    end = case.density.end
    move: Callable[..., np.ndarray]
    if scheme.name == "semi-lagrangian":
        march = SemiLagrangianIntegrator(system, case.density.rtol, end)
        name, order = "ninomiya-victoir", STEP_ORDER
        move = partial(march.fixed_steps, start=0.0, stop=end)
    else:
        stepper, _ = choose_stepper(case.density.stepper, system, (0.0, end))
        if stepper.exact and system.autonomous:
            return [f"time: {stepper.name} {EXACT}"]
        name, order = stepper.name, stepper.order
        move = partial(fixed_steps, system, STEPPERS[name], start=0.0, stop=end)
    if grid.size > TIME_CELLS:
        return [f"time: not studied on {grid.size} cells; use more levels"]
    begin = _initial(replace(case, grid=grid), scheme).reshape(-1)
    counts = [FIRST_STEPS * 2**level for level in range(levels + 1)]
    finals = [move(density=begin, count=count) for count in counts]
    distances = [
        float(np.abs(a - b).sum()) * grid.cell_volume for a, b in itertools.pairwise(finals)
    ]
    header = f"time: {name}, declared order {order}, {grid.shape} cells"
    return [header, *_table("steps", "L1 to next", [str(c) for c in counts[:-1]], distances)]


def _table(first: str, second: str, names: list[str], distances: list[float]) -> list[str]:
    width = max(len(first), *(len(name) for name in names))
    lines = [f"  {first:>{width}}  {second:>16}  {'order':>6}"]
    for number, (name, distance) in enumerate(zip(names, distances, strict=True)):
        order = ""
        if number and distance > 0.0 and distances[number - 1] > 0.0:
            order = f"{math.log2(distances[number - 1] / distance):.2f}"
        lines.append(f"  {name:>{width}}  {distance:16.3e}  {order:>6}")
    return lines
