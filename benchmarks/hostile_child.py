"""A process that tries hostile things one after the other, and the one that looks after it.

What kills the process, hangs it or fills its memory costs one process and is an answer too. The
child reads tasks from its standard input, one JSON object a line, and answers each with one.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from select import select
from typing import Any

from fokkerplanck.errors import CaseWarning
from fokkerplanck.runtime.machine import peak_memory

from .machine import ROOT, cores

# A task that takes longer hangs. The second time its kernels are compiled.
PATIENCE_S = 60.0
TRIES = 2
# A task that wants more than this above what the process has is a failure.
MOST_BYTES = 2 * 2**30
# numba and HDF5 map memory that they do not use.
MAPPED_BYTES = 2 * MOST_BYTES
# Words by which libraries say that they asked for too much: nothing that is tried here needs it.
MEMORY_WORDS = ("not enough memory", "unable to allocate", "can't allocate", "cannot allocate")

RESULT, SENTENCE, FAILURE = "results", "sentences", "failures"


@dataclass(frozen=True)
class Outcome:
    """What came of one task: ``kind`` is a result, a sentence or a failure, ``what`` its name."""

    kind: str
    what: str
    text: str = ""


def failure(what: str, text: str) -> Outcome:
    """A failure: traceback, abort, hang, memory, warning or wrong."""
    return Outcome(FAILURE, what, text)


def leaks(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Warnings that are not for users, with their places."""
    return [
        f"{one.message} in {Path(one.filename).name}:{one.lineno}"
        for one in caught
        if not issubclass(one.category, CaseWarning)
    ]


def too_much(text: str) -> bool:
    """Whether a sentence tells of memory that was asked for and not there."""
    return any(word in text.lower() for word in MEMORY_WORDS)


class Child:
    """A process for tasks of one module; started again after each death."""

    def __init__(self, module: str, folder: Path):
        self.module, self.folder = module, folder
        self.process: subprocess.Popen[str] | None = None
        self.trace = folder / f"hang-{threading.get_ident()}.txt"

    def __call__(self, task: Any) -> Outcome:
        """The outcome of a task, tried again where it hangs."""
        for _ in range(TRIES):
            outcome = self._try(task)
            if outcome.what != "hang":
                break
        return outcome

    def _try(self, task: Any) -> Outcome:
        if self.process is None:
            self.process = self._start()
        process = self.process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(task) + "\n")
        process.stdin.flush()
        ready, _, _ = select([process.stdout], [], [], PATIENCE_S)
        answer = process.stdout.readline() if ready else ""
        if answer:
            return Outcome(**json.loads(answer))
        self.close()
        if not ready:
            place = self.trace.read_text() if self.trace.exists() else ""
            return failure("hang", _innermost(place))
        return failure("abort", f"the process ended with {process.returncode}")

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hostile_child", self.module, str(self.trace)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self.folder,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1", "MPLBACKEND": "Agg"},
        )
        assert process.stdout is not None
        # What it takes to import everything is no part of the first task.
        process.stdout.readline()
        return process

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def _innermost(text: str) -> str:
    """Where in the package a process was, by the dump of its stacks."""
    lines = [line.strip() for line in text.splitlines() if "fokkerplanck" in line]
    return lines[0] if lines else "nobody knows where"


def tried(module: str, tasks: Sequence[Any], folder: Path) -> list[Outcome]:
    """Outcomes of all tasks, by one process for each core.

    Parameters
    ----------
    module : str
        That has ``attempt(task)``, which returns an :class:`Outcome`.
    tasks : sequence
        What JSON can hold.
    folder : Path
        The working folder of the processes.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(tasks)):
        waiting.put(number)
    outcomes: list[Outcome | None] = [None] * len(tasks)

    def work() -> None:
        child = Child(module, folder)
        for number in _numbers(waiting):
            outcomes[number] = outcome = child(tasks[number])
            if outcome.kind == FAILURE:
                print(f"  {tasks[number]}: {outcome.what}: {outcome.text}", file=sys.stderr)
            done = sum(one is not None for one in outcomes)
            print(f"  {done} of {len(tasks)}", end="\r", file=sys.stderr, flush=True)
        child.close()

    workers = [threading.Thread(target=work) for _ in range(cores())]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [failure("abort", "nothing came back") if one is None else one for one in outcomes]


def _numbers(waiting: queue.SimpleQueue[int]) -> Iterator[int]:
    while True:
        try:
            yield waiting.get_nowait()
        except queue.Empty:
            return


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many of each kind, and of each kind of failure."""
    found = Counter(one.kind for one in outcomes)
    failed = Counter(one.what for one in outcomes if one.kind == FAILURE)
    return {**found, **failed}


def _serve(module: str, trace: str) -> None:
    """In a child: answer tasks until there are no more."""
    attempt = importlib.import_module(f"benchmarks.{module}").attempt
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MAPPED_BYTES, resource.RLIM_INFINITY))
    with open(trace, "w+") as stacks:
        answers.write("ready\n")
        answers.flush()
        for line in sys.stdin:
            stacks.truncate(0)
            stacks.seek(0)
            faulthandler.dump_traceback_later(PATIENCE_S - 2.0, file=stacks)
            outcome = _watched(attempt, json.loads(line))
            faulthandler.cancel_dump_traceback_later()
            answers.write(json.dumps(asdict(outcome)) + "\n")
            answers.flush()


def _watched(attempt: Any, task: Any) -> Outcome:
    before, began = _peak_from_now(), time.monotonic()
    try:
        outcome: Outcome = attempt(task)
    except MemoryError:
        return failure("memory", _last_line(traceback.format_exc()))
    except BaseException:
        return failure("traceback", _last_line(traceback.format_exc()))
    more = (peak_memory() or 0) - before
    if more > MOST_BYTES or too_much(outcome.text):
        return failure("memory", f"{more / 2**30:.1f} GiB, {outcome.text}")
    seconds = time.monotonic() - began
    return outcome if seconds < PATIENCE_S else failure("hang", f"{seconds:.0f} s")


def _peak_from_now() -> int:
    """Forget the peak of the memory so far; returns the memory in use."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory() or 0


def _last_line(text: str) -> str:
    """An exception with the innermost place in the package."""
    lines = text.strip().splitlines()
    places = [line.strip() for line in lines if "/fokkerplanck/" in line]
    place = places[-1].replace(str(ROOT), "") if places else ""
    return f"{lines[-1][:300]} {place}"


if __name__ == "__main__":
    _serve(*sys.argv[1:])
