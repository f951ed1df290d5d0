"""What Dask loads into each worker process that a sweep starts.

It stands outside the folder of sweeps, so that Dask can import it before numba is imported.
"""

from __future__ import annotations

import signal

from .own_settings import use_own_settings


def dask_setup(worker: object) -> None:
    """Make the process fit to be one of several.

    Ctrl-C and a terminal that closes reach all of its processes; what they mean is the business of
    the first. And Dask sets numba's variables after it has imported the calling script, which may
    use numba.
    """
    use_own_settings()
    from .compiling import settle_threads

    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    settle_threads()
