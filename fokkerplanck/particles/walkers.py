"""Walkers in blocks: where they are, their generators, and how they move."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from ..grid import Grid
from ..problem import Problem
from ..problem.jumps import Jumps
from .codegen.formulas import Numbers
from .codegen.module import common, kernels_of
from .codegen.source import fields_source
from .methods import REFLECTED, MethodSettings
from .rng import LANES
from .sgd import DISTINCT, EPOCHS, REPLACED
from .sides import ABSORBING, OPEN, PERIODIC, REFLECTING
from .state import State
from .threads import Team

# Walkers per block: its coordinates and scratch stay in the first cache. Part of what a seed means.
BLOCK = 512
# Particle-steps of one call, seconds at most: between calls an interrupt is noticed.
CALL_WORK = 2**28
# What a state keeps of walkers.
NUMBERS = (
    "time",
    "iteration",
    "done",
    "largest_step",
    "drift_scale",
    "noise_scale",
    "noise_offset",
)
ARRAYS = ("x", "states", "epoch_rng", "absorbed")
KINDS = {"reflecting": REFLECTING, "periodic": PERIODIC, "absorbing": ABSORBING}


@dataclass(frozen=True, eq=False)
class Motion:
    """Everything that moves walkers but the walkers: arrays, numbers and text, so that it travels.

    Parameters
    ----------
    grid : Grid
        Cells in which walkers are counted.
    chosen : MethodSettings
    text : str
        Formulas of drift and noise, as
        :func:`~fokkerplanck.particles.codegen.source.fields_source` gives them.
    numbers : ndarray, shape (k,)
        That the formulas refer to.
    data : ndarray, shape (columns, samples)
        Features and target of a model; (1, 1) without one.
    jumps : Jumps or None
        Of heavy-tailed noise.
    noise : ndarray
        Factor of a constant Sigma (d, d), or 2/beta in a place of its own.
    variable : bool
        Whether Sigma varies.
    free : int
        Parameters without momenta.
    sides : ndarray, shape (d, 4)
        Ends of the axes and what happens there.
    """

    grid: Grid
    chosen: MethodSettings
    text: str
    numbers: np.ndarray
    data: np.ndarray
    jumps: Jumps | None
    noise: np.ndarray
    variable: bool
    free: int
    sides: np.ndarray


def motion_of(problem: Problem, grid: Grid, chosen: MethodSettings, open_sides: bool) -> Motion:
    """How walkers of a problem move with a method."""
    batches = bool(chosen.method.batches)
    numbers = Numbers()
    text = fields_source(problem, batches=batches, lagged=chosen.method.isotropic, numbers=numbers)
    return Motion(
        grid=grid,
        chosen=chosen,
        text=text,
        numbers=numbers.array,
        data=_data(problem),
        jumps=problem.jumps,
        noise=np.zeros((1, 1)) if batches else _noise(problem),
        variable=problem.constant_sigma is None,
        free=grid.ndim if problem.friction is None else grid.ndim // 2,
        sides=_sides(grid, open_sides),
    )


class Walkers:
    """Places and generators of a range of blocks, and how they move.

    Parameters
    ----------
    motion : Motion
    places : (m, d) array
        Of the walkers from block ``first`` on.
    particles : int
        Of the whole ensemble.
    seed : SeedSequence
        Of the generators of the whole ensemble.
    threads : Team
    first : int
        Number of the first block.
    state : State, optional
        To go on from; nothing is drawn then.

    Notes
    -----
    A block goes through the same numbers whichever range it is in: its generators are those of its
    number, and steps are cut into calls by the size of the whole ensemble.
    """

    def __init__(
        self,
        motion: Motion,
        places: Iterable[np.ndarray],
        particles: int,
        seed: np.random.SeedSequence,
        threads: Team,
        first: int = 0,
        last: int | None = None,
        state: State | None = None,
    ):
        self.motion, self.threads, self.particles = motion, threads, particles
        self.grid, self.chosen = motion.grid, motion.chosen
        self.kernels: ModuleType = kernels_of(motion.text)
        self.first = first
        self.blocks = (blocks_of(particles) if last is None else last) - first
        if state is not None:
            for name in NUMBERS:
                setattr(self, name, state.numbers[name])
            for name in ARRAYS:
                setattr(self, name, state.arrays[name])
            return
        # The walkers that fill the last block are gone from the start.
        self.x = np.full((self.blocks, self.grid.ndim, BLOCK), np.nan)
        filled = 0
        for part in places:
            _store(self.x, filled, part)
            filled += len(part)
        generator = seed.generate_state(4, np.uint64)
        common().skip(generator, first)
        self.states = np.empty((self.blocks, 4, LANES), dtype=np.uint64)
        common().spread(generator, self.states)
        self.epoch_rng = (
            self.states.copy() if self.chosen.method.batches == "epochs" else self.states[:0]
        )
        self.absorbed = np.zeros((self.blocks, 2 * self.grid.ndim), dtype=np.int64)
        self.time, self.iteration = 0.0, 0
        # Steps taken since ``time``, on the way to the next one.
        self.done = 0
        self.largest_step = 0.0
        # Under a control: drift and time run by the first, 2 Sigma/beta by the second besides.
        self.drift_scale, self.noise_scale = 1.0, 1.0
        # Leimkuhler-Matthews: what the places lack of those to be shown, in normals to come.
        self.noise_offset = 0.0

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Numbers, and the arrays themselves, of which a state consists."""
        numbers = {name: getattr(self, name) for name in NUMBERS}
        for name, value in numbers.items():
            numbers[name] = value if isinstance(value, int) else float(value)
        return numbers, {name: getattr(self, name) for name in ARRAYS}

    def steer(self, drift: float, noise: float) -> None:
        """Scale the drift and the covariance of the noise from here on.

        With drift a and noise m a step of length h is one of length a h at m/a times 1/beta.
        """
        self.drift_scale, self.noise_scale = drift, noise / drift

    def advance(self, time: float, between: Callable[[], object] = lambda: None) -> None:
        """Move to an output time, or to the iteration nearest to it.

        After each call of a kernel ``between`` is called. Walkers of a state that was taken there
        go on behind that call and not from ``self.time``, with calls cut as they would have been.
        """
        chosen = self.chosen
        if chosen.method.sgd:
            steps = round(time / chosen.step) - (self.iteration - self.done)
            h = chosen.step
        else:
            span = time - self.time
            steps = max(math.ceil(span / chosen.step * (1.0 - 1e-12)), 1) if span else 0
            h = span / steps if steps else 0.0
        if steps:
            self.largest_step = max(self.largest_step, h)
            if chosen.method.isotropic:
                self._set_noise_offset(0.5 * math.sqrt(h) * self.motion.noise[0, 0])
        most = max(1, CALL_WORK // self.particles)
        while self.done < steps:
            part = min(most, steps - self.done)
            self._run(self.time + self.done * h, h, part)
            self.done += part
            self.iteration += part
            between()
        self.done = 0
        self.time = self.iteration * chosen.step if chosen.method.sgd else time

    def _run(self, t: float, h: float, steps: int) -> None:
        chosen, kernels, jumps = self.chosen, self.kernels, self.motion.jumps
        walkers = kernels.WalkerBlocks(self.states, self.x, self.absorbed)
        rate, noise = chosen.rate, self.motion.noise
        if (self.drift_scale, self.noise_scale) != (1.0, 1.0):
            rate, h = rate * self.drift_scale, h * self.drift_scale
            noise = noise * (
                self.noise_scale if self.motion.variable else math.sqrt(self.noise_scale)
            )
        equation = self._equation(noise)
        weights = np.array(chosen.weights)

        def call(first: int, last: int) -> None:
            blocks = first, last, walkers
            if chosen.weights:
                kernels.advance_weighted(
                    *blocks, equation, self.iteration, steps, chosen.rate, chosen.momentum, weights
                )
            elif chosen.method.batches:
                mode = REPLACED if chosen.replacement else DISTINCT
                mode = EPOCHS if chosen.method.batches == "epochs" else mode
                kernels.advance_batches(
                    *blocks, self.epoch_rng, equation, self.iteration, steps, rate,
                    chosen.momentum, chosen.batch, mode,
                )  # fmt: skip
            elif chosen.method.sgd:
                reflected = chosen.method.name == REFLECTED
                kernels.advance_gaussian(
                    *blocks, equation, t, steps, rate, chosen.momentum, reflected
                )
            elif jumps is not None:
                strengths, isotropic = np.array(jumps.strengths), jumps.kind == "isotropic"
                kernels.advance_stable(
                    *blocks, equation, t, h, steps, jumps.alpha, strengths, isotropic
                )
            else:
                kernel = {
                    "langevin": kernels.advance_euler,
                    "leimkuhler-matthews": kernels.advance_leimkuhler_matthews,
                    "weak-2": kernels.advance_weak_2,
                }[chosen.method.name]
                kernel(*blocks, equation, t, h, steps)

        self.threads.run(call, self.blocks)

    def _equation(self, noise: np.ndarray) -> Any:
        """What the kernels know of the equation, as they want it."""
        motion = self.motion
        return self.kernels.Equation(motion.numbers, motion.data, noise, motion.sides)

    def observe(
        self, first: int, last: int, shape: np.ndarray, counts: np.ndarray, sums: np.ndarray
    ) -> None:
        """Count walkers of some blocks in cells: see `frame.observe`."""
        self.kernels.observe(
            first, last, self.kernels.WalkerBlocks(self.states, self.x, self.absorbed),
            self._equation(self.motion.noise), self.time, self.noise_offset, self.motion.free,
            shape, counts, sums,
        )  # fmt: skip

    def _set_noise_offset(self, noise_offset: float) -> None:
        """Keep the places to be shown while the noise of the coming steps changes."""
        amount = self.noise_offset - noise_offset
        if amount:
            call = partial(self._shift, amount)
            self.threads.run(call, self.blocks)
        self.noise_offset = noise_offset

    def _shift(self, amount: float, first: int, last: int) -> None:
        self.kernels.shift(
            first, last, self.states, self.x, amount, self.motion.sides, self.absorbed
        )


def form_of_walkers(
    motion: Motion, particles: int
) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of the arrays of a state, of all walkers."""
    blocks, d = blocks_of(particles), motion.grid.ndim
    marked = blocks if motion.chosen.method.batches == "epochs" else 0
    return {
        "x": ((blocks, d, BLOCK), np.dtype(float)),
        "states": ((blocks, 4, LANES), np.dtype(np.uint64)),
        "epoch_rng": ((marked, 4, LANES), np.dtype(np.uint64)),
        "absorbed": ((blocks, 2 * d), np.dtype(np.int64)),
    }


def blocks_of(particles: int) -> int:
    """Blocks that hold so many walkers."""
    return -(-particles // BLOCK)


def _store(x: np.ndarray, first: int, part: np.ndarray) -> None:
    """Write places (m, d) of walkers ``first`` and on into their blocks; ``first`` begins one."""
    for begin in range(0, len(part), BLOCK):
        some = part[begin : begin + BLOCK]
        x[(first + begin) // BLOCK, :, : len(some)] = some.T


def _data(problem: Problem) -> np.ndarray:
    """Columns of features, and of the target as the last; one empty one without a model."""
    if problem.model is None:
        return np.zeros((1, 1))
    return np.ascontiguousarray(np.vstack([problem.model.features.T, problem.model.targets]))


def _noise(problem: Problem) -> np.ndarray:
    """Lower triangular B of a constant Sigma, or 2/beta in a place of its own."""
    sigma = problem.constant_sigma
    if sigma is None:
        return np.array([[2.0 / problem.beta]])
    triangle = np.array(
        [sigma[a, b] for a in range(len(sigma)) for b in range(a + 1)], dtype=float
    )[:, None]
    common().factorise_once(triangle, 2.0 / problem.beta)
    factor = np.zeros_like(sigma, dtype=float)
    factor[np.tril_indices(len(sigma))] = triangle[:, 0]
    return factor


def _sides(grid: Grid, open_sides: bool) -> np.ndarray:
    kinds = {**KINDS, "reflecting": OPEN} if open_sides else KINDS
    return np.array(
        [[axis.lower, axis.upper, *(kinds[side] for side in axis.boundary)] for axis in
         grid.domain.axes]
    )  # fmt: skip
