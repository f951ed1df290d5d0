"""Formulas: text to sympy expression through an allow-list of syntax; the text is never executed.

The text is read with Python's :mod:`ast`, and the tree is translated node by node. Only numbers,
names that the caller lists, ``+ - * / **``, parentheses and the functions of
:mod:`~fokkerplanck.problem.expressions.functions` have a translation; everything else is a
:class:`~fokkerplanck.errors.CaseError`. Constant parts are folded in double precision, so that no
formula can ask sympy for a number with more digits than memory holds.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import sympy as sp

from ...errors import CaseError
from ...limits import (
    FORMULA_CHARACTERS,
    FORMULA_DERIVATIVE,
    FORMULA_DIGITS,
    FORMULA_LEVELS,
    FORMULA_OPERATIONS,
)
from ...runtime.silence import ignoring
from .functions import FUNCTIONS, less, less_equal, logical_and, logical_not, logical_or, where
from .names import MAX_EXACT, Names, check_name, exact, nearest
from .size import size_of
from .syntax import COUNTED, OPERATORS, SYNTAX

# exp(700) is close to the largest double.
MAX_LOG = 700.0


def parse(text: str, names: Names, key: str | None = None) -> sp.Expr:
    """Translate a formula into a real sympy expression.

    Parameters
    ----------
    text : str
        For example ``"0.5*k*x**2 + cos(y)"``.
    names : Names
        What the formula may use.
    key : str, optional
        Case key for the error message.

    Raises
    ------
    CaseError
        For a syntax error, an unknown name, syntax off the allow-list, a part that is not a real
        double, or a formula beyond the sizes of :mod:`~fokkerplanck.limits`.
    """
    return _Translator(text, names, key).expression()


def parse_condition(text: str, names: Names, key: str | None = None) -> sp.Expr:
    """Translate a condition such as ``"x > 0 and y**2 < 1"``; evaluates to 1 or 0.

    Raises
    ------
    CaseError
        As :func:`parse`.
    """
    return _Translator(text, names, key).condition_expression()


def number(value: Any, parameters: Mapping[str, float], key: str | None = None) -> float:
    """Finite float from a number, or from a formula of ``parameters``.

    Raises
    ------
    CaseError
        If it is neither, or not finite.
    """
    if isinstance(value, str):
        result = float(parse(value, Names(constants=parameters), key))
    else:
        try:
            if isinstance(value, bool):
                raise TypeError
            result = float(value)
        except (TypeError, ValueError):
            raise CaseError(f"{value!r} is not a number", key) from None
        except OverflowError:
            result = math.inf
    if not math.isfinite(result):
        raise CaseError(f"{value} is not a finite number", key)
    return result


def read_parameters(parameters: Mapping[str, Any], axes: Iterable[str] = ()) -> dict[str, float]:
    """Values of the parameters; each may be a formula of those before it.

    Raises
    ------
    CaseError
        With the key ``parameters.<name>``.
    """
    axes = tuple(axes)
    values: dict[str, float] = {}
    for name, value in parameters.items():
        key = f"parameters.{name}"
        check_name(name, key)
        if name in axes:
            raise CaseError(f"{name} is already the name of an axis; choose another name", key)
        values[name] = number(value, values, key)
    return values


class _Translator:
    """One formula on its way from text to expression; holds what the messages need."""

    def __init__(self, text: str, names: Names, key: str | None):
        self.text = text
        self.names = names
        self.key = key

    def fail(self, detail: str) -> NoReturn:
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        raise CaseError(f"in {shown!r}, {detail}", self.key)

    def tree(self) -> ast.expr:
        if not isinstance(self.text, str):
            raise CaseError(f"{self.text!r} is not a formula; give a text", self.key)
        if len(self.text) > FORMULA_CHARACTERS:
            self.fail(
                f"there are {len(self.text)} characters; at most {FORMULA_CHARACTERS} are allowed"
            )
        if "#" in self.text:
            self.fail("'#' is not allowed; a comment stands outside the formula")
        if re.search(rf"\d{{{FORMULA_DIGITS}}}", self.text):
            self.fail("a number has too many digits")
        # Line breaks and tabs of a long formula count as blanks.
        blank = "".join(" " if mark.isspace() else mark for mark in self.text)
        if not blank.strip():
            self.fail("there is nothing; a formula is expected")
        offset = len(blank) - len(blank.lstrip())
        try:
            with ignoring(SyntaxWarning, DeprecationWarning, module="<unknown>"):
                body = ast.parse(blank.strip(), mode="eval").body
        except SyntaxError as error:
            # No offset: Python reached the end and wanted more.
            column = offset + (error.offset or len(blank.strip()) + 1)
            self.fail(f"the syntax is wrong at column {column} ({error.msg})")
        except (RecursionError, MemoryError):
            self.fail("the formula is nested too deep or has too many terms")
        except ValueError as error:
            self.fail(f"the text cannot be read ({error})")
        operations = sum(isinstance(node, COUNTED) for node in ast.walk(body))
        if operations > FORMULA_OPERATIONS:
            self.fail(f"there are {operations} operations; {FORMULA_OPERATIONS} are allowed")
        return body

    def expression(self) -> sp.Expr:
        result = self.built(self.translate)
        size = size_of(result)
        if size.depth > FORMULA_LEVELS:
            self.fail(f"there are {size.depth} levels of nesting; {FORMULA_LEVELS} are allowed")
        if size.second > FORMULA_DERIVATIVE:
            self.fail(
                f"the second derivative has up to {size.second:.2g} parts, and "
                f"{FORMULA_DERIVATIVE:,} are allowed; nest fewer functions or multiply fewer terms"
            )
        return result

    def condition_expression(self) -> sp.Expr:
        return self.built(self.condition)

    def built(self, read: Callable[[ast.expr, int], sp.Expr]) -> sp.Expr:
        tree = self.tree()
        try:
            return self.real(read(tree, 0))
        except RecursionError:  # inside sympy
            self.fail(f"the formula is nested too deep; {FORMULA_LEVELS} levels are allowed")

    def real(self, result: sp.Expr) -> sp.Expr:
        if result.has(sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo):
            self.fail("a part is not a finite real number")
        return result

    def translate(self, node: ast.expr, depth: int) -> sp.Expr:
        if depth > FORMULA_LEVELS:
            self.fail(
                f"expressions are nested too deep; at most {FORMULA_LEVELS} levels are allowed"
            )
        if isinstance(node, ast.Constant):
            return self.constant(node.value)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            operand = self.translate(node.operand, depth + 1)
            return operand if isinstance(node.op, ast.UAdd) else -operand
        if isinstance(node, ast.BinOp):
            return self.binary(node, depth)
        if isinstance(node, ast.Call):
            return self.call(node, depth)
        allowed = "only numbers, names, + - * / ** and functions may be used"
        self.fail(SYNTAX.get(type(node), allowed))

    def constant(self, value: object) -> sp.Expr:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(f"{value!r} is not a real number")
        return self.folded(value)

    def folded(self, value: float) -> sp.Number:
        try:
            value = float(value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            self.fail("a number is too large for double precision")
        return exact(value)

    def name(self, name: str) -> sp.Expr:
        if name in self.names.table:
            return self.names.table[name]
        if name in FUNCTIONS:
            self.fail(f"{name} is a function; write {name}(...)")
        self.fail(f"{name} is not known; {nearest(name, self.names.table)}")

    def binary(self, node: ast.BinOp, depth: int) -> sp.Expr:
        if isinstance(node.op, ast.Add | ast.Sub):
            terms = [
                -term if isinstance(op, ast.Sub) else term
                for term, op in self.spine(node, (ast.Add, ast.Sub), depth)
            ]
            return self.tidy(sp.Add(*terms))
        if isinstance(node.op, ast.Mult | ast.Div):
            factors = [
                self.power(factor, sp.Integer(-1)) if isinstance(op, ast.Div) else factor
                for factor, op in self.spine(node, (ast.Mult, ast.Div), depth)
            ]
            return self.tidy(sp.Mul(*factors))
        if isinstance(node.op, ast.Pow):
            base = self.translate(node.left, depth + 1)
            return self.power(base, self.translate(node.right, depth + 1))
        self.fail(OPERATORS.get(type(node.op), "only + - * / ** may stand between two terms"))

    def spine(
        self, node: ast.expr, kinds: tuple[type[ast.operator], ...], depth: int
    ) -> list[tuple[sp.Expr, ast.operator | None]]:
        """Operands, last first, of a chain such as a + b - c, which Python nests to the left.

        Walked in a loop: a sum of a thousand terms is not deep.
        """
        operands: list[tuple[sp.Expr, ast.operator | None]] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, kinds):
            operands.append((self.translate(node.right, depth + 1), node.op))
            node = node.left
        operands.append((self.translate(node, depth + 1), None))
        return operands

    def tidy(self, expression: sp.Expr) -> sp.Expr:
        """Keep numbers inside double precision; exact integers would grow without limit."""
        if isinstance(expression, sp.Number) and expression.is_finite:
            large = abs(expression.p) > MAX_EXACT if expression.is_Rational else True
            return self.folded(float(expression)) if large else expression
        return expression

    def power(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if base.is_zero and exponent.is_negative:
            self.fail("something is divided by zero")
        if base.is_number and exponent.is_number:
            return self.number_power(base, exponent)
        if base == sp.E:
            self.check_exponential(exponent)
        elif base.is_number and not float(base) > 0.0:
            self.fail(f"{float(base):g} to a varying power is not a real number")
        if exponent.is_number:
            self.check_power(base, exponent)
        return base**exponent

    def number_power(self, base: sp.Expr, exponent: sp.Expr) -> sp.Expr:
        if base.is_Rational and exponent == -1:
            return sp.Rational(base.q, base.p)
        try:
            value = float(base) ** float(exponent)
        except OverflowError:
            value = math.inf
        except ZeroDivisionError:
            self.fail("something is divided by zero")
        if isinstance(value, complex):
            self.fail(f"({float(base):g})**({float(exponent):g}) is not a real number")
        return self.folded(value)

    def check_power(self, base: sp.Expr, exponent: sp.Expr) -> None:
        """(2*x)**n makes sympy form 2**n exactly: refuse what no double can hold."""
        factor = base.as_independent(*base.free_symbols, as_Add=False)[0]
        size = abs(float(factor))
        if abs(float(exponent)) > 2**31 or (
            size > 0.0 and abs(math.log(size) * float(exponent)) > MAX_LOG
        ):
            self.fail("a power is too large for double precision")

    def check_exponential(self, argument: sp.Expr) -> None:
        """exp(n*log(2*x)) becomes (2*x)**n in sympy."""
        for term in sp.Add.make_args(argument):
            factor, rest = term.as_coeff_Mul()
            if isinstance(rest, sp.log):
                self.check_power(rest.args[0], factor)

    def call(self, node: ast.Call, depth: int) -> sp.Expr:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Constant | ast.BinOp | ast.UnaryOp):
                self.fail("a bracket follows a number or a bracket; write * for a product")
            self.fail(SYNTAX.get(type(node.func), "only functions known by name may be called"))
        name = node.func.id
        if node.keywords:
            self.fail(f"the arguments of {name} cannot have names")
        if name == "where":
            return self.choice(node, depth)
        entry = FUNCTIONS.get(name)
        if entry is None:
            if name in self.names.table:
                self.fail(f"{name} is not a function; write {name}*(...) for a product")
            self.fail(f"{name} is not a known function; {nearest(name, [*FUNCTIONS, 'where'])}")
        count = len(node.args)
        if count < entry.arguments or (count > entry.arguments and not entry.variadic):
            least = "at least " if entry.variadic else ""
            self.fail(f"{name} takes {least}{entry.arguments} argument(s), not {count}")
        if count > FORMULA_LEVELS:
            self.fail(f"{name} has {count} arguments; {FORMULA_LEVELS} are allowed")
        arguments = [self.translate(argument, depth + 1) for argument in node.args]
        if all(argument.is_number for argument in arguments):
            values = [float(argument) for argument in arguments]
            try:
                return self.folded(entry.fold(*values))
            except (ValueError, OverflowError):
                shown = ", ".join(f"{value:g}" for value in values)
                self.fail(f"{name}({shown}) is not a finite real number")
        if name == "exp":
            self.check_exponential(arguments[0])
        return entry.build(*arguments)

    def choice(self, node: ast.Call, depth: int) -> sp.Expr:
        if len(node.args) != 3:
            self.fail(f"where takes 3 arguments (condition, a, b), not {len(node.args)}")
        chosen = [self.translate(argument, depth + 1) for argument in node.args[1:]]
        condition = self.condition(node.args[0], depth + 1)
        if condition.is_number:
            return chosen[0] if condition != 0 else chosen[1]
        return where(condition, *chosen)

    def condition(self, node: ast.expr, depth: int) -> sp.Expr:
        if depth > FORMULA_LEVELS:
            self.fail(
                f"conditions are nested too deep; at most {FORMULA_LEVELS} levels are allowed"
            )
        joined: list[ast.expr] = getattr(node, "values", []) or getattr(node, "comparators", [])
        if len(joined) > FORMULA_LEVELS:
            self.fail(f"{len(joined)} conditions are joined; {FORMULA_LEVELS} are allowed")
        if isinstance(node, ast.BoolOp):
            join = logical_and if isinstance(node.op, ast.And) else logical_or
            result = self.condition(node.values[0], depth + 1)
            for value in node.values[1:]:
                result = join(result, self.condition(value, depth + 1))
            return result
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
            join = logical_and if isinstance(node.op, ast.BitAnd) else logical_or
            return join(*(self.condition(side, depth + 1) for side in (node.left, node.right)))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return logical_not(self.condition(node.operand, depth + 1))
        if not isinstance(node, ast.Compare):
            self.fail("a condition such as x > 0 is expected")
        sides = [self.translate(side, depth + 1) for side in [node.left, *node.comparators]]
        parts = [
            self.comparison(op, left, right)
            for op, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True)
        ]
        result = parts[0]
        for part in parts[1:]:
            result = logical_and(result, part)
        return result

    def comparison(self, op: ast.cmpop, left: sp.Expr, right: sp.Expr) -> sp.Expr:
        if isinstance(op, ast.Lt):
            return less(left, right)
        if isinstance(op, ast.LtE):
            return less_equal(left, right)
        if isinstance(op, ast.Gt):
            return less(right, left)
        if isinstance(op, ast.GtE):
            return less_equal(right, left)
        self.fail("a comparison is one of < <= > >=")
