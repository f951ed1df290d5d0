"""What a case moves on in time: densities from frame to frame, walkers beside them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..analyses.cautions import cautions, given
from ..analyses.ensemble import visited_cells, walk, walkers_notes
from ..analyses.numerical_diffusion import AddedVariance
from ..analyses.observables import Observer, moments
from ..analyses.start import initial_density
from ..case import Case
from ..control.controlled import ControlledSystem
from ..errors import CaseError, NumericalFailure
from ..io import Checkpoint, EnsembleRecord, read
from ..operators.generator import Generator
from ..particles import Client
from ..runtime.clock import Clock
from ..runtime.progress import advanced
from ..stationary.stationary import StationaryState
from ..timestepping.integrator import Integrator
from ..timestepping.schemes import Scheme, SchemeIntegrator, make_integrator
from ..timestepping.system import System
from .ensemble_checkpoint import EnsembleCheckpoint
from .error_estimate import ErrorEstimate, estimate_for
from .recorder import Recorder

# Share of the high-order fluxes that the limiter may take away without a word.
LIMITED_WARNING = 3e-3
# Times between two frames at which coefficients are looked at once something is wrong.
PROBES = 65


def march_density(
    case: Case,
    recorder: Recorder,
    clock: Clock,
    system: System,
    observer: Observer,
    scheme: Scheme,
    started: StationaryState | None,
) -> list[str]:
    """The frames of [density]."""
    asked = case.density
    assert asked is not None
    march, stepper, reason = make_integrator(scheme, asked.stepper, system, asked.times, asked.rtol)
    start = partial(initial_density, case, started)
    added = AddedVariance(case.problem)
    # Between two frames rates that change in time are not known.
    low_order = scheme.order == 2 and system.autonomous and case.grid.domain.closed

    def measure(density: np.ndarray, time: float) -> dict[str, Any]:
        if low_order:
            added.measure(system.at(time), density, time)
        return _measured(observer, march, density, time)

    estimated = estimate_for(case, scheme, stepper)
    reached = recorder.checkpoint
    if low_order and reached is not None:
        # What a run before has kept counts as it did there, so that both say the same in the end.
        for index in (index for index in recorder.kept if index <= reached.frame):
            time = asked.times[index]
            added.measure(system.at(time), recorder.density(index), time)
        if estimated[0] is not None and reached.frame == asked.frames - 1:
            # Their caution names the order, which no frame to come would tell.
            with clock("estimate"):
                estimated[0].measure(reached.density, reached.frame)
    density, notes = march_frames(case, recorder, clock, march, start, measure, estimated)
    order = None if estimated[0] is None else estimated[0].order
    found = cautioned(case, system.at(asked.end), density, scheme.order, asked.end)
    cares = added.cautions(case.grid, density, order)
    if march.activity is not None:
        # Without a limiter the file need not be read for it.
        cares += _limiter_cautions(recorder)
    given(cares)
    replaced = system.counts["replaced"]
    if replaced:
        found.append(f"the stepper {stepper} failed in {replaced} frames and was replaced there")
    return [f"stepper {stepper}: {reason}", *notes, *found, *cares]


def _limiter_cautions(recorder: Recorder) -> list[str]:
    """What to read with care where the limiter took away a notable share of the fluxes."""
    time, lost = series(recorder, "limited_flux")
    if lost is None or not lost.max() > LIMITED_WARNING:
        return []
    worst = int(np.argmax(lost))
    return [
        f"the limiter took away up to {lost[worst]:.1%} of the high-order fluxes (on the way to "
        f"t = {time[worst]:.4g}), since the cells do not resolve the density; take more cells"
    ]


def march_frames(
    case: Case,
    recorder: Recorder,
    clock: Clock,
    march: Integrator,
    start: Callable[[], np.ndarray],
    measure: Callable[[np.ndarray, float], dict[str, Any]],
    estimated: tuple[ErrorEstimate | None, str],
) -> tuple[np.ndarray, list[str]]:
    """March from frame to frame into the recorder; returns the last density, and notes.

    ``estimated`` is what tells the errors of the frames, or why there is nothing.
    """
    estimate, missing = estimated
    asked = case.density
    assert asked is not None

    def measured(density: np.ndarray, frame: int) -> dict[str, Any]:
        with clock("measure"):
            found = measure(density, asked.times[frame])
        if estimate is not None:
            with clock("estimate"):
                found |= estimate.measure(density, frame)
        return found

    shape = case.grid.shape
    state = recorder.checkpoint
    if state is None:
        with clock("assemble"):
            density = start()
        state = Checkpoint(0, asked.times[0], density)
        first = measured(density, 0)
        with clock("write"):
            recorder.frame(state, first)
    flat, step = state.density.reshape(-1), state.step
    with clock.progress.bar("", asked.end, state.time) as bar:
        march.system.moved = moved = advanced(bar)
        for index in range(state.frame + 1, asked.frames):
            before, stop = asked.times[index - 1], asked.times[index]
            with clock("step"):
                flat, step = _advanced(case, march, flat, before, stop, step)
            density = flat.reshape(shape)
            following = measured(density, index)
            with clock("write"):
                recorder.frame(Checkpoint(index, stop, density, step), following)
            moved(stop)
    notes = [f"error of the density {missing}"] if missing else []
    return flat.reshape(shape), notes


def _advanced(
    case: Case, march: Integrator, density: np.ndarray, start: float, stop: float, step: float
) -> tuple[np.ndarray, float]:
    """One frame further.

    Raises
    ------
    NumericalFailure
        If a number is not finite any more. Where the coefficients are the reason, steppers stumble
        over them in ways of their own; the sentence is then about the coefficients.
    """
    try:
        flat, step = march.advance(density, start, stop, step)
    except (ValueError, ArithmeticError, NumericalFailure):
        _require_coefficients(case, start, stop)
        raise
    if not np.isfinite(flat).all():
        _require_coefficients(case, start, stop)
        raise NumericalFailure(
            f"the density is not finite any more between t = {start:.6g} and {stop:.6g}; the "
            "frames before are kept",
            "choose a smaller density.rtol or another density.stepper",
        )
    return flat, step


def _require_coefficients(case: Case, start: float, stop: float) -> None:
    """Raise NumericalFailure if a coefficient has no finite value between two times."""
    if not case.problem.time_dependent:
        return
    for time in np.linspace(start, stop, PROBES):
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                case.problem.check(case.grid, float(time))
        except CaseError as error:
            raise NumericalFailure(
                f"near t = {time:.6g} a coefficient has no finite value ({error}); the frames up "
                f"to t = {start:.6g} are kept",
                "end before that time with density.end, or change the formula",
            ) from error


def _measured(
    observer: Observer, march: SchemeIntegrator, density: np.ndarray, time: float
) -> dict[str, float | np.ndarray]:
    """Observables of a frame, the control, and what the limiter did on the way to it."""
    system, scales, control = march.system, (1.0, 1.0), {}
    if isinstance(system, ControlledSystem):
        u, lever = system.schedule.at(time), system.schedule.lever
        scales, control = (lever.drift(u), lever.noise(u)), {"schedule": u}
    change = march.change(density, time)
    rest = observer.stationary
    # Dissipation is that of a generator which rests at rho_ss.
    generator = system.at(time) if rest is None else rest.generator
    measured = observer.measure(generator, density, time, change, scales)
    if march.activity is not None:
        measured["limited"] = march.activity.cut_share
        measured["limited_flux"] = march.activity.lost_share
    return {**measured, **control}


def cautioned(
    case: Case, generator: Generator, density: np.ndarray, order: int = 2, time: float = 0.0
) -> list[str]:
    """What to read with care, also as warnings."""
    covariance = moments(generator, density)[1]
    return given(cautions(case.problem, generator, density, covariance, order, time))


def series(recorder: Recorder, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Output times, and an observable at each of them where it was measured."""
    if recorder.writer is not None and recorder.path is not None:
        contents = read(recorder.path)
        return contents.time, contents.observables.get(name)
    if name not in recorder.measured[0]:
        return np.array(recorder.times), None
    return np.array(recorder.times), np.array([one[name] for one in recorder.measured])


