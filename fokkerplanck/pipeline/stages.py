"""The stages of a run: march from frame to frame, then one analysis after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..analyses.cautions import coefficient_cautions, given, levy_cautions
from ..analyses.control import objective_of, steer
from ..analyses.local_entropy import smooth
from ..analyses.observables import Observer, measure_levy
from ..analyses.passage import check_regions, passage_tree, transit, wells_of
from ..analyses.start import initial_density, levy_system_of, scheme_of, system_of
from ..analyses.stationary import analyse, record_of, spectrum_of
from ..analyses.transfer import discretise
from ..analyses.validation import validate
from ..case import Case
from ..control.controlled import ControlledSystem
from ..errors import CaseError, NumericalFailure
from ..fractional.levy import LEVY
from ..fractional.levy_integrator import LevyIntegrator
from ..operators.generator import Generator
from ..particles import Client
from ..passage.escape import Escape
from ..passage.passage import Passage
from ..runtime.clock import Clock
from ..runtime.progress import COUNT
from ..semi_lagrangian.choice import deficiency
from ..stationary.stationary import StationaryState
from ..timestepping.schemes import OWN_STEPS, SCHEME_TABLE, Scheme
from ..timestepping.system import System
from .coarse_analyses import (
    CoarseAnalyses,
    add_spectrum_errors,
    add_stationary_errors,
    passage_errors,
)
from .error_estimate import estimate_for
from .evolution import cautioned, march_density, march_frames, move_walkers, series
from .recorder import Recorder
from .stationary_state import UNRESTED, generator_of, rest_of_chain, rest_state


@dataclass(frozen=True)
class Job:
    """What a run is about: a case, and where its results, its time and its walkers go.

    Attributes
    ----------
    case : Case
    recorder : Recorder
    clock : Clock
    client : Client or None
        Moves the walkers; None where they stay in this process.
    """

    case: Case
    recorder: Recorder
    clock: Clock
    client: Client | None = None


@dataclass(frozen=True)
class Chain:
    """The operators that analyses ask.

    Attributes
    ----------
    system : System
    rest : StationaryState or None
    coarse : CoarseAnalyses
        The same on coarser grids.
    """

    system: System
    rest: StationaryState | None
    coarse: CoarseAnalyses

    @property
    def generator(self) -> Generator:
        """That of the stationary state where there is one, else the system's own at time 0."""
        return generator_of(self.system, self.rest)


def solve(job: Job) -> list[str]:
    """Compute everything the case asks for into the recorder; returns notes.

    The frames come first. An analysis that fails leaves what is there, and those after it, alone.
    """
    problem = job.case.problem
    cares = given(coefficient_cautions(problem, job.case.grid))
    stages = _solve_gaussian if problem.jumps is None else _solve_levy
    return stages(job) + cares


def _solve_gaussian(job: Job) -> list[str]:
    """All of it under Gaussian noise."""
    case, recorder, clock = job.case, job.recorder, job.clock
    absent: list[str] = []
    with clock("assemble"):
        system = system_of(case)
        check_regions(case, system.at(0.0))
        scheme, why, rest = _scheme_and_rest(case, system, absent)
        observer = Observer(case.problem, rest)
    notes = [f"{UNRESTED}: {why}" for why in absent if case.stationary is None]
    if absent and case.stationary is not None:
        recorder.failed["stationary"] = absent[0]
    steered = system
    if case.control is not None:
        # Under a control F need not fall, and nothing rests.
        steered = _steered(job, observer)
        observer = Observer(case.problem, None)
    coarse = CoarseAnalyses(case, lambda other, its: rest_state(other, its, scheme))
    chain = Chain(system, rest, coarse)
    if scheme is not None:
        notes.insert(0, f"scheme {scheme.name}: {why}")
        notes += march_density(case, recorder, clock, steered, observer, scheme, rest)
    if rest is not None:
        with clock("analyse"):
            record = record_of(case.problem, rest.generator, rest)
            if case.stationary is not None:
                within = partial(analyse, case.problem, system.at(0.0), rest, record)
                notes += recorder.attempt("stationary", within)
                add_stationary_errors(coarse, record)
            if case.density is None:
                notes += cautioned(case, rest.generator, rest.density)
            recorder.take("stationary", record)
    notes += _smoothing(job)
    if case.spectrum is not None:
        with clock("modes"):
            notes += recorder.attempt("spectrum", partial(_spectrum, job, chain))
    if case.passage is not None:
        with clock("passage"):
            notes += _passage(job, chain)
    notes += _walk(job, rest, steered)
    if case.discrete is not None:
        with clock("discrete"):
            notes += recorder.attempt("discrete", partial(_discrete, job, chain))
    return notes


