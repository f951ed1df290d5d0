"""Kernels on several threads: how their threads wait, who may start them, and what a fork breaks.

A thread that waits actively takes its core from whoever else works on the machine, and with it
from the thread it waits for: on two cores with one other busy process a kernel of 30 microseconds
then takes 12 milliseconds. The OpenMP runtime reads the variable when it is first loaded; who has
set it before keeps it.

numba has three threading layers. With two of them (tbb, omp) several Python threads may each start
kernels; the third (workqueue) ends the process when a second thread starts one. The threads of GNU
OpenMP do not exist in a process that is forked after they started: a kernel there would wait for
them for ever, or be ended by numba.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numba

from ..errors import NumericalFailure

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Layers by their names in numba.
ONE_AT_A_TIME, NO_FORK = "workqueue", "omp"


class _State:
    """Of this process.

    Attributes
    ----------
    turn : Lock
        Held by the Python thread whose kernel runs, where only one may.
    layer : str
        Threading layer of numba; empty before it has one.
    orphan : bool
        Whether the threads of the kernels stayed behind in the process that was forked.
    """

    turn = threading.Lock()
    layer = ""
    orphan = False


def parallel(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel for several threads; any number of Python threads may call it.

    Raises
    ------
    NumericalFailure
        In a process that was forked after the threads of its kernels had started.
    """
    compiled = numba.njit(parallel=True, cache=True)(kernel)

    @functools.wraps(kernel)
    def launch(*arguments: Any) -> Any:
        if _State.orphan:
            raise NumericalFailure(
                "this process was forked after kernels had run on several threads, and the threads "
                "of GNU OpenMP do not exist in the fork",
                "start processes by multiprocessing.get_context('spawn'), or set "
                "NUMBA_THREADING_LAYER=workqueue before the first run",
            )
        if _layer() not in ("", ONE_AT_A_TIME):
            return compiled(*arguments)
        with _State.turn:
            return compiled(*arguments)

    return launch


def _layer() -> str:
    """Threading layer; it is fixed once the first kernel is loaded."""
    if not _State.layer:
        try:
            _State.layer = numba.threading_layer()
        except ValueError:
            return ""
    return _State.layer


def _forked() -> None:
    # Another thread may have held it, and that thread does not exist here.
    _State.turn = threading.Lock()
    _State.orphan = _State.orphan or (sys.platform == "linux" and _layer() == NO_FORK)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
