"""CSV files as data of a loss: what is read, the bundled data, and the sentence bad input gets."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fokkerplanck import CaseError, load_case
from fokkerplanck.case import Sources
from fokkerplanck.case.files.bundled import cases_directory
from fokkerplanck.case.files.data import read_table

CSV = """x1,x2,y,class
1.0,2.0,0.5,red
2.0,-1.0,1.5,blue
4.0,0.5,-1.0,red
3.0,7.0,2.0,blue
"""
LOSS = {
    "model": "'linear_regression'",
    "data": "'data/test.csv'",
    "features": "['x1', 'x2']",
    "target": "'y'",
}
NOISE = "source = 'minibatch'\nbatch_size = 2\nlearning_rate = 0.1"
DOMAIN = "p = { range = [-1, 1], cells = 16 }\nq = { range = [-1, 1], cells = 8 }"
THREE = DOMAIN + "\nr = { range = [-1, 1], cells = 8 }"


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Load a case with these keys of [loss] (None leaves one out) beside this CSV file."""

    def load_with(
        keys: dict[str, str | None] | None = None,
        text: str | bytes = CSV,
        noise: str = NOISE,
        domain: str = DOMAIN,
    ) -> Any:
        (tmp_path / "data").mkdir(exist_ok=True)
        raw = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "data" / "test.csv").write_bytes(raw)
        lines = {**LOSS, **(keys or {})}
        loss = "\n".join(f"{key} = {value}" for key, value in lines.items() if value is not None)
        path = tmp_path / "case.toml"
        path.write_text(f"[loss]\n{loss}\n[noise]\n{noise}\n[domain]\n{domain}\n")
        return load_case(path)

    return load_with


def test_columns_become_arrays(load: Any) -> None:
    model = load().problem.model
    assert (model.kind, model.samples, model.l2) == ("linear_regression", 4, 0.0)
    np.testing.assert_array_equal(model.features, [[1, 2], [2, -1], [4, 0.5], [3, 7]])
    np.testing.assert_array_equal(model.targets, [0.5, 1.5, -1.0, 2.0])
    assert model.names == ("x1", "x2")


def test_the_order_of_features_is_that_of_the_axes(load: Any) -> None:
    problem = load({"features": "['x2', 'x1']"}).problem
    np.testing.assert_array_equal(problem.model.features[0], [2.0, 1.0])
    assert problem.loss_at((0.0, 1.0)) == pytest.approx((0.25 + 0.25 + 25 + 1) / 8)


def test_intercept_comes_last(load: Any) -> None:
    model = load({"intercept": "true"}, domain=THREE).problem.model
    np.testing.assert_array_equal(model.features[:, 2], np.ones(4))
    assert model.names == ("x1", "x2", "intercept")


def test_neuron_has_a_then_w_then_b(load: Any) -> None:
    keys = {"model": "'tanh_neuron'", "features": "['x1']"}
    assert load(keys).problem.model.names == ("a", "w")
    problem = load({**keys, "intercept": "true"}, domain=THREE).problem
    assert problem.model.names == ("a", "w", "b")
    x, y = problem.model.features[:, 0], problem.model.targets
    expected = np.mean((0.7 * np.tanh(0.4 * x - 0.2) - y) ** 2) / 2
    assert problem.loss_at((0.7, 0.4, -0.2)) == pytest.approx(expected, rel=1e-14)


def test_standardised_columns(load: Any) -> None:
    model = load({"standardise": "true", "l2": "0.25"}).problem.model
    assert model.l2 == 0.25
    for column in (*model.features.T, model.targets):
        assert column.mean() == pytest.approx(0.0, abs=1e-15)
        assert column.var() == pytest.approx(1.0, rel=1e-14)
    np.testing.assert_allclose(model.features[:, 0], np.array([-3, -1, 3, 1]) / math.sqrt(5))


def test_classes_and_the_intercept_are_not_standardised(load: Any) -> None:
    model = load(
        {
            "model": "'logistic_regression'", "target": "'class'", "positive": "'blue'",
            "standardise": "true", "intercept": "true",
        },
        domain=THREE,
    ).problem.model  # fmt: skip
    np.testing.assert_array_equal(model.targets, [0, 1, 0, 1])
    np.testing.assert_array_equal(model.features[:, 2], np.ones(4))


