"""fplanck: transition rates from a potential, action of the matrix exponential."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import constants

from fokkerplanck.gallery import ExactProblem, gaussian

from . import NotExpressible, Solve

REQUIRES = "fplanck"
NOTE = (
    "fplanck: potential and temperature, `propagate` (sparse matrix exponential times vector, its "
    "own error control); diffusion is diagonal, so a turned tensor cannot be stated. np.product, "
    "which numpy 2 removed, is put back for it."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """Build the rate matrix; raises NotExpressible unless Sigma is diagonal."""
    sigma = exact.problem.constant_sigma
    if sigma is None or np.any(sigma != np.diag(np.diag(sigma))):
        raise NotExpressible("diffusion is diagonal only")
    return prepare_in_frame(exact, cells, np.eye(2))


def prepare_in_frame(exact: ExactProblem, cells: int, frame: np.ndarray) -> Solve:
    """Solve in the coordinates u with theta = frame u, in which Sigma is diagonal.

    Parameters
    ----------
    exact : ExactProblem
        Two axes over a square box centred at zero, constant Sigma.
    cells : int
        Per axis.
    frame : (2, 2) array
        Orthonormal columns; the box is turned with it.
    """
    vars(np).setdefault("product", np.prod)
    import fplanck

    problem = exact.problem
    axis = problem.domain.axes[0]
    sigma = frame.T @ problem.constant_sigma @ frame

    def turned(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        return lambda *u: function(np.tensordot(frame, np.stack(u), axes=1))

    model = fplanck.fokker_planck(
        # With unit drag the diffusion constant along an axis is k_B T, here Sigma_ii/beta.
        temperature=np.diag(sigma) / (problem.beta * constants.k),
        drag=1.0,
        extent=[axis.length] * 2,
        resolution=axis.length / cells,
        potential=turned(problem.loss_at),
        boundary=fplanck.boundary.reflecting,
    )
    start = turned(lambda p: gaussian(p, exact.start_mean, exact.start_covariance))
    points = tuple(np.tensordot(frame, np.stack(model.grid), axes=1))
    cell_volume = (axis.length / cells) ** 2

    def solve() -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        # It works with the mass per cell.
        return model.propagate(start, exact.end) / cell_volume, points

    return solve
