"""When a run may be interrupted: not while it writes.

A signal handler runs between any two steps of Python, also inside the calls by which HDF5 asks for
its bytes, and an exception there is lost in the library or tears what it holds in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _State:
    """Handlers run in the main thread only, and so does what is shielded from them."""

    depth = 0
    pending = False


def interrupt() -> None:
    """Raise KeyboardInterrupt, or let the shield that is up do so when it goes down."""
    if _State.depth:
        _State.pending = True
        return
    raise KeyboardInterrupt


@contextmanager
def shielded() -> Iterator[None]:
    """Put off interrupts to the end of the block; an error of the block comes first."""
    if threading.current_thread() is not threading.main_thread():
        # Nothing interrupts it, and it must not count for the main thread.
        yield
        return
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
        due = _State.pending and not _State.depth
        if due:
            _State.pending = False
    if due:
        raise KeyboardInterrupt
