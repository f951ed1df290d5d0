"""How coefficients change with time: where they jump, and how long they look smooth.

Steps that control their error by halving see the coefficients at a few times only, and would step
over what happens between them. So the coefficients are looked at before the first step. Jumps and
bends of formulas are roots of the arguments of where, abs, floor and the like, found without gaps.
Narrow pulses of formulas are found by intervals around their slopes in time: where these leave room
for a change, more times are looked at. Python functions are looked at in ``SAMPLES`` times per run.
From all these times follow stretches on each of which a polynomial of degree 9 tells every
coefficient; steps are not longer than these.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy as sp

from ..errors import NumericalFailure
from ..grid import Grid
from .callables import CallableField
from .expressions.field import Field, FormulaField
from .expressions.intervals import Interval, enclosure
from .expressions.names import TIME
from .expressions.switches import distinct, moves_switches, switching_times
from .problem import Problem

# Times at which coefficients are looked at, at least, and the most that intervals may add.
SAMPLES = 8192
MOST_SAMPLES = 60_000
# Times added in one round, and rounds: each halves the intervals it is about.
ROUND = 4096
ROUNDS = 50
# A stretch is halved where the slope leaves room for more than this share of the largest change.
ROOM = 0.02
# Cells per axis at which coefficients are looked at, by the number of axes.
LOOKED_AT = {1: 512, 2: 24, 3: 9}
# Sums of the coefficients with random signs stand for all of them.
SUMS = 8
SEED = 40_961
# Chebyshev nodes of a stretch, and what may be wrong between them, relative to the largest change.
NODES = 10
CHECKS = np.array([-0.999, -0.83, -0.31, 0.07, 0.46, 0.71, 0.98])
TOLERANCE = 1e-6
# Changes below this share of a coefficient are rounding.
ROUNDING = 1e-12
# Stretches shorter than this, relative to the run, stand for a jump.
SHORTEST = 1e-13
# More jumps than this are a front that moves from cell to cell: it is followed in so many steps.
MOST_JUMPS = 100
FRONT = 4096
# The most stretches, and the most that are tried where a front may be the reason.
MOST_STRETCHES = 20_000
MOST_FRONTS = 4_000


@dataclass(frozen=True)
class Timeline:
    """Times to be met and lengths of steps.

    Attributes
    ----------
    breaks : tuple of float
        Times of jumps and bends, increasing.
    edges : tuple of float
        Ends of the stretches on which coefficients are polynomials; the breaks are among them.
    """

    breaks: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()

    def pieces(self, start: float, stop: float) -> list[tuple[float, float]]:
        """From one time to another, cut at the breaks between."""
        between = self.breaks[bisect_right(self.breaks, start) : bisect_left(self.breaks, stop)]
        return list(pairwise([start, *distinct(between, start, stop), stop]))

    def longest(self, time: float) -> float:
        """Longest step from a time: a stretch, and not past the end of the next one."""
        edges = self.edges
        if len(edges) < 2 or time >= edges[-1]:
            return np.inf
        index = max(0, bisect_right(edges, time) - 1)
        length = edges[index + 1] - edges[index]
        return min(length, edges[min(index + 2, len(edges) - 1)] - time) or length


def timeline_of(
    problem: Problem,
    grid: Grid,
    start: float,
    stop: float,
    breakpoints: Sequence[float] = (),
) -> Timeline:
    """Look at the coefficients of a problem between two times.

    Parameters
    ----------
    problem : Problem
    grid : Grid
        The coefficients are looked at in some of its cells.
    start, stop : float
    breakpoints : sequence of float
        More times to be met.

    Raises
    ------
    NumericalFailure
        If the coefficients change too often to be followed.
    """
    fields = [field for field in problem.fields if field.time_dependent]
    named = distinct(breakpoints, start, stop)
    if not fields or stop <= start:
        return Timeline(tuple(named), ())
    formulas = [field for field in fields if isinstance(field, FormulaField)]
    known = distinct([*named, *switching_times(formulas, start, stop)], start, stop)
    look = _Look(fields, grid)
    evidence = _evidence(look, [start, *known, stop])
    fronts = len(formulas) < len(fields) or any(map(moves_switches, formulas))
    most = MOST_FRONTS if fronts else MOST_STRETCHES
    found = _stretches(look, evidence, [start, *known, stop], SHORTEST, most)
    if found is not None and 0 < len(found[1]) <= MOST_JUMPS:
        # Beside a time known already it is that one, off by rounding.
        close = 10.0 * SHORTEST * (stop - start)
        new = [jump for jump in found[1] if all(abs(jump - time) > close for time in known)]
        known = distinct([*known, *new], start, stop)
        found = _stretches(look, evidence, [start, *known, stop], SHORTEST, most)
    elif fronts and (found is None or found[1]):
        found = _stretches(look, evidence, [start, *known, stop], 1.0 / FRONT, MOST_STRETCHES)
    if found is None:
        raise NumericalFailure(
            f"the coefficients change too often between t = {start:g} and {stop:g}: not even "
            f"{MOST_STRETCHES} polynomials tell them",
            "take an earlier density.end, or replace what oscillates by its mean over time",
        )
    return Timeline(tuple(known), tuple(found[0]))


class _Look:
    """Coefficients at some cells and any times, as sums with random signs, entry by entry."""

    def __init__(self, fields: Sequence[Field], grid: Grid):
        self.fields = fields
        most = LOOKED_AT[grid.ndim]
        self.centers = [
            centers[np.unique(np.linspace(0, centers.size - 1, most).astype(int))]
            for centers in grid.centers
        ]
        self.entries = sum(math.prod(field.shape) for field in fields)
        self.box, self.slopes = _slopes(fields, grid)
        self.first: list[np.ndarray] = []
        # The largest change since the first time, and the largest value, of each entry.
        self.change = np.zeros(self.entries)
        self.largest = np.zeros(self.entries)

    def __call__(self, times: np.ndarray) -> np.ndarray:
        """(times, entries, SUMS) float64."""
        cells = math.prod(centers.size for centers in self.centers)
        rows = max(1, 2_000_000 // (cells * self.entries))
        blocks = [self._block(times[i : i + rows]) for i in range(0, len(times), rows)]
        return np.concatenate(blocks)

    def _block(self, times: np.ndarray) -> np.ndarray:
        parts = []
        for field in self.fields:
            # Fields of the parameters alone leave out the velocities, which follow.
            centers = self.centers[: axes_of(field, len(self.centers))]
            mesh = np.ix_(*centers)
            if isinstance(field, FormulaField):
                values = field(mesh, times.reshape(-1, *(1,) * len(mesh)))
                values = np.moveaxis(values, len(field.shape), 0)
            else:
                values = np.stack([field(mesh, float(time)) for time in times])
            count = math.prod(field.shape)
            parts.append(np.nan_to_num(values.reshape(len(times), count, -1), posinf=0, neginf=0))
        self.first = self.first or [part[0] for part in parts]
        changes = [
            np.abs(part - first).max(axis=(0, 2))
            for part, first in zip(parts, self.first, strict=True)
        ]
        self.change = np.maximum(self.change, np.concatenate(changes))
        largest = np.concatenate([np.abs(part).max(axis=(0, 2)) for part in parts])
        self.largest = np.maximum(self.largest, largest)
        sums = []
        for part in parts:
            signs = np.random.default_rng(SEED).choice((-1.0, 1.0), (part.shape[2], SUMS))
            sums.append(part @ signs)
        return np.concatenate(sums, axis=1)

    def room(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """How much formulas may change within intervals of time, relative to the largest change."""
        boxes = {**self.box, TIME: Interval(low, high)}
        scales = np.maximum(self.change, ROUNDING * self.largest)
        most = np.zeros(low.size)
        for entry, slope in self.slopes:
            bounds = enclosure(slope, boxes)
            steepest = np.maximum(np.abs(bounds.low), np.abs(bounds.high))
            with np.errstate(over="ignore"):
                most = np.maximum(most, steepest * (high - low) / (scales[entry] or 1.0))
        return most

    @property
    def tolerance(self) -> np.ndarray:
        """What a polynomial may be off by, for each entry, (entries, 1)."""
        return np.maximum(TOLERANCE * self.change, ROUNDING * self.largest)[:, None]


def _slopes(
    fields: Sequence[Field], grid: Grid
) -> tuple[dict[sp.Symbol, Interval], list[tuple[int, sp.Expr]]]:
    """The box of the axes, and the slopes in time of the formulas with the number of the entry."""
    box: dict[sp.Symbol, Interval] = {}
    slopes, entry = [], 0
    for field in fields:
        if isinstance(field, FormulaField):
            for symbol, axis in zip(field.symbols, grid.domain.axes, strict=False):
                box[symbol] = Interval(np.array(axis.lower), np.array(axis.upper))
            for number, expression in enumerate(field.expressions):
                if TIME in expression.free_symbols:
                    slope = expression.diff(TIME).replace(sp.DiracDelta, lambda *_: sp.S.Zero)
                    slopes.append((entry + number, slope))
        entry += math.prod(field.shape)
    return box, slopes


def axes_of(field: Field, ndim: int) -> int:
    """Number of axes that a field knows."""
    if isinstance(field, FormulaField):
        return len(field.symbols)
    return len(field.lengths) if isinstance(field, CallableField) else ndim


def _evidence(look: _Look, edges: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Times in order and what is seen there: equally spaced, and more where formulas may turn."""
    cuts = np.unique(np.concatenate([np.linspace(edges[0], edges[-1], SAMPLES + 1), edges]))
    # A jump is known to one rounding: what lies between it and a time just beside it tells nothing.
    apart = np.diff(cuts) > 10.0 * SHORTEST * (edges[-1] - edges[0])
    low, high = cuts[:-1][apart], cuts[1:][apart]
    times = [0.5 * (low + high)]
    seen = [look(times[0])]
    for _ in range(ROUNDS):
        room = look.room(low, high)
        wide = np.flatnonzero((room > ROOM) & (high - low > SHORTEST * (edges[-1] - edges[0])))
        if not wide.size or sum(map(len, times)) > MOST_SAMPLES:
            break
        # The widest first: a narrow pulse has the steepest slopes.
        wide = wide[np.argsort(-room[wide], kind="stable")[:ROUND]]
        middle = 0.5 * (low[wide] + high[wide])
        low, high = np.concatenate([low[wide], middle]), np.concatenate([middle, high[wide]])
        times.append(0.5 * (low + high))
        seen.append(look(times[-1]))
    every = np.concatenate(times)
    order = np.argsort(every, kind="stable")
    return every[order], np.concatenate(seen)[order]


