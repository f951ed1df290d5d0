"""Processes that share numba's cache: one of them compiles, the others wait and load.

Two processes that store different versions of one kernel at the same moment can leave an index that
names the wrong code, for numba writes the index and the code one after the other and locks neither.
numba looks into its cache and fills it between the two events of its compiler lock, so a lock of
the operating system held between them is enough. It is let go by the system when a process dies.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba
from numba.core import config, event
from numba.misc.appdirs import AppDirs

try:
    import fcntl
except ImportError:  # Windows: kernels may be compiled more than once there
    fcntl = None  # type: ignore[assignment]

EVENT = "numba:compiler_lock"
LOCK = "compiling.lock"


def cache_folder() -> Path:
    """Where files of ours go: ``NUMBA_CACHE_DIR`` if it is set, else the user's own cache."""
    chosen: str = getattr(numba.config, "CACHE_DIR", "")
    base = chosen or AppDirs(appname="fokkerplanck", appauthor=False).user_cache_dir
    return Path(base) / "walkers" if chosen else Path(base)


def source_stamp(*files: str | None) -> str:
    """Changes with the text of any of the files: for kernels whose callees lie in other files.

    numba finds a kernel in its cache by the file it stands in, its bytecode and what it closes
    over, and does not notice a change elsewhere. A kernel that closes over the stamp is compiled
    anew then.
    """
    texts = hashlib.sha256()
    for file in files:
        assert file is not None
        texts.update(Path(file).read_bytes())
    return texts.hexdigest()


class _Turns(event.Listener):
    """Holds the file's lock while any thread of this process is in numba's compiler."""

    def __init__(self, file: int):
        self.file = file
        self.users = 0
        self.inside = 0
        self.guard = threading.Lock()

    def on_start(self, event: event.Event) -> None:
        with self.guard:
            self.inside += 1
            if self.inside == 1:
                fcntl.flock(self.file, fcntl.LOCK_EX)

    def on_end(self, event: event.Event) -> None:
        with self.guard:
            # 0 where another thread was compiling already when the listening began.
            if self.inside == 1:
                fcntl.flock(self.file, fcntl.LOCK_UN)
            self.inside = max(self.inside - 1, 0)

    def enter(self) -> None:
        """One more thread wants to take turns."""
        with self.guard:
            self.users += 1
            if self.users == 1:
                event.register(EVENT, self)

    def leave(self) -> None:
        """One less; the last one stops the listening."""
        with self.guard:
            self.users -= 1
            if self.users == 0:
                event.unregister(EVENT, self)
                if self.inside:
                    fcntl.flock(self.file, fcntl.LOCK_UN)
                self.inside = 0


_shared: list[_Turns] = []


def share_cache() -> None:
    """Make this process one of several that use the same cache, for its whole life.

    Without a folder that can be written nothing is cached, and there is nothing to guard.
    """
    if _shared or fcntl is None:
        return
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        # A descriptor, since a file that stays open to the end would be warned of.
        _shared.append(_Turns(os.open(cache_folder() / LOCK, os.O_CREAT | os.O_RDWR, 0o666)))
    except OSError:
        return


@contextmanager
def taking_turns() -> Iterator[None]:
    """Compile only when no other process does, once :func:`share_cache` was called.

    What listens before the block begins is told of the compiler before this waits for its turn, so
    a clock counts the wait as compilation.
    """
    if not _shared:
        yield
        return
    turns = _shared[0]
    turns.enter()
    try:
        yield
    finally:
        turns.leave()


def one_thread() -> None:
    """Kernels started by the calling thread use one core."""
    numba.set_num_threads(1)


def settle_threads() -> None:
    """Take the number of numba's threads from the environment now.

    Else numba takes it at the next compilation, and raises where its threads run already in
    another number.
    """
    try:
        config.reload_config()
    except RuntimeError:
        # Too late: they run, and all but one stay idle after :func:`one_thread`.
        os.environ["NUMBA_NUM_THREADS"] = str(vars(config)["NUMBA_NUM_THREADS"])
