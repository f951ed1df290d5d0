"""How much memory the transfer operator of SGD takes, known from a few of its columns."""

from __future__ import annotations

import math

import numpy as np

from ..grid import Grid
from ..problem import Problem
from .batches import Batches
from .deposition import SPLINE_VARIANCE
from .step_laws import CHUNK, CUT, FEW_POINTS, FEW_WIDTH, POINT_CUT, POINT_STEP, SAMPLED, alike
from .transfer import ENTRY_BYTES, batches_of, check_step, gathered, step_columns

# Bytes on the way to an entry. For each term that adds to one: weight, row and column, all of them
# once more in one piece, and what scipy makes of them; sampled noise also has a place for each.
# For each axis of a landing, which makes 3^d terms: its place and what splines make of it.
POINT_BYTES, SAMPLE_BYTES, LANDING_BYTES = 58, 78, 60
# Arrays of the grid: points, mean, Sigma, its eigenvectors and what is made of them, for each
# entry of a triangle of Sigma.
CELL_BYTES = 100
FLOAT_BYTES = 8
# What is not counted one by one.
MARGIN = 1.05
# Terms of the columns that are put together to be counted, and cells that stand for all.
COUNTED_TERMS = 2_000_000
LEAST_CELLS, MOST_CELLS = 32, 4096
SEED = 7027
# Volume of the unit ball.
BALL = {1: 2.0, 2: math.pi, 3: 4.0 * math.pi / 3.0}


def transfer_bytes(problem: Problem, grid: Grid, noise: str = "auto", draws: int = 128) -> int:
    """Bytes that the transfer operator takes while it is put together, and somewhat more.

    The columns of some cells, drawn at random, are put together and their entries counted; where
    even those are too many, the entries are bounded by where the noise can lead.

    Parameters
    ----------
    problem, grid, noise, draws
        As those of :func:`~fokkerplanck.transfer.transfer.transfer_operator`.

    Raises
    ------
    CaseError
        As there.
    """
    eta = problem.learning_rate
    check_step(problem, eta)
    assert eta is not None
    batches = batches_of(problem, eta, noise, draws)
    random = np.random.default_rng(SEED)
    some = np.sort(random.permutation(grid.size)[:MOST_CELLS])
    widths, marginals = _widths(problem, grid, eta, some)
    terms = _terms(batches, widths, marginals, grid.ndim)
    # Batches are drawn for every cell, and the gradients of all samples taken there.
    effort = float(terms.max())
    if batches is not None:
        gone = batches.samples * 3.0**grid.ndim
        effort = max(effort * (1 if batches.enumerated else batches.size), gone)
    count = int(COUNTED_TERMS / effort)
    if count >= LEAST_CELLS:
        looked = np.sort(random.permutation(some.size)[:count])
        entries = _counted(problem, grid, eta, batches, some[looked])
    else:
        entries = float(np.minimum(_reached(batches, widths, terms, grid.ndim), grid.size).mean())
    matrix = entries * grid.size * ENTRY_BYTES
    points = POINT_BYTES + LANDING_BYTES * grid.ndim / 3.0**grid.ndim
    if batches is None:
        piece = _gaussian_piece(widths, terms, points, grid.size)
    else:
        # As many cells as CHUNK allows, but at least one.
        cells = min(max(CHUNK / effort, 1.0), float(grid.size))
        piece = cells * _batch_bytes(batches, grid.ndim, points * float(terms.max()))
    # Pieces beside what there is of the matrix; then the matrix and its copy in order.
    size = max(matrix + piece, 2.0 * matrix)
    size += grid.size * CELL_BYTES * grid.ndim * (grid.ndim + 1) / 2
    return int(min(MARGIN * size, 2.0**80))


def _gaussian_piece(widths: np.ndarray, terms: np.ndarray, points: float, cells: int) -> float:
    """Bytes of the largest piece: of the cells that are alike, as many as CHUNK allows."""
    sampled = widths[:, 0] >= SAMPLED
    largest = 0.0
    for kind, each in ((sampled, float(SAMPLE_BYTES)), (~sampled, points)):
        for group in alike(np.flatnonzero(kind), widths[:, -1]):
            # One window serves the whole group.
            most = float(terms[group].max())
            count = min(math.ceil(group.size / len(terms) * cells), max(CHUNK / most, 1.0))
            largest = max(largest, count * most * each)
    return largest


def _batch_bytes(batches: Batches, ndim: int, terms: float) -> float:
    """Bytes at a cell: while its batches are drawn, or while its ``terms`` bytes are made."""
    gradients = 2.0 * FLOAT_BYTES * ndim * batches.samples
    if batches.enumerated:
        return gradients + terms
    numbers = FLOAT_BYTES * batches.draws * batches.size
    # The gradients of those drawn; without replacement all samples are put in order.
    order = 0 if batches.replacement else 2 * batches.samples
    drawing = FLOAT_BYTES * batches.draws * (ndim * batches.size + order)
    return gradients + numbers + max(terms, float(drawing))


def _widths(
    problem: Problem, grid: Grid, eta: float, cells: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations of a step in cells, along its own axes and along those of the grid."""
    sigma = problem.sigma_at(list(_points(grid, cells)))
    scale = grid.spacing[:, None] * grid.spacing[None, :]
    covariance = np.moveaxis(2.0 * eta / problem.beta * sigma, -1, 0) / scale
    widths = np.sqrt(np.maximum(np.linalg.eigvalsh(covariance), 0.0))
    return widths, np.sqrt(np.maximum(np.einsum("naa->na", covariance), 0.0))


def _points(grid: Grid, cells: np.ndarray) -> np.ndarray:
    places = np.unravel_index(cells, grid.shape)
    return np.stack([x[i] for x, i in zip(grid.centers, places, strict=True)])


def _terms(
    batches: Batches | None, widths: np.ndarray, marginals: np.ndarray, ndim: int
) -> np.ndarray:
    """Terms that are added up in the column of each cell, at most."""
    if batches is not None:
        landings = batches.count if batches.enumerated else batches.draws
        return np.full(len(widths), float(landings) * 3.0**ndim)
    window = np.prod(2.0 * np.ceil(CUT * marginals + 0.5) + 1.0, axis=1)
    nodes = 2.0 * np.ceil(POINT_CUT * np.maximum(widths, 1.0) / POINT_STEP) + 1.0
    nodes = np.where(widths <= FEW_WIDTH, float(FEW_POINTS), nodes)
    still = widths**2 <= SPLINE_VARIANCE
    points = np.prod(np.where(still, 1.0, nodes), axis=1) * 3.0**ndim
    return np.where(widths[:, 0] < SAMPLED, points, window)


def _reached(
    batches: Batches | None, widths: np.ndarray, terms: np.ndarray, ndim: int
) -> np.ndarray:
    """Cells that the steps from each cell can lead to, at most."""
    if batches is not None:
        return terms
    ball = BALL[ndim] * np.prod(CUT * widths + 1.0, axis=1)
    return np.minimum(ball, terms)


def _counted(
    problem: Problem, grid: Grid, eta: float, batches: Batches | None, cells: np.ndarray
) -> float:
    """Mean number of entries in the columns of some cells."""
    pieces, _ = step_columns(problem, grid, _points(grid, cells), eta, batches)
    matrix, _ = gathered(grid, cells.size, pieces)
    return float(matrix.nnz) / cells.size
