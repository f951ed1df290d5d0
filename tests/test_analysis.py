"""What [stationary] brings: from the run through the file to the closing table."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from measures import compiled_only
from store_samples import make_grid

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.stationary import centroid
from fokkerplanck.errors import CaseError, CaseWarning
from fokkerplanck.io import LOOP, Arrays
from fokkerplanck.io.result import Result
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.numbers import number_of

pytestmark = [
    compiled_only,
    # Coarse grids are what the cautions are for.
    pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning"),
]

HOPF = """
title = "hopf"
[loss]
formula = "(x**2 + y**2)**2/4 - (x**2 + y**2)/2"
[drift]
formula = ["-2*y", "2*x"]
[noise]
sigma = 1
beta = 10.0
[domain]
x = { range = [-2.2, 2.2], cells = 64 }
y = { range = [-2.2, 2.2], cells = 64 }
[stationary]
"""
# Sigma and H do not commute.
TURNING = """
[loss]
formula = "0.5*(x**2 + 3*y**2)"
[noise]
sigma = [[1.0, 0.9], [0.9, 1.0]]
beta = 1.0
[domain]
x = { range = [-6, 6], cells = 40 }
y = { range = [-4, 4], cells = 40 }
[initial]
kind = "formula"
formula = "exp(-beta*0.5*(x**2 + 3*y**2))"
[density]
end = 3.0
frames = 7
"""
# Noise that grows with x pushes the density out of the wells of Phi.
BALANCED = """
[loss]
formula = "x**4/4 - x**2/2 + 0.1*x + 0.5*y**2"
[noise]
sigma = ["1 + 0.5*x**2", 1]
beta = 4.0
[domain]
x = { range = [-2.5, 2.5], cells = 64 }
y = { range = [-2.5, 2.5], cells = 32 }
[stationary]
"""


def result_of(text: str, folder: Path, **overrides: Any) -> tuple[Any, Result]:
    path = folder / "case.toml"
    path.write_text(text)
    case = load_case(path, overrides)
    return case, run(case, folder / "case.h5")


@pytest.fixture(scope="module")
def hopf(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Result, Path]:
    folder = tmp_path_factory.mktemp("hopf")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        return *result_of(HOPF, folder), folder / "case.h5"


def test_hopf_from_the_file(hopf: tuple[Any, Result, Path]) -> None:
    case, result, path = hopf
    rest = open_result(path).stationary
    assert rest is not None
    assert not rest.detailed_balance
    # v = 2 x_perp on every circle: one turn in pi, most likely on the unit circle.
    (loop,) = rest.numbered("cycle")
    (drift,) = rest.numbered("limit_cycle")
    assert loop.winding == drift.winding == 1
    assert loop.period == pytest.approx(np.pi, rel=2e-3)
    assert drift.period == pytest.approx(np.pi, rel=1e-8)
    np.testing.assert_allclose(np.hypot(*loop.points.T), 1.0, atol=5e-3)
    # The Floquet multiplier exp(int div) = exp(-2 pi), since the radial slope is 1 - 3 r^2 = -2.
    assert drift.multiplier == pytest.approx(np.exp(-2.0 * np.pi), rel=1e-6)
    np.testing.assert_allclose(centroid(loop), 0.0, atol=1e-3)
    grid = case.grid
    unit = np.hypot(*grid.points) < 1.2
    turning = 2.0 * np.stack(np.broadcast_arrays(-grid.points[1], grid.points[0]))
    assert rest.velocity is not None
    np.testing.assert_allclose(rest.velocity[:, unit], turning[:, unit], atol=0.15)
    # Probability crosses a ray once per turn.
    assert rest.turnover == pytest.approx(1.0 / np.pi, rel=5e-3)
    assert rest.largest_curl == pytest.approx(4.0, rel=1e-9)
    assert rest.housekeeping == pytest.approx(rest.entropy_production, rel=1e-12)
    assert rest.rotation_frequency == pytest.approx(2.0, rel=1e-2)
    assert rest.stream_function is not None
    assert np.ptp(rest.stream_function) == pytest.approx(rest.turnover, rel=1e-12)
    assert rest.angular_momentum is not None
    second = float(grid.integrate(rest.density * (grid.points[0] ** 2 + grid.points[1] ** 2)))
    assert rest.angular_momentum[0, 1] == pytest.approx(2.0 * second, rel=1e-2)
    text = summary(case, result)
    assert "period 3.14" in text
    assert "counter-clockwise around (x = 0, y = 0), attracting" in text


def test_every_field_is_read_as_it_was_written(
    hopf: tuple[Any, Result, Path], tmp_path: Path
) -> None:
    case, written, _ = hopf
    memory = run(case)
    for ours, theirs in ((memory, written), (written, _resaved(written, tmp_path))):
        xarray.testing.assert_identical(ours.analyses["stationary"], theirs.analyses["stationary"])


def _resaved(result: Result, folder: Path) -> Result:
    return open_result(result.save(folder / "again.h5"))


def test_minima_that_the_noise_moves(tmp_path: Path) -> None:
    """Under detailed balance Phi~' = (Phi' + Sigma'/beta)/Sigma, and rests where that is zero."""
    case, result = result_of(BALANCED, tmp_path)
    rest = result.stationary
    assert rest is not None
    assert rest.detailed_balance
    loss, quasi = rest.critical.loss, rest.critical.quasi_potential
    assert list(loss.index) == list(quasi.index) == [0, 0, 1]
    # Phi' + Sigma'/beta = x^3 - x + 0.1 + x/4.
    for points, polynomial in ((loss, [1.0, 0.0, -1.0, 0.1]), (quasi, [1.0, 0.0, -0.75, 0.1])):
        found = np.sort(points.position[:, 0])
        np.testing.assert_allclose(found, np.sort(np.roots(polynomial).real), atol=1e-4)
        np.testing.assert_allclose(points.position[:, 1], 0.0, atol=1e-9)
    pairs, shifts = rest.critical.pairs, rest.critical.shifts
    assert len(pairs) == 3
    for (i, j), shift in zip(pairs, shifts, strict=True):
        np.testing.assert_allclose(shift, quasi.position[j] - loss.position[i], atol=1e-12)
    assert rest.numbered("cycle") == rest.numbered("limit_cycle") == ()
    assert rest.disagreement <= 1e-9
    assert rest.turnover is not None
    assert summary(case, result).count("minimum moved") == 2
    assert number_of("stationary.shifts[0,0]", result) == shifts[0, 0]
    with h5py.File(tmp_path / "case.h5") as file:
        assert file["stationary/critical/loss/index"][...].tolist() == [0, 0, 1]