@pytest.mark.parametrize(
    ("cells", "positive", "targets"),
    [
        ("0 1 1 0", None, [0, 1, 1, 0]),
        ("0.0 1.0 1 0", None, [0, 1, 1, 0]),
        ("1 2 2 1", "2", [0, 1, 1, 0]),
        ("1 2.0 2 1", "2.0", [0, 1, 1, 0]),
        ("-1 1 1 -1", "-1", [1, 0, 0, 1]),
        ("no yes yes no", "'yes'", [0, 1, 1, 0]),
        ("1 2 2 1", "'2'", [0, 1, 1, 0]),
        # One class against the rest.
        ("a b c a", "'b'", [0, 1, 0, 0]),
    ],
)
def test_two_classes(load: Any, cells: str, positive: str | None, targets: list[int]) -> None:
    rows = [f"{i},{i * i},{cell}" for i, cell in enumerate(cells.split(), 1)]
    keys = {"model": "'logistic_regression'", "positive": positive}
    model = load(keys, "\n".join(["x1,x2,y", *rows])).problem.model
    np.testing.assert_array_equal(model.targets, targets)


@pytest.mark.parametrize(
    "text",
    [
        CSV.replace(",", ";"),
        CSV.replace(",", "\t"),
        CSV.replace("\n", "\r\n"),
        CSV.replace(",", " , "),
        CSV.replace("\n", "\n\n"),
        CSV.replace("red", '"red, or so"'),
        "\ufeff" + CSV,
        CSV.rstrip(),
    ],
    ids=["semicolon", "tab", "crlf", "blanks", "empty lines", "quotes", "bom", "no last newline"],
)
def test_dialects(load: Any, text: str) -> None:
    model = load(text=text).problem.model
    np.testing.assert_array_equal(model.features, [[1, 2], [2, -1], [4, 0.5], [3, 7]])


