"""Steps of walkers that may touch a reflecting or an absorbing side before the step ends.

At a reflecting side the density has no flux, n . (b rho - div(D rho)) = 0, whose walkers are pushed
along the column D n of the diffusion matrix and not along the normal. For constant drift and
noise the step is exact: of the normal coordinate the end is drawn together with the extreme of
the path, which tells how far a path that must stay inside was pushed (D. Lepingle, Math. Comput.
Simul. 38 (1995), 119-126).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .codegen.elementary import ONE_BITS, copy, float_of_bits, log_positive
from .codegen.jit import inline
from .factor import factorise
from .rng import BELOW_ONE, S12, fill_normals, fill_words
from .sides import ABSORBING, LARGEST_EXPONENT, REFLECTING, confine, remove

# A side further away than this many standard deviations of a step is touched once in 10^9 steps.
REACH = 6.0


class Room(NamedTuple):
    """Where :func:`stage` works, for n walkers; all of it is overwritten.

    Attributes
    ----------
    words : (d n,) uint64
    z, before, variance : (d, n)
        Normals, places before the step, and variances of the step.
    tilt : (d * d, n)
        As in :func:`hold`.
    """

    words: np.ndarray
    z: np.ndarray
    before: np.ndarray
    variance: np.ndarray
    tilt: np.ndarray


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
def entry(a: int, b: int) -> int:
    """Row of the entry (a, b) in a lower triangle."""
    return a * (a + 1) // 2 + b if a >= b else b * (b + 1) // 2 + a


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
    room: Room,
) -> None:
    """Move ``x`` by ``h`` with constant coefficients; ``factor`` holds 2 Sigma/beta and is lost."""
    d, n = x.shape
    words, z, before, variance, tilt = room
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
