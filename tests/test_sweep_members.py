"""One member of a sweep: what is asked before it is solved, and how it is solved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import distributed
import h5py
import numba
import pytest
from numba.core import event

import fokkerplanck as fp
from fokkerplanck.case import memory
from fokkerplanck.errors import CaseError, CaseWarning, NumericalFailure, StoreError
from fokkerplanck.io.storage.lock import Lock
from fokkerplanck.runtime import compiling
from fokkerplanck.sweep import conduct, task
from fokkerplanck.sweep.task import (
    ABSENT,
    DAMAGED,
    DONE,
    FOREIGN,
    INPUT,
    NUMERICAL,
    OTHER,
    Outcome,
    Task,
    member_status,
    solve,
)

# So few cells are worth a caution, which is not the matter here.
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
ROOT = Path(__file__).resolve().parents[1]
CASE = """
title = "in a harmonic well"
[loss]
formula = "0.5*x**2"
[noise]
sigma = 4.0
batch_size = 2
learning_rate = 0.5
[domain]
x = { range = [-6, 6], cells = 24 }
[initial]
kind = "gaussian"
mean = [1.0]
std = 0.7
[density]
end = 1.0
frames = 3
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test works in a folder of its own, with the case in it, as a process of its own."""
    monkeypatch.chdir(tmp_path)
    Path("well.toml").write_text(CASE)
    shared: list[Any] = []
    monkeypatch.setattr(compiling, "_shared", shared)
    yield
    for turns in shared:
        os.close(turns.file)


def task_of(path: str | None = None, replace: bool = False, **overrides: Any) -> Task:
    """The member with these overrides, their keys with __ for the dot."""
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    text = Path("well.toml").read_text()
    return Task(0, Path("well.toml"), text, dotted, None if path is None else Path(path), replace)


def solved(one: Task) -> Outcome:
    """The outcome, from a thread of its own as on a worker: the number of threads is a thread's."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(solve, one).result()


def prepared(settings: dict[str, Any], **options: Any) -> conduct.Prepared:
    asked = {"folder": Path("out"), "paired": False, "overwrite": False} | options
    return conduct.prepare(asked.pop("case", "well.toml"), settings, **asked)


# Before anything is solved


def test_caution_of_all_members_is_given_once_in_every_sweep() -> None:
    settings = {"noise.batch_size": [1, 2, 4], "initial.std": [0.2, 0.3]}
    for _ in range(2):
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            prepared(settings)
        assert [one.category for one in given] == [CaseWarning, CaseWarning]
        assert ["deviation is 0.2, the cell 0.5" in str(one.message) for one in given] == [1, 0]
        assert ["deviation is 0.3, the cell 0.5" in str(one.message) for one in given] == [0, 1]


def test_filters_of_the_caller_decide_what_becomes_of_a_caution() -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", CaseWarning)
        prepared({"initial.std": [0.2, 0.3]})
        before = list(warnings.filters)
        warnings.simplefilter("error", CaseWarning)
        with pytest.raises(CaseWarning, match="narrower than a cell"):
            prepared({"initial.std": [0.2, 0.3]})
    assert given == []
    assert before[0][0] == "ignore"


def test_case_with_overrides_is_swept_with_them() -> None:
    case = fp.load_case("well.toml", {"density.end": 3.0, "noise.batch_size": 7})
    found = prepared({"noise.batch_size": [1, 2], "density.frames": 5}, case=case)
    for one, size in zip(found.tasks, (1, 2), strict=True):
        assert one.overrides == {
            **{"density.end": 3.0, "noise.batch_size": size, "density.frames": 5},
        }
        assert one.case.is_absolute()
        assert one.path == Path("out", f"batch_size={size}", "well.h5")


def test_members_need_the_same_axes() -> None:
    boxes = [{name: {"range": [-6, 6], "cells": 24}} for name in ("x", "y")]
    formulas = ["0.5*x**2", "0.5*y**2"]
    with pytest.raises(CaseError, match=r"has other axes than the first member"):
        prepared({"domain": boxes, "loss.formula": formulas}, paired=True)


