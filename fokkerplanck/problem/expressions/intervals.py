"""Intervals that contain all values of a formula on boxes: interval arithmetic on arrays of boxes.

What is a bound here is one to a few roundings: intervals are not rounded outwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from . import functions as f


class Interval(NamedTuple):
    """Lower and upper ends, arrays that broadcast; nan in neither."""

    low: np.ndarray
    high: np.ndarray


def enclosure(expression: sp.Expr, boxes: Mapping[sp.Symbol, Interval]) -> Interval:
    """An interval around the values of ``expression`` on each of an array of boxes.

    Parameters
    ----------
    expression : sympy expression
        Of a formula, or a derivative of one.
    boxes : mapping
        The interval of each symbol.

    Returns
    -------
    Interval
        Infinite where nothing better is known.
    """
    known: dict[sp.Expr, Interval] = {}

    def found(node: sp.Expr) -> Interval:
        if node not in known:
            known[node] = _tidy(*_evaluated(node, found, boxes))
        return known[node]

    with np.errstate(all="ignore"):
        return found(expression)


def _evaluated(
    node: sp.Expr, found: Callable[[sp.Expr], Interval], boxes: Mapping[sp.Symbol, Interval]
) -> tuple[Any, Any]:
    if node.is_Symbol:
        return boxes[node]
    if node.is_number:
        value = np.float64(float(node))
        return value, value
    parts = [found(argument) for argument in node.args]
    if node.is_Add:
        return sum(part.low for part in parts), sum(part.high for part in parts)
    if node.is_Mul:
        product = parts[0]
        for part in parts[1:]:
            product = _times(product, part)
        return product
    if node.is_Pow and node.args[1].is_number:
        return _power(parts[0], float(node.args[1]))
    if node.is_Pow:
        exponent = _times(Interval(*_log(parts[0])), parts[1])
        return np.exp(exponent.low), np.exp(exponent.high)
    rule = RULES.get(node.func)
    return (np.float64(-np.inf), np.float64(np.inf)) if rule is None else rule(*parts)


def _tidy(low: Any, high: Any) -> Interval:
    """Without nan: what is not known is infinite."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    return Interval(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def _times(a: Interval, b: Interval) -> Interval:
    # 0 times infinity is 0 here: the ends of an interval are limits of numbers.
    products = [np.nan_to_num(x * y, nan=0.0, posinf=np.inf, neginf=-np.inf) for x in a for y in b]
    return Interval(np.minimum.reduce(products), np.maximum.reduce(products))


def _power(base: Interval, exponent: float) -> tuple[Any, Any]:
    low, high = base
    ends = np.stack(np.broadcast_arrays(low**exponent, high**exponent))
    least, most = ends.min(axis=0), ends.max(axis=0)
    inside = (low <= 0.0) & (high >= 0.0)
    if exponent != int(exponent):
        # Only the part that is not negative has values.
        most = np.where(low < 0.0, np.maximum(high, 0.0) ** exponent, most)
        least = np.where(low < 0.0, 0.0, least)
        if exponent < 0.0:
            least, most = high**exponent, np.where(low <= 0.0, np.inf, low**exponent)
        return least, most
    if exponent > 0.0:
        return np.where(inside & (exponent % 2.0 == 0.0), 0.0, least), most
    even = exponent % 2.0 == 0.0
    return (
        np.where(inside, least if even else -np.inf, least),
        np.where(inside, np.inf, most),
    )


def _rising(function: Callable[[Any], Any]) -> Callable[[Interval], tuple[Any, Any]]:
    return lambda a: (function(a.low), function(a.high))


def _wave(shift: float) -> Callable[[Interval], tuple[Any, Any]]:
    """cos(x - shift): an end is 1 or -1 where an extremum lies inside."""

    def rule(a: Interval) -> tuple[Any, Any]:
        low, high = a.low - shift, a.high - shift
        ends = np.cos(low), np.cos(high)
        turn = 2.0 * np.pi
        top = np.floor(high / turn) >= np.ceil(low / turn)
        bottom = np.floor((high - np.pi) / turn) >= np.ceil((low - np.pi) / turn)
        known = np.isfinite(low) & np.isfinite(high)
        least = np.where(bottom | ~known, -1.0, np.minimum(*ends))
        return least, np.where(top | ~known, 1.0, np.maximum(*ends))

    return rule


