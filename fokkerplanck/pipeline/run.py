"""A case becomes a result: assemble, march from frame to frame, measure, hand over to the store."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..analyses.cautions import coefficient_cautions, given, levy_cautions
from ..analyses.control import objective_of, steer
from ..analyses.ensemble import check_walkers
from ..analyses.local_entropy import smooth
from ..analyses.observables import Observer, measure_levy
from ..analyses.passage import check_regions, transit, wells_of
from ..analyses.stability import stability_caution
from ..analyses.start import initial_density, levy_system_of, scheme_of, system_of
from ..analyses.stationary import analyse, record_of, spectrum_of
from ..analyses.transfer import discretise
from ..analyses.validation import validate
from ..case import Case, Need, memory_needs, require_disk, require_memory
from ..control.controlled import ControlledSystem
from ..errors import CaseError, CaseWarning, NumericalFailure
from ..fractional.levy import LEVY
from ..fractional.levy_integrator import LevyIntegrator
from ..io import PassageRecord, settle
from ..io.result import Result, open_result
from ..operators.generator import Generator
from ..operators.rates import sampled_offsets
from ..operators.thermodynamic_force import Force
from ..particles import Client
from ..problem import Problem
from ..problem.seams import check_seams
from ..runtime.clock import Clock
from ..runtime.progress import COUNT
from ..smoothing import smoothing_bytes
from ..stationary.stationary import StationaryState, stationary
from ..timestepping.schemes import SCHEME_TABLE, Scheme
from ..timestepping.system import System
from ..transfer.transfer_memory import transfer_bytes
from .coarse_analyses import (
    CoarseAnalyses,
    add_passage_errors,
    add_spectrum_errors,
    add_stationary_errors,
    rest_of_chain,
)
from .error_estimate import estimate_for
from .evolution import cautioned, march_density, march_frames, move_walkers, series
from .provenance import header_of, is_complete
from .recorder import Recorder

# Beyond these sizes a case that does not ask for the stationary state does without it when
# detailed balance fails: the linear solve would cost more than the run.
STATIONARY_CELLS = {1: 1_000_000, 2: 600_000, 3: 300_000}

UNRESTED = "no stationary density, hence no free energy"


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
            notes += _solve(case, recorder, clock, client)
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
    if case.smoothing is not None:
        size = smoothing_bytes(case.problem, case.grid, case.smoothing.gamma)
        needs.append(Need("smoothing.gamma", "the nodes of the smoothing kernels", size))
    require_memory(needs)


def rest_state(
    case: Case,
    system: System,
    scheme: Scheme | None = None,
    absent: list[str] | None = None,
) -> StationaryState | None:
    """Stationary state where there is one and the case needs it or it is cheap.

    It is that of the scheme, or where no scheme is given of the generator; where that of the
    scheme high-order is not found, that of the generator takes its place, with a caution. With a
    list ``absent`` what is needed by analyses only may fail, and the list gets the reason.
    """
    needed = (
        case.stationary is not None or case.initial.kind == "stationary" or _rest_for_passage(case)
    )
    exists = case.grid.domain.closed and system.autonomous
    if not exists and not needed:
        return None
    balanced = system.potential.values is not None
    if not (needed or balanced or case.grid.size <= STATIONARY_CELLS[case.grid.ndim]):
        return None
    name = "scharfetter-gummel" if scheme is None else scheme.name
    if name == "high-order" and not balanced:
        try:
            return _finite(stationary(system.at(0.0), case.problem, name))
        except NumericalFailure as failure:
            warnings.warn(
                f"the stationary density is of order 2 in the cell width: {failure}",
                CaseWarning,
                stacklevel=2,
            )
    try:
        return _finite(stationary(system.at(0.0), case.problem))
    except (CaseError, NumericalFailure) as failure:
        begins = not exists or case.initial.kind == "stationary"
        if needed and (absent is None or begins):
            raise
        why = failure.detail if isinstance(failure, CaseError) else str(failure)
        warnings.warn(f"{UNRESTED}: {why}", CaseWarning, stacklevel=2)
        if absent is not None:
            absent.append(why)
        return None


def _finite(rest: StationaryState) -> StationaryState:
    """The state itself, or NumericalFailure."""
    if not np.isfinite(rest.density).all():
        raise NumericalFailure(
            "the stationary density is not finite", "take a smaller domain or a smaller beta"
        )
    return rest


def _rest_for_passage(case: Case) -> bool:
    """Whether [passage] needs the stationary state: for escape, and for rates of a closed box."""
    asked = case.passage
    between = asked is not None and asked.source is not None and case.grid.domain.closed
    return asked is not None and (asked.escape or between)


def _solve(case: Case, recorder: Recorder, clock: Clock, client: Client | None) -> list[str]:
    """Compute everything the case asks for into the recorder; returns notes.

    The frames come first. An analysis that fails leaves what is there, and those after it, alone.
    """
    cares = given(coefficient_cautions(case.problem, case.grid))
    solve = _solve_gaussian if case.problem.jumps is None else _solve_levy
    return solve(case, recorder, clock, client) + cares


def _solve_gaussian(
    case: Case, recorder: Recorder, clock: Clock, client: Client | None
) -> list[str]:
    """All of it under Gaussian noise."""
    absent: list[str] = []
    with clock("assemble"):
        system = system_of(case)
        generator = system.at(0.0)
        check_regions(case, generator)
        scheme, why, rest = _scheme_and_rest(case, system, absent)
        if rest is not None:
            generator = rest.generator
        observer = Observer(case.problem, rest)
    notes = [f"{UNRESTED}: {why}" for why in absent if case.stationary is None]
    if absent and case.stationary is not None:
        recorder.failed["stationary"] = absent[0]
    steered = system
    if case.control is not None:
        # Under a control F need not fall, and nothing rests.
        steered = _steered(case, recorder, clock, observer)
        observer = Observer(case.problem, None)
    coarse = CoarseAnalyses(case, lambda other, its: rest_state(other, its, scheme))
    if scheme is not None:
        notes.insert(0, f"scheme {scheme.name}: {why}")
        notes += march_density(case, recorder, clock, steered, observer, scheme, rest)
    if rest is not None:
        with clock("analyse"):
            record = record_of(case.problem, generator, rest)
            if case.stationary is not None:
                within = partial(analyse, case.problem, system.at(0.0), rest, record)
                notes += recorder.attempt("stationary", within)
                add_stationary_errors(coarse, record)
            if case.density is None:
                notes += cautioned(case, generator, rest.density)
            recorder.stationary(record)
    if case.smoothing is not None:
        with clock("smooth"):
            notes += recorder.attempt("smoothing", lambda: recorder.smoothing(smooth(case)))
    if case.spectrum is not None:
        with clock("modes"):
            notes += recorder.attempt(
                "spectrum", partial(_spectrum, case, recorder, system, rest, coarse)
            )
    if case.passage is not None:
        with clock("passage"):
            notes += _passage(case, recorder, generator, rest, coarse)
    notes += _walk(case, recorder, clock, rest, steered, client)
    if case.discrete is not None:
        with clock("discrete"):
            notes += recorder.attempt(
                "discrete", partial(_discrete, case, recorder, generator, rest)
            )
    return notes


def _spectrum(
    case: Case,
    recorder: Recorder,
    system: System,
    rest: StationaryState | None,
    coarse: CoarseAnalyses,
) -> list[str]:
    assert case.spectrum is not None
    known = rest_of_chain(system, rest)
    modes, notes = spectrum_of(system.at(0.0), case.spectrum.count, known)
    add_spectrum_errors(coarse, modes)
    recorder.spectrum(modes)
    return notes


def _passage(
    case: Case,
    recorder: Recorder,
    generator: Generator,
    rest: StationaryState | None,
    coarse: CoarseAnalyses,
) -> list[str]:
    """First passage and escape, each without the other where that fails."""
    assert case.passage is not None
    record = PassageRecord()

    def arrive() -> None:
        nonlocal record
        record = transit(case, generator, rest)
        add_passage_errors(coarse, record)

    def leave() -> list[str]:
        record.escape, notes = wells_of(case, generator, rest)
        return notes

    notes = recorder.attempt("passage", arrive)
    if case.passage.escape:
        notes += recorder.attempt("passage.escape", leave)
    if record.target or record.escape is not None:
        recorder.passage(record)
    return notes


def _discrete(
    case: Case, recorder: Recorder, generator: Generator, rest: StationaryState | None
) -> list[str]:
    start, density = initial_density(case, rest), None if rest is None else rest.density
    walkers = None if "ensemble" in recorder.failed else recorder.walkers
    steps, notes = discretise(case, start, generator, density, walkers)
    recorder.discrete(steps)
    return notes


def _solve_levy(case: Case, recorder: Recorder, clock: Clock, client: Client | None) -> list[str]:
    """The same under heavy-tailed noise, which has no stationary state here to compare with."""
    if case.control is not None:
        raise CaseError("steers Gaussian noise; leave noise.alpha out", "control")
    with clock("assemble"):
        asked = case.density
        system = levy_system_of(case)
    notes: list[str] = []
    if asked is not None:
        march = LevyIntegrator(system, asked.rtol, asked.end)
        start = partial(initial_density, case)
        measure = partial(measure_levy, system)
        estimated = estimate_for(case, None, asked.stepper)
        _, missing = march_frames(case, recorder, clock, march, start, measure, estimated)
        time, rates = series(recorder, "over_sides_rate")
        assert rates is not None
        cares = given(levy_cautions(system, (time, rates)))
        notes = [f"stepper {LEVY.name}: {LEVY.summary}", *missing, *cares]
    if case.smoothing is not None:
        with clock("smooth"):
            notes += recorder.attempt("smoothing", lambda: recorder.smoothing(smooth(case)))
    notes += _walk(case, recorder, clock, None, None, client)
    return notes


def _walk(
    case: Case,
    recorder: Recorder,
    clock: Clock,
    rest: StationaryState | None,
    system: System | None,
    client: Client | None,
) -> list[str]:
    """Walkers and their comparison with the density, where the case asks for them."""
    notes = []
    if case.ensemble is not None:
        walk = partial(move_walkers, case, recorder, clock, rest, system, client)
        notes = recorder.attempt("ensemble", walk)

    def compare() -> None:
        if "ensemble" in recorder.failed or recorder.walkers is None:
            raise NumericalFailure("there are no walkers to compare with")
        recorder.validation(
            validate(case, recorder.walkers, recorder.kept, recorder.density, clock.progress)
        )

    if case.validation is not None and case.ensemble is not None:
        with clock("validate"):
            notes += recorder.attempt("validation", compare)
    return notes


def _steered(case: Case, recorder: Recorder, clock: Clock, observer: Observer) -> ControlledSystem:
    """The system of [control], once its schedule is found."""
    assert case.control is not None
    if case.validation is not None:
        raise CaseError("compares at u = 1; leave it out beside [control]", "validation")
    with clock("control"):
        objective = objective_of(case, initial_density(case, observer.stationary))
        total = case.control.iterations if case.control.schedule == "optimal" else None
        with clock.progress.bar("control", total, layout=COUNT) as bar:

            def moved(stage: str, count: int, cost: float) -> None:
                bar.set_postfix_str(stage if np.isnan(cost) else f"{stage}, cost {cost:.6g}", False)
                bar.update(1 if stage == "optimum" else 0)
                if recorder.stopped():
                    raise KeyboardInterrupt

            record = steer(
                case, objective, resumed=recorder.search(), moved=moved, ended=recorder.searched
            )
        recorder.control(record)
    return ControlledSystem(objective.family, objective.schedule(record.values[0]))


def _scheme_and_rest(
    case: Case, system: System, absent: list[str]
) -> tuple[Scheme | None, str, StationaryState | None]:
    """The scheme of [density], why that one, and its stationary state where there is one."""
    if case.density is None:
        return None, "", rest_state(case, system, absent=absent)
    if case.control is not None:
        if case.density.scheme == "high-order":
            raise CaseError(
                "'high-order' has fluxes of one temperature; under [control] take auto or "
                "scharfetter-gummel",
                "density.scheme",
            )
        why = "its rates follow the control"
        return SCHEME_TABLE["scharfetter-gummel"], why, rest_state(case, system, absent=absent)
    scheme, why = scheme_of(case, system)
    return scheme, why, rest_state(case, system, scheme, absent)
