"""Times at which formulas jump or bend: where, comparisons, sign, floor, abs, min and max of t."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import sympy as sp

from ...errors import NumericalFailure
from . import functions as f
from .field import FormulaField
from .intervals import Interval, enclosure
from .names import TIME

# Intervals at first, and the most that may be looked at together.
INTERVALS = 512
MOST_INTERVALS = 200_000
# Jumps beyond this number leave nothing smooth between them.
MOST_TIMES = 20_000
# Two times closer than this, relative to the largest, are one.
CLOSE = 1e-14
BISECTIONS = 200

TWO_SIDED = (f.less, f.less_equal, f.minimum, f.maximum)
ONE_SIDED = (f.sign, f.absolute, f.half_step)


def switching_times(fields: Iterable[FormulaField], start: float, stop: float) -> list[float]:
    """Times between two others at which an argument that depends on t alone switches.

    Raises
    ------
    NumericalFailure
        If there are more than ``MOST_TIMES``.
    """
    arguments: set[sp.Expr] = set()
    for field in fields:
        for expression in field.expressions:
            arguments |= _arguments(expression)
    alone = [argument for argument in arguments if argument.free_symbols == {TIME}]
    times = [time for argument in alone for time in roots(argument, start, stop)]
    return distinct(times, start, stop)


def distinct(times: Iterable[float], start: float, stop: float) -> list[float]:
    """The times inside, in order, without those that differ by rounding only."""
    close = CLOSE * max(abs(start), abs(stop))
    kept: list[float] = []
    for time in sorted(times):
        if start + close < time < stop - close and (not kept or time > kept[-1] + close):
            kept.append(time)
    return kept


def moves_switches(field: FormulaField) -> bool:
    """Whether an argument depends on time and place: then what switches moves through the box."""
    every = set[sp.Expr]().union(*map(_arguments, field.expressions))
    return any(TIME in one.free_symbols and len(one.free_symbols) > 1 for one in every)


def _arguments(expression: sp.Expr) -> set[sp.Expr]:
    """Functions whose roots are places and times of jumps or bends."""
    found = set()
    for node in sp.preorder_traversal(expression):
        if node.func in TWO_SIDED:
            found.add(node.args[0] - node.args[1])
        elif node.func in ONE_SIDED:
            found.add(node.args[0])
        elif node.func == f.floor:
            found.add(sp.sin(sp.pi * node.args[0]))
    return found


def roots(argument: sp.Expr, start: float, stop: float) -> list[float]:
    """All places between two times where a function of t is or passes zero.

    Notes
    -----
    Intervals whose enclosure is free of zero have no root; those over which the slope's enclosure
    is free of zero have one where the signs at the ends differ. All others are halved, down to the
    distance of two doubles: no root is passed over, however close it is to another.
    """
    slope = argument.diff(TIME).replace(sp.DiracDelta, lambda *_: sp.S.Zero)
    value = FormulaField((argument,), (), (), "")
    edges = np.linspace(start, stop, INTERVALS + 1)
    low, high = edges[:-1], edges[1:]
    found: list[float] = []
    while low.size:
        box = {TIME: Interval(low, high)}
        least, most = _spread(enclosure(argument, box), low)
        maybe = (least <= 0.0) & (most >= 0.0)
        low, high = low[maybe], high[maybe]
        flat, steep = _spread(enclosure(slope, {TIME: Interval(low, high)}), low)
        monotone = (flat > 0.0) | (steep < 0.0)
        for a, b in zip(low[monotone], high[monotone], strict=True):
            found += _crossing(value, float(a), float(b))
        low, high = low[~monotone], high[~monotone]
        narrow = high - low <= CLOSE * max(abs(start), abs(stop))
        found += (0.5 * (low[narrow] + high[narrow])).tolist()
        low, high = low[~narrow], high[~narrow]
        middle = 0.5 * (low + high)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        if len(found) > MOST_TIMES or low.size > MOST_INTERVALS:
            raise NumericalFailure(
                f"{argument} switches more than {MOST_TIMES} times between t = {start:g} and "
                f"{stop:g}, or is as good as zero for long",
                "take an earlier density.end, or replace the formula by its mean over time",
            )
    return found


def _spread(interval: Interval, like: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.broadcast_to(interval.low, like.shape), np.broadcast_to(interval.high, like.shape)


def _crossing(value: FormulaField, low: float, high: float) -> list[float]:
    """The root of a monotone function between two times, to the last digit, if there is one."""
    left, right = float(value((), low)), float(value((), high))
    if left == 0.0 or right == 0.0:
        return [low if left == 0.0 else high]
    if (left > 0.0) == (right > 0.0):
        return []
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        if (float(value((), middle)) > 0.0) == (left > 0.0):
            low = middle
        else:
            high = middle
    return [high]