def test_member_too_large_for_memory_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only the problem itself tells how much it needs."""
    monkeypatch.setattr(memory, "memory_available", lambda: 2**19)
    with pytest.raises(CaseError, match=r"member cells=10000: domain: 10000 cells .* of memory"):
        prepared({"domain.x.cells": [24, 10_000]})
    with pytest.raises(CaseError, match=r"discrete.* of memory .*\(member cells=256\)"):
        prepared({"domain.x.cells": [24, 256], "discrete.steps": 3})


@pytest.fixture(scope="module")
def finished_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "well.toml").write_text(CASE)
    fp.run(fp.load_case(folder / "well.toml", {"noise.batch_size": 2}), folder / "well.h5")
    return (folder / "well.h5").read_bytes()


def another_text(file: h5py.File) -> None:
    file.attrs["case_toml"] = CASE.replace("0.7", "0.8")


def other_versions(file: h5py.File) -> None:
    file.attrs["source"] = file.attrs["source"].replace("numpy ", "numpy 0.")


def other_settings(file: h5py.File) -> None:
    file.attrs["overrides"] = json.dumps({"noise.batch_size": 2, "density.end": 9.0})


def other_expectations(file: h5py.File) -> None:
    file.attrs["overrides"] = json.dumps({"noise.batch_size": 2, "expect.mass": 1, "title": "b"})


@pytest.mark.parametrize(
    ("change", "state", "part"),
    [
        (None, DONE, ""),
        (other_expectations, DONE, ""),
        (another_text, FOREIGN, "holds a result of another case text"),
        (other_versions, FOREIGN, "holds a result of other versions"),
        (other_settings, FOREIGN, "holds a result of other settings"),
    ],
)
def test_result_of_another_case_version_or_setting_is_not_taken_for_the_member(
    finished_file: bytes, change: Any, state: str, part: str
) -> None:
    """Refused before the sweep and by the worker; replaced where that is asked for."""
    settings = {"noise.batch_size": [2]}
    path = Path("out/batch_size=2/well.h5")
    case = fp.load_case("well.toml", {"noise.batch_size": 2})
    assert member_status(case, path) == (ABSENT, "")
    path.parent.mkdir(parents=True)
    path.write_bytes(finished_file)
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file)
    before = path.read_bytes()
    assert member_status(case, path) == (state, part)
    one = task_of(str(path), noise__batch_size=2)
    if state == DONE:
        assert prepared(settings).tasks == ()
        assert prepared(settings).outcomes[0].numbers == solved(one).numbers
        assert path.read_bytes() == before
        return
    with pytest.raises(StoreError, match=f"{part}; give --overwrite to replace it"):
        prepared(settings)
    outcome = solved(one)
    assert (outcome.failure, part in outcome.sentence) == (OTHER, True)
    assert path.read_bytes() == before
    [again] = prepared(settings, overwrite=True).tasks
    assert again.replace
    assert solved(again).failure == ""
    assert member_status(case, path) == (DONE, "")


def test_damaged_member_is_refused_and_replaced_on_demand(finished_file: bytes) -> None:
    settings = {"noise.batch_size": [2]}
    path = Path("out/batch_size=2/well.h5")
    path.parent.mkdir(parents=True)
    path.write_bytes(finished_file[:1000])
    case = fp.load_case("well.toml", {"noise.batch_size": 2})
    assert member_status(case, path)[0] == DAMAGED
    with pytest.raises(StoreError, match="give --overwrite to replace it"):
        prepared(settings)
    [one] = prepared(settings, overwrite=True).tasks
    assert solved(one).failure == ""
    assert member_status(case, path) == (DONE, "")


def test_member_that_another_process_writes_is_left_alone(finished_file: bytes) -> None:
    path = Path("out/batch_size=2/well.h5")
    path.parent.mkdir(parents=True)
    path.write_bytes(finished_file)
    held = Lock.take(path)
    try:
        with pytest.raises(StoreError, match="is writing this result"):
            prepared({"noise.batch_size": [2]}, overwrite=True)
    finally:
        held.release()


def test_finished_sweep_is_read_without_dask(
    finished_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("out/batch_size=2/well.h5")
    path.parent.mkdir(parents=True)
    path.write_bytes(finished_file)
    monkeypatch.setitem(sys.modules, "distributed", None)
    record = fp.sweep("well.toml", {"noise.batch_size": [2]}, out="out")
    assert record["mass"][0] == fp.open_result(path).mass[-1]


# While it is solved


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a function of the name ``look``, put into the list, sees in the middle of members."""
    seen: list[Any] = []
    usual = task.run

    def run(*arguments: Any, **options: Any) -> fp.Result:
        look = seen.pop(0)
        seen.append(look())
        return usual(*arguments, **options)

    monkeypatch.setattr(task, "run", run)
    return seen


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS == 1, reason="one core has one thread")
def test_member_computes_with_one_thread(inside: list[Any]) -> None:
    inside.append(numba.get_num_threads)
    assert solved(task_of()).failure == ""
    assert inside == [1]


