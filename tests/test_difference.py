"""Two results side by side: distances that are right, keys that differ, words for the rest."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_samples import make_header, make_passage
from test_page import check_page, relaxing, with_everything
from test_plots import ornstein_uhlenbeck

from fokkerplanck.analyses.regrid import common_edges, regrid, same_edges
from fokkerplanck.cli.main import main
from fokkerplanck.cli.reading import labels_of
from fokkerplanck.errors import StoreError
from fokkerplanck.figures.overlay import mass_levels, overlay, overlay_figure
from fokkerplanck.io.result import Result
from fokkerplanck.report.compare import (
    Pair,
    common_masses,
    differences,
    divergence,
    pair_row,
    text_of,
)
from fokkerplanck.report.numbers import number_of


def gaussian(cells: int, mean: float, spread: float, ends: tuple[float, float]) -> Result:
    """One frame with the density of a normal law of variance ``spread``."""
    faces = np.linspace(*ends, cells + 1)
    x = (faces[1:] + faces[:-1]) / 2
    density = np.exp(-((x - mean) ** 2) / (2 * spread)) / math.sqrt(2 * math.pi * spread)
    return Result(
        title="",
        beta=1.0,
        seed=None,
        case_toml="",
        source="",
        names=("x",),
        centers=(x,),
        bounds=(np.stack([faces[:-1], faces[1:]], 1),),
        time=np.array([1.0]),
        density=density[None],
        loss=x**2,
        sigma=np.ones((1, 1, cells)),
    )


def masses(first: Result, second: Result) -> tuple[np.ndarray, np.ndarray]:
    return common_masses(first, second, (first.density[0], second.density[0]))


@pytest.mark.parametrize(
    ("cells", "ends"), [(240, (-9.0, 9.0)), (150, (-9.0, 9.0)), (301, (-10.0, 9.3))]
)
def test_divergence_and_distance_of_normal_laws(cells: int, ends: tuple[float, float]) -> None:
    """On one grid, on another, and in another box, against the formulas."""
    m, s, n, r = 0.3, 0.8, -0.2, 1.3
    p, q = masses(gaussian(240, m, s, (-9.0, 9.0)), gaussian(cells, n, r, ends))
    exact = 0.5 * (s / r + (m - n) ** 2 / r - 1.0 + math.log(r / s))
    assert divergence(p, q) == pytest.approx(exact, rel=2e-3)
    x = np.linspace(-12.0, 12.0, 200_001)
    laws = [
        np.exp(-((x - a) ** 2) / (2 * b)) / math.sqrt(2 * math.pi * b) for a, b in ((m, s), (n, r))
    ]
    apart = float(np.abs(laws[0] - laws[1]).sum() * (x[1] - x[0]))
    assert np.abs(p - q).sum() == pytest.approx(apart, rel=2e-3)


def test_regridding_is_of_order_two() -> None:
    """The distance of one law from itself on grids that do not fit each other."""
    errors = []
    for cells in (48, 96, 192):
        p, q = masses(
            gaussian(cells, 0.0, 1.0, (-8.0, 8.0)), gaussian(cells * 5 // 3, 0.0, 1.0, (-8.0, 8.0))
        )
        errors.append(np.abs(p - q).sum())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.85).all()
    assert errors[-1] < 1e-3


def test_distance_on_grids_that_fit_is_of_order_four() -> None:
    errors = []
    for cells in (40, 80, 160):
        pair = (gaussian(n, 0.0, 1.0, (-8.0, 8.0)) for n in (cells, 2 * cells))
        p, q = masses(*pair)
        errors.append(np.abs(p - q).sum())
    assert (np.log2(np.divide(errors[:-1], errors[1:])) > 3.7).all()


edges = st.tuples(
    st.integers(4, 30), st.floats(-3.0, 3.0), st.floats(0.5, 6.0, allow_subnormal=False)
).map(lambda found: np.linspace(found[1], found[1] + found[2], found[0] + 1))


@given(source=edges, other=edges, stream=st.integers(0, 2**30), empty=st.booleans())
def test_regridding_keeps_mass_and_sign(
    source: np.ndarray, other: np.ndarray, stream: int, empty: bool
) -> None:
    rng = np.random.default_rng(stream)
    values = rng.random((3, len(source) - 1)) ** 8
    if empty:
        values[:, rng.integers(len(source) - 1) :] = 0.0
    target = common_edges(source, other)
    assert target[0] <= min(source[0], other[0]) + 1e-8
    assert target[-1] >= max(source[-1], other[-1]) - 1e-8
    assert np.diff(target).max() == pytest.approx(
        max(np.diff(source).max(), np.diff(other).max()), rel=1e-9
    )
    found = regrid(values, source, target, 1)
    assert (found >= 0.0).all()
    np.testing.assert_allclose(found.sum(1), values.sum(1), rtol=1e-13)
    # Every row on its own, and along the other axis alike.
    turned = regrid(values.T, source, target, 0)
    np.testing.assert_array_equal(turned.T, found)


@given(source=edges, stream=st.integers(0, 2**30), parts=st.integers(1, 4))
def test_joined_cells_are_added(source: np.ndarray, stream: int, parts: int) -> None:
    cells = parts * (len(source) - 1)
    fine = np.linspace(source[0], source[-1], cells + 1)
    values = np.random.default_rng(stream).random(cells)
    found = regrid(values, fine, source, 0)
    np.testing.assert_allclose(found, values.reshape(-1, parts).sum(1), rtol=1e-6, atol=1e-12)
    assert same_edges(fine, source) == (parts == 1)


def test_linear_densities_are_cut_exactly() -> None:
    source, target = np.linspace(0.0, 1.0, 11), np.linspace(0.0, 1.0, 8)
    found = regrid(np.diff(source**2 + source), source, target, 0)
    inside = slice(1, -1)
    np.testing.assert_allclose(found[inside], np.diff(target**2 + target)[inside], rtol=1e-13)


def test_divergence_of_what_another_law_excludes() -> None:
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    assert divergence(p, q) == math.inf
    assert divergence(p, np.array([0.25, 0.25, 0.5])) == pytest.approx(math.log(2.0))
    assert divergence(3.0 * p, p) == 0.0
    tiny = np.array([1e-320, 1.0])
    assert divergence(tiny, np.array([0.5, 0.5])) == pytest.approx(math.log(2.0))


@given(st.lists(st.floats(1e-12, 1.0), min_size=2, max_size=9), st.integers(0, 2**30))
def test_divergence_is_never_negative(values: list[float], stream: int) -> None:
    p = np.array(values)
    near = p * (1.0 + 1e-9 * np.random.default_rng(stream).standard_normal(p.size))
    assert divergence(p, near) >= 0.0


def test_a_result_does_not_differ_from_itself() -> None:
    result = with_everything()
    found = differences(result, result)
    assert found.settings == ()
    assert found.note == ""
    assert dict(found.distances) == dict.fromkeys(dict(found.distances), 0.0)
    assert len(found.distances) == 5
    assert all(pair.change == 0.0 for pair in found.numbers)
    assert "the cases have the same settings" in text_of(found, ("a", "b"))


def test_what_differs_is_told() -> None:
    first, second = relaxing(), with_everything()
    second.case_toml = second.case_toml.replace("beta = 2.0", "beta = 3.0") + "[spectrum]\n"
    second.attrs = second.attrs | {"overrides": json.dumps({"domain.x.cells": 9, "expect": {}})}
    found = differences(first, second)
    assert found.settings == (
        ("noise.beta", "2.0", "3.0"),
        ("domain.x.cells", "20", "9"),
        ("density.end", "3.0", ""),
        ("spectrum", "", "asked for"),
    )
    numbers = {(pair.section, pair.name): pair for pair in found.numbers}
    assert numbers["spectrum", "gap"].first is None
    assert numbers["spectrum", "gap"].second == 0.5
    free = numbers["final", "free energy"]
    assert free.first == free.second == number_of("final.free_energy", first)
    assert numbers["final", "cov x, y"].second == second.covariance[-1, 0, 1]
    text = text_of(found, ("one", "other"))
    assert re_row(text, "spectrum: gap") == ["-", "0.5"]


def re_row(text: str, name: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return line.removeprefix(name).split()


def test_frames_at_other_times_are_named() -> None:
    whole = ornstein_uhlenbeck((16, 18), "xy", frames=7)
    half = replace(
        whole,
        time=whole.time[:4],
        density=whole.density[:4],
        observables={name: series[:4] for name, series in whole.observables.items()},
    )
    found = differences(whole, half)
    assert found.note == "the last densities are those at t = 3 and at t = 1.5"
    distances = dict(found.distances)
    assert distances["largest L1 distance at 4 common times"] == 0.0
    assert distances["L1 distance of the last densities"] > 0.01


def test_changes_of_numbers() -> None:
    assert Pair("", "", 2.0, 1.0).relative == -0.5
    assert Pair("", "", math.inf, math.inf).relative == 0.0
    assert math.isnan(Pair("", "", 1.0, math.inf).relative)
    assert pair_row(Pair("final", "mass", None, 1.0)) == ("final: mass", "-", "1", "", "")
    assert pair_row(Pair("final", "mass", -4.0, 4.0))[3:] == ("8", "2")


def test_many_entries_become_a_range() -> None:
    first = with_everything()
    first.analyses["passage"] = make_passage(make_header(first.shape), wells=5)
    numbers = {pair.name: pair for pair in differences(first, first).numbers}
    times = first.passage.escape.times
    assert numbers["times, smallest of 25"].first == times.min()
    assert numbers["times, largest of 25"].first == times.max()
    assert numbers["exit time [4]"].first == first.passage.escape.exit_time[4]
    assert "exit probability [1, 0]" in numbers


def test_names_are_the_ends_that_differ() -> None:
    assert labels_of(Path("runs/a.h5"), Path("runs/b.h5")) == ("a", "b")
    assert labels_of(Path("one/a.h5"), Path("two/a.h5")) == ("one/a", "two/a")
    assert labels_of(Path("a.h5"), Path("a.h5")) == ("first", "second")


@pytest.mark.parametrize("cells", [(40,), (20, 24), (9, 8, 10)])
def test_both_densities_are_drawn(cells: tuple[int, ...], tmp_path: Path) -> None:
    first = ornstein_uhlenbeck(cells)
    second = replace(first, density=first.density[::-1].copy())
    figure = overlay_figure((first, second), ("one", "the $other"))
    assert len(figure.axes) == (3 if len(cells) == 3 else 1)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {"one", "the $other"}
    empty = replace(first, time=first.time[:0], density=first.density[:0])
    assert overlay((first, empty), ("a", "b"), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_contours_hold_their_shares() -> None:
    result = gaussian(4000, 0.0, 1.0, (-8.0, 8.0))
    # Half, 90 and 99 % of a normal law lie within these many standard deviations.
    exact = np.exp(-0.5 * np.array([2.575829, 1.644854, 0.674490]) ** 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(mass_levels(result.density[0]), exact, rtol=4e-3)


class TestCommands:
    """report and compare as they are typed."""

    @pytest.fixture(autouse=True)
    def elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        relaxing().save("a.h5")
        with_everything().save("b.h5")
        line = ornstein_uhlenbeck((30,))
        line.save("line.h5")

    def test_compare_prints_and_writes(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["compare", "a.h5", "b.h5", "--html", "there/both.html"]) == 0
        shown = capsys.readouterr().out
        assert re_row(shown, "spectrum: gap") == ["-", "0.5"]
        assert "there/both.html" in shown
        page = check_page(Path("there/both.html").read_text(encoding="utf-8"))
        assert len(page.all("img")) == 1
        assert [path.name for path in Path("there").iterdir()] == ["both.html"]

    @pytest.mark.parametrize(
        ("files", "part"),
        [
            (["a.h5", "line.h5"], "a.h5, line.h5: the results have 2 and 1 parameters"),
            (["a.h5", "none.h5"], "none.h5: there is no such result file"),
            (["text.h5", "a.h5"], "text.h5: "),
        ],
    )
    def test_compare_refuses(
        self, files: list[str], part: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Path("text.h5").write_text("a diary")
        assert main(["compare", *files]) == 2
        [sentence] = capsys.readouterr().err.splitlines()
        assert part in sentence

    def test_report_of_a_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report", "b.h5", "--out", "there", "--no-figures"]) == 0
        assert capsys.readouterr().out == "there/report.html\n"
        assert [path.name for path in Path("there").iterdir()] == ["report.html"]
        assert main(["report", "line.h5"]) == 0
        page = check_page(Path("report.html").read_text(encoding="utf-8"))
        assert len(page.all("img")) == len(list(Path().glob("*.png"))) > 1
        assert len(page.all("svg")) == 1

    def test_report_refuses(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["report", "none.h5"]) == 2
        assert "none.h5: there is no such result file" in capsys.readouterr().err

    def test_case_in_the_file_that_cannot_be_read(self, capsys: pytest.CaptureFixture[str]) -> None:
        relaxing(case_toml="[loss").save("torn.h5")
        for command in (["report", "torn.h5"], ["plot", "torn.h5"], ["compare", "a.h5", "torn.h5"]):
            assert main(command) == 2
            [sentence] = capsys.readouterr().err.splitlines()
            assert "torn.h5" in sentence
            assert "cannot be read" in sentence


def test_differences_need_as_many_parameters() -> None:
    with pytest.raises(StoreError, match="2 and 1 parameters"):
        differences(relaxing(), ornstein_uhlenbeck((30,)))