def test_xarray_opens_the_new_groups(hopf: tuple[Any, Result, Path]) -> None:
    path = hopf[2]
    with xarray.open_dataset(path, engine="h5netcdf", group="stationary") as data:
        assert data.velocity.dims == ("component", "x", "y")
        assert data.stream_function.dims == ("x_corner", "y_corner")
        assert data.stream_function.shape == (65, 65)
    with xarray.open_dataset(path, engine="h5netcdf", group="stationary/cycle_0") as data:
        assert data.points.dims == ("loop_time", "component")
        assert data.attrs["period"] == data.loop_time.values[-1]


def test_free_energies_and_the_parts_of_the_entropy_production(tmp_path: Path) -> None:
    """One walk, no [stationary]: the analyses are not run, the series are there."""
    case, result = result_of(TURNING, tmp_path, **{"density.scheme": "scharfetter-gummel"})
    assert result.stationary is not None
    assert set(result.stationary.numbers) == {"entropy_production", "residual", "curl"}
    assert result.stationary.velocity is None
    # Exact where the density moves by the generator whose rates the parts are made of.
    np.testing.assert_allclose(
        result.entropy_production,
        result.housekeeping + result.beta * result.dissipation,
        rtol=1e-9,
    )
    assert result.housekeeping.min() > 0.0
    np.testing.assert_allclose(
        result.naive_free_energy, result.expected_loss - result.entropy / result.beta, rtol=1e-13
    )
    # The start is the Gibbs state of Phi, where F with Phi is least: that one can only rise.
    assert np.diff(result.free_energy).max() < 0.0
    assert result.naive_free_energy[1:].min() > result.naive_free_energy[0] + 0.1
    # Both states are Gaussian with E[Phi] = 1: log det (3 C)/2 is what the entropy loses.
    C = np.array([[1.0, 0.45], [0.45, 1.0 / 3.0]])
    rise = result.naive_free_energy[-1] - result.naive_free_energy[0]
    assert rise == pytest.approx(-0.5 * np.log(3.0 * np.linalg.det(C)), rel=5e-2)
    assert "rises by" in summary(case, result)


def test_naive_free_energy_of_a_heavy_ball_has_its_kinetic_energy() -> None:
    small = {"domain.x.cells": 32, "domain.v.cells": 32, "density.end": 1.0, "density.frames": 3}
    case = load_case("momentum", {**small, "expect": {}})
    result = run(replace(case, ensemble=None, validation=None))
    speed = case.grid.points[1]
    kinetic = [float(case.grid.integrate(rho * speed**2)) / 2 for rho in result.density]
    naive = result.expected_loss + kinetic - result.entropy / result.beta
    np.testing.assert_allclose(result.naive_free_energy, naive, rtol=1e-12)
    assert "housekeeping" not in result.observables


def test_grids_too_coarse_for_the_analyses_say_so(tmp_path: Path) -> None:
    coarse = {"domain.x.cells": 6, "domain.y.cells": 6}
    _, result = result_of(HOPF, tmp_path, **coarse)
    assert any("7 cells" in note for note in result.notes)
    assert result.stationary is not None
    assert result.stationary.velocity is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stationary.cycle_perio", "cycle_period"),
        ("stationary.shifts", "indices"),
        ("stationary.angular_momentum[0]", "indices"),
    ],
)
def test_unknown_numbers_name_those_there_are(
    name: str, words: str, hopf: tuple[Any, Result, Path]
) -> None:
    result = hopf[1]
    assert number_of("stationary.cycle_period", result) == pytest.approx(np.pi, rel=2e-3)
    with pytest.raises(CaseError, match=words):
        number_of(name, result)


def test_a_sigma_that_the_grid_does_not_see_is_cautioned_about(tmp_path: Path) -> None:
    text = """
[loss]
formula = "0.5*x**2"
[noise]
sigma = "1 + 0.9*sin(%g*x)"
beta = 40.0
[domain]
x = { range = [-2, 2], cells = 64 }
[stationary]
"""
    _, quick = result_of(text % 9.0, tmp_path)
    assert any("vary too quickly for this grid" in note for note in quick.notes)
    (tmp_path / "case.h5").unlink()
    _, slow = result_of(text % 1.0, tmp_path)
    assert slow.notes == []


def test_centroid_of_a_circle_seen_from_elsewhere() -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 401)
    circle = np.stack([2.0 + np.cos(angle), 1.0 + np.sin(angle)], axis=1)
    numbers = {"period": angle[-1], "center": np.array([2.3, 1.1]), "winding": 1, "closure": 0.0}
    numbers |= {"mean_potential": 0.0, "multiplier": np.nan}
    loop = LOOP.build(make_grid("xy", (4, 4)), {"loop_time": angle, "points": circle}, numbers)
    np.testing.assert_allclose(centroid(Arrays(loop, LOOP)), [2.0, 1.0], atol=1e-12)