def test_member_shares_the_cache_of_kernels(
    inside: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it compiles, no other process does."""
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path / "cache")

    def locked() -> bool:
        with compiling.taking_turns():
            event.start_event(compiling.EVENT)
            try:
                with open(tmp_path / "cache" / compiling.LOCK, "ab") as other:
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                event.end_event(compiling.EVENT)
            return False

    inside.append(locked)
    outcome = solved(task_of())
    assert (outcome.failure, outcome.sentence) == ("", "")
    assert inside == [True]


def test_members_in_threads_of_one_worker_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, most = [], []

    def run(*arguments: Any, **options: Any) -> Any:
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        raise CaseError("enough")

    monkeypatch.setattr(task, "run", run)
    with ThreadPoolExecutor(2) as executor:
        assert len(list(executor.map(solve, [task_of()] * 2))) == 2
    assert most == [1, 1]


def test_cautions_of_a_member_stay_in_its_notes() -> None:
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        solved(task_of(initial__std=0.3))
    assert given == []


@pytest.mark.parametrize(
    ("error", "failure", "sentence"),
    [
        (CaseError("is bad", "noise.beta"), INPUT, "noise.beta: is bad"),
        (NumericalFailure("it grew", "take less"), NUMERICAL, "it grew; take less"),
        (StoreError("is full", Path("a.h5")), OTHER, "a.h5: is full"),
        (MemoryError(), OTHER, "there was not enough memory"),
        (KeyboardInterrupt(), OTHER, "its worker was stopped"),
        (ZeroDivisionError("by 0"), OTHER, "ZeroDivisionError: by 0"),
    ],
)
def test_errors_become_outcomes(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, failure: str, sentence: str
) -> None:
    def run(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(task, "run", run)
    assert solved(task_of()) == Outcome(0, {}, failure, sentence)


def test_member_of_a_case_that_was_edited_meanwhile_is_not_solved() -> None:
    one = task_of("out/well.h5")
    Path("well.toml").write_text(CASE.replace("0.7", "0.8"))
    outcome = solved(one)
    assert outcome.failure == INPUT
    assert outcome.sentence == "well.toml: was changed while the sweep ran; start it again"
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("status", "stops"),
    [("running", False), ("paused", False), ("closing", True), ("closing_gracefully", True)],
)
def test_member_stops_at_a_frame_when_its_worker_is_asked_to(
    monkeypatch: pytest.MonkeyPatch, status: str, stops: bool
) -> None:
    worker = SimpleNamespace(status=distributed.Status[status])
    monkeypatch.setattr(distributed, "get_worker", lambda: worker)
    outcome = solved(task_of("out/well.h5"))
    assert outcome.sentence == ("its worker was stopped" if stops else "")
    with h5py.File("out/well.h5") as file:
        assert file.attrs["status"] == ("interrupted" if stops else "complete")


SETTLED = """
import os, numba
from fokkerplanck.runtime.compiling import one_thread
from fokkerplanck.runtime.worker import dask_setup
if {used}:
    numba.set_num_threads(2)
os.environ["NUMBA_NUM_THREADS"] = "1"
dask_setup(None)
one_thread()
numba.njit(lambda number: number)(1.0)
print(numba.config.NUMBA_NUM_THREADS, numba.get_num_threads())
"""


@pytest.mark.parametrize(("used", "shown"), [(False, "1 1\n"), (True, "2 1\n")])
def test_worker_whose_script_has_loaded_numba_can_compile(used: bool, shown: str) -> None:
    """Dask imports the calling script before it sets the number of threads."""
    child = subprocess.run(
        [sys.executable, "-c", SETTLED.format(used=used)],
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "2", "NUMBA_DISABLE_JIT": "0"},
        capture_output=True,
        text=True,
    )
    assert (child.stdout, child.stderr) == (shown, "")
