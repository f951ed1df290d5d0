"""[spectrum] in case files, result files, closing tables and figures."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from store_samples import grid_of, make_frame, make_header, make_spectrum
from test_plots import ornstein_uhlenbeck

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.spectrum import spectrum_of, spectrum_rows, spectrum_tree
from fokkerplanck.case import Case
from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.figures import draw
from fokkerplanck.figures.modes import eigenvalues_figures, heading, modes_figures, shown_modes
from fokkerplanck.gallery import circulating_ornstein_uhlenbeck, hopf, quartic_well
from fokkerplanck.io import SPECTRUM, Arrays, ResultWriter, read
from fokkerplanck.io.result import Result
from fokkerplanck.operators.generator import generator
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.explain import explain
from fokkerplanck.report.numbers import expectations, number_of
from fokkerplanck.stationary.stationary import stationary

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


def assert_same(one: Any, other: Any) -> None:
    """Two trees, bit by bit and with their types."""
    xarray.testing.assert_identical(one, other)
    for name, variable in one.variables.items():
        assert variable.dtype == other[name].dtype, name


# Result files.


@pytest.mark.parametrize("turning", [False, True])
@pytest.mark.parametrize("cells", [(7,), (6, 8), (4, 5, 6)])
def test_file_keeps_the_spectrum(tmp_path: Path, cells: tuple[int, ...], turning: bool) -> None:
    header = make_header(cells)
    path = tmp_path / "a.h5"
    grid = grid_of(header)
    kept = make_spectrum(grid, turning)
    with ResultWriter.create(path, header) as writer:
        writer.append(make_frame(header, 0))
        writer.write("spectrum", make_spectrum(grid, not turning))
        # A second one takes its place.
        writer.write("spectrum", kept)
    assert_same(read(path).analyses["spectrum"], kept)
    with xarray.open_dataset(path, engine="h5netcdf", group="spectrum") as data:
        assert data["real"].dims == data["imag"].dims == ("mode",)
        assert data["modes"].dims == data["left"].dims == ("mode", *header.names)
        assert ("modes_imag" in data) == ("left_imag" in data) == turning
        np.testing.assert_array_equal(data["modes"], kept.modes)
        np.testing.assert_array_equal(data[header.names[0]], header.centers[0])
        assert data["relaxation_time"][0] == np.inf
        assert data.attrs["mixing_lower"] == 1.4
        for variable in data.data_vars.values():
            assert variable.attrs["units"] == "1"
            assert variable.attrs["long_name"]
    copied = open_result(path).save(tmp_path / "b.h5")
    assert_same(open_result(copied).analyses["spectrum"], kept)


def test_names_of_the_group_are_reserved(tmp_path: Path) -> None:
    header = make_header((4, 5))
    for name in ("real", "modes_imag", "left"):
        with pytest.raises(CaseError, match="choose another name"):
            ResultWriter.create(tmp_path / "a.h5", replace(header, names=("x", name)))


# Runs.


def alone(case: Case) -> Case:
    """Without the walkers beside it."""
    return replace(case, ensemble=None, validation=None)


def test_run_keeps_memory_and_file_alike(tmp_path: Path) -> None:
    case = alone(load_case("kramers", {"domain.x.cells": 96, "density.frames": 5}))
    assert case.spectrum is not None
    assert case.spectrum.count == 6
    in_memory, in_file = run(case), run(case, tmp_path / "a.h5")
    assert_same(in_memory.analyses["spectrum"], in_file.analyses["spectrum"])
    assert number_of("spectrum.real[1]", in_file) == in_file.spectrum.real[1]
    assert number_of("spectrum.gap", in_file) == -in_file.spectrum.real[1]
    assert number_of("spectrum.relaxation_times[2]", in_file) == pytest.approx(
        -1.0 / in_file.spectrum.real[2]
    )
    text = summary(case, in_file)
    assert "eigenvalue 1" in text
    assert "mixing time" in text
    for name, part in (
        ("spectrum.real", "shape (6,)"),
        ("spectrum.real[6]", "shape (6,)"),
        ("spectrum.speed", "its numbers are real, imag"),
    ):
        with pytest.raises(CaseError) as caught:
            number_of(name, in_file)
        assert part in str(caught.value)
    assert "6 modes: all eigenvalues" in explain(case)
    del in_file.analyses["spectrum"]
    with pytest.raises(CaseError, match=r"no \[spectrum\]"):
        number_of("spectrum.gap", in_file)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_spectrum_alone_of_a_turning_flow(tmp_path: Path) -> None:
    case = load_case("hopf", {"domain.x.cells": 32, "domain.y.cells": 32, "spectrum.count": 4})
    result = run(replace(alone(case), density=None, stationary=None, expect={}), tmp_path / "a.h5")
    found = result.spectrum
    assert found is not None
    # The last pair is kept whole.
    assert len(found.real) == 5
    assert found.imag[1] == pytest.approx(2.0, rel=0.05)
    rows = dict(spectrum_rows(result, found))
    assert "+-" in rows["eigenvalue 1"]
    assert "eigenvalue 2" not in rows
    assert {path.name for path in draw(result, tmp_path, ["modes", "eigenvalues"])} == {
        "modes.png",
        "eigenvalues.png",
    }


def test_expected_numbers_can_be_missed() -> None:
    expect = {"spectrum.real[1]": {"value": -0.03, "rtol": 1e-3}}
    case = alone(load_case("kramers", {"domain.x.cells": 64, "expect": expect}))
    case = replace(case, density=None)
    (missed,) = expectations(case, run(case))
    assert missed.startswith("spectrum.real[1] = -0.033")


def test_absorbing_boxes_say_what_mode_0_is() -> None:
    overrides = {"domain.x.cells": 64, "domain.x.boundary": "absorbing", "expect": {}}
    result = run(replace(alone(load_case("kramers", overrides)), density=None))
    assert result.spectrum is not None
    assert not result.spectrum.closed
    rows = dict(spectrum_rows(result, result.spectrum))
    assert "eigenvalue 0" in rows
    assert "no zero" in rows["spectrum"]
    assert "mixing time" not in rows


def test_coefficients_that_move_are_refused() -> None:
    with pytest.raises(CaseError, match="change in time leave no spectrum"):
        load_case("cross_diffusion", {"spectrum.count": 3})


def test_notes_on_what_cannot_be_trusted() -> None:
    problem = quartic_well(400.0).problem
    made = generator(problem, problem.grid(64))
    found, (note,) = spectrum_of(made, 3, None)
    assert "regions that do not exchange probability" in note
    shown = Arrays(spectrum_tree(made.grid, found), SPECTRUM)
    assert "(rounding)" in dict(spectrum_rows(with_spectrum((64,)), shown))["eigenvalue 1"]
    turning = generator(hopf().problem, hopf().problem.grid(24))
    found, notes = spectrum_of(turning, 4, None)
    assert notes == []
    assert found.reach > found.imag.max()


# Figures.


def with_spectrum(cells: tuple[int, ...], turning: bool = False) -> Result:
    result = ornstein_uhlenbeck(cells)
    result.analyses["spectrum"] = make_spectrum(result.grid, turning)
    return result


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_lines_of_right_and_left_modes() -> None:
    result = with_spectrum((40,))
    top, bottom = modes_figures(result)["modes"].axes
    # Four modes and the zero line.
    assert len(top.lines) == len(bottom.lines) == 5
    for axes in (top, bottom):
        assert max(np.nanmax(np.abs(line.get_ydata())) for line in axes.lines) <= 2.0
    labels = [text.get_text() for text in top.figure.legends[0].get_texts()]
    assert labels[0].endswith("stationary")
    assert any(r"-3\times10^{-5}" in label for label in labels)


@pytest.mark.parametrize("turning", [False, True])
def test_maps_of_modes(turning: bool) -> None:
    result = with_spectrum((20, 24), turning)
    figure = modes_figures(result)["modes"]
    shown = shown_modes(result.spectrum, 6)
    assert shown == ([0, 1, 3, 4] if turning else [0, 1, 2, 3, 4])
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == len(shown)
    for axes, j in zip(panels, shown, strict=True):
        values = result.spectrum.modes[j].real
        np.testing.assert_allclose(axes.images[0].get_array(), (values / np.abs(values).max()).T)
        assert axes.images[0].get_clim() == (-1.0, 1.0)
    assert titles(figure) == [heading(result.spectrum, j) for j in shown]
    assert any(r"\pm 2\,i" in title for title in titles(figure)) == turning


def test_marginals_of_modes_in_three_dimensions() -> None:
    result = with_spectrum((8, 9, 10))
    figure = modes_figures(result)["modes"]
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == 9
    values = result.spectrum.modes[1].sum(axis=2)
    np.testing.assert_allclose(panels[0].images[0].get_array(), (values / np.abs(values).max()).T)


def test_eigenvalues_in_the_plane_where_some_turn() -> None:
    assert eigenvalues_figures(with_spectrum((6, 7))) == {}
    assert eigenvalues_figures(ornstein_uhlenbeck((6, 7))) == {}
    (axes,) = eigenvalues_figures(with_spectrum((6, 7), turning=True))["eigenvalues"].axes
    points = np.concatenate([line.get_xydata() for line in axes.lines if line.get_marker() in "oD"])
    expected = [[0.0, 0.0], [-3e-5, 0.0], [-4.0, 0.0], [-0.5, 2.0], [-0.5, -2.0]]
    np.testing.assert_array_equal(points, expected)


def test_drawn_unasked_where_there_is_a_spectrum(tmp_path: Path) -> None:
    result = with_spectrum((6, 7), turning=True)
    names = {path.stem for path in draw(result, tmp_path)}
    assert {"modes", "eigenvalues"} <= names
    without: Any = ornstein_uhlenbeck((6, 7))
    assert not {"modes", "eigenvalues"} & {path.stem for path in draw(without, tmp_path / "b")}
    with pytest.warns(CaseWarning, match="no data"):
        draw(without, tmp_path / "c", ["modes"])
    empty = replace(without, time=np.empty(0), density=np.empty((0, 6, 7)), analyses={})
    with pytest.raises(StoreError, match="nothing to draw"):
        draw(empty, tmp_path / "d")


def test_a_known_stationary_density_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = circulating_ornstein_uhlenbeck().problem
    made = generator(problem, problem.grid(20))
    rest = stationary(made, problem)
    expected, _ = spectrum_of(made, 4, None)

    def refuse(*_: object) -> None:
        raise AssertionError("solved again")

    # The name in the package is that of the function.
    module = import_module("fokkerplanck.spectrum.spectrum")
    monkeypatch.setattr(module, "null_state", refuse)
    found, _ = spectrum_of(made, 4, rest)
    assert_same(spectrum_tree(made.grid, found), spectrum_tree(made.grid, expected))
