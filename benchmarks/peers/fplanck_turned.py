"""fplanck in the eigenvectors of a constant Sigma: what a determined user can still do."""

from __future__ import annotations

import numpy as np

from fokkerplanck.gallery import ExactProblem

from . import NotExpressible, Solve
from .fplanck import REQUIRES, prepare_in_frame

__all__ = ["NOTE", "REQUIRES", "prepare"]

NOTE = (
    "fplanck, turned by hand: coordinates and box turned into the eigenvectors of Sigma, one "
    "temperature per axis; possible because Sigma is constant here, and no help where it is not."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """As for fplanck, in turned coordinates."""
    sigma = exact.problem.constant_sigma
    if sigma is None:
        raise NotExpressible("Sigma is not constant")
    if np.array_equal(sigma, np.diag(np.diag(sigma))):
        raise NotExpressible("nothing to turn")
    return prepare_in_frame(exact, cells, np.linalg.eigh(sigma)[1])
