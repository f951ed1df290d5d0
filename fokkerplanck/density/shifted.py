"""Linear systems (I - dt A) x = b with a generator A, the heart of implicit methods."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, bicgstab, spilu, splu

from ..errors import NumericalFailure
from .generator import Generator

# Above these sizes the fill-in of a factorisation costs more than an iteration.
DIRECT_CELLS = {1: 10_000_000, 2: 300_000, 3: 20_000}
# Residual of the iteration, relative to the right side; the defect then shows as mass drift.
ITERATION_RTOL = 1e-13
MAX_ITERATIONS = 2000
# Fill of the incomplete factorisation relative to the matrix.
FILL_FACTOR = 6.0
DROP_TOLERANCE = 1e-4


class ShiftedSolver:
    """Solves (I - dt A) x = b; factors are kept for the last step sizes used.

    I - dt A is an M-matrix with unit column sums in a closed box, so x inherits positivity and
    mass from b. Direct (SuperLU) for small grids, else BiCGStab preconditioned with an incomplete
    factorisation, after which one Jacobi sweep restores positivity.

    Parameters
    ----------
    generator : Generator
    keep : int
        Number of step sizes whose factors are kept.
    """

    def __init__(self, generator: Generator, keep: int = 3):
        self.generator = generator
        self.matrix = generator.to_scipy()
        self.direct = generator.grid.size <= DIRECT_CELLS[generator.grid.ndim]
        self.keep = keep
        self.factors: dict[float, object] = {}

    def solve(self, right: np.ndarray, dt: float) -> np.ndarray:
        """x with (I - dt A) x = right, any sign.

        Raises
        ------
        NumericalFailure
            If the iteration does not converge.
        """
        factor = self._factor(dt)
        if self.direct:
            return factor.solve(right)
        system = sparse.identity(right.size, format="csc") - dt * self.matrix
        preconditioner = LinearOperator(system.shape, factor.solve)
        x, status = bicgstab(
            system, right, rtol=ITERATION_RTOL, maxiter=MAX_ITERATIONS, M=preconditioner
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
        if self.generator.grid.domain.closed:
            x *= float(right.sum()) / float(x.sum())
        return x

    def _factor(self, dt: float):
        if dt not in self.factors:
            while len(self.factors) >= self.keep:
                self.factors.pop(next(iter(self.factors)))
            system = sparse.identity(self.matrix.shape[0], format="csc") - dt * self.matrix
            # COLAMD on a structurally symmetric matrix fills twice as much as this ordering.
            if self.direct:
                factor = splu(
                    system,
                    permc_spec="MMD_AT_PLUS_A",
                    diag_pivot_thresh=0.0,
                    options={"SymmetricMode": True},
                )
            else:
                factor = spilu(system, drop_tol=DROP_TOLERANCE, fill_factor=FILL_FACTOR)
            self.factors[dt] = factor
        return self.factors[dt]
