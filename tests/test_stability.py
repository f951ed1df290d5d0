"""The edge beyond which SGD cannot rest, and who tells of it."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.analyses.stability import stability_caution, stability_edge
from fokkerplanck.cli.main import main

CASE = """
[loss]
formula = "(x**2 - 1)**2 + 0.5*(y - 0.3*x)**2"
[noise]
sigma = 1
batch_size = 16
learning_rate = 4.0
[domain]
x = { range = [-2.5, 2.5], cells = 32 }
y = { range = [-2.5, 2.5], cells = 32 }
[density]
end = 0.1
frames = 2
"""


def edge_of(loss: object, rate: float, **more: object) -> fp.stability.Edge:
    settings = {"domain": {"x": (-2.0, 2.3)}, "batch_size": 4, **more}
    problem = fp.Problem(loss, 1.0, learning_rate=rate, **settings)
    return stability_edge(problem, problem.grid(64))


def test_check_and_run_tell_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "beyond.toml"
    path.write_text(CASE)
    # H = [[8.09, -0.3], [-0.3, 1]] at (+-1, +-0.3).
    largest = float(np.linalg.eigvalsh([[8.09, -0.3], [-0.3, 1.0]])[-1])
    assert main(["check", str(path)]) == 0
    told = capsys.readouterr().out
    for number in ("noise.learning_rate 4 ", f"{2.0 / largest:.4g}", f"{largest:.4g}", "0.3"):
        assert number in told
    case = fp.load_case(path)
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        result = fp.run(case)
    assert sum("noise.learning_rate" in str(one.message) for one in given) == 1
    assert sum("noise.learning_rate" in note for note in result.notes) == 1
    below = fp.load_case(path, {"noise.learning_rate": 0.2})
    assert not stability_caution(below.problem, below.grid)


def test_momentum_moves_the_edge() -> None:
    box = {"x": (-4, 4), "v": (-4, 4)}
    edge = edge_of("5*x**2", 0.37, domain=box, momentum=0.9)
    assert edge.limit == pytest.approx(2.0 * 1.9 / 10.0)
    assert not edge.sentence
    assert edge_of("5*x**2", 0.39, domain=box, momentum=0.9).sentence
    # The recursion itself, on either side.
    for rate, grows in ((0.379, False), (0.381, True)):
        step = np.array([[1.9 - rate * 10.0, -0.9], [1.0, 0.0]])
        assert (np.abs(np.linalg.eigvals(step)).max() > 1.0) == grows


def test_the_sharpest_minimum_counts() -> None:
    # Curvatures 8 at -1 and 2 at 1, between them a maximum.
    loss = "where(x < 0, 4*(x + 1)**2, 4 - 3*exp(-((x - 1)**2)/3))"
    edge = edge_of(loss, 0.5)
    assert edge.place[0] == pytest.approx(-1.0, abs=1e-6)
    assert edge.curvature == pytest.approx(8.0)
    assert edge.widest == pytest.approx(1.0, rel=1e-6)


def test_what_has_no_edge() -> None:
    assert edge_of("2*x", 9.0) is None or not edge_of("2*x", 9.0).sentence
    assert edge_of(None, 9.0, drift=["-x"]) is None
    plain = fp.Problem("x**2", 1.0, 2.0, {"x": (-1, 1)})
    assert stability_edge(plain, plain.grid(16)) is None
    # A minimum beyond the box is none in it.
    assert edge_of("5*(x - 3)**2", 9.0) is None


def test_valleys_and_python_functions() -> None:
    ring = edge_of("(x**2 + y**2 - 1)**2", 0.5, domain={"x": (-2, 2), "y": (-2, 2)})
    assert ring.limit == pytest.approx(2.0 / 8.0, rel=1e-6)
    called = edge_of(lambda x: 2.0 * x**2, 0.6)
    assert called.limit == pytest.approx(0.5, rel=1e-6)
    turned = {"range": (0.0, 2.0 * math.pi), "boundary": "periodic"}
    assert edge_of("-cos(x)", 2.1, domain={"x": turned}).limit == pytest.approx(2.0)
