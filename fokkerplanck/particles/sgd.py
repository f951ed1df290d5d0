"""Steps of SGD: mini-batches, weighted ones, or Gaussian noise in their place; heavy ball too.

Arguments are those of :mod:`~fokkerplanck.particles.langevin`, with the learning rate, and the
``momentum`` mu of the heavy ball, negative for plain SGD: theta' = theta - eta g_B (36). For heavy
ball V' = mu V + g_B, theta' = theta - eta V', in terms of v = -sqrt(eta) V, the last axes of ``x``:
v' = mu v - sqrt(eta) g_B, theta' = theta + sqrt(eta) v'. An extra drift f goes with -g_B.
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import copy
from .codegen.fields import EXTRA_FORCE, VARIABLE_SIGMA, batch_gradient, drift, force, sigma
from .codegen.jit import inline, kernel
from .factor import factorise
from .langevin import add_noise, spread_constant
from .near_sides import columns_at_sides, diffusion, entry, hold, tilts
from .rng import LANES, LOW_HALF, S32, fill_indices, fill_normals, fill_words
from .sides import confine

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


@inline
def draw_distinct(
    words: np.ndarray, deck: np.ndarray, index: np.ndarray, batch: int, n: int
) -> None:
    """Distinct samples for each of n walkers into ``index`` (batch, n): a shuffle's first cards.

    The deck is shuffled on from walker to walker. Whatever its order, the first ``batch`` cards
    after as many exchanges are a uniform draw, independent of all before. Word ``j n/2 + i``
    serves exchange j of walkers 2i and 2i + 1, a half each.
    """
    size = deck.shape[0]
    half = n // 2
    for i in range(n):
        for j in range(batch):
            word = words[j * half + i // 2]
            part = word >> S32 if i & 1 else word & LOW_HALF
            other = j + np.int64((part * np.uint64(size - j)) >> S32)
            card = deck[other]
            deck[other] = deck[j]
            deck[j] = card
            index[j, i] = card


@inline
def shuffle(state: np.ndarray, words: np.ndarray, decks: np.ndarray, used: int) -> None:
    """Shuffle each walker's deck, ``decks`` (samples, n), as far as its first ``used`` cards."""
    size, n = decks.shape
    half = n // 2
    for j in range(size):
        decks[j, :] = np.uint32(j)
    for j in range(used):
        fill_words(state, words[:half])
        bound = np.uint64(size - j)
        for i in range(half):
            word = words[i]
            for side in range(2):
                part = word >> S32 if side else word & LOW_HALF
                other = j + np.int64((part * bound) >> S32)
                walker = 2 * i + side
                card = decks[other, walker]
                decks[other, walker] = decks[j, walker]
                decks[j, walker] = card


@kernel
def advance_batches(
    first: int,
    last: int,
    states: np.ndarray,
    marks: np.ndarray,
    x: np.ndarray,
    absorbed: np.ndarray,
    done: int,
    steps: int,
    c: np.ndarray,
    data: np.ndarray,
    rate: float,
    momentum: float,
    batch: int,
    mode: int,
    sides: np.ndarray,
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
    states: np.ndarray,
    x: np.ndarray,
    absorbed: np.ndarray,
    done: int,
    steps: int,
    c: np.ndarray,
    data: np.ndarray,
    rate: float,
    momentum: float,
    weights: np.ndarray,
    sides: np.ndarray,
) -> None:
    """SGD with a weighted sum of sample gradients in place of their mean.

    Parameters
    ----------
    weights : (k + 2,)
        Of the samples of one step, the first k of them equal; their sum is 1.
    """
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
    states: np.ndarray,
    x: np.ndarray,
    absorbed: np.ndarray,
    t: float,
    steps: int,
    c: np.ndarray,
    data: np.ndarray,
    rate: float,
    momentum: float,
    noise: np.ndarray,
    sides: np.ndarray,
    reflected: bool,
) -> None:
    """The same recursions with Gaussian gradients, of the mean and covariance of a mini-batch's.

    ``drift`` is that of the diffusion, (grad Phi, f and for heavy ball the friction included), and
    ``noise`` is its factor B; both hold per unit time, a step of which is eta, or sqrt(eta). Where
    ``reflected``, sides act during a step as those of the diffusion do, not on where it ends.
    """
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
                diffusion(y, now, c, data, noise, inside)
                columns_at_sides(y, inside, now, c, data, noise, sides, before, there, column)
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
