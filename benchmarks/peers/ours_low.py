"""fokkerplanck with the scheme scharfetter-gummel."""

from __future__ import annotations

from fokkerplanck.gallery import ExactProblem

from . import Solve
from .ours import MOVING_RTOL, REQUIRES, RTOL, prepare_scheme

__all__ = ["NOTE", "REQUIRES", "prepare"]

SCHEME = "scharfetter-gummel"
NOTE = (
    f"{SCHEME}: `evolve` of fokkerplanck, rtol {RTOL:g} ({MOVING_RTOL[SCHEME]:g} where the "
    "coefficients depend on time); every solve checks the problem and assembles all anew."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """See :func:`~benchmarks.peers.ours.prepare_scheme`."""
    return prepare_scheme(exact, cells, SCHEME)
