"""Steps of walkers near sides whose drift and noise vary: what they meet is looked at once.

That is after a share ``FIRST`` of the step. The noise of the rest is ``AFTER`` times the one found
there less ``AFTER - 1`` times that of the start (D. F. Anderson and J. C. Mattingly, Commun. Math.
Sci. 9 (2011), 301-318). The difference of the drifts acts there at once: spread over the rest of
the step it would go on to push walkers that have met the side since, which costs half an order.
"""

from __future__ import annotations

import math

import numpy as np

from .arguments import Equation
from .codegen.elementary import copy
from .codegen.fields import VARIABLE_SIGMA, drift, sigma
from .codegen.jit import inline, merged
from .near_sides import Room, entry, is_wall, stage
from .sides import REFLECTING, confine

# Walkers that are moved together.
GROUP = 64
# Any share gives weak order 2 inside. Near a side expectations grow like t^(3/2) beside t, which
# (16/25)^(1/2) = 4/5 integrates exactly as well.
FIRST = 0.64
AFTER = 1.0 / (2.0 * FIRST * (1.0 - FIRST))


@inline
def diffusion(x: np.ndarray, t: float, equation: Equation, out: np.ndarray) -> None:
    """Lower triangle of 2 Sigma/beta, (d (d + 1)/2, n)."""
    noise = equation.noise
    if VARIABLE_SIGMA:
        sigma(x, t, equation.c, equation.data, out)
        for row in range(out.shape[0]):
            for i in range(out.shape[1]):
                out[row, i] *= noise[0, 0]
        return
    row = 0
    for a in range(noise.shape[0]):
        for b in range(a + 1):
            total = 0.0
            for k in range(b + 1):
                total += noise[a, k] * noise[b, k]
            out[row, :] = total
            row += 1


@inline
def columns_at_sides(
    x: np.ndarray,
    inside: np.ndarray,
    t: float,
    equation: Equation,
    foot: np.ndarray,
    there: np.ndarray,
    column: np.ndarray,
) -> None:
    """Columns D n of the diffusion matrix where walkers would meet the reflecting sides.

    Parameters
    ----------
    inside : (d (d + 1)/2, n)
        The matrix at the walkers' own places ``x``.
    foot, there : (d, n), (d (d + 1)/2, n)
        Scratch.
    column : (d * d, n)
        Row ``a * d + b`` is entry b of the column of axis a.

    Notes
    -----
    On the way to a side at distance u the other coordinates move by u times the tilt on average.
    """
    d, sides = x.shape[0], equation.sides
    for a in range(d):
        if VARIABLE_SIGMA and d > 1 and (sides[a, 2] == REFLECTING or sides[a, 3] == REFLECTING):
            for i in range(x.shape[1]):
                low = 2.0 * x[a, i] < sides[a, 0] + sides[a, 1]
                own = inside[entry(a, a), i]
                gap = (sides[a, 0] if low else sides[a, 1]) - x[a, i]
                for b in range(d):
                    along = inside[entry(a, b), i] / own if own > 0.0 else 0.0
                    y = x[b, i] + along * gap
                    y = sides[b, 0] if is_wall(sides[b, 2]) and y < sides[b, 0] else y
                    y = sides[b, 1] if is_wall(sides[b, 3]) and y > sides[b, 1] else y
                    foot[b, i] = x[a, i] + gap if b == a else y
            diffusion(foot, t, equation, there)
        else:
            copy(inside, there)
        for b in range(d):
            for i in range(x.shape[1]):
                column[a * d + b, i] = there[entry(a, b), i]


@merged
def move_near(
    start: np.ndarray,
    x: np.ndarray,
    near: np.ndarray,
    count: int,
    t: float,
    h: float,
    equation: Equation,
    state: np.ndarray,
    absorbed: np.ndarray,
) -> None:
    """Places after a step from ``start`` for the ``count`` walkers of ``near``, into ``x``."""
    d = x.shape[0]
    rows = d * (d + 1) // 2
    c, data, sides = equation.c, equation.data, equation.sides
    room = Room(
        np.empty(d * GROUP, np.uint64), np.empty((d, GROUP)), np.empty((d, GROUP)),
        np.empty((d, GROUP)), np.empty((d * d, GROUP)),
    )  # fmt: skip
    y = np.empty((d, GROUP))
    slope, first_slope = np.empty((d, GROUP)), np.empty((d, GROUP))
    matrix, first_matrix = np.empty((rows, GROUP)), np.empty((rows, GROUP))
    column, first_column = np.empty((d * d, GROUP)), np.empty((d * d, GROUP))
    there = np.empty((rows, GROUP))
    for begin in range(0, count, GROUP):
        size = min(GROUP, count - begin)
        for a in range(d):
            for j in range(GROUP):
                # The last group is filled up with walkers that are gone.
                y[a, j] = start[a, near[begin + j]] if j < size else math.nan
        for part in range(2):
            now, span = (t, FIRST * h) if part == 0 else (t + FIRST * h, (1.0 - FIRST) * h)
            drift(y, now, c, data, slope)
            diffusion(y, now, equation, matrix)
            columns_at_sides(y, matrix, now, equation, room.before, there, column)
            if part == 0:
                copy(slope, first_slope)
                copy(matrix, first_matrix)
                copy(column, first_column)
            else:
                for a in range(d):
                    for j in range(GROUP):
                        y[a, j] += 0.5 * h / FIRST * (slope[a, j] - first_slope[a, j])
                confine(y, sides, absorbed)
                copy(first_slope, slope)
                extrapolate(matrix, first_matrix)
                extrapolate(column, first_column)
            stage(y, slope, matrix, column, span, sides, state, absorbed, room)
        for j in range(size):
            for a in range(d):
                x[a, near[begin + j]] = y[a, j]


@inline
def extrapolate(later: np.ndarray, first: np.ndarray) -> None:
    """``AFTER`` times what was found later less ``AFTER - 1`` times the first, in place."""
    for a in range(later.shape[0]):
        for i in range(later.shape[1]):
            later[a, i] = AFTER * later[a, i] - (AFTER - 1.0) * first[a, i]
