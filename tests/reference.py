"""Slow twins of the kernels, written from the definitions in plain Python."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import mpmath
import numpy as np
from scipy.integrate import quad
from scipy.linalg import expm

from fokkerplanck.grid import Grid
from fokkerplanck.problem import Problem

Offset = tuple[int, ...]
# Nodes and weights of the three-point Gauss rule on [0, 1]: how the scheme defines P.
GAUSS = (
    (0.5 - math.sqrt(0.15), 5.0 / 18.0),
    (0.5, 4.0 / 9.0),
    (0.5 + math.sqrt(0.15), 5.0 / 18.0),
)


def bernoulli(z: float) -> float:
    """z/(exp(z) - 1) with 60 digits."""
    with mpmath.workdps(60):
        value = mpmath.mpf(z)
        return float(value / mpmath.expm1(value)) if value else 1.0


def canonical(offset: Sequence[int]) -> Offset:
    """The one of e and -e whose first non-zero component is positive."""
    leading = next((step for step in offset if step), 1)
    return tuple(int(step) if leading > 0 else -int(step) for step in offset)


def selling(tensor: np.ndarray) -> dict[Offset, float]:
    """Selling decomposition by the textbook algorithm: vectors, in exact fractions."""
    ndim = len(tensor)
    D = [[Fraction(float(entry)) for entry in row] for row in tensor]
    if ndim == 1:
        return {(1,): float(D[0][0])}

    def product(u: Offset, v: Offset) -> Fraction:
        return sum(u[i] * D[i][j] * v[j] for i in range(ndim) for j in range(ndim))

    base = [tuple(int(i == j) for j in range(ndim)) for i in range(ndim)] + [(-1,) * ndim]
    while True:
        acute = [
            (i, j) for i, j in itertools.combinations(range(ndim + 1), 2)
            if product(base[i], base[j]) > 0
        ]  # fmt: skip
        if not acute:
            return superbase_weights(base, product)
        i, j = acute[0]
        u, v = base[i], base[j]
        if ndim == 2:
            base = [tuple(-a for a in u), v, tuple(a - b for a, b in zip(u, v, strict=True))]
        else:
            k, m = (n for n in range(4) if n not in (i, j))
            w, z = base[k], base[m]
            base = [
                tuple(-a for a in u),
                v,
                tuple(a + b for a, b in zip(w, u, strict=True)),
                tuple(a + b for a, b in zip(z, u, strict=True)),
            ]


def superbase_weights(
    base: Sequence[Offset], product: Callable[[Offset, Offset], Fraction]
) -> dict[Offset, float]:
    """Selling's formula for an obtuse superbase: -<b_i, D b_j> goes with the normal of the rest."""
    result: dict[Offset, float] = {}
    for i, j in itertools.combinations(range(len(base)), 2):
        rest = [base[n] for n in range(len(base)) if n not in (i, j)]
        if len(base) == 3:
            normal = (-rest[0][1], rest[0][0])
        else:
            normal = tuple(int(c) for c in np.cross(rest[0], rest[1]))
        weight = -product(base[i], base[j])
        if weight:
            key = canonical(normal)
            result[key] = result.get(key, 0.0) + float(weight)
    return result


def selling_by_search(tensor: np.ndarray, reach: int) -> dict[Offset, float]:
    """Selling decomposition from an obtuse superbase found among all vectors up to ``reach``."""
    ndim = len(tensor)
    vectors = [v for v in itertools.product(range(-reach, reach + 1), repeat=ndim) if any(v)]
    halves = [v for v in vectors if canonical(v) == v]
    for first in halves:
        for others in itertools.permutations(vectors, ndim - 1):
            base = (first, *others)
            if abs(round(np.linalg.det(base))) != 1:
                continue
            last = tuple(-sum(v[i] for v in base) for i in range(ndim))
            whole = np.array([*base, last])
            products = whole @ tensor @ whole.T
            if np.max(products[np.triu_indices(ndim + 1, 1)]) <= 0.0:
                exact = [tuple(int(c) for c in v) for v in whole]
                return superbase_weights(exact, lambda u, v: np.array(u) @ tensor @ np.array(v))
    raise ValueError("no obtuse superbase within reach")


