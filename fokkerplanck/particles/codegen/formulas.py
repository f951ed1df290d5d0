"""Formulas of a problem as source text of loops over walkers.

The expressions are those that the density is solved with; nothing of the user's text is evaluated.
Numbers become arguments, so that other parameters or another beta find the compiled kernel again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp
from sympy.printing.numpy import NumPyPrinter

from ...errors import CaseError
from ...problem.expressions.names import TIME

MAX_PRODUCT_POWER = 8


@dataclass
class Numbers:
    """Numbers taken out of formulas, by their place in the array ``c``."""

    values: list[float] = field(default_factory=list)

    def name(self, value: float) -> str:
        """Name under which the loops know a number; equal numbers share one."""
        if value not in self.values:
            self.values.append(value)
        return f"c{self.values.index(value)}"

    @property
    def array(self) -> np.ndarray:
        """The numbers, at least one of them, for the kernels' argument ``c``."""
        return np.array(self.values or [0.0])

    def lift(self, expression: sp.Expr, key: str) -> sp.Expr:
        """The expression with its numbers replaced; exponents, 0, 1 and -1 stay."""
        if expression.is_Number:
            if expression in (sp.S.Zero, sp.S.One, sp.S.NegativeOne):
                return expression
            value = float(expression)
            if not math.isfinite(value):
                raise CaseError("a number in the formula is too large for double precision", key)
            return sp.Symbol(self.name(value), real=True)
        if not expression.args:
            return expression
        if expression.is_Pow and expression.exp.is_Number:
            return sp.Pow(self.lift(expression.base, key), expression.exp)
        return expression.func(*(self.lift(argument, key) for argument in expression.args))


class LoopPrinter(NumPyPrinter):
    """Python source of an expression at one point: small powers as products."""

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if exponent.is_Integer and 1 < abs(int(exponent)) <= MAX_PRODUCT_POWER:
            inner = self._print(base)
            product = "(" + "*".join([f"({inner})"] * abs(int(exponent))) + ")"
            return product if int(exponent) > 0 else f"(1.0/{product})"
        if exponent == -1:
            return f"(1.0/({self._print(base)}))"
        return str(super()._print_Pow(expr, rational=rational))

    def _print_erf(self, expr: sp.erf) -> str:
        return f"erf({self._print(expr.args[0])})"


def assignments(
    expressions: Sequence[sp.Expr],
    targets: Sequence[str],
    symbols: Sequence[sp.Symbol],
    numbers: Numbers,
    key: str,
) -> list[str]:
    """Lines that assign the expressions to the targets, common parts first.

    Parameters
    ----------
    expressions, targets
        What is computed, and the names to hold it.
    symbols : sympy symbols of the axes
        In the lines they are called p0, p1 ..., and the time t.
    numbers : Numbers
        Gains the numbers of the expressions.
    key : str
        Case key for messages.

    Raises
    ------
    CaseError
        For a number beyond double precision.
    """
    # Whatever the axes are called, the names in the lines are these, and cannot meet others.
    renamed: dict[sp.Expr, sp.Expr] = {
        symbol: sp.Symbol(f"p{a}", real=True) for a, symbol in enumerate(symbols)
    }
    renamed[TIME] = sp.Symbol("t", real=True)
    lifted = [numbers.lift(expression.xreplace(renamed), key) for expression in expressions]
    parts, results = sp.cse(lifted, symbols=sp.numbered_symbols("k", real=True))
    printer = LoopPrinter({"fully_qualified_modules": False, "inline": True})
    lines = [f"{name} = {printer.doprint(part)}" for name, part in parts]
    lines += [
        f"{target} = {printer.doprint(result)}"
        for target, result in zip(targets, results, strict=True)
    ]
    return lines
