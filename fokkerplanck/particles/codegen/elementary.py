"""Elementary functions as plain arithmetic, so that loops over walkers become vector instructions.

The library's exp and log are calls, one walker at a time. Coefficients of logarithm, sine and
cosine are those of fdlibm (e_log.c, k_sin.c, k_cos.c), whose errors are below one unit in the
last place; exp is the Taylor polynomial of degree 13 after reduction, below two units.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types

from .jit import inline, instruction

MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
EXPONENT_SHIFT = np.uint64(52)
ONE_BITS = np.uint64(0x3FF0000000000000)
# Bits of sqrt(1/2): mantissas are brought to [sqrt(1/2), sqrt(2)).
ROOT_HALF_BITS = np.uint64(0x3FE6A09E667F3BCD)
ROOT_HALF_OFFSET = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
# An integer below 2^52 put into the mantissa of 2^52 converts to double by one subtraction.
BIG_BITS = np.uint64(0x4330000000000000)
BIG_BIASED = 2.0**52 + 1023.0
# Added and subtracted, it rounds to the nearest integer, which its low bits then hold.
ROUNDER = 1.5 * 2.0**52
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
# Beyond these exp would leave the normal numbers.
EXP_LOWEST, EXP_LARGEST = -708.0, 709.0


def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """The double with these bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.uint64), code


def _bits_of_float(typing_context: Any, value: Any) -> Any:
    """The bits of a double."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.uint64))

    return types.uint64(types.float64), code


float_of_bits = instruction(_float_of_bits, lambda bits: np.uint64(bits).view(np.float64))
bits_of_float = instruction(_bits_of_float, lambda value: np.float64(value).view(np.uint64))


@inline
def copy(source: np.ndarray, out: np.ndarray) -> None:
    """Copy a matrix; numba's own assignment would compile error messages for a second."""
    for a in range(source.shape[0]):
        for i in range(source.shape[1]):
            out[a, i] = source[a, i]


@inline
def log_positive(x: float) -> float:
    """log(x) of a positive, normal, finite number."""
    shifted = bits_of_float(x) + ROOT_HALF_OFFSET
    k = float_of_bits((shifted >> EXPONENT_SHIFT) | BIG_BITS) - BIG_BIASED
    f = float_of_bits((shifted & MANTISSA) + ROOT_HALF_BITS) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (
        3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01)
    )
    odd = z * (
        6.666666666666735130e-01
        + w
        * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01))
    )
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + even + odd) + k * LN2_LOW)) - f)


@inline
def exp(x: float) -> float:
    """exp(x); stops at the smallest and largest normal numbers instead of 0 and inf."""
    # In this order a nan passes through.
    x = EXP_LOWEST if x < EXP_LOWEST else x
    x = EXP_LARGEST if x > EXP_LARGEST else x
    rounded = x * 1.4426950408889634 + ROUNDER
    k = rounded - ROUNDER
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    p = 1.0 / 6227020800.0
    p = p * r + 1.0 / 479001600.0
    p = p * r + 1.0 / 39916800.0
    p = p * r + 1.0 / 3628800.0
    p = p * r + 1.0 / 362880.0
    p = p * r + 1.0 / 40320.0
    p = p * r + 1.0 / 5040.0
    p = p * r + 1.0 / 720.0
    p = p * r + 1.0 / 120.0
    p = p * r + 1.0 / 24.0
    p = p * r + 1.0 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    scale = (bits_of_float(rounded) << EXPONENT_SHIFT) + ONE_BITS
    return p * float_of_bits(scale)


@inline
def tanh(x: float) -> float:
    """tanh(x); relative error 1e-15 beyond |x| = 0.1, absolute error 1e-16 below."""
    e = exp(-2.0 * abs(x))
    return math.copysign((1.0 - e) / (1.0 + e), x)


@inline
def heaviside(x: float, at_zero: float) -> float:
    """Step function, nan at nan."""
    if x < 0.0:
        return 0.0
    if x > 0.0:
        return 1.0
    return at_zero if x == 0.0 else x


@inline
def where(condition: float, first: float, second: float) -> float:
    """``first`` where the condition holds, else ``second``."""
    return first if condition != 0.0 else second


@inline
def less(a: float, b: float) -> float:
    """1 if a < b, else 0."""
    return 1.0 if a < b else 0.0


@inline
def less_equal(a: float, b: float) -> float:
    """1 if a <= b, else 0."""
    return 1.0 if a <= b else 0.0


@inline
def logical_and(a: float, b: float) -> float:
    """1 if both hold, else 0."""
    return 1.0 if a != 0.0 and b != 0.0 else 0.0


@inline
def logical_or(a: float, b: float) -> float:
    """1 if one holds, else 0."""
    return 1.0 if a != 0.0 or b != 0.0 else 0.0


@inline
def logical_not(a: float) -> float:
    """1 if the condition does not hold, else 0."""
    return 0.0 if a != 0.0 else 1.0
