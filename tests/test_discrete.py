"""The section [discrete]: what a run keeps of it, reads back, expects, tells and draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
from measures import compiled_only

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.ensemble import walk
from fokkerplanck.analyses.start import initial_density
from fokkerplanck.analyses.transfer import _against_walkers, _operator
from fokkerplanck.analyses.transfer_findings import (
    RELATION_TEXT,
    discrete_numbers,
    multipliers_of,
    relation_errors,
    relation_gaps,
)
from fokkerplanck.case import Case
from fokkerplanck.errors import CaseError
from fokkerplanck.figures.discrete import discrete_figures
from fokkerplanck.io import DISCRETE, ENSEMBLE, Arrays
from fokkerplanck.io.result import Result
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.numbers import expectations, number_of

TEXT = """
title = "steps"
[loss]
formula = "x**2/2 + x**4/40"
[noise]
sigma = 1.0
batch_size = 1
learning_rate = 0.4
[domain]
x = { range = [-3.2, 3.2], cells = 40 }
[initial]
kind = "gaussian"
mean = [0.5]
std = 0.3
[discrete]
steps = 6
frames = 4
rates = [0.1, 0.2, 0.4]
observables = ["x**2"]
[output]
figures = ["discrete"]
"""


def case(folder: Path, text: str = TEXT, **overrides: Any) -> Case:
    path = folder / "steps.toml"
    path.write_text(text)
    return load_case(path, overrides)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("steps")
    return run(case(folder), folder / "steps.h5")


def found(result: Result) -> Arrays:
    assert isinstance(result.discrete, Arrays)
    return result.discrete


def row_of(steps: Arrays, source: str, name: str) -> int:
    """Row of one relation in the table."""
    (row,) = np.flatnonzero((steps.relation_source == source) & (steps.relation_name == name))
    return int(row)


def test_what_is_kept(result: Result) -> None:
    steps = found(result)
    assert steps.iteration.tolist() == [0, 2, 4, 6]
    assert steps.density.shape == (4, 40)
    assert steps.mean.shape == (4, 1)
    np.testing.assert_allclose(steps.mass, 1.0, atol=1e-13)
    assert steps.density.min() >= 0.0
    multipliers = multipliers_of(steps)
    assert multipliers[0] == pytest.approx(1.0, abs=1e-12)
    assert np.abs(multipliers).tolist() == sorted(np.abs(multipliers))[::-1]
    # Without [density] and [stationary] there is still (48) to compare with.
    assert steps.scan_distance[-1] == steps.distance
    assert np.diff(steps.scan_distance).min() > 0.0
    assert steps.distance_order == pytest.approx(1.0, abs=0.2)
    assert relation_gaps(steps)[row_of(steps, "transfer", "fourth_order")] <= 1e-6
    assert set(steps.relation_source) == {"diffusion", "transfer"}


def test_memory_and_file_hold_the_same(result: Result, tmp_path: Path) -> None:
    ours, again = found(result), found(run(case(tmp_path)))
    copy = found(open_result(result.save(tmp_path / "copy.h5")))
    for other in (again, copy):
        xarray.testing.assert_identical(ours.tree, other.tree)
        assert ours.noise == other.noise == "Gaussian of covariance Sigma/|B|"


def test_turning_modes_are_kept(result: Result, tmp_path: Path) -> None:
    values = np.array([1.0, 0.5 + 0.25j, 0.5 - 0.25j])
    steps = found(result)
    arrays = steps.some(*(set(DISCRETE.variables) - {"mode"}))
    arrays |= {"multiplier_real": values.real, "multiplier_imag": values.imag}
    tree = DISCRETE.build(result.grid, arrays, {**steps.numbers, "noise": steps.noise})
    turned = replace(result, analyses={"discrete": tree})
    again = found(open_result(turned.save(tmp_path / "turned.h5")))
    np.testing.assert_array_equal(multipliers_of(again), values)
    assert "0.5 +0.25i" in summary(case(tmp_path), turned)


def test_expected_numbers(tmp_path: Path, result: Result) -> None:
    assert number_of("discrete.transfer_second_order", result) > 1e-4
    assert number_of("discrete.diffusion_dissipation", result) < 1e-2
    assert (
        number_of("discrete.covariance[0,0]", result) == found(result).stationary_covariance[0, 0]
    )
    assert number_of("discrete.multiplier_modulus[1]", result) < 1.0
    assert number_of("discrete.mass_drift", result) <= 1e-13
    assert number_of("discrete.scan_distance[0]", result) > 0.0
    # Formulas are no names of numbers, neither of [expect] nor in the file of a sweep.
    numbers = discrete_numbers(found(result))
    assert all(name.isidentifier() for name in numbers)
    assert "x**2" in found(result).relation_name
    with pytest.raises(CaseError, match="numbers are rate, multiplier"):
        number_of("discrete.nothing", result)
    missed = case(tmp_path, expect={"discrete.folded": {"min": 1.0}})
    assert expectations(missed, result)[0].startswith("discrete.folded = ")


def test_table_and_figure(tmp_path: Path, result: Result) -> None:
    text = summary(case(tmp_path), result)
    assert "learning rate 0.4; Gaussian of covariance Sigma/|B|" in text
    assert RELATION_TEXT["third_order"] in text
    assert "O = x**2" in text
    assert "of order" in text
    marginal, distance = discrete_figures(result)["discrete"].axes
    assert len(marginal.lines) == 4
    np.testing.assert_array_equal(distance.lines[0].get_xdata(), [0.1, 0.2, 0.4])
    assert discrete_figures(run(case(tmp_path, TEXT.replace("[discrete]", "[density]\nend = 1\n#")
                                     .split("steps = 6")[0]))) == {}  # fmt: skip


def test_steps_from_a_time_and_absorbing_sides(tmp_path: Path) -> None:
    text = TEXT.replace("steps = 6\n", "end = 3.0\n").replace("rates = [0.1, 0.2, 0.4]\n", "")
    text = text.replace("cells = 40", 'cells = 40, boundary = "absorbing"')
    steps = found(run(case(tmp_path, text, **{"noise.sigma": 6.0})))
    assert steps.iteration[-1] == 8
    assert steps.mass[-1] < 1.0 - 1e-5
    assert 0.9 < steps.multiplier < 1.0
    assert steps.relation_name is None
    assert relation_gaps(steps).size == 0
    assert steps.distance is None


def test_walkers_agree_with_as_many_steps(tmp_path: Path) -> None:
    extra = '[density]\nend = 4.0\nframes = 2\n[ensemble]\nmethod = "sgd-gaussian"\n'
    text = TEXT.replace("[discrete]", extra + "particles = 40000\n[discrete]")
    steps = found(run(case(tmp_path, text)))
    assert steps.walkers_p_value > 1e-3
    gaps, row = relation_gaps(steps), row_of(steps, "walkers", "virial")
    assert gaps[row] <= 5.0 * relation_errors(steps)[row]
    assert gaps[row_of(steps, "diffusion", "virial")] > 0.05


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"discrete.observables": ["z"]}, "discrete.observables[0]", "z"),
        ({"discrete.noise": "minibatch"}, "discrete.noise", "loss.model"),
        ({"noise.momentum": 0.5}, "domain", "velocity"),
        ({"discrete.frames": 1}, "discrete.frames", "2"),
    ],
)
def test_refusals(change: dict[str, Any], key: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=text) as caught:
        run(case(tmp_path, **change))
    assert caught.value.key == key


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize(
    ("change", "key", "text"),
    [
        ({"noise.learning_rate": 2.5}, "noise.learning_rate", "above the stability edge"),
        (
            {"domain.x.range": [-1.0, 1.0], "initial.mean": 0.0, "initial.std": 0.1},
            "noise.learning_rate",
            "enlarge the range",
        ),
        ({"discrete.rates": [0.4, 2.6]}, "discrete.rates", "leave it out"),
    ],
)
def test_steps_that_leave_the_box(
    change: dict[str, Any], key: str, text: str, tmp_path: Path
) -> None:
    """Only the computed density at rest tells; what else was asked for is there."""
    found = run(case(tmp_path, **change))
    assert found.discrete is None
    assert key in found.failed["discrete"]
    assert text in found.failed["discrete"]
    assert found.status == "complete"


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_notes(tmp_path: Path) -> None:
    fine = run(case(tmp_path))
    assert not [note for note in fine.notes if "step" in note]
    edge = {"noise.learning_rate": 2.02, "domain.x.range": [-9, 9], "noise.sigma": 0.02}
    text = TEXT.replace("rates = [0.1, 0.2, 0.4]\n", "")
    soft = text.replace("x**2/2 + x**4/40", "sqrt(1 + x**2)")
    noted = run(case(tmp_path, soft, **edge, **{"initial.std": 0.6, "domain.x.cells": 120}))
    assert any("2/lambda_max" in note for note in noted.notes)
    thin = run(case(tmp_path, text, **{"noise.sigma": 0.01, "initial.std": 0.4}))
    assert any("narrower than half a cell" in note for note in thin.notes)


@compiled_only
def test_walkers_with_mini_batches_tell_grid_error_from_sampling() -> None:
    """A law with sharp features: the second grid explains most of what the first gets wrong."""
    asked = load_case("fluctuation_dissipation", {"density.frames": 2})
    assert asked.ensemble is not None
    asked = replace(asked, ensemble=replace(asked.ensemble, particles=30_000, trajectories=0))
    start = initial_density(asked)
    tree, _ = walk(asked, start, np.ones(asked.grid.shape, dtype=bool))
    walkers = Arrays(tree, ENSEMBLE)
    numbers = _against_walkers(asked, _operator(asked, asked.grid, None), start, walkers)
    # On 64^2 cells some 3 % of the walkers are in a wrong bin, on 128^2 less than 1 %.
    assert 1.2 * numbers["walkers_sampling"] < numbers["walkers_distance"] < 0.05
    assert numbers["walkers_noise"] < numbers["walkers_grid"] < 0.1
    assert numbers["walkers_unexplained"] < 1.3 * numbers["walkers_grid"]
