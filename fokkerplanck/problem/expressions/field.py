"""Fields: tensors of formulas, differentiated exactly and evaluated on arrays of points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import sympy as sp
from sympy.printing.numpy import NumPyPrinter

from ...errors import CaseError
from .functions import JUMPING
from .names import TIME

# numpy's pow is ten times slower than products, which are as accurate to a few roundings.
MAX_PRODUCT_POWER = 8
MAX_INTEGER = 2**53


class _Printer(NumPyPrinter):
    """Python source of an expression: small powers as products, erf as a plain name."""

    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))  # sympy prints 15 digits, and a double needs 17

    def _print_Pow(self, expr: sp.Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if base.is_Symbol and exponent.is_Integer and 2 < int(exponent) <= MAX_PRODUCT_POWER:
            return "(" + "*".join([self._print(base)] * int(exponent)) + ")"
        return str(super()._print_Pow(expr, rational=rational))

    def _print_erf(self, expr: sp.erf) -> str:
        return f"erf({self._print(expr.args[0])})"


class Field(Protocol):
    """What a problem asks of a tensor field, be it of formulas or of Python functions."""

    @property
    def key(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def time_dependent(self) -> bool: ...
    @property
    def constant(self) -> np.ndarray | None: ...
    @property
    def zero(self) -> np.ndarray: ...
    def __call__(self, points: Sequence[Any], t: float = 0.0) -> np.ndarray: ...
    def gradient(self) -> Field: ...
    def hessian(self) -> Field: ...
    def divergence(self) -> Field: ...


@dataclass(frozen=True)
class FormulaField:
    """A tensor field given by one expression per entry.

    Parameters
    ----------
    expressions : tuple of sympy expressions
        Entries in C order; they may contain ``symbols`` and the time.
    shape : tuple of int
        Tensor shape: () for a loss, (d,) for a drift, (d, d) for Sigma.
    symbols : tuple of sympy symbols
        One per axis.
    key : str
        Case key for messages.
    """

    expressions: tuple[sp.Expr, ...]
    shape: tuple[int, ...]
    symbols: tuple[sp.Symbol, ...]
    key: str

    @property
    def time_dependent(self) -> bool:
        """Whether t appears in any entry."""
        return any(TIME in expression.free_symbols for expression in self.expressions)

    @cached_property
    def constant(self) -> np.ndarray | None:
        """The tensor, if it depends neither on the point nor on time."""
        if any(expression.free_symbols for expression in self.expressions):
            return None
        values = [float(expression) for expression in self.expressions]
        return np.array(values, dtype=float).reshape(self.shape)

    @cached_property
    def continuous(self) -> bool:
        """Whether no function that jumps takes an argument that depends on the point."""
        axes = set(self.symbols)
        return not any(
            part.free_symbols & axes
            for expression in self.expressions
            for part in expression.atoms(*JUMPING)
        )

    @property
    def zero(self) -> np.ndarray:
        """Which entries vanish identically: booleans of the tensor shape."""
        flags = [expression.is_zero is True for expression in self.expressions]
        return np.array(flags, dtype=bool).reshape(self.shape)

    def __call__(self, points: Sequence[Any], t: float | np.ndarray = 0.0) -> np.ndarray:
        """Evaluate at points (one array per axis, which broadcast) and time t, which may be an
        array that broadcasts against them.

        Returns
        -------
        ndarray, float64, shape ``(*self.shape, *broadcast shape of points)``
            Where a formula has no value the result is nan or inf.
        """
        coordinates = [np.asarray(point, dtype=float) for point in points]
        # As a numpy scalar, t divides by zero and overflows quietly, as the points do.
        time = np.asarray(t, dtype=float)[()]
        shape = np.broadcast_shapes(*(point.shape for point in coordinates), np.shape(time))
        values = np.empty((len(self.expressions), *shape))
        with np.errstate(all="ignore"):
            entries = self._compiled(*coordinates, time)
        for i, entry in enumerate(entries):
            values[i] = entry
        return values.reshape(self.shape + shape)

    def gradient(self) -> FormulaField:
        """Exact derivatives by every axis, as a new last tensor index."""
        entries = tuple(
            self._derivative(expression, symbol)
            for expression in self.expressions
            for symbol in self.symbols
        )
        return FormulaField(entries, (*self.shape, len(self.symbols)), self.symbols, self.key)

    def hessian(self) -> FormulaField:
        """Exact second derivatives, as two new last tensor indices."""
        return self.gradient().gradient()

    def divergence(self) -> FormulaField:
        """Exact sum over the last tensor index j of the derivative of entry (..., j) by x_j."""
        d = len(self.symbols)
        rows = [self.expressions[first : first + d] for first in range(0, len(self.expressions), d)]
        entries = tuple(sp.Add(*map(self._derivative, row, self.symbols)) for row in rows)
        return FormulaField(entries, self.shape[:-1], self.symbols, self.key)

    def _derivative(self, expression: sp.Expr, symbol: sp.Symbol) -> sp.Expr:
        result = expression.diff(symbol)
        # The slope of a jump is a delta function; away from the jump it is zero.
        result = result.replace(sp.DiracDelta, lambda *_: sp.S.Zero)
        if result.has(sp.Derivative, sp.Subs, sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo):
            shown = str(expression)
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            raise CaseError(f"{shown} has no real derivative by {symbol}", self.key)
        return result

    @cached_property
    def _compiled(self) -> Callable[..., list[Any]]:
        expressions = [self._representable(expression) for expression in self.expressions]
        modules: list[Any] = ["numpy"]
        if any(expression.has(sp.erf) for expression in expressions):
            from scipy.special import erf  # scipy.special is slow to import, and rarely needed

            modules.insert(0, {"erf": erf})
        printer = _Printer({"fully_qualified_modules": False, "inline": True})
        function: Callable[..., list[Any]] = sp.lambdify(
            (*self.symbols, TIME),
            expressions,
            modules,
            printer=printer,
            cse=True,
            dummify=True,  # an axis called x0 or numpy must not meet a name of the code
        )
        return function

    def _representable(self, expression: sp.Expr) -> sp.Expr:
        """Replace exact numbers that numpy cannot hold by floats."""
        long = [
            number
            for number in expression.atoms(sp.Rational)
            if max(abs(number.p), number.q) > MAX_INTEGER
        ]
        replacement = {number: sp.Float(number, 17) for number in long}
        numbers = [*replacement.values(), *expression.atoms(sp.Float)]
        if not all(math.isfinite(float(number)) for number in numbers):
            raise CaseError("a number in the formula is too large for double precision", self.key)
        return expression.xreplace(replacement) if replacement else expression


def shape_of(points: Sequence[Any]) -> tuple[int, ...]:
    """Common shape of one array per axis."""
    return np.broadcast_shapes(*(np.shape(point) for point in points))


def in_block(
    values: np.ndarray, rank: int, block: slice, d: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Tensor of ``rank`` indices up to d, zero but for ``values`` in one diagonal block."""
    full = np.zeros((d,) * rank + shape)
    # New axes follow the tensor axes, so that the points' axes meet at the end.
    missing = full.ndim - values.ndim
    spread = values.reshape(values.shape[:rank] + (1,) * missing + values.shape[rank:])
    full[(block,) * rank] = spread
    return full
