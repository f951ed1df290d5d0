"""What the tests of the numerics share: fitted orders, distances, and what needs compilation."""

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import pytest
from hypothesis import settings

from fokkerplanck.gallery import ExactProblem
from fokkerplanck.grid import Grid
from fokkerplanck.timestepping.evolve import evolve, fixed_steps
from fokkerplanck.timestepping.steppers import STEPPERS
from fokkerplanck.timestepping.system import System

# Interpreted kernels are a hundred times slower: only small grids are worth running so.
compiled_only = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")

# Random examples of a property test.
examples = settings(max_examples=4 if numba.config.DISABLE_JIT else 25)
# Where one takes long, a quarter of a second and more.
few_examples = settings(max_examples=4 if numba.config.DISABLE_JIT else 10)

# A fitted order may differ from the declared one by this much.
ORDER_WINDOW = 0.15


def fitted_order(widths: Sequence[float], errors: Sequence[float]) -> float:
    """Slope of log(error) over log(width) by least squares."""
    assert len(widths) >= 3
    return float(np.polyfit(np.log(widths), np.log(errors), 1)[0])


def distance(grid: Grid, one: np.ndarray, other: np.ndarray) -> float:
    """L1 distance of two densities."""
    return float(grid.integrate(np.abs(np.reshape(one, grid.shape) - other)))


def transient_error(exact: ExactProblem, cells: int | Sequence[int]) -> tuple[float, float]:
    """Cell width and L1 error at the end of a problem whose coefficients are constant in time.

    Time errors are at rounding level.
    """
    grid = exact.problem.grid(cells)
    found = evolve(
        exact.problem, grid, exact.initial(grid), [0.0, exact.end], stepper="exponential"
    )
    return float(grid.spacing[0]), distance(
        grid, found.density[-1], exact.density(exact.end, grid.points)
    )


def moving_error(exact: ExactProblem, cells: int, count: int) -> tuple[float, float]:
    """As :func:`transient_error` for coefficients that change with time, in ``count`` steps."""
    grid = exact.problem.grid(cells)
    system = System(exact.problem, grid)
    start = exact.initial(grid).reshape(-1)
    found = fixed_steps(system, STEPPERS["uniformization"], start, 0.0, exact.end, count)
    return float(grid.spacing[0]), distance(grid, found, exact.density(exact.end, grid.points))
