"""What Dask loads into each worker process that a sweep starts."""

from __future__ import annotations

import signal

from ..compiling import settle_threads


def dask_setup(worker: object) -> None:
    """Make the process fit to be one of several.

    Ctrl-C reaches all processes of a terminal; what it means is the business of the first. And
    Dask sets numba's variables after it has imported the calling script, which may use numba.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settle_threads()
