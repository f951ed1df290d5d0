"""Ranges of blocks on other processes: the same bits as in this one.

Nothing but arrays, numbers and text travels: how walkers move, where those of a range begin, and
what was seen of them at every output time.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from ..runtime.compiling import one_thread, share_cache, taking_turns
from .recorder import Snapshot, snapshot
from .start import CHUNK
from .threads import Team
from .walkers import BLOCK, Motion, Walkers, blocks_of

# (from, to, drift factor, noise factor) of each piece of one interval between output times.
Steering = tuple[tuple[float, float, float, float], ...]

# Parts per worker: one that is held up leaves its work to the others.
SHARES = 3
# Chunks of places in one part at most: what travels stays below some megabytes.
MOST_CHUNKS = 8
# Parts that wait for a worker, per worker; the places of later ones are not drawn yet.
AHEAD = 4
# Without anyone to tell how many workers there are.
USUAL_WORKERS = 4


class Client(Protocol):
    """What spreads work: a ``distributed.Client``, or an executor of ``concurrent.futures``."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Any:
        """Call a function somewhere; the future has ``result`` and ``cancel``."""


@dataclass(frozen=True)
class DistributedWalk:
    """What all ranges of an ensemble do.

    Parameters
    ----------
    motion : Motion
    particles : int
    seed : SeedSequence
        Of the generators.
    times : tuple of float
    steering : tuple, one entry per interval
        Empty where nothing steers.
    trajectories : int
    """

    motion: Motion
    particles: int
    seed: np.random.SeedSequence
    times: tuple[float, ...]
    steering: tuple[Steering, ...]
    trajectories: int

    def snapshots(
        self,
        walkers: Walkers,
        reached: tuple[int, int] = (0, 0),
        between: Callable[[int, int], object] = lambda number, leg: None,
    ) -> Iterator[Snapshot]:
        """Frame after frame of some of the walkers, which move meanwhile.

        The way to a frame has legs: each piece of the steering, and what is left to its time.

        Parameters
        ----------
        walkers : Walkers
        reached : (int, int)
            The frame and the leg that the walkers are on the way of.
        between : callable
            Called with these after each call of a kernel.
        """
        for number in range(reached[0], len(self.times)):
            pieces = self.steering[number - 1] if self.steering and number else ()
            stops = [*(stop for _, stop, _, _ in pieces), self.times[number]]
            for leg in range(reached[1] if number == reached[0] else 0, len(stops)):
                if leg < len(pieces):
                    walkers.steer(*pieces[leg][2:])
                walkers.advance(stops[leg], partial(between, number, leg))
            yield snapshot(walkers, self.trajectories)


def march_part(
    march: DistributedWalk, first: int, places: np.ndarray
) -> tuple[list[Snapshot], float]:
    """Move the walkers of some blocks on one core; their frames and the largest step."""
    share_cache()
    one_thread()
    with taking_turns():
        walkers = Walkers(
            march.motion,
            [places],
            march.particles,
            march.seed,
            Team(None, 1),
            first,
            first + blocks_of(len(places)),
        )
        return list(march.snapshots(walkers)), walkers.largest_step


def spread_parts(
    client: Client,
    march: DistributedWalk,
    places: Iterator[np.ndarray],
    finished: Callable[[float], object] | None = None,
) -> Iterator[tuple[list[Snapshot], float]]:
    """Results of :func:`march_part` for all blocks, in their order.

    Parameters
    ----------
    client : Client
    march : DistributedWalk
    places : iterator of (m, d) arrays
        Chunks of ``CHUNK`` walkers, the last one perhaps shorter.
    finished : callable, optional
        Called with the last time of the share of walkers that is done.
    """
    workers = _workers(client)
    chunks = -(-march.particles // CHUNK)
    each = min(max(-(-chunks // (SHARES * workers)), 1), MOST_CHUNKS)
    pending: deque[Any] = deque()
    done, first = 0, 0

    def next_result() -> tuple[list[Snapshot], float]:
        nonlocal done
        result: tuple[list[Snapshot], float] = pending[0].result()
        pending.popleft()
        done += each
        if finished is not None:
            finished(march.times[-1] * min(done / chunks, 1.0))
        return result

    try:
        for part in _joined(places, each):
            if len(pending) >= AHEAD * workers:
                yield next_result()
            pending.append(client.submit(march_part, march, first, part))
            first += len(part) // BLOCK
        while pending:
            yield next_result()
    finally:
        for future in pending:
            future.cancel()


def _joined(chunks: Iterator[np.ndarray], each: int) -> Iterator[np.ndarray]:
    some: list[np.ndarray] = []
    for chunk in chunks:
        some.append(chunk)
        if len(some) == each:
            yield np.concatenate(some)
            some = []
    if some:
        yield np.concatenate(some)


def _workers(client: Any) -> int:
    """Cores behind a client, as far as it tells."""
    if hasattr(client, "nthreads"):
        return max(sum(client.nthreads().values()), 1)
    return int(getattr(client, "_max_workers", USUAL_WORKERS))


def steering_of(
    pieces: Callable[[float, float], Any] | None, times: Sequence[float]
) -> tuple[Steering, ...]:
    """Factors of all intervals as numbers."""
    if pieces is None:
        return ()
    return tuple(
        tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in pieces(begin, end))
        for begin, end in itertools.pairwise(times)
    )
