"""How much memory a case needs, and how much there is: asked before anything is allocated."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ..errors import CaseError
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


def memory_available() -> int | None:
    """Bytes this machine can give to a new process; None where the system does not say."""
    found = [_meminfo_available(), _physical(), _group_limit()]
    known = [value for value in found if value is not None]
    return min(known) if known else None


def require_memory(needed: int) -> None:
    """Raise CaseError for ``domain`` if ``needed`` bytes are more than the machine has."""
    available = memory_available()
    if available is not None and needed > available:
        raise CaseError(
            f"this many cells need about {_readable(needed)} of memory and {_readable(available)} "
            "are available; take fewer cells or frames",
            "domain",
        )


def _readable(count: int) -> str:
    amount, unit = (count / 2**30, "GiB") if count >= 2**29 else (count / 2**20, "MiB")
    return f"{amount:,.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"


def _meminfo_available() -> int | None:
    # MemAvailable counts the page cache that can be dropped; sysconf's free pages do not.
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _group_limit() -> int | None:
    # A container's limit lies below the machine's memory and is not seen by sysconf.
    try:
        return int(Path("/sys/fs/cgroup/memory.max").read_text())
    except (OSError, ValueError):
        return None
