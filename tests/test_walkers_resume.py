"""Walkers that go on from where an interrupted run left them, to the last bit."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numba
import numpy as np
import pytest
import walker_bits
from measures import compiled_only
from walker_bits import moved, of_data, quadratic

from fokkerplanck import load_case, open_result, run
from fokkerplanck.case import Case
from fokkerplanck.errors import CaseWarning, StoreError
from fokkerplanck.io import read_walkers, walkers_file, write_walkers
from fokkerplanck.io.result import Result
from fokkerplanck.io.storage import parts
from fokkerplanck.io.storage import walkers as files
from fokkerplanck.io.storage.parts import FRESH, Folder
from fokkerplanck.particles import EnsembleFrames, Form, Gaussian, State, ensemble, walkers
from fokkerplanck.pipeline import ensemble_checkpoint as checkpoints
from fokkerplanck.pipeline.recorder import Recorder

pytestmark = compiled_only

ROOT = Path(__file__).resolve().parents[1]


class Kept:
    """Writes every state that is offered to a file of its own, and goes on from one of them."""

    def __init__(self, folder: Path, begin: int | None = None):
        self.folder, self.begin = folder, begin
        self.identity, self.states = "", 0

    def last(self, identity: str, form: Form) -> State | None:
        self.identity = identity
        if self.begin is None:
            return None
        found = read_walkers(self.folder / str(self.begin), identity, form)
        assert found is not None
        return State(*found)

    def offer(self, state: Callable[[], State]) -> None:
        if self.begin is None:
            now = state()
            path = self.folder / str(self.states)
            write_walkers(path, self.identity, now.numbers, now.arrays, 0)
        self.states += 1


def halves(begin: float, end: float) -> list[tuple[float, float, float, float]]:
    """Drift and noise of a schedule that falls, as it is under a control of the learning rate."""
    middle = 0.5 * (begin + end)
    return [(begin, middle, 0.5, 0.25), (middle, end, 0.25, 0.0625)]


def uneven(keeper: Kept) -> EnsembleFrames:
    """Steps of other lengths in each interval, for the method that keeps its noise."""
    problem = quadratic()
    return ensemble(
        problem, problem.grid(8), Gaussian(np.array([0.3, 0.3]), 0.1 * np.eye(2)),
        [0.0, 0.2, 0.35, 0.6], method="leimkuhler-matthews", step=0.1, particles=600, keeper=keeper,
    )  # fmt: skip


WALKS: dict[str, Callable[[Kept], EnsembleFrames]] = {
    "uneven steps that keep their noise": uneven,
    "weak-2 under a control": lambda keeper: moved(
        quadratic(), "weak-2", pieces=halves, keeper=keeper
    ),
    "sgd under a control": lambda keeper: moved(of_data(), "sgd", pieces=halves, keeper=keeper),
    "sgd, open sides": lambda keeper: moved(of_data(), "sgd", open_sides=True, keeper=keeper),
}
# The drift of "varying Sigma" depends on time.
MORE = ("sgd with momentum", "langevin, varying Sigma")
NAMES = (*walker_bits.COMPILED_ELSEWHERE, *MORE, *WALKS)


def walked(name: str, keeper: Kept, patch: pytest.MonkeyPatch) -> EnsembleFrames:
    if name in WALKS:
        return WALKS[name](keeper)
    with patch.context() as context:
        context.setattr(walker_bits, "ensemble", partial(ensemble, keeper=keeper))
        return walker_bits.RUNS[name]()


def differing(one: Any, other: Any) -> list[str]:
    """Fields that two records do not have in common, to the last bit."""
    found = []
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        equal = type(a) is type(b) and np.array_equal(a, b, equal_nan=isinstance(a, np.ndarray))
        if not equal or np.shape(a) != np.shape(b):
            found.append(field.name)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_walkers_go_on_between_any_two_calls(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From every state, by another number of threads; a call is one step of all walkers."""
    monkeypatch.setattr(walkers, "CALL_WORK", 600)
    kept, threads = Kept(tmp_path), numba.get_num_threads()
    whole = walked(name, kept, monkeypatch)
    # Of an epoch, of the legs under a control, and of single steps.
    assert kept.states >= 4
    try:
        for number in range(kept.states):
            numba.set_num_threads(1 + number % min(2, threads))
            again = Kept(tmp_path, begin=number)
            assert differing(walked(name, again, monkeypatch), whole) == []
            # Nothing was walked twice.
            assert again.states == kept.states - 1 - number
    finally:
        numba.set_num_threads(threads)


