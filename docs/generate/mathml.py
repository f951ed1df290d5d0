"""Formulas as MathML, made by docutils: no script, nothing to fetch."""

from __future__ import annotations

from typing import Any


def markup(formula: str, block: bool) -> str:
    """MathML of a formula in TeX.

    Raises
    ------
    ExtensionError
        For what docutils cannot read.
    """
    from docutils.utils.math import MathError
    from docutils.utils.math.latex2mathml import tex2mathml
    from sphinx.errors import ExtensionError

    try:
        return tex2mathml(formula, as_block=block)
    except MathError as error:
        raise ExtensionError(f"the formula {formula!r} cannot be read: {error}") from None


def inline(translator: Any, node: Any) -> None:
    """Write a formula in a line of text."""
    from docutils.nodes import SkipNode

    translator.body.append(markup(node.astext(), False))
    raise SkipNode


def block(translator: Any, node: Any) -> None:
    """Write a formula that stands alone."""
    from docutils.nodes import SkipNode

    translator.body.append(markup(node.astext(), True))
    raise SkipNode
