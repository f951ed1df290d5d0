"""Walkers beside the density: from the case to the file, the verdict and the exit status."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measures import compiled_only
from scipy import stats

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.ensemble import chosen_method, walk
from fokkerplanck.analyses.validation import compare, validate
from fokkerplanck.case import Case
from fokkerplanck.case.choices import METHODS as NAMES
from fokkerplanck.cli.main import main
from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.io import ENSEMBLE, Arrays
from fokkerplanck.io.result import Result
from fokkerplanck.particles import METHODS
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.numbers import number_of

pytestmark = [
    compiled_only,
    pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning"),
]

CASE = """
[loss]
formula = "0.5*(3*x**2 + 1.6*x*y + y**2)"
[noise]
sigma = 1
beta = 2.0
[domain]
x = { range = [-4, 4], cells = 48 }
y = { range = [-4, 4], cells = 48 }
[initial]
kind = "gaussian"
mean = [1.0, -0.8]
std = 0.4
[density]
end = 1.5
frames = 7
[ensemble]
particles = 40_000
seed = 90317
trajectories = 3
[validation]
"""


def walked(case: Case, start: np.ndarray, visited: np.ndarray) -> Arrays:
    """The walkers of a case."""
    tree, _ = walk(case, start, visited)
    return Arrays(tree, ENSEMBLE)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "case.toml"
    path.write_text(CASE)
    return path


def test_tables_of_methods_agree() -> None:
    assert set(NAMES) == {"auto", *METHODS}


def test_walkers_and_density_agree_and_the_file_has_both(file: Path, tmp_path: Path) -> None:
    case = load_case(file)
    result = run(case, tmp_path / "case.h5")
    walkers, comparison = result.ensemble, result.validation
    assert walkers is not None
    assert comparison is not None
    assert walkers.method == "weak-2"
    assert (walkers.counts.sum(axis=(1, 2)) + walkers.outside == 40_000).all()
    assert walkers.trajectories is not None
    assert walkers.trajectories.shape == (3, 7, 2)
    np.testing.assert_array_equal(walkers.time, result.time)
    # Five standard errors of a mean over 40,000 walkers.
    spread = 5.0 * np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2) / 40_000)
    assert (np.abs(walkers.mean - result.mean) < spread + 5e-3).all()
    assert comparison.agrees
    assert comparison.p_value > 1e-3
    assert (comparison.grid_error > 0.0).all()
    text = summary(case, result)
    assert "40,000 by weak-2" in text
    assert "walkers and density agree" in text
    assert number_of("ensemble.mean[1]", result) == walkers.mean[-1, 1]
    assert number_of("validation.p_value", result) == comparison.some("p_value")["p_value"][-1]
    for name, words in (("ensemble.sum", "gradient_norm"), ("validation.p", "total_variation")):
        with pytest.raises(CaseError, match=words):
            number_of(name, result)


def test_memory_file_and_copy_hold_the_same(file: Path, tmp_path: Path) -> None:
    case = load_case(file, {"ensemble.particles": 3000})
    memory, written = run(case), run(case, tmp_path / "a.h5")
    again = open_result(written.save(tmp_path / "b.h5"))
    for other in (written, again):
        for name in ("ensemble", "validation"):
            assert memory.analyses[name].identical(other.analyses[name]), name


def wrong(result: Result, factor: float) -> Any:
    """Densities of a variance that is off by a factor."""
    x, y = (c - m for c, m in zip(result.centers, result.mean[-1], strict=True))
    inverse = np.linalg.inv(factor * result.covariance[-1])
    square = (
        inverse[0, 0] * x[:, None] ** 2
        + 2.0 * inverse[0, 1] * x[:, None] * y
        + inverse[1, 1] * y**2
    )
    density = np.exp(-0.5 * square)
    return density / (density.sum() * result.cell_volume)


def test_a_density_of_too_little_variance_is_found(file: Path) -> None:
    """6 % in the covariance at 40,000 walkers, of which 2.6 % would show."""
    case = load_case(file, {"validation.budget": False})
    result = run(case)
    assert result.ensemble is not None
    kept = [0, 6]
    assert validate(case, result.ensemble, kept, lambda k: wrong(result, 1.0)).attrs["agrees"]
    found = validate(case, result.ensemble, kept, lambda k: wrong(result, 0.94))
    assert not found.attrs["agrees"]
    assert found.unexplained[0] > 0.0


def test_compare_needs_no_case(file: Path, tmp_path: Path) -> None:
    case = load_case(file)
    result = run(replace(case, validation=None), tmp_path / "case.h5")
    assert result.validation is None
    found = compare(open_result(tmp_path / "case.h5"))
    direct = run(replace(case, validation=replace(case.validation, budget=False))).validation
    assert direct is not None
    assert found.attrs["p_value"] == direct.p_value
    alone = run(replace(case, ensemble=None, validation=None))
    with pytest.raises(StoreError, match=r"\[ensemble\]"):
        compare(alone)


def test_command_line(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(file), "--out", str(tmp_path), "--no-figures"]) == 0
    assert main(["validate", str(tmp_path / "case.h5")]) == 0
    assert "walkers and density agree" in capsys.readouterr().out
    # A level that nothing passes: the result is kept, and the status says so.
    strict = ["--set", "validation.significance=0.999999"]
    assert main(["validate", str(file), *strict]) == 1
    assert "not as expected: walkers and density differ" in capsys.readouterr().err
    assert main(["validate", str(file), "--set", "ensemble.method=sgd-gaussian"]) == 2
    assert "learning rate" in capsys.readouterr().err


def test_the_method_is_chosen_by_the_problem(file: Path) -> None:
    assert chosen_method(load_case(file)) == "weak-2"
    asked = load_case(file, {"ensemble.method": "leimkuhler-matthews"})
    assert chosen_method(asked) == "leimkuhler-matthews"


def test_sgd_frames_beside_its_iterations_are_noted(file: Path) -> None:
    changes = {"noise.learning_rate": 0.04, "ensemble.method": "sgd-gaussian"}
    result = run(load_case(file, {**changes, "validation.budget": False}))
    assert result.ensemble is not None
    assert result.ensemble.step == 0.04
    assert any("beside the output times" in note for note in result.notes)
    steep = run(load_case(file, {**changes, "noise.learning_rate": 1.0, "density.end": 6.0}))
    assert any("2/lambda_max" in note for note in steep.notes)


def test_walkers_may_end_before_the_density(file: Path, tmp_path: Path) -> None:
    few = {"ensemble.particles": 4000, "validation.budget": False}
    case = load_case(file, {**few, "ensemble.end": 0.75})
    result = run(case, tmp_path / "case.h5")
    assert result.ensemble is not None
    assert result.validation is not None
    np.testing.assert_array_equal(result.ensemble.time, result.time[:4])
    assert result.validation.time[-1] == 0.75
    whole = run(load_case(file, few)).ensemble
    assert whole is not None
    np.testing.assert_array_equal(result.ensemble.counts, whole.counts[:4])
    # The first output time is always seen.
    assert len(run(load_case(file, {**few, "ensemble.end": 1e-3})).ensemble.time) == 2
    ends = load_case(file, {**few, "ensemble.end": 0.75, "output.every_frame": False})
    with pytest.warns(CaseWarning, match="validation"):
        apart = run(ends)
    assert apart.validation is None
    assert "output.every_frame" in apart.failed["validation"]
    assert apart.ensemble is not None


SGD = """
title = "SGD on data"
[loss]
model = "linear_regression"
data = "data.csv"
features = ["x"]
target = "y"
[noise]
source = "minibatch"
batch_size = 1
learning_rate = 0.1
[domain]
a = { range = [-1, 3], cells = 160 }
[initial]
kind = "gaussian"
mean = 1.0
std = 0.25
[density]
end = 4.0
frames = 5
[ensemble]
particles = 1_200_000
seed = 31151
[validation]
"""


@pytest.fixture
def skewed(tmp_path: Path) -> Path:
    """Residuals with a long tail: single samples push theta one way, rarely and far."""
    rng = np.random.default_rng(6449)
    y = 1.0 + rng.exponential(size=80) - 1.0
    rows = "\n".join(f"1.0,{value:.6f}" for value in y)
    (tmp_path / "data.csv").write_text(f"x,y\n{rows}\n")
    path = tmp_path / "sgd.toml"
    path.write_text(SGD)
    return path


def test_gap_of_sgd_is_split_into_shape_and_learning_rate(skewed: Path) -> None:
    comparison = run(load_case(skewed)).validation
    assert comparison is not None
    assert comparison.p_value < 1e-9
    assert comparison.agrees
    # At rest the third moment is eta^2 K/(3 h) and sigma^2 = eta S/(2 h); a skewness s makes
    # s/sqrt(6) in the masses, a variance too large by eta h/2 makes eta h/(2 sqrt(2)).
    data = np.loadtxt(skewed.parent / "data.csv", delimiter=",", skiprows=1)[:, 1]
    pulls = data - data.mean()
    skewness = 0.1**2 * np.mean(pulls**3) / 3.0 / (0.1 * pulls.var() / 2.0) ** 1.5
    assert comparison.noise_shape[-1] == pytest.approx(skewness / np.sqrt(6.0), rel=0.25)
    assert comparison.diffusion_gap[-1] == pytest.approx(0.05 / np.sqrt(2.0), rel=0.35)
    alone = load_case(skewed, {"validation.budget": False})
    assert not run(alone).validation.agrees


def test_a_case_may_state_how_far_walkers_and_density_are_apart(
    skewed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--set", "validation.budget=false", "--set", "ensemble.particles=100_000"]
    assert main(["validate", str(skewed), *few]) == 1
    assert "walkers and density differ" in capsys.readouterr().err
    for most, status in ((0.5, 0), (0.001, 1)):
        text = f'[expect]\n"validation.total_variation" = {{ max = {most} }}\n'
        skewed.write_text(SGD + text)
        assert main(["validate", str(skewed), *few]) == status
        assert main(["run", str(skewed), *few, "--no-figures", "--overwrite"]) == status
    assert "total_variation" in capsys.readouterr().err


def test_validate_refuses_settings_for_a_file(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ["--set", "ensemble.particles=2000", "--set", "validation.budget=false"]
    assert main(["run", str(file), *few, "--out", str(tmp_path), "--no-figures"]) == 0
    assert main(["validate", str(tmp_path / "case.h5"), "--set", "density.end=2"]) == 2
    assert "--set: changes a case" in capsys.readouterr().err
    assert main(["validate", str(file), "--set", "ensemble.method=sgd"]) == 2
    assert f"{file}: noise.learning_rate" in capsys.readouterr().err


def test_p_values_of_solver_against_walkers_are_uniform(file: Path) -> None:
    """The whole chain under its null: density from the solver, walkers from their kernels."""
    case = load_case(file, {"ensemble.particles": 10_000, "density.frames": 2})
    density = run(replace(case, ensemble=None, validation=None)).density
    start, visited = density[0], np.ones(case.grid.shape, dtype=bool)
    names = ("p_value", "fit", "energy", "moments", "remaining_p_value")
    found: dict[str, list[float]] = {name: [] for name in names}
    for seed in range(200):
        asked = replace(case.ensemble, seed=470_000 + seed, step=0.05, trajectories=0)
        one = replace(case, ensemble=asked)
        walkers = walked(one, start, visited)
        compared = validate(one, walkers, [0, 1], lambda k: density[k])
        for name in names:
            found[name].append(float(compared.variables[name][-1]))
    for name, values in found.items():
        assert stats.kstest(values, "uniform").pvalue > 0.001, name
        assert np.mean(values) == pytest.approx(0.5, abs=0.08), name


def test_two_percent_in_sigma_is_found_from_case_to_verdict(file: Path) -> None:
    """A million walkers of the case against the density of one whose Sigma is 2 % larger."""
    cells = {"domain.x.cells": 96, "domain.y.cells": 96}
    changes = {"ensemble.particles": 1_000_000, "density.frames": 2, "ensemble.step": 0.01, **cells}
    case = load_case(file, {**changes, "ensemble.trajectories": 0})
    right, wrong = (
        run(replace(load_case(file, {**changes, "noise.sigma": size}), ensemble=None)).density
        for size in (1.0, 1.02)
    )
    walkers = walked(case, right[0], np.ones(case.grid.shape, dtype=bool))
    assert validate(case, walkers, [0, 1], lambda k: right[k]).attrs["agrees"]
    planted = load_case(file, {**changes, "noise.sigma": 1.02})
    found = validate(planted, walkers, [0, 1], lambda k: wrong[k])
    assert not found.attrs["agrees"]
    assert found.attrs["p_value"] < 1e-4