def test_paths_are_relative_to_the_case(
    load: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load().problem.model.samples == 4
    absolute = f"'{(tmp_path / 'data' / 'test.csv').as_posix()}'"
    assert load({"data": absolute}).problem.model.samples == 4


def test_beta_without_replacement_is_known_to_formulas(load: Any) -> None:
    domain = DOMAIN.replace("[-1, 1], cells = 16", "['-beta', 'beta'], cells = 16")
    problem = load(noise=f"{NOISE}\nreplacement = false", domain=domain).problem
    assert not problem.replacement
    assert problem.beta == pytest.approx(40.0 * 3 / 2)
    assert problem.domain.axes[0].upper == problem.beta


def test_learning_rate_beside_beta(load: Any) -> None:
    problem = load(noise="source = 'minibatch'\nbeta = 50.0\nlearning_rate = 0.1").problem
    assert (problem.beta, problem.learning_rate, problem.batch_size) == (50.0, 0.1, None)


# --- bad input -----------------------------------------------------------------------------------

LOGISTIC = {"model": "'logistic_regression'", "target": "'class'"}
BAD: list[tuple[dict[str, str | None], str | bytes, str, str]] = [
    # the section
    ({"model": "'linear'"}, CSV, "loss.model", "allowed are linear_regression"),
    ({"data": None}, CSV, "loss.data", "is missing"),
    ({"data": "3"}, CSV, "loss.data", "3 is not a string"),
    ({"features": None}, CSV, "loss.features", "is missing"),
    ({"features": "'x1'"}, CSV, "loss.features", "not a list"),
    ({"features": "[]"}, CSV, "loss.features", "too few"),
    ({"features": "['x1', 'x1']"}, CSV, "loss.features[1]", "x1 stands there twice"),
    ({"features": "['x1', 'y']"}, CSV, "loss.features[1]", "y is also the target"),
    ({"target": None}, CSV, "loss.target", "is missing"),
    ({"l2": "-1"}, CSV, "loss.l2", "-1 is negative"),
    ({"intercept": "1"}, CSV, "loss.intercept", "true or false"),
    ({"standardize": "true"}, CSV, "loss.standardize", "'standardise'"),
    ({"radius": "2"}, CSV, "loss.radius", "known here are model, data"),
    ({"name": "'ring'"}, CSV, "loss.name", "beside model"),
    ({"positive": "1"}, CSV, "loss.positive", "no use with linear_regression"),
    ({**LOGISTIC, "positive": "true"}, CSV, "loss.positive", "a text or a number"),
    ({"model": "'tanh_neuron'"}, CSV, "loss.features", "2 columns; a tanh_neuron has one"),
    # the file
    ({"data": "'data/tests.csv'"}, CSV, "loss.data", "there is no file"),
    ({"data": "'data'"}, CSV, "loss.data", "directory"),
    ({}, "", "loss.data", "has no rows"),
    ({}, "x1,x2,y\n", "loss.data", "has no rows"),
    ({}, "1,2,3\n4,5,6\n7,8,9\n", "loss.data", "first line of data/test.csv holds numbers"),
    ({}, "x1,x1,y\n1,2,3\n2,3,5\n", "loss.data", "two columns named 'x1'"),
    ({}, "x1,x2,y\n1,2,3\n2,3\n", "loss.data", "row 2 of data/test.csv (line 3) has 2 cells"),
    ({}, b"x1,x2,y\n1,2,\xff\n", "loss.data", "test.csv: byte 12 is not UTF-8"),
    ({}, 'x1,x2,y\n1,"2,3\n', "loss.data", "not a CSV file"),
    # columns
    ({"features": "['x1', 'x3']"}, CSV, "loss.features[1]", "'x3' is no column of data/test.csv"),
    ({"features": "['x1', 'clas']"}, CSV, "loss.features[1]", "did you mean class"),
    ({"target": "'z'"}, CSV, "loss.target", "known are x1, x2, y, class"),
    ({"target": "'class'"}, CSV, "loss.target", "'red' in row 1 of data/test.csv (line 2), not a"),
    ({}, CSV.replace("7.0", "seven"), "loss.features[1]", "x2 is 'seven' in row 4"),
    ({}, CSV.replace("7.0", ""), "loss.features[1]", "x2 is empty in row 4"),
    ({}, CSV.replace("7.0", "NaN"), "loss.features[1]", "x2 is NaN in row 4"),
    ({}, CSV.replace("7.0", "NA"), "loss.features[1]", "x2 is NA in row 4"),
    ({}, CSV.replace("7.0", "inf"), "loss.features[1]", "'inf' in row 4 of data/test.csv (line 5)"),
    ({}, CSV.replace("7.0", "7_0"), "loss.features[1]", "x2 is '7_0' in row 4"),
    ({}, CSV.replace("\n3.0", "\n\n3.0").replace("7.0", ""), "loss.features[1]", "row 4 of"),
    ({}, CSV.replace("7.0", "1e200"), "loss.features", "1e+200 in row 4"),
    ({}, CSV.replace("-1.0\n", "\n").replace("-1.0,red", ",red"), "loss.target", "y is empty"),
    # classes
    (LOGISTIC, CSV, "loss.target", "class is 'red' in row 1 of data/test.csv (line 2), neither 0"),
    (LOGISTIC, CSV, "loss.target", "there are red, blue"),
    ({**LOGISTIC, "positive": "'green'"}, CSV, "loss.positive", "'green' in no row"),
    ({**LOGISTIC, "positive": "3"}, CSV, "loss.positive", "3 in no row"),
    (
        {**LOGISTIC, "positive": "'red'"},
        CSV.replace("blue", "red"),
        "loss.positive",
        "'red' in every row of data/test.csv; two classes are needed, and there is only red",
    ),
    ({**LOGISTIC, "target": "'y'"}, CSV, "loss.target", "'0.5' in row 1"),
    # what standardising and the model need
    (
        {"standardise": "true"},
        "x1,x2,y\n1,3.3,1\n2,3.3,2\n4,3.3,1\n",
        "loss.features[1]",
        "x2 is 3.3 in every row of data/test.csv and cannot be standardised",
    ),
    (
        {"standardise": "true"},
        "x1,x2,y\n1,3.3,5\n2,3.4,5\n4,3.3,5\n",
        "loss.target",
        "y is 5 in every row",
    ),
    ({}, "x1,x2,y\n1,0,1\n2,0,2\n4,0,1\n", "loss.features[1]", "zero in every row"),
    ({}, "x1,x2,y\n1,2,3\n", "loss.data", "1 rows are too few for 2 parameters"),
]


@pytest.mark.parametrize(
    ("keys", "text", "key", "part"), BAD, ids=[f"{i}-{entry[2]}" for i, entry in enumerate(BAD)]
)
def test_bad_input(
    load: Any, tmp_path: Path, keys: dict[str, str | None], text: str | bytes, key: str, part: str
) -> None:
    with pytest.raises(CaseError) as caught:
        load(keys, text)
    sentence = str(caught.value)
    assert sentence.startswith(f"{tmp_path / 'case.toml'}: {key}: ")
    assert part in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence


def test_bad_domain_and_batch(load: Any) -> None:
    with pytest.raises(CaseError, match=r"domain: linear_regression .* 2 parameters \(x1, x2\)"):
        load(domain=THREE)
    with pytest.raises(CaseError, match=r"noise\.batch_size: 5 samples cannot be drawn from 4"):
        load(noise=NOISE.replace("= 2", "= 5") + "\nreplacement = false")
    with pytest.raises(CaseError, match=r"noise\.batch_size: 2\.5 is not a whole number"):
        load(noise=NOISE.replace("= 2", "= 2.5"))


def test_nearly_constant_columns_far_from_zero_are_standardised(load: Any) -> None:
    """A spread of 1e-9 of the value is data; below the rounding of the mean it is not."""
    text = "x1,x2,y\n1e9,1,1\n1000000001,2,2\n1000000002,4,1\n"
    model = load({"standardise": "true"}, text).problem.model
    np.testing.assert_allclose(model.features[:, 0], math.sqrt(1.5) * np.array([-1, 0, 1]), 1e-6)
    with pytest.raises(CaseError, match="cannot be standardised"):
        load({"standardise": "true"}, "x1,x2,y\n0.1,1,1\n0.1,2,2\n0.1,4,1\n")


def test_large_numbers_are_standardised_without_overflow(load: Any) -> None:
    text = "x1,x2,y\n1e200,1,1\n2e200,2,2\n3e200,4,1\n"
    model = load({"standardise": "true"}, text).problem.model
    np.testing.assert_allclose(model.features[:, 0], math.sqrt(1.5) * np.array([-1, 0, 1]))


# --- the data that come along --------------------------------------------------------------------


def test_iris_is_fishers() -> None:
    """Means of his table 2, and the rows 35 and 38 that copies of it have wrong."""
    table = read_table("data/iris.csv", Sources(cases_directory()))
    assert len(table.rows) == 150
    assert table.rows[34] == ("4.9", "3.1", "1.5", "0.2", "setosa")
    assert table.rows[37] == ("4.9", "3.6", "1.4", "0.1", "setosa")
    means = {
        "setosa": (5.006, 3.428, 1.462, 0.246),
        "versicolor": (5.936, 2.770, 4.260, 1.326),
        "virginica": (6.588, 2.974, 5.552, 2.026),
    }
    for species, expected in means.items():
        rows = [row[:4] for row in table.rows if row[4] == species]
        assert len(rows) == 50
        np.testing.assert_allclose(np.array(rows, dtype=float).mean(axis=0), expected, atol=1e-9)


def test_penguins_are_the_measured_ones() -> None:
    with (cases_directory() / "data" / "penguins.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    counts = {name: sum(row["species"] == name for row in rows) for name in ("Adelie", "Gentoo")}
    assert (len(rows), counts) == (342, {"Adelie": 151, "Gentoo": 123})
    table = read_table("data/penguins.csv", Sources(cases_directory()))
    means = {
        "bill_length_mm": 43.92193, "bill_depth_mm": 17.15117,
        "flipper_length_mm": 200.9152, "body_mass_g": 4201.754,
    }  # fmt: skip
    for name, mean in means.items():
        assert table.numbers(name, "").mean() == pytest.approx(mean, rel=1e-6)


@pytest.mark.parametrize("file", sorted(cases_directory().glob("data/*.csv")), ids=lambda f: f.name)
def test_every_data_file_has_its_source(file: Path) -> None:
    text = (cases_directory() / "data" / "README.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if f"`{file.name}`" in line)
    assert "public domain" in row or "CC0" in row
