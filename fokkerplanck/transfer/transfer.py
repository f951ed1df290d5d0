"""The transfer operator of SGD (52): the law of theta' = theta - eta g_B(theta) on a grid.

Column j of the matrix is the law of the step from the centre of cell j. It is positive, sums to one
and has the mean and the covariance of the step itself, so that the grid adds no diffusion:

- Gaussian noise at least as wide as a cell is its density sampled at the cell centres. By
  Poisson's formula mass, mean and covariance are wrong by exp(-2 pi^2 s^2), s the smallest
  standard deviation in cells: 3e-9 at s = 1. The order in the cell width is beyond all powers.
- Narrower noise and mini-batches are points, each laid down by quadratic splines. A spline has
  its point for mean and the variance 1/4 of a squared cell wherever the point is, so the points
  are first drawn towards their mean until their covariance is less by just that. (Cells' integrals
  would take 1/12, and keep neither mean nor variance where the noise is narrow.) Order 2.
- Where the noise has less than that variance along a direction, there is nothing to draw
  together: the excess is kept and reported.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from .batches import Batches
from .deposition import SPLINE_VARIANCE, index_places, settle, spline_weights, spread
from .step_laws import SAMPLED, Piece, batch_columns, gaussian_columns

# Bytes of a stored entry, and how many may be stored.
ENTRY_BYTES = 12
MOST_ENTRIES = 250_000_000
# Landings further away than this many box lengths are lost to infinity, as walkers are.
FARTHEST = 1e6


@dataclass(frozen=True, eq=False)
class TransferOperator:
    """One step of SGD as a matrix on the cells.

    Attributes
    ----------
    grid : Grid
    rate : float
        Learning rate eta.
    matrix : csc_array, shape (N, N)
        Entry (i, j): probability that a step from the centre of cell j ends in cell i.
    excess : ndarray, shape (N,)
        Variance that the grid adds to the step, over that of the step: trace over trace.
    folded : ndarray, shape (N,)
        Share of each step that a reflecting side brings back.
    batches : Batches or None
        None for Gaussian noise.
    """

    grid: Grid
    rate: float
    matrix: sparse.csc_array
    excess: np.ndarray
    folded: np.ndarray
    batches: Batches | None = None

    def matvec(self, density: np.ndarray) -> np.ndarray:
        """Density after one step, of the grid's shape or flat as given."""
        return np.asarray(self.matrix @ density.reshape(-1)).reshape(density.shape)

    def adjoint_matvec(self, values: np.ndarray) -> np.ndarray:
        """E O(theta - eta g_B) from the values of O at the cell centres, see (53)."""
        return np.asarray(self.matrix.T @ values.reshape(-1)).reshape(values.shape)

    @cached_property
    def kept(self) -> np.ndarray:
        """Probability that a step from each cell stays in the box, of the grid's shape."""
        return np.asarray(self.matrix.sum(axis=0)).reshape(self.grid.shape)

    def advance(self, density: np.ndarray, steps: int) -> np.ndarray:
        """Density after a number of steps."""
        for _ in range(steps):
            density = self.matvec(density)
        return density

    def mean_excess(self, density: np.ndarray) -> float:
        """Mean of ``excess`` over a density."""
        return float(density.reshape(-1) @ self.excess / density.sum())

    def folded_share(self, density: np.ndarray) -> float:
        """Share of a density that reflecting sides bring back in the next step."""
        return float(density.reshape(-1) @ self.folded / density.sum())


