"""fokkerplanck itself, as a user calls it, with a scheme by name."""

from __future__ import annotations

import numpy as np

from fokkerplanck.gallery import ExactProblem

from . import Solve

REQUIRES = "fokkerplanck"
RTOL = 1e-8
# Where the coefficients depend on time there is a time error, kept below that in space.
MOVING_RTOL = {"high-order": 1e-7, "scharfetter-gummel": 1e-4}


def prepare_scheme(exact: ExactProblem, cells: int, scheme: str) -> Solve:
    """Problem, grid and initial density; assembling the operator belongs to the solve."""
    import fokkerplanck as fp

    grid = exact.problem.grid(cells)
    initial = exact.initial(grid)
    rtol = MOVING_RTOL[scheme] if exact.problem.time_dependent else RTOL

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        times = [0.0, exact.end]
        evolution = fp.evolve(exact.problem, grid, initial, times, scheme=scheme, rtol=rtol)
        return evolution.density.values[-1], grid.points

    return solve
