"""Linear systems (I - dt A) x = b with a generator A, the heart of implicit methods."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, SuperLU, bicgstab, splu

from ..errors import NumericalFailure
from ..operators.generator import Generator
from .backward import BackwardSolver

# Above these sizes the fill-in of a factorisation costs more than an iteration.
DIRECT_CELLS = {1: 10_000_000, 2: 300_000, 3: 20_000}
# Residual of the iteration, relative to the right side; the defect then shows as mass drift.
ITERATION_RTOL = 1e-13
MAX_ITERATIONS = 2000
# Beyond this q dt rounding of the pivots would be seen: they are then summed, not subtracted.
LONG_STEP = 1e7


class ShiftedSolver:
    """Solves (I - dt A) x = b; factors are kept for the last step sizes used.

    I - dt A is an M-matrix with unit column sums in a closed box, so x inherits positivity and
    mass from b. Direct (SuperLU) for small grids; else matrix-free BiCGStab scaled by the
    diagonal, which needs no memory beyond a few arrays and, in three dimensions, some tens of
    iterations even where q dt is large. Beyond q dt = 1e7 elimination without subtraction, which
    is accurate entry by entry for any dt.

    Parameters
    ----------
    generator : Generator
    keep : int
        Number of step sizes whose factors are kept.
    """

    def __init__(self, generator: Generator, keep: int = 3):
        self.generator = generator
        self.direct = generator.grid.size <= DIRECT_CELLS[generator.grid.ndim]
        self.keep = keep
        self.matrix = generator.to_scipy() if self.direct else None
        self.factors: dict[float, SuperLU | BackwardSolver] = {}

    def solve(self, right: np.ndarray, dt: float, adjoint: bool = False) -> np.ndarray:
        """x with (I - dt A) x = right, any sign; with ``adjoint`` A^T stands in place of A.

        Raises
        ------
        NumericalFailure
            If the iteration does not converge, or the factors would be too large.
        """
        if self.direct or self._long(dt):
            factor = self._factor(dt)
            if isinstance(factor, BackwardSolver):
                return _eliminated(factor, right, dt, adjoint)
            return factor.solve(right, "T" if adjoint else "N")
        generator, shape = self.generator, self.generator.shape

        def shifted(x: np.ndarray) -> np.ndarray:
            x = np.ascontiguousarray(x).reshape(-1)
            out = np.empty_like(x)
            generator.combine(x, -dt, 1.0, x, 0.0, out, adjoint=adjoint)
            return out

        diagonal = 1.0 + dt * generator.leaving
        x, status = bicgstab(
            LinearOperator(shape, shifted, dtype=np.float64),
            right,
            x0=right / diagonal,
            rtol=ITERATION_RTOL,
            maxiter=MAX_ITERATIONS,
            M=LinearOperator(shape, lambda v: v.reshape(-1) / diagonal, dtype=np.float64),
        )
        if status != 0:
            raise NumericalFailure(
                "the linear solver of the implicit step did not converge",
                "use the stepper split or exponential",
            )
        return x

    def solve_positive(self, right: np.ndarray, dt: float) -> np.ndarray:
        """As :meth:`solve` for right >= 0: x >= 0 with the mass of ``right`` in a closed box."""
        x = np.maximum(self.solve(right, dt), 0.0)
        # A Jacobi sweep of an M-matrix maps non-negative to non-negative and undoes the cut.
        leaving = self.generator.leaving
        x = (right + dt * (self.generator.matvec(x) + leaving * x)) / (1.0 + dt * leaving)
        # A x + leaving x is a sum of non-negative terms but for its rounding.
        x = np.maximum(x, 0.0)
        if self.generator.closed:
            x *= float(right.sum()) / float(x.sum())
        return x

    def _long(self, dt: float) -> bool:
        return dt * self.generator.q > LONG_STEP

    def _factor(self, dt: float) -> SuperLU | BackwardSolver:
        if dt not in self.factors:
            while len(self.factors) >= self.keep:
                self.factors.pop(next(iter(self.factors)))
            if self._long(dt):
                self.factors[dt] = BackwardSolver(self.generator, shift=1.0 / dt)
                return self.factors[dt]
            assert self.matrix is not None
            self.factors[dt] = splu(
                sparse.identity(self.matrix.shape[0], format="csc") - dt * self.matrix,
                # The pattern is symmetric and the diagonal dominant: no pivoting, and half the
                # fill of the default ordering.
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        return self.factors[dt]


def _eliminated(factor: BackwardSolver, right: np.ndarray, dt: float, adjoint: bool) -> np.ndarray:
    """x with (1/dt - A) (dt x) = right, column by column."""
    if right.ndim == 2:
        columns = [_eliminated(factor, column, dt, adjoint) for column in right.T]
        return np.stack(columns, axis=1)
    return (factor.solve(right) if adjoint else factor.solve_forward(right)) / dt
