"""Symbolic building blocks shared by the problems built backwards from their answer."""

from __future__ import annotations

from collections.abc import Sequence

import sympy

from ..problem.expressions.formula import parse as parse_formula
from ..problem.expressions.names import Names

AXIS_NAMES = ("x", "y", "z")
# Angles of the turning eigenvectors, one rotation per neighbouring pair of axes; every entry of the
# tensor depends on every axis that it can.
ANGLES = {2: ("0.7*x + 0.5*y + 0.3",), 3: ("0.6*x + 0.4*z + 0.3", "0.5*y - 0.4*x + 0.7")}


def axis_symbols(names: Sequence[str]) -> list[sympy.Symbol]:
    """Symbols that the axes have in formulas."""
    return list(Names(tuple(names)).symbols)


def parse(formula: str, symbols: Sequence[sympy.Symbol]) -> sympy.Expr:
    """Formula in the axis names as an expression; raises CaseError as Problem does."""
    return parse_formula(formula, Names(tuple(symbol.name for symbol in symbols)))


def gradient(expression: sympy.Expr, symbols: Sequence[sympy.Symbol]) -> sympy.Matrix:
    """Column of partial derivatives."""
    return sympy.Matrix([sympy.diff(expression, symbol) for symbol in symbols])


def divergence(tensor: sympy.Matrix, symbols: Sequence[sympy.Symbol]) -> sympy.Matrix:
    """Column sum_j d Sigma_ij / d x_j, the divergence over columns of (48)."""
    return sympy.Matrix(
        [
            sum(sympy.diff(tensor[i, j], symbol) for j, symbol in enumerate(symbols))
            for i in range(tensor.rows)
        ]
    )


def formulas(matrix: sympy.Matrix) -> list[list[str]]:
    """Entries as formula strings, nested by row."""
    return [[str(entry) for entry in row] for row in matrix.tolist()]


def turning_tensor(ndim: int, condition: float) -> sympy.Matrix:
    """Tensor with constant eigenvalues 1 ... 1/condition and axes that turn with the position.

    Parameters
    ----------
    ndim : int
        1 (the scalar sweeps the same range), 2 or 3.
    condition : float
        Largest over smallest eigenvalue.

    Raises
    ------
    ValueError
        For any other ``ndim``.
    """
    symbols = axis_symbols(AXIS_NAMES[:ndim])
    small = 1.0 / condition
    if ndim == 1:
        return sympy.Matrix([[small + (1.0 - small) * sympy.cos(symbols[0]) ** 2]])
    if ndim not in ANGLES:
        raise ValueError(f"ndim = {ndim} is not possible; give 1, 2 or 3")
    vectors = sympy.eye(ndim)
    for plane, formula in enumerate(ANGLES[ndim]):
        angle = parse(formula, symbols)
        turn = sympy.eye(ndim)
        turn[plane, plane] = turn[plane + 1, plane + 1] = sympy.cos(angle)
        turn[plane, plane + 1] = -sympy.sin(angle)
        turn[plane + 1, plane] = sympy.sin(angle)
        vectors = vectors * turn
    scales = [small ** (i / (ndim - 1)) for i in range(ndim)]
    return vectors * sympy.diag(*scales) * vectors.T
