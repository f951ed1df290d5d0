"""Backward equations -A^T u = f of a generator that loses probability, and their transposes.

Mean first-passage times, exit probabilities and committors are solutions with f >= 0. They are
found by elimination without subtraction in the order of a nested dissection, so that each value is
relatively accurate, be it a time of 1e300 or a probability of 1e-300.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order

from ..errors import CaseError, NumericalFailure
from ..operators.generator import Generator
from . import elimination, patterns
from .dissection import dissect

# Factors above this size are refused; a 512^2 grid with three offsets takes 0.5 GB.
MAX_FACTOR_BYTES = 6e9
# Multiplications of the largest elimination worth waiting for, about five minutes.
MAX_PRODUCTS = 1e12


class BackwardSolver:
    """Solves (shift - A^T) u = f and (shift - A) g = mu on the cells that are not killed at once.

    Parameters
    ----------
    generator : Generator
        With exits, through absorbing sides or into regions; see :func:`~.targets.kill`.
    free : bool ndarray of N cells, flat, optional
        Cells that take part; all by default. The others must have no edges.
    shift : float
        Rate >= 0 at which probability dies everywhere besides.

    Raises
    ------
    CaseError
        If there are cells from which no exit can be reached: the time there is infinite.
    NumericalFailure
        If the factors would be too large, or rates underflow on every way out.
    """

    def __init__(self, generator: Generator, free: np.ndarray | None = None, shift: float = 0.0):
        self.generator = generator
        self.shift = shift
        size = generator.grid.size
        self.free = np.ones(size, dtype=bool) if free is None else np.reshape(free, -1)
        self._read_chain()
        self._check_exits()
        self._factorise()

    def solve(self, source: np.ndarray) -> np.ndarray:
        """u with (shift - A^T) u = source on the free cells; zero on the others, same shape.

        Relatively accurate entry by entry for a source >= 0.
        """
        return self._solve(source, self.lower, self.upper)

    def solve_forward(self, source: np.ndarray) -> np.ndarray:
        """g with (shift - A) g = source: the time that probability spends, fed in by ``source``."""
        return self._solve(source, self.upper, self.lower)

    @cached_property
    def killing(self) -> np.ndarray:
        """Rate of dying in each cell, shape (N,)."""
        return self.generator.killing + self.shift

    def _solve(self, source: np.ndarray, outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
        if np.size(source) != self.free.size:
            raise ValueError(
                f"an array of shape {np.shape(source)} does not fit the grid "
                f"{self.generator.grid.shape}"
            )
        x = np.ascontiguousarray(np.reshape(source, -1)[self.order], dtype=np.float64)
        fronts = (self.first, self.begin, self.later, self.place)
        elimination.solve(*fronts, outer, inner, self.pivot, x)
        result = np.zeros(self.free.size)
        result[self.order] = x
        return result.reshape(np.shape(source))

    def _read_chain(self) -> None:
        """Neighbours of every cell with the rates both ways."""
        r = self.generator.rates
        wrapped = (r.wrap_source, r.wrap_target, r.wrap_forward, r.wrap_backward)
        self.start = np.zeros(self.free.size + 1, dtype=np.int64)
        patterns.count_edges(r.forward, r.backward, r.shifts, *wrapped, self.start)
        entries = int(self.start[-1])
        self.column = np.empty(entries, dtype=np.int32)
        self.rate_in, self.rate_out = np.empty(entries), np.empty(entries)
        patterns.fill_edges(
            *(r.forward, r.backward, r.shifts, *wrapped),
            *(self.start, self.column, self.rate_in, self.rate_out),
        )
        self._merge_doubles()

    def _merge_doubles(self) -> None:
        """Add up parallel edges, which small periodic axes have."""
        if not self.generator.rates.wrap_source.size:
            return
        shape = self.generator.shape
        both = []
        for values in (self.rate_in, self.rate_out):
            # It is summed in place, and the other matrix needs the columns as they are.
            matrix = csr_matrix((values, self.column, self.start), shape=shape, copy=True)
            # Explicit zeros of one-way edges stay: both arrays keep one pattern.
            matrix.sum_duplicates()
            both.append(matrix)
        self.start = both[0].indptr.astype(np.int64)
        self.column = both[0].indices.astype(np.int32)
        self.rate_in, self.rate_out = both[0].data, both[1].data

    def _check_exits(self) -> None:
        """Refuse cells that no way leads out from."""
        size = self.free.size
        # Ways are followed backward from a state "out", number ``size``.
        source = np.repeat(np.arange(size), np.diff(self.start))
        used = self.rate_out > 0.0
        out = np.flatnonzero(self.killing > 0.0)
        rows = np.concatenate([self.column[used], np.full(out.size, size)])
        columns = np.concatenate([source[used], out])
        graph = csr_matrix((np.ones(rows.size), (rows, columns)), shape=(size + 1, size + 1))
        found = breadth_first_order(graph, size, return_predecessors=False)
        stuck = np.setdiff1d(np.flatnonzero(self.free), found)
        if stuck.size:
            where = self.generator.grid.place(stuck[0])
            raise CaseError(
                f"no path leads to it from {stuck.size} of the {int(self.free.sum())} cells "
                f"outside, for example from {where}: the mean time is infinite there",
                "passage.target",
            )

    def _factorise(self) -> None:
        grid, rates = self.generator.grid, self.generator.rates
        periodic = [axis.periodic for axis in grid.domain.axes]
        inner = np.flatnonzero(
            (rates.forward > 0.0).any(axis=1) | (rates.backward > 0.0).any(axis=1)
        )
        used = np.concatenate([inner, rates.wrap_offset])
        reach = np.abs(rates.offsets[used]).max(axis=0, initial=0).tolist()
        tree = dissect(grid.shape, reach, periodic, self.free)
        self.order, self.first = tree.order, tree.first
        position = np.full(self.free.size, -1, dtype=np.int64)
        position[self.order] = np.arange(self.order.size)
        nodes = tree.children.size
        self.begin = np.zeros(nodes + 1, dtype=np.int64)
        pattern = (self.start, self.column, self.order, position, self.first, tree.children)
        self.later = elimination.find_fronts(*pattern, self.begin)
        own, beyond = np.diff(self.first), np.diff(self.begin)
        self.place = np.concatenate([[0], np.cumsum(own * (own + beyond))])
        self._check_size(own, beyond)
        self.lower, self.upper = np.zeros(self.place[-1]), np.zeros(self.place[-1])
        self.pivot = np.empty(self.order.size)
        stuck = elimination.factorise(
            elimination.KilledChain(
                self.start, self.column, self.rate_in, self.rate_out, self.killing
            ),
            elimination.Fronts(
                self.order, position, self.first, tree.children, self.begin, self.later, self.place
            ),
            _largest_pile(tree.children, beyond),
            elimination.Factors(self.lower, self.upper, self.pivot),
        )
        if stuck >= 0:
            raise NumericalFailure(
                "the way out leads over rates below the smallest double, for example from "
                f"{self.generator.grid.place(self.order[stuck])}",
                "take a smaller beta",
            )

    def _check_size(self, own: np.ndarray, beyond: np.ndarray) -> None:
        products = float((own * (own + beyond).astype(float) ** 2).sum())
        size = 16.0 * float(self.place[-1])
        if products > MAX_PRODUCTS or size > MAX_FACTOR_BYTES:
            raise NumericalFailure(
                f"the backward equation on these {self.order.size} cells takes {products:.1e} "
                f"products and {size / 1e9:.1f} GB",
                "take fewer cells",
            )


def _largest_pile(children: np.ndarray, beyond: np.ndarray) -> int:
    """Entries of the fronts that wait for their parents at the worst moment."""
    sizes = beyond * (beyond + 1)
    waiting: list[int] = []
    height = largest = 0
    for count, size in zip(children.tolist(), sizes.tolist(), strict=True):
        for _ in range(count):
            height -= waiting.pop()
        waiting.append(size)
        height += size
        largest = max(largest, height)
    return largest