def _stretches(
    look: _Look,
    evidence: tuple[np.ndarray, np.ndarray],
    edges: Sequence[float],
    shortest: float,
    most: int,
) -> tuple[list[float], list[float]] | None:
    """Ends of stretches on which polynomials tell all that is seen, and times of jumps.

    None where more than ``most`` are needed.
    """
    nodes = -np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)
    checks = interpolation(nodes, CHECKS)
    places = 0.5 * (1.0 + np.concatenate([nodes, CHECKS]))
    shortest *= edges[-1] - edges[0]
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    ends, jumps = [edges[0]], []
    while low.size:
        lengths = high - low
        values = look((low[:, None] + lengths[:, None] * places).reshape(-1))
        values = values.reshape(low.size, places.size, look.entries, SUMS)
        at_nodes, between = values[:, :NODES], values[:, NODES:]
        off = np.abs(np.einsum("cn,pnes->pces", checks, at_nodes) - between).max(axis=1)
        smooth = (off <= look.tolerance).all(axis=(1, 2))
        for number in np.flatnonzero(smooth):
            smooth[number] = _told(
                look, evidence, nodes, at_nodes[number], low[number], high[number]
            )
        short = lengths <= shortest
        jumps += (0.5 * (low + high))[short & ~smooth].tolist()
        done = smooth | short
        ends += high[done].tolist()
        low, high = low[~done], high[~done]
        middle = 0.5 * (low + high)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        if low.size + len(ends) > most:
            return None
    return sorted(ends), jumps


def _told(
    look: _Look,
    evidence: tuple[np.ndarray, np.ndarray],
    nodes: np.ndarray,
    values: np.ndarray,
    low: float,
    high: float,
) -> bool:
    """Whether the polynomial through ``values`` tells what was seen between two times."""
    times, seen = evidence
    first, last = np.searchsorted(times, [low, high])
    if first == last:
        return True
    places = 2.0 * (times[first:last] - low) / (high - low) - 1.0
    found = np.tensordot(interpolation(nodes, places), values, axes=1)
    return bool((np.abs(found - seen[first:last]) <= look.tolerance).all())


def interpolation(nodes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values of the polynomial through nodes at other places, as a matrix (places, nodes)."""
    powers = np.arange(nodes.size)
    basis, there = (np.cos(np.outer(np.arccos(np.clip(x, -1, 1)), powers)) for x in (nodes, places))
    return np.linalg.solve(basis.T, there.T).T
