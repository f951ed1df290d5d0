"""What a person at a terminal sees of a run: a bar where its end is known, else the stage it is in.

A thread draws, so that the time goes on also while one long call is made: the compiler, an
eigenvalue solver, one frame. Where nothing is to be shown there is no thread.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

BAR = "{desc} {percentage:3.0f}% {bar} t = {n:.4g}/{total:.4g} [{elapsed}<{remaining}]"
COUNT = "{desc} {bar} {n} iterations [{elapsed}] {postfix}"
# How often the thread draws, and how long a stage takes before it is worth a line.
TICK_S = 0.25
PATIENCE_S = 0.5


def say(sentence: str) -> None:
    """A line on stderr, above the bars that are there."""
    tqdm.write(sentence, file=sys.stderr)


@dataclass
class Progress:
    """Bars and stages of one run.

    Parameters
    ----------
    name : str
        Stands before every line.
    shown : bool
    compiling : callable
        Seconds for which the compiler has been at work without a pause, and the kernels that it
        has made so far.
    """

    name: str = ""
    shown: bool = False
    compiling: Callable[[], tuple[float, int]] = lambda: (0.0, 0)
    _bars: list[tqdm[Any]] = field(default_factory=list, init=False)
    _stages: list[tuple[str, float]] = field(default_factory=list, init=False)
    _line: tqdm[Any] | None = field(default=None, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Draw until the end of the block."""
        if not self.shown:
            yield
            return
        ended = threading.Event()

        def drawing() -> None:
            while not ended.wait(TICK_S):
                self._draw()

        thread = threading.Thread(target=drawing, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._erase()

    @contextmanager
    def stage(self, words: str) -> Iterator[None]:
        """Show these words and their time, where they take long and no bar says more."""
        entry = (words, time.monotonic())
        self._stages.append(entry)
        try:
            yield
        finally:
            self._stages.remove(entry)
            self._erase()

    @contextmanager
    def bar(
        self, words: str, total: float | None, initial: float = 0.0, layout: str = BAR
    ) -> Iterator[tqdm[Any]]:
        """A bar; with ``update`` and the like of tqdm."""
        self._erase()
        head = f"{self.name} {words}".strip()
        shown = tqdm(
            total=total, initial=initial, desc=head, disable=not self.shown, bar_format=layout
        )
        self._bars.append(shown)
        try:
            yield shown
        finally:
            with self._lock:
                self._bars.remove(shown)
                shown.desc = head
                shown.close()

    def _draw(self) -> None:
        """The last bar again, or the line of the stage."""
        if not self.shown:
            return
        with self._lock:
            busy, made = self.compiling()
            aside = "compiling kernels, once" + (f": {made} done" if made else "")
            aside = f" ({aside})" if busy > PATIENCE_S else ""
            if self._bars:
                shown = self._bars[-1]
                head = shown.desc.partition(" (compiling")[0]
                shown.set_description_str(head + aside, refresh=False)
                shown.refresh()
                return
            if not self._stages:
                return
            words, begun = self._stages[-1]
            spent = time.monotonic() - begun
            if spent <= PATIENCE_S:
                return
            text = f"{self.name}: {words}{aside} [{tqdm.format_interval(spent)}]"
            if self._line is None:
                self._line = tqdm(total=1, desc=text, bar_format="{desc}", leave=False)
            self._line.set_description_str(text, refresh=False)
            self._line.refresh()

    def _erase(self) -> None:
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None


def advanced(bar: tqdm[Any]) -> Callable[[float], None]:
    """What moves a bar to the time reached; never back, where a step is tried again."""

    def moved(reached: float) -> None:
        if reached > bar.n:
            bar.update(reached - bar.n)

    return moved