def _smoothing(job: Job) -> list[str]:
    if job.case.smoothing is None:
        return []
    with job.clock("smooth"):
        return job.recorder.attempt(
            "smoothing", lambda: job.recorder.take("smoothing", smooth(job.case))
        )


def _spectrum(job: Job, chain: Chain) -> list[str]:
    assert job.case.spectrum is not None
    known = rest_of_chain(chain.system, chain.rest)
    modes, notes = spectrum_of(chain.system.at(0.0), job.case.spectrum.count, known)
    notes += _generator_cautions(job.case, "eigenvalues are")
    add_spectrum_errors(chain.coarse, modes)
    job.recorder.take("spectrum", modes)
    return notes


def _passage(job: Job, chain: Chain) -> list[str]:
    """First passage and escape, each without the other where that fails."""
    case, recorder = job.case, job.recorder
    assert case.passage is not None
    between, timed = case.passage.source is not None, case.passage.times is not None
    found: Passage | None = None
    wells: Escape | None = None
    errors: dict[str, Any] = {}

    def arrive() -> list[str]:
        nonlocal found, errors
        found = transit(case, chain.generator, chain.rest)
        errors = {} if found is None else passage_errors(chain.coarse, found)
        asked = [
            what
            for what, there in (
                ("committor and transition rates are", between),
                ("densities of the time of arrival are", timed),
            )
            if there
        ]
        return [text for what in asked for text in _generator_cautions(case, what)]

    def leave() -> list[str]:
        nonlocal wells
        wells, notes = wells_of(case, chain.generator, chain.rest)
        return notes + _generator_cautions(case, "times between wells are")

    notes = recorder.attempt("passage", arrive)
    if case.passage.escape:
        notes += recorder.attempt("passage.escape", leave)
    if found is not None or wells is not None:
        recorder.take("passage", passage_tree(case, found, errors, wells))
    return notes


def _generator_cautions(case: Case, what: str) -> list[str]:
    """What is answered by the generator although the noise has no full rank."""
    why = deficiency(case.problem, case.grid, (0.0,))
    if not why:
        return []
    return given(
        [
            f"{what} those of the generator, which is of order 1 where the noise has no full rank "
            f"({why}); compare with more cells"
        ]
    )


def _discrete(job: Job, chain: Chain) -> list[str]:
    recorder, rest = job.recorder, chain.rest
    start, density = initial_density(job.case, rest), None if rest is None else rest.density
    walkers = None if "ensemble" in recorder.failed else recorder.found.get("ensemble")
    steps, notes = discretise(job.case, start, chain.generator, density, walkers)
    recorder.take("discrete", steps)
    return notes


def _solve_levy(job: Job) -> list[str]:
    """The same under heavy-tailed noise, which has no stationary state here to compare with."""
    case, recorder, clock = job.case, job.recorder, job.clock
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
    return notes + _smoothing(job) + _walk(job, None, None)


def _walk(job: Job, rest: StationaryState | None, system: System | None) -> list[str]:
    """Walkers and their comparison with the density, where the case asks for them."""
    case, recorder, clock = job.case, job.recorder, job.clock
    notes = []
    if case.ensemble is not None:
        walk = partial(move_walkers, case, recorder, clock, rest, system, job.client)
        notes = recorder.attempt("ensemble", walk)

    def compare() -> None:
        walkers = recorder.found.get("ensemble")
        if "ensemble" in recorder.failed or walkers is None:
            raise NumericalFailure("there are no walkers to compare with")
        found = validate(case, walkers, recorder.kept, recorder.density, clock.progress)
        recorder.take("validation", found)

    if case.validation is not None and case.ensemble is not None:
        with clock("validate"):
            notes += recorder.attempt("validation", compare)
    return notes


def _steered(job: Job, observer: Observer) -> ControlledSystem:
    """The system of [control], once its schedule is found."""
    case, recorder, clock = job.case, job.recorder, job.clock
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
        recorder.take("control", record)
    return ControlledSystem(objective.family, objective.schedule(record.values[0]))


def _scheme_and_rest(
    case: Case, system: System, absent: list[str]
) -> tuple[Scheme | None, str, StationaryState | None]:
    """The scheme of [density], why that one, and its stationary state where there is one."""
    if case.density is None:
        return None, "", rest_state(case, system, absent=absent)
    if case.control is not None:
        if case.density.scheme in OWN_STEPS:
            raise CaseError(
                f"{case.density.scheme!r} has one temperature; under [control] take auto or "
                "scharfetter-gummel",
                "density.scheme",
            )
        why = "its rates follow the control"
        return SCHEME_TABLE["scharfetter-gummel"], why, rest_state(case, system, absent=absent)
    scheme, why = scheme_of(case, system)
    return scheme, why, rest_state(case, system, scheme, absent)
