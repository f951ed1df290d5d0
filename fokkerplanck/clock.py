"""Wall time of a run by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

from .compiling import taking_turns


class Clock:
    """Wall time by stage; compilation of kernels is taken out of the stage it happens in."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {"compile": 0.0}
        self.listener = event.TimingListener()

    @contextmanager
    def compiling(self) -> Iterator[None]:
        with event.install_listener("numba:compiler_lock", self.listener), taking_turns():
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
