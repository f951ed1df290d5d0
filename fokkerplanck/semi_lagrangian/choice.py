"""Where transfer operators of short steps are the better choice: noise of deficient rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from .flows import NODES, NODES_OF_SEVERAL
from .frames import RANK
from .remeshing import WIDTH

# Fewer cells than this along an axis leave hardly a place for the stencils.
FEWEST_CELLS = 16
# Share of the cells that lack a direction of noise beyond which it is the rule.
MOST_CELLS = 0.1
# Bytes that the operators of a step may take.
LARGEST_OPERATORS = 3e9
# Operators kept at once: two for a step, one more for its halves, those of a change of the step.
OPERATORS = 5


def deficiency(problem: Problem, grid: Grid, times: Sequence[float]) -> str:
    """Why the noise has no full rank, in words; empty where it has, or where sides forbid it.

    An absorbing side is met by a diffusion many times before it is left behind; steps see that to
    order 1 in their length only, so that they are taken where nothing but the drift crosses it.
    """
    if grid.ndim < 2 or min(grid.shape) < FEWEST_CELLS or problem.jumps is not None:
        return ""
    for axis, still in zip(grid.domain.axes, problem.noiseless, strict=True):
        if "absorbing" in axis.boundary and not still:
            return ""
    if operator_bytes(grid, grid.ndim - 1) * OPERATORS > LARGEST_OPERATORS:
        return ""
    if any(problem.noiseless):
        return "an axis carries no noise"
    middle = times[0] + 0.5 * (times[-1] - times[0])
    share = min(_lacking(problem, grid, time) for time in (times[0], middle, times[-1]))
    if share <= MOST_CELLS:
        return ""
    where = "everywhere" if share == 1.0 else f"in {share:.0%} of the cells"
    return f"Sigma has a direction without noise {where}"


def operator_bytes(grid: Grid, rank: int) -> float:
    """Bytes of one operator with so many columns of noise."""
    landings = NODES if rank == 1 else NODES_OF_SEVERAL**rank
    return grid.size * landings * 8.0 * (2 + max(grid.ndim, 2) * WIDTH)


def require_stencils(grid: Grid) -> None:
    """Raise CaseError for a grid that is too coarse for the stencils."""
    if min(grid.shape) < FEWEST_CELLS:
        raise CaseError(
            f"'semi-lagrangian' needs {FEWEST_CELLS} cells along every axis; the grid has "
            f"{grid.shape}",
            "density.scheme",
        )


def _lacking(problem: Problem, grid: Grid, time: float) -> float:
    """Share of the cells with fewer directions of noise than axes."""
    constant = problem.constant_sigma
    sigma = problem.sigma_at(grid.points, time) if constant is None else constant
    values = np.linalg.eigvalsh(np.moveaxis(sigma.reshape(grid.ndim, grid.ndim, -1), -1, 0))
    return float((values[:, 0] <= RANK * values[:, -1]).mean())
