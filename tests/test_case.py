"""Case files: what is read, and the one sentence that bad input gets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fokkerplanck import CaseError, CaseWarning, load_case
from fokkerplanck.case import Case, bundled_cases, find_case, memory, memory_needed, parse_override

SECTIONS = {
    "": 'title = "A test"',
    "parameters": "k = 3.0\ntwice = '2*k'",
    "loss": "formula = '0.5*(k*x**2 + y**2)'",
    "noise": "sigma = 1.0\nbeta = 2.0",
    "domain": "x = { range = [-4, 4], cells = 32 }\ny = { range = [-4, 4], cells = 16 }",
    "initial": "kind = 'gaussian'\nmean = [1.5, -1.0]\nstd = 0.5",
    "density": "end = 1.0\nframes = 3",
    "expect": "'final.kl_to_stationary' = { max = 1.0 }",
}


def case_text(**sections: str | None) -> str:
    """The sections above with some replaced, added or (None) left out; `top` is before them."""
    merged = SECTIONS | {"" if name == "top" else name: text for name, text in sections.items()}
    return "\n".join(
        f"[{name}]\n{text}" if name else text for name, text in merged.items() if text is not None
    )


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a case file and return its path."""

    def write_case(**sections: str | None) -> Path:
        path = tmp_path / "test.toml"
        path.write_text(case_text(**sections), encoding="utf-8")
        return path

    return write_case


@pytest.fixture
def load(write: Any) -> Any:
    """Write and load a case."""
    return lambda overrides=None, **sections: load_case(write(**sections), overrides)


def test_records(load: Any) -> None:
    case: Case = load()
    assert (case.name, case.title, case.grid.shape) == ("test", "A test", (32, 16))
    assert case.text == case_text()
    assert case.problem.beta == 2.0
    assert case.problem.parameters == {"k": 3.0, "twice": 6.0}
    np.testing.assert_array_equal(case.initial.mean, [1.5, -1.0])
    np.testing.assert_array_equal(case.initial.covariance, 0.25 * np.eye(2))
    assert case.density is not None
    assert case.density.times == (0.0, 0.5, 1.0)
    assert (case.density.scheme, case.density.stepper, case.density.rtol) == ("auto", "auto", 1e-6)
    assert case.stationary is None
    assert case.output.figures is None
    assert case.expect["final.kl_to_stationary"].max == 1.0


def test_defaults(load: Any) -> None:
    left_out = dict.fromkeys(("parameters", "initial", "density", "expect"))
    case: Case = load(loss="formula = 'x'", **left_out)
    assert (case.density, case.initial.kind, case.expect) == (None, "uniform", {})
    frames = load(density="end = 2.0").density
    assert (frames.frames, frames.end, frames.times[1]) == (51, 2.0, 0.04)


@pytest.mark.parametrize(
    ("density", "times"),
    [
        ("times = [0.5, 2]", (0.0, 0.5, 2.0)),
        ("times = [0, 0.5]", (0.0, 0.5)),
        ("times = [0.5]\nend = 3", (0.0, 0.5, 3.0)),
        ("times = ['1/k']", (0.0, 1 / 3)),
        ("end = 'twice'\nframes = 2", (0.0, 6.0)),
    ],
)
def test_output_times(load: Any, density: str, times: tuple[float, ...]) -> None:
    assert load(density=density).density.times == pytest.approx(times, rel=1e-15)


def test_numbers_may_be_formulas(load: Any) -> None:
    case: Case = load(
        noise="sigma = 'k'\nbeta = 'k/6'",
        initial="kind = 'gaussian'\nmean = ['-k/2', 'sqrt(4)']\nstd = 'sqrt(1/(2*beta))'",
        domain="x = { range = ['-2*pi', '2*pi'], cells = 16 }\ny = { range = [-9, 9], cells = 32 }",
        expect="mass = { value = 'k/3', atol = 0 }",
    )
    assert case.problem.beta == 0.5
    np.testing.assert_allclose(case.initial.mean, [-1.5, 2.0], rtol=1e-15)
    np.testing.assert_allclose(case.initial.covariance, np.eye(2), rtol=1e-15)
    assert case.grid.domain.axes[0].upper == pytest.approx(2 * np.pi)
    assert case.expect["mass"].value == 1.0


