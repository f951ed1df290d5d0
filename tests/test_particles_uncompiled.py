"""Kernels of walkers end with the same bits whether they are compiled or run as plain Python."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from walker_bits import COMPILED_ELSEWHERE, FORMULAS, RUNS, all_bits

from fokkerplanck.particles import sides
from fokkerplanck.particles.codegen.jit import inline, library
from fokkerplanck.particles.codegen.module import kernels_of

ROOT = Path(__file__).resolve().parents[1]
UNCOMPILED = bool(numba.config.DISABLE_JIT)
# Compiling everything for this comparison takes a minute, so `make test` does without some.
NAMES = [*(RUNS if UNCOMPILED else COMPILED_ELSEWHERE), *FORMULAS]


@pytest.fixture(scope="module")
def of_the_other_kind() -> dict[str, str]:
    """The same from a process that compiles if this one does not, and the other way round."""
    environment = {
        **os.environ,
        "NUMBA_DISABLE_JIT": "0" if UNCOMPILED else "1",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "tests/walker_bits.py", *NAMES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_bits_are_those_of_the_other_kind(name: str, of_the_other_kind: dict[str, str]) -> None:
    assert all_bits([name])[name] == of_the_other_kind[name]


def test_arithmetic_is_that_of_compiled_code() -> None:
    @inline
    def divided(a: float, b: float) -> float:
        return a / b

    @inline
    def added(a: np.uint64, b: np.uint64) -> np.uint64:
        return a + b

    # What a kernel returns is a number of the kind whose divisions give inf.
    assert divided(divided(1.0, 2.0), np.float64(0.0)) == np.inf
    assert isinstance(divided(1.0, 2.0), float)
    assert added(np.uint64(2**64 - 1), np.uint64(3)) == 2


@pytest.mark.skipif(not UNCOMPILED, reason="is about code that is not compiled")
def test_uncompiled_kernels_are_the_lines_of_their_files() -> None:
    module = kernels_of("LAGGED = False\n")
    found, own = module.confine.__wrapped__.__code__, sides.confine.__wrapped__.__code__
    assert found.co_filename == own.co_filename == sides.__file__
    assert found.co_firstlineno == own.co_firstlineno


@pytest.mark.skipif(not UNCOMPILED, reason="is about code that is not compiled")
def test_functions_of_the_library_give_what_c_gives() -> None:
    log = library(math.log, np.log)
    assert log(2.0) == math.log(2.0)
    assert log(0.0) == -np.inf
    assert np.isnan(log(-1.0))
    with np.errstate(divide="ignore"):
        assert 1.0 / log(1.0) == np.inf
