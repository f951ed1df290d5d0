"""A case becomes a result: assemble, march from frame to frame, measure, hand over to the store."""

from __future__ import annotations

import platform
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numba.core import event
from tqdm import tqdm

from . import __version__
from .case import Case
from .cautions import cautions
from .density import (
    March,
    StationaryState,
    System,
    cell_current,
    choose_stepper,
    formula_density,
    gaussian_density,
    normalised,
    point_density,
    stationary,
)
from .errors import CaseWarning, NumericalFailure, StoreError
from .observables import Observer, entropy_production
from .problem.field import FormulaField
from .problem.formula import parse
from .problem.names import Names
from .result import Result, Stationary, open_result
from .store import Checkpoint, Frame, Header, ResultWriter, read

# Beyond these sizes a case that does not ask for the stationary state does without it when
# detailed balance fails: the linear solve would cost more than the run.
STATIONARY_CELLS = {1: 1_000_000, 2: 300_000, 3: 300_000}


def run(
    case: Case,
    path: Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Result:
    """Solve a case; with a path, write each frame as it is reached.

    Parameters
    ----------
    case : Case
    path : Path, optional
        Result file.
    resume : bool
        Continue an unfinished file, bit for bit; a complete one of the same case is read.
    overwrite : bool
        Replace an existing file.
    progress : bool
        Show a bar with the time left on stderr.

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
    clock = _Clock()
    with clock.compiling():
        with clock("assemble"):
            case.problem.check(case.grid)
            header = _header(case)
        if path is not None and resume and path.exists() and _complete(path, header):
            return open_result(path)
        sink = _Sink(case, header, path, resume, overwrite)
        try:
            notes = _solve(case, sink, clock, progress)
        except BaseException:
            sink.close("interrupted", clock, [])
            raise
        return sink.close("complete", clock, notes)


def initial_density(case: Case, rest: StationaryState | None) -> np.ndarray:
    """Density at t = 0 of a case; ``rest`` serves the kind "stationary"."""
    grid, initial = case.grid, case.initial
    if initial.kind == "gaussian":
        return gaussian_density(grid, initial.mean, initial.covariance)
    if initial.kind == "point":
        return point_density(grid, initial.mean)
    if initial.kind == "formula":
        names = Names(grid.names, {**case.problem.parameters, "beta": case.problem.beta})
        key = "initial.formula"
        field = FormulaField((parse(initial.formula, names, key),), (), names.symbols, key)
        return formula_density(grid, field)
    if initial.kind == "stationary" and rest is not None:
        return rest.density.copy()
    return normalised(grid, np.ones(grid.shape))


def rest_state(case: Case, system: System) -> StationaryState | None:
    """Stationary state where there is one and the case needs it or it is cheap."""
    needed = case.stationary is not None or case.initial.kind == "stationary"
    exists = case.grid.domain.closed and system.autonomous
    if not exists and not needed:
        return None
    balanced = system.potential.values is not None
    if not (needed or balanced or case.grid.size <= STATIONARY_CELLS[case.grid.ndim]):
        return None
    try:
        return stationary(system.at(0.0), case.problem)
    except NumericalFailure as failure:
        if needed:
            raise
        warnings.warn(
            f"no stationary density, hence no free energy: {failure}", CaseWarning, stacklevel=2
        )
        return None


def _solve(case: Case, sink: _Sink, clock: _Clock, progress: bool) -> list[str]:
    """Compute everything the case asks for into the sink; returns notes."""
    with clock("assemble"):
        system = System(case.problem, case.grid)
        generator = system.at(0.0)
        rest = rest_state(case, system)
        observer = Observer(case.problem, rest)
    notes = []
    if case.density is not None:
        notes = _march(case, sink, clock, system, observer, progress)
    if rest is not None:
        with clock("analyse"):
            sink.stationary(
                Stationary(
                    rest.density,
                    rest.quasi_potential,
                    cell_current(generator, rest.density),
                    entropy_production(generator, rest.density),
                    rest.detailed_balance,
                    rest.residual,
                    rest.circulation,
                )
            )
    return notes


def _march(
    case: Case, sink: _Sink, clock: _Clock, system: System, observer: Observer, progress: bool
) -> list[str]:
    """The frames of [density]."""
    asked = case.density
    assert asked is not None
    shape = case.grid.shape
    stepper, reason = choose_stepper(asked.stepper, system, asked.times)
    march = March(system, stepper, asked.rtol, asked.end)
    state = sink.checkpoint
    if state is None:
        with clock("assemble"):
            density = initial_density(case, observer.stationary)
        state = Checkpoint(0, asked.times[0], density)
        with clock("write"):
            sink.frame(state, observer.measure(system.at(0.0), density, 0.0))
    flat, step = state.density.reshape(-1), state.step
    bar = tqdm(
        total=asked.end, initial=state.time, desc=case.name, unit="t", disable=not progress,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}]",
    )
    with bar:
        for index in range(state.frame + 1, asked.frames):
            start, stop = asked.times[index - 1], asked.times[index]
            with clock("step"):
                flat, step = march.advance(flat, start, stop, step)
            density = flat.reshape(shape)
            with clock("write"):
                measured = observer.measure(system.at(stop), density, stop)
                sink.frame(Checkpoint(index, stop, density, step), measured)
            bar.update(stop - start)
    found = cautions(system.at(asked.end), flat.reshape(shape), sink.last["covariance"])
    for sentence in found:
        warnings.warn(sentence, CaseWarning, stacklevel=2)
    return [f"stepper {stepper.name}: {reason}", *found]


class _Sink:
    """Collects frames in memory and, with a path, in the result file."""

    def __init__(
        self, case: Case, header: Header, path: Path | None, resume: bool, overwrite: bool
    ):
        self.case = case
        self.path = path
        self.header = header
        self.checkpoint: Checkpoint | None = None
        self.writer: ResultWriter | None = None
        self.times: list[float] = []
        self.densities: list[np.ndarray] = []
        self.measured: list[dict[str, Any]] = []
        self.rest: Stationary | None = None
        if path is None:
            return
        if resume and path.exists():
            self.writer, self.checkpoint = ResultWriter.resume(path, header)
            return
        self.writer = ResultWriter.create(
            path,
            header,
            overwrite=overwrite,
            precision=case.output.precision,
            every_frame=case.output.every_frame,
        )

    @property
    def last(self) -> dict[str, Any]:
        """Observables of the last frame."""
        if self.measured:
            return self.measured[-1]
        assert self.path is not None
        return {name: series[-1] for name, series in read(self.path).observables.items()}

    def frame(self, state: Checkpoint, measured: dict[str, Any]) -> None:
        """Take the next frame."""
        self.measured.append(measured)
        if self.writer is not None:
            self.writer.append(Frame(state.frame, state.time, state.density, measured))
            self.writer.checkpoint(state)
            return
        self.times.append(state.time)
        kept = self.case.output.every_frame or state.frame in (0, self.case.density.frames - 1)
        self.densities.append(state.density if kept else np.full_like(state.density, np.nan))

    def stationary(self, rest: Stationary) -> None:
        """Take the stationary state."""
        self.rest = rest
        if self.writer is not None:
            self.writer.write_stationary(rest)

    def close(self, status: str, clock: _Clock, notes: list[str]) -> Result:
        """Finish the file, or make the result in memory."""
        timings = clock.seconds()
        if self.writer is not None:
            assert self.path is not None
            self.writer.close(status, timings=timings, notes=notes)
            return open_result(self.path) if status == "complete" else None
        header, shape = self.header, self.case.grid.shape
        series = {
            name: np.array([measured[name] for measured in self.measured])
            for name in (self.measured[0] if self.measured else ())
        }
        return Result(
            title=header.title,
            beta=header.beta,
            seed=header.seed,
            case_toml=header.case_toml,
            source=header.source,
            names=header.names,
            centers=header.centers,
            bounds=header.bounds,
            time=np.array(self.times),
            density=np.array(self.densities).reshape(-1, *shape),
            loss=header.loss,
            sigma=header.sigma,
            observables=series,
            stationary=self.rest,
            status=status,
            timings=timings,
            notes=notes,
            attrs=dict(header.parameters),
        )


class _Clock:
    """Wall time by stage; compilation of kernels is taken out of the stage it happens in."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {"compile": 0.0}
        self.listener = event.TimingListener()

    @contextmanager
    def compiling(self) -> Iterator[None]:
        with event.install_listener("numba:compiler_lock", self.listener):
            yield

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        compiled, start = self._compiled(), time.perf_counter()
        try:
            yield
        finally:
            compiled = self._compiled() - compiled
            spent = time.perf_counter() - start - compiled
            self.stages[stage] = self.stages.get(stage, 0.0) + spent
            self.stages["compile"] += compiled

    def _compiled(self) -> float:
        return self.listener.duration if self.listener.done else 0.0

    def seconds(self) -> dict[str, float]:
        """Seconds by stage so far."""
        return {stage: round(spent, 6) for stage, spent in self.stages.items()}


def _complete(path: Path, header: Header) -> bool:
    """Whether a file holds this very case, finished."""
    contents = read(path)
    if contents.status != "complete":
        return False
    stored = contents.header
    if stored.case_toml != header.case_toml or stored.source != header.source:
        raise StoreError(
            "this result is complete, but of another case text or version; give --overwrite to "
            "replace it or --out to write elsewhere",
            path,
        )
    return True


def _header(case: Case) -> Header:
    problem, grid = case.problem, case.grid
    sigma = problem.sigma_at(grid.points)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "h5py"))
    return Header(
        names=grid.names,
        centers=grid.centers,
        bounds=grid.bounds,
        loss=problem.loss_at(grid.points),
        sigma=sigma,
        beta=problem.beta,
        title=case.title,
        case_toml=case.text,
        source=f"fokkerplanck {__version__} ({versions}, Python {platform.python_version()})",
        parameters={
            "name": case.name,
            "overrides": {key: value for key, value in case.overrides.items()},
            "boundaries": ["/".join(axis.boundary) for axis in grid.domain.axes],
        },
    )