@pytest.mark.parametrize(
    ("noise", "beta", "friction"),
    [
        ("batch_size = 32\nlearning_rate = 0.1", 640.0, None),
        ("beta = 3.0\nfriction = 0.5", 3.0, 0.5),
        ("beta = 3.0\nmomentum = 0.9\nlearning_rate = 0.01", 3.0, 1.0),
        # beta = 2 |B| (1 - mu)/eta, friction = (1 - mu)/sqrt(eta)
        ("batch_size = 32\nlearning_rate = 0.01\nmomentum = 0.9", 640.0, 1.0),
    ],
)
def test_temperature_and_friction(load: Any, noise: str, beta: float, friction: float) -> None:
    problem = load(loss="formula = 'x**2'", noise=f"sigma = 1.0\n{noise}").problem
    assert problem.beta == pytest.approx(beta)
    assert problem.friction == (None if friction is None else pytest.approx(friction))


def test_named_loss_takes_its_keys(load: Any) -> None:
    problem = load(loss="name = 'quadratic'\nhessian = [[3, 1], [1, 2]]\nminimum = [1, 0]").problem
    assert problem.loss_at((np.array([2.0]), np.array([1.0]))) == pytest.approx(3.5)


def test_drift_alone_is_enough(load: Any) -> None:
    problem = load(loss=None, drift="formula = ['-x', '-k*y']").problem
    drift = problem.drift_at((np.array([1.0]), np.array([2.0])))
    np.testing.assert_allclose(drift, [[-1.0], [-6.0]])


def test_overrides(load: Any) -> None:
    case: Case = load(
        {"domain.x.cells": 64, "density.end": 2, "output.figures": ("density",), "stationary": {}}
    )
    assert case.grid.shape == (64, 16)
    assert case.density is not None
    assert case.density.end == 2.0
    assert case.output.figures == ("density",)
    assert case.stationary is not None
    assert case.overrides["domain.x.cells"] == 64
    assert case.text == case_text()


def test_override_of_a_quoted_key(load: Any) -> None:
    case: Case = load({'expect."final.kl_to_stationary".max': 0.5})
    assert case.expect["final.kl_to_stationary"].max == 0.5


def test_expect_without_quotes(load: Any) -> None:
    case: Case = load(expect="final.kl_to_stationary = { max = 2 }\nminimum.min = 0")
    assert case.expect["final.kl_to_stationary"].max == 2.0
    assert case.expect["minimum"].min == 0.0


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("density.end=2", ("density.end", 2)),
        ("density.end = 2.5", ("density.end", 2.5)),
        ("density.stepper=split", ("density.stepper", "split")),
        ("density.times=[1, 2]", ("density.times", [1, 2])),
        ("output.every_frame=false", ("output.every_frame", False)),
        ("loss.formula=x**2 + y**2", ("loss.formula", "x**2 + y**2")),
        ('expect."a=b".max=1', ('expect."a=b".max', 1)),
        ("title=", ("title", "")),
        ("title=a\nbeta = 3", ("title", "a\nbeta = 3")),
        ("title='a'\nbeta = 3", ("title", "'a'\nbeta = 3")),
    ],
)
def test_parse_override(text: str, pair: tuple[str, Any]) -> None:
    assert parse_override(text) == pair


@pytest.mark.parametrize("text", ["density.end", "=2", "a b=2", "a..b=2", "a\nb=2", ""])
def test_parse_override_refuses(text: str) -> None:
    with pytest.raises(CaseError, match="KEY=VALUE"):
        parse_override(text)


X, Y = "x = { range = [-4, 4], cells = 16 }", "y = { range = [-4, 4], cells = 8 }"
GAUSSIAN = "kind = 'gaussian'\nmean = [1.5, -1.0]\n"

