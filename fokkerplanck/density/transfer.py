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
from .batches import Batches, chunks
from .landing import SPLINE_VARIANCE, index_places, settle, spline_weights, spread

# Smallest standard deviation, in cells, of noise that is sampled: an error of 3e-9.
SAMPLED = 1.0
# Standard deviations after which a sampled Gaussian is cut off, at 3e-12 of its mass.
CUT = 7.0
# Points of narrow noise are this many cells apart, closer than their splines are wide, and go on
# for this many standard deviations. Their number matters to higher moments only.
POINT_STEP, POINT_CUT = 0.9, 5.0
# Noise up to this width, in cells, is a few points of Gauss and Hermite.
FEW_WIDTH, FEW_POINTS = 0.6, 5
# Landings made at once; two arrays of them stay below 100 MB.
CHUNK = 4_000_000
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
    _check(problem, eta)
    assert eta is not None
    batches = batches_of(problem, eta, noise, draws, seed)
    points = np.stack([np.broadcast_to(x, grid.shape).reshape(-1) for x in grid.points])
    drift = problem.drift_at(list(points))
    mean = index_places(grid, points + eta * drift)
    _check_landings(grid, points, mean, eta)
    scale = grid.spacing[:, None] * grid.spacing[None, :]
    sigma = problem.sigma_at(list(points))
    covariance = np.moveaxis(2.0 * eta / problem.beta * sigma, -1, 0) / scale
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    if batches is None:
        pieces = _gaussian_columns(grid, mean, covariance, values, vectors)
        points_only = values[:, 0] < SAMPLED**2
    else:
        pieces = _batch_columns(problem, grid, points, drift, eta, batches, values, vectors)
        points_only = np.ones(grid.size, dtype=bool)
    left = np.maximum(SPLINE_VARIANCE - values, 0.0)
    lengths = np.einsum("nia,i->na", vectors**2, grid.spacing**2)
    total = np.maximum((lengths * values).sum(axis=1), np.finfo(float).tiny)
    excess = np.where(points_only, (lengths * left).sum(axis=1) / total, 0.0)
    matrix, folded = _gathered(grid, pieces)
    return TransferOperator(grid, eta, matrix, excess, folded, batches)


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


def _check(problem: Problem, eta: float | None) -> None:
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


# Cells, weights and places of their landings (cells, landings); whether places are whole cells.
Piece = tuple[np.ndarray, np.ndarray, list[np.ndarray], bool]


