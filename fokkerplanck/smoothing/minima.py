"""Minima of Phi, of Phi~ and of Phi_ent side by side: which of them is deepest where."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..operators.generator import generator
from ..operators.samples import STENCIL, Samples
from ..problem import Problem
from ..stationary.critical_points import CriticalPoint, critical_points
from ..stationary.decomposition import FLOOR
from ..stationary.stationary import stationary
from .local_entropy import LocalEntropy

# Fields in the table.
LOSS, QUASI, ENTROPY = "loss", "quasi_potential", "local_entropy"


@dataclass(frozen=True)
class MinimaTable:
    """Minima of the loss, and of the fields that noise and smoothing make of it.

    Attributes
    ----------
    loss : (m, d) ndarray
        Minima of Phi, by rising value.
    loss_values : (m,) ndarray
    flatness : (m,) ndarray
        log det of the Hessian of Phi there: the lower, the flatter.
    fields : tuple of str
        ``loss``, ``quasi_potential`` or ``local_entropy``, one per row of what follows.
    knobs : (f,) ndarray
        beta or gamma of each field; NaN for the loss.
    places : (f, m, d) ndarray
        The minimum of the field that belongs to each minimum of Phi; NaN where it is gone.
    depths : (f, m) ndarray
        Value of the field there, less its value at the field's deepest minimum; NaN likewise.
    counts : (f,) ndarray of int
        Minima of each field, those that belong to none of Phi included.
    """

    loss: np.ndarray
    loss_values: np.ndarray
    flatness: np.ndarray
    fields: tuple[str, ...]
    knobs: np.ndarray
    places: np.ndarray
    depths: np.ndarray
    counts: np.ndarray

    @property
    def deepest(self) -> np.ndarray:
        """Number of the minimum of Phi whose counterpart is deepest, (f,); -1 for none."""
        shown = np.where(np.isnan(self.depths), np.inf, self.depths)
        if not self.depths.shape[1]:
            return np.full(len(self.fields), -1)
        best = shown.argmin(axis=1)
        return np.where(np.isfinite(shown.min(axis=1)), best, -1)

    @property
    def flattest(self) -> int:
        """Number of the flattest minimum of Phi; -1 without any."""
        return int(self.flatness.argmin()) if self.flatness.size else -1

    def crossing(self, field: str) -> float:
        """Knob at which the field changes its deepest minimum; NaN if it does not on this ladder.

        Between two rungs the difference of the two depths is taken to be linear in log knob.
        """
        rows = [i for i, name in enumerate(self.fields) if name == field]
        rows.sort(key=lambda i: self.knobs[i])
        for i, j in itertools.pairwise(rows):
            a, b = int(self.deepest[i]), int(self.deepest[j])
            if a == b or min(a, b) < 0:
                continue
            before = self.depths[i, b] - self.depths[i, a]
            after = self.depths[j, b] - self.depths[j, a]
            if math.isfinite(before) and math.isfinite(after):
                share = before / (before - after)
                low, high = math.log(self.knobs[i]), math.log(self.knobs[j])
                return math.exp(low + share * (high - low))
        return math.nan


def minima_table(
    problem: Problem, grid: Grid, entropies: Sequence[LocalEntropy], betas: Sequence[float] = ()
) -> MinimaTable:
    """Match the minima of Phi, of Phi~ at each beta, and of Phi_ent at each gamma.

    Parameters
    ----------
    problem : Problem
    grid : Grid
    entropies : sequence of LocalEntropy
    betas : sequence of float
        Inverse temperatures at which the stationary state is solved for.

    Notes
    -----
    A minimum of a field belongs to the nearest minimum of Phi, if that has no nearer one: two
    minima of Phi that smoothing has merged leave one of them without a counterpart.

    Raises
    ------
    CaseError
        For grids of fewer than 7 cells along an axis.
    """
    if min(grid.shape) < STENCIL:
        raise CaseError(f"{min(grid.shape)} cells are too few; minima need {STENCIL}", "domain")
    samples = Samples.of_cells(grid, problem.loss_at(grid.points))
    own = _minima(critical_points(samples, None, _of_loss(problem)))
    found: list[tuple[str, float, list[CriticalPoint]]] = [(LOSS, math.nan, own)]
    for beta in betas:
        other = problem.with_beta(beta)
        state = stationary(generator(other, grid), other)
        quasi = state.quasi_potential
        reliable = beta * (quasi - quasi.min()) <= FLOOR
        points = critical_points(Samples.of_cells(grid, quasi), reliable, flat=1e-2)
        found.append((QUASI, beta, _minima(points)))
    for entropy in entropies:
        points = critical_points(Samples.of_cells(grid, entropy.values))
        found.append((ENTROPY, entropy.gamma, _minima(points)))
    rows = [_row(samples, own, points) for _, _, points in found]
    count, d = len(own), grid.ndim
    return MinimaTable(
        np.array([p.position for p in own]).reshape(count, d),
        np.array([p.value for p in own]),
        np.array([float(np.log(p.eigenvalues).sum()) for p in own]),
        tuple(name for name, _, _ in found),
        np.array([knob for _, knob, _ in found]),
        np.array([places for places, _ in rows]).reshape(len(rows), count, d),
        np.array([depths for _, depths in rows]).reshape(len(rows), count),
        np.array([len(points) for _, _, points in found]),
    )


def _minima(points: Sequence[CriticalPoint]) -> list[CriticalPoint]:
    return [point for point in points if point.index == 0]


def _of_loss(problem: Problem):  # type: ignore[no-untyped-def]
    def derivatives(point: np.ndarray, _: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        place = list(point)
        return (
            float(problem.loss_at(place)),
            problem.gradient_at(place),
            problem.hessian_at(place),
        )

    return derivatives


def _row(
    samples: Samples, own: list[CriticalPoint], points: list[CriticalPoint]
) -> tuple[np.ndarray, np.ndarray]:
    """Places and depths of the counterparts of ``own``."""
    d = samples.values.ndim
    places, depths = np.full((len(own), d), np.nan), np.full(len(own), np.nan)
    lowest = min((p.value for p in points), default=math.nan)
    nearest = np.full(len(own), np.inf)
    for point in points:
        gaps = [float(np.linalg.norm(samples.shift(o.position, point.position))) for o in own]
        if not gaps:
            continue
        number = int(np.argmin(gaps))
        if gaps[number] < nearest[number]:
            nearest[number] = gaps[number]
            places[number], depths[number] = point.position, point.value - lowest
    return places, depths