# Sections, the key the sentence must name, and a part of it.
BAD: list[tuple[dict[str, str | None], str, str]] = [
    # sections
    ({"top": "titel = 'x'"}, "titel", "nearest known key is 'title'"),
    ({"top": "title = 3"}, "title", "3 is not a string"),
    ({"top": "noises = 1"}, "noises", "'noise'"),
    ({"noise": None}, "noise", "needs the section [noise]"),
    ({"domain": None}, "domain", "needs the section [domain]"),
    ({"loss": None}, "loss", "[drift]"),
    ({"noise": None, "top": "noise = 3"}, "noise", "3 is not a table"),
    ({"spectrum": "count = 0"}, "spectrum.count", "0 is too small; at least 1 is needed"),
    ({"spectrum": "count = 2.5"}, "spectrum.count", "2.5 is not an integer"),
    ({"spectrum": "counts = 6"}, "spectrum.counts", "the nearest known key is 'count'"),
    ({"spectrum": "count = 100_000"}, "spectrum.count", "100000 modes of a grid of"),
    ({"passage": "target = 'x >'"}, "passage.target", "syntax"),
    ({"passage": "target = 'x > 9'"}, "passage.target", "none of the cell centres"),
    ({"passage": "target = 'x > -9'"}, "passage.target", "all of the cell centres"),
    ({"passage": "target = 'x + 1'"}, "passage.target", "a condition such as"),
    ({"passage": "target = 'x > 0 & y > 0'"}, "passage.target", "in brackets"),
    ({"passage": "target = 'boundary'"}, "passage.target", "no side of the box is absorbing"),
    ({"passage": "source = 'x > 0'"}, "passage.target", "is missing beside source"),
    ({"passage": "escape = false"}, "passage.escape", "nothing is asked for"),
    ({"passage": "escape = 1"}, "passage.escape", "true or false"),
    ({"passage": "target = 'x > 0'\nframes = 5"}, "passage.frames", "without end"),
    ({"passage": "target = 'x > 0'\nend = 0"}, "passage.end", "> 0"),
    ({"passage": "target = 'x > 0'\nstart = [1, 2, 3]"}, "passage.start[0]", "3 coordinates"),
    ({"passage": "target = 'x > 0'\nstart = [[0, 0], [9, 0]]"}, "passage.start[1]", "outside"),
    ({"passage": "target = 'x > 0'\nstart = [['k', 'x']]"}, "passage.start[0]", "x is not known"),
    ({"passage": "targets = 'x > 0'"}, "passage.targets", "'target'"),
    ({"density": None, "expect": None, "ensemble": ""}, "density", "at the times of [density]"),
    ({"ensemble": "method = 'sdg'"}, "ensemble.method", "sgd"),
    ({"ensemble": "particles = 0"}, "ensemble.particles", "1"),
    ({"ensemble": "particles = 5\ntrajectories = 6"}, "ensemble.trajectories", "more than"),
    ({"validation": ""}, "ensemble", "compares it with the density"),
    ({"ensemble": "", "validation": "significance = 1"}, "validation.significance", "< 1"),
    ({"discrete": ""}, "noise.learning_rate", "steps by it"),
    ({"discrete": "steps = 3\nend = 2"}, "discrete.end", "beside steps"),
    ({"discrete": "noise = 'levy'"}, "discrete.noise", "gaussian"),
    ({"discrete": "rates = [0.1, -1]"}, "discrete.rates[1]", "positive"),
    # parameters
    ({"parameters": "k = 'twice'"}, "parameters.k", "twice"),
    ({"parameters": "k = 'nope'"}, "parameters.k", "nope"),
    ({"parameters": "k = [1]"}, "parameters.k", "not a number"),
    ({"parameters": "k = nan"}, "parameters.k", "finite"),
    ({"parameters": "k = 1\nx = 2"}, "parameters.x", "axis"),
    ({"parameters": "k = 1\nbeta = 2"}, "parameters.beta", "meaning"),
    # loss and drift
    ({"loss": ""}, "loss", "either formula or name"),
    ({"loss": "formula = 'x'\nname = 'ring'"}, "loss", "either formula or name"),
    ({"loss": "formula = 'x'\nradius = 2"}, "loss.radius", "unknown key"),
    ({"loss": "formula = 3"}, "loss.formula", "not a string"),
    ({"loss": "formula = 'x +* y'"}, "loss.formula", "syntax"),
    ({"loss": "formula = 'x + z'"}, "loss.formula", "z"),
    ({"loss": 'formula = \'__import__("os").system("true")\''}, "loss.formula", ""),
    ({"loss": "name = 'rign'"}, "loss.name", "ring"),
    ({"loss": "name = 'ring'\nradios = 2"}, "loss.radios", "radius"),
    ({"loss": "formula = 'x'\nmodel = 'linear_regression'"}, "loss.formula", "beside model"),
    ({"drift": "formula = ['x']"}, "drift.formula", ""),
    ({"drift": "formula = [true, 'x']"}, "drift.formula", "not a formula"),
    ({"drift": ""}, "drift.formula", "missing"),
    # noise
    ({"noise": "beta = 1.0"}, "noise.sigma", "missing"),
    ({"noise": "sigma = 1.0"}, "noise.beta", "batch_size"),
    ({"noise": "sigma = 1.0\nbeta = 0"}, "noise.beta", "0 is not positive"),
    ({"noise": "sigma = 1.0\nbeta = -1"}, "noise.beta", "-1 is not positive"),
    ({"noise": "sigma = 1.0\nbeta = inf"}, "noise.beta", "finite"),
    ({"noise": "sigma = 1.0\nbeta = true"}, "noise.beta", "not a number"),
    ({"noise": "sigma = 1.0\nbeta = 'x'"}, "noise.beta", "x"),
    ({"noise": "sigma = 1.0\nbetta = 1"}, "noise.betta", "'beta'"),
    ({"noise": "sigma = 1.0\nbatch_size = 4"}, "noise.beta", "learning_rate"),
    ({"noise": "sigma = 1\nbeta = 1\nbatch_size = 4"}, "noise.beta", "twice"),
    ({"noise": "sigma = 1\nbatch_size = 0\nlearning_rate = 1"}, "noise.batch_size", "positive"),
    ({"noise": "sigma = 1\nbeta = 1\nmomentum = 0.9"}, "noise.momentum", "learning_rate"),
    (
        {"noise": "sigma = 1\nbeta = 1\nmomentum = 1.5\nlearning_rate = 1"},
        "noise.momentum",
        "1.5",
    ),
    (
        {"noise": "sigma = 1\nbeta = 1\nmomentum = 0.5\nfriction = 1"},
        "noise.friction",
        "beside momentum",
    ),
    ({"noise": "sigma = 1\nbeta = 1\nfriction = -1"}, "noise.friction", "positive"),
    ({"noise": "sigma = [1, 2, 3]\nbeta = 1"}, "noise.sigma", "3"),
    ({"noise": "sigma = [[1, 2], [3]]\nbeta = 1"}, "noise.sigma", ""),
    ({"noise": "sigma = 'q'\nbeta = 1"}, "noise.sigma", "q"),
    ({"noise": "sigma = 1\nbeta = 1\nsource = 'minibatch'"}, "noise.source", "beside sigma"),
    ({"noise": "beta = 1\nsource = 'minibatch'"}, "noise.source", "given by loss.model"),
    ({"noise": "beta = 1\nsource = 'mini-batch'"}, "noise.source", "allowed are minibatch"),
    (
        {"noise": "sigma = 1\nbatch_size = 4\nlearning_rate = 1\nreplacement = false"},
        "noise.replacement",
        "loss of data",
    ),
    ({"noise": "sigma = 1\nbeta = 4\nreplacement = false"}, "noise.replacement", "batch_size"),
    ({"noise": "sigma = 1\nbeta = 4\nreplacement = 0"}, "noise.replacement", "true or false"),
    ({"noise": "sigma = 1\nbeta = 1\nalpha = 2.5"}, "noise.alpha", "in (0, 2]"),
    ({"noise": "sigma = 1\nbeta = 1\nalpha = 0"}, "noise.alpha", "in (0, 2]"),
    ({"noise": "sigma = 1\nbeta = 1\njumps = 'components'"}, "noise.jumps", "needs alpha"),
    ({"noise": "sigma = '1 + x**2'\nbeta = 1\nalpha = 1.5"}, "noise.sigma", "constant Sigma"),
    ({"noise": "sigma = [1, 2]\nbeta = 1\nalpha = 1.5"}, "noise.sigma", "components"),
    ({"noise": "sigma = 1\nbeta = 1\nalpha = 1.5", "stationary": ""}, "stationary", "Gaussian"),
    # domain
    ({"domain": ""}, "domain", "0 axes"),
    ({"domain": "x = { range = [-4, 4] }"}, "domain.x.cells", "missing"),
    ({"domain": "x = { cells = 16 }"}, "domain.x.range", "missing"),
    ({"domain": "x = 4"}, "domain.x", "not a table"),
    ({"domain": f"{X}\ny = {{ range = [-4, 4], cels = 8 }}"}, "domain.y.cels", "'cells'"),
    ({"domain": f"{X}\ny = {{ range = [-4], cells = 8 }}"}, "domain.y.range", "two numbers"),
    ({"domain": f"{X}\ny = {{ range = [4, -4], cells = 8 }}"}, "domain.y.range", "empty"),
    ({"domain": f"{X}\ny = {{ range = [-inf, 4], cells = 8 }}"}, "domain.y.range[0]", "finite"),
    ({"domain": f"{X}\ny = {{ range = [0, 4], cells = 8.5 }}"}, "domain.y.cells", "an integer"),
    ({"domain": f"{X}\ny = {{ range = [0, 4], cells = true }}"}, "domain.y.cells", "an integer"),
    ({"domain": f"{X}\ny = {{ range = [0, 4], cells = 0 }}"}, "domain.y.cells", "too few"),
    ({"domain": f"{X}\nt = {{ range = [0, 4], cells = 8 }}"}, "domain.t", "meaning"),
    ({"domain": f"{X}\n'a b' = {{ range = [0, 4], cells = 8 }}"}, "domain.a b", "name"),
    (
        {"domain": f"{X}\ny = {{ range = [-4, 4], cells = 8, boundary = 'open' }}"},
        "domain.y.boundary",
        "reflecting",
    ),
    (
        {"domain": f"{X}\ny = {{ range = [-4, 4], cells = 8, boundary = 3 }}"},
        "domain.y.boundary",
        "one word or a pair",
    ),
    (
        {"domain": f"{X}\n{Y}\nz = {{ range = [0, 1], cells = 100_000_000 }}"},
        "domain",
        "memory",
    ),
    # initial
    ({"initial": "kind = 'gausian'"}, "initial.kind", "gaussian, uniform, point"),
    ({"initial": "kind = 'gaussian'\nstd = 1"}, "initial.mean", "2 numbers"),
    ({"initial": GAUSSIAN}, "initial.std", "either std or covariance"),
    ({"initial": f"{GAUSSIAN}std = 0"}, "initial.std", "positive"),
    ({"initial": f"{GAUSSIAN}std = [1, 'k - 3']"}, "initial.std[1]", "positive"),
    ({"initial": f"{GAUSSIAN}std = [1, 1, 1]"}, "initial.std", "3 entries"),
    ({"initial": "kind = 'gaussian'\nmean = [1]\nstd = 1"}, "initial.mean", "1 entries"),
    ({"initial": "kind = 'gaussian'\nmean = [9, 0]\nstd = 1"}, "initial.mean", "outside"),
    ({"initial": f"{GAUSSIAN}covariance = [[1, 2], [2, 1]]"}, "initial.covariance", "definite"),
    ({"initial": f"{GAUSSIAN}covariance = [[1, 0.1], [0, 1]]"}, "initial.covariance", "symmetric"),
    ({"initial": f"{GAUSSIAN}covariance = [[1]]"}, "initial.covariance", "2 x 2"),
    ({"initial": f"{GAUSSIAN}covariance = 1"}, "initial.covariance", "not a list"),
    ({"initial": f"{GAUSSIAN}std = 1000"}, "initial", "outside the domain"),
    ({"initial": "kind = 'uniform'\nmean = [0, 0]"}, "initial.mean", "does not belong"),
    ({"initial": "kind = 'point'"}, "initial.at", "missing"),
    ({"initial": "kind = 'point'\nat = [0, 5]"}, "initial.at", "y = 5"),
    ({"initial": "kind = 'point'\nat = [0, 1]\nmean = [0, 1]"}, "initial.at", "twice"),
    ({"initial": "kind = 'formula'"}, "initial.formula", "missing"),
    ({"initial": "kind = 'formula'\nformula = 'exp(-w)'"}, "initial.formula", "w"),
    ({"initial": "kind = 'formula'\nformula = 'exp(-t)'"}, "initial.formula", "t"),
    # density
    ({"density": ""}, "density.end", "missing"),
    ({"density": "end = 0"}, "density.end", "positive"),
    ({"density": "end = -1"}, "density.end", "positive"),
    ({"density": "end = 1\nframes = 1"}, "density.frames", "at least 2"),
    ({"density": "end = 1\nframes = 2.5"}, "density.frames", "integer"),
    ({"density": "end = 1\nframes = 2\ntimes = [1]"}, "density", "either frames or times"),
    ({"density": "times = [1, 1]"}, "density.times", "strictly increase"),
    ({"density": "times = [2, 1]"}, "density.times", "strictly increase"),
    ({"density": "times = [-1, 1]"}, "density.times[0]", "negative"),
    ({"density": "times = [0]"}, "density.times", "after t = 0"),
    ({"density": "times = []"}, "density.times", "few"),
    ({"density": "times = [1, 3]\nend = 2"}, "density.times", "beyond"),
    ({"density": "end = 1\nscheme = 'upwind'"}, "density.scheme", "high-order"),
    ({"density": "end = 1\nstepper = 'euler'"}, "density.stepper", "implicit"),
    ({"density": "end = 1\nrtol = 0"}, "density.rtol", "> 0 and < 1"),
    ({"density": "end = 1\nrtol = 1"}, "density.rtol", "> 0 and < 1"),
    # output, stationary, expect
    ({"stationary": "count = 1"}, "stationary.count", "none"),
    ({"output": "precision = 'float16'"}, "output.precision", "float32"),
    ({"output": "every_frame = 1"}, "output.every_frame", "true or false"),
    ({"output": "figures = ['densty']"}, "output.figures[0]", "density"),
    ({"output": "figures = 'density'"}, "output.figures", "a list"),
    ({"expect": "mass = 1"}, "expect.mass", "not a table"),
    ({"expect": "mass = {}"}, "expect.mass", "expects nothing"),
    ({"expect": "mass = { value = 1 }"}, "expect.mass", "rtol or atol"),
    ({"expect": "mass = { rtol = 1 }"}, "expect.mass", "need a value"),
    ({"expect": "mass = { min = 2, max = 1 }"}, "expect.mass", "above"),
    ({"expect": "mass = { value = 1, rtol = -1 }"}, "expect.mass.rtol", "negative"),
    ({"expect": "mass = { maximum = 1 }"}, "expect.mass.maximum", "'max'"),
]


