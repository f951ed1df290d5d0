"""Walkers that a kill or an interrupt ends go on from where they stood not long before."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

from ..case import Case
from ..errors import CaseWarning, StoreError
from ..io import read_walkers, walkers_file, write_walkers
from ..particles import Form, State
from ..particles.state import identity_of

# Seconds of walking that a kill costs, and one call of the kernels besides. Most ensembles take
# less, and of them nothing is written.
INTERVAL_S = 20.0
# To write may take this share of the time; on a slow disk it is done less often.
WRITING_SHARE = 0.02
# An interrupt costs at most this much: below, where the walkers stand is not worth a file.
LEAST_S = 1.0
# Bytes of a count, of which the result and the part before it want room for all.
COUNT_BYTES = 8


class EnsembleCheckpoint:
    """Keeps the states of an ensemble beside its result, and ends it when the run is to stop.

    Parameters
    ----------
    case : Case
        With [density] and [ensemble].
    target : Path or None
        The result file; without one nothing is kept.
    source : str
        Versions that the bits depend on.
    stopped : callable
        Whether the run is to stop.

    Attributes
    ----------
    begun : float
        Time of the state that was gone on from.

    Notes
    -----
    A state that is damaged or of other walkers is told of and not used. It is not removed for that:
    the next state takes its place, or the end of the ensemble.

    A disk that does not take a state does not end the run, as one that does not take a frame does:
    to end here would lose the walkers for sure, and the result needs much less room than they.
    """

    def __init__(self, case: Case, target: Path | None, source: str, stopped: Callable[[], bool]):
        assert case.ensemble is not None
        assert case.density is not None
        self.begun = 0.0
        self._target, self._source, self._stopped = target, source, stopped
        self._room = 2 * COUNT_BYTES * case.grid.size * len(case.ensemble.times(case.density))
        self._identity = ""
        self._kept = self._due = 0.0
        self._warned = False

    def last(self, identity: str, form: Form) -> State | None:
        """The state to go on from, which a run before has left; also begins to count time."""
        self._identity = identity_of(self._source, identity)
        found = self._read(form)
        self._kept = time.monotonic()
        self._due = self._kept + INTERVAL_S
        if found is not None:
            self.begun = found.numbers["time"]
        return found

    def offer(self, state: Callable[[], State]) -> None:
        """Keep the state if it is time to, and stop if the run is to."""
        stopped, now = self._stopped(), time.monotonic()
        if self._target is not None and (
            now >= self._due or (stopped and now - self._kept >= LEAST_S)
        ):
            self._write(self._target, state(), now)
        if stopped:
            raise KeyboardInterrupt

    def _read(self, form: Form) -> State | None:
        if self._target is None:
            return None
        try:
            found = read_walkers(self._target, self._identity, form)
        except StoreError as error:
            warnings.warn(f"{error}; the walkers start again from t = 0", CaseWarning, stacklevel=2)
            return None
        return None if found is None else State(*found)

    def _write(self, target: Path, state: State, now: float) -> None:
        try:
            write_walkers(target, self._identity, state.numbers, state.arrays, self._room)
        except OSError as error:
            if not self._warned:
                reason = error.detail if isinstance(error, StoreError) else error.strerror
                warnings.warn(
                    f"{walkers_file(target)}: where the walkers stand cannot be written: {reason}; "
                    "they go on, but after a kill would start again from where they stood before",
                    CaseWarning,
                    stacklevel=2,
                )
            self._warned = True
        else:
            self._kept = now
        done = time.monotonic()
        self._due = done + max(INTERVAL_S, (done - now) / WRITING_SHARE)
