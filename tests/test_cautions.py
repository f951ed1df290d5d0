"""Cautions come where they are true: tails that are cut off, cells that are too wide, no others."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import erfc

from fokkerplanck import Problem, generator
from fokkerplanck.analyses.cautions import cautions, mass_outside
from fokkerplanck.analyses.observables import moments
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.initial import gaussian_density


def told(problem: Problem, cells: int | tuple[int, ...], density: np.ndarray | None = None) -> str:
    """All cautions about a density, at rest where none is given."""
    grid = problem.grid(cells)
    found = generator(problem, grid)
    rho = stationary(found, problem).density if density is None else density
    return " | ".join(cautions(problem, found, rho, moments(found, rho)[1]))


def outside(problem: Problem, cells: int | tuple[int, ...], density: np.ndarray) -> float:
    return mass_outside(problem, problem.grid(cells), density)


@pytest.mark.parametrize("half", [2.0, 3.0, 4.0])
@pytest.mark.parametrize("axes", [("x",), ("x", "y"), ("y", "x", "z")])
def test_a_tail_is_told_with_its_mass(half: float, axes: tuple[str, ...]) -> None:
    """Of a normal law beyond ``half`` standard deviations along x; periodic sides cut nothing."""
    free = {"range": (-6, 6), "boundary": "periodic"}
    box = {name: (-half, half) if name == "x" else free for name in axes}
    cells = tuple(64 if name == "x" else 8 for name in axes)
    problem = Problem("x**2/2", 1.0, 1.0, box)
    grid = problem.grid(cells)
    rho = np.broadcast_to(np.exp(-(grid.points[axes.index("x")] ** 2) / 2), grid.shape).copy()
    rho /= grid.integrate(rho)
    exact = erfc(half / np.sqrt(2.0)) / (1.0 - erfc(half / np.sqrt(2.0)))
    assert outside(problem, cells, rho) == pytest.approx(exact, rel=0.35)


@pytest.mark.parametrize(
    ("loss", "sigma", "box", "why"),
    [
        ("0*x", "1", (-1, 1), "uniform"),
        ("2*x", "1", (0, 1), "held by a force against a wall"),
        ("-2*x", "1", (0, 1), "and mirrored"),
        ("0.1*x**2", "1", (-1, 1), "a well that is wider than its box"),
        ("-x**2", "1", (-1, 1), "maxima at both sides"),
        ("0*x", "1 + 3*x**2", (-1, 1), "uneven noise"),
        ("cos(3*x)/3", "1", (-1, 1), "a minimum at either side"),
    ],
)
def test_a_wall_that_is_meant_cuts_off_nothing(
    loss: str, sigma: str, box: tuple[float, float], why: str
) -> None:
    assert told(Problem(loss, sigma, 1.0, {"x": box}), 64) == ""


def test_noise_that_vanishes_at_a_side_asks_for_no_larger_domain() -> None:
    """Square-root process below Feller's condition: nothing lies beyond x = 0."""
    problem = Problem(drift=["0.5 - x"], sigma="1.125*x", beta=1.0, domain={"x": (0, 20)})
    assert "domain" not in told(problem, 100)
    # Beyond x = 2 there is something.
    short = Problem(drift=["0.5 - x"], sigma="1.125*x", beta=1.0, domain={"x": (0, 4)})
    grid = short.grid(100)
    x = grid.centers[0]
    rho = x ** (4 / 9 - 1) * np.exp(-x / 1.125)
    assert outside(short, 100, rho / grid.integrate(rho)) > 1e-3


def test_the_side_that_a_density_leans_on_is_no_tail_and_the_other_one_is() -> None:
    problem = Problem("2*x + 0*y + y**2/2", np.eye(2), 1.0, {"x": (0, 8), "y": (-2.5, 2.5)})
    grid = problem.grid((64, 64))
    rho = stationary(generator(problem, grid), problem).density
    exact = erfc(2.5 / np.sqrt(2.0))
    assert outside(problem, (64, 64), rho) == pytest.approx(exact, rel=0.4)


def test_a_packet_on_its_way_over_a_flat_loss_is_in_a_box_that_is_meant() -> None:
    problem = Problem("0*x", 1.0, 1.0, {"x": (-1, 1)})
    grid = problem.grid(64)
    packet = gaussian_density(grid, np.array([0.5]), np.array([[0.04]]))
    assert outside(problem, 64, packet) == 0.0


def test_more_cells_are_asked_for_only_where_they_help() -> None:
    box = {"x": (-3, 3), "y": (-3, 3)}
    steep = Problem("20*(x**2 + y**2)", [[1.0, 0.9], [0.9, 1.0]], 1.0, box)
    coarse = gaussian_density(steep.grid(24), np.zeros(2), 0.05 * np.eye(2))
    assert "more cells" in told(steep, 24, coarse)
    # One noise for both: no cell is small enough for the direction that has none.
    common = Problem("20*(x**2 + y**2)", [[1.0, 1.0], [1.0, 1.0]], 1.0, box)
    sentence = told(common, 24, coarse)
    assert "singular in 576 cells" in sentence
    assert "more cells" not in sentence
