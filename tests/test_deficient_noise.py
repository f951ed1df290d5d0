"""Cases whose noise has no full rank, by their files, against what is known of them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import simpson
from scipy.linalg import expm, solve_continuous_lyapunov

import fokkerplanck as fp
from fokkerplanck.io.result import Result
from fokkerplanck.pipeline.study import study

INPUTS = Path(__file__).parent / "inputs"
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")


def solved(name: str, overrides: dict[str, Any] | None = None, walkers: bool = False) -> Result:
    """The result of a case in its reduced form, without its walkers unless they are asked for."""
    asked = {"output.errors": False, "density.scheme": "semi-lagrangian", **(overrides or {})}
    case = fp.load_case(INPUTS / f"{name}.toml", asked)
    if not walkers:
        case = replace(case, ensemble=None, validation=None)
    result = fp.run(case)
    assert result.notes[0].startswith("scheme semi-lagrangian"), result.notes[0]
    assert np.abs(result.mass - 1.0).max() < 1e-13
    assert result.minimum.min() >= 0.0
    return result


def cells(names: str, number: int) -> dict[str, Any]:
    return {f"domain.{name}.cells": number for name in names}


def mean_of(result: Result, values: Any, frame: int) -> float:
    """Mean of a function of the points."""
    density = np.asarray(result.density[frame])
    points = np.meshgrid(*result.grid.centers, indexing="ij")
    return float((values(*points) * density).sum() / density.sum())


def test_white_noise_in_the_velocity() -> None:
    result = solved("kolmogorov", cells("xv", 64))
    assert result.covariance[-1, 0, 0] == pytest.approx(0.09 + 0.09 + 1.0 / 3.0, rel=1e-3)
    assert result.covariance[-1, 0, 1] == pytest.approx(0.09 + 0.5, rel=1e-3)


def test_noise_along_circles() -> None:
    result = solved("kubo_rank_one", cells("xy", 64))
    for time, mean in zip(result.time, result.mean, strict=True):
        assert mean[0] == pytest.approx(math.exp(-0.5 * time), rel=2e-3)
    assert mean_of(result, lambda x, y: x**2 + y**2, -1) == pytest.approx(1.045, rel=2e-3)


def test_one_noise_for_two_processes() -> None:
    result = solved("common_noise_rest", {**cells("xy", 128), "density.end": 3.0})
    assert result.failed == {}
    rest = np.array([[0.5, 1.0 / 3.0], [1.0 / 3.0, 0.25]])
    decay = np.diag(np.exp(-3.0 * np.array([1.0, 2.0])))
    exact = rest + decay @ (0.09 * np.eye(2) - rest) @ decay
    assert result.covariance[-1] == pytest.approx(exact, rel=1e-2)
    assert result.stationary is not None
    weights = np.asarray(result.stationary.density) * result.grid.cell_volume
    x, y = result.grid.points
    assert float((weights * x**2).sum()) == pytest.approx(0.5, rel=5e-3)
    assert float((weights * x * y).sum()) == pytest.approx(1.0 / 3.0, rel=5e-3)
    assert float((weights * y**2).sum()) == pytest.approx(0.25, rel=5e-3)


def test_label_noise_flattens() -> None:
    """a^2 - b^2 decays as exp(-2 s^2 t/beta)."""
    result = solved("label_noise", {**cells("ab", 96), "density.times": [0, 1, 2]})
    start = mean_of(result, lambda a, b: a**2 - b**2, 0)
    for frame, time in enumerate(result.time):
        found = mean_of(result, lambda a, b: a**2 - b**2, frame)
        assert found == pytest.approx(start * math.exp(-0.5 * time), rel=5e-3)


def test_noise_that_vanishes_on_a_curve() -> None:
    """a^2 - b^2 moves by the noise alone: its rate is (2/beta) E[(1 - ab)^2 (b^2 - a^2)]."""
    times = [0.0125 * k for k in range(9)]
    result = solved("interp_noise", {**cells("ab", 96), "density.times": times})
    means = [mean_of(result, lambda a, b: a**2 - b**2, frame) for frame in range(9)]
    rates = [
        2.0 * mean_of(result, lambda a, b: (1 - a * b) ** 2 * (b**2 - a**2), frame)
        for frame in range(9)
    ]
    moved = simpson(rates, x=times)
    assert means[-1] - means[0] == pytest.approx(moved, rel=1e-2)


def test_oblique_noise_of_rank_one() -> None:
    result = solved("rank_one_turned", {**cells("xy", 96)})
    direction = np.array([math.cos(0.5), math.sin(0.5)])
    matrix, noise = -np.diag([1.0, 2.0]), np.outer(direction, direction) / 2.0
    rest = solve_continuous_lyapunov(matrix, -2.0 * noise)
    flow = expm(matrix)
    exact = rest + flow @ (0.0625 * np.eye(2) - rest) @ flow.T
    assert result.mean[-1] == pytest.approx(flow @ np.array([1.0, 0.5]), rel=2e-3)
    assert result.covariance[-1] == pytest.approx(exact, rel=1e-2)


def test_noise_that_vanishes_in_the_box_runs() -> None:
    result = solved("label_noise_with_origin", {**cells("ab", 96), "density.frames": 3})
    start = mean_of(result, lambda a, b: a**2 - b**2, 0)
    found = mean_of(result, lambda a, b: a**2 - b**2, -1)
    assert found == pytest.approx(start * math.exp(-0.5), rel=5e-3)


def test_two_samples_agree_with_walkers() -> None:
    """Both are asked for the second moments, which the two samples decide."""
    result = solved("two_samples", {**cells("ab", 128), "density.times": [0, 1]}, walkers=True)
    assert result.ensemble is not None
    assert result.ensemble.mean[-1] == pytest.approx(result.mean[-1], abs=3e-3)
    assert result.ensemble.covariance[-1] == pytest.approx(result.covariance[-1], abs=3e-3)


def test_heavy_ball_escapes() -> None:
    case = fp.load_case(INPUTS / "heavy_ball_escape.toml", cells("xv", 96))
    result = fp.run(replace(case, output=replace(case.output, errors=False)))
    time = float(result.tree["passage"]["start_mean_time"].values[0])
    # 84.4 +- 0.9 by simulation.
    assert time == pytest.approx(84.4, rel=0.02)


@pytest.mark.parametrize("friction", [0.5, 1.0])
def test_heavy_ball_rests_at_gibbs(friction: float) -> None:
    box = {"x": (-2.5, 2.5), "v": (-3.5, 3.5)}
    problem = fp.Problem("x**4/4 - x**2/2", 1.0, 3.0, box, friction=friction)
    grid = problem.grid(64)
    found = fp.stationary(fp.generator(problem, grid), "semi-lagrangian")
    x, v = grid.points
    gibbs = np.exp(-3.0 * (x**4 / 4 - x**2 / 2 + v**2 / 2))
    gibbs /= grid.integrate(gibbs)
    assert float(grid.integrate(np.abs(found.density - gibbs))) < 3e-5


def test_what_the_noise_leaves_alone_has_no_one_rest() -> None:
    sigma = [["0.5*y**2", "-0.5*x*y"], ["-0.5*x*y", "0.5*x**2"]]
    problem = fp.Problem(None, sigma, 1.0, {"x": (-2, 2), "y": (-2, 2)}, drift=["-x/2", "-y/2"])
    generator = fp.generator(problem, problem.grid(32))
    with pytest.raises(fp.NumericalFailure, match=r"semi-lagrangian|depends on where"):
        fp.stationary(generator, "semi-lagrangian")


def test_study_sees_the_orders() -> None:
    """Of the grids and of the time, of a damped oscillator."""
    case = fp.load_case(
        INPUTS / "kolmogorov.toml",
        {**cells("xv", 96), "density.end": 0.5, "density.scheme": "semi-lagrangian", "expect": {}},
    )
    lines = study(replace(case, expect={}), 3).splitlines()
    space = [line.split() for line in lines if line.strip().startswith("48 x")]
    assert float(space[0][-1]) >= 1.8, lines
    assert any("ninomiya-victoir" in line for line in lines), lines
