"""Kinds of values in a case file, and what all its sections have in common."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationInfo,
)

from ..errors import CaseError
from ..problem.expressions.formula import number


def as_number(value: Any, constants: dict[str, float]) -> float:
    """A finite number, or a formula of the parameters, as a float; CaseError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CaseError(f"{value!r} is not a number or a formula in a string")
    result = float(number(value, constants)) if isinstance(value, str) else float(value)
    if not math.isfinite(result):
        raise CaseError(f"{value!r} is not a finite number")
    return result


def read_number(value: Any, info: ValidationInfo) -> float:
    return as_number(value, info.context or {})


def _positive(value: Any, info: ValidationInfo) -> float:
    result = read_number(value, info)
    if not result > 0:
        raise CaseError(f"{value!r} is not positive; it must be a number > 0")
    return result


def _not_negative(value: Any, info: ValidationInfo) -> float:
    result = read_number(value, info)
    if not result >= 0:
        raise CaseError(f"{value!r} is negative; it must be a number >= 0")
    return result


def _fraction(value: Any, info: ValidationInfo) -> float:
    result = read_number(value, info)
    if not 0 < result < 1:
        raise CaseError(f"{value!r} is out of range; it must be a number > 0 and < 1")
    return result


def _each(read: Callable[[Any, ValidationInfo], float]) -> BeforeValidator:
    """Reads a number or a list of numbers as a list; the key has an index only for a list."""

    def entries(value: Any, info: ValidationInfo) -> list[float]:
        if not isinstance(value, list | tuple):
            return [read(value, info)]
        result = []
        for index, entry in enumerate(value):
            try:
                result.append(read(entry, info))
            except CaseError as error:
                raise CaseError(error.detail, f"[{index}]") from None
        return result

    return BeforeValidator(entries)


Number = Annotated[float, BeforeValidator(read_number)]
Positive = Annotated[float, BeforeValidator(_positive)]
NotNegative = Annotated[float, BeforeValidator(_not_negative)]
Fraction = Annotated[float, BeforeValidator(_fraction)]
Numbers = Annotated[list[float], _each(read_number)]
Positives = Annotated[list[float], _each(_positive)]


class Section(BaseModel):
    """A table of the case file; keys it does not know are errors.

    The key of a CaseError raised inside is relative to the table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
