"""A case becomes a result: assemble, march from frame to frame, measure, hand over to the store."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .analysis import analyse, record_of, spectrum_of
from .case import Case, Need, memory_needs, require_disk, require_memory
from .cautions import levy_cautions
from .clock import Clock
from .density import SCHEME_TABLE, Scheme, StationaryState, System, stationary
from .density.controlled import ControlledSystem
from .density.force import Force
from .density.levy import LEVY, LevySystem
from .density.levy_march import LevyMarch
from .density.rates import sampled_offsets
from .density.transfer_memory import transfer_bytes
from .discrete import discretise
from .errors import CaseError, CaseWarning, NumericalFailure
from .evolution import cautioned, march_density, march_frames, move_walkers, rates_over_sides
from .observables import Observer, measure_levy
from .particles import Client
from .problem import Problem
from .provenance import header_of, is_complete
from .result import Result, open_result
from .sink import Sink
from .smoothed import smooth
from .smoothing import smoothing_bytes
from .start import initial_density, scheme_of
from .steering import objective_of, steer
from .store import settle
from .transit import check_regions, transit
from .validate import validate

# Beyond these sizes a case that does not ask for the stationary state does without it when
# detailed balance fails: the linear solve would cost more than the run.
STATIONARY_CELLS = {1: 1_000_000, 2: 600_000, 3: 300_000}

CONTROL_BAR = "{desc} {bar} {n} iterations [{elapsed}] {postfix}"


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
        Show a bar with the time left on stderr.
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
        For bad input, files that cannot be used, and solvers that cannot keep their promise.
    KeyboardInterrupt
        After the file was closed as "interrupted".
    """
    require_case(case)
    path = None if path is None else Path(path)
    clock = Clock()
    with clock.compiling():
        with clock("assemble"):
            case.problem.check(case.grid)
            require_room(case)
            if path is not None:
                require_disk(case, path)
            header = header_of(case)
        if path is not None and resume and path.exists() and is_complete(path, header):
            settle(path)
            return open_result(path)
        sink = Sink(case, header, path, resume, overwrite, stopped)
        try:
            notes = _solve(case, sink, clock, progress, client)
        except BaseException:
            sink.abandon(clock.seconds())
            raise
        return sink.finish(clock.seconds(), notes)


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
    case: Case, system: System, scheme: Scheme | None = None, strict: bool = False
) -> StationaryState | None:
    """Stationary state where there is one and the case needs it or it is cheap.

    It is that of the scheme, or where no scheme is given of the generator. With ``strict`` a
    failure of the scheme high-order is raised also where the case could do without.
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
    try:
        rest = stationary(system.at(0.0), case.problem, name)
        if not np.isfinite(rest.density).all():
            raise NumericalFailure(
                "the stationary density is not finite", "take a smaller domain or a smaller beta"
            )
        return rest
    except (CaseError, NumericalFailure) as failure:
        if needed or (strict and name == "high-order"):
            raise
        warnings.warn(
            f"no stationary density, hence no free energy: {failure}", CaseWarning, stacklevel=2
        )
        return None


def _rest_for_passage(case: Case) -> bool:
    """Whether [passage] needs the stationary state: for escape, and for rates of a closed box."""
    asked = case.passage
    between = asked is not None and asked.source is not None and case.grid.domain.closed
    return asked is not None and (asked.escape or between)


def _solve(
    case: Case, sink: Sink, clock: Clock, progress: bool, client: Client | None
) -> list[str]:
    """Compute everything the case asks for into the sink; returns notes."""
    if case.problem.jumps is not None:
        return _solve_levy(case, sink, clock, progress, client)
    with clock("assemble"):
        system = System(case.problem, case.grid)
        generator = system.at(0.0)
        check_regions(case, generator)
        scheme, why, rest = _scheme_and_rest(case, system)
        if rest is not None and rest.generator is not generator:
            generator = rest.generator
            system.adopt(generator)
        observer = Observer(case.problem, rest)
    notes: list[str] = []
    steered = system
    if case.control is not None:
        # Under a control F need not fall, and nothing rests.
        steered = _steered(case, sink, clock, observer, progress)
        observer = Observer(case.problem, None)
    if scheme is not None:
        notes = [f"scheme {scheme.name}: {why}"]
        notes += march_density(case, sink, clock, steered, observer, scheme, rest, progress)
    if rest is not None:
        with clock("analyse"):
            if case.stationary is not None:
                record, left_out = analyse(case.problem, generator, rest)
                notes += left_out
            else:
                record = record_of(case.problem, generator, rest)
            if case.density is None:
                notes += cautioned(generator, rest.density)
            sink.stationary(record)
    if case.smoothing is not None:
        with clock("smooth"):
            sink.smoothing(smooth(case))
    if case.spectrum is not None:
        with clock("analyse"):
            modes, left_out = spectrum_of(generator, case.spectrum.count, rest)
            notes += left_out
            sink.spectrum(modes)
    if case.passage is not None:
        with clock("passage"):
            found, cares = transit(case, generator, rest)
            notes += cares
            sink.passage(found)
    notes += _walk(case, sink, clock, rest, steered, progress, client)
    if case.discrete is not None:
        with clock("discrete"):
            start = initial_density(case, rest)
            density = None if rest is None else rest.density
            steps, cares = discretise(case, start, generator, density, sink.walkers)
            sink.discrete(steps)
            notes += cares
    return notes


def _solve_levy(
    case: Case, sink: Sink, clock: Clock, progress: bool, client: Client | None
) -> list[str]:
    """The same under heavy-tailed noise, which has no stationary state here to compare with."""
    if case.control is not None:
        raise CaseError("steers Gaussian noise; leave noise.alpha out", "control")
    with clock("assemble"):
        system = LevySystem(case.problem, case.grid)
    notes: list[str] = []
    asked = case.density
    if asked is not None:
        march = LevyMarch(system, asked.rtol, asked.end)
        start = partial(initial_density, case)
        measure = partial(measure_levy, system)
        march_frames(case, sink, clock, march, start, measure, progress)
        cares = levy_cautions(system, rates_over_sides(sink))
        notes = [f"stepper {LEVY.name}: {LEVY.summary}", *cares]
        for sentence in cares:
            warnings.warn(sentence, CaseWarning, stacklevel=3)
    if case.smoothing is not None:
        with clock("smooth"):
            sink.smoothing(smooth(case))
    notes += _walk(case, sink, clock, None, None, progress, client)
    return notes


def _walk(
    case: Case,
    sink: Sink,
    clock: Clock,
    rest: StationaryState | None,
    system: System | None,
    progress: bool,
    client: Client | None,
) -> list[str]:
    """Walkers and their comparison with the density, where the case asks for them."""
    notes = []
    if case.ensemble is not None:
        notes = move_walkers(case, sink, clock, rest, system, progress, client)
    if case.validation is not None and sink.walkers is not None:
        with clock("validate"):
            sink.validation(validate(case, sink.walkers, sink.kept, sink.density))
    return notes


def _steered(
    case: Case, sink: Sink, clock: Clock, observer: Observer, progress: bool
) -> ControlledSystem:
    """The system of [control], once its schedule is found."""
    assert case.control is not None
    if case.validation is not None:
        raise CaseError("compares at u = 1; leave it out beside [control]", "validation")
    with clock("control"):
        objective = objective_of(case, initial_density(case, observer.stationary))
        bar = tqdm(
            total=case.control.iterations if case.control.schedule == "optimal" else None,
            desc=f"{case.name} control",
            disable=not progress,
            bar_format=CONTROL_BAR,
        )

        def moved(stage: str, count: int, cost: float) -> None:
            bar.set_postfix_str(stage if np.isnan(cost) else f"{stage}, cost {cost:.6g}", False)
            bar.update(1 if stage == "optimum" else 0)
            if sink.stopped():
                raise KeyboardInterrupt

        with bar:
            record = steer(case, objective, resumed=sink.search(), moved=moved, ended=sink.searched)
        sink.control(record)
    return ControlledSystem(objective.family, objective.schedule(record.values[0]))


def _scheme_and_rest(
    case: Case, system: System
) -> tuple[Scheme | None, str, StationaryState | None]:
    """The scheme of [density], why that one, and its stationary state where there is one."""
    if case.density is None:
        return None, "", rest_state(case, system)
    if case.control is not None:
        if case.density.scheme == "high-order":
            raise CaseError(
                "'high-order' has fluxes of one temperature; under [control] take auto or "
                "scharfetter-gummel",
                "density.scheme",
            )
        why = "its rates follow the control"
        return SCHEME_TABLE["scharfetter-gummel"], why, rest_state(case, system)
    scheme, why = scheme_of(case, system)
    free = case.density.scheme == "auto"
    try:
        return scheme, why, rest_state(case, system, scheme, strict=free)
    except NumericalFailure as failure:
        if not free or scheme.name != "high-order":
            raise
        return SCHEME_TABLE["scharfetter-gummel"], str(failure), rest_state(case, system)
