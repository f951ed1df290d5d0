"""Walkers in blocks: where they are, their generators, and how they move."""

from __future__ import annotations

import math
from functools import partial
from types import ModuleType

import numpy as np

from ..grid import Grid
from ..problem import Problem
from .formulas import Numbers
from .methods import Settings
from .module import common, kernels_of
from .random import LANES
from .sgd import DISTINCT, EPOCHS, REPLACED
from .sides import ABSORBING, OPEN, PERIODIC, REFLECTING
from .source import fields_source
from .start import Start, starting_places
from .threads import Team

# Walkers per block: its coordinates and scratch stay in the first cache. Part of what a seed means.
BLOCK = 512
# Particle-steps of one call, seconds at most: between calls an interrupt is noticed.
CALL_WORK = 2**28
KINDS = {"reflecting": REFLECTING, "periodic": PERIODIC, "absorbing": ABSORBING}


class Walkers:
    """Places and generators of all walkers, and how they move."""

    def __init__(
        self,
        problem: Problem,
        grid: Grid,
        start: Start,
        chosen: Settings,
        particles: int,
        seed: int,
        open_sides: bool,
        threads: Team,
    ):
        self.grid, self.chosen, self.threads, self.particles = grid, chosen, threads, particles
        self.free = grid.ndim if problem.friction is None else grid.ndim // 2
        batches = bool(chosen.method.batches)
        numbers = Numbers()
        text = fields_source(
            problem, batches=batches, lagged=chosen.method.isotropic, numbers=numbers
        )
        self.kernels: ModuleType = kernels_of(text)
        self.numbers = numbers.array
        self.data = _data(problem)
        self.jumps = problem.jumps
        self.noise = np.zeros((1, 1)) if batches else _noise(problem)
        self.variable = problem.constant_sigma is None
        self.sides = _sides(grid, open_sides)
        self.blocks = -(-particles // BLOCK)
        # The walkers that fill the last block are gone from the start.
        self.x = np.full((self.blocks, grid.ndim, BLOCK), np.nan)
        streams, places = np.random.SeedSequence(seed).spawn(2)
        for first, part in starting_places(grid, start, particles, places):
            _store(self.x, first, part)
        self.states = np.empty((self.blocks, 4, LANES), dtype=np.uint64)
        common().spread(streams.generate_state(4, np.uint64), self.states)
        self.marks = self.states.copy() if chosen.method.batches == "epochs" else self.states[:0]
        self.absorbed = np.zeros((self.blocks, 2 * grid.ndim), dtype=np.int64)
        self.time, self.iteration = 0.0, 0
        self.largest_step = 0.0
        # Under a control: drift and time run by the first, 2 Sigma/beta by the second besides.
        self.pace, self.heat = 1.0, 1.0
        # Leimkuhler-Matthews: what the places lack of those to be shown, in normals to come.
        self.lag = 0.0

    def steer(self, drift: float, noise: float) -> None:
        """Scale the drift and the covariance of the noise from here on.

        With drift a and noise m a step of length h is one of length a h at m/a times 1/beta.
        """
        self.pace, self.heat = drift, noise / drift

    def advance(self, time: float) -> None:
        """Move to an output time, or to the iteration nearest to it."""
        chosen = self.chosen
        if chosen.method.sgd:
            steps = round(time / chosen.step) - self.iteration
            h = chosen.step
        else:
            span = time - self.time
            steps = max(math.ceil(span / chosen.step * (1.0 - 1e-12)), 1) if span else 0
            h = span / steps if steps else 0.0
        if steps:
            self.largest_step = max(self.largest_step, h)
            if chosen.method.isotropic:
                self._set_lag(0.5 * math.sqrt(h) * self.noise[0, 0])
        begin, done = self.time, 0
        most = max(1, CALL_WORK // self.particles)
        while done < steps:
            part = min(most, steps - done)
            self._run(begin + done * h, h, part)
            done += part
            self.iteration += part
        self.time = self.iteration * chosen.step if chosen.method.sgd else time

    def _run(self, t: float, h: float, steps: int) -> None:
        chosen, kernels, sides = self.chosen, self.kernels, self.sides
        c, data, x, states, absorbed = self.numbers, self.data, self.x, self.states, self.absorbed
        rate, noise = chosen.rate, self.noise
        if (self.pace, self.heat) != (1.0, 1.0):
            rate, h = rate * self.pace, h * self.pace
            noise = noise * (self.heat if self.variable else math.sqrt(self.heat))

        weights = np.array(chosen.weights)

        def call(first: int, last: int) -> None:
            if chosen.weights:
                kernels.advance_weighted(
                    first, last, states, x, absorbed, self.iteration, steps, c, data,
                    chosen.rate, chosen.momentum, weights, sides,
                )  # fmt: skip
            elif chosen.method.batches:
                mode = REPLACED if chosen.replacement else DISTINCT
                mode = EPOCHS if chosen.method.batches == "epochs" else mode
                kernels.advance_batches(
                    first, last, states, self.marks, x, absorbed, self.iteration, steps, c, data,
                    rate, chosen.momentum, chosen.batch, mode, sides,
                )  # fmt: skip
            elif chosen.method.sgd:
                kernels.advance_gaussian(
                    first, last, states, x, absorbed, t, steps, c, data,
                    rate, chosen.momentum, noise, sides,
                )  # fmt: skip
            elif self.jumps is not None:
                kernels.advance_stable(
                    first, last, states, x, absorbed, t, h, steps, c, data, self.jumps.alpha,
                    np.array(self.jumps.strengths), self.jumps.kind == "isotropic", sides,
                )  # fmt: skip
            else:
                kernel = {
                    "langevin": kernels.advance_euler,
                    "leimkuhler-matthews": kernels.advance_leimkuhler_matthews,
                    "weak-2": kernels.advance_weak_2,
                }[chosen.method.name]
                kernel(
                    first, last, states, x, absorbed, t, h, steps, c, data, noise, sides
                )  # fmt: skip

        self.threads.run(call, self.blocks)

    def _set_lag(self, lag: float) -> None:
        """Keep the places to be shown while the noise of the coming steps changes."""
        amount = self.lag - lag
        if amount:
            call = partial(self._shift, amount)
            self.threads.run(call, self.blocks)
        self.lag = lag

    def _shift(self, amount: float, first: int, last: int) -> None:
        self.kernels.shift(first, last, self.states, self.x, amount, self.sides, self.absorbed)


def _store(x: np.ndarray, first: int, part: np.ndarray) -> None:
    """Write places (m, d) of walkers ``first`` and on into their blocks."""
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
