"""How much memory a case needs, and how much there is: asked before anything is allocated."""

from __future__ import annotations

import math

from ..errors import CaseError
from ..machine import memory_available, readable
from .records import Case

# Lattice directions of the decomposition of Sigma in 1, 2 and 3 dimensions.
DIRECTIONS = {1: 1, 2: 3, 3: 6}
# Assembly (Sigma, its decomposition, edge potentials) and steppers together hold about three times
# the memory of the rates.
WORKING_FACTOR = 3
FLOAT_BYTES = 8
# Arrays of the grid per mode, and for the factors per dimension.
MODES_SHARE = 6
FACTORS_SHARE = 50


def estimate_bytes(shape: tuple[int, ...], frames: int, directions: int = 0) -> int:
    """Bytes for rates, working arrays and ``frames`` densities on a grid of this shape.

    ``directions`` counts the lattice directions where they are known: a Sigma that varies needs
    more than a constant one.
    """
    rates = 2 * max(directions, DIRECTIONS[len(shape)]) * FLOAT_BYTES
    return math.prod(shape) * (WORKING_FACTOR * rates + frames * FLOAT_BYTES)


def memory_needed(case: Case, directions: int = 0) -> int:
    """Bytes the run of this case takes, to a factor of about two."""
    return estimate_bytes(case.grid.shape, _frames_kept(case) + _modes_kept(case), directions)


def _frames_kept(case: Case) -> int:
    if case.density is None:
        return 0
    return case.density.frames if case.output.every_frame else 2


def _modes_kept(case: Case) -> int:
    """Arrays of the grid's shape that the modes take: the Krylov vectors, left and right modes."""
    if case.spectrum is None:
        return 0
    return MODES_SHARE * case.spectrum.count + FACTORS_SHARE * case.grid.ndim


def require_memory(needed: int) -> None:
    """Raise CaseError for ``domain`` if ``needed`` bytes are more than the machine has."""
    available = memory_available()
    if available is not None and needed > available:
        raise CaseError(
            f"this many cells need about {readable(needed)} of memory and {readable(available)} "
            "are available; take fewer cells or frames",
            "domain",
        )
