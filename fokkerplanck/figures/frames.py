"""Which frames a figure shows, and how three dimensions are brought down to two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from ..io.result import Result
from .style import symbol


def chosen_frames(result: Result, count: int) -> np.ndarray:
    """Numbers of up to ``count`` frames, the first and the last among them.

    They are about equally far from each other in the L1 norm, so that a fast start and a slow
    approach to equilibrium both show.
    """
    kept = result.kept_frames
    if len(kept) <= count:
        return kept
    steps = [
        float(np.abs(np.subtract(result.density[b], result.density[a], dtype=np.float64)).sum())
        for a, b in pairwise(kept)
    ]
    path = np.concatenate([[0.0], np.cumsum(steps)])
    wanted = np.linspace(0.0, path[-1], count)
    picked = np.array([np.argmin(np.abs(path - distance)) for distance in wanted])
    picked[-1] = len(kept) - 1
    # Where one step is a large part of the way, neighbours are taken so that none comes twice.
    for number in range(1, count):
        latest = len(kept) - count + number
        picked[number] = min(max(picked[number], picked[number - 1] + 1), latest)
    return kept[picked]


def even(count: int, most: int) -> np.ndarray:
    """Up to ``most`` of the numbers below ``count``, evenly spread, both ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


@dataclass(frozen=True)
class Plane:
    """A way to see an array over all axes on the axes ``pair``.

    ``of_density`` and ``of_potential`` take an array of the grid's shape to one over the pair.
    """

    pair: tuple[int, int]
    label: str
    of_density: Callable[[np.ndarray], np.ndarray]
    of_potential: Callable[[np.ndarray], np.ndarray]


def planes(result: Result, kind: str, at: np.ndarray) -> list[Plane]:
    """Every pair of axes: ``"marginal"`` integrates the rest, ``"slice"`` cuts it at ``at``.

    In a marginal plane a potential is shown by its least value along the rest.

    Parameters
    ----------
    result : Result
        In two or three dimensions.
    kind : str
    at : ndarray of int, shape (d,)
        Cell through which slices go.
    """
    found = []
    for pair in combinations(range(result.ndim), 2):
        rest = tuple(set(range(result.ndim)) - set(pair))
        if not rest:
            found.append(Plane(pair, "", np.asarray, np.asarray))
            continue
        (axis,) = rest
        if kind == "marginal":
            width = float(result.grid_spacing[axis])

            def total(values: np.ndarray, axis: int = axis, width: float = width) -> np.ndarray:
                return np.asarray(values.sum(axis=axis, dtype=np.float64) * width)

            def least(values: np.ndarray, axis: int = axis) -> np.ndarray:
                return np.asarray(values.min(axis=axis))

            found.append(Plane(pair, "marginal", total, least))
        else:
            index = int(at[axis])

            def cut(values: np.ndarray, axis: int = axis, index: int = index) -> np.ndarray:
                return np.asarray(values.take(index, axis=axis))

            place = float(result.centers[axis][index])
            found.append(Plane(pair, f"{symbol(result.names[axis])} = {place:.3g}", cut, cut))
    return found


def peak_cell(density: np.ndarray) -> np.ndarray:
    """Index of the largest value, shape (d,)."""
    return np.array(np.unravel_index(int(np.argmax(density)), density.shape))