def _gaussian_columns(
    grid: Grid, mean: np.ndarray, covariance: np.ndarray, values: np.ndarray, vectors: np.ndarray
) -> Iterator[Piece]:
    """Pieces of Gaussian steps: sampled where wide, as points where narrow."""
    wide = values[:, 0] >= SAMPLED**2
    for cells in _alike(np.flatnonzero(wide), np.sqrt(values[:, -1])):
        yield from _sampled(mean[:, cells], covariance[cells], cells)
    for cells in _alike(np.flatnonzero(~wide), np.sqrt(values[:, -1])):
        kept = np.maximum(values[cells] - SPLINE_VARIANCE, 0.0)
        nodes, weights = _nodes(np.sqrt(kept.max(axis=0)))
        per = max(1, CHUNK // (weights.size * 3**grid.ndim))
        for _, part in chunks(cells.size, per):
            some = cells[part]
            factor = vectors[some] * np.sqrt(kept[part])[:, None, :]
            places = mean[:, some, None] + np.einsum("nia,ap->inp", factor, nodes)
            yield some, np.broadcast_to(weights, places.shape[1:]), list(places), False


def _alike(cells: np.ndarray, widths: np.ndarray) -> Iterator[np.ndarray]:
    """Cells by width, in groups that differ by less than a quarter, so that one window does."""
    if not cells.size:
        return
    level = np.floor(np.log(np.maximum(widths[cells], 1e-3)) / math.log(1.25))
    for value in np.unique(level):
        yield cells[level == value]


def _nodes(widths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal nodes (d, p) and weights (p,) for noise of these widths in cells.

    The trapezoidal rule with steps of at most a standard deviation is as good as exact.
    """
    axes, shares = [], []
    for width in widths:
        if width == 0.0:
            axes.append(np.zeros(1))
            shares.append(np.ones(1))
            continue
        if width <= FEW_WIDTH:
            z, w = np.polynomial.hermite_e.hermegauss(FEW_POINTS)
        else:
            step = min(POINT_STEP, POINT_STEP / width)
            half = math.ceil(POINT_CUT / step)
            z = step * np.arange(-half, half + 1)
            w = np.exp(-0.5 * z**2)
        w = w / w.sum()
        # The rule's own variance, one but for the cut.
        axes.append(z / math.sqrt(float(w @ z**2)))
        shares.append(w)
    nodes = np.stack([part.reshape(-1) for part in np.meshgrid(*axes, indexing="ij")])
    weights = np.ones(1)
    for share in shares:
        weights = np.multiply.outer(weights, share).reshape(-1)
    return nodes, weights


def _sampled(mean: np.ndarray, covariance: np.ndarray, cells: np.ndarray) -> Iterator[Piece]:
    """Gaussians sampled at the cell centres, each normalised."""
    d = mean.shape[0]
    reach = [math.ceil(CUT * math.sqrt(float(covariance[:, a, a].max())) + 0.5) for a in range(d)]
    size = math.prod(2 * r + 1 for r in reach)
    precision = np.linalg.inv(covariance)
    # Every axis in its own dimension: broadcasting spares all but the last products.
    spans = [np.arange(-r, r + 1).reshape((-1,) + (1,) * (d - 1 - a)) for a, r in enumerate(reach)]
    column = (slice(None),) + (None,) * d
    for _, part in chunks(cells.size, max(1, CHUNK // size)):
        middle = np.floor(mean[:, part] + 0.5)
        away = [span - (mean[a, part] - middle[a])[column] for a, span in enumerate(spans)]
        exponent: Any = 0.0
        for i in range(d):
            inner: Any = 0.5 * precision[part, i, i][column] * away[i]
            for j in range(i):
                inner = inner + precision[part, i, j][column] * away[j]
            exponent = exponent + inner * away[i]
        exponent = exponent.reshape(exponent.shape[0], -1)
        weights = np.exp(-exponent, where=exponent <= 0.5 * CUT**2, out=np.zeros_like(exponent))
        weights /= weights.sum(axis=1, keepdims=True)
        shape = (middle.shape[1], *(2 * r + 1 for r in reach))
        places = [
            np.broadcast_to(middle[a].astype(np.int64)[column] + span, shape).reshape(weights.shape)
            for a, span in enumerate(spans)
        ]
        yield cells[part], weights, places, True


def _batch_columns(
    problem: Problem,
    grid: Grid,
    points: np.ndarray,
    drift: np.ndarray,
    eta: float,
    batches: Batches,
    values: np.ndarray,
    vectors: np.ndarray,
) -> Iterator[Piece]:
    """Pieces of steps with the gradients of true mini-batches."""
    model = problem.model
    assert model is not None
    d, n = grid.ndim, model.samples
    if batches.enumerated:
        table, weights = batches.table()
        # Shares of the samples in a batch, so that its gradient is one product.
        share = np.zeros((len(table), n))
        np.add.at(share, (np.arange(len(table))[:, None], table), 1.0 / batches.size)
    count = len(share) if batches.enumerated else batches.draws
    per = max(1, CHUNK // (max(count * (1 if batches.enumerated else batches.size), n) * 3**d))
    ratio = np.sqrt(
        np.divide(
            np.maximum(values - SPLINE_VARIANCE, 0.0),
            values,
            out=np.zeros_like(values),
            where=values > 0.0,
        )
    )
    for number, part in chunks(grid.size, per):
        cells = np.arange(grid.size)[part]
        gradients = model.gradients_at(list(points[:, part]))
        deviation = gradients - gradients.mean(axis=-1, keepdims=True)
        if batches.enumerated:
            away = deviation @ share.T
            probability = np.broadcast_to(weights, away.shape[1:])
        else:
            chosen = batches.drawn(cells.size, number)
            rows = np.arange(cells.size)[:, None, None]
            away = deviation[:, rows, chosen].mean(axis=-1)
            probability = np.full(away.shape[1:], 1.0 / batches.draws)
        away *= -eta / grid.spacing[:, None, None]
        contract = np.einsum("nia,na,nja->nij", vectors[part], ratio[part], vectors[part])
        middle = index_places(grid, points[:, part] + eta * drift[:, part])
        places = middle[:, :, None] + np.einsum("nij,jnp->inp", contract, away)
        yield cells, probability, list(places), False


def _gathered(grid: Grid, pieces: Iterator[Piece]) -> tuple[sparse.csc_array, np.ndarray]:
    """The matrix from its pieces, and the folded share of each column."""
    blocks, order, entries = [], [], 0
    folded = np.zeros(grid.size)
    for cells, weights, places, whole in pieces:
        if whole:
            terms: Any = [(places, weights)]
        else:
            pairs = [spline_weights(place) for place in places]
            nearest = np.stack([pair[0] for pair in pairs])
            splines = np.stack([pair[1] for pair in pairs], axis=1)
            terms = ((at, weights * share) for at, share in spread(nearest, splines))
        rows, columns, values = [], [], []
        for at, share in terms:
            flat, kept, back = settle(grid, at)
            kept &= share > 0.0
            np.add.at(folded, cells, np.where(back, share, 0.0).sum(axis=1))
            rows.append(flat[kept])
            columns.append(np.nonzero(kept)[0])
            values.append(share[kept])
        triplets = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        block = sparse.csc_array(triplets, shape=(grid.size, cells.size))
        blocks.append(block)
        order.append(cells)
        entries += block.nnz
        if entries > MOST_ENTRIES:
            raise CaseError(
                f"the steps of SGD from {grid.size} cells reach more than {MOST_ENTRIES:,} others "
                f"({MOST_ENTRIES * ENTRY_BYTES / 2**30:.3g} GiB); take fewer cells",
                "domain",
            )
    joined = sparse.csc_array(sparse.hstack(blocks, format="csc"))
    place = np.argsort(np.concatenate(order))
    return joined[:, place], folded