@pytest.mark.parametrize(
    ("sections", "key", "part"), BAD, ids=[f"{i}-{key}" for i, (_, key, _) in enumerate(BAD)]
)
def test_bad_input(write: Any, sections: dict[str, str | None], key: str, part: str) -> None:
    path = write(**sections)
    with pytest.raises(CaseError) as caught:
        load_case(path)
    assert caught.value.key == key
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: {key}: ")
    assert part in sentence
    assert "\n" not in sentence
    assert "pydantic" not in sentence


def test_toml_syntax_names_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('title = "a"\n[loss\nformula = "x"\n')
    with pytest.raises(CaseError, match=r"bad\.toml: is not valid TOML: .*line 2, column 6"):
        load_case(path)


def test_file_that_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(b"title = '\xff'")
    with pytest.raises(CaseError, match=r"bad\.toml: byte 9 is not UTF-8"):
        load_case(path)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match=r"no such file.*nearest: quadratic\).*double_well_1d"):
        load_case("quadratc")
    with pytest.raises(CaseError, match="is a directory"):
        load_case(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"density.fin": 3}, "density.fin"),
        ({"densty.end": 3}, "densty"),
        ({"noise.beta": -3}, "noise.beta"),
        ({"domain.x.cells": 2}, "domain.x.cells"),
        ({"title.long": 2}, "title.long"),
        ({"density.times": [1]}, "density"),
    ],
)
def test_bad_override_names_its_origin(write: Any, overrides: dict[str, Any], key: str) -> None:
    with pytest.raises(CaseError, match=f"^--set: {key}: "):
        load_case(write(), overrides, origin="--set")


