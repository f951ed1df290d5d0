"""Wall time of a run by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from numba.core import event

from .compiling import taking_turns
from .progress import Progress

# What is shown of a stage that takes long.
WORDS = {
    "check": "looking at the case",
    "study": "solving on a ladder of grids",
    "assemble": "assembling",
    "write": "measuring and writing",
    "analyse": "analysing the state at rest",
    "smooth": "local entropies",
    "modes": "modes of the generator",
    "passage": "first passage",
    "validate": "comparing density and walkers",
    "discrete": "transfer operator of SGD",
}
# To find a kernel in the cache takes less than this.
LOADED_S = 0.1


class Compiler(event.Listener):
    """How long numba's compiler has worked, since when it does, and how many kernels it made."""

    def __init__(self) -> None:
        self.spent, self.made, self._depth, self._since = 0.0, 0, 0, 0.0

    def on_start(self, event: event.Event) -> None:
        if self._depth == 0:
            self._since = time.perf_counter()
        self._depth += 1

    def on_end(self, event: event.Event) -> None:
        # 0 where another thread was compiling already when the listening began.
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0 and self._since:
            lasted = time.perf_counter() - self._since
            self.spent += lasted
            self.made += lasted > LOADED_S
            self._since = 0.0

    def busy(self) -> tuple[float, int]:
        """Seconds since it began, 0 where it rests, and the kernels made."""
        since = time.perf_counter() - self._since if self._depth else 0.0
        return since, self.made


class Clock:
    """Wall time by stage; compilation of kernels is taken out of the stage it happens in.

    Parameters
    ----------
    name : str
        Of the case, for what is shown.
    shown : bool
        Whether stages and bars are shown on stderr.
    """

    def __init__(self, name: str = "", shown: bool = False) -> None:
        self.stages: dict[str, float] = {"compile": 0.0}
        self.listener = Compiler()
        self.progress = Progress(name, shown, self.listener.busy)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        with (
            event.install_listener("numba:compiler_lock", self.listener),
            taking_turns(),
            self.progress.watching(),
        ):
            yield

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        compiled, start = self.listener.spent, time.perf_counter()
        try:
            with self.progress.stage(WORDS.get(stage, stage)):
                yield
        finally:
            compiled = self.listener.spent - compiled
            spent = time.perf_counter() - start - compiled
            self.stages[stage] = self.stages.get(stage, 0.0) + spent
            self.stages["compile"] += compiled

    def seconds(self) -> dict[str, float]:
        """Seconds by stage so far."""
        return {stage: round(spent, 6) for stage, spent in self.stages.items()}
