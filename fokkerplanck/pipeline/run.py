"""A case becomes a result: check it, go through its stages, hand over to the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..analyses.cautions import given
from ..analyses.ensemble import check_walkers
from ..analyses.stability import stability_caution
from ..case import Case, Need, memory_needs, require_disk, require_memory
from ..errors import CaseError
from ..io import settle
from ..io.result import Result, open_result
from ..operators.rates import sampled_offsets
from ..operators.thermodynamic_force import Force
from ..particles import Client
from ..problem import Problem
from ..problem.seams import check_seams
from ..runtime.clock import Clock
from ..semi_lagrangian.choice import OPERATORS, operator_bytes
from ..smoothing import smoothing_bytes
from ..transfer.transfer_memory import transfer_bytes
from .provenance import header_of, is_complete
from .recorder import Recorder
from .stages import Job, solve


def run(
    case: Case,
    path: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    client: Client | None = None,
) -> Result:
    """Solve a case; with a path, write each frame as it is reached.

    Parameters
    ----------
    case : Case
    path : path, optional
        Result file.
    resume : bool
        Continue an unfinished file, bit for bit; a complete one of the same case is read.
    overwrite : bool
        Replace an existing file.
    progress : bool
        Show on stderr what goes on: bars with the time left, else the stage and its time.
    stopped : callable
        Asked after every frame; True ends the run there with KeyboardInterrupt.
    client : distributed.Client or concurrent.futures.Executor, optional
        Moves the walkers of [ensemble] on the processes behind it, to the same bits. There they
        do not go on from where an interrupted run left them, but start again.

    Returns
    -------
    Result

    Raises
    ------
    CaseError, StoreError, NumericalFailure
        For bad input, files that cannot be used, and densities that cannot be moved on in time.
    KeyboardInterrupt
        After the file was closed as "interrupted".

    Warns
    -----
    CaseWarning
        For what to read with care, and for each analysis that could not be done. The frames and
        the other analyses do not depend on it; ``Result.failed`` keeps the reason.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> start = {"kind": "gaussian", "mean": [1.0], "std": 0.5}
    >>> case = fp.make_case(problem, 64, initial=start, density={"end": 1.0, "frames": 3})
    >>> result = fp.run(case)
    >>> result.time
    array([0. , 0.5, 1. ])
    >>> result.mean.ravel().round(4)  # exp(-t)
    array([1.    , 0.6065, 0.3679])
    """
    require_case(case)
    path = None if path is None else Path(path)
    clock = Clock(case.name, progress)
    with clock.compiling():
        with clock("assemble"):
            case.problem.check(case.grid)
            check_seams(case.problem, case.grid)
            require_room(case)
            check_walkers(case)
            if path is not None:
                require_disk(case, path)
            header = header_of(case)
        if path is not None and resume and path.exists() and is_complete(path, header):
            settle(path)
            return open_result(path)
        recorder = Recorder(case, header, path, resume, overwrite, stopped)
        try:
            notes = given(stability_caution(case.problem, case.grid))
            notes += solve(Job(case, recorder, clock, client))
        except BaseException:
            recorder.abandon(clock.seconds())
            raise
        return recorder.finish(clock.seconds(), notes)


def require_case(case: Any) -> None:
    """Raise CaseError for what has to become a case first."""
    if isinstance(case, Problem):
        raise CaseError(
            "a Problem says neither how many cells nor what is asked for; make a case of it with "
            "fp.make_case(problem, cells, density={'end': 1.0}, ...)"
        )
    if not isinstance(case, Case):
        raise CaseError(f"{case!r} is no case; read one with fp.load_case(...)")


def require_room(case: Case) -> None:
    """Refuse a case whose Sigma needs more lattice directions than memory holds.

    Raises
    ------
    CaseError
        With the memory needed and the memory there is.
    """
    directions = sampled_offsets(Force(case.problem, case.grid))
    needs = memory_needs(case, directions)
    if case.discrete is not None:
        size = transfer_bytes(case.problem, case.grid, case.discrete.noise, case.discrete.draws)
        needs.append(Need("discrete", "the cells that the steps reach", size))
    if case.density is not None and case.density.scheme == "semi-lagrangian":
        size = OPERATORS * int(operator_bytes(case.grid, 1))
        needs.append(Need("density.scheme", "the operators of the scheme's steps", size))
    if case.smoothing is not None:
        size = smoothing_bytes(case.problem, case.grid, case.smoothing.gamma)
        needs.append(Need("smoothing.gamma", "the nodes of the smoothing kernels", size))
    require_memory(needs)
