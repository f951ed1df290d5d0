"""A problem made in Python becomes a case, and a folder with result, figures and page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck import CaseError, CaseWarning, StoreError
from fokkerplanck.case.files.text import read_toml
from fokkerplanck.pipeline.study import study
from fokkerplanck.problem.landscape import Landscape
from fokkerplanck.problem.modified import second_order

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")

BOX = {"x": (-4, 4), "y": (-3, 3)}
START = {"kind": "gaussian", "mean": [1.5, -1.0], "std": 0.4}
SHORT = {"end": 0.5, "frames": 3}
BEANS = "day;height\n" + "".join(
    f"{day};{1.0 + 0.6 * day + math.sin(7.0 * day)!r}\n" for day in range(5, 25)
)


def quadratic(**changes: Any) -> fp.Problem:
    given = {"loss": "0.5*(x**2 + a*y**2)", "sigma": [[1, 0.9], [0.9, 1]], "beta": 2.0}
    return fp.Problem(**(given | {"domain": BOX, "parameters": {"a": 3}} | changes))


def log_cosh(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.log(np.cosh(2.0 * x)) + 0.5 * y**2


def uneven(x: np.ndarray, y: np.ndarray) -> list[list[np.ndarray]]:
    return [[1.0 + 0.5 * np.cos(x), 0.0 * x], [0.0 * x, 1.0 + 0.0 * y]]


def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 3.0 * np.exp(-((x - 1.0) ** 2) - y**2)


@pytest.fixture
def beans(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "beans.csv"
    file.write_text(BEANS, encoding="utf-8")
    return file


def test_a_folder_has_what_the_command_line_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expect = {"mass_drift": {"max": 1e-12}, "final.mean[0]": {"value": 7.0, "rtol": 0.1}}
    case = fp.make_case(
        quadratic(title="Mine"), (24, 20), name="mine", initial=START, density=SHORT,
        stationary=True, expect=expect,
    )  # fmt: skip
    with pytest.warns(CaseWarning, match=r"not as expected: final.mean\[0\] = .*expected 7"):
        result = fp.solve(case)
    folder = tmp_path / "runs" / "mine"
    names = {"mine.h5", "report.html", "density.png", "free_energy.png", "quasi_potential.png"}
    assert names <= {file.name for file in folder.iterdir()}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>Mine</h1>" in page
    assert "fokkerplanck run mine.h5" in page
    assert "expected 7 within 0.7" in page
    assert page.count("data:image/png") >= 4
    opened = fp.open_result(folder / "mine.h5")
    assert np.array_equal(opened.density, result.density)
    assert "final.mean[0]: MISSED" in fp.summary(case, opened)
    # The result of a problem of formulas runs again like any other, bit for bit.
    again = fp.load_case(folder / "mine.h5")
    assert again.grid == case.grid
    assert again.expect == case.expect
    assert np.array_equal(fp.run(again).density, result.density)


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    case = fp.make_case(quadratic(), 12, density=SHORT, output={"figures": [], "report": False})
    result = fp.solve(case, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["problem.h5"]
    with pytest.raises(StoreError, match=r"problem.h5: this result exists .*overwrite=True"):
        fp.solve(case, tmp_path)
    before = (tmp_path / "problem.h5").stat().st_mtime_ns
    assert np.array_equal(fp.solve(case, str(tmp_path), resume=True).density, result.density)
    assert (tmp_path / "problem.h5").stat().st_mtime_ns == before
    fp.solve(case, tmp_path, overwrite=True)
    assert (tmp_path / "problem.h5").stat().st_mtime_ns > before


def test_a_result_read_again_says_nothing_of_memory(tmp_path: Path) -> None:
    case = fp.make_case(quadratic(), 12, density=SHORT, output={"figures": []})
    for again in (False, True):
        fp.solve(case, tmp_path, resume=again)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert ("largest memory of the process" in page) is not again


PROBLEMS: dict[str, dict[str, Any]] = {
    "formulas": {"sigma": [["1 + 0.1*x**2", 0], [0, "1/3"]], "drift": ["-y", 0.25]},
    "numbers": {"loss": 0.125, "drift": ["-x", "-y"], "sigma": np.array([1.0, 0.1])},
    "landscape": {"loss": Landscape("ring", radius="2*a/3"), "sigma": np.float64(0.3)},
    "mapping": {"loss": {"name": "quadratic", "hessian": np.eye(2)}},
    "drift": {"loss": None, "drift": ["-x", "x - y"]},
    "sgd": {"beta": None, "batch_size": 16, "learning_rate": 1 / 3},
    "default": {"beta": None},
    "rate": {"learning_rate": 0.1},
    "sides": {"domain": {"x": {"range": (0, 1), "boundary": "periodic"},
                         "y": {"range": (-1, 0.1), "boundary": ("absorbing", "reflecting")}}},
    "momentum": {"loss": "x**2", "sigma": 1.0, "beta": None, "momentum": 0.9},
    "momentum and batch": {"loss": "x**2", "sigma": 1.0, "beta": None, "momentum": 0.9,
                           "batch_size": 8, "learning_rate": 0.3},
    "friction": {"loss": "x**2", "sigma": 2.0, "friction": "a/7"},
    "heavy tails": {"sigma": 1.0, "alpha": 1.5, "jumps": "components"},
    "title": {"title": 'quotes " and \\ and \x7f'.replace("\x7f", "é")},
}  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_text_is_the_case_file_that_says_the_same(name: str, tmp_path: Path) -> None:
    problem = quadratic(**PROBLEMS[name])
    case = fp.make_case(problem, (10, 12), initial={"kind": "uniform"}, density=SHORT)
    assert case.functions == ()
    file = tmp_path / "problem.toml"
    file.write_text(case.text, encoding="utf-8")
    read = fp.load_case(file)
    assert (read.grid, read.title, read.density) == (case.grid, case.title, case.density)
    for key in ("beta", "learning_rate", "batch_size", "friction", "parameters", "jumps"):
        assert getattr(read.problem, key) == getattr(problem, key), key
    points = case.grid.points
    assert np.array_equal(read.problem.loss_at(points), problem.loss_at(points))
    assert np.array_equal(read.problem.drift_at(points), problem.drift_at(points))
    assert np.array_equal(read.problem.sigma_at(points), problem.sigma_at(points))


def test_the_text_survives_what_happens_to_the_arguments_later() -> None:
    sigma = np.eye(2)
    problem = quadratic(sigma=sigma)
    sigma[0, 0] = 7.0
    assert read_toml(fp.make_case(problem, 8, density=SHORT).text)["noise"]["sigma"][0][0] == 1.0


def test_functions_run_and_are_named(tmp_path: Path) -> None:
    problem = quadratic(loss=log_cosh, sigma=uneven, drift=lambda x, y: np.array([-y, x]) / 9.0)
    case = fp.make_case(
        problem, 16, name="own", initial=bump, density=SHORT, stationary=True,
        passage={"target": "x > 2"}, expect={"minimum": {"min": 0.0}},
    )  # fmt: skip
    assert case.functions == ("loss", "drift", "noise.sigma", "initial")
    result = fp.solve(case, tmp_path)
    start = bump(*case.grid.points) / case.grid.integrate(bump(*case.grid.points))
    assert result.density[0] == pytest.approx(start, rel=1e-14)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Python: log_cosh" in page
    assert "run the script that made it" in page
    assert "fokkerplanck run" not in page
    assert "Expected: minimum" in page
    with pytest.raises(StoreError, match=r"own.h5: .*\(loss, drift, noise.sigma, initial\)"):
        fp.load_case(tmp_path / "own.h5")
    # Another function of the same name is another case.

    def other(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return log_cosh(x, y) + 1e-9 * x

    other.__name__ = "log_cosh"
    problem = fp.Problem(**((problem.arguments or {}) | {"loss": other}))
    changed = fp.make_case(
        problem, 16, name="own", initial=bump, density=SHORT, stationary=True,
        passage={"target": "x > 2"}, expect={"minimum": {"min": 0.0}},
    )  # fmt: skip
    assert fp.solve(case, tmp_path, resume=True).status == "complete"
    with pytest.raises(StoreError, match="of another case text"):
        fp.solve(changed, tmp_path, resume=True)


def test_derivatives_that_are_given_are_named() -> None:
    problem = quadratic(
        gradient=lambda x, y: np.array([x, 3.0 * y]),
        div_sigma=lambda x, y: np.zeros((2, *np.shape(x))),
    )
    case = fp.make_case(problem, 8, density=SHORT)
    assert case.functions == ("loss.gradient", "noise.div_sigma")
    tables = read_toml(case.text)
    assert tables["loss"]["formula"] == "0.5*(x**2 + a*y**2)"
    assert tables["noise"]["sigma"] == [[1, 0.9], [0.9, 1]]
    assert np.array_equal(fp.run(case).time, [0.0, 0.25, 0.5])


@pytest.mark.parametrize("change", ["with_beta", "second_order"])
def test_problems_made_from_others_run_but_not_again(change: str) -> None:
    first = quadratic(learning_rate=0.1)
    problem = first.with_beta(3.0) if change == "with_beta" else second_order(first)
    assert problem.arguments is None
    case = fp.make_case(problem, 8, density=SHORT)
    assert case.functions == ("loss", "noise.sigma")
    assert fp.run(case).beta == problem.beta
    assert f"beta = {problem.beta}\n" in case.text


def test_an_array_starts_on_its_own_grid_only() -> None:
    problem = quadratic()
    values = bump(*problem.grid(16).points)
    case = fp.make_case(problem, 16, initial=values, density=SHORT)
    same = fp.make_case(problem, 16, initial=bump, density=SHORT)
    assert np.array_equal(fp.run(case).density, fp.run(same).density)
    assert "L1 to next grid" in study(same, 2)
    with pytest.raises(CaseError, match=r"initial: is an array of shape \(16, 16\), .*\(8, 8\)"):
        study(case, 2)
    values[3, 4] = -1.0
    negative = fp.make_case(problem, 16, initial=values, density=SHORT)
    with pytest.raises(CaseError, match=r"initial: is -1 at x = -2\.25, y = -1\.3"):
        fp.run(negative)


@pytest.mark.parametrize("standardise", [True, False])
def test_data_in_a_table(beans: Path, tmp_path: Path, standardise: bool) -> None:
    model = fp.data_model(
        "linear_regression", beans, ["day"], "height", intercept=True, standardise=standardise,
        l2=0.01,
    )  # fmt: skip
    assert model.samples == 20
    problem = fp.Problem(
        model, "minibatch", batch_size=2, learning_rate=0.001, domain={"w": (0, 1.2), "b": (-1, 2)},
        replacement=False,
    )  # fmt: skip
    case = fp.make_case(
        problem, 12, name="beans", density=SHORT, ensemble={"particles": 200}, validation=True
    )
    result = fp.solve(case, tmp_path / "out")
    assert result.ensemble is not None
    assert result.ensemble.method == "sgd"
    assert result.validation is not None
    assert not np.isnan(result.validation.diffusion_gap).all()
    beans.unlink()
    again = fp.load_case(tmp_path / "out" / "beans.h5")
    assert again.problem.model is not None
    assert np.array_equal(again.problem.model.features, model.features)
    assert np.array_equal(again.problem.model.targets, model.targets)
    repeated = fp.run(again)
    assert np.array_equal(repeated.density, result.density)
    assert repeated.ensemble is not None
    assert np.array_equal(repeated.ensemble.counts, result.ensemble.counts)
    assert repeated.validation is not None
    assert repeated.validation.p_value == result.validation.p_value


def test_arrays_of_data_that_a_case_file_cannot_say(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4127)
    x, y = rng.standard_normal((2, 9))
    boxed = {"domain": BOX, "beta": 5.0}
    # Two parameters, none of which is a constant; then a class.
    model = fp.DataModel("linear_regression", np.stack([x, y], axis=1), x * y, names=("p", "p"))
    case = fp.make_case(fp.Problem(model, "minibatch", **boxed), 8, density=SHORT)
    assert read_toml(case.text)["loss"]["features"] == ["feature 1", "feature 2"]
    # The neuron's weight w has one input, and a bias is a third parameter.
    ones = np.stack([x, np.ones(9)], axis=1)
    biased = fp.Problem(fp.DataModel("tanh_neuron", ones, y), 1.0, 5.0, BOX | {"z": (-1, 1)})
    case = fp.make_case(biased, 8, density=SHORT)
    assert case.functions == ()
    assert read_toml(case.text)["loss"]["intercept"] is True
    neuron = fp.DataModel("tanh_neuron", x, y)
    case = fp.make_case(fp.Problem(neuron, 1.0, **boxed), 8, density=SHORT)
    assert (case.functions, list(case.inputs)) == ((), ["data.csv"])
    monkeypatch.setattr("fokkerplanck.case.files.written.INPUT_BYTES", 100)
    case = fp.make_case(fp.Problem(neuron, 1.0, **boxed), 8, density=SHORT)
    assert (case.functions, case.inputs) == (("loss",), {})
    assert fp.run(case).minimum.min() > 0.0


def test_the_page_of_a_result_in_memory(tmp_path: Path) -> None:
    result = fp.run(fp.make_case(quadratic(), 12, name="loose", density=SHORT))
    drawn = fp.draw(result, tmp_path)
    page = fp.write_report(result, str(tmp_path / "page.html"), [str(file) for file in drawn])
    assert page.read_text(encoding="utf-8").count("data:image/png") >= len(drawn)
    result.save(tmp_path / "loose.h5")
    assert fp.load_case(tmp_path / "loose.h5").name == "loose"
    with h5py.File(tmp_path / "loose.h5") as file:
        assert "functions" not in file.attrs


def test_a_sweep_takes_the_result_of_a_case_made_in_python(tmp_path: Path) -> None:
    case = fp.make_case(quadratic(), 8, density=SHORT)
    with pytest.raises(CaseError, match="run it once and sweep its result file"):
        fp.sweep(case, {"noise.beta": [1.0, 2.0]})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cells": "many"}, "cells: 'many' is no number of cells, nor one per axis"),
    ({"cells": [8, math.inf]}, r"cells: \[8, inf\] is no number of cells, nor one per axis"),
    ({"cells": [8.5, 8]}, r"cells: \[8.5, 8\] is no number of cells, nor one per axis"),
    ({"cells": "88"}, "cells: '88' is no number of cells, nor one per axis"),
    ({"cells": (8, 8, 8)}, "domain: 3 cell counts for 2 axes"),
    ({"cells": 2}, "domain.x.cells: 2 cells are too few"),
    ({"name": "a/b"}, "name: 'a/b' is no name for a file"),
    ({"name": ""}, "name: '' is no name for a file"),
    ({"title": "two\nlines"}, "title: .* give one line"),
    ({"density": 5.0}, "density: 5.0 is no section; give a mapping"),
    ({"density": True}, "density.end: is missing; give the last time"),
    ({"density": {"stop": 1.0}}, "density.stop: unknown key"),
    ({"expect": {"mass_drift": {}}}, "expect.mass_drift: expects nothing"),
    ({"validation": True}, "ensemble: is missing"),
    ({"discrete": True}, "noise.learning_rate: is missing"),
    ({"initial": "gaussian"}, "initial: 'gaussian' is not an array of real numbers; a start is"),
    ({"initial": np.ones((8, 8)) + 0.5j}, "initial: holds complex128 values; give real numbers"),
    ({"initial": [[1.0, 2j]]}, "initial: holds complex128 values; give real numbers"),
    ({"initial": {"kind": "gaussian"}}, "initial.mean: is missing"),
    ({"initial": np.ones((3, 8))}, r"initial: is an array of shape \(3, 8\), and the grid"),
    ({"initial": lambda x, y: np.ones(3)}, "initial: the function returned"),
    ({"problem": None}, "NoneType is no Problem"),
    (
        {"problem": quadratic(loss=log_cosh), "density": SHORT, "ensemble": True},
        "ensemble: walkers need formulas or data, and Python functions give loss",
    ),
]


@pytest.mark.parametrize(("given", "sentence"), WRONG)
def test_what_is_missing_is_said_in_one_sentence(given: dict[str, Any], sentence: str) -> None:
    arguments = {"problem": quadratic(), "cells": 8} | given
    with pytest.raises(CaseError, match=f"^{sentence}") as caught:
        fp.make_case(**arguments)
    assert "\n" not in str(caught.value)


def test_calls_that_need_something_else_first(beans: Path, tmp_path: Path) -> None:
    problem = quadratic()
    for call in (fp.run, fp.solve):
        with pytest.raises(CaseError, match=r"^a Problem says neither .* fp.make_case"):
            call(problem)  # type: ignore[operator]
        with pytest.raises(CaseError, match=r"^'quadratic' is no case; .* fp.load_case"):
            call("quadratic")  # type: ignore[operator]
    path = fp.evolve(problem, problem.grid(8), np.ones((8, 8)), [0.0, 0.1])
    with pytest.raises(CaseError, match=r"^Dataset is no Result"):
        fp.write_report(path, tmp_path / "report.html")  # type: ignore[arg-type]
    with pytest.raises(CaseError, match=r"^loss.model: .* fp.data_model"):
        fp.Problem({"model": "linear_regression"}, domain=BOX)
    with pytest.raises(CaseError, match=r"^loss.data: there is no file .*peas.csv"):
        fp.data_model("linear_regression", beans.with_name("peas.csv"), ["day"], "height")
    with pytest.raises(CaseError, match=r"^loss.target: 'hight' is no column"):
        fp.data_model("linear_regression", beans, "day", "hight")
    with pytest.raises(CaseError, match=r"^loss.model: 'linear' is not known"):
        fp.data_model("linear", beans, ["day"], "height")
    expect = {"final.median": {"min": 0.0}}
    case = fp.make_case(problem, 8, density=SHORT, expect=expect)
    with pytest.raises(CaseError, match=r"^expect.final.median: does not exist"):
        fp.solve(case, tmp_path / "out")