def dense_generator(
    problem: Problem,
    grid: Grid,
    time: float = 0.0,
    potential: Callable[[Sequence[float]], float] | None = None,
) -> np.ndarray:
    """Matrix of the generator, assembled cell by cell from the definition of the scheme.

    With ``potential``, Psi at a point, P is its difference between the cells, as it is wherever
    detailed balance is found.
    """
    cells = list(itertools.product(*(range(n) for n in grid.shape)))
    number = {cell: n for n, cell in enumerate(cells)}
    noisy = [i for i, still in enumerate(problem.noiseless) if not still]
    h = grid.spacing

    def place(position: Sequence[float]) -> list[float]:
        point = []
        for axis, x, width in zip(grid.domain.axes, position, h, strict=True):
            value = axis.lower + (x + 0.5) * width
            if axis.periodic:
                value = axis.lower + (value - axis.lower) % axis.length
            point.append(value)
        return point

    def tensor(point: Sequence[float]) -> np.ndarray:
        sigma = problem.sigma_at([np.array(x) for x in point], time)[np.ix_(noisy, noisy)]
        return sigma.reshape(len(noisy), len(noisy)) / problem.beta

    def velocity(point: Sequence[float]) -> np.ndarray:
        return problem.velocity_at([np.array(x) for x in point], time).reshape(-1)

    def drift(point: Sequence[float]) -> np.ndarray:
        return problem.drift_at([np.array(x) for x in point], time).reshape(-1)

    centers = [tensor(place(cell)) for cell in cells]
    varies = problem.constant_sigma is None
    diagonal = varies and all((np.diag(np.diag(t)) == t).all() for t in centers)

    def force(position: Sequence[float], step: np.ndarray) -> float:
        """Of a diagonal D without its divergence, which integrates to a logarithm."""
        point = place(position)
        carried = (drift if diagonal else velocity)(point)[noisy]
        return float(np.linalg.solve(tensor(point), carried) @ (step * h)[noisy])

    def integral(cell: Offset, step: np.ndarray, share: float = 1.0, whole: bool = True) -> float:
        """P by the Gauss rule, or where Simpson's differs from it, by adaptive quadrature."""

        def along(s: float) -> float:
            return force(np.array(cell) + s * share * step, share * step)

        rule = [along(s) for s, _ in GAUSS]
        found = sum(w * value for (_, w), value in zip(GAUSS, rule, strict=True))
        if not whole:
            return found
        samples = along(0.0), rule[1], along(1.0)
        simpson = (samples[0] + 4.0 * samples[1] + samples[2]) / 6.0
        spread = max(*samples, found) - min(*samples, found)
        if abs(simpson - found) > max(0.01 * spread, 1e-12 * (1.0 + max(map(abs, samples)))):
            # Sides and jumps of the tests lie in the middle.
            halves = (quad(along, *ends, epsabs=1e-14) for ends in ((0.0, 0.5), (0.5, 1.0)))
            return sum(value for value, _ in halves)
        return found

    def weights(cell: Offset) -> dict[Offset, float]:
        inner = tensor(place(cell)) / np.outer(h[noisy], h[noisy])
        result = {}
        for short, weight in selling(inner).items():
            offset = [0] * grid.ndim
            for axis, step in zip(noisy, short, strict=True):
                offset[axis] = step
            result[tuple(offset)] = weight
        return result

    share_of = {cell: weights(cell) for cell in cells}
    offsets = sorted({offset for found in share_of.values() for offset in found})
    matrix = np.zeros((grid.size, grid.size))
    for cell in cells:
        here = number[cell]
        for offset, sign in itertools.product(offsets, (1, -1)):
            step = sign * np.array(offset)
            own = share_of[cell].get(offset, 0.0)
            target, side, inside = follow(grid, cell, step)
            if target is None:
                if side == "absorbing" and own:
                    along = integral(cell, step, inside, whole=False)
                    matrix[here, here] -= own / inside * bernoulli(-along)
                continue
            other = share_of[target].get(offset, 0.0)
            conductance = 0.5 * (own + other)
            if not conductance:
                continue
            if diagonal and own != other:
                conductance = (other - own) / math.log(other / own)
            if potential is None:
                along = integral(cell, step)
                along -= math.log(other / own) if diagonal else 0.0
            else:
                along = potential(place(cell)) - potential(place(target))
            rate = conductance * bernoulli(-along)
            matrix[number[target], here] += rate
            matrix[here, here] -= rate
        for axis in (i for i in range(grid.ndim) if i not in noisy):
            for sign in (1, -1):
                step = sign * np.eye(grid.ndim, dtype=int)[axis]
                outward = sign * velocity(place(np.array(cell) + 0.5 * step))[axis] / h[axis]
                target, side, _ = follow(grid, cell, step)
                if outward <= 0.0 or (target is None and side != "absorbing"):
                    continue
                matrix[here, here] -= outward
                if target is not None:
                    matrix[number[target], here] += outward
    return matrix


def follow(grid: Grid, cell: Offset, step: np.ndarray) -> tuple[Offset | None, str, float]:
    """Where an edge leads: its target, or the kind of side it meets first and the share inside."""
    target, meets = [], []
    for axis, n, start, move in zip(grid.domain.axes, grid.shape, cell, step, strict=True):
        end = start + int(move)
        if axis.periodic:
            end %= n
        elif end >= n:
            meets.append(((n - 0.5 - start) / move, axis.boundary[1]))
        elif end < 0:
            meets.append(((-0.5 - start) / move, axis.boundary[0]))
        target.append(end)
    if meets:
        inside, side = min(meets)
        return None, side, inside
    return tuple(target), "", 1.0