def test_calls_of_a_kernel_follow_on_each_other_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a drift that depends on time, wherever the steps are cut into calls."""
    name = "langevin, varying Sigma"
    whole = walked(name, Kept(tmp_path), monkeypatch)
    monkeypatch.setattr(walkers, "CALL_WORK", 600)
    parts = walked(name, Kept(tmp_path), monkeypatch)
    assert np.array_equal(parts.counts, whole.counts)
    assert np.allclose(parts.mean, whole.mean, rtol=0.0, atol=1e-13)
    assert not np.array_equal(whole.mean[0], whole.mean[-1])


class Asked(Exception):
    """Walkers are about to be looked for, by the identity that this holds."""


class Asks:
    """Lets nobody walk."""

    def last(self, identity: str, form: Form) -> State | None:
        raise Asked(identity)


def identity(change: dict[str, Any]) -> str:
    settings = {"method": "langevin", **change}
    problem = settings.pop("problem", quadratic())
    with pytest.raises(Asked) as asked:
        moved(problem, settings.pop("method"), keeper=Asks(), **settings)
    return str(asked.value)


def test_other_walkers_have_another_identity() -> None:
    own = identity({})
    assert own == identity({})
    changes: list[dict[str, Any]] = [
        {"seed": 90318}, {"particles": 601}, {"trajectories": 8}, {"method": "weak-2"},
        {"open_sides": True}, {"pieces": halves},
        {"problem": quadratic(drift=["0", "1e-9*x"])},
        {"problem": quadratic(domain={"x": walker_bits.WIDE, "y": (-3.0, 3.0000001)})},
    ]  # fmt: skip
    found = {own, *(identity(change) for change in changes)}
    assert len(found) == 1 + len(changes)


CASE = """
[loss]
formula = "0.5*(x**2 + 2*y**2)"
[noise]
sigma = 1
beta = 2.0
[domain]
x = { range = [-4, 4], cells = 24 }
y = { range = [-4, 4], cells = 24 }
[initial]
kind = "gaussian"
mean = [1.0, -0.8]
std = 0.4
[density]
end = 1.0
frames = 5
scheme = "scharfetter-gummel"
[ensemble]
particles = 3000
seed = 90317
trajectories = 3
method = "langevin"
step = 0.05
[validation]
budget = false
"""
# Offers of a whole run of this case, a call for every interval: 4 calls, 5 frames.
OFFERS = 9


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "case.toml"
    path.write_text(CASE)
    return load_case(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "case.h5"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state is kept."""
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 0.0)
    monkeypatch.setattr(checkpoints, "LEAST_S", 0.0)
    monkeypatch.setattr(checkpoints, "WRITING_SHARE", 1e9)


def stop_at(patch: pytest.MonkeyPatch, number: int) -> Callable[[], bool]:
    """Tells the run to stop at an offer, as a signal would."""
    real, count = checkpoints.EnsembleCheckpoint.offer, []

    def offer(self: checkpoints.EnsembleCheckpoint, state: Callable[[], State]) -> None:
        count.append(1)
        real(self, state)

    patch.setattr(checkpoints.EnsembleCheckpoint, "offer", offer)
    return lambda: len(count) >= number


def interrupted(case: Case, path: Path, patch: pytest.MonkeyPatch, number: int) -> None:
    with patch.context() as context, pytest.raises(KeyboardInterrupt):
        run(case, path, stopped=stop_at(context, number))


