"""[passage] from the case file to the result, its file, its table and its figures."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from measures import compiled_only
from store_samples import make_frame, make_header, make_passage

from fokkerplanck import (
    CaseError,
    NumericalFailure,
    Problem,
    StoreError,
    generator,
    load_case,
    open_result,
    run,
)
from fokkerplanck.figures.draw import draw
from fokkerplanck.figures.passage.arrival import arrival_figures
from fokkerplanck.figures.passage.committor import committor_figures
from fokkerplanck.figures.passage.escape import escape_figures
from fokkerplanck.figures.passage.mean_time import mean_time_figures
from fokkerplanck.figures.passage.regions import scale_of, time_words
from fokkerplanck.io import PASSAGE as PASSAGE_GROUP
from fokkerplanck.io import ResultWriter, read
from fokkerplanck.linear_solvers import backward
from fokkerplanck.linear_solvers.backward import BackwardSolver
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.explain import explain
from fokkerplanck.report.numbers import expectations, number_of

xarray = pytest.importorskip("xarray")

WELL = """
title = "A well"
[loss]
formula = "x**4/4 - x**2/2"
[noise]
sigma = 1.0
beta = 8.0
[domain]
x = { range = [-2.5, 2.5], cells = 128 }
"""
PASSAGE = """
[passage]
target = "x > 0"
source = "x < -1.2"
start = [-1.0, -0.5]
end = 5.0
frames = 11
escape = true
"""


@pytest.fixture
def load(tmp_path: Path):
    def write(text: str, overrides=None):
        path = tmp_path / "well.toml"
        path.write_text(text)
        return load_case(path, overrides)

    return write


def same(one, other) -> None:
    """Two trees, bit by bit and with their types."""
    xarray.testing.assert_identical(one, other)
    for node in one.subtree:
        for name, variable in node.variables.items():
            assert variable.dtype == other[node.path][name].dtype, name


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("escape", [True, False])
@pytest.mark.parametrize("cells", [(7,), (6, 8), (4, 5, 6)])
def test_record_survives_the_file(tmp_path: Path, cells, escape: bool, full: bool) -> None:
    header = make_header(cells)
    record = make_passage(header, escape, full)
    path = tmp_path / "a.h5"
    with ResultWriter.create(path, header) as writer:
        writer.append(make_frame(header, 0))
        writer.write("passage", make_passage(header, True, True))
        # Replaced, not added to.
        writer.write("passage", record)
    same(record, read(path).analyses["passage"])
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        assert ("passage/escape" in [node.path.strip("/") for node in tree.subtree]) == escape
        if full:
            data = tree["passage"].dataset
            assert data.exit_probability.dims == ("side", *header.names)
            assert list(data.side.values) == ["x lower", "target"]
            assert data.arrival.dims == ("start", "delay", "side")
            assert data.attrs["transition_rate"] == 0.5
    with h5py.File(path, "r+") as file:
        del file["passage"].attrs["source"]
    with pytest.raises(StoreError, match="/passage/source is absent"):
        read(path)


def test_case_becomes_a_result(load, tmp_path: Path) -> None:
    case = load(WELL + PASSAGE)
    assert case.passage is not None
    assert case.passage.start == ((-1.0,), (-0.5,))
    assert len(case.passage.times) == 11
    result = run(case, tmp_path / "a.h5")
    found = result.passage
    for other in (
        run(case),
        open_result(tmp_path / "a.h5"),
        open_result(result.save(tmp_path / "b.h5")),
    ):
        same(found.tree, other.passage.tree)
    # The numbers of the same solver asked in Python.
    assert number_of("passage.mean_time[0]", result) == found.start_mean_time[0]
    assert number_of("passage.exit_probability[1,0]", result) == pytest.approx(1.0, rel=1e-12)
    assert number_of("passage.transition_rate", result) == found.transition_rate
    assert number_of("passage.times[0,1]", result) == found.escape.times[0, 1]
    assert number_of("passage.wells", result) == 2.0
    for name, part in (
        ("passage.mean_tim[0]", "its numbers are transition_rate"),
        ("passage.mean_time", "indices"),
    ):
        with pytest.raises(CaseError, match=part):
            number_of(name, result)
    table = summary(case, result)
    for part in ("mean time from", "transition rate", "well 2", "coarse chain", "tr(H Sigma)"):
        assert part in table
    missed = replace(case, expect={"passage.mean_time[0]": case_expect(1.0)})
    assert expectations(missed, result)
    told = explain(case)
    assert "first passage" in told
    assert "Eyring-Kramers" in told


def case_expect(value: float):
    from fokkerplanck.case import Expect

    return Expect(value=value, rtol=1e-3)


def test_without_keys_the_wells_are_looked_at(load) -> None:
    case = load(WELL + "[passage]\n")
    assert case.passage is not None
    assert case.passage.escape
    found = run(case).passage
    assert found is not None
    assert found.mean_time is None
    assert found.escape is not None
    only = load(WELL + "[passage]\ntarget = 'x > 0'\n")
    assert run(only).passage.escape is None
    with pytest.raises(CaseError, match="does not exist: this case has no"):
        number_of("passage.wells", run(load(WELL + "[stationary]\n")))


def test_open_box_has_no_wells_and_meeting_regions_are_refused_early(load, monkeypatch) -> None:
    open_box = WELL.replace("cells = 128", "cells = 128, boundary = 'absorbing'")
    with pytest.raises(CaseError, match="wells to escape from") as error:
        load(open_box + "[passage]\n")
    assert error.value.key == "passage.escape"
    found = run(load(open_box + "[passage]\ntarget = 'boundary'\n")).passage
    assert list(found.side) == ["x lower", "x upper"]
    with pytest.raises(CaseError, match="inside the box") as error:
        run(load(open_box + "[passage]\ntarget = 'boundary'\nsource = 'x < 0'\n"))
    assert error.value.key == "passage.source"
    # Before the frames, and in `check`.
    meeting = load(WELL + "[density]\nend = 1.0\n[passage]\ntarget='x > 0'\nsource='x < 0.5'\n")
    module = sys.modules["fokkerplanck.pipeline.stages"]
    monkeypatch.setattr(module, "march_density", lambda *_: pytest.fail("marched"))
    for act in (run, explain):
        with pytest.raises(CaseError, match="meets the target"):
            act(meeting)
    moving = load(WELL.replace("x**2/2", "x**2*(1 + t)/2") + "[passage]\ntarget = 'x > 0'\n")
    with pytest.raises(CaseError, match="leave no mean time"):
        run(moving)


def test_one_well_is_noted(load) -> None:
    result = run(load(WELL.replace("x**4/4 - x**2/2", "x**2/2") + "[passage]\n"))
    assert any("one minimum" in note for note in result.notes)


def test_too_large_an_elimination_is_refused(monkeypatch) -> None:
    problem = Problem(loss="x**2", domain={"x": {"range": (0, 1), "boundary": "absorbing"}})
    monkeypatch.setattr(backward, "MAX_PRODUCTS", 10.0)
    with pytest.raises(NumericalFailure, match="take fewer cells"):
        BackwardSolver(generator(problem, problem.grid(32)))


def test_ways_out_below_the_smallest_double_are_named() -> None:
    problem = Problem(loss="1e6*x**2", domain={"x": {"range": (-1, 1), "boundary": "absorbing"}})
    with pytest.raises((NumericalFailure, CaseError), match=r"smallest double|no path"):
        BackwardSolver(generator(problem, problem.grid(32)))


@compiled_only
def test_figures_show_what_they_should(load, tmp_path: Path) -> None:
    result = run(load(WELL + PASSAGE))
    paths = draw(result, tmp_path)
    assert {"mean_time.png", "committor.png", "arrival.png", "escape.png"} <= {
        path.name for path in paths
    }
    time = mean_time_figures(result)["mean_time"].axes[0]
    shown = time.lines[0].get_ydata()
    target = result.passage.mean_time == 0.0
    assert np.isnan(shown[target]).all()
    np.testing.assert_array_equal(shown[~target], result.passage.mean_time[~target])
    assert time.get_yscale() == "linear"
    assert scale_of(np.array([0.0, 1e-3, 1.0]))[1]
    assert not scale_of(np.array([0.0, 0.1, 1.0]))[1]
    lines = committor_figures(result)["committor"].axes[0].lines
    np.testing.assert_array_equal(lines[0].get_ydata(), result.passage.committor)
    first = arrival_figures(result)["arrival"].axes[0].lines[0]
    np.testing.assert_array_equal(first.get_ydata(), result.passage.arrival[0].sum(axis=1))
    texts = [t.get_text() for t in escape_figures(result)["escape"].axes[0].texts]
    assert time_words(float(result.passage.escape.times[0, 1])) in texts
    assert {"1", "2"} <= set(texts)
    for name in ("committor", "arrival", "escape"):
        bare = replace(
            result,
            analyses={
                "passage": PASSAGE_GROUP.build(result.grid, {}, {"target": "", "source": ""})
            },
        )
        assert globals()[f"{name}_figures"](bare) == {}
    assert mean_time_figures(replace(result, analyses={})) == {}


@compiled_only
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize("cells", [(24, 20), (12, 10, 8)])
def test_figures_in_more_dimensions(load, tmp_path: Path, cells) -> None:
    axes = "xyz"[: len(cells)]
    loss = "x**4/4 - x**2/2" + "".join(f" + {name}**2" for name in axes[1:])
    text = WELL.replace("x**4/4 - x**2/2", loss).replace(
        "x = { range = [-2.5, 2.5], cells = 128 }",
        "\n".join(f"{n} = {{ range = [-2, 2], cells = {c} }}" for n, c in zip(axes, cells)),  # noqa: B905
    )
    start = [-1.0] + [0.0] * (len(cells) - 1)
    asked = PASSAGE.replace("[-1.0, -0.5]", str(start)).replace("-1.2", "-1.1")
    result = run(load(text + asked))
    draw(result, tmp_path, ["mean_time", "committor", "escape"])
    panel = mean_time_figures(result)["mean_time"].axes[0]
    picture = np.ma.filled(panel.images[0].get_array().astype(float), np.nan)
    values = result.passage.mean_time
    cut = values if len(cells) == 2 else values[:, :, np.argmin(np.abs(result.centers[2]))]
    known = np.isfinite(picture.T)
    np.testing.assert_array_equal(picture.T[known], cut[known])
    assert not cut[~known].any()
    levels = committor_figures(result)["committor"].axes[0].collections
    assert levels


@pytest.mark.parametrize(
    ("time", "words"),
    [(0.01234, "0.0123"), (1316.0, "1320"), (12.0, "12"), (np.inf, r"$\infty$")],
)
def test_times_in_words(time: float, words: str) -> None:
    assert time_words(time) == words
    assert time_words(1.234e7) == r"$1.23 \times 10^{7}$"