def propagated(matrix: np.ndarray, density: np.ndarray, duration: float) -> np.ndarray:
    """exp(duration A) density by a dense matrix exponential."""
    return expm(duration * matrix) @ density


def raised(tensor: np.ndarray, share: float) -> np.ndarray:
    """D + delta I with delta = max(0, share tr D - 1/tr D^-1), by eigenvalues."""
    values = np.linalg.eigvalsh(tensor)
    low = 1.0 / np.sum(1.0 / values) if values[0] > 1e-11 * values.sum() else 0.0
    return tensor + max(0.0, share * values.sum() - low) * np.eye(len(tensor))


def limited(matrix: np.ndarray, low: np.ndarray, excess: np.ndarray, dt: float) -> np.ndarray:
    """low + dt A excess with limited fluxes (Zalesak 1979), pair by pair; A dense."""
    size = low.size
    flux = np.zeros((size, size))
    for i, j in itertools.permutations(range(size), 2):
        flux[i, j] = max(0.0, dt * (matrix[j, i] * excess[i] - matrix[i, j] * excess[j]))
    out = -dt * matrix.sum(axis=0) * excess
    leaving = flux.sum(axis=1) + np.maximum(out, 0.0)
    share = [low[i] / leaving[i] if leaving[i] > low[i] else 1.0 for i in range(size)]
    result = low.copy()
    for i in range(size):
        result[i] -= out[i] * share[i] if out[i] > 0.0 else out[i]
        for j in range(size):
            result[i] += share[j] * flux[j, i] - share[i] * flux[i, j]
    return result


def extrapolated(matrix: np.ndarray, density: np.ndarray, dt: float) -> np.ndarray:
    """Extrapolated backward Euler with limited fluxes, by dense elimination."""
    one = np.eye(density.size)
    full = np.linalg.solve(one - dt * matrix, density)
    middle = np.linalg.solve(one - 0.5 * dt * matrix, density)
    half = np.linalg.solve(one - 0.5 * dt * matrix, middle)
    return limited(matrix, half, 0.5 * (middle + half) - full, dt)


def chain_matrix(
    forward: Sequence[float], backward: Sequence[float], killing: Sequence[float], closed: bool
) -> np.ndarray:
    """Generator of one birth-death chain; a closed one leads from its last cell to the first."""
    size = len(forward)
    matrix = -np.diag(np.asarray(killing, dtype=float))
    for j in range(size if closed else size - 1):
        k = (j + 1) % size
        matrix[k, j] += forward[j]
        matrix[j, j] -= forward[j]
        matrix[j, k] += backward[j]
        matrix[k, k] -= backward[j]
    return matrix


def remapped(line: np.ndarray, feet: np.ndarray, periodic: bool) -> np.ndarray:
    """Cell means after a flow whose faces come from ``feet``, in cells: sums of integrals.

    Parabolas by their edge values and mean, drawn towards the mean where they would be negative;
    the least value is looked for on a mesh, at the ends and where the slope is zero.
    """
    n = line.size

    def mean(i: int) -> float:
        if periodic:
            return float(line[i % n])
        # The parabola whose means over the last three cells are theirs, by its differences.
        if i < 0:
            return mean(i + 3) - 3.0 * mean(i + 2) + 3.0 * mean(i + 1)
        if i >= n:
            return mean(i - 3) - 3.0 * mean(i - 2) + 3.0 * mean(i - 1)
        return float(line[i])

    def edge(i: int) -> float:
        return (7.0 * (mean(i - 1) + mean(i)) - mean(i - 2) - mean(i + 1)) / 12.0

    def shape(i: int) -> np.polynomial.Polynomial:
        low, high, m = edge(i), edge(i + 1), mean(i)
        bend = 6.0 * m - 3.0 * (low + high)
        parabola = np.polynomial.Polynomial([low, high - low + bend, -bend])
        least = min(parabola(s) for s in [*np.linspace(0.0, 1.0, 21), *_vertex(parabola)])
        share = m / (m - least) if least < 0.0 else 1.0
        return m + share * (parabola - m)

    out = np.zeros(n)
    for i in range(n):
        start, stop = float(feet[i]), float(feet[i + 1])
        for j in range(math.floor(start), math.ceil(stop)):
            primitive = shape(j).integ()
            out[i] += primitive(min(stop - j, 1.0)) - primitive(max(start - j, 0.0))
    return out


def _vertex(parabola: np.polynomial.Polynomial) -> list[float]:
    place = parabola.deriv().roots()
    return [float(s) for s in place if np.isreal(s) and 0.0 < s < 1.0]
