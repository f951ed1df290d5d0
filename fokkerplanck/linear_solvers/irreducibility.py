"""Whether a chain has one stationary state that is positive everywhere, and why not."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from ..errors import CaseError, NumericalFailure
from ..operators.generator import Generator
from . import patterns
from .pairing import Level


def check_connected(level: Level, generator: Generator) -> None:
    """Refuse chains whose stationary state is not unique or vanishes in a part of the box.

    Parameters
    ----------
    level : Level
        The chain of the generator.
    generator : Generator

    Raises
    ------
    CaseError
        Says how many regions there are, or where probability never returns.
    NumericalFailure
        If only rates below the smallest double cut the cells apart.
    """
    ahead = patterns.reached(level.start, level.column, level.log_out)
    if ahead == level.size.size == patterns.reached(level.start, level.column, level.log_in):
        return
    out = np.isfinite(level.log_out)
    source = np.repeat(np.arange(level.size.size), np.diff(level.start))[out]
    target = level.column[out]
    steep_source, steep_target = _underflowed(generator)
    count, label = _components(source, target, level.size.size)
    both = np.concatenate([source, steep_target]), np.concatenate([target, steep_source])
    if _components(*both, level.size.size)[0] == 1:
        raise NumericalFailure(
            "the drift outweighs the noise by more than exp(700) between neighbouring cells, for "
            f"example at {generator.grid.place(steep_source[0])}, and {steep_source.size} rates "
            "against it are below the smallest double",
            "take more cells or a smaller beta",
        )
    closed = np.ones(count, dtype=bool)
    closed[label[source[label[source] != label[target]]]] = False
    if closed.sum() > 1:
        raise CaseError(
            f"probability cannot pass between {int(closed.sum())} parts of the box; each has its "
            "own stationary density, and their shares depend on the start",
            "stationary",
        )
    passing = ~closed[label]
    raise CaseError(
        f"probability never returns to {int(passing.sum())} of the {passing.size} cells, for "
        f"example at {generator.grid.place(int(np.argmax(passing)))}; the stationary density "
        "vanishes there and Phi~ does not exist",
        "stationary",
    )


def _components(source: np.ndarray, target: np.ndarray, size: int) -> tuple[int, np.ndarray]:
    pattern = sparse.coo_matrix((np.ones(source.size), (source, target)), shape=(size, size))
    count, label = connected_components(pattern.tocsr(), directed=True, connection="strong")
    return int(count), label


def _underflowed(generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cells at both ends of the one-way edges along offsets that carry noise.

    Noise gives an offset edges both ways; the drift alone, along an axis without noise, never
    does.
    """
    r = generator.rates
    sources, targets = [], []
    for number, (shift, forward, backward) in enumerate(
        zip(r.shifts, r.forward, r.backward, strict=True)
    ):
        across = r.wrap_offset == number
        ahead = np.concatenate([forward > 0.0, r.wrap_forward[across] > 0.0])
        back = np.concatenate([backward > 0.0, r.wrap_backward[across] > 0.0])
        if not (ahead & back).any():
            continue
        cells = np.arange(generator.grid.size)
        low = np.concatenate([cells, r.wrap_source[across]])
        high = np.concatenate([cells + shift, r.wrap_target[across]])
        for one_way, begin, end in ((ahead & ~back, low, high), (back & ~ahead, high, low)):
            sources.append(begin[one_way])
            targets.append(end[one_way])
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *sources]), np.concatenate([none, *targets])
