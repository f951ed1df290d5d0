"""A limit of time that interrupts, and children that are killed where nothing interrupts."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

# Generous: the machine may be busy with other tests.
SECONDS = 20

# Reads names of result files, one a line, and answers each with what the command line makes of it.
_CHILD = """
import contextlib, io, json, sys, traceback
from fokkerplanck.cli.main import main
for line in sys.stdin:
    stderr, trace = io.StringIO(), ""
    with contextlib.redirect_stderr(stderr), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = main(["plot", line.rstrip("\\n"), "--figures", "none-of-this-name"])
        except BaseException:
            status, trace = -1, traceback.format_exc()
    print(json.dumps([status, stderr.getvalue(), trace]), flush=True)
"""


class Hung(BaseException):
    """Not an Exception: nothing that is tested may catch it."""


@contextmanager
def time_limit(seconds: float = SECONDS) -> Iterator[None]:
    """Raise :class:`Hung` inside the block after so many seconds."""

    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise Hung(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


class Reader:
    """A child that opens result files one after the other; a crash or a hang is an answer too."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[str] | None = None

    def __call__(self, path: Path, seconds: float = 3 * SECONDS) -> tuple[int, str, str]:
        """Status, stderr and traceback of ``fokkerplanck plot``; -1 where it came to no status."""
        if self.child is None:
            self.child = subprocess.Popen(
                [sys.executable, "-c", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        self.child.stdin.write(f"{path}\n")
        self.child.stdin.flush()
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        answer: Any = self.child.stdout.readline() if ready else None
        if answer:
            status, stderr, trace = json.loads(answer)
            return status, stderr, trace
        self.close()
        return -1, "", "the child crashed" if ready else "the child hung"

    def close(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None
