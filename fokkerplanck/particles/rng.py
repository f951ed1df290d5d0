"""Random numbers of the walkers: xoshiro256++ in lanes, normals by the polar angle.

Each block of walkers owns ``LANES`` generators, advanced together by vector instructions. All of
them are parts of one sequence of period 2^256 - 1: lanes are 2^128 draws apart, blocks 2^192, so
that no two can overlap. D. Blackman and S. Vigna, Scrambled linear pseudorandom number
generators, ACM Trans. Math. Softw. 47 (2021), 36.

Symmetric alpha-stable variables by Chambers, Mallows and Stuck (J. Am. Stat. Assoc. 71 (1976),
340); isotropic ones are sqrt(2 A) G with normals G and A positive (alpha/2)-stable, by Kanter (Ann.
Probab. 3 (1975), 697). Both have the characteristic function exp(-|k|^alpha).
"""

from __future__ import annotations

import math

import numpy as np

from .codegen.elementary import ONE_BITS, bits_of_float, float_of_bits, log_positive
from .codegen.jit import inline, kernel

# Eight fill a vector register; four registers hide the latency of a draw, 1.4 ns instead of 3.1.
LANES = 32
# Polynomials of the jumps by 2^128 and 2^192 draws, from the authors' reference implementation.
JUMP = np.array(
    [0x180EC6D33CFD0ABA, 0xD5A61266F0C9392C, 0xA9582618E03FC9AA, 0x39ABDC4529B1661C],
    dtype=np.uint64,
)
LONG_JUMP = np.array(
    [0x76E15D3EFEFDCBBF, 0xC5004E441C522FB3, 0x77710069854EE241, 0x39109BB02ACBE635],
    dtype=np.uint64,
)
S1, S17, S19, S23, S32 = np.uint64(1), np.uint64(17), np.uint64(19), np.uint64(23), np.uint64(32)
S12, S41, S45, S63 = np.uint64(12), np.uint64(41), np.uint64(45), np.uint64(63)
TWO = np.uint64(2)
LOW_HALF = np.uint64(0xFFFFFFFF)
# A mantissa m in [1, 2) less this lies in [2^-53, 1 - 2^-53]: never 0, and 1 only to rounding.
BELOW_ONE = 1.0 - 2.0**-53
QUARTER_TURN = 0.5 * math.pi


