"""Random numbers of the walkers: known vectors, jumps, and the laws of what is made of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from measures import compiled_only
from scipy import stats

from fokkerplanck.particles.codegen.elementary import exp, heaviside, log_positive, tanh
from fokkerplanck.particles.codegen.jit import kernel
from fokkerplanck.particles.rng import (
    JUMP,
    LANES,
    LONG_JUMP,
    draw_distinct,
    fill_indices,
    fill_normals,
    fill_words,
    jump,
    shuffle,
    skip,
    spread,
)

SEED = np.array([1, 2, 3, 4], dtype=np.uint64)
# Output of the authors' C code for the state 1, 2, 3, 4.
KNOWN = (
    41943041,
    58720359,
    3588806011781223,
    3591011842654386,
    9228616714210784205,
    9973669472204895162,
    14011001112246962877,
    12406186145184390807,
    15849039046786891736,
    10450023813501588000,
)
LEVEL = 1e-3


@pytest.fixture
def states() -> np.ndarray:
    result = np.empty((3, 4, LANES), dtype=np.uint64)
    spread(SEED, result)
    return result


def words_of(state: np.ndarray, count: int) -> np.ndarray:
    words = np.empty(count, dtype=np.uint64)
    fill_words(state, words)
    return words


def normals_of(state: np.ndarray, rounds: int, size: int = 1024) -> np.ndarray:
    words, z = np.empty(size, dtype=np.uint64), np.empty((rounds, size))
    for row in z:
        fill_normals(state, words, row)
    return z


def test_words_are_those_of_the_authors_code(states: np.ndarray) -> None:
    words = words_of(states[0], LANES * len(KNOWN))
    assert tuple(int(word) for word in words[::LANES]) == KNOWN


def test_blocks_from_the_middle_have_their_own_generators(states: np.ndarray) -> None:
    seed, later = SEED.copy(), np.empty((1, 4, LANES), dtype=np.uint64)
    skip(seed, 2)
    spread(seed, later)
    assert np.array_equal(later[0], states[2])


def powers_of_two(most: int) -> dict[int, list[int]]:
    """Columns of T^(2^k) over GF(2), T one draw of the generator, for k = 128 and 192."""
    mask = 2**64 - 1

    def draw(state: int) -> int:
        a, b, c, d = ((state >> (64 * k)) & mask for k in range(4))
        t = (b << 17) & mask
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c ^= t
        d = ((d << 45) | (d >> 19)) & mask
        return a | (b << 64) | (c << 128) | (d << 192)

    columns = [draw(1 << k) for k in range(256)]
    found = {}
    for k in range(1, most + 1):
        columns = [applied(columns, column) for column in columns]
        found[k] = columns
    return found


def applied(columns: list[int], vector: int) -> int:
    total = 0
    while vector:
        low = vector & -vector
        total ^= columns[low.bit_length() - 1]
        vector ^= low
    return total


def test_jumps_are_powers_of_the_step() -> None:
    powers = powers_of_two(192)
    start = sum(int(word) << (64 * k) for k, word in enumerate(SEED))
    for polynomial, exponent in ((JUMP, 128), (LONG_JUMP, 192)):
        state = SEED.copy()
        jump(state, polynomial)
        jumped = sum(int(word) << (64 * k) for k, word in enumerate(state))
        assert jumped == applied(powers[exponent], start)


def test_lanes_and_blocks_are_jumps_apart(states: np.ndarray) -> None:
    state = SEED.copy()
    jump(state, LONG_JUMP)
    np.testing.assert_array_equal(states[1, :, 0], state)
    jump(state, JUMP)
    np.testing.assert_array_equal(states[1, :, 1], state)


@compiled_only
def test_normals_have_their_law(states: np.ndarray) -> None:
    z = normals_of(states[1], 2000)
    assert stats.kstest(z.reshape(-1), "norm").pvalue > LEVEL
    # Tails: a Poisson number beyond each level, on both sides.
    for level in (3.0, 4.0, 5.0):
        expected = z.size * stats.norm.sf(level)
        for found in ((z > level).sum(), (z < -level).sum()):
            assert stats.poisson.sf(found - 1, expected) > LEVEL
            assert stats.poisson.cdf(found, expected) > LEVEL


@compiled_only
def test_the_two_normals_of_a_pair_are_independent(states: np.ndarray) -> None:
    z = normals_of(states[2], 1000)
    first, second = z[:, :512].reshape(-1), z[:, 512:].reshape(-1)
    cells = np.histogram2d(
        stats.norm.cdf(first), stats.norm.cdf(second), bins=16, range=[[0, 1]] * 2
    )[0]
    assert stats.chisquare(cells.reshape(-1)).pvalue > LEVEL
    # And a lane of the generator does not show in them.
    lanes = z.reshape(-1, LANES)
    assert np.abs(np.corrcoef(lanes.T) - np.eye(LANES)).max() < 4.5 / np.sqrt(len(lanes))


def test_indices_are_uniform(states: np.ndarray) -> None:
    words, index = np.empty(2**16, dtype=np.uint64), np.empty(2**17, dtype=np.uint32)
    fill_indices(states[0], words, 150, index)
    assert stats.chisquare(np.bincount(index, minlength=150)).pvalue > LEVEL


def test_batches_of_distinct_samples_are_uniform(states: np.ndarray) -> None:
    walkers, batch, samples = 2**14, 3, 5
    words = words_of(states[0], walkers * batch // 2)
    index = np.empty((batch, walkers), dtype=np.uint32)
    draw_distinct(words, np.arange(samples, dtype=np.uint32), index, batch, walkers)
    orders = list(itertools.permutations(range(samples), batch))
    counts = dict.fromkeys(orders, 0)
    for draw in index.T.tolist():
        counts[tuple(draw)] += 1
    assert stats.chisquare(list(counts.values())).pvalue > LEVEL


def test_epochs_are_uniform_permutations(states: np.ndarray) -> None:
    walkers, samples = 2**13, 4
    words = np.empty(walkers // 2, dtype=np.uint64)
    decks = np.empty((samples, walkers), dtype=np.uint32)
    shuffle(states[0], words, decks, samples)
    counts = dict.fromkeys(itertools.permutations(range(samples)), 0)
    for deck in decks.T.tolist():
        counts[tuple(deck)] += 1
    assert stats.chisquare(list(counts.values())).pvalue > LEVEL


@kernel
def elementary_values(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(x.shape[0]):
        out[0, i] = exp(x[i])
        out[1, i] = tanh(x[i])
        out[2, i] = log_positive(abs(x[i]))


def test_elementary_functions() -> None:
    rng = np.random.default_rng(20261)
    x = np.concatenate(
        [rng.uniform(-700, 700, 5000), rng.normal(size=5000), 10.0 ** -np.arange(1, 300)]
    )
    out = np.empty((3, x.size))
    elementary_values(x, out)
    np.testing.assert_allclose(out[0], np.exp(x), rtol=1e-15)
    np.testing.assert_allclose(out[1], np.tanh(x), rtol=2e-15, atol=2e-16)
    np.testing.assert_allclose(out[2], np.log(np.abs(x)), rtol=4e-16, atol=1e-16)


def test_exp_stops_at_the_ends_and_passes_nan() -> None:
    out = np.empty((3, 3))
    elementary_values(np.array([-1e9, 1e9, np.nan]), out)
    assert 0.0 < out[0, 0] < 1e-307 < 1e307 < out[0, 1] < np.inf
    assert np.isnan(out[0, 2])
    assert np.isnan(heaviside(np.nan, 0.5))
