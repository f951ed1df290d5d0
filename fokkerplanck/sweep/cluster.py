"""Dask's workers: those of this machine, or a cluster that runs already."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from ..errors import CaseError, NumericalFailure

# Processes beyond this many per core only take memory.
WORKERS_PER_CORE = 8
# Seconds until a scheduler must have answered, and one of its workers be there.
PATIENCE = 30
# Seconds between two looks at the workers while nothing is finished.
TICK = 1.0
# Seconds without a worker: then one more is started on this machine, and others are given up.
LOST = 30.0
# One core each: members are independent, and their bits do not depend on the number of threads.
SINGLE = {
    name: "1"
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
}
# Python puts the working folder first where a process that it starts looks for modules, and a case
# may lie beside files that have the names of modules.
SAFE = {"PYTHONSAFEPATH": "1"}
# What Dask sets in this process besides, for processes that it starts.
OTHERS = ("PYTHONHASHSEED", "__DASK_PARENT_PID")
# Workers that die are part of the plan, and said at the end.
SILENT = {"logging": {"distributed": "critical", "bokeh": "critical", "tornado": "critical"}}


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def require_dask() -> None:
    """Raise CaseError with what to install where Dask is missing."""
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise CaseError(
            "a sweep runs on Dask, which is not installed; pip install 'fokkerplanck[sweep]'"
        ) from None


@contextmanager
def dask_client(count: int | None = None, scheduler: str | None = None) -> Iterator[Any]:
    """A client of a scheduler by address, or of ``count`` worker processes started here.

    Raises
    ------
    CaseError
        If Dask is missing, the number is not possible or nobody answers.
    """
    require_dask()
    if scheduler is not None:
        if count is not None:
            raise CaseError("are the scheduler's own; leave it out beside --scheduler", "--workers")
        with _existing(scheduler) as client:
            yield client
        return
    if count is None:
        count = usable_cores()
    elif count < 1:
        raise CaseError(f"{count} is too few; give 1 or more", "--workers")
    elif count > WORKERS_PER_CORE * usable_cores():
        raise CaseError(
            f"{count} processes are too many for {usable_cores()} cores; at most "
            f"{WORKERS_PER_CORE * usable_cores()} are possible",
            "--workers",
        )
    import dask
    from distributed import Client

    from .local import LocalNanny, LocalWorkers

    with (
        _environment_kept(),
        _tracker_that_stays(),
        dask.config.set(SILENT),
        LocalWorkers(
            n_workers=count,
            threads_per_worker=1,
            # A server for pages that nobody asked for; on a port that is free.
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            worker_class=LocalNanny,
            env=SINGLE | SAFE,
            preload=["fokkerplanck.runtime.worker"],
            # Every death of a worker is told at once; the sweep counts them.
            scheduler_kwargs={"allowed_failures": 0},
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _environment_kept() -> Iterator[None]:
    """What Dask sets here for its workers does not stay: the caller has other children."""
    import dask

    early = dask.config.get("distributed.nanny.pre-spawn-environ")
    before = {name: os.environ.get(name) for name in (*SINGLE, *SAFE, *early, *OTHERS)}
    # Already for the process that watches over what others leave, which starts before them.
    os.environ.update(SAFE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _tracker_that_stays() -> Iterator[None]:
    """The process that watches over what others leave does not die before them.

    It ignores Ctrl-C, but not the end of a terminal. What is ignored when a process is started
    stays so in it, and only the main thread can ask for that.
    """
    main = threading.current_thread() is threading.main_thread()
    if main and hasattr(signal, "SIGHUP"):
        usual = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            resource_tracker.ensure_running()
        finally:
            signal.signal(signal.SIGHUP, usual)
    yield


def is_own(client: Any) -> bool:
    """Whether :func:`dask_client` started the workers; by default Dask hides three deaths."""
    scheduler = getattr(getattr(client, "cluster", None), "scheduler", None)
    return getattr(scheduler, "allowed_failures", None) == 0


@contextmanager
def _existing(address: str) -> Iterator[Any]:
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise CaseError(
            f"no scheduler answers at {address} ({str(error).splitlines()[0]}); the form is "
            "tcp://host:port",
            "--scheduler",
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise CaseError(
                f"the scheduler at {address} has no workers; start some with dask worker {address}",
                "--scheduler",
            ) from None
        yield client


class Watch:
    """Sees to it that there are workers.

    A worker that dies is started again by its nanny, but for one that dies while it starts.

    Parameters
    ----------
    client : distributed.Client
        Only workers of :func:`dask_client` are started.
    """

    def __init__(self, client: Any):
        self.client, self.own = client, is_own(client)
        self.wanted = self.count() if self.own else 1
        self.last_whole = time.monotonic()

    def count(self) -> int:
        """Workers there are."""
        return len(self.client.nthreads())

    def workers(self) -> int:
        """Workers there are; new ones are asked for when some were gone for long.

        Raises
        ------
        NumericalFailure
            If they are not ours and all of them are gone.
        """
        count, now = self.count(), time.monotonic()
        if count >= self.wanted:
            self.last_whole = now
        elif now - self.last_whole > LOST:
            if not self.own:
                raise NumericalFailure(
                    f"all workers are gone since {LOST:g} s", "start the sweep again: it continues"
                )
            local = self.client.cluster
            # Of those that died, Dask keeps some among its workers and starts the others by itself.
            local.scale(len(local.workers) + self.wanted - count)
            self.last_whole = now
        return count


def finished(client: Any, futures: list[Any]) -> list[Any]:
    """Those that have an outcome, after ``TICK`` at the latest.

    Raises
    ------
    NumericalFailure
        If the scheduler is gone, and with it what it knew.
    """
    from distributed import CancelledError, wait

    try:
        # Else Dask asks the client that is its default, which is another one or none.
        with client.as_current():
            return list(wait(futures, timeout=TICK, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return []
    except CancelledError:
        raise NumericalFailure(
            "the scheduler dropped the members that it had", "start the sweep again: it continues"
        ) from None
