"""How large a formula and its derivatives would be, counted before sympy builds them.

The slope of a product of n factors has n products, and that of n nested functions is a product of
n of them: second derivatives grow with the third power of the formula, and sympy takes up to a
millisecond for each operation. The count below is the size of the trees that the rules of
differentiation give, an upper bound of what is left after equal parts have met.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

# Sympy looks for what is common to two sums term by term: this many pairs of terms cost about as
# much as one operation.
PAIRS = 20


@dataclass(frozen=True)
class Size:
    """Operations, names and numbers of an expression, of a slope and of a second slope.

    ``depth`` is the number of levels, 1 for a name.
    """

    value: int
    first: int
    second: int
    depth: int


def size_of(expression: sp.Expr) -> Size:
    """Sizes of the tree of an expression and of those of its derivatives by one variable."""
    known: dict[sp.Basic, Size] = {}
    waiting = [expression]
    # In a loop: the depth is what the caller wants to know before anything recurses.
    while waiting:
        node = waiting[-1]
        missing = [part for part in node.args if part not in known]
        if missing:
            waiting += missing
            continue
        known[waiting.pop()] = _joined(node, [known[part] for part in node.args])
    return known[expression]


def _joined(node: sp.Basic, parts: list[Size]) -> Size:
    if not parts:
        return Size(1, int(node.is_Symbol), 0, 1)
    value = 1 + sum(part.value for part in parts)
    depth = 1 + max(part.depth for part in parts)
    moving = [part for part in parts if part.first]
    first = sum(part.first for part in moving)
    second = sum(part.second for part in moving)
    if node.is_Add:
        return Size(value, first, second + len(moving) ** 2 // PAIRS, depth)
    # Each of n moving arguments gives a product of a slope as large as the node with its own.
    n = len(moving)
    return Size(value, n * value + first, n * n * value + n * value + 2 * n * first + second, depth)