@inline
def fill_words(state: np.ndarray, words: np.ndarray) -> None:
    """Replace ``words`` (n,) uint64, n a multiple of ``LANES``, by the next draws of all lanes.

    Draw k of lane l goes to place ``k LANES + l``; ``state`` (4, LANES) uint64 is modified.
    """
    for k in range(words.shape[0] // LANES):
        for lane in range(LANES):
            a, b, c, d = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
            total = a + d
            words[k * LANES + lane] = ((total << S23) | (total >> S41)) + a
            shifted = b << S17
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= shifted
            d = (d << S45) | (d >> S19)
            state[0, lane], state[1, lane], state[2, lane], state[3, lane] = a, b, c, d


@inline
def fill_normals(state: np.ndarray, words: np.ndarray, z: np.ndarray) -> None:
    """Replace ``z`` (n,) by independent standard normals; ``words`` (n,) uint64 is scratch.

    Box-Muller, two words for two normals: a radius sqrt(-2 log u) with u on a lattice of 2^-52,
    hence up to 8.57, and an angle in a quarter turn that two spare bits of its word reflect into
    the full circle, so that no argument is ever reduced.
    """
    half = z.shape[0] // 2
    fill_words(state, words)
    radius_words, angle_words = words[:half], words[half:]
    first, second = z[:half], z[half:]
    for i in range(half):
        u = float_of_bits((radius_words[i] >> S12) | ONE_BITS) - BELOW_ONE
        radius = math.sqrt(-2.0 * log_positive(u))
        word = angle_words[i]
        angle = (float_of_bits((word >> S12) | ONE_BITS) - 1.5) * QUARTER_TURN
        q = angle * angle
        sine = angle + angle * q * (
            -1.66666666666666324348e-01
            + q
            * (
                8.33333333332248946124e-03
                + q
                * (
                    -1.98412698298579493134e-04
                    + q
                    * (
                        2.75573137070700676789e-06
                        + q * (-2.50507602534068634195e-08 + q * 1.58969099521155010221e-10)
                    )
                )
            )
        )
        cosine = (
            1.0
            - 0.5 * q
            + q
            * q
            * (
                4.16666666666666019037e-02
                + q
                * (
                    -1.38888888888741095749e-03
                    + q
                    * (
                        2.48015872894767294178e-05
                        + q
                        * (
                            -2.75573143513906633035e-07
                            + q * (2.08757232129817482790e-09 - q * 1.13596475577881948265e-11)
                        )
                    )
                )
            )
        )
        cosine = float_of_bits(bits_of_float(cosine) ^ (word << S63))
        swapped = (word & TWO) != np.uint64(0)
        first[i] = radius * (cosine if swapped else sine)
        second[i] = radius * (sine if swapped else cosine)


@inline
def fill_indices(state: np.ndarray, words: np.ndarray, n: int, index: np.ndarray) -> None:
    """Replace ``index`` (m,) uint32 by draws from 0 ... n - 1; ``words`` (m/2,) is scratch.

    Two draws per word, each the high half of a 32-bit product: probabilities are right to n/2^32
    relative, and no draw is rejected.
    """
    fill_words(state, words)
    half = words.shape[0]
    low, high = index[:half], index[half:]
    bound = np.uint64(n)
    for i in range(half):
        word = words[i]
        low[i] = np.uint32(((word & LOW_HALF) * bound) >> S32)
        high[i] = np.uint32(((word >> S32) * bound) >> S32)


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


@inline
def fill_symmetric(
    state: np.ndarray, words: np.ndarray, other: np.ndarray, alpha: float, out: np.ndarray
) -> None:
    """Replace ``out`` (n,) by symmetric alpha-stable numbers; ``words`` and ``other`` scratch."""
    fill_words(state, words)
    fill_words(state, other)
    for i in range(out.shape[0]):
        u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
        w = -math.log(float_of_bits((other[i] >> S12) | ONE_BITS) - BELOW_ONE)
        angle = math.pi * (u - 0.5)
        if alpha == 1.0:
            out[i] = math.tan(angle)
            continue
        power = (1.0 - alpha) / alpha
        out[i] = (
            math.sin(alpha * angle)
            / math.cos(angle) ** (1.0 / alpha)
            * (math.cos((1.0 - alpha) * angle) / w) ** power
        )


@inline
def fill_positive(
    state: np.ndarray, words: np.ndarray, other: np.ndarray, a: float, out: np.ndarray
) -> None:
    """Replace ``out`` (n,) by positive a-stable numbers, 0 < a < 1, E exp(-s A) = exp(-s^a)."""
    fill_words(state, words)
    fill_words(state, other)
    for i in range(out.shape[0]):
        u = float_of_bits((words[i] >> S12) | ONE_BITS) - BELOW_ONE
        w = -math.log(float_of_bits((other[i] >> S12) | ONE_BITS) - BELOW_ONE)
        angle = math.pi * u
        out[i] = (
            math.sin(a * angle)
            / math.sin(angle) ** (1.0 / a)
            * (math.sin((1.0 - a) * angle) / w) ** ((1.0 - a) / a)
        )


@inline
def jump(state: np.ndarray, polynomial: np.ndarray) -> None:
    """Advance one generator, ``state`` (4,) uint64, by the number of draws of the polynomial."""
    a0, b0, c0, d0 = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    a, b, c, d = state[0], state[1], state[2], state[3]
    for word in polynomial:
        for bit in range(64):
            if (word >> np.uint64(bit)) & S1:
                a0 ^= a
                b0 ^= b
                c0 ^= c
                d0 ^= d
            shifted = b << S17
            c ^= a
            d ^= b
            b ^= c
            a ^= d
            c ^= shifted
            d = (d << S45) | (d >> S19)
    state[0], state[1], state[2], state[3] = a0, b0, c0, d0


@kernel
def spread(seed: np.ndarray, states: np.ndarray) -> None:
    """Fill ``states`` (blocks, 4, LANES) from ``seed`` (4,) uint64: see the module's docstring."""
    block = seed.copy()
    lane = np.empty(4, dtype=np.uint64)
    for k in range(states.shape[0]):
        for word in range(4):
            lane[word] = block[word]
        for place in range(LANES):
            for word in range(4):
                states[k, word, place] = lane[word]
            jump(lane, JUMP)
        jump(block, LONG_JUMP)


@kernel
def skip(seed: np.ndarray, blocks: int) -> None:
    """Advance ``seed`` (4,) uint64, modified, past the generators of so many blocks."""
    for _ in range(blocks):
        jump(seed, LONG_JUMP)
