"""Whether the coefficients fit together where the two sides of a periodic axis are joined.

A loss may differ between the sides as long as its gradient does not: it is then a periodic loss on
top of a linear tilt, and a tilt drives a current. A drift or a Sigma that differs jumps there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CaseError
from ..grid import Grid

if TYPE_CHECKING:
    from .problem import Problem

# Sides are looked at from inside, this share of the axis away from them: formulas with a jump of
# their own at a side, as floor(x), are right there.
INSIDE = 1e-9
# Differences between the sides, relative to the largest value on the grid: up to the first they
# close, and beyond the second a gradient is refused. Between them are ends such as 6.283 for 2 pi.
CLOSES, REFUSED = 1e-6, 1e-3
# A rise of the loss below this share of its range is rounding.
ROUNDING = 1e-9

Sides = tuple[list[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Mismatch:
    """The largest difference of a coefficient between the sides of a periodic axis.

    Attributes
    ----------
    what, key : str
        The coefficient in words, and its key in the case file.
    axis : str
    lower, upper : float
        Its value at the lower and at the upper end.
    share : float
        Their difference, relative to the largest value on the grid.
    places : tuple of str
        Both ends in words.
    """

    what: str
    key: str
    axis: str
    lower: float
    upper: float
    share: float
    places: tuple[str, str]

    @property
    def sentence(self) -> str:
        """Both values and where they are."""
        return (
            f"{self.what} is {self.lower:.6g} at {self.places[0]} and {self.upper:.6g} at "
            f"{self.places[1]}, which the periodic axis {self.axis} joins"
        )


def mismatches(problem: Problem, grid: Grid, t: float = 0.0) -> list[Mismatch]:
    """Gradient, drift and Sigma that differ between the sides of a periodic axis."""
    found: list[Mismatch] = []
    fields = [("the gradient of the loss", problem.loss_key, problem.gradient_at)]
    if problem.has_drift or problem.friction is not None:
        key = "drift.formula" if problem.has_drift else "noise.friction"
        fields.append(("the drift", key, problem.drift_at))
    if problem.constant_sigma is None:
        fields.append(("Sigma", "noise.sigma", problem.sigma_at))
    for number, axis in enumerate(grid.domain.axes):
        if axis.periodic:
            for what, key, field in fields:
                one = _mismatch(grid, number, t, what, key, field)
                # A gradient that differs is a drift that differs.
                if one is not None and not (what == "the drift" and _told(found, one)):
                    found.append(one)
    return found


def check_seams(problem: Problem, grid: Grid, t: float = 0.0) -> None:
    """Raise CaseError if the gradient of the loss differs between sides that are joined.

    Raises
    ------
    CaseError
        With both values and both places.
    """
    for one in mismatches(problem, grid, t):
        if one.what == "the gradient of the loss" and one.share > REFUSED:
            raise CaseError(
                f"{one.sentence}; give a loss whose gradient is the same there (a linear tilt is), "
                "or another boundary",
                one.key,
            )


def loss_tilts(problem: Problem, grid: Grid, t: float = 0.0) -> dict[int, float]:
    """By how much a tilted loss rises from the lower to the upper side of periodic axes.

    Axes around which it comes back to itself are left out.
    """
    found = {}
    periodic = [number for number, axis in enumerate(grid.domain.axes) if axis.periodic]
    size = float(np.ptp(problem.loss_at(grid.points, t))) if periodic else 0.0
    for number in periodic:
        lower, upper = _sides(grid, number, 0.0)
        rises = problem.loss_at(upper, t) - problem.loss_at(lower, t)
        rise = float(rises.flat[int(np.abs(rises).argmax())])
        if abs(rise) > ROUNDING * size:
            found[number] = rise
    return found


def _told(found: list[Mismatch], one: Mismatch) -> bool:
    return any(m.axis == one.axis and m.what == "the gradient of the loss" for m in found)


def _mismatch(
    grid: Grid, number: int, t: float, what: str, key: str, field: Callable[..., np.ndarray]
) -> Mismatch | None:
    sides = _sides(grid, number, INSIDE)
    lower, upper = (field(points, t) for points in sides)
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        return None
    scale = float(np.abs(field(grid.points, t)).max())
    gap = np.abs(upper - lower)
    entry = np.unravel_index(int(gap.argmax()), gap.shape)
    if not gap[entry] > CLOSES * scale:
        return None
    cell = entry[gap.ndim - grid.ndim :]
    first, last = (_place(grid, points, cell) for points in sides)
    share = float(gap[entry] / scale) if scale > 0.0 else np.inf
    return Mismatch(
        what, key, grid.names[number], float(lower[entry]), float(upper[entry]), share,
        (first, last),
    )  # fmt: skip


def _sides(grid: Grid, number: int, inside: float) -> Sides:
    """Open meshes of the points at the lower and at the upper side of an axis."""
    axis = grid.domain.axes[number]
    result = []
    for end in (axis.lower + inside * axis.length, axis.upper - inside * axis.length):
        centers = [np.array([end]) if i == number else c for i, c in enumerate(grid.centers)]
        result.append(list(np.ix_(*centers)))
    return result[0], result[1]


def _place(grid: Grid, points: list[np.ndarray], cell: tuple[np.intp, ...]) -> str:
    parts = (
        f"{name} = {x.reshape(-1)[i]:.6g}"
        for name, x, i in zip(grid.names, points, cell, strict=True)
    )
    return ", ".join(parts)
