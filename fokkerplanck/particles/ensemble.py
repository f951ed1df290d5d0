"""An ensemble of walkers as a function of time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from .distributed import Client, DistributedWalk, spread_parts, steering_of
from .methods import MethodSettings, settings
from .recorder import EnsembleFrames, WalkerRecorder
from .start import Start, starting_places
from .state import Keeper, State, identity_of
from .threads import team
from .walkers import NUMBERS, Walkers, form_of_walkers, motion_of

Progress = Callable[[float], object]
# (from, to, drift factor, noise factor) between two times: how a control changes the motion.
Pieces = Callable[[float, float], Iterable[tuple[float, float, float, float]]]


def ensemble(
    problem: Problem,
    grid: Grid,
    start: Start,
    times: Sequence[float],
    *,
    method: str,
    particles: int = 1_000_000,
    seed: int = 20261,
    step: float | None = None,
    replacement: bool | None = None,
    open_sides: bool = False,
    trajectories: int = 0,
    pieces: Pieces | None = None,
    progress: Progress | None = None,
    client: Client | None = None,
    keeper: Keeper | None = None,
) -> EnsembleFrames:
    """Move walkers and count them on a grid.

    Arguments, errors and sources are those of :func:`fokkerplanck.library.walkers.ensemble`, and

    Parameters
    ----------
    keeper : Keeper, optional
        Gives the state to go on from, and is offered the present one between any two calls of the
        kernels. Not asked where there is a client, whose blocks go their whole way one by one.

    Returns
    -------
    EnsembleFrames
        The same to the last bit for any number of threads and of processes, and wherever it went
        on from.
    """
    times = [float(time) for time in times]
    if not times or times[0] != 0.0 or any(not b > a for a, b in itertools.pairwise(times)):
        raise CaseError("must increase strictly from 0", "ensemble.times")
    if particles < 1:
        raise CaseError(f"{particles} is not allowed; give at least 1", "ensemble.particles")
    if not 0 <= trajectories <= particles:
        raise CaseError(
            f"{trajectories} is not between 0 and the {particles} particles",
            "ensemble.trajectories",
        )
    if seed < 0:
        raise CaseError(f"{seed} is negative; a seed is a whole number >= 0", "ensemble.seed")
    chosen = settings(problem, grid, method, step, replacement)
    if pieces is not None:
        _require_steerable(problem, chosen, pieces, times[-1])
    motion = motion_of(problem, grid, chosen, open_sides)
    streams, draws = np.random.SeedSequence(seed).spawn(2)
    march = DistributedWalk(
        motion, particles, streams, tuple(times), steering_of(pieces, times), trajectories
    )
    recorder = WalkerRecorder(motion, particles, trajectories, len(times))
    if client is not None:
        places = _places(grid, start, particles, draws)
        parts = list(spread_parts(client, march, places, progress))
        for number, frames in enumerate(zip(*(one for one, _ in parts), strict=True)):
            recorder.record(number, frames)
        return recorder.result(seed, parts[0][1])
    state, reached = None, (0, 0)
    if keeper is not None:
        state = keeper.last(identity_of(march, start, draws), partial(_form, march, recorder))
    if state is not None:
        reached = state.numbers["number"], state.numbers["leg"]
        recorder.restore(reached[0], state.arrays)
    with team() as threads:
        places = iter(()) if state is not None else _places(grid, start, particles, draws)
        walkers = Walkers(motion, places, particles, streams, threads, state=state)

        def stands(number: int, leg: int) -> State:
            numbers, arrays = walkers.state()
            numbers |= {"number": number, "leg": leg}
            return State(numbers, arrays | recorder.state(number))

        def offer(number: int, leg: int) -> None:
            if keeper is not None:
                keeper.offer(partial(stands, number, leg))

        coming = march.snapshots(walkers, reached, offer)
        for number, frame in enumerate(coming, start=reached[0]):
            recorder.record(number, [frame])
            if progress is not None:
                progress(walkers.time)
            offer(number + 1, 0)
    return recorder.result(seed, walkers.largest_step)


def _places(
    grid: Grid, start: Start, particles: int, draws: np.random.SeedSequence
) -> Iterator[np.ndarray]:
    return (part for _, part in starting_places(grid, start, particles, draws))


def _form(
    march: DistributedWalk, recorder: WalkerRecorder, numbers: Mapping[str, Any]
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of the arrays of a state.

    Raises
    ------
    ValueError
        If its numbers are not those of a state of this ensemble.
    """
    whole = ("number", "leg", "iteration", "done")
    good = numbers.keys() == {*NUMBERS, "number", "leg"} and all(
        type(value) is int and value >= 0
        if name in whole
        else type(value) is float and math.isfinite(value)
        for name, value in numbers.items()
    )
    if not good or numbers["number"] > len(march.times):
        raise ValueError("its numbers are not those of these walkers")
    return form_of_walkers(march.motion, march.particles) | recorder.form(numbers["number"])


def require_steerable(problem: Problem, chosen: MethodSettings) -> None:
    """Raise CaseError for walkers that no schedule can steer."""
    if problem.time_dependent or problem.friction is not None:
        raise CaseError("steers neither coefficients that depend on t nor momentum", "control")
    if chosen.method.isotropic:
        raise CaseError(
            f"{chosen.method.name} keeps its noise from step to step; under [control] take weak-2",
            "ensemble.method",
        )


def _require_steerable(
    problem: Problem, chosen: MethodSettings, pieces: Pieces, end: float
) -> None:
    require_steerable(problem, chosen)
    if chosen.method.sgd:
        if end < chosen.step:
            raise CaseError(
                f"the horizon {end:g} is shorter than a step, the learning rate {chosen.step:g}",
                "density.end",
            )
        if any(abs(m - a * a) > 1e-12 for _, _, a, m in pieces(0.0, end)):
            raise CaseError(
                f"{chosen.method.name} has a fixed batch; for a schedule of the batch size take "
                "langevin or weak-2",
                "ensemble.method",
            )
