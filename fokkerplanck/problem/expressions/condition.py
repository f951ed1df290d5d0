"""Regions of the box given by a condition such as ``"x > 0 and x**2 + y**2 < 1"``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .field import FormulaField
from .formula import parse_condition
from .names import Names


@dataclass(frozen=True)
class Condition:
    """A condition on the parameters; calling it tells at which points it holds.

    Parameters
    ----------
    text : str
    field : FormulaField
        1 where it holds and 0 elsewhere.
    """

    text: str
    field: FormulaField

    @classmethod
    def of(
        cls, text: str, axes: Sequence[str], constants: Mapping[str, float], key: str | None = None
    ) -> Condition:
        """Read a condition of the axes and of named numbers.

        Raises
        ------
        CaseError
            If it is not one.
        """
        names = Names(tuple(axes), constants)
        expression = parse_condition(text, names, key)
        return cls(text, FormulaField((expression,), (), names.symbols, key or "condition"))

    def __call__(self, points: Sequence[Any]) -> np.ndarray:
        """Whether it holds, booleans of the shape to which ``points`` broadcast."""
        return np.asarray(self.field(points) > 0.5)
