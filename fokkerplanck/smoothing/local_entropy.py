"""Local entropy (66), Phi_ent = -log int exp(-Phi(x') - (gamma/2)|x - x'|^2) dx', on a grid.

Where kernel and loss are as wide as a few cells the integral is a sum over cells, refined where
need be and continued beyond the box, which converges faster than any power of the cell width. Where
the kernel is narrow against the loss it is a Gauss-Hermite quadrature around the point to which the
gradient leads. Both work with logarithms and normalised weights, so that Phi may be large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import erfc

from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from ..problem.seams import loss_tilts

KEY = "smoothing.gamma"
# Widths of the integrand, 1/sqrt(gamma + H), per spacing of the sum: the error exp(-2 pi^2 r^2) is
# below rounding from 1.4 on.
RESOLUTION = 1.4
# The sum reaches so many standard deviations of the kernel beyond the box: exp(-r^2/2) is rounding.
REACH = 8.6
# The kernel is narrow where gamma is this many times the largest curvature of the loss; nodes per
# axis by the number of axes, and how well rules of two sizes must agree.
NARROW = 50.0
NODES = {1: 48, 2: 24, 3: 14}
FEWER = 6
AGREE = 1e-11
# Terms of a sum held at once, and nodes of a sum at most.
CHUNK = 4_000_000
MOST_NODES = 30_000_000
# Share of the integrand's mass at the ends of the sum beyond which it is cut off, not resolved.
CUT_OFF = 1e-9
# Arrays of the nodes while a formula of the loss is evaluated on them.
FORMULA_ARRAYS = 4
FLOAT_BYTES = 8


@dataclass(frozen=True)
class LocalEntropy:
    """Phi_ent with its derivatives at the cell centres.

    Attributes
    ----------
    gamma : float
    values : ndarray of the grid's shape
    gradient : (d, *shape) ndarray
        gamma (x - <x'>).
    hessian : (d, d, *shape) ndarray
        gamma I - gamma^2 Cov(x').
    method : str
        "sum" or "gauss-hermite".
    """

    gamma: float
    values: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray
    method: str


def local_entropy(problem: Problem, grid: Grid, gamma: float) -> LocalEntropy:
    """Local entropy of the loss of a problem, in spectral accuracy.

    The integral runs over all of space: beyond the box the loss is what its formula says.

    Parameters
    ----------
    problem : Problem
        With a loss, without momentum.
    grid : Grid
    gamma : float
        Inverse variance of the kernel, > 0.

    Raises
    ------
    CaseError
        For gamma that is not positive, a kernel wider than the box, a loss without values where
        the kernel reaches, or a loss that does not hold the integrand together.
    """
    if not (math.isfinite(gamma) and gamma > 0.0):
        raise CaseError(f"{gamma:g} is not allowed; give a number > 0", KEY)
    if not problem.has_loss or problem.friction is not None:
        raise CaseError("smooths a loss without momentum; give [loss] alone", "smoothing")
    _require_width(grid, gamma)
    curvature = _largest_curvature(problem, grid)
    if gamma >= NARROW * curvature:
        fine = _gauss_hermite(problem, grid, gamma, NODES[grid.ndim])
        coarse = _gauss_hermite(problem, grid, gamma, NODES[grid.ndim] - FEWER)
        scale = 1.0 + np.abs(fine.values)
        if float((np.abs(fine.values - coarse.values) / scale).max()) <= AGREE:
            return fine
    return _sum(problem, grid, gamma, curvature)


def smoothing_bytes(problem: Problem, grid: Grid, gammas: Sequence[float]) -> int:
    """Bytes that :func:`local_entropy` holds at worst while it works, to a factor of about two."""
    d = grid.ndim
    moments = 1 + d * (d + 3) // 2
    curvature, most = _largest_curvature(problem, grid), 0
    for gamma in gammas:
        if gamma >= NARROW * curvature:
            most = max(most, grid.size * 2 * (FORMULA_ARRAYS + 1 + d + d * d))
            continue
        counts = [n * parts + 2 * beyond for n, parts, beyond in _counts(grid, gamma, curvature)]
        size = min(math.prod(counts), MOST_NODES)
        summed = size * grid.shape[0] // counts[0]
        block = min(CHUNK, size * max(grid.shape))
        most = max(most, FORMULA_ARRAYS * size + 2 * moments * summed + 3 * block)
    return FLOAT_BYTES * most


def _require_width(grid: Grid, gamma: float) -> None:
    width = 1.0 / math.sqrt(gamma)
    for axis in grid.domain.axes:
        if not axis.periodic and width > axis.length:
            lost = float(erfc(axis.length / (2.0 * math.sqrt(2.0) * width)))
            raise CaseError(
                f"{gamma:g} makes a kernel of standard deviation {width:.3g}, wider than "
                f"{axis.name} with its length {axis.length:g}: {100.0 * lost:.0f} % of it lies "
                f"outside the box, an error of up to {-math.log1p(-lost):.2g} in Phi_ent; take at "
                f"least {axis.length**-2:.3g} or a larger box",
                KEY,
            )


def _largest_curvature(problem: Problem, grid: Grid) -> float:
    """Largest |eigenvalue| of the Hessian over the cells."""
    hessian = problem.hessian_at(grid.points)
    if not np.isfinite(hessian).all():
        raise CaseError(
            "the loss has second derivatives that are no numbers; take a smaller box", KEY
        )
    eigenvalues = np.linalg.eigvalsh(np.moveaxis(hessian.reshape(grid.ndim, grid.ndim, -1), 2, 0))
    return float(np.abs(eigenvalues).max())


def _sum(problem: Problem, grid: Grid, gamma: float, curvature: float) -> LocalEntropy:
    """Midpoint sum on refined cells, one axis after the other.

    After an axis is summed over, its normalised weights give the moments of x' - x along it, given
    the places along the axes still to come; the later sums average them.
    """
    nodes, spacing = _nodes(grid, gamma, curvature)
    loss = problem.loss_at(_mesh(_wrapped(grid, nodes))) + _risen(problem, grid, nodes)
    if not np.isfinite(loss).all():
        raise CaseError(
            f"{gamma:g} makes the kernel reach where the loss has no finite value; take a larger "
            "gamma, or a loss that is defined beyond the box",
            KEY,
        )
    log = -loss
    first: list[np.ndarray] = []
    second: dict[tuple[int, int], np.ndarray] = {}
    for axis in range(grid.ndim):
        names = [(i,) for i in range(axis)] + list(second)
        moments = [*first, *second.values()]
        log, means, step, square, mixed = _along(
            log, moments, axis, grid, nodes[axis], float(spacing[axis]), gamma
        )
        by_name = dict(zip(names, means, strict=True))
        first = [by_name[(i,)] for i in range(axis)] + [step]
        second = {name: by_name[name] for name in second}
        second |= {(i, axis): mixed[i] for i in range(axis)}
        second[axis, axis] = square
    gradient = -gamma * np.array(first)
    d = grid.ndim
    hessian = np.empty((d, d, *grid.shape))
    for i in range(d):
        for j in range(i, d):
            covariance = second[i, j] - first[i] * first[j]
            hessian[i, j] = hessian[j, i] = gamma * (i == j) - gamma**2 * covariance
    return LocalEntropy(gamma, -log, gradient, hessian, "sum")


def _along(
    log: np.ndarray,
    moments: list[np.ndarray],
    axis: int,
    grid: Grid,
    nodes: np.ndarray,
    spacing: float,
    gamma: float,
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray, np.ndarray, list[np.ndarray]]:
    """Integrate exp(log) times the kernel along one axis.

    Returns the new logarithm, the averages of ``moments``, of x' - x and its square along this
    axis, and of x' - x times the first ``axis`` moments.
    """
    moved = np.moveaxis(log, axis, -1)
    shape = moved.shape[:-1]
    rows = moved.reshape(-1, nodes.size)
    fields = [np.moveaxis(m, axis, -1).reshape(rows.shape) for m in moments]
    centers = grid.centers[axis]
    away = nodes[None, :] - centers[:, None]
    kernel = -0.5 * gamma * away**2
    count = len(rows)
    total = np.empty((count, centers.size))
    means = [np.empty_like(total) for _ in moments]
    step, square = np.empty_like(total), np.empty_like(total)
    mixed = [np.empty_like(total) for _ in range(axis)]
    ends = 0.0
    block = max(1, CHUNK // (centers.size * nodes.size))
    for start in range(0, count, block):
        part = slice(start, start + block)
        exponent = rows[part, None, :] + kernel
        top = exponent.max(axis=2, keepdims=True)
        weight = np.exp(exponent - top)
        mass = weight.sum(axis=2)
        weight /= mass[..., None]
        ends = max(ends, float(weight[..., [0, -1]].max()))
        total[part] = top[..., 0] + np.log(mass * spacing)
        step[part] = np.einsum("roi,oi->ro", weight, away)
        square[part] = np.einsum("roi,oi->ro", weight, away**2)
        for number, one in enumerate(fields):
            means[number][part] = np.einsum("roi,ri->ro", weight, one[part])
            if number < axis:
                mixed[number][part] = np.einsum("roi,ri,oi->ro", weight, one[part], away)
    if ends > CUT_OFF:
        raise CaseError(
            f"{gamma:g} leaves a share of about {ends:.1e} of the integral at the ends of "
            f"{grid.names[axis]}, {REACH:g} kernel widths beyond the box: the loss falls outwards "
            "too steeply; take a larger gamma or box",
            KEY,
        )

    def back(values: np.ndarray) -> np.ndarray:
        return np.moveaxis(values.reshape(*shape, centers.size), -1, axis)

    return back(total), [back(m) for m in means], back(step), back(square), [back(m) for m in mixed]


def _counts(grid: Grid, gamma: float, curvature: float) -> list[tuple[int, int, int]]:
    """For every axis its cells, nodes in each, and nodes beyond each end.

    Raises
    ------
    CaseError
        For more nodes than a sum may have.
    """
    finest = RESOLUTION * math.sqrt(gamma + curvature)
    counts, total = [], 1.0
    for h, n in zip(grid.spacing, grid.shape, strict=True):
        parts = max(1.0, np.ceil(finest * float(h)))
        beyond = np.ceil(REACH / math.sqrt(gamma) / (float(h) / parts))
        total *= n * parts + 2.0 * beyond
        if not total <= MOST_NODES:
            raise CaseError(
                f"{gamma:g} and a loss with curvatures up to {curvature:.3g} need more than "
                f"{MOST_NODES:,} nodes; take a smaller box",
                KEY,
            )
        counts.append((n, int(parts), int(beyond)))
    return counts


def _nodes(grid: Grid, gamma: float, curvature: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Nodes of the sum along every axis, and their spacings."""
    nodes, spacing = [], []
    counts = _counts(grid, gamma, curvature)
    for axis, h, (n, parts, beyond) in zip(grid.domain.axes, grid.spacing, counts, strict=True):
        step = float(h) / parts
        numbers = np.arange(-beyond, n * parts + beyond) + 0.5
        nodes.append(axis.lower + numbers * step)
        spacing.append(step)
    return nodes, np.array(spacing)


def _wrapped(grid: Grid, nodes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Nodes brought back into the box along periodic axes."""
    return [
        axis.lower + np.mod(part - axis.lower, axis.length) if axis.periodic else part
        for axis, part in zip(grid.domain.axes, nodes, strict=True)
    ]


def _risen(problem: Problem, grid: Grid, nodes: Sequence[np.ndarray]) -> np.ndarray:
    """What a tilted loss gains on the way around periodic axes, on the open mesh of the nodes."""
    total = np.zeros((1,) * grid.ndim)
    for number, rise in loss_tilts(problem, grid).items():
        axis, shape = grid.domain.axes[number], [1] * grid.ndim
        shape[number] = -1
        turns = np.floor((nodes[number] - axis.lower) / axis.length)
        total = total + rise * turns.reshape(shape)
    return total


def _mesh(nodes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Open mesh."""
    return list(np.ix_(*nodes))


def _gauss_hermite(problem: Problem, grid: Grid, gamma: float, count: int) -> LocalEntropy:
    """Quadrature in z = sqrt(gamma) (x' - c) around c = x - grad Phi/gamma.

    With a = grad Phi/sqrt(gamma) the exponent is -Phi(c + z/sqrt(gamma)) - |a - z|^2/2, whose
    slope at z = 0 vanishes up to the curvature over gamma.
    """
    d, root = grid.ndim, math.sqrt(gamma)
    slope = problem.gradient_at(grid.points)
    a = slope / root
    center = [point - g / gamma for point, g in zip(grid.points, slope, strict=True)]
    base = problem.loss_at(center)
    abscissae, weights = np.polynomial.hermite_e.hermegauss(count)
    mass = np.zeros(grid.shape)
    first, second = np.zeros((d, *grid.shape)), np.zeros((d, d, *grid.shape))
    for number in np.ndindex(*(count,) * d):
        z = abscissae[list(number)]
        places = [c + step / root for c, step in zip(center, z, strict=True)]
        change = base - problem.loss_at(places) + np.tensordot(z, a, 1)
        part = math.prod(weights[list(number)]) * np.exp(change)
        mass += part
        for i in range(d):
            first[i] += part * z[i]
            for j in range(d):
                second[i, j] += part * (z[i] * z[j])
    mean = first / mass
    covariance = second / mass - mean[:, None] * mean[None, :]
    unit = np.eye(d).reshape(d, d, *(1,) * d)
    values = base + 0.5 * (a**2).sum(axis=0) - np.log(mass) + 0.5 * d * math.log(gamma)
    return LocalEntropy(
        gamma, values, slope - root * mean, gamma * (unit - covariance), "gauss-hermite"
    )
