"""Where the frames of a run go: into memory, or into a result file as they come."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..case import Case
from ..errors import CaseError, CaseWarning, NumericalFailure, StoreError, one_line
from ..io import Checkpoint, Frame, Header, ResultWriter, Search, read
from ..io.result import Result, open_result
from ..runtime.interrupts import shielded

# What may go wrong in one analysis and leave the others as they are. Too little memory is not among
# them: the run ends there, and can go on where there is more.
FAILURES = (CaseError, RuntimeError, ArithmeticError, np.linalg.LinAlgError)


class Recorder:
    """Collects frames in memory and, with a path, in the result file."""

    def __init__(
        self,
        case: Case,
        header: Header,
        path: Path | None,
        resume: bool,
        overwrite: bool,
        stopped: Callable[[], bool],
    ):
        self.case = case
        self.stopped = stopped
        self.path = path
        self.header = header
        self.checkpoint: Checkpoint | None = None
        self.writer: ResultWriter | None = None
        self.times: list[float] = []
        self.densities: list[np.ndarray] = []
        self.measured: list[dict[str, Any]] = []
        self.found: dict[str, Any] = {}
        self.failed: dict[str, str] = {}
        if path is None:
            return
        if resume and path.exists():
            self.writer, self.checkpoint = ResultWriter.resume(path, header)
            if self.writer.recovered:
                warnings.warn(self.writer.recovered, CaseWarning, stacklevel=3)
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
        with shielded():
            return {name: series[-1] for name, series in read(self.path).observables.items()}

    def frame(self, state: Checkpoint, measured: dict[str, Any]) -> None:
        """Take the next frame; KeyboardInterrupt after it, if the run is to stop."""
        self.measured.append(measured)
        if self.writer is not None:
            self.writer.append(Frame(state.frame, state.time, state.density, measured), state)
            self._obey()
            return
        self.times.append(state.time)
        last = self.case.density.frames - 1 if self.case.density is not None else 0
        kept = self.case.output.every_frame or state.frame in (0, last)
        self.densities.append(state.density if kept else np.full_like(state.density, np.nan))

    @property
    def kept(self) -> list[int]:
        """Numbers of the frames whose density is kept."""
        count = self.writer.frames if self.writer is not None else len(self.densities)
        return list(range(count)) if self.case.output.every_frame else sorted({0, count - 1})

    def density(self, index: int) -> np.ndarray:
        """Density of a kept frame."""
        if self.writer is not None:
            return self.writer.density(index)
        return self.densities[index]

    def take(self, analysis: str, record: Any) -> None:
        """Take what an analysis, a name of ``GROUPS``, has found."""
        self.found[analysis] = record
        if self.writer is not None:
            self.writer.write(analysis, record)
        self._obey()

    def walked(self) -> Any:
        """The ensemble of an interrupted run that had come to its end; it is taken as it is."""
        walkers = None
        if self.writer is not None and (walkers := self.writer.found("ensemble")) is not None:
            self.found["ensemble"] = walkers
            self.writer.forget_walkers()
        return walkers

    def search(self) -> Search | None:
        """Where the optimiser of an interrupted run stood."""
        return None if self.writer is None else self.writer.search()

    def searched(self, search: Search) -> None:
        """Keep where the optimiser stands; KeyboardInterrupt if the run is to stop."""
        if self.writer is not None:
            self.writer.write_search(search)
        self._obey()

    def attempt(self, section: str, analysis: Callable[[], list[str] | None]) -> list[str]:
        """The notes of an analysis; of one that fails a warning, and the reason in ``failed``."""
        try:
            return analysis() or []
        except FAILURES as failure:
            known = isinstance(failure, CaseError | NumericalFailure)
            why = str(failure) if known else f"{type(failure).__name__}: {failure}"
            if isinstance(failure, CaseError) and failure.key in (None, section):
                why = failure.detail
            self.failed[section] = one_line(why)
            warnings.warn(f"[{section}] could not be done: {why}", CaseWarning, stacklevel=3)
            return []

    def abandon(self, timings: dict[str, float]) -> None:
        """Close the file as interrupted; what was reached stays in it."""
        if self.writer is not None:
            # What ended the run is what is told; a full disk may not even take the last words.
            with suppress(StoreError):
                self.writer.close("interrupted", timings=timings)

    def _obey(self) -> None:
        """KeyboardInterrupt if the run is to stop; what was taken is safe."""
        if self.stopped():
            raise KeyboardInterrupt

    def finish(self, timings: dict[str, float], notes: list[str]) -> Result:
        """Close the file as complete and return the result."""
        if self.writer is not None and self.path is not None:
            self.writer.close("complete", timings=timings, notes=notes, failed=self.failed)
            return open_result(self.path)
        series = {
            name: np.array([measured[name] for measured in self.measured])
            for name in (self.measured[0] if self.measured else ())
        }
        return Result.from_header(
            self.header,
            time=np.array(self.times),
            density=np.array(self.densities).reshape(-1, *self.case.grid.shape),
            observables=series,
            analyses=self.found,
            timings=timings,
            notes=notes,
            failed=self.failed,
        )
