"""Slow twins of the high-order scheme, written from the definitions in plain Python."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from math import factorial

import numpy as np

from fokkerplanck.grid import Grid
from fokkerplanck.problem import Problem

REACH = 3


def central(width: int, power: int) -> list[Fraction]:
    """Weights of u(+1), ..., u(+width) in the central derivative of order 2 width."""
    return [
        Fraction(power * (-1) ** (k + 1) * factorial(width) ** 2)
        / (k**power * factorial(width - k) * factorial(width + k))
        for k in range(1, width + 1)
    ]


def face_weights(width: int, power: int) -> list[Fraction]:
    """Weights on one side of a face, from it outwards, whose differences are `central`."""
    weights: list[Fraction] = []
    for entry in reversed(central(width, power)):
        weights.insert(0, entry + (weights[0] if weights else 0))
    return weights


def derivative(n: int, cell: int, periodic: bool) -> dict[int, Fraction]:
    """First derivative in a cell by cells."""
    width = REACH if periodic else min(cell, n - 1 - cell, REACH)
    if width == 0:
        sign = 1 if cell == 0 else -1
        one_sided = (Fraction(-3, 2), Fraction(2), Fraction(-1, 2))
        return {cell + sign * k: sign * value for k, value in enumerate(one_sided)}
    result: dict[int, Fraction] = {}
    for k, value in enumerate(central(width, 1), start=1):
        for sign in (1, -1):
            place = (cell + sign * k) % n
            result[place] = result.get(place, Fraction(0)) + sign * value
    return result


def dense_high_order(problem: Problem, grid: Grid, time: float = 0.0) -> np.ndarray:
    """Matrix of A_h, face by face."""
    ndim, h = grid.ndim, grid.spacing
    shape = grid.shape
    drift = np.broadcast_to(problem.drift_at(grid.points, time), (ndim, *shape))
    sigma = np.broadcast_to(problem.sigma_at(grid.points, time), (ndim, ndim, *shape))
    index = np.arange(grid.size).reshape(shape)
    matrix = np.zeros((grid.size, grid.size))

    def tensor(i: int, j: int, cell: tuple[int, ...]) -> float:
        return float(sigma[i, j][cell]) / (problem.beta * h[i] * h[j])

    def carried(axis: int, cell: tuple[int, ...]) -> dict[tuple[int, ...], float]:
        """Drift times the density minus the mixed derivatives, by cells."""
        result = {cell: float(drift[axis][cell]) / h[axis]}
        for other in range(ndim):
            if other == axis:
                continue
            periodic = grid.domain.axes[other].periodic
            for place, value in derivative(shape[other], cell[other], periodic).items():
                there = (*cell[:other], place, *cell[other + 1 :])
                part = float(value) * tensor(axis, other, there)
                result[there] = result.get(there, 0.0) - part
        return result

    for axis, side in enumerate(grid.domain.axes):
        n = shape[axis]
        for cell in itertools.product(*(range(m) for m in shape)):
            faces = (cell[axis],) if cell[axis] < n - 1 or side.periodic else (n - 1, n)
            for face in faces:
                flux = np.zeros(grid.size)

                def at(place: int, cell: tuple[int, ...] = cell, axis: int = axis):
                    n = shape[axis]
                    return (*cell[:axis], place % n, *cell[axis + 1 :])

                width = REACH if side.periodic else min(face, n - face, REACH)
                means = face_weights(width, 1) if width else []
                slopes = face_weights(width, 2) if width else []
                for k in range(width):
                    for place, sign in ((at(face - 1 - k), -1), (at(face + k), 1)):
                        for there, value in carried(axis, place).items():
                            flux[index[there]] += float(means[k]) * value
                        flux[index[place]] -= sign * float(slopes[k]) * tensor(axis, axis, place)
                if width == 0 and side.boundary[int(face > 0)] == "absorbing":
                    # A parabola through zero at the side and the two cells next to it.
                    outward = 1 if face else -1
                    near, far = (n - 1, n - 2) if face else (0, 1)
                    flux[index[at(near)]] += outward * 3.0 * tensor(axis, axis, at(near))
                    flux[index[at(far)]] -= outward * tensor(axis, axis, at(far)) / 3.0
                if face < n or side.periodic:
                    matrix[index[at(face)]] += flux
                if face > 0 or side.periodic:
                    matrix[index[at(face - 1)]] -= flux
    return matrix


def limited(low: np.ndarray, fluxes: Sequence[np.ndarray], periodic: Sequence[bool]) -> np.ndarray:
    """low plus the flux corrections, limited cell by cell until none is negative.

    ``fluxes[i]`` has n_i + 1 entries along axis i; the two ends are one face at periodic sides.
    """
    shape = low.shape
    cells = list(itertools.product(*(range(n) for n in shape)))
    edges = []
    for axis, flux in enumerate(fluxes):
        n = shape[axis]
        for place in itertools.product(*(range(m) for m in flux.shape)):
            j = place[axis]
            if j == n and periodic[axis]:
                continue
            before = (*place[:axis], (j - 1) % n, *place[axis + 1 :])
            after = (*place[:axis], j % n, *place[axis + 1 :])
            source = before if j > 0 or periodic[axis] else None
            target = after if j < n or periodic[axis] else None
            value = float(flux[place])
            edges.append((source, target, value) if value >= 0 else (target, source, -value))
    leaving = dict.fromkeys(cells, 0.0)
    for source, _, value in edges:
        if source is not None:
            leaving[source] += value
    share = dict.fromkeys(cells, 1.0)
    while True:
        result = {cell: float(low[cell]) for cell in cells}
        for source, target, value in edges:
            moved = value * (1.0 if source is None else share[source])
            if source is not None:
                result[source] -= moved
            if target is not None:
                result[target] += moved
        bad = [c for c in cells if result[c] < 0.0 and share[c] == 1.0 and leaving[c] > low[c]]
        if not bad:
            return np.array([max(result[cell], 0.0) for cell in cells]).reshape(shape)
        for cell in bad:
            share[cell] = float(low[cell]) / leaving[cell]