def _tan(a: Interval) -> tuple[Any, Any]:
    pole = np.floor(a.high / np.pi - 0.5) >= np.ceil(a.low / np.pi - 0.5)
    return np.where(pole, -np.inf, np.tan(a.low)), np.where(pole, np.inf, np.tan(a.high))


def _absolute(a: Interval) -> tuple[Any, Any]:
    inside = (a.low <= 0.0) & (a.high >= 0.0)
    ends = np.abs(a.low), np.abs(a.high)
    return np.where(inside, 0.0, np.minimum(*ends)), np.maximum(*ends)


def _cosh(a: Interval) -> tuple[Any, Any]:
    low, high = _absolute(a)
    return np.cosh(low), np.cosh(high)


def _erf(value: Any) -> Any:
    from scipy.special import erf  # slow to import, and rarely needed

    return erf(value)


def _log(a: Interval) -> tuple[Any, Any]:
    return np.log(np.maximum(a.low, 0.0)), np.log(np.maximum(a.high, 0.0))


def _truth(low: Any, high: Any) -> tuple[Any, Any]:
    """From whether a condition holds everywhere, and whether it holds somewhere."""
    return np.where(low, 1.0, 0.0), np.where(high, 1.0, 0.0)


def _where(condition: Interval, a: Interval, b: Interval) -> tuple[Any, Any]:
    always, never = condition.low > 0.0, condition.high == 0.0
    low = np.where(always, a.low, np.where(never, b.low, np.minimum(a.low, b.low)))
    high = np.where(always, a.high, np.where(never, b.high, np.maximum(a.high, b.high)))
    return low, high


RULES: dict[Any, Callable[..., tuple[Any, Any]]] = {
    sp.exp: _rising(np.exp),
    sp.log: _log,
    sp.atan: _rising(np.arctan),
    sp.asinh: _rising(np.arcsinh),
    sp.erf: _rising(_erf),
    sp.asin: _rising(lambda x: np.arcsin(np.clip(x, -1.0, 1.0))),
    sp.acos: lambda a: (
        np.arccos(np.clip(a.high, -1.0, 1.0)),
        np.arccos(np.clip(a.low, -1.0, 1.0)),
    ),
    sp.acosh: _rising(lambda x: np.arccosh(np.maximum(x, 1.0))),
    sp.atanh: _rising(lambda x: np.arctanh(np.clip(x, -1.0, 1.0))),
    sp.cos: _wave(0.0),
    sp.sin: _wave(0.5 * np.pi),
    sp.tan: _tan,
    f.sinh: _rising(np.sinh),
    f.tanh: _rising(np.tanh),
    f.cosh: _cosh,
    f.sign: _rising(np.sign),
    f.floor: _rising(np.floor),
    f.absolute: _absolute,
    f.half_step: lambda a, _: (np.heaviside(a.low, 0.0), np.heaviside(a.high, 1.0)),
    f.minimum: lambda a, b: (np.minimum(a.low, b.low), np.minimum(a.high, b.high)),
    f.maximum: lambda a, b: (np.maximum(a.low, b.low), np.maximum(a.high, b.high)),
    f.arctan2: lambda *_: (-np.pi, np.pi),
    f.less: lambda a, b: _truth(a.high < b.low, a.low < b.high),
    f.less_equal: lambda a, b: _truth(a.high <= b.low, a.low <= b.high),
    f.logical_and: lambda a, b: (np.minimum(a.low, b.low), np.minimum(a.high, b.high)),
    f.logical_or: lambda a, b: (np.maximum(a.low, b.low), np.maximum(a.high, b.high)),
    f.logical_not: lambda a: (1.0 - a.high, 1.0 - a.low),
    f.where: _where,
}