def move_walkers(
    case: Case,
    recorder: Recorder,
    clock: Clock,
    rest: StationaryState | None,
    system: System | None,
    client: Client | None = None,
) -> list[str]:
    """The walkers of [ensemble], here or on the processes behind a client.

    Where an interrupted run had walkers, they go on; where it had all of them, they are taken.
    """
    record = recorder.walked()
    if record is not None:
        notes = walkers_notes(case, record)
    else:
        record, notes = _walked(case, recorder, clock, rest, system, client)
        recorder.take("ensemble", record)
    if record.lost[-1] and record.lost[-1] + record.absorbed[-1].sum() == record.particles:
        last = record.time[np.flatnonzero(np.diff(record.lost, prepend=0))[-1]]
        raise NumericalFailure(
            f"all walkers that were not absorbed had left to infinity, or met a place where a "
            f"formula has no value, by t = {last:.6g}; what they did before is kept",
            "take a smaller ensemble.step or learning rate, or mend the formula",
        )
    return notes


def _walked(
    case: Case,
    recorder: Recorder,
    clock: Clock,
    rest: StationaryState | None,
    system: System | None,
    client: Client | None,
) -> tuple[EnsembleRecord, list[str]]:
    """All frames of the walkers, and what to read with care."""
    assert case.density is not None
    assert case.ensemble is not None
    keeper = EnsembleCheckpoint(case, recorder.path, recorder.header.source, recorder.stopped)
    with clock.progress.bar("walkers", case.ensemble.times(case.density)[-1]) as bar, clock("walk"):

        def moved(time: float) -> None:
            # What a run before has done takes no part in the time left.
            bar.initial = keeper.begun
            bar.update(time - bar.n)
            if client is not None and recorder.stopped():
                raise KeyboardInterrupt

        visited = visited_cells(recorder.density(k) for k in recorder.kept)
        start = initial_density(case, rest)
        pieces = system.factors if isinstance(system, ControlledSystem) else None
        return walk(case, start, visited, moved, pieces, client, keeper)
