"""The section [passage] as a record, its conditions and points checked against the domain."""

from __future__ import annotations

import numpy as np

from ..errors import CaseError
from ..grid import Grid
from ..problem.expressions.condition import Condition
from .analyses import PassageSection
from .records import PassageRequest

DEFAULT_FRAMES = 201
# Stands for all absorbing sides.
BOUNDARY = "boundary"


def passage(section: PassageSection, grid: Grid, constants: dict[str, float]) -> PassageRequest:
    """Turn ``[passage]`` into a record; ``constants`` are the names a condition may use.

    Raises
    ------
    CaseError
        With the key, for a condition that cannot be read or that holds for no cell or for all, a
        box without an absorbing side where the target is "boundary", escape from an open box, or
        a start that is not a point of the box.
    """
    domain = grid.domain
    for key in ("target", "source"):
        text = getattr(section, key)
        if text is None:
            continue
        if key == "target" and text.strip() == BOUNDARY:
            if domain.closed:
                raise CaseError(
                    f'is "{BOUNDARY}", but no side of the box is absorbing; give a condition such '
                    f'as "{grid.names[0]} > 0", or a side boundary = "absorbing"',
                    "passage.target",
                )
            continue
        condition = Condition.of(text, grid.names, constants, f"passage.{key}")
        holds = np.broadcast_to(condition(grid.points), grid.shape)
        if not holds.any() or holds.all():
            which = "all" if holds.all() else "none"
            raise CaseError(
                f"{text!r} holds for {which} of the cell centres; the region must lie in the box, "
                "be wider than a cell and leave some of the box free",
                f"passage.{key}",
            )
    escape = section.target is None if section.escape is None else section.escape
    if escape and not domain.closed:
        raise CaseError(
            "an absorbing side leaves no stationary density, and so no wells to escape from; give "
            f'target = "{BOUNDARY}" instead',
            "passage.escape",
        )
    times = None
    if section.end is not None:
        frames = DEFAULT_FRAMES if section.frames is None else section.frames
        times = tuple(np.linspace(0.0, section.end, frames).tolist())
    return PassageRequest(section.target, section.source, _start(section, grid), times, escape)


def _start(section: PassageSection, grid: Grid) -> tuple[tuple[float, ...], ...] | None:
    if section.start is None:
        return None
    rows = section.start
    # In one dimension a plain list holds a point per number.
    if grid.ndim == 1 and len(rows) == 1:
        rows = [[value] for value in rows[0]]
    for number, row in enumerate(rows):
        key = f"passage.start[{number}]"
        if len(row) != grid.ndim:
            raise CaseError(
                f"has {len(row)} coordinates; the box has {grid.ndim} ({', '.join(grid.names)})",
                key,
            )
        for axis, value in zip(grid.domain.axes, row, strict=True):
            if not axis.lower <= value <= axis.upper:
                raise CaseError(
                    f"lies outside the domain: {axis.name} = {value:g} is not in "
                    f"[{axis.lower:g}, {axis.upper:g}]",
                    key,
                )
    if not rows:
        raise CaseError("is empty; give a point, or leave it out", "passage.start")
    return tuple(tuple(row) for row in rows)
