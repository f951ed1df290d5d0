"""Workers of a sweep: how many there are, what they take from here, and what each is given."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numba
import pytest
from distributed import Client, LocalCluster
from test_sweep_members import CASE

import fokkerplanck as fp
from fokkerplanck.errors import CaseError
from fokkerplanck.sweep import cluster
from fokkerplanck.sweep.local import LocalWorkers
from fokkerplanck.sweep.task import Outcome, Task, solve


@contextmanager
def workers_here(count: int, kind: type[LocalCluster] = LocalCluster, **options: Any) -> Any:
    """Workers that are threads of this process, which come and go at once."""
    with kind(
        n_workers=count, threads_per_worker=1, processes=False, dashboard_address=None, **options
    ) as local:
        yield local


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers of a cluster that is the user's."""
    with workers_here(2) as local, Client(local, set_as_default=False) as found:
        yield found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, with the case in it."""
    monkeypatch.chdir(tmp_path)
    Path("well.toml").write_text(CASE)


class Watched:
    """A client that counts what is with the scheduler, and may call another function."""

    def __init__(self, client: Any, function: Any = solve):
        self.client, self.function = client, function
        self.tries: list[int] = []
        self.most = 0
        self.held: list[Any] = []

    def submit(self, function: Any, task: Any, **options: Any) -> Any:
        self.tries.append(task.number)
        future = self.client.submit(self.function, task, **options)
        self.held = [*(one for one in self.held if not one.done()), future]
        self.most = max(self.most, len(self.held))
        return future

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


def slowly(task: Task) -> Outcome:
    time.sleep(0.05)
    return Outcome(task.number, {"energy": float(task.number)})


class KilledWorker(Exception):
    """As Dask names it."""


def dying(task: Task) -> Outcome:
    raise KilledWorker


def odd(task: Task) -> Outcome:
    raise ZeroDivisionError("by 0")


# How many there are


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_cores_that_may_not_be_used_do_not_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cluster.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert cluster.usable_cores() == len(before)


def until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("forgotten", [False, True])
def test_lost_worker_is_replaced_by_one(monkeypatch: pytest.MonkeyPatch, forgotten: bool) -> None:
    """Whether Dask still keeps the one that died, or has begun to start it anew by itself."""
    monkeypatch.setattr(cluster, "LOST", 0.2)
    own = {"scheduler_kwargs": {"allowed_failures": 0}}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 ms" if forgotten else "1 h"}),
        workers_here(3, LocalWorkers, **own) as local,
        Client(local, set_as_default=False) as client,
    ):
        watch = cluster.Watch(client)
        assert (watch.own, watch.wanted, watch.workers()) == (True, 3, 3)
        client.sync(local.workers[1].close)
        until(lambda: watch.count() == 2)
        until(lambda: len(local.workers) == (2 if forgotten else 3))
        # Not yet long enough for the nanny to have given it up.
        assert watch.workers() == 2
        assert len(local.worker_spec) == 3
        time.sleep(0.25)
        watch.workers()
        # Asked once: what starts takes its time.
        watch.workers()
        until(lambda: watch.count() == 3)
        client.sync(local._correct_state)
        assert watch.workers() == 3
        assert {name for name, one in local.workers.items() if one.status.name == "running"} == (
            {0, 1, 2} if forgotten else {0, 2, 3}
        )


def test_scheduler_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    with (
        workers_here(0, host="127.0.0.1", protocol="tcp") as local,
        pytest.raises(CaseError, match="has no workers; start some with dask worker tcp://127"),
        cluster.dask_client(scheduler=local.scheduler_address),
    ):
        pass
    with (
        pytest.raises(CaseError, match="--workers: are the scheduler's own"),
        cluster.dask_client(2, "tcp://127.0.0.1:9"),
    ):
        pass


# What they take from here


def look() -> dict[str, Any]:
    """In a worker: its variables, those that it began with, numba's threads, and Ctrl-C."""
    first = Path("/proc/self/environ")
    pairs = first.read_text().split("\0") if first.exists() else []
    return {
        "begun": dict(pair.partition("=")[::2] for pair in pairs),
        "environment": dict(os.environ),
        "threads": numba.config.NUMBA_NUM_THREADS,
        "interrupt": signal.getsignal(signal.SIGINT),
    }


def test_workers_have_one_thread_each_whatever_is_set_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries that are loaded before Dask sets variables have found them already."""
    monkeypatch.setattr(cluster, "usable_cores", lambda: 1)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with cluster.dask_client() as own:
        assert len(own.nthreads()) == 1
        seen = own.submit(look).result()
        # numba here would refuse to compile once it finds another number than that of its threads.
        assert os.environ.get("NUMBA_NUM_THREADS") == before.get("NUMBA_NUM_THREADS")
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        assert seen["environment"][name] == "1"
        if seen["begun"] and not name.startswith("NUMBA"):
            assert seen["begun"][name] == "1"
    assert seen["threads"] == 1
    assert seen["interrupt"] == signal.SIG_IGN
    assert dict(os.environ) == before


# What each is given


def test_a_member_waits_here_until_a_worker_is_free(client: Any) -> None:
    """One that waits on a worker would be blamed for its death."""
    watched = Watched(client, slowly)
    record = fp.sweep("well.toml", {"noise.batch_size": [1, 2, 3, 4, 5]}, client=watched)
    assert list(record["energy"]) == [0, 1, 2, 3, 4]
    assert watched.tries == [0, 1, 2, 3, 4]
    assert watched.most == 2


def test_deaths_on_a_cluster_of_the_user_are_counted_by_its_scheduler(client: Any) -> None:
    """It has tried three times before it tells of one; other failures are tried again here."""
    watched = Watched(client, dying)
    record = fp.sweep("well.toml", {"noise.batch_size": [1]}, client=watched, retries=2)
    assert watched.tries == [0]
    assert "its worker died every time" in str(record.error[0])
    watched = Watched(client, odd)
    record = fp.sweep("well.toml", {"noise.batch_size": [1]}, client=watched, retries=2)
    assert watched.tries == [0, 0, 0]
    assert list(record.error) == ["ZeroDivisionError: by 0"]


def test_bar_counts_members_and_failures(client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"noise.batch_size": [1, 2, 3]}
    fp.sweep("well.toml", settings, client=Watched(client, slowly), progress=True)
    shown = capsys.readouterr().err
    assert "well sweep 100%" in shown
    assert "3/3 members" in shown
    assert "failed" not in shown
    fp.sweep("well.toml", settings, client=Watched(client, odd), retries=0, progress=True)
    assert "3/3 members" in (shown := capsys.readouterr().err)
    assert "3 failed" in shown


def test_members_are_not_judged_by_the_numbers_expected_of_their_case(
    client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("well.toml").write_text(CASE + "[expect]\nmass = { value = 3.0, rtol = 1e-6 }\n")
    record = fp.sweep("well.toml", {"noise.batch_size": [2]}, out="out", client=client)
    assert list(record.status) == ["complete"]
    assert record["mass"][0] == pytest.approx(1.0)
    assert capsys.readouterr().err == ""
