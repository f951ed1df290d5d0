"""Steps of d theta = b dt + dX with alpha-stable X, isotropic or along each axis."""

from __future__ import annotations

import math

import numpy as np

from .arguments import Equation, WalkerBlocks
from .codegen.fields import drift
from .codegen.jit import kernel
from .rng import fill_normals, fill_positive, fill_symmetric
from .sides import confine


@kernel
def advance_stable(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    h: float,
    steps: int,
    alpha: float,
    strengths: np.ndarray,
    isotropic: bool,
) -> None:
    """Euler's method; ``strengths`` (d,) are the K of exp(-t K |k|^alpha).

    Arguments are else those of :mod:`~fokkerplanck.particles.langevin`. Weak order 1. Absorbing
    sides take walkers where a step ends, so exits within a step are missed.
    """
    states, x, absorbed = walkers
    c, data, sides = equation.c, equation.data, equation.sides
    d, n = x.shape[1], x.shape[2]
    words, other = np.empty(n, np.uint64), np.empty(n, np.uint64)
    many, z = np.empty(d * n, np.uint64), np.empty((d, n))
    slope, radius = np.empty((d, n)), np.empty(n)
    scale = np.empty(d)
    for a in range(d):
        scale[a] = (strengths[a] * h) ** (1.0 / alpha)
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            drift(y, t + step * h, c, data, slope)
            if isotropic:
                fill_positive(state, words, other, 0.5 * alpha, radius)
                fill_normals(state, many, z.reshape(d * n))
                for i in range(n):
                    radius[i] = math.sqrt(2.0 * radius[i])
                for a in range(d):
                    for i in range(n):
                        z[a, i] *= radius[i]
            else:
                for a in range(d):
                    fill_symmetric(state, words, other, alpha, z[a])
            for a in range(d):
                for i in range(n):
                    y[a, i] += h * slope[a, i] + scale[a] * z[a, i]
            confine(y, sides, absorbed[k])
