"""How much disk the result of a case takes, and how much is free: asked before it is begun."""

from __future__ import annotations

from glob import escape
from pathlib import Path

from ..errors import CaseError
from ..runtime.machine import disk_available, readable
from .memory import FLOAT_BYTES, GENERATOR_BYTES
from .records import Case

SINGLE_BYTES = 4
# Arrays of the grid besides frames: loss, a checkpoint, and of the stationary state density,
# two potentials, stream function, and current and velocity per axis.
FIXED_ARRAYS = 6
# Right and left modes, with their imaginary parts.
MODE_ARRAYS = 4
# What a result takes besides its data, names and tables; and what a part does.
STRUCTURE_BYTES = 256 * 2**10
PART_BYTES = 8 * 2**10


def disk_needed(case: Case) -> int:
    """Bytes of the result file, to a factor of about two; packing may make it smaller."""
    grid, d = case.grid, case.grid.ndim
    numbers = FIXED_ARRAYS + 2 * d
    if case.problem.constant_sigma is None:
        numbers += d * d
    frames = 0
    if case.density is not None:
        frames = case.density.frames if case.output.every_frame else 2
        if case.ensemble is not None:
            numbers += len(case.ensemble.times(case.density))
    if case.spectrum is not None:
        numbers += MODE_ARRAYS * case.spectrum.count
    if case.smoothing is not None:
        numbers += len(case.smoothing.gamma)
    if case.discrete is not None:
        numbers += len(case.discrete.iterations) + len(case.discrete.rates)
    kept = FLOAT_BYTES if case.output.precision == "float64" else SINGLE_BYTES
    size = grid.size * (frames * kept + numbers * FLOAT_BYTES)
    if case.ensemble is not None and case.density is not None:
        seen = len(case.ensemble.times(case.density))
        size += case.ensemble.trajectories * seen * d * FLOAT_BYTES
    return size


def side_bytes(case: Case) -> int:
    """Bytes of the files beside the result while it is written: its parts, and the walkers'.

    The result is written anew beside the old one, which the parts are at most as large as. The
    state of the walkers is written twice, too, the new one before the old one goes.
    """
    grid, frames = case.grid, 0
    array = grid.size * FLOAT_BYTES
    if case.density is not None:
        frames = case.density.frames
    whole = disk_needed(case)
    parts = min(whole + STRUCTURE_BYTES + 2 * array, frames * array + whole)
    size = whole + 2 * STRUCTURE_BYTES + parts + frames * PART_BYTES
    if case.ensemble is not None and case.density is not None:
        seen = len(case.ensemble.times(case.density))
        each = grid.ndim * FLOAT_BYTES + GENERATOR_BYTES
        size += 2 * (case.ensemble.particles * each + array * seen)
        size += 2 * case.ensemble.trajectories * seen * grid.ndim * FLOAT_BYTES
    return size


def require_disk(case: Case, path: Path) -> None:
    """Refuse a case whose result does not fit on the disk of ``path``, with the files beside it.

    What such files there already hold counts as free: they are continued or replaced.

    Raises
    ------
    CaseError
        With the disk needed and the disk there is.
    """
    free = disk_available(path.parent)
    if free is None:
        return
    needed = disk_needed(case) + side_bytes(case)
    name = escape(path.name)
    there = (path, *path.parent.glob(f"{name}.*"), *path.parent.glob(f"{name}.part/*"))
    free += sum(file.lstat().st_size for file in there if file.is_file())
    if needed <= free:
        return
    frames = 0 if case.density is None or not case.output.every_frame else case.density.frames
    key = "density.frames" if frames > 1 else "domain"
    words = f"{frames} frames of {case.grid.size:,} cells" if frames > 1 else "this many cells"
    raise CaseError(
        f"{words} need about {readable(needed)} of disk and {readable(free)} are free in "
        f"{path.parent.absolute()}; take fewer, output.every_frame = false, or another directory",
        key,
    )
