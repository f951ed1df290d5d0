"""Runs killed without warning, 200 times: what is lost, and is the rest the same bit for bit.

A child runs a case and is killed by SIGKILL: at a random moment, or in the middle of a random call
by which it writes (half of the bytes of that call are written), the first and the last ones among
them. Then the file is read, another child goes on with ``--resume``, is killed in its turn, and
after ``LINKS`` kills one may finish. Its file must equal that of a run without kills.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np

import fokkerplanck.pipeline.run
from fokkerplanck.cli.main import main
from fokkerplanck.errors import StoreError
from fokkerplanck.io import read
from fokkerplanck.pipeline import ensemble_checkpoint
from fokkerplanck.pipeline.recorder import Recorder

from .report import save

SEED = 50923
KILLS = 200
# Kills of one run before it may end.
LINKS = 4
# Calls that change something on the disk.
CALLS = ("pwrite", "fdatasync", "ftruncate", "replace", "unlink", "fsync", "mkdir", "rmdir")
# What differs between two runs of one case: when they ran, and how long they took.
PASSING = {"history", "timings", "run"}
TITLE = "Kills at any moment"
COLUMNS = (
    *("part", "kills", "in a write", "before the file", "files lost", "frames lost"),
    *("h5py reads as is", "ends", "bits differ"),
)


@dataclass(frozen=True)
class Part:
    """A case in a size that takes about a second."""

    name: str
    case: str
    settings: tuple[str, ...]

    def arguments(self, folder: Path) -> list[str]:
        """Of ``fokkerplanck``."""
        options = ["--resume", "--no-figures", "--quiet", "--out", str(folder)]
        changes = [part for one in (*self.settings, "expect={}") for part in ("--set", one)]
        return ["run", self.case, *options, *changes]

    def path(self, folder: Path) -> Path:
        """Its result."""
        return folder / f"{self.case}.h5"


SQUARE = ("domain.x.cells=48", "domain.y.cells=48")
PARTS = (
    Part("density", "sharp_flat", (*SQUARE, "density.frames=41")),
    Part(
        "ensemble",
        "quadratic",
        (*SQUARE, "density.frames=5", "ensemble.particles=200_000", "validation.budget=false"),
    ),
    Part("stationary", "mueller_brown", (*SQUARE, "density.frames=5", "density.end=50")),
    Part(
        "control",
        "schedule_quadratic",
        ("domain.theta.cells=96", "density.frames=9", "control.intervals=20"),
    ),
)


@dataclass
class Tally:
    """Counts of one part."""

    kills: int = 0
    in_write: int = 0
    before_file: int = 0
    lost_files: int = 0
    lost_frames: int = 0
    plain: int = 0
    ends: int = 0
    differing: int = 0
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """How a child ended: its status (None if it was killed), frames it had written, calls.

    ``turns`` has the numbers of calls of one kind that follow each other, of each such turn.
    """

    status: int | None
    frames: int
    calls: int
    seconds: float
    turns: tuple[range, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Where the kills of a part come from, and how a run of it goes without them."""

    rng: np.random.Generator
    span: Outcome
    timed: bool