def same_file(path: Path, other: Path) -> list[str]:
    """Names of datasets that differ."""
    found, seen = [], []

    def compare(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind != "O":
            seen.append(name)
            if name not in ours or ours[name][()].tobytes() != item[()].tobytes():
                found.append(name)

    with h5py.File(path) as ours, h5py.File(other) as theirs:
        theirs.visititems(compare)
    assert {"density", "ensemble/counts", "ensemble/trajectories"} <= set(seen)
    return found


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Times at which walkers began."""
    found: list[float] = []
    real = checkpoints.EnsembleCheckpoint.last

    def last(self: checkpoints.EnsembleCheckpoint, identity: str, form: Form) -> State | None:
        state = real(self, identity, form)
        found.append(self.begun)
        return state

    monkeypatch.setattr(checkpoints.EnsembleCheckpoint, "last", last)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "case.toml").write_text(CASE)
    run(load_case(folder / "case.toml"), folder / "whole.h5")
    return folder / "whole.h5"


def leave(path: Path) -> None:
    """A state of walkers that nothing is known of."""
    walkers_file(path).parent.mkdir(parents=True, exist_ok=True)
    walkers_file(path).write_bytes(b"left")


def beside(path: Path) -> list[str]:
    """Names of all that is there."""
    return [file.name for file in sorted(path.parent.rglob("*"))]


def finish(case: Case, path: Path, whole: Path) -> Result:
    """Resume; the result is as if nothing had happened, and alone in its folder."""
    result = run(case, path, resume=True)
    assert same_file(path, whole) == []
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    return result


@pytest.mark.parametrize("number", range(1, OFFERS + 1))
def test_an_interrupted_run_goes_on_where_its_walkers_stood(
    number: int,
    case: Case,
    path: Path,
    whole: Path,
    begun: list[float],
    at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupted(case, path, monkeypatch, number)
    assert open_result(path).status == "interrupted"
    assert beside(path) == ["case.h5", "case.h5.part", "walkers.npz"]
    finish(case, path, whole)
    # A call and a frame after each other; the times of whole intervals.
    assert begun[1] == 0.25 * ((number - 1) // 2)


def test_nothing_is_written_for_few_walkers(
    case: Case, path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither on the way nor at an interrupt; they start again."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_at", lambda *arguments: 1 / 0)
        interrupted(case, path, patch, 6)
    assert not walkers_file(path).exists()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        finish(case, path, whole)


def writing_takes(seconds: float, patch: pytest.MonkeyPatch) -> tuple[list[float], list[float]]:
    """A clock that stands still but for that, and the times at which walkers were written."""
    now, kept = [0.0], []

    def write(*arguments: object) -> None:
        kept.append(now[0])
        now[0] += seconds

    patch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    patch.setattr(checkpoints, "write_walkers", write)
    return now, kept


def test_walkers_are_kept_at_intervals_and_at_an_interrupt(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, kept = writing_takes(0.1, monkeypatch)
    stopped: list[bool] = []
    keeper = checkpoints.EnsembleCheckpoint(
        case, tmp_path / "a.h5", "source", lambda: bool(stopped)
    )
    assert keeper.last("a" * 64, lambda numbers: {}) is None
    state = State({}, {})
    for second in range(80):
        now[0] = max(now[0], float(second))
        keeper.offer(lambda: state)
    # The second after the first has taken 0.1 s; that may be every 5 s only, and 20 s is longer.
    assert kept == [20.0, 41.0, 62.0]
    stopped.append(True)
    with pytest.raises(KeyboardInterrupt):
        keeper.offer(lambda: state)
    assert kept[3:] == [79.0]
    now[0] = 79.9
    with pytest.raises(KeyboardInterrupt):
        keeper.offer(lambda: state)
    assert len(kept) == 4


def test_a_slow_disk_is_written_to_less_often(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, kept = writing_takes(2.0, monkeypatch)
    keeper = checkpoints.EnsembleCheckpoint(case, tmp_path / "a.h5", "source", lambda: False)
    keeper.last("a" * 64, lambda numbers: {})
    for second in range(200):
        now[0] = max(now[0], float(second))
        keeper.offer(lambda: State({}, {}))
    assert kept == [20.0, 122.0]


def test_an_ensemble_that_is_in_the_file_is_not_walked_again(
    case: Case, path: Path, whole: Path, begun: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between the last write of the ensemble and the removal of its states included."""
    real = Recorder.take

    def signalled(self: Recorder, analysis: str, record: object) -> None:
        self.stopped = lambda: analysis == "ensemble"
        real(self, analysis, record)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "take", signalled)
        with pytest.raises(KeyboardInterrupt):
            run(case, path)
    assert open_result(path).status == "interrupted"
    leave(path)
    assert len(begun) == 1
    result = finish(case, path, whole)
    assert len(begun) == 1
    assert result.validation is not None
    assert result.notes == open_result(whole).notes


