"""How the kernels are compiled here; the module made for a problem compiles the same text.

Numpy's error model: a division by zero gives inf, as the formulas promise, and the test for it
would keep loops from being vectorised. No fastmath: results must not depend on the machine's mood.

With ``NUMBA_DISABLE_JIT=1`` the same text runs as plain Python, slower by far, to the same bits;
but integer powers above 8 in formulas, which compiled code multiplies out, differ by rounding.
What compiled arithmetic does without a word, and Python does not, is put right here: integers wrap,
divisions by zero give inf, the logarithm of a negative number is nan.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic

COMPILED = not getattr(numba.config, "DISABLE_JIT", 0)


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as plain Python with the arithmetic of compiled code.

    Numpy's scalars have that arithmetic once they are silent, each thread for itself; Python's own
    have not, so a float becomes one of numpy's.
    """

    @functools.wraps(function)
    def call(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            result = function(*arguments)
        return np.float64(result) if type(result) is float else result

    return call


def decorators(called: bool, kept: bool) -> tuple[Any, Any, Any]:
    """Those of functions that kernels call, of such with one caller, and of the kernels themselves.

    The first two cannot be called from Python: to make them so takes as long as to compile them.
    The lines of the second become their caller's, else they would be compiled once alone and once
    more within it. The third are called from Python, on several threads at once, each with its own
    range of blocks.

    Parameters
    ----------
    called, kept : bool
        Whether the first and the third are kept on disk.
    """
    if not COMPILED:
        return uncompiled, uncompiled, uncompiled
    bare: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return (
        numba.njit(error_model="numpy", cache=called, **bare),
        numba.njit(error_model="numpy", inline="always", **bare),
        numba.njit(error_model="numpy", nogil=True, cache=kept),
    )


def instruction(code: Callable[..., Any], twin: Callable[..., Any]) -> Any:
    """What ``code`` tells the compiler to emit, or its twin in Python, which does the same."""
    return intrinsic(code) if COMPILED else twin


def library(function: Callable[..., float], numpy_function: Callable[..., Any]) -> Any:
    """A function of :mod:`math` as compiled code calls it, by its twin in Python where that is off.

    Both call the C library, numpy does not always; but Python raises an error for what there is
    nan or inf, and numpy gives these.
    """
    if COMPILED:
        return function

    @uncompiled
    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (ValueError, OverflowError):
            return numpy_function(*arguments)

    return call


# Of this package's own modules, which only tests compile.
inline = numba.njit(error_model="numpy") if COMPILED else uncompiled
merged = inline
kernel = numba.njit(error_model="numpy", nogil=True) if COMPILED else uncompiled
