"""The memory that the transfer operator takes, as estimated and as measured."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest

from fokkerplanck import DataModel, Problem
from fokkerplanck.transfer import step_laws, transfer_memory
from fokkerplanck.transfer.transfer import transfer_operator
from fokkerplanck.transfer.transfer_memory import transfer_bytes

# An estimate is above what is taken, and at most this many times as much.
FACTOR = 2.0


def of_data(samples: int, ndim: int = 2, *, rate: float, size: int, **rest: Any) -> Problem:
    rng = np.random.default_rng(90217)
    x = rng.standard_normal((samples, ndim))
    y = x.sum(axis=1) + 0.5 * rng.standard_normal(samples)
    kind = rest.pop("kind", "linear_regression")
    model = DataModel(kind, x, np.where(y > 0.0, 1.0, 0.0) if kind[0:3] == "log" else y)
    box = {f"x{i}": (-3, 3) for i in range(ndim)}
    return Problem(model, "minibatch", batch_size=size, learning_rate=rate, domain=box, **rest)


def gaussian(sigma: Any, ndim: int = 2, *, rate: float, size: int = 1) -> Problem:
    box = {f"x{i}": (-3, 3) for i in range(ndim)}
    loss = " + ".join(f"{name}**2/2" for name in box)
    return Problem(loss, sigma, batch_size=size, learning_rate=rate, domain=box)


VARYING = [["0.1 + x0**2*x1**2", "0"], ["0", "0.1 + x1**4"]]
CASES: dict[str, tuple[Problem, int, dict[str, int]]] = {
    "narrow batches": (of_data(100, rate=0.01, size=8), 96, {}),
    "wide batches": (of_data(50, rate=0.3, size=1), 64, {}),
    "all batches": (of_data(20, rate=0.1, size=2), 64, {}),
    "many draws": (of_data(300, rate=0.2, size=4), 40, {"draws": 512}),
    "classes": (of_data(200, rate=0.5, size=4, kind="logistic_regression"), 64, {}),
    "without replacement": (of_data(700, rate=0.1, size=4, replacement=False), 24, {}),
    "batches, one axis": (of_data(60, 1, rate=0.2, size=2), 2000, {}),
    "batches, three axes": (of_data(60, 3, rate=0.05, size=4), 14, {}),
    "narrow Gaussian": (gaussian(1.0, rate=0.01), 128, {}),
    "wide Gaussian": (gaussian(1.0, rate=0.2), 64, {}),
    "turned Gaussian": (gaussian([[1, 0.95], [0.95, 1]], rate=0.2), 72, {}),
    "flat Gaussian": (gaussian([1.0, 1e-4], rate=0.2), 96, {}),
    "varying Gaussian": (gaussian(VARYING, rate=0.1), 48, {}),
    "Gaussian, one axis": (gaussian(1.0, 1, rate=0.2), 3000, {}),
    "Gaussian, three axes": (gaussian(1.0, 3, rate=0.2), 14, {}),
}


def taken(problem: Problem, cells: int, rest: dict[str, int]) -> int:
    """Largest number of bytes that numpy and Python hold at once for the operator."""
    grid = problem.grid(cells)
    # Formulas are compiled on first use.
    problem.sigma_at(list(grid.points))
    problem.drift_at(list(grid.points))
    gc.collect()
    tracemalloc.start()
    try:
        transfer_operator(problem, grid, **rest)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", CASES)
def test_estimate_is_that_of_what_is_taken(name: str) -> None:
    problem, cells, rest = CASES[name]
    ratio = transfer_bytes(problem, problem.grid(cells), **rest) / taken(problem, cells, rest)
    assert 1.0 <= ratio <= FACTOR


@pytest.mark.parametrize("name", ["turned Gaussian", "varying Gaussian", "many draws"])
def test_without_counting_it_is_a_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, cells, rest = CASES[name]
    counted = transfer_bytes(problem, problem.grid(cells), **rest)
    monkeypatch.setattr(transfer_memory, "COUNTED_TERMS", 0)
    assert counted < transfer_bytes(problem, problem.grid(cells), **rest) < 4.0 * counted


def test_sizes_that_no_machine_has_are_told_at_once() -> None:
    wide = gaussian(1e12, rate=1.0)
    assert transfer_bytes(wide, wide.grid(512)) > 2**45
    fine = gaussian(1.0, rate=0.2)
    assert transfer_bytes(fine, fine.grid(1024)) > 2**40


@pytest.mark.parametrize(
    "name", ["wide batches", "without replacement", "wide Gaussian", "varying Gaussian"]
)
def test_many_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The matrix and its copy, or pieces of which each is gone before the next is made."""
    problem, cells, rest = CASES[name]
    for module in (step_laws, transfer_memory):
        monkeypatch.setattr(module, "CHUNK", 300_000)
    ratio = transfer_bytes(problem, problem.grid(cells), **rest) / taken(problem, cells, rest)
    assert 1.0 <= ratio <= FACTOR


def test_pieces_hold_no_more_than_their_own_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number grows with the grid; each once held the numbers of all cells."""
    monkeypatch.setattr(step_laws, "CHUNK", 100_000)
    problem = of_data(100, rate=0.003, size=8)
    small, large = (taken(problem, cells, {"draws": 16}) for cells in (48, 128))
    assert large - small < 600 * (128**2 - 48**2)
