"""Arrays of a caller: real numbers, or one sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.arrays import real_array
from fokkerplanck.fractional.levy_integrator import evolve_levy
from fokkerplanck.gallery import rotating_tensor
from fokkerplanck.particles.start import starting_places

MADE = rotating_tensor(2, 2.0).problem
GRID = MADE.grid(8)
HEAVY = fp.Problem("x**2 + y**2", domain={"x": (-1, 1), "y": (-1, 1)}, alpha=1.5)


@pytest.mark.parametrize("values", [[[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], object)])
def test_numbers_of_any_kind(values: Any) -> None:
    found = real_array(values, "initial")
    assert found.dtype == np.float64
    assert found.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "values", ["gaussian", [[1.0, 2.0], [3.0]], [None, "a"], {"kind": "uniform"}]
)
def test_what_is_no_array(values: Any) -> None:
    with pytest.raises(fp.CaseError, match=r"initial: .* is not an array of real numbers"):
        real_array(values, "initial")


def walkers(start: np.ndarray) -> None:
    list(starting_places(GRID, start, 10, np.random.SeedSequence(1)))


@pytest.mark.parametrize(
    "use",
    [
        lambda start: fp.evolve(MADE, GRID, start, [0.0, 0.1]),
        lambda start: evolve_levy(HEAVY, HEAVY.grid(8), start, [0.0, 0.1]),
        lambda start: fp.make_case(MADE, GRID.shape, initial=start),
        walkers,
    ],
    ids=["evolve", "levy", "make_case", "walkers"],
)
def test_no_imaginary_part_is_lost(use: Callable[[np.ndarray], Any]) -> None:
    """numpy drops it with a warning that a loop does not see."""
    with pytest.raises(fp.CaseError, match="complex128 values; give real numbers"):
        use(np.ones(GRID.shape) + 0.5j)
