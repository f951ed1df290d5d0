"""Where the steps of SGD from each cell lead: Gaussians sampled or as points, and mini-batches.

See :mod:`~fokkerplanck.transfer.transfer` for what is kept of their moments.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..grid import Grid
from ..problem import Problem
from .batches import Batches, chunks
from .deposition import SPLINE_VARIANCE, index_places

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

# Cells, weights and places of their landings (cells, landings); whether places are whole cells.
Piece = tuple[np.ndarray, np.ndarray, list[np.ndarray], bool]


def gaussian_columns(
    grid: Grid, mean: np.ndarray, covariance: np.ndarray, values: np.ndarray, vectors: np.ndarray
) -> Iterator[Piece]:
    """Pieces of Gaussian steps: sampled where wide, as points where narrow."""
    wide = values[:, 0] >= SAMPLED**2
    for cells in alike(np.flatnonzero(wide), np.sqrt(values[:, -1])):
        yield from _sampled(mean[:, cells], covariance[cells], cells)
    for cells in alike(np.flatnonzero(~wide), np.sqrt(values[:, -1])):
        kept = np.maximum(values[cells] - SPLINE_VARIANCE, 0.0)
        nodes, weights = _nodes(np.sqrt(kept.max(axis=0)))
        per = max(1, CHUNK // (weights.size * 3**grid.ndim))
        for _, part in chunks(cells.size, per):
            some = cells[part]
            factor = vectors[some] * np.sqrt(kept[part])[:, None, :]
            places = mean[:, some, None] + np.einsum("nia,ap->inp", factor, nodes)
            yield some, np.broadcast_to(weights, places.shape[1:]), list(places), False


def alike(cells: np.ndarray, widths: np.ndarray) -> Iterator[np.ndarray]:
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


def batch_columns(
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
    for number, part in chunks(points.shape[1], per):
        # Not a part of all cells: pieces keep theirs, and a part would keep the whole.
        cells = np.arange(part.start, part.stop)
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
