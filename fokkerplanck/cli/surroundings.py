"""What a process is given: its streams, the spelling of its arguments, the number of threads."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CaseError, CaseWarning

# Of numba, which looks at the name only once a kernel of several threads is loaded.
THREADING_LAYERS = ("default", "safe", "forksafe", "threadsafe", "omp", "tbb", "workqueue")


def open_streams() -> None:
    """Give closed streams a place to go, and signs that a stream does not know a spelling.

    A file that is opened would otherwise take the number of a closed stream, and with it what a
    library writes there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(number)
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def check_texts(options: argparse.Namespace) -> None:
    """Refuse names that are not text, which neither a result nor a page could keep."""
    for name, value in vars(options).items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not _encodes(text):
                raise CaseError(
                    f"{text!r} is not UTF-8 text; rename the file or folder", name.replace("_", "-")
                )


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_threads() -> None:
    """Refuse what numba would refuse when it is loaded."""
    count = os.environ.get("NUMBA_NUM_THREADS")
    if count is not None and not (count.strip().isdecimal() and int(count) >= 1):
        raise CaseError(f"{count!r} is no number of threads; take 1 or more", "NUMBA_NUM_THREADS")
    layer = os.environ.get("NUMBA_THREADING_LAYER")
    if layer is not None and layer not in THREADING_LAYERS:
        raise CaseError(
            f"{layer!r} is no threading layer; leave it unset, or take one of "
            f"{', '.join(THREADING_LAYERS)}",
            "NUMBA_THREADING_LAYER",
        )


def set_threads(count: int | None) -> None:
    """Ask numba, which is not loaded yet, for so many threads; None leaves it the choice."""
    if count is None:
        return
    available = os.cpu_count() or 1
    if not 1 <= count <= available:
        raise CaseError(
            f"{count} threads are not possible; this machine runs 1 to {available}", "--threads"
        )
    os.environ["NUMBA_NUM_THREADS"] = str(count)


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Warnings of the block are one line each on stderr."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CaseWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            from ..runtime.progress import say

            if issubclass(category, CaseWarning):
                say(f"warning: {message}")
            elif issubclass(category, RuntimeWarning):
                # numpy's words on an overflow; what follows from it is told by an error.
                say(f"warning: {message} in {Path(place[0]).name}")
            else:
                usual(message, category, *place, **more)

        warnings.showwarning = show
        yield