def test_walkers_are_kept_until_their_ensemble_is_on_the_disk(
    case: Case, path: Path, whole: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Folder.put

    def lost(self: Folder, name: str, data: bytes, wait: bool = True) -> None:
        if name == "ensemble.h5":
            assert wait
            raise OSError(errno.EIO, "the disk does not take it")
        real(self, name, data, wait)

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "put", lost)
        with pytest.raises(StoreError, match="does not take it"):
            run(case, path)
    assert walkers_file(path).exists()
    finish(case, path, whole)


def cut(data: bytes) -> Iterator[tuple[str, bytes]]:
    for length in (0, 10, 79, 81, 500, len(data) // 2, len(data) - 1):
        yield f"{length} bytes", data[:length]


def torn(data: bytes) -> Iterator[tuple[str, bytes]]:
    for place in (0, 10, 20, 76, 90, 300, len(data) // 3, len(data) - 40, len(data) - 8):
        yield f"byte {place}", data[:place] + bytes([data[place] ^ 64]) + data[place + 1 :]
    yield "noise", np.random.default_rng(40961).bytes(len(data))
    yield "longer", data + b"\0"


def test_a_damaged_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    """Whatever is cut off or changed."""
    arrays = {"x": np.linspace(0.0, 1.0, 300), "none": np.zeros((0, 4)), "n": np.arange(70)}

    def form(numbers: Any) -> Any:
        return {name: (values.shape, values.dtype) for name, values in arrays.items()}

    write_walkers(tmp_path / "a", "a" * 64, {"time": 0.1}, arrays, 0)
    file = walkers_file(tmp_path / "a")
    data = file.read_bytes()
    found = read_walkers(tmp_path / "a", "a" * 64, form)
    assert found is not None
    assert found[0] == {"time": 0.1}
    assert all(np.array_equal(found[1][name], values) for name, values in arrays.items())
    unseen = []
    for name, changed in (*cut(data), *torn(data)):
        file.write_bytes(changed)
        told = ""
        try:
            found = read_walkers(tmp_path / "a", "a" * 64, form)
        except StoreError as error:
            told = str(error)
        if told:
            assert re.search(r"a\.part/walkers\.npz: (this file is damaged: |these)", told)
            assert "\n" not in told, name
            continue
        unseen.append(name)
        assert found is not None
        assert all(np.array_equal(found[1][name], values) for name, values in arrays.items())
    # Heads of members stand twice in an archive, and the one read is that at its end; there a time
    # stands, too. What follows the end does not belong to it.
    assert unseen[:2] == ["byte 10", "byte 20"]
    assert unseen[-1] == "longer"
    assert len(unseen) <= 4
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreError, match="a file is needed"):
        read_walkers(tmp_path / "a", "a" * 64, form)


@pytest.mark.parametrize("keep", [0, 400])
def test_a_damaged_file_costs_the_walkers_and_no_more(
    keep: int, case: Case, path: Path, whole: Path, begun: list[float], at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    interrupted(case, path, monkeypatch, 6)
    os.truncate(walkers_file(path), keep)
    with pytest.warns(CaseWarning, match="start again from t = 0") as told:
        finish(case, path, whole)
    own = [str(one.message) for one in told if "walkers" in str(one.message)]
    assert len(own) == 1
    assert own[0].startswith(f"{walkers_file(path)}: this file is damaged")
    assert begun == [0.0, 0.0]


def test_walkers_of_another_case_or_version_are_not_gone_on_from(
    case: Case, path: Path, tmp_path: Path, whole: Path, begun: list[float], at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    other = load_case(tmp_path / "case.toml", {"ensemble.step": 0.1})
    interrupted(other, tmp_path / "other.h5", monkeypatch, 6)
    interrupted(case, path, monkeypatch, 6)
    own = walkers_file(path).read_bytes()
    walkers_file(tmp_path / "other.h5").rename(walkers_file(path))
    with pytest.warns(CaseWarning, match="of another case, version"):
        finish(case, path, whole)
    assert begun[2:] == [0.0]
    # The versions belong to what walkers are known by.
    path.unlink()
    known: list[tuple[str, str]] = []
    real = checkpoints.identity_of
    monkeypatch.setattr(checkpoints, "identity_of", lambda *two: known.append(two) or real(*two))
    interrupted(case, path, monkeypatch, 6)
    assert walkers_file(path).read_bytes() == own
    [(source, identity)] = known
    for version, words in (
        (source, "its arrays are not"),
        ("fokkerplanck 9.9", "another case, version"),
    ):
        keeper = checkpoints.EnsembleCheckpoint(case, path, version, lambda: False)
        with pytest.warns(CaseWarning, match=words):
            assert keeper.last(identity, lambda numbers: {}) is None


def test_stale_walkers_go_with_their_result(
    case: Case, path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = walkers_file(path)
    interrupted(case, path, monkeypatch, 6)
    # Killed while it was written.
    file.with_name(file.name + FRESH).write_bytes(b"half")
    monkeypatch.setattr(checkpoints, "INTERVAL_S", 1e9)
    with monkeypatch.context() as patch:
        # An end that no analysis is forgiven for.
        patch.setattr(checkpoints.EnsembleCheckpoint, "last", lambda *arguments: {}["killed"])
        with pytest.raises(KeyError):
            run(case, path, overwrite=True)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    # The same where the result was removed by hand, and beside a result that is complete.
    path.unlink()
    leave(path)
    run(case, path)
    assert not file.exists()
    leave(path)
    run(case, path, resume=True)
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    leave(path)
    open_result(path).save(path, overwrite=True)
    assert not file.exists()


def test_a_refused_run_keeps_the_walkers(
    case: Case, path: Path, tmp_path: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(case, path, monkeypatch, 6)
    before = walkers_file(path).read_bytes()
    other = load_case(tmp_path / "case.toml", {"ensemble.step": 0.1})
    for options in ({}, {"resume": True}):
        with pytest.raises(StoreError):
            run(other, path, **options)
    assert walkers_file(path).read_bytes() == before
    assert open_result(path).status == "interrupted"


def test_a_full_disk_does_not_end_the_walkers(
    case: Case, path: Path, whole: Path, begun: list[float], at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real, count = files.write_at, []

    def full(*arguments: Any) -> None:
        count.append(1)
        if len(count) > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_at", full)
        with pytest.warns(CaseWarning, match="No space left on device; they go on") as told:
            interrupted(case, path, patch, 8)
    assert len([one for one in told if "they go on" in str(one.message)]) == 1
    assert len(count) > 6
    # The last one that the disk took.
    assert beside(path) == ["case.h5", "case.h5.part", "walkers.npz"]
    finish(case, path, whole)
    assert 0.0 < begun[1] < 0.75


def test_room_for_the_result_is_left(
    case: Case, path: Path, whole: Path, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = files.require_space
    asked: list[int] = []

    def nearly_full(file: Path, size: int, what: str) -> None:
        asked.append(size)
        real(file, size + 2**60, what)

    with monkeypatch.context() as patch:
        patch.setattr(files, "require_space", nearly_full)
        with pytest.warns(CaseWarning, match="the disk is full: where the walkers stand takes"):
            run(case, path)
    assert not walkers_file(path).exists()
    places, counts = 6 * 2 * 512 * 8, 2 * 8 * 24 * 24 * 5
    assert min(asked) > places + counts
    assert same_file(path, whole) == []


def test_walkers_on_other_processes_start_again_to_the_same_bits(
    case: Case, path: Path, whole: Path, begun: list[float], at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    interrupted(case, path, monkeypatch, 6)
    with ThreadPoolExecutor(1) as executor:
        run(case, path, resume=True, client=executor)
    assert len(begun) == 1
    assert same_file(path, whole) == []
    assert not walkers_file(path).exists()


@pytest.mark.parametrize(
    "change",
    [
        {"number": 99},
        {"number": -1},
        {"done": 0.5},
        {"time": float("nan")},
        {"noise_offset": 0},
        {"more": 1},
    ],
)
def test_numbers_that_cannot_be_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    """By hand, with a checksum that fits."""
    keeper = Kept(tmp_path)
    moved(quadratic(), "langevin", keeper=keeper)

    class Doctored(Kept):
        def last(self, identity: str, form: Form) -> State | None:
            self.begin = 2
            state = read_walkers(tmp_path / "2", identity, form)
            assert state is not None
            numbers, arrays = state
            write_walkers(tmp_path / "2", identity, numbers | change, arrays, 0)
            return super().last(identity, form)

    with pytest.raises(StoreError, match="this file is damaged: its numbers"):
        moved(quadratic(), "langevin", keeper=Doctored(tmp_path))


def test_arrays_of_another_size_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"x": np.zeros((4, 2))}
    write_walkers(tmp_path / "a", "a" * 64, {"n": 1}, arrays, 0)
    found = read_walkers(tmp_path / "a", "a" * 64, lambda numbers: {"x": ((4, 2), np.dtype(float))})
    assert found is not None
    assert found[0] == {"n": 1}
    monkeypatch.setattr(parts.np, "frombuffer", lambda *arguments: 1 / 0)
    for shape, kind in (((2, 4), float), ((4, 2), np.int64)):
        with pytest.raises(StoreError, match="its arrays are not those"):
            read_walkers(tmp_path / "a", "a" * 64, lambda numbers: {"x": (shape, np.dtype(kind))})  # noqa: B023
    assert read_walkers(tmp_path / "b", "a" * 64, lambda numbers: {}) is None


KILLS = """
import json, sys
from pathlib import Path
from benchmarks.kills import Part, measure
from fokkerplanck.pipeline import ensemble_checkpoint as checkpoints
checkpoints.INTERVAL_S, checkpoints.LEAST_S, checkpoints.WRITING_SHARE = 0.0, 0.0, 1e9
begun, last = Path(sys.argv[1]) / "begun", checkpoints.EnsembleCheckpoint.last
def told(self, identity, form):
    state = last(self, identity, form)
    if state is not None:
        with begun.open("a") as file:
            file.write("once more\\n")
    return state
checkpoints.EnsembleCheckpoint.last = told
small = ("domain.x.cells=24", "domain.y.cells=24", "density.frames=16", "ensemble.particles=3000",
         "validation.budget=false")
tally, span = measure(Part("ensemble", "quadratic", small), 6, Path(sys.argv[1]), timed=False)
more = begun.read_text().splitlines() if begun.exists() else []
print(json.dumps({**vars(tally), "calls": span.calls, "begun": len(more)}))
"""


def test_a_run_killed_while_it_keeps_its_walkers_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLS, tmp_path],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tally = json.loads(done.stdout)
    assert tally["kills"] == tally["in_write"] == 6
    # Most of them write walkers.
    assert tally["calls"] > 100
    assert tally["ends"] >= 1
    assert tally["begun"] >= 2
    for name in ("lost_files", "lost_frames", "differing"):
        assert tally[name] == 0, tally["complaints"]