def test_fault_of_the_file_beside_an_override(write: Any) -> None:
    path = write(noise="sigma = 1.0\nbeta = -1")
    with pytest.raises(CaseError, match=f"^{re.escape(str(path))}: noise.beta"):
        load_case(path, {"density.end": 2.0}, origin="--set")


def test_initial_density_cut_off_is_a_warning(load: Any) -> None:
    # 1 - Phi(2.5) beyond x = 4 and 1 - Phi(3) below y = -4, in units of std = 1.
    with pytest.warns(CaseWarning, match=r"cuts off.*0\.0076 of its mass lies outside"):
        load(initial="kind = 'gaussian'\nmean = [1.5, -1.0]\nstd = 1.0")


def test_narrow_initial_density_is_a_warning(load: Any) -> None:
    with pytest.warns(CaseWarning, match=r"narrower than a cell along y"):
        load(initial="kind = 'gaussian'\nmean = [0, 0]\nstd = 0.4")


def test_periodic_axis_cuts_nothing_off(load: Any) -> None:
    load(
        domain="x = { range = [0, 4], cells = 16, boundary = 'periodic' }\n"
        "y = { range = [-9, 9], cells = 32 }",
        initial="kind = 'gaussian'\nmean = [0, 0]\nstd = 1.0",
    )


