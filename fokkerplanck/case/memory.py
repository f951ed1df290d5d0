"""How much memory a case needs, and how much there is: asked before anything is allocated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import CaseError
from ..runtime.machine import memory_available, readable
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
# Arrays of the grid per interval of an optimised control: densities, costates and slopes.
CONTROL_SHARE = 3
# State of the generator of a walker, and arrays of places held while they are drawn.
GENERATOR_BYTES = 2
PLACES_SHARE = 2
# Counts and trajectories of the walkers so far are copied while their state is written: counts in
# half the bytes at most.
COUNTS_SHARE = 1.5
TRAJECTORIES_SHARE = 2


@dataclass(frozen=True)
class Need:
    """Bytes that one key of the case asks for; ``words`` name its value."""

    key: str
    words: str
    bytes: int


def estimate_bytes(shape: tuple[int, ...], frames: int, directions: int = 0) -> int:
    """Bytes for rates, working arrays and ``frames`` densities on a grid of this shape.

    ``directions`` counts the lattice directions where they are known: a Sigma that varies needs
    more than a constant one.
    """
    rates = 2 * max(directions, DIRECTIONS[len(shape)]) * FLOAT_BYTES
    return math.prod(shape) * (WORKING_FACTOR * rates + frames * FLOAT_BYTES)


def grid_need(shape: tuple[int, ...], directions: int = 0) -> Need:
    """What the cells alone need."""
    words = f"{' x '.join(str(cells) for cells in shape)} cells"
    return Need("domain", words, estimate_bytes(shape, 0, directions))


def memory_needs(case: Case, directions: int = 0) -> list[Need]:
    """What the run of this case needs by key, to a factor of about two."""
    grid = case.grid
    array = grid.size * FLOAT_BYTES
    needs = [grid_need(grid.shape, directions)]

    def add(key: str, words: str, size: int) -> None:
        needs.append(Need(key, words, size))

    frames = 0 if case.density is None else case.density.frames
    if case.density is not None:
        key = "density.frames"
        add(key, f"{frames} frames", array * (frames if case.output.every_frame else 2))
    if case.spectrum is not None:
        count = case.spectrum.count
        share = MODES_SHARE * count + FACTORS_SHARE * grid.ndim
        add("spectrum.count", f"{count} modes", array * share)
    if case.ensemble is not None and case.density is not None:
        asked, seen = case.ensemble, len(case.ensemble.times(case.density))
        places = grid.ndim * FLOAT_BYTES
        walkers = asked.particles * (PLACES_SHARE * places + GENERATOR_BYTES)
        add(
            "ensemble.particles",
            f"{asked.particles} walkers",
            walkers + int(COUNTS_SHARE * array * seen),
        )
        kept = asked.trajectories
        size = TRAJECTORIES_SHARE * kept * seen * places
        add("ensemble.trajectories", f"{kept} trajectories", size)
    if case.control is not None:
        intervals = case.control.intervals
        size = array * intervals * CONTROL_SHARE
        add("control.intervals", f"{intervals} intervals", size)
        if case.control.feedback:
            add("control.feedback", "a feedback", array * frames)
    if case.smoothing is not None:
        count = len(case.smoothing.gamma) + len(case.smoothing.beta)
        # Each with its gradient and Hessian, from which the minima are found.
        parts = 1 + grid.ndim + grid.ndim**2
        add("smoothing.gamma", f"{count} smoothed losses", array * count * parts)
    if case.discrete is not None:
        count = len(case.discrete.iterations)
        add("discrete.frames", f"{count} frames", array * count)
        add("discrete.rates", f"{len(case.discrete.rates)} rates", array * len(case.discrete.rates))
    if case.passage is not None and case.passage.times is not None:
        count, starts = len(case.passage.times), len(case.passage.start or ((),))
        size = count * starts * (2 + 2 * grid.ndim) * FLOAT_BYTES
        add("passage.frames", f"{count} frames", size)
    return needs


def memory_needed(case: Case, directions: int = 0) -> int:
    """Bytes the run of this case takes, to a factor of about two."""
    return sum(need.bytes for need in memory_needs(case, directions))


def require_memory(needs: Sequence[Need]) -> None:
    """Raise CaseError for the key that needs most if all need more than the machine has."""
    available, needed = memory_available(), sum(need.bytes for need in needs)
    if available is None or needed <= available:
        return
    most = max(needs, key=lambda need: need.bytes)
    raise CaseError(
        f"{most.words} and the rest of the case need about {readable(needed)} of memory and "
        f"{readable(available)} are available; take fewer",
        most.key,
    )
