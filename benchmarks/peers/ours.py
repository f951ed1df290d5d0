"""fokkerplanck itself, as a user calls it."""

from __future__ import annotations

import numpy as np

from fokkerplanck.gallery import ExactProblem

from . import Solve

REQUIRES = "fokkerplanck"
RTOL = 1e-8
NOTE = (
    f"fokkerplanck: `evolve` with stepper 'auto', rtol {RTOL:g}; every solve checks the problem "
    "and assembles the generator anew."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """Problem, grid and initial density; assembling the generator belongs to the solve."""
    import fokkerplanck as fp

    grid = exact.problem.grid(cells)
    initial = exact.initial(grid)

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        evolution = fp.evolve(exact.problem, grid, initial, [0.0, exact.end], rtol=RTOL)
        return evolution.density[-1], grid.points

    return solve