def test_memory_is_counted(load: Any) -> None:
    # 3 directions, 2 rates each, three times over for working arrays, and 3 frames.
    assert memory_needed(load()) == 32 * 16 * 8 * (3 * 6 + 3)
    assert memory_needed(load({"output.every_frame": False})) == 32 * 16 * 8 * (3 * 6 + 2)
    available = memory.memory_available()
    assert available is None or 2**20 < available < 2**50


def test_memory_counts_frames(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_available", lambda: 2**20)
    path = write()
    with pytest.raises(CaseError, match=r"need about 9\.78 MiB of memory and 1 MiB"):
        load_case(path, {"density.frames": 2486})


def test_bundled_cases_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = bundled_cases()
    assert {"quadratic", "double_well_1d", "quadratic_3d", "momentum"} <= set(names)
    assert load_case("quadratic").grid.shape == (128, 128)
    # A file of that name here is meant when it is named as a file.
    (tmp_path / "quadratic.toml").write_text(case_text(initial=None))
    assert find_case("quadratic") == names["quadratic"]
    assert load_case("quadratic.toml").title == "A test"


# The small grid may be too coarse for the start.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize("name", bundled_cases())
def test_bundled_case_is_read(name: str) -> None:
    case = load_case(name)
    assert case.title
    expected = set(case.expect)
    if case.density is None:
        assert case.smoothing is not None
        assert expected
        return
    # Through absorbing sides mass is meant to leave.
    kept = {"mass_drift"} if case.grid.domain.closed else set()
    assert kept | {"minimum"} <= expected
    small = load_case(name, {f"domain.{axis}.cells": 48 for axis in case.grid.names})
    small.problem.check(small.grid)


@pytest.mark.parametrize("name", ["double_well_2d", "quadratic_anisotropic", "quadratic_3d"])
def test_bundled_case_obeys_detailed_balance(name: str, rng: np.random.Generator) -> None:
    """Sigma grad Phi~ = grad Phi - f + div Sigma/beta (50), with the Phi~ that its text names."""
    problem = load_case(name).problem
    points = rng.uniform(-2.0, 2.0, (problem.ndim, 50))
    if name == "double_well_2d":
        gradient = problem.gradient_at(points)
    elif name == "quadratic_3d":
        gradient = points
    else:
        p = problem.parameters
        c, s = np.cos(p["angle"]), np.sin(p["angle"])
        axes = np.array([[c, s], [-s, c]])
        stiffness = np.diag([p["steep"] / p["strong"], p["flat"] / p["weak"]])
        gradient = axes.T @ stiffness @ axes @ points
    force = np.einsum("ijn,jn->in", problem.sigma_at(points), gradient)
    np.testing.assert_allclose(problem.velocity_at(points), -force, rtol=1e-12, atol=1e-12)
