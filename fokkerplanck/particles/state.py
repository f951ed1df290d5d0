"""Where an ensemble stands between two calls of its kernels, so that it can go on from there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Protocol

import numpy as np

# Shape and type of each array that a state with such numbers must have.
Form = Callable[[Mapping[str, Any]], dict[str, tuple[tuple[int, ...], np.dtype[Any]]]]


@dataclass(frozen=True, eq=False)
class State:
    """All that an ensemble needs to go on.

    Attributes
    ----------
    numbers : dict of int and float
        The frame and the leg on the way to it; steps, times and factors of the walkers.
    arrays : dict of ndarray
        Places, generators, walkers absorbed, and the frames so far. Where they are views of those
        that move, they hold still during the call that they are given to.
    """

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray]


class Keeper(Protocol):
    """Who keeps states while an ensemble moves, and knows the last one of an ensemble before."""

    def last(self, identity: str, form: Form) -> State | None:
        """The state to go on from: of this identity and form, or None to begin anew."""

    def offer(self, state: Callable[[], State]) -> None:
        """Called between any two calls of the kernels; an exception ends the ensemble there."""


def identity_of(*parts: Any) -> str:
    """Hash of all that decides the bits of an ensemble.

    Records are gone through field by field, so that one that is added later counts by itself.

    Raises
    ------
    TypeError
        For a part of a kind that has no bytes of its own.
    """
    digest = hashlib.sha256()
    for part in parts:
        _add(digest.update, part)
    return digest.hexdigest()


def _add(update: Callable[[bytes], None], part: Any) -> None:
    # Kind and length stand before each part, so that no two lists of parts run together alike.
    if isinstance(part, np.ndarray):
        update(f"array {part.dtype.str} {part.shape}".encode())
        update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, np.random.SeedSequence):
        _add(update, ("seed", part.entropy, tuple(part.spawn_key)))
    elif is_dataclass(part):
        for field in fields(part):
            _add(update, field.name)
            _add(update, getattr(part, field.name))
    elif isinstance(part, tuple | list):
        update(f"list {len(part)}".encode())
        for one in part:
            _add(update, one)
    elif part is None or isinstance(part, str | int | float | np.generic):
        words = repr(part.item() if isinstance(part, np.generic) else part).encode()
        update(f"{type(part).__name__} {len(words)} ".encode() + words)
    else:
        raise TypeError(f"{type(part).__name__} is no part of an identity")