def transfer_operator(
    problem: Problem,
    grid: Grid,
    *,
    rate: float | None = None,
    noise: str = "auto",
    draws: int = 128,
    seed: int = 20261,
) -> TransferOperator:
    """Transfer operator of a problem on a grid.

    Parameters
    ----------
    problem : Problem
        Without momentum, with coefficients that do not depend on time. An extra drift f is part
        of the step: theta' = theta + eta (f - g_B).
    grid : Grid
    rate : float, optional
        Learning rate; the problem's own where left out. beta stays as it is: the batch size is
        beta eta/2, in proportion to the learning rate.
    noise : str
        "gaussian": g_B is Gaussian with the covariance Sigma/\\|B|, that is 2 Sigma/(beta eta);
        "minibatch": the true batches of a data model; "auto": these where there is a model with
        Sigma from "minibatch" and a batch size.
    draws, seed : int
        Where there are more than ``ENUMERATED`` different batches, each cell has ``draws`` of its
        own, drawn independently: the expectation of the matrix over the seed is that of all
        batches, but for the contraction about the exact mean, by the exact covariance.

    Raises
    ------
    CaseError
        For what a step of SGD cannot be: no learning rate, momentum, a batch that is no whole
        number, a step that leads to infinity, too many entries.
    """
    eta = problem.learning_rate if rate is None else rate
    check_step(problem, eta)
    assert eta is not None
    batches = batches_of(problem, eta, noise, draws, seed)
    points = np.stack([np.broadcast_to(x, grid.shape).reshape(-1) for x in grid.points])
    pieces, excess = step_columns(problem, grid, points, eta, batches)
    matrix, folded = gathered(grid, points.shape[1], pieces)
    return TransferOperator(grid, eta, matrix, excess, folded, batches)


def step_columns(
    problem: Problem, grid: Grid, points: np.ndarray, eta: float, batches: Batches | None
) -> tuple[Iterator[Piece], np.ndarray]:
    """Where a step leads from each of the points (d, n), and the variance that the grid adds.

    Raises
    ------
    CaseError
        If a step leads to infinity.
    """
    drift = problem.drift_at(list(points))
    mean = index_places(grid, points + eta * drift)
    _check_landings(grid, points, mean, eta)
    scale = grid.spacing[:, None] * grid.spacing[None, :]
    sigma = problem.sigma_at(list(points))
    covariance = np.moveaxis(2.0 * eta / problem.beta * sigma, -1, 0) / scale
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    if batches is None:
        pieces = gaussian_columns(grid, mean, covariance, values, vectors)
        points_only = values[:, 0] < SAMPLED**2
    else:
        pieces = batch_columns(problem, grid, points, drift, eta, batches, values, vectors)
        points_only = np.ones(points.shape[1], dtype=bool)
    left = np.maximum(SPLINE_VARIANCE - values, 0.0)
    lengths = np.einsum("nia,i->na", vectors**2, grid.spacing**2)
    total = np.maximum((lengths * values).sum(axis=1), np.finfo(float).tiny)
    excess = np.where(points_only, (lengths * left).sum(axis=1) / total, 0.0)
    return pieces, excess


def batches_of(
    problem: Problem, eta: float, noise: str = "auto", draws: int = 128, seed: int = 20261
) -> Batches | None:
    """The mini-batches of a step, None for Gaussian noise.

    Raises
    ------
    CaseError
        If the kind of noise does not exist, or there are no batches to draw.
    """
    key = "discrete.noise"
    if noise not in ("auto", "gaussian", "minibatch"):
        raise CaseError(f"{noise!r} is not allowed; take auto, gaussian or minibatch", key)
    model = problem.model
    real = problem.minibatch_noise and problem.batch_size is not None
    if noise == "gaussian" or (noise == "auto" and not real):
        return None
    if model is None:
        raise CaseError("minibatch needs a loss of data, given by loss.model", key)
    if problem.batch_size is None or problem.learning_rate is None:
        raise CaseError("minibatch needs batch_size and learning_rate", "noise.batch_size")
    if not real:
        raise CaseError('minibatch needs source = "minibatch"', "noise.source")
    size = problem.batch_size * eta / problem.learning_rate
    whole = round(size)
    if whole < 1 or abs(size - whole) > 1e-9 * size:
        raise CaseError(
            f"a learning rate of {eta:g} at the same beta means batches of {size:g} samples, no "
            "whole number",
            "discrete.rates",
        )
    # (n - 1)/(n - |B|) of (33) is not in proportion to the learning rate.
    if not problem.replacement and eta != problem.learning_rate:
        raise CaseError(
            "other learning rates at the same beta need replacement = true", "discrete.rates"
        )
    return Batches(model.samples, whole, problem.replacement, draws, seed)


