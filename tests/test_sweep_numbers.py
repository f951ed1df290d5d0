"""What a sweep keeps of its members, and how it names and lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_sweep_members import CASE

import fokkerplanck as fp
from fokkerplanck.analyses.transfer_findings import relation_gaps
from fokkerplanck.errors import CaseError
from fokkerplanck.sweep import parse_settings, table_of
from fokkerplanck.sweep.numbers import numbers_of
from fokkerplanck.sweep.plan import Plan, plan_of
from fokkerplanck.sweep.summary import summary_of
from fokkerplanck.sweep.task import Outcome

SECTIONS = """
[stationary]
[spectrum]
count = 3
[passage]
target = "x > 3"
start = [-1.0]
[smoothing]
gamma = [1.0, 4.0]
[discrete]
steps = 3
[ensemble]
particles = 500
step = 0.05
[validation]
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, with the case in it."""
    monkeypatch.chdir(tmp_path)
    Path("well.toml").write_text(CASE)


def test_numbers_are_those_of_the_result() -> None:
    # Cells that resolve the density: no caution.
    Path("all.toml").write_text(CASE.replace("cells = 24", "cells = 96") + SECTIONS)
    result = fp.run(fp.load_case("all.toml"))
    found = numbers_of(result)
    assert result.stationary is not None
    assert result.spectrum is not None
    assert result.passage is not None
    assert result.smoothing is not None
    assert result.discrete is not None
    assert result.ensemble is not None
    assert result.validation is not None
    walkers = result.ensemble
    assert found["validation_fit"] == result.validation.fit[-1]
    result.timings["compile"] = 1e6
    walkers.lost[-1], walkers.outside[-1], walkers.absorbed[-1] = 2, 3, [4, 1]
    found = numbers_of(result)
    expected = {
        "reached": 1.0,
        "mass": result.mass[-1],
        "free_energy": result.free_energy[-1],
        "mass_drift": np.abs(result.mass - result.mass[0]).max(),
        "minimum": result.minimum.min(),
        "covariance": result.covariance[-1],
        "stationary_entropy_production": result.stationary.entropy_production,
        "spectral_gap": -result.spectrum.real[1],
        "passage_mean_time": result.passage.start_mean_time,
        "ensemble_mean": walkers.mean[-1],
        "ensemble_loss": walkers.loss[-1],
        "ensemble_left": 10 / 500,
        "validation_p_value": result.validation.p_value,
        "validation_agrees": float(result.validation.agrees),
        **{f"smoothing_{k}": v for k, v in result.smoothing.numbers.items() if np.ndim(v) == 0},
        **{f"discrete_{k}": v for k, v in result.discrete.numbers.items() if np.ndim(v) == 0},
    }
    gaps = relation_gaps(result.discrete)
    assert found["discrete_transfer_virial"] in gaps
    assert found["discrete_mass_drift"] < 1e-12
    assert len(expected) > 20
    for name, value in expected.items():
        assert np.array_equal(found[name], value), name
    assert 0.0 < found["wall_time"] < 1e6
    # What has a shape of its own stays in the file of the member.
    assert "spectral_real" not in found
    assert all(isinstance(v, float) for k, v in found.items() if np.ndim(v) == 0)


def test_numbers_of_a_control_are_kept() -> None:
    result = fp.run(
        fp.load_case("well.toml", {"control.schedule": "constant", "control.intervals": 4})
    )
    assert result.control is not None
    found = numbers_of(result)
    assert found["control_cost"] == result.control.costs[0]


def record_with(plan: Plan, outcomes: dict[int, Outcome]) -> Any:
    return summary_of(fp.load_case("well.toml"), plan, outcomes, "complete")


def test_members_with_fewer_starts_leave_nan_behind_their_own() -> None:
    plan = plan_of({"noise.batch_size": [1, 2, 4, 8]})
    times = [[1.5], [2.5, 3.5], [4.5]]
    outcomes = {
        n: Outcome(n, {"passage_mean_time": np.array(value)}) for n, value in enumerate(times)
    }
    record = record_with(plan, outcomes)
    nan = np.nan
    assert np.array_equal(
        record["passage_mean_time"], [[1.5, nan], [2.5, 3.5], [4.5, nan], [nan, nan]], True
    )
    assert list(record.status) == ["complete"] * 3 + ["missing"]
    assert record.inner == {"passage_mean_time": ("start",)}


def test_values_that_are_no_numbers_are_texts_of_the_summary() -> None:
    plan = plan_of({"initial.mean": [[0, 1], [1, 1]], "stationary.cycles": [True, False]})
    record = record_with(plan, {})
    assert [list(values) for values in record.values] == [["[0, 1]", "[1, 1]"], ["true", "false"]]


def test_table_of_many_members_is_cut() -> None:
    long = "1+" * 20 + "x**2"
    plan = plan_of({"noise.sigma": [long, *map(str, range(69))]})
    lines = table_of(record_with(plan, {})).splitlines()
    assert len(lines) == 1 + 64 + 1
    assert lines[1].split()[0] == f"{long[:21]}..."
    assert lines[-1] == "... and 6 more in the summary"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"noise.beta\n\xff\n", "is not UTF-8 text"),
        (b"noise.beta,noise.beta\n1,2\n", "noise.beta: heads two columns"),
        (b"noise.beta,density.end\n1,\n", "line 2 has an empty place"),
        (b"noise beta\n1\n", "is not a dotted key"),
        (b"density.end\n1\n", "density.end: is also a column of members.csv"),
    ],
)
def test_lists_of_members_that_cannot_be(content: bytes, part: str) -> None:
    Path("members.csv").write_bytes(content)
    with pytest.raises(CaseError) as caught:
        parse_settings(["density.end=2"], "members.csv")
    assert part in str(caught.value)
    assert "members.csv" in str(caught.value)


def test_long_values_make_short_names_that_differ() -> None:
    texts = ["1+" * 40 + end for end in ("x", "y")]
    first, second = (member.name for member in plan_of({"noise.sigma": texts}).members)
    assert first != second
    assert len(first) < 50
