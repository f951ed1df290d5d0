"""Names and numbers of formulas: what a formula may mention, and what stands for it in sympy."""

from __future__ import annotations

import difflib
import keyword
import math
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import sympy as sp

from ...errors import CaseError
from .functions import CONSTANTS, RESERVED

# Numbers with at most this numerator and denominator stay exact, so that derivatives stay clean.
MAX_EXACT = 10**6

TIME = sp.Symbol("t", real=True)


@dataclass(frozen=True)
class Names:
    """The names that a formula may use.

    Parameters
    ----------
    axes : tuple of str
        Variables, in order.
    constants : mapping
        Names with a value (parameters, beta); their values are inserted when a formula is read.
    time : bool
        Whether ``t`` may appear.
    """

    axes: tuple[str, ...] = ()
    constants: Mapping[str, float] = field(default_factory=dict)
    time: bool = False

    @cached_property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """Real sympy symbols of the axes."""
        return tuple(sp.Symbol(name, real=True) for name in self.axes)

    @cached_property
    def table(self) -> dict[str, sp.Expr]:
        """Every allowed name with its sympy expression."""
        table: dict[str, sp.Expr] = dict(zip(self.axes, self.symbols, strict=True))
        if self.time:
            table["t"] = TIME
        table.update({name: exact(value) for name, value in self.constants.items()})
        return {**table, **CONSTANTS}


def check_name(name: str, key: str) -> None:
    """Raise :class:`CaseError` unless formulas can use ``name`` for an axis or a parameter."""
    # Python reads names in their NFKC form: any other form could never be met in a formula.
    plain = name.isidentifier() and unicodedata.normalize("NFKC", name) == name
    if not plain or keyword.iskeyword(name):
        raise CaseError(
            f"{name!r} cannot be a name in formulas; use letters, digits and underscores", key
        )
    if name in RESERVED:
        raise CaseError(f"{name} already has a meaning in formulas; choose another name", key)


def nearest(name: str, known: Iterable[str]) -> str:
    """Half sentence with the nearest known name and all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{hint}known are {', '.join(known) if known else 'none'}"


def exact(value: float) -> sp.Number:
    """Sympy number: exact if its decimal form is short, else the double itself."""
    if math.isfinite(value):
        short = Fraction(repr(float(value)))
        if abs(short.numerator) <= MAX_EXACT and short.denominator <= MAX_EXACT:
            return sp.Rational(short.numerator, short.denominator)
    return sp.Float(value)
