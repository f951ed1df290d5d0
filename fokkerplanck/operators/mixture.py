"""Mixtures of the generators of two times: a generator again, edge by edge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .generator import Generator
from .rate_table import Rates

# What tells two edges across periodic sides, and two exits, apart.
WRAP_KEYS = ("wrap_offset", "wrap_source", "wrap_target")
EXIT_KEYS = ("exit_offset", "exit_cell", "exit_side")


def mixture(one: Generator, share: float, other: Generator, rest: float) -> Generator:
    """The generator share A_1 + rest A_2, whose rates are not negative.

    With a negative share the mixture of a rate that changes by much would be below zero; it is
    zero then. Columns sum to zero all the same, so that mass and positivity stay.

    Parameters
    ----------
    one, other : Generator
        On one grid.
    share, rest : float
    """
    first, second = _alike(one.rates, other.rates)
    rates: dict[str, Any] = {
        name: np.maximum(share * getattr(first, name) + rest * getattr(second, name), 0.0)
        for name in ("forward", "backward", "wrap_forward", "wrap_backward", "exit_rate")
    }
    raised = max(first.raised, second.raised)
    return Generator(one.grid, replace(first, raised=raised, **rates), one.potential)


def _alike(one: Rates, other: Rates) -> tuple[Rates, Rates]:
    """The same rates on the edges of both, where a moving Sigma has changed the offsets."""
    if not _same(one.offsets, other.offsets):
        offsets, place = np.unique(
            np.concatenate([one.offsets, other.offsets]), axis=0, return_inverse=True
        )
        place = place.reshape(-1)
        shifts = np.zeros(len(offsets), dtype=np.int64)
        shifts[place] = np.concatenate([one.shifts, other.shifts])
        cut = len(one.offsets)
        one = _moved(one, offsets, shifts, place[:cut])
        other = _moved(other, offsets, shifts, place[cut:])
    for keys, values in (
        (WRAP_KEYS, ("wrap_forward", "wrap_backward")),
        (EXIT_KEYS, ("exit_rate",)),
    ):
        one, other = _joined(one, other, keys, values)
    return one, other


def _moved(rates: Rates, offsets: np.ndarray, shifts: np.ndarray, place: np.ndarray) -> Rates:
    """The same rates in a table of more offsets; number k of the old ones is place[k] there."""
    tables = []
    for old in (rates.forward, rates.backward):
        table = np.zeros((len(offsets), old.shape[1]))
        table[place] = old
        tables.append(table)
    return replace(
        rates, offsets=offsets, shifts=shifts, forward=tables[0], backward=tables[1],
        wrap_offset=place[rates.wrap_offset], exit_offset=place[rates.exit_offset],
    )  # fmt: skip


def _joined(
    one: Rates, other: Rates, keys: Sequence[str], values: Sequence[str]
) -> tuple[Rates, Rates]:
    """Both with the edges of both; a rate that one of them lacks is zero."""
    if all(_same(getattr(one, key), getattr(other, key)) for key in keys):
        return one, other
    columns = [np.concatenate([getattr(one, key), getattr(other, key)]) for key in keys]
    unique, place = np.unique(np.stack(columns), axis=1, return_inverse=True)
    place, cut = place.reshape(-1), getattr(one, keys[0]).size
    found = []
    for rates, where in ((one, place[:cut]), (other, place[cut:])):
        parts: dict[str, Any] = dict(zip(keys, unique, strict=True))
        for name in values:
            parts[name] = np.bincount(where, getattr(rates, name), unique.shape[1])
        found.append(replace(rates, **parts))
    return found[0], found[1]


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one is other or np.array_equal(one, other)
