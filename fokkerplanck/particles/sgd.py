"""Steps of SGD: mini-batches, weighted ones, or Gaussian noise in their place; heavy ball too.

Arguments are those of :mod:`~fokkerplanck.particles.langevin`, with the learning rate, and the
``momentum`` mu of the heavy ball, negative for plain SGD: theta' = theta - eta g_B (36). For heavy
ball V' = mu V + g_B, theta' = theta - eta V', in terms of v = -sqrt(eta) V, the last axes of ``x``:
v' = mu v - sqrt(eta) g_B, theta' = theta + sqrt(eta) v'. An extra drift f goes with -g_B.
"""

from __future__ import annotations

import math

import numpy as np

from .arguments import Equation, WalkerBlocks
from .codegen.elementary import copy
from .codegen.fields import EXTRA_FORCE, VARIABLE_SIGMA, batch_gradient, drift, force, sigma
from .codegen.jit import inline, kernel
from .factor import add_noise, factorise, spread_constant
from .near_sides import entry, hold, tilts
from .rng import LANES, draw_distinct, fill_indices, fill_normals, fill_words, shuffle
from .sides import confine
from .steps_near_sides import columns_at_sides, diffusion

# How a mini-batch is drawn: each sample anew; distinct samples; the next ones of a shuffled epoch.
REPLACED, DISTINCT, EPOCHS = 0, 1, 2


@inline
def move(x: np.ndarray, g: np.ndarray, rate: float, momentum: float) -> None:
    """One step of the recursion with the gradients ``g`` (m, n), in place."""
    m, n = g.shape
    if momentum < 0.0:
        for a in range(m):
            for i in range(n):
                x[a, i] -= rate * g[a, i]
        return
    dt = math.sqrt(rate)
    for a in range(m):
        for i in range(n):
            v = momentum * x[m + a, i] - dt * g[a, i]
            x[m + a, i] = v
            x[a, i] += dt * v


