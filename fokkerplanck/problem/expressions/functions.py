"""The functions that formulas may call: how each is differentiated, printed and folded."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp


@dataclass(frozen=True)
class FunctionEntry:
    """One row of the table of functions.

    Parameters
    ----------
    build : callable
        Arguments (sympy) to sympy expression.
    fold : callable
        The same function of floats; raises ``ValueError`` outside its domain.
    arguments : int
        Number of arguments; for a variadic function the smallest number.
    variadic : bool
        Whether more arguments may follow.
    """

    build: Callable[..., sp.Expr]
    fold: Callable[..., float]
    arguments: int = 1
    variadic: bool = False


def _elementary(
    name: str, code: str, *slopes: Callable[..., Any], fold: Callable[..., Any] | None = None
) -> Any:
    """Sympy function that prints as the numpy function ``code``; ``slopes`` are its derivatives.

    Sympy's own Abs, sign, Min, Max, Piecewise and atan2 compare, split and rewrite their arguments
    when built, and their derivatives contain DiracDelta, re and im, which numpy does not have.
    These do nothing until they are evaluated, unless ``fold`` is given for numbers. Derivatives
    hold almost everywhere.
    """

    def fdiff(self: Any, argindex: int = 1) -> Any:
        return sp.sympify(slopes[argindex - 1](*self.args))

    def numpycode(self: Any, printer: Any, **_: Any) -> str:
        arguments = ", ".join(printer._print(argument) for argument in self.args)
        return f"{printer._module_format('numpy.' + code)}({arguments})"

    def evaluate(cls: Any, *arguments: Any) -> Any:
        if fold is not None and all(argument.is_number for argument in arguments):
            return sp.sympify(fold(*(float(argument) for argument in arguments)))
        return None

    return type(
        name,
        (sp.Function,),
        {
            "nargs": len(slopes),
            "fdiff": fdiff,
            "eval": classmethod(evaluate),
            "_numpycode": numpycode,
            "_eval_is_extended_real": lambda self: True,
            "__doc__": f"numpy.{code}, differentiated almost everywhere.",
        },
    )


def _zero(*_: Any) -> int:
    return 0


sign = _elementary("sign", "sign", _zero)
absolute = _elementary("abs", "abs", lambda a: sign(a))
floor = _elementary("floor", "floor", _zero)
# Sympy asks nested ones for their signs, which takes twice as long with every level.
sinh: Any = _elementary("sinh", "sinh", lambda a: cosh(a))
cosh: Any = _elementary("cosh", "cosh", lambda a: sinh(a))
tanh: Any = _elementary("tanh", "tanh", lambda a: 1 - tanh(a) ** 2)
half_step = _elementary(
    "half_step", "heaviside", _zero, _zero, fold=lambda a, half: half * (1.0 + _float_sign(a))
)
minimum = _elementary("min", "minimum", lambda a, b: step(b - a), lambda a, b: step(a - b))
maximum = _elementary("max", "maximum", lambda a, b: step(a - b), lambda a, b: step(b - a))
arctan2 = _elementary(
    "atan2", "arctan2", lambda y, x: x / (x**2 + y**2), lambda y, x: -y / (x**2 + y**2)
)
where: Any = _elementary(
    "where", "where", _zero, lambda c, a, b: where(c, 1, 0), lambda c, a, b: where(c, 0, 1)
)

# Conditions, used as the first argument of ``where`` and by regions of the box.
less = _elementary("less", "less", _zero, _zero, fold=lambda a, b: int(a < b))
less_equal = _elementary("less_equal", "less_equal", _zero, _zero, fold=lambda a, b: int(a <= b))
logical_and = _elementary("logical_and", "logical_and", _zero, _zero, fold=min)
logical_or = _elementary("logical_or", "logical_or", _zero, _zero, fold=max)
logical_not = _elementary("logical_not", "logical_not", _zero, fold=lambda a: 1 - a)


def step(argument: sp.Expr) -> sp.Expr:
    """Heaviside's step with the value 1/2 at zero."""
    return half_step(argument, sp.Rational(1, 2))


def _pairwise(function: Callable[..., sp.Expr]) -> Callable[..., sp.Expr]:
    def build(first: sp.Expr, *others: sp.Expr) -> sp.Expr:
        for other in others:
            first = function(first, other)
        return first

    return build


def _sqrt(argument: sp.Expr) -> sp.Expr:
    return argument ** sp.Rational(1, 2)


def _float_sign(value: float) -> float:
    return float((value > 0) - (value < 0))


FUNCTIONS: dict[str, FunctionEntry] = {
    "sin": FunctionEntry(sp.sin, math.sin),
    "cos": FunctionEntry(sp.cos, math.cos),
    "tan": FunctionEntry(sp.tan, math.tan),
    "asin": FunctionEntry(sp.asin, math.asin),
    "acos": FunctionEntry(sp.acos, math.acos),
    "atan": FunctionEntry(sp.atan, math.atan),
    "atan2": FunctionEntry(arctan2, math.atan2, 2),
    "sinh": FunctionEntry(sinh, math.sinh),
    "cosh": FunctionEntry(cosh, math.cosh),
    "tanh": FunctionEntry(tanh, math.tanh),
    "asinh": FunctionEntry(sp.asinh, math.asinh),
    "acosh": FunctionEntry(sp.acosh, math.acosh),
    "atanh": FunctionEntry(sp.atanh, math.atanh),
    "exp": FunctionEntry(sp.exp, math.exp),
    "log": FunctionEntry(sp.log, math.log),
    "log10": FunctionEntry(lambda a: sp.log(a) / sp.Float(math.log(10.0)), math.log10),
    "sqrt": FunctionEntry(_sqrt, math.sqrt),
    "erf": FunctionEntry(sp.erf, math.erf),
    "abs": FunctionEntry(absolute, abs),
    "sign": FunctionEntry(sign, _float_sign),
    "heaviside": FunctionEntry(step, lambda a: 0.5 * (1.0 + _float_sign(a))),
    "floor": FunctionEntry(floor, lambda a: float(math.floor(a))),
    "min": FunctionEntry(_pairwise(minimum), min, 2, variadic=True),
    "max": FunctionEntry(_pairwise(maximum), max, 2, variadic=True),
}
# Functions whose values jump where their arguments do not.
JUMPING = (sign, floor, half_step, where, arctan2, sp.sign, sp.floor)
CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi, "e": sp.E}

# Names that an axis or a parameter cannot take.
RESERVED = frozenset(FUNCTIONS) | frozenset(CONSTANTS) | {"where", "beta", "t"}
