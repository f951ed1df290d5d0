"""FiPy with its own implicit Euler steps, for those who need its positivity."""

from __future__ import annotations

from fokkerplanck.gallery import ExactProblem

from . import Solve
from .fipy import REQUIRES, prepare_steps

__all__ = ["NOTE", "REQUIRES", "prepare"]

STEPS_PER_CELL = 0.5
NOTE = (
    "FiPy, implicit Euler: the same with plain implicit Euler, one sweep and one step per two "
    "cells of an axis; its time error exceeds its space error, which even more steps would have "
    "to hide."
)


def prepare(exact: ExactProblem, cells: int) -> Solve:
    """As for FiPy, with more and simpler steps."""
    return prepare_steps(exact, cells, int(STEPS_PER_CELL * cells), 1, midpoint=False)
