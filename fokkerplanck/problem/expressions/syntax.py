"""Python syntax that formulas do not have: what is said of it, and what counts as an operation."""

from __future__ import annotations

import ast

COUNTED = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.BoolOp)

OPERATORS: dict[type[ast.AST], str] = {
    ast.BitXor: "'^' is not a power here; use ** for powers",
    ast.Mod: "the remainder '%' is not available",
    ast.FloorDiv: "'//' is not available; use / or floor(...)",
    ast.MatMult: "'@' is not available; use * for products",
    ast.BitAnd: "'&' stands between conditions in brackets, as in (x > 0) & (y < 1); or write and",
    ast.BitOr: "'|' stands between conditions in brackets, as in (x > 0) | (y < 1); or write or",
}
SYNTAX: dict[type[ast.AST], str] = {
    ast.Attribute: "a dot after a name is not allowed",
    ast.Subscript: "square brackets are not allowed",
    ast.Lambda: "lambda is not allowed",
    ast.IfExp: "'if' is not allowed; use where(condition, a, b)",
    ast.Compare: "a comparison is only allowed as the condition of where(condition, a, b)",
    ast.BoolOp: "'and' and 'or' are only allowed in a condition",
    ast.List: "a list is not allowed inside a formula",
    ast.Tuple: "a comma is only allowed between the arguments of a function",
    ast.NamedExpr: "':=' is not allowed",
    ast.Starred: "'*' before an argument is not allowed",
}
