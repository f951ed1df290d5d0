"""The box in parameter space and what happens at its sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import CaseError

BOUNDARIES = ("reflecting", "periodic", "absorbing")
MAX_AXES = 3
# Lengths whose squares, and the inverses of these, are numbers.
LEAST_LENGTH, MOST_LENGTH = 1e-150, 1e150


@dataclass(frozen=True)
class Axis:
    """One parameter: its name, its interval and the two sides.

    Parameters
    ----------
    name : str
        Identifier used in formulas.
    lower, upper : float
        Ends of the interval (dimensionless), ``lower < upper``, both finite.
    boundary : pair of str
        Lower and upper side, each of ``BOUNDARIES``; periodic needs both.

    Raises
    ------
    CaseError
        With the key ``domain.<name>``.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> angle = fp.Axis("angle", -1.5, 1.5, ("periodic", "periodic"))
    >>> angle.length, angle.periodic
    (3.0, True)
    """

    name: str
    lower: float
    upper: float
    boundary: tuple[str, str] = ("reflecting", "reflecting")

    def __post_init__(self) -> None:
        key = f"domain.{self.name}"
        if not isinstance(self.name, str):
            raise CaseError(f"{self.name!r} is not a name; an axis is named by a string", "domain")
        if not (math.isfinite(self.lower) and math.isfinite(self.upper)):
            raise CaseError(
                f"the range [{self.lower}, {self.upper}] must have two finite ends", f"{key}.range"
            )
        if not self.lower < self.upper:
            raise CaseError(
                f"the range [{self.lower:g}, {self.upper:g}] is empty; the first number must be "
                "below the second",
                f"{key}.range",
            )
        if not LEAST_LENGTH <= self.length <= MOST_LENGTH:
            raise CaseError(
                f"the range [{self.lower:g}, {self.upper:g}] has a length of {self.length:.3g}; "
                f"{LEAST_LENGTH:g} to {MOST_LENGTH:g} are possible",
                f"{key}.range",
            )
        for side in self.boundary:
            if side not in BOUNDARIES:
                raise CaseError(
                    f"{side!r} is not a boundary; allowed are {', '.join(BOUNDARIES)}",
                    f"{key}.boundary",
                )
        if ("periodic" in self.boundary) and self.boundary != ("periodic", "periodic"):
            raise CaseError(
                f"{list(self.boundary)} mixes periodic with another side; an axis is periodic at "
                "both sides or at none",
                f"{key}.boundary",
            )

    @property
    def length(self) -> float:
        """Length of the interval."""
        return self.upper - self.lower

    @property
    def periodic(self) -> bool:
        """Whether the two sides are joined."""
        return self.boundary[0] == "periodic"


@dataclass(frozen=True)
class Domain:
    """A box of one to three axes; the order of the axes is the order of array dimensions.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> domain = fp.Domain((fp.Axis("x", -4.0, 4.0), fp.Axis("y", 0.0, 1.0)))
    >>> domain.names, domain.closed
    (('x', 'y'), True)
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.axes) <= MAX_AXES:
            raise CaseError(
                f"{len(self.axes)} axes were given; 1 to {MAX_AXES} parameters are possible",
                "domain",
            )
        if len(set(self.names)) != len(self.axes):
            raise CaseError(f"the axis names {list(self.names)} are not distinct", "domain")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Domain:
        """Build from ``{"x": (-4, 4), "y": {"range": (-1, 1), "boundary": "periodic"}}``.

        Values may also be :class:`Axis`. Raises :class:`CaseError` naming the axis.
        """
        if not isinstance(mapping, Mapping):
            raise CaseError(
                f"{mapping!r} is no mapping of names to ranges; give {{'x': (-4, 4)}}", "domain"
            )
        return cls(tuple(_axis(name, value) for name, value in mapping.items()))

    @property
    def names(self) -> tuple[str, ...]:
        """Axis names in order."""
        return tuple(axis.name for axis in self.axes)

    @property
    def ndim(self) -> int:
        """Number of parameters."""
        return len(self.axes)

    @property
    def closed(self) -> bool:
        """Whether no probability can leave: no absorbing side anywhere."""
        return all("absorbing" not in axis.boundary for axis in self.axes)


def _axis(name: str, value: Any) -> Axis:
    if isinstance(value, Axis):
        return value
    boundary: Any = "reflecting"
    if isinstance(value, Mapping):
        boundary = value.get("boundary", boundary)
        value = value.get("range")
    try:
        lower, upper = (float(end) for end in value)
    except (TypeError, ValueError):
        raise CaseError(
            f"{value!r} is not a range; give two numbers, lower and upper", f"domain.{name}"
        ) from None
    sides = (boundary, boundary) if isinstance(boundary, str) else tuple(boundary)
    if len(sides) != 2:
        raise CaseError(
            f"{boundary!r} is not a boundary; give one word or a pair [lower, upper]",
            f"domain.{name}.boundary",
        )
    return Axis(name, lower, upper, (sides[0], sides[1]))