def check_step(problem: Problem, eta: float | None) -> None:
    """Raise :class:`CaseError` for what has no step of SGD."""
    if eta is None:
        raise CaseError("is missing; a step of SGD needs it", "noise.learning_rate")
    if not (math.isfinite(eta) and eta > 0.0):
        raise CaseError(f"{eta:g} is not positive; a learning rate is > 0", "noise.learning_rate")
    if problem.friction is not None:
        raise CaseError(
            "has no transfer operator here: its noise has no width along the parameters; leave "
            "momentum out",
            "discrete",
        )
    if problem.time_dependent:
        raise CaseError("needs coefficients that do not change in time", "discrete")


def _check_landings(grid: Grid, points: np.ndarray, mean: np.ndarray, eta: float) -> None:
    """Refuse steps that lead to infinity, as far as cells can be counted.

    Raises
    ------
    CaseError
        Names the worst of them.
    """
    for a, (axis, n) in enumerate(zip(grid.domain.axes, grid.shape, strict=True)):
        far = np.abs(mean[a]) / n
        worst = int(np.argmax(np.where(np.isfinite(far), far, np.inf)))
        if not far[worst] <= FARTHEST:
            place = ", ".join(
                f"{name} = {points[i, worst]:.4g}" for i, name in enumerate(grid.names)
            )
            raise CaseError(
                f"a step of SGD leads from {place} further than {FARTHEST:g} lengths of "
                f"[{axis.lower:g}, {axis.upper:g}]: the learning rate {eta:g} is too large for "
                "this box; lower it or narrow the range",
                f"domain.{axis.name}.range",
            )


def gathered(
    grid: Grid, count: int, pieces: Iterator[Piece]
) -> tuple[sparse.csc_array, np.ndarray]:
    """The matrix of ``count`` columns from its pieces, and the folded share of each column."""
    blocks, order, entries = [], [], 0
    folded = np.zeros(count)
    for piece in pieces:
        cells = piece[0]
        block, back = _block(grid, piece)
        # The next one is made before the name would be given to it.
        del piece
        folded[cells] += back
        blocks.append(block)
        order.append(cells)
        entries += block.nnz
        if entries > MOST_ENTRIES:
            raise CaseError(
                f"the steps of SGD from {grid.size} cells reach more than {MOST_ENTRIES:,} others "
                f"({MOST_ENTRIES * ENTRY_BYTES / 2**30:.3g} GiB); take fewer cells",
                "domain",
            )
    joined = blocks[0] if len(blocks) == 1 else sparse.hstack(blocks, format="csc")
    # No longer needed when the columns are put in order, which takes as much again.
    del blocks, block
    cells = np.concatenate(order)
    if np.any(cells[1:] < cells[:-1]):
        joined = joined[:, np.argsort(cells)]
    return sparse.csc_array(joined), folded


def _block(grid: Grid, piece: Piece) -> tuple[sparse.csc_array, np.ndarray]:
    """The columns of one piece, and the share of each that reflecting sides bring back.

    All that it takes on the way is given back with the return.
    """
    cells, weights, places, whole = piece
    if whole:
        terms: Any = [(places, weights)]
    else:
        pairs = [spline_weights(place) for place in places]
        nearest = np.stack([pair[0] for pair in pairs])
        splines = np.stack([pair[1] for pair in pairs], axis=1)
        terms = ((at, weights * share) for at, share in spread(nearest, splines))
    folded = np.zeros(cells.size)
    rows, columns, values = [], [], []
    for at, share in terms:
        flat, kept, back = settle(grid, at)
        kept &= share > 0.0
        folded += np.where(back, share, 0.0).sum(axis=1)
        rows.append(flat[kept])
        columns.append(np.nonzero(kept)[0].astype(np.int32))
        values.append(share[kept])
    shape = (grid.size, cells.size)
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return sparse.csc_array(entries, shape=shape), folded
