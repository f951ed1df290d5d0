"""What Dask loads into each worker process that a sweep starts."""

from __future__ import annotations

import signal


def dask_setup(worker: object) -> None:
    """Ctrl-C reaches all processes of a terminal; what it means is the business of the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
