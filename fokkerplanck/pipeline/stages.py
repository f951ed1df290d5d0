"""The stages of a run: march from frame to frame, then one analysis after the other."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from ..analyses.cautions import coefficient_cautions, given, levy_cautions
from ..analyses.context import Chain, Context
from ..analyses.control import objective_of, steer
from ..analyses.observables import Observer, measure_levy
from ..analyses.passage import check_regions
from ..analyses.start import initial_density, levy_system_of, scheme_of, system_of
from ..analyses.stationary import at_rest, examine, stationary_errors
from ..analyses.table import ANALYSES
from ..case import Case
from ..control.controlled import ControlledSystem
from ..errors import CaseError
from ..fractional.levy import LEVY
from ..fractional.levy_integrator import LevyIntegrator
from ..io import CONTROL, Arrays
from ..particles import Client
from ..runtime.clock import Clock
from ..runtime.progress import COUNT
from ..stationary.stationary import StationaryState
from ..timestepping.schemes import OWN_STEPS, SCHEME_TABLE, Scheme
from ..timestepping.system import System
from .coarse_analyses import CoarseAnalyses
from .error_estimate import estimate_for
from .evolution import cautioned, march_density, march_frames, move_walkers, series
from .recorder import Recorder
from .stationary_state import UNRESTED, rest_state


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
            parts = at_rest(case.problem, rest)
            if case.stationary is not None:
                within = partial(examine, case.problem, system.at(0.0), rest, parts)
                notes += recorder.attempt("stationary", within)
                parts.attributes |= stationary_errors(coarse, rest, parts)
            if case.density is None:
                notes += cautioned(case, rest.generator, rest.density)
            recorder.take("stationary", parts.tree(case.grid))
    return notes + _analyses(job, chain, steered)


def _analyses(job: Job, chain: Chain | None, system: System | None) -> list[str]:
    """One analysis after the other, in the order of the table; each fails for itself."""
    case, recorder = job.case, job.recorder
    context = Context(case, recorder, job.clock.progress, chain)
    rest = None if chain is None else chain.rest
    notes: list[str] = []
    for name, analysis in ANALYSES.items():
        if name == "ensemble" and case.ensemble is not None:
            walk = partial(move_walkers, case, recorder, job.clock, rest, system, job.client)
            notes += recorder.attempt("ensemble", walk)
        elif analysis.compute is not None and getattr(case, name) is not None:
            with job.clock(analysis.stage):
                notes += recorder.attempt(name, partial(analysis.compute, context))
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
    return notes + _analyses(job, None, None)


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

            tree = steer(
                case, objective, resumed=recorder.search(), moved=moved, ended=recorder.searched
            )
        recorder.take("control", tree)
    return ControlledSystem(objective.family, objective.schedule(Arrays(tree, CONTROL).values[0]))


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
