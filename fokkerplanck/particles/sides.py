"""What happens to walkers at the sides of the box, and to those that leave to infinity.

A walker that is gone has nan for its coordinates: it takes part in the arithmetic and in no result.
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import ONE_BITS, float_of_bits
from .codegen.jit import inline
from .rng import BELOW_ONE, S12, fill_words

# Kinds of sides, as numbers in ``sides[a] = lower, upper, kind of lower, kind of upper``.
REFLECTING, PERIODIC, ABSORBING, OPEN = 0.0, 1.0, 2.0, 3.0
# Walkers further from the middle than this many box lengths are lost: no step brings them back,
# and the fourth power of such a coordinate is still far from overflow.
LOST_LENGTHS = 1e6
# Crossings between two steps with a probability below exp(-40) are not drawn.
LARGEST_EXPONENT = 40.0


@inline
def remove(x: np.ndarray, i: int) -> bool:
    """Take walker ``i`` out; whether it was still there."""
    alive = True
    for a in range(x.shape[0]):
        alive = alive and not math.isnan(x[a, i])
    for a in range(x.shape[0]):
        x[a, i] = math.nan
    return alive


@inline
def place(x: np.ndarray, a: int, i: int, sides: np.ndarray, absorbed: np.ndarray) -> None:
    """Bring coordinate ``a`` of walker ``i``, which lies outside, back by any number of folds."""
    lower, upper = sides[a, 0], sides[a, 1]
    low, high = sides[a, 2], sides[a, 3]
    length = upper - lower
    y = x[a, i]
    if not abs(y - 0.5 * (lower + upper)) <= LOST_LENGTHS * length:
        remove(x, i)
        return
    if low == REFLECTING and high == REFLECTING:
        y = (y - lower) % (2.0 * length)
        y = lower + (2.0 * length - y if y > length else y)
    elif low == PERIODIC:
        y = lower + (y - lower) % length
    else:
        if y < lower and low == REFLECTING:
            y = 2.0 * lower - y
        if y > upper and high == REFLECTING:
            y = 2.0 * upper - y
        if y < lower and low == ABSORBING:
            absorbed[2 * a] += remove(x, i)
            return
        if y > upper and high == ABSORBING:
            absorbed[2 * a + 1] += remove(x, i)
            return
    x[a, i] = y


@inline
def confine(x: np.ndarray, sides: np.ndarray, absorbed: np.ndarray) -> None:
    """Fold at reflecting sides, wrap at periodic ones, take out at absorbing ones.

    Parameters
    ----------
    x : (d, n), modified
    sides : (d, 4)
    absorbed : (2d,) int64, modified
        Counts by side.

    Notes
    -----
    One fold is done for all walkers by vector instructions, whatever more is needed one by one.
    """
    for a in range(x.shape[0]):
        lower, upper = sides[a, 0], sides[a, 1]
        low, high = sides[a, 2], sides[a, 3]
        row = x[a]
        beyond = 0
        if low == REFLECTING and high == REFLECTING:
            for i in range(row.shape[0]):
                y = row[i]
                y = 2.0 * lower - y if y < lower else y
                y = 2.0 * upper - y if y > upper else y
                row[i] = y
                beyond += (y < lower) | (y > upper)
        elif low == PERIODIC:
            length = upper - lower
            for i in range(row.shape[0]):
                y = row[i]
                y = y + length if y < lower else y
                y = y - length if y > upper else y
                row[i] = y
                beyond += (y < lower) | (y > upper)
        else:
            for i in range(row.shape[0]):
                y = row[i]
                beyond += (y < lower) | (y > upper)
        if beyond > 0:
            for i in range(row.shape[0]):
                if row[i] < lower or row[i] > upper:
                    place(x, a, i, sides, absorbed)


@inline
def any_absorbing(sides: np.ndarray) -> bool:
    """Whether some side takes walkers out."""
    found = False
    for a in range(sides.shape[0]):
        found = found or sides[a, 2] == ABSORBING or sides[a, 3] == ABSORBING
    return found


@inline
def catch_between(
    x: np.ndarray,
    before: np.ndarray,
    variance: np.ndarray,
    sides: np.ndarray,
    state: np.ndarray,
    words: np.ndarray,
    absorbed: np.ndarray,
) -> None:
    """Take out walkers that touched an absorbing side between two steps that lie inside.

    Between its ends a step is a Brownian bridge, which touches a side at distances u and w with
    probability exp(-2 u w / variance): with it the weak order at absorbing sides is 1 instead of
    1/2. E. Gobet, Stochastic Process. Appl. 87 (2000), 167-197.

    Parameters
    ----------
    x, before : (d, n)
        Places after and before the step; ``x`` is modified.
    variance : (d, n)
        Of the step's noise, by axis, at ``before``.
    state, words : (4, LANES), (n,) uint64
        Generator and scratch: n draws for each axis with an absorbing side.
    """
    for a in range(x.shape[0]):
        low, high = sides[a, 2] == ABSORBING, sides[a, 3] == ABSORBING
        if not (low or high):
            continue
        fill_words(state, words)
        for i in range(x.shape[1]):
            limit = 0.5 * LARGEST_EXPONENT * variance[a, i]
            below = (x[a, i] - sides[a, 0]) * (before[a, i] - sides[a, 0])
            above = (x[a, i] - sides[a, 1]) * (before[a, i] - sides[a, 1])
            first = math.exp(-2.0 * below / variance[a, i]) if low and below < limit else 0.0
            second = math.exp(-2.0 * above / variance[a, i]) if high and above < limit else 0.0
            if first + second > 0.0:
                u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
                if u < first:
                    absorbed[2 * a] += remove(x, i)
                elif u < first + (1.0 - first) * second:
                    absorbed[2 * a + 1] += remove(x, i)
