"""Kernels on several threads, each with its own range of blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numba
import numpy as np

# Ranges per thread: a thread that is held up leaves its work to the others.
SHARES = 8


class Team:
    """As many threads as numba is told to use; results do not depend on their number."""

    def __init__(self, executor: ThreadPoolExecutor | None, size: int):
        self.executor = executor
        self.size = size

    def run(self, call: Callable[[int, int], Any], blocks: int, shares: int = SHARES) -> list[Any]:
        """``call(first, last)`` over ranges that cover all blocks; what it returned, in order."""
        if self.executor is None:
            return [call(0, blocks)]
        bounds = np.unique(np.linspace(0, blocks, shares * self.size + 1).astype(int)).tolist()
        tasks = [self.executor.submit(call, *bound) for bound in pairwise(bounds)]
        return [task.result() for task in tasks]


@contextmanager
def team() -> Iterator[Team]:
    """Threads that end with the block."""
    size = numba.get_num_threads()
    if size == 1:
        yield Team(None, 1)
        return
    with ThreadPoolExecutor(size) as executor:
        yield Team(executor, size)
