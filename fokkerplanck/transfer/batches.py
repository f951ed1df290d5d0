"""Mini-batches of a data model: all of them with their probabilities, or some drawn at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# More batches than this are drawn, not enumerated.
ENUMERATED = 600


@dataclass(frozen=True)
class Batches:
    """How mini-batches of ``size`` out of ``samples`` are gone through.

    Parameters
    ----------
    samples, size : int
    replacement : bool
        Whether a batch may hold a sample twice.
    draws : int
        Batches per cell where there are too many to enumerate.
    seed : int
    """

    samples: int
    size: int
    replacement: bool
    draws: int
    seed: int

    @property
    def count(self) -> int:
        """Number of different batches."""
        if self.replacement:
            return math.comb(self.samples + self.size - 1, self.size)
        return math.comb(self.samples, self.size)

    @property
    def enumerated(self) -> bool:
        """Whether every batch is there, with its probability."""
        return self.count <= ENUMERATED

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """All batches (m, size) and their probabilities (m,).

        With replacement a batch with the multiplicities k_i has |B|!/(prod k_i! n^|B|).
        """
        pick = (
            itertools.combinations_with_replacement if self.replacement else itertools.combinations
        )
        table = np.array(list(pick(range(self.samples), self.size)), dtype=np.int64)
        if not self.replacement:
            return table, np.full(len(table), 1.0 / len(table))
        weights = []
        for row in table:
            _, counts = np.unique(row, return_counts=True)
            ways = math.factorial(self.size)
            for k in counts:
                ways //= math.factorial(int(k))
            weights.append(ways / self.samples**self.size)
        return table, np.array(weights)

    def drawn(self, columns: int, chunk: int) -> np.ndarray:
        """Independent batches for the cells of one chunk, shape (columns, draws, size).

        The numbers depend on the seed and on the number of the chunk alone.
        """
        random = np.random.default_rng([self.seed, chunk])
        shape = (columns, self.draws, self.size)
        if self.replacement:
            return random.integers(self.samples, size=shape)
        keys = random.random((columns, self.draws, self.samples))
        # A copy, lest the order of all samples be kept with it.
        return np.argpartition(keys, self.size - 1, axis=-1)[..., : self.size].copy()

    def third_moment_factor(self) -> float:
        """Third central moment of a batch mean over that of a sample."""
        b, n = self.size, self.samples
        if self.replacement or n <= 2:
            return 1.0 / b**2
        return (n - b) * (n - 2 * b) / (b**2 * (n - 1) * (n - 2))


def chunks(size: int, length: int) -> Iterator[tuple[int, slice]]:
    """Numbered slices of ``range(size)``."""
    for number, first in enumerate(range(0, size, length)):
        yield number, slice(first, min(first + length, size))