@kernel
def advance_batches(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    marks: np.ndarray,
    equation: Equation,
    done: int,
    steps: int,
    rate: float,
    momentum: float,
    batch: int,
    mode: int,
) -> None:
    """Real SGD: the gradient is that of a mini-batch, drawn anew in every step by every walker.

    Parameters
    ----------
    marks : (blocks, 4, LANES) uint64, modified
        States at the start of the epoch: its shuffle is drawn again where a call starts inside.
    done : int
        Steps taken before.
    mode : int
        ``REPLACED``, ``DISTINCT`` or ``EPOCHS``. An epoch has ``samples // batch`` batches; what
        the shuffle leaves over sits that epoch out.
    """
    states, x, absorbed = walkers
    c, data, sides = equation.c, equation.data, equation.sides
    d, n = x.shape[1], x.shape[2]
    samples = data.shape[1]
    m = d if momentum < 0.0 else d // 2
    time_step = rate if momentum < 0.0 else math.sqrt(rate)
    # Half a word per index, in whole rounds of the lanes.
    count = -(-(batch * n // 2) // LANES) * LANES
    words = np.empty(count, np.uint64)
    index = np.empty((batch, n), np.uint32)
    g, extra = np.empty((m, n)), np.empty((m, n))
    deck = np.empty(samples, np.uint32)
    decks = np.empty((samples if mode == EPOCHS else 1, n), np.uint32)
    epoch = samples // batch
    for k in range(first, last):
        y, state = x[k], states[k]
        for j in range(samples):
            deck[j] = np.uint32(j)
        for step in range(steps):
            if mode == EPOCHS:
                place = (done + step) % epoch
                if place == 0:
                    copy(state, marks[k])
                    shuffle(state, words, decks, epoch * batch)
                elif step == 0:
                    copy(marks[k], state)
                    shuffle(state, words, decks, epoch * batch)
                batch_gradient(y, c, data, decks[place * batch : (place + 1) * batch], g)
            else:
                if mode == REPLACED:
                    fill_indices(state, words, samples, index.reshape(batch * n))
                else:
                    fill_words(state, words)
                    draw_distinct(words, deck, index, batch, n)
                batch_gradient(y, c, data, index, g)
            if EXTRA_FORCE:
                force(y, (done + step) * time_step, c, extra)
                for a in range(m):
                    for i in range(n):
                        g[a, i] -= extra[a, i]
            move(y, g, rate, momentum)
            confine(y, sides, absorbed[k])


@kernel
def advance_weighted(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    done: int,
    steps: int,
    rate: float,
    momentum: float,
    weights: np.ndarray,
) -> None:
    """SGD with a weighted sum of sample gradients in place of their mean.

    Parameters
    ----------
    weights : (k + 2,)
        Of the samples of one step, the first k of them equal; their sum is 1.
    """
    states, x, absorbed = walkers
    c, data, sides = equation.c, equation.data, equation.sides
    d, n = x.shape[1], x.shape[2]
    samples, batch = data.shape[1], weights.shape[0]
    equal = batch - 2
    m = d if momentum < 0.0 else d // 2
    time_step = rate if momentum < 0.0 else math.sqrt(rate)
    words = np.empty(-(-(batch * n // 2) // LANES) * LANES, np.uint64)
    index = np.empty((batch, n), np.uint32)
    g, part = np.empty((m, n)), np.empty((m, n))
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            fill_indices(state, words, samples, index.reshape(batch * n))
            batch_gradient(y, c, data, index[:equal], g)
            for a in range(m):
                for i in range(n):
                    g[a, i] *= equal * weights[0]
            for j in range(equal, batch):
                batch_gradient(y, c, data, index[j : j + 1], part)
                for a in range(m):
                    for i in range(n):
                        g[a, i] += weights[j] * part[a, i]
            if EXTRA_FORCE:
                force(y, (done + step) * time_step, c, part)
                for a in range(m):
                    for i in range(n):
                        g[a, i] -= part[a, i]
            move(y, g, rate, momentum)
            confine(y, sides, absorbed[k])


@kernel
def advance_gaussian(
    first: int,
    last: int,
    walkers: WalkerBlocks,
    equation: Equation,
    t: float,
    steps: int,
    rate: float,
    momentum: float,
    reflected: bool,
) -> None:
    """The same recursions with Gaussian gradients, of the mean and covariance of a mini-batch's.

    ``drift`` is that of the diffusion, (grad Phi, f and for heavy ball the friction included), and
    ``noise`` is its factor B; both hold per unit time, a step of which is eta, or sqrt(eta). Where
    ``reflected``, sides act during a step as those of the diffusion do, not on where it ends.
    """
    states, x, absorbed = walkers
    c, data, noise, sides = equation
    d, n = x.shape[1], x.shape[2]
    m = d if momentum < 0.0 else d // 2
    h = rate if momentum < 0.0 else math.sqrt(rate)
    words, z = np.empty(d * n, np.uint64), np.empty((d, n))
    slope, factor = np.empty((d, n)), np.empty((d * (d + 1) // 2, n))
    root = math.sqrt(h)
    before, variance = np.empty((d, n)), np.empty((d, n))
    column, tilt = np.empty((d * d, n)), np.empty((d * d, n))
    inside, there = np.empty((d * (d + 1) // 2, n)), np.empty((d * (d + 1) // 2, n))
    if not VARIABLE_SIGMA:
        spread_constant(noise, factor)
    for k in range(first, last):
        y, state = x[k], states[k]
        for step in range(steps):
            now = t + step * h
            fill_normals(state, words, z.reshape(d * n))
            drift(y, now, c, data, slope)
            if reflected:
                diffusion(y, now, equation, inside)
                columns_at_sides(y, inside, now, equation, before, there, column)
                tilts(column, d, tilt)
                copy(y, before)
                for a in range(d):
                    for i in range(n):
                        variance[a, i] = h * inside[entry(a, a), i]
            if VARIABLE_SIGMA:
                sigma(y, now, c, data, factor)
                factorise(factor, noise[0, 0])
            add_noise(y, factor, z, root)
            # With friction the places move with the new velocity: v' = v + h slope + noise.
            for a in range(d - m, d):
                for i in range(n):
                    y[a, i] += h * slope[a, i]
            for a in range(d - m):
                for i in range(n):
                    y[a, i] += h * y[m + a, i]
            if reflected:
                hold(before, y, variance, tilt, sides, state, words[:n], absorbed[k])
            confine(y, sides, absorbed[k])
