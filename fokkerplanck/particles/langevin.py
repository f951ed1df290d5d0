"""Steps of d theta = b dt + B dW, B B^T = 2 Sigma/beta, for one block of walkers after the other.

All kernels take ``first``, ``last``, the range of blocks; the walkers and the numbers of their
equation, see `arguments`; the time ``t`` of the first step, its length ``h`` and the number of
``steps``.
"""

from __future__ import annotations

import math

import numpy as np

from .arguments import Equation, WalkerBlocks
from .codegen.elementary import copy
from .codegen.fields import VARIABLE_SIGMA, drift, sigma
from .codegen.jit import inline, kernel
from .factor import (
    add_noise,
    factorise,
    shift_column,
    shift_column_by,
    spread_constant,
    step_variance,
)
from .near_sides import any_near, any_wall, find_near
from .rng import S1, fill_normals, fill_words
from .sides import any_absorbing, catch_between, confine
from .steps_near_sides import move_near


@kernel
def advance_euler(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    h: float,
    steps: int,
) -> None:
    """Euler-Maruyama, x' = x + h b(x) + B(x) dW: weak order 1."""
    states, x, absorbed = walkers
    c, data, noise, sides = equation
    d, n = x.shape[1], x.shape[2]
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    slope, before, variance = np.empty((d, n)), np.empty((d, n)), np.empty((d, n))
    factor = np.empty((d * (d + 1) // 2, n))
    root = math.sqrt(h)
    near, walled = np.empty(n, np.int64), any_wall(sides)
    if not VARIABLE_SIGMA:
        spread_constant(noise, factor)
        step_variance(factor, h, variance)
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            now = t + step * h
            fill_normals(state, words, z.reshape(d * n))
            drift(y, now, c, data, slope)
            if VARIABLE_SIGMA:
                sigma(y, now, c, data, factor)
                factorise(factor, noise[0, 0])
                if walled:
                    step_variance(factor, h, variance)
            touching = walled and any_near(y, slope, variance, h, sides)
            if touching:
                copy(y, before)
                count = find_near(y, slope, variance, h, sides, near)
            if VARIABLE_SIGMA:
                add_noise(y, factor, z, root)
            else:
                for a in range(d):
                    for b in range(a + 1):
                        weight = root * noise[a, b]
                        if weight != 0.0:
                            for i in range(n):
                                y[a, i] += weight * z[b, i]
            for a in range(d):
                for i in range(n):
                    y[a, i] += h * slope[a, i]
            if touching:
                move_near(before, y, near, count, now, h, equation, state, absorbed[k])
            confine(y, sides, absorbed[k])


@kernel
def advance_leimkuhler_matthews(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    h: float,
    steps: int,
) -> None:
    """Leimkuhler-Matthews for B = s I: X' = X + h b(X) + s sqrt(h) (R + R')/2.

    ``x`` holds Y = X - s sqrt(h) R/2, with R the normals that the next step draws; then
    Y' = Y + h b(Y + s sqrt(h) R/2) + s sqrt(h) R, and no normals are stored. Invariant law of order
    2, weak order 1 before. B. Leimkuhler and C. Matthews, Appl. Math. Res. Express 2013, 34-56;
    this form is that of G. Vilmart, SIAM J. Sci. Comput. 37 (2015), A201-A220, eq. (4).
    """
    states, x, absorbed = walkers
    c, data, noise, sides = equation
    d, n = x.shape[1], x.shape[2]
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    slope, before, variance = np.empty((d, n)), np.empty((d, n)), np.empty((d, n))
    amplitude = math.sqrt(h) * noise[0, 0]
    variance[:] = amplitude * amplitude
    absorbing = any_absorbing(sides)
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            fill_normals(state, words, z.reshape(d * n))
            copy(y, before)
            for a in range(d):
                for i in range(n):
                    y[a, i] += 0.5 * amplitude * z[a, i]
            drift(y, t + step * h, c, data, slope)
            for a in range(d):
                for i in range(n):
                    y[a, i] += h * slope[a, i] + 0.5 * amplitude * z[a, i]
            confine(y, sides, absorbed[k])
            if absorbing:
                catch_between(y, before, variance, sides, state, words[:n], absorbed[k])


@kernel
def shift(
    first: int,
    last: int,
    states: np.ndarray,
    x: np.ndarray,
    amount: float,
    sides: np.ndarray,
    absorbed: np.ndarray,
) -> None:
    """x += amount * R with R the normals that the next step will draw; states stay as they are."""
    d, n = x.shape[1], x.shape[2]
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    for k in range(first, last):
        fill_normals(states[k].copy(), words, z.reshape(d * n))
        for a in range(d):
            for i in range(n):
                x[k, a, i] += amount * z[a, i]
        confine(x[k], sides, absorbed[k])


@kernel
def advance_weak_2(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    h: float,
    steps: int,
) -> None:
    """Weak order 2 for any smooth B(x): the stochastic Runge-Kutta method RI6.

    A. Roessler, Second order Runge-Kutta methods for Ito stochastic differential equations, SIAM J.
    Numer. Anal. 47 (2009), 1713-1738, with normal increments I_k and signs for the I_(k,l). The
    order needs a smooth factor: Cholesky's is one where the rank of Sigma does not change. Where
    Sigma is constant it is Heun's method for b.
    """
    states, x, absorbed = walkers
    c, data, noise, sides = equation
    d, n = x.shape[1], x.shape[2]
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    slope, slope2 = np.empty((d, n)), np.empty((d, n))
    stage, gain = np.empty((d, n)), np.empty((d, n))
    before, variance = np.empty((d, n)), np.empty((d, n))
    triangle = d * (d + 1) // 2
    factor, plus, minus = np.empty((triangle, n)), np.empty((triangle, n)), np.empty((triangle, n))
    signs, pair = np.empty((d, n)), np.empty(n)
    root = math.sqrt(h)
    near, walled = np.empty(n, np.int64), any_wall(sides)
    if not VARIABLE_SIGMA:
        spread_constant(noise, factor)
        step_variance(factor, h, variance)
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            now = t + step * h
            fill_normals(state, words, z.reshape(d * n))
            drift(y, now, c, data, slope)
            if VARIABLE_SIGMA:
                sigma(y, now, c, data, factor)
                factorise(factor, noise[0, 0])
                if walled:
                    step_variance(factor, h, variance)
            for a in range(d):
                for i in range(n):
                    stage[a, i] = y[a, i] + h * slope[a, i]
            add_noise(stage, factor, z, root)
            drift(stage, now + h, c, data, slope2)
            for a in range(d):
                for i in range(n):
                    gain[a, i] = 0.5 * h * (slope[a, i] + slope2[a, i])
            if VARIABLE_SIGMA:
                if d > 1:
                    fill_words(state, words)
                    flat = signs.reshape(d * n)
                    for i in range(d * n):
                        flat[i] = 1.0 if words[i] & S1 else -1.0
                for m in range(d):
                    # H+ and H-, along column m of the factor
                    for a in range(d):
                        for i in range(n):
                            stage[a, i] = y[a, i] + h * slope[a, i]
                    shift_column(stage, factor, m, root)
                    sigma(stage, now + h, c, data, plus)
                    factorise(plus, noise[0, 0])
                    shift_column(stage, factor, m, -2.0 * root)
                    sigma(stage, now + h, c, data, minus)
                    factorise(minus, noise[0, 0])
                    for a in range(m, d):
                        row = a * (a + 1) // 2 + m
                        for i in range(n):
                            mean = 0.5 * factor[row, i] + 0.25 * (plus[row, i] + minus[row, i])
                            half_gap = 0.5 * (plus[row, i] - minus[row, i])
                            double = 0.5 * root * (z[m, i] * z[m, i] - 1.0)
                            gain[a, i] += mean * root * z[m, i] + half_gap * double
                    if d == 1:
                        continue
                    # The same around y, along the other columns by the mixed increments I_(m,l)
                    copy(y, stage)
                    for other in range(d):
                        if other != m:
                            mixed(z, signs, m, other, root, pair)
                            shift_column_by(stage, factor, other, pair, 1.0)
                    sigma(stage, now, c, data, plus)
                    factorise(plus, noise[0, 0])
                    copy(y, stage)
                    for other in range(d):
                        if other != m:
                            mixed(z, signs, m, other, root, pair)
                            shift_column_by(stage, factor, other, pair, -1.0)
                    sigma(stage, now, c, data, minus)
                    factorise(minus, noise[0, 0])
                    for a in range(m, d):
                        row = a * (a + 1) // 2 + m
                        for i in range(n):
                            mean = 0.25 * (plus[row, i] + minus[row, i]) - 0.5 * factor[row, i]
                            half_gap = 0.5 * (plus[row, i] - minus[row, i])
                            gain[a, i] += root * (mean * z[m, i] + half_gap)
            else:
                add_noise(gain, factor, z, root)
            touching = walled and any_near(y, slope, variance, h, sides)
            if touching:
                copy(y, before)
                count = find_near(y, slope, variance, h, sides, near)
            for a in range(d):
                for i in range(n):
                    y[a, i] += gain[a, i]
            if touching:
                move_near(before, y, near, count, now, h, equation, state, absorbed[k])
            confine(y, sides, absorbed[k])


@inline
def mixed(
    z: np.ndarray, signs: np.ndarray, m: int, other: int, root: float, pair: np.ndarray
) -> None:
    """I_(m, other)/sqrt(h) into ``pair`` (n,): half the product, less or more a sign."""
    for i in range(pair.shape[0]):
        sign = -signs[m, i] if m < other else signs[other, i]
        pair[i] = 0.5 * root * (z[m, i] * z[other, i] + sign)
