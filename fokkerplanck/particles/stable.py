"""Steps of d theta = b dt + dX with alpha-stable X, isotropic or along each axis.

Symmetric variables by Chambers, Mallows and Stuck (J. Am. Stat. Assoc. 71 (1976), 340); isotropic
ones are sqrt(2 A) G with normals G and A positive (alpha/2)-stable, by Kanter (Ann. Probab. 3
(1975), 697). Both have the characteristic function exp(-|k|^alpha).
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import ONE_BITS, float_of_bits
from .codegen.fields import drift
from .codegen.jit import inline, kernel
from .rng import BELOW_ONE, S12, fill_normals, fill_words
from .sides import confine


@inline
def fill_symmetric(
    state: np.ndarray, words: np.ndarray, other: np.ndarray, alpha: float, out: np.ndarray
) -> None:
    """Replace ``out`` (n,) by symmetric alpha-stable numbers; ``words`` and ``other`` scratch."""
    fill_words(state, words)
    fill_words(state, other)
    for i in range(out.shape[0]):
        u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
        w = -math.log(float_of_bits((other[i] >> S12) | ONE_BITS) - BELOW_ONE)
        angle = math.pi * (u - 0.5)
        if alpha == 1.0:
            out[i] = math.tan(angle)
            continue
        power = (1.0 - alpha) / alpha
        out[i] = (
            math.sin(alpha * angle)
            / math.cos(angle) ** (1.0 / alpha)
            * (math.cos((1.0 - alpha) * angle) / w) ** power
        )


@inline
def fill_positive(
    state: np.ndarray, words: np.ndarray, other: np.ndarray, a: float, out: np.ndarray
) -> None:
    """Replace ``out`` (n,) by positive a-stable numbers, 0 < a < 1, E exp(-s A) = exp(-s^a)."""
    fill_words(state, words)
    fill_words(state, other)
    for i in range(out.shape[0]):
        u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
        w = -math.log(float_of_bits((other[i] >> S12) | ONE_BITS) - BELOW_ONE)
        angle = math.pi * u
        out[i] = (
            math.sin(a * angle)
            / math.sin(angle) ** (1.0 / a)
            * (math.sin((1.0 - a) * angle) / w) ** ((1.0 - a) / a)
        )


@kernel
def advance_stable(
    first: int,
    last: int,
    states: np.ndarray,
    x: np.ndarray,
    absorbed: np.ndarray,
    t: float,
    h: float,
    steps: int,
    c: np.ndarray,
    data: np.ndarray,
    alpha: float,
    strengths: np.ndarray,
    isotropic: bool,
    sides: np.ndarray,
) -> None:
    """Euler's method; ``strengths`` (d,) are the K of exp(-t K |k|^alpha).

    Arguments are else those of :mod:`~fokkerplanck.particles.langevin`. Weak order 1. Absorbing
    sides take walkers where a step ends, so exits within a step are missed.
    """
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
