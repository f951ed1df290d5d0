"""What a run and a sweep do when the system asks them to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ..runtime.interrupts import interrupt
from .status import INTERRUPTED

# How long a frame may take to its end after an interrupt, and how often it is interrupted then.
GRACE_S = 2.0
AGAIN_S = 1.0


@contextmanager
def stopped_by_signals() -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and SIGHUP end a run as properly as they can.

    The first one lets the frame that is being computed come to its end, for ``GRACE_S`` at most;
    then the run is interrupted wherever it is. A second one ends the process at once: what the
    result file holds is safe at any moment.

    Yields what tells whether a signal has come. An exception raised inside a callback of a library
    is swallowed there; so it is raised again and again, and the run asks after every frame.
    """
    caught: list[int] = []

    def first(number: int, frame: FrameType | None) -> None:
        if caught:
            os.write(2, b"fokkerplanck: aborted; --resume continues\n")
            os._exit(INTERRUPTED)
        caught.append(number)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, GRACE_S, AGAIN_S)
        else:
            interrupt()

    def late(number: int, frame: FrameType | None) -> None:
        interrupt()

    before = _caught(("SIGINT", "SIGTERM", "SIGHUP"), first)
    if hasattr(signal, "setitimer"):
        before[signal.SIGALRM] = signal.signal(signal.SIGALRM, late)
    try:
        yield lambda: bool(caught)
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        _given_back(before)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """SIGTERM and SIGHUP end a sweep as SIGINT does: as KeyboardInterrupt.

    Members that are being solved then close after their frame, and the summary is written.
    """
    before = _caught(("SIGTERM", "SIGHUP"), signal.default_int_handler)
    try:
        yield
    finally:
        _given_back(before)


def _caught(names: tuple[str, ...], handler: Callable[..., None]) -> dict[int, Any]:
    """Handle the signals of these names that this system has; returns what handled them before.

    A shell that runs the command in the background leaves SIGINT ignored, nohup SIGHUP, and both
    mean it.
    """
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return {
        number: signal.signal(number, handler)
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    }


def _given_back(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
