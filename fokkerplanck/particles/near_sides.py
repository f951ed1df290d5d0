"""Steps of walkers that may touch a reflecting or an absorbing side before the step ends.

At a reflecting side the density has no flux, n . (b rho - div(D rho)) = 0, whose walkers are pushed
along the column D n of the diffusion matrix and not along the normal. For constant drift and
noise the step is exact: of the normal coordinate the end is drawn together with the extreme of
the path, which tells how far a path that must stay inside was pushed (D. Lepingle, Math. Comput.
Simul. 38 (1995), 119-126). What varies is looked at once, after a share ``FIRST`` of the step. The
noise of the rest is ``AFTER`` times the one found there less ``AFTER - 1`` times that of the start
(D. F. Anderson and J. C. Mattingly, Commun. Math. Sci. 9 (2011), 301-318). The difference of the
drifts acts there at once: spread over the rest of the step it would go on to push walkers that
have met the side since, which costs half an order.
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import ONE_BITS, copy, float_of_bits, log_positive
from .codegen.fields import VARIABLE_SIGMA, drift, sigma
from .codegen.jit import inline
from .factor import factorise
from .rng import BELOW_ONE, S12, fill_normals, fill_words
from .sides import ABSORBING, LARGEST_EXPONENT, REFLECTING, confine, remove

# A side further away than this many standard deviations of a step is touched once in 10^9 steps.
REACH = 6.0
# Walkers that are moved together.
GROUP = 64
# Any share gives weak order 2 inside. Near a side expectations grow like t^(3/2) beside t, which
# (16/25)^(1/2) = 4/5 integrates exactly as well.
FIRST = 0.64
AFTER = 1.0 / (2.0 * FIRST * (1.0 - FIRST))


@inline
def is_wall(kind: float) -> bool:
    """Whether a side reflects or absorbs."""
    return (kind == REFLECTING) | (kind == ABSORBING)


@inline
def any_wall(sides: np.ndarray) -> bool:
    """Whether some side reflects or absorbs."""
    found = False
    for a in range(sides.shape[0]):
        found = found or is_wall(sides[a, 2]) or is_wall(sides[a, 3])
    return found


@inline
def any_near(
    x: np.ndarray, slope: np.ndarray, variance: np.ndarray, h: float, sides: np.ndarray
) -> bool:
    """Whether the step of length ``h`` of some walker may touch a side; one pass over vectors."""
    near = 0
    for a in range(x.shape[0]):
        lower = sides[a, 0] if is_wall(sides[a, 2]) else -math.inf
        upper = sides[a, 1] if is_wall(sides[a, 3]) else math.inf
        row, speed, square = x[a], slope[a], variance[a]
        for i in range(row.shape[0]):
            reach = REACH * math.sqrt(square[i]) + h * abs(speed[i])
            near += (row[i] - reach < lower) | (row[i] + reach > upper)
    return near > 0


@inline
def find_near(
    x: np.ndarray, slope: np.ndarray, variance: np.ndarray, h: float, sides: np.ndarray,
    near: np.ndarray,
) -> int:  # fmt: skip
    """Numbers of those walkers, into ``near`` (n,)."""
    count = 0
    for i in range(x.shape[1]):
        close = False
        for a in range(x.shape[0]):
            reach = REACH * math.sqrt(variance[a, i]) + h * abs(slope[a, i])
            close = close or (is_wall(sides[a, 2]) and x[a, i] - reach < sides[a, 0])
            close = close or (is_wall(sides[a, 3]) and x[a, i] + reach > sides[a, 1])
        if close:
            near[count] = i
            count += 1
    return count


@inline
def hold(
    before: np.ndarray,
    x: np.ndarray,
    variance: np.ndarray,
    tilt: np.ndarray,
    sides: np.ndarray,
    state: np.ndarray,
    words: np.ndarray,
    absorbed: np.ndarray,
) -> None:
    """Push walkers that touched a reflecting side on their way, take out those at absorbing ones.

    Parameters
    ----------
    before, x : (d, n)
        Places before and after free steps with constant drift and noise; ``x`` is modified.
    variance : (d, n)
        Of the steps, by axis.
    tilt : (d * d, n)
        Row ``a * d + b``: the push along axis b for a unit push along axis a.
    state, words : (4, LANES), (n,) uint64
        Generator and scratch: n draws for each axis with such a side.

    Notes
    -----
    Of the two sides of an axis the one that the step is nearer to counts; a path that reaches both
    has a share exp(-w^2/(2 variance)) for a box of width w. Where axes push each other, in corners
    under correlated noise, each is held once and the rest is folded.
    """
    d = x.shape[0]
    for a in range(d):
        lower, upper = sides[a, 0], sides[a, 1]
        if not (is_wall(sides[a, 2]) or is_wall(sides[a, 3])):
            continue
        fill_words(state, words)
        for i in range(x.shape[1]):
            start, end, v = before[a, i], x[a, i], variance[a, i]
            low = start + end < lower + upper
            wall, kind = (lower, sides[a, 2]) if low else (upper, sides[a, 3])
            if not is_wall(kind):
                continue
            # Distances from the side, positive inside.
            first, last = (start - wall, end - wall) if low else (wall - start, wall - end)
            if first * last > 0.5 * LARGEST_EXPONENT * v and last > 0.0:
                continue
            u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
            if kind == REFLECTING:
                gap = last - first
                lowest = 0.5 * (first + last - math.sqrt(gap * gap - 2.0 * v * log_positive(u)))
                if lowest < 0.0:
                    push = -lowest if low else lowest
                    x[a, i] += push
                    for b in range(d):
                        if b != a:
                            x[b, i] += tilt[a * d + b, i] * push
            elif last <= 0.0 or u < math.exp(-2.0 * first * last / v):
                absorbed[2 * a + (0 if low else 1)] += remove(x, i)


@inline
def diffusion(
    x: np.ndarray, t: float, c: np.ndarray, data: np.ndarray, noise: np.ndarray, out: np.ndarray
) -> None:
    """Lower triangle of 2 Sigma/beta, (d (d + 1)/2, n)."""
    if VARIABLE_SIGMA:
        sigma(x, t, c, data, out)
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
def entry(a: int, b: int) -> int:
    """Row of the entry (a, b) in a lower triangle."""
    return a * (a + 1) // 2 + b if a >= b else b * (b + 1) // 2 + a


@inline
def columns_at_sides(
    x: np.ndarray,
    inside: np.ndarray,
    t: float,
    c: np.ndarray,
    data: np.ndarray,
    noise: np.ndarray,
    sides: np.ndarray,
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
    d = x.shape[0]
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
            diffusion(foot, t, c, data, noise, there)
        else:
            copy(inside, there)
        for b in range(d):
            for i in range(x.shape[1]):
                column[a * d + b, i] = there[entry(a, b), i]


@inline
def tilts(column: np.ndarray, d: int, tilt: np.ndarray) -> None:
    """Columns by their own entry: pushes for a unit push along the axis; none without noise."""
    for a in range(d):
        for b in range(d):
            for i in range(column.shape[1]):
                own = column[a * d + a, i]
                tilt[a * d + b, i] = column[a * d + b, i] / own if own > 0.0 else 0.0


@inline
def stage(
    x: np.ndarray,
    slope: np.ndarray,
    factor: np.ndarray,
    column: np.ndarray,
    h: float,
    sides: np.ndarray,
    state: np.ndarray,
    absorbed: np.ndarray,
    words: np.ndarray,
    z: np.ndarray,
    before: np.ndarray,
    variance: np.ndarray,
    tilt: np.ndarray,
) -> None:
    """Move ``x`` by ``h`` with constant coefficients; ``factor`` holds 2 Sigma/beta and is lost."""
    d, n = x.shape
    copy(x, before)
    factorise(factor, 1.0)
    fill_normals(state, words, z.reshape(d * n))
    root = math.sqrt(h)
    row = 0
    for a in range(d):
        for i in range(n):
            x[a, i] += h * slope[a, i]
        variance[a, :] = 0.0
        for b in range(a + 1):
            for i in range(n):
                x[a, i] += root * factor[row, i] * z[b, i]
                variance[a, i] += h * factor[row, i] * factor[row, i]
            row += 1
    tilts(column, d, tilt)
    hold(before, x, variance, tilt, sides, state, words[:n], absorbed)
    confine(x, sides, absorbed)


@inline
def move_near(
    start: np.ndarray,
    x: np.ndarray,
    near: np.ndarray,
    count: int,
    t: float,
    h: float,
    c: np.ndarray,
    data: np.ndarray,
    noise: np.ndarray,
    sides: np.ndarray,
    state: np.ndarray,
    absorbed: np.ndarray,
) -> None:
    """Places after a step from ``start`` for the ``count`` walkers of ``near``, into ``x``."""
    d = x.shape[0]
    rows = d * (d + 1) // 2
    words, z = np.empty(d * GROUP, np.uint64), np.empty((d, GROUP))
    y, before, variance = np.empty((d, GROUP)), np.empty((d, GROUP)), np.empty((d, GROUP))
    slope, first_slope = np.empty((d, GROUP)), np.empty((d, GROUP))
    matrix, first_matrix = np.empty((rows, GROUP)), np.empty((rows, GROUP))
    column, first_column = np.empty((d * d, GROUP)), np.empty((d * d, GROUP))
    there, tilt = np.empty((rows, GROUP)), np.empty((d * d, GROUP))
    for begin in range(0, count, GROUP):
        size = min(GROUP, count - begin)
        for a in range(d):
            for j in range(GROUP):
                # The last group is filled up with walkers that are gone.
                y[a, j] = start[a, near[begin + j]] if j < size else math.nan
        for part in range(2):
            now, span = (t, FIRST * h) if part == 0 else (t + FIRST * h, (1.0 - FIRST) * h)
            drift(y, now, c, data, slope)
            diffusion(y, now, c, data, noise, matrix)
            columns_at_sides(y, matrix, now, c, data, noise, sides, before, there, column)
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
            stage(
                y, slope, matrix, column, span, sides, state, absorbed, words, z, before, variance,
                tilt,
            )  # fmt: skip
        for j in range(size):
            for a in range(d):
                x[a, near[begin + j]] = y[a, j]


@inline
def extrapolate(later: np.ndarray, first: np.ndarray) -> None:
    """``AFTER`` times what was found later less ``AFTER - 1`` times the first, in place."""
    for a in range(later.shape[0]):
        for i in range(later.shape[1]):
            later[a, i] = AFTER * later[a, i] - (AFTER - 1.0) * first[a, i]