def child(arguments: list[str], after: float | None = None, at_call: int | None = None) -> Outcome:
    """Run the command line in a fork that dies after some seconds or at some call.

    The fork has the modules but none of their threads: kernels start theirs in the child.
    """
    reading, writing = os.pipe()
    begin = time.monotonic()
    process = os.fork()
    if process == 0:
        status = 70
        try:
            os.close(reading)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            _count(writing, at_call)
            status = main(arguments)
        finally:
            os._exit(status)
    os.close(writing)
    if after is not None:
        while time.monotonic() - begin < after and not _ended(process):
            time.sleep(0.0005)
        if not _ended(process):
            os.kill(process, signal.SIGKILL)
    told = b""
    while part := os.read(reading, 65536):
        told += part
    os.close(reading)
    _, code = os.waitpid(process, 0)
    frames, calls, before = 0, 0, b""
    turns: list[range] = []
    for kind, number in struct.iter_unpack("<ci", told[: len(told) // 5 * 5]):
        if kind == b"f":
            frames = number
            continue
        calls = number
        start = turns.pop().start if kind == before else number
        turns.append(range(start, number + 1))
        before = kind
    status = os.WEXITSTATUS(code) if os.WIFEXITED(code) else None
    return Outcome(status, frames, calls, time.monotonic() - begin, tuple(turns))


def _ended(process: int) -> bool:
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _count(pipe: int, at_call: int | None) -> None:
    """In a child: tell the parent of every frame and call, and die in the middle of one."""
    calls = 0

    def counted(call: Callable[..., Any], kind: bytes) -> Callable[..., Any]:
        def go(*arguments: Any, **more: Any) -> Any:
            nonlocal calls
            calls += 1
            write(pipe, struct.pack("<ci", kind, calls))
            if calls == at_call:
                if call.__name__ == "pwrite":
                    descriptor, data, offset = arguments
                    call(descriptor, data[: len(data) // 2], offset)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **more)

        return go

    write = os.write
    for number, name in enumerate(CALLS):
        setattr(os, name, counted(getattr(os, name), bytes([number])))
    take = Recorder.frame

    def frame(self: Recorder, state: Any, measured: Any) -> None:
        take(self, state, measured)
        write(pipe, struct.pack("<ci", b"f", state.frame + 1))

    Recorder.frame = frame  # type: ignore[method-assign]


def same(path: Path, whole: Path) -> list[str]:
    """Names of what two files do not have in common, to the last bit."""
    found = []
    with h5py.File(path) as ours, h5py.File(whole) as theirs:

        def compare(name: str, item: h5py.HLObject) -> None:
            if name not in ours:
                found.append(name)
                return
            other = ours[name]
            mine, yours = dict(other.attrs), dict(item.attrs)
            for key in (mine.keys() | yours.keys()) - PASSING - SCALES:
                if repr(mine.get(key)) != repr(yours.get(key)):
                    found.append(f"{name}@{key}")
            if isinstance(item, h5py.Dataset):
                a, b = other[()], item[()]
                text = item.dtype.kind == "O"
                equal = np.array_equal(a, b) if text else a.tobytes() == b.tobytes()
                if np.shape(a) != np.shape(b) or not equal:
                    found.append(name)

        compare("/", theirs)
        theirs.visititems(compare)
        extra: list[str] = []
        ours.visit(lambda name: extra.append(name) if name not in theirs else None)
    return found + extra


# References to other objects of the file.
SCALES = {"DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"}


def check_killed(part: Part, folder: Path, outcome: Outcome, known: int, tally: Tally) -> int:
    """Read what a kill left; returns the whole frames in it."""
    path = part.path(folder)
    if not path.exists():
        tally.before_file += 1
        if known or outcome.frames:
            tally.lost_files += 1
        return 0
    try:
        contents = read(path)
    except StoreError as error:
        tally.lost_files += 1
        tally.complaints.append(str(error))
        return 0
    frames = len(contents.time)
    tally.lost_frames += max(0, max(known, outcome.frames) - frames)
    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, item: None)
            density = file["density"]
            begun = len(density) > 0 or not frames
            tally.plain += int(begun and bool(np.isfinite(density[:frames]).all()))
    except (OSError, RuntimeError, KeyError):
        pass
    return frames


def chain(part: Part, root: Path, number: int, plan: Plan, budget: int, tally: Tally) -> Path:
    """Kill one run some times, let it end, compare; returns its folder."""
    known = 0
    folder, whole, span = root / str(number), part.path(root / "whole"), plan.span
    arguments = part.arguments(folder)
    for link in range(min(LINKS, budget)):
        in_write = not plan.timed or (number + link) % 2 == 1
        if in_write:
            # Most calls belong to the few times at which HDF5 writes; each such time is one turn.
            turn = span.turns[int(plan.rng.integers(len(span.turns)))]
            call = int(plan.rng.choice(turn))
            if link == 0:
                call = {0: 1, 1: span.calls}.get(tally.ends % 3, call)
            outcome = child(arguments, at_call=call)
        else:
            outcome = child(arguments, after=float(plan.rng.uniform(0.0, 1.05 * span.seconds)))
        if outcome.status is not None:
            break
        tally.in_write += in_write
        tally.kills += 1
        known = check_killed(part, folder, outcome, known, tally)
    else:
        outcome = child(arguments)
    if outcome.status != span.status:
        tally.complaints.append(f"--resume ended with status {outcome.status}")
        tally.differing += 1
        return folder
    tally.ends += 1
    differing = same(part.path(folder), whole)
    left = sorted(file.name for file in folder.iterdir() if file != part.path(folder))
    if differing or left:
        tally.differing += 1
        tally.complaints.append(f"differs in {', '.join(differing + left)}")


def measure(part: Part, kills: int, root: Path, timed: bool = True) -> tuple[Tally, Outcome]:
    """All kills of one part; without ``timed`` they all come in the middle of a call."""
    root = root / part.name
    child(part.arguments(root / "compile"))
    span = child(part.arguments(root / "whole"))
    # At this size the walkers may tell the density from theirs: that is a result as any other.
    if span.status not in (0, 1):
        raise RuntimeError(f"{part.case} ended with status {span.status}")
    plan = Plan(np.random.default_rng([SEED, *part.name.encode()]), span, timed)
    tally = Tally()
    number = 0
    while tally.kills < kills:
        number += 1
        complaints = len(tally.complaints)
        folder = chain(part, root, number, plan, kills - tally.kills, tally)
        if len(tally.complaints) == complaints:
            shutil.rmtree(folder, ignore_errors=True)
        print(f"  {part.name}: {tally.kills} kills", end="\r", file=sys.stderr, flush=True)
    return tally, span


def run(quick: bool = False) -> str:
    """Kill runs of every part; returns the table."""
    kills = (20 if quick else KILLS) // len(PARTS)
    assert fokkerplanck.pipeline.run is not None
    rows, records = [], []
    # Walkers that take a second would not be kept at all.
    often = patch.multiple(ensemble_checkpoint, INTERVAL_S=0.0, LEAST_S=0.0, WRITING_SHARE=np.inf)
    with often, tempfile.TemporaryDirectory() as folder:
        for part in PARTS:
            tally, span = measure(part, kills, Path(folder))
            killed = tally.kills - tally.before_file
            rows.append(
                [
                    part.name,
                    *map(str, (tally.kills, tally.in_write, tally.before_file)),
                    *map(str, (tally.lost_files, tally.lost_frames)),
                    f"{tally.plain} of {killed}",
                    *map(str, (tally.ends, tally.differing)),
                ]
            )
            records.append(
                {"part": part.name, "case": part.case, "seconds": span.seconds,
                 "calls": span.calls, **vars(tally)}
            )  # fmt: skip
    found = [text for record in records for text in record["complaints"]]
    notes = [
        "Every second kill comes in the middle of a call that writes, counted and drawn at random "
        "among those of a whole run (calls of one kind in a row weigh as one), in turn also the "
        "very first and the very last one; the others come at random times between the start and "
        "the end of a run.",
        f"A run is killed up to {LINKS} times in a row before it may end. Ends: runs that came to "
        "their end, all of them compared with a run without kills; every dataset and attribute but "
        "history, timings and the name of the run must be the same.",
        "Frames lost: those that the run had written, as it told through a pipe, and that were not "
        "in the file after the kill.",
        "h5py reads as is: files that opened by themselves, with their first frame where there is "
        "one; the frames that are parts beside them fokkerplanck reads too, and --resume puts them "
        "in.",
        "Where the walkers stand is written between any two calls of their kernels; elsewhere that "
        "is done every 20 s.",
        *found[:5],
    ]
    return save("kills", TITLE, COLUMNS, rows, notes, records, quick)
