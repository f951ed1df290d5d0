"""The frames come first, analyses that fail leave the rest alone, and a run shows where it is."""

from __future__ import annotations

import ast
import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses import local_entropy
from fokkerplanck.analyses.text import measured
from fokkerplanck.cli.main import main
from fokkerplanck.errors import CaseError, CaseWarning, NumericalFailure
from fokkerplanck.fractional.levy import LevySystem
from fokkerplanck.fractional.levy_integrator import LevyIntegrator
from fokkerplanck.pipeline.recorder import Recorder
from fokkerplanck.problem import Problem
from fokkerplanck.report.checks import checks_of
from fokkerplanck.report.closing_table import summary
from fokkerplanck.runtime.clock import Compiler
from fokkerplanck.runtime.progress import Progress
from fokkerplanck.sweep.task import Task, solve
from fokkerplanck.timestepping.schemes import SCHEME_TABLE, make_integrator
from fokkerplanck.timestepping.system import System

# The package's function of that name hides the module.
STAGES = sys.modules["fokkerplanck.pipeline.stages"]
ROOT = Path(__file__).resolve().parents[1]

# A bent valley: at this beta the null vector of its generator is out of reach on so few cells.
VALLEY = """
[loss]
formula = "(x**2 + y - 1)**2 + 0.05*x**2"
[noise]
sigma = [["1", "0.7"], ["0.7", "1"]]
beta = 160.0
learning_rate = 0.01
[domain]
x = { range = [-2, 2], cells = 32 }
y = { range = [-2, 2], cells = 32 }
[initial]
kind = "gaussian"
mean = [1.0, 0.0]
std = 0.15
[density]
end = 0.1
frames = 3
[stationary]
[smoothing]
gamma = 4.0
[passage]
target = "x < -1"
escape = true
[ensemble]
particles = 200
[expect]
"final.mean[0]" = { value = 1.0, atol = 0.1 }
"""

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")


@pytest.fixture(scope="module")
def valley(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("valley") / "valley.toml"
    path.write_text(VALLEY)
    return path


@pytest.fixture(scope="module")
def solved(valley: Path) -> Path:
    """Its result file."""
    with pytest.warns(CaseWarning, match="no stationary density"):
        run(load_case(valley), valley.with_suffix(".h5"))
    return valley.with_suffix(".h5")


def test_what_does_not_need_the_failed_analysis_is_there(solved: Path) -> None:
    found = open_result(solved)
    assert found.status == "complete"
    assert set(found.failed) == {"stationary", "passage.escape"}
    assert "exp(700)" in found.failed["stationary"]
    assert len(found.time) == 3
    assert np.isfinite(found.density).all()
    assert found.stationary is None
    assert "free_energy" not in found.observables
    assert found.smoothing is not None
    assert found.ensemble is not None
    # The mean time does not go with the wells that have no stationary state.
    assert found.passage is not None
    assert found.passage.escape is None
    assert np.isfinite(found.passage.mean_time).all()


def test_the_frames_are_those_of_the_case_without_the_section(valley: Path, solved: Path) -> None:
    text = VALLEY.partition("[stationary]")[0]
    plain = valley.with_name("plain.toml")
    plain.write_text(text)
    np.testing.assert_array_equal(run(load_case(plain)).density, open_result(solved).density)


def test_the_failure_is_in_table_page_file_and_sweep(valley: Path, solved: Path) -> None:
    found = open_result(solved)
    with h5py.File(solved) as file:
        assert set(json.loads(file.attrs["failed"])) == set(found.failed)
    text = summary(load_case(valley), found)
    assert "NOT COMPUTED" in text
    assert "[stationary]" in text
    broken = [check.what for check in checks_of(found, {}) if check.state == "broken"]
    assert broken[0] == "Complete"
    assert any("stationary" in what for what in broken)
    copy = open_result(found.save(solved.with_name("copy.h5"), overwrite=True))
    assert copy.failed == found.failed
    member = solve(Task(0, valley, VALLEY, {}, None))
    assert member.failure == "numerical"
    assert "[stationary]" in member.sentence
    assert member.numbers["mass"] == pytest.approx(1.0)


def test_exit_status(valley: Path, solved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case, out = str(valley), ["--no-figures", "--out", str(solved.parent)]
    before = solved.read_bytes()
    # The failure of a whole result is told again; the same versions would fail again.
    assert main(["run", case, "--resume", *out]) == 3
    assert solved.read_bytes() == before
    told = capsys.readouterr()
    assert "NOT COMPUTED" in told.out
    assert "[stationary]" in told.err
    # A number that is not there is a miss, not bad input; numbers that are there are judged.
    less = [
        *("--set", 'expect={"stationary.turnover"={max=1}, "final.kl_to_stationary"={max=1}}'),
        *("--set", "smoothing.gamma=9.0", "--out", str(solved.parent / "less"), "--no-figures"),
    ]
    assert main(["run", case, *less]) == 3
    err = capsys.readouterr().err
    assert "not as expected: stationary.turnover" in err
    assert "not as expected: final.kl_to_stationary" in err
    # What was not asked for is a caution only.
    plain = valley.with_name("plain.toml")
    plain.write_text(VALLEY.partition("[stationary]")[0])
    assert main(["run", str(plain), *out]) == 0
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    assert "exit status" in capsys.readouterr().out


def test_an_interrupted_run_tries_the_analysis_again(valley: Path, tmp_path: Path) -> None:
    case, path, asked = load_case(valley), tmp_path / "a.h5", []

    def stopped() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(KeyboardInterrupt):
        run(case, path, stopped=stopped)
    assert open_result(path).failed == {}
    assert len(open_result(path).time) == 3
    again = run(case, path, resume=True)
    assert set(again.failed) == {"stationary", "passage.escape"}


def test_unexpected_failures_of_an_analysis_name_it(
    valley: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("float division by zero")

    monkeypatch.setattr(local_entropy, "smooth", broken)
    found = run(load_case(valley))
    assert "ZeroDivisionError" in found.failed["smoothing"]
    assert found.ensemble is not None


def test_bad_input_is_refused_before_the_frames(
    valley: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(STAGES, "march_density", lambda *_: pytest.fail("marched"))
    for changes, key in (
        ({"ensemble.method": "leimkuhler-matthews"}, "ensemble.method"),
        ({"domain.x.boundary": "absorbing", "passage.escape": False}, "stationary"),
    ):
        with pytest.raises(CaseError) as caught:
            run(load_case(valley, changes))
        assert caught.value.key == key
    # Without a start there is nothing to move on in time.
    with pytest.raises(NumericalFailure):
        run(load_case(valley, {"initial": {"kind": "stationary"}}))


@pytest.mark.parametrize(
    ("scheme", "stepper"),
    [
        ("scharfetter-gummel", "uniformization"),
        ("scharfetter-gummel", "chebyshev"),
        ("scharfetter-gummel", "extrapolated"),
        ("high-order", "auto"),
    ],
)
def test_long_steps_tell_the_time_within_them(scheme: str, stepper: str) -> None:
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-4, 4)})
    x = problem.grid(200).centers[0]
    start = np.exp(-((x - 0.5) ** 2))
    reached: list[float] = []
    quiet, told = (System(problem, problem.grid(200)) for _ in range(2))
    told.moved = reached.append
    ends = []
    for system in (quiet, told):
        march, _, _ = make_integrator(SCHEME_TABLE[scheme], stepper, system, [0.0, 4.0], 1e-2)
        ends.append(march.advance(start, 0.0, 4.0, 0.0)[0])
    np.testing.assert_array_equal(*ends)
    assert len(reached) > 2
    assert 0.0 < min(reached) < 4.0
    assert max(reached) == pytest.approx(4.0)


def test_heavy_tails_tell_the_time_within_a_frame() -> None:
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-4, 4)}, alpha=1.5, learning_rate=1.0)
    system, reached = LevySystem(problem, problem.grid(64)), []
    system.moved = reached.append
    LevyIntegrator(system, 1e-2, 1.0).advance(np.full(64, 0.125), 0.0, 1.0, 0.0)
    assert reached == sorted(reached)
    assert reached[0] < reached[-1] == pytest.approx(1.0)


def test_stages_and_compilation_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fokkerplanck.runtime.progress.PATIENCE_S", -1.0)
    compiler = Compiler()
    shown = Progress("case", True, compiler.busy)
    with shown.stage("solving"):
        shown._draw()
        assert "case: solving" in capsys.readouterr().err
        compiler.on_start(None)
        compiler.made = 3
        shown._draw()
        assert "compiling kernels, once: 3 done" in capsys.readouterr().err
    with shown.bar("walkers", 2.0) as bar:
        bar.update(1.0)
        shown._draw()
        assert re.search(r"case walkers \(compiling kernels.* 50%", capsys.readouterr().err)
    hidden = Progress("case", False)
    with hidden.watching(), hidden.stage("solving"), hidden.bar("", 1.0) as bar:
        hidden._draw()
        bar.update(1.0)
    assert "solving" not in capsys.readouterr().err


def test_the_compiler_is_timed_from_the_outermost_call(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([10.0, 13.0, 20.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    compiler = Compiler()
    # The end of what began before the listening says nothing.
    compiler.on_end(None)
    compiler.on_start(None)
    compiler.on_start(None)
    compiler.on_end(None)
    assert compiler.busy()[0] == 3.0
    compiler.on_end(None)
    assert compiler.spent == 10.0
    assert compiler.busy() == (0.0, 1)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.84123456, 0.0023, "0.8412 +- 0.0023"),
        (-2.9e-5, 1e-2, "0 +- 0.01"),
        (1234.567, 31.0, "1235 +- 31"),
        (1.234e-8, 4e-10, "1.234e-08 +- 4e-10"),
        (np.pi, None, "3.14159"),
        (np.pi, np.nan, "3.14159"),
        (-0.0, 0.0, "0"),
    ],
)
def test_digits_end_where_the_error_begins(value: float, error: float | None, text: str) -> None:
    assert measured(value, error) == text


def test_numbers_of_the_table_stand_beside_their_times(valley: Path) -> None:
    case = load_case(valley, {"ensemble.end": 0.05})
    found = run(case)
    rows = dict(line.split("  ", 1) for line in summary(case, found).splitlines() if "  " in line)
    assert "at t = 0.1" in rows["mean"]
    assert "at t = 0.05" in rows["mean of the walkers"]
    assert found.ensemble is not None
    error = np.sqrt(found.ensemble.covariance[-1][0, 0] / 200)
    assert f"+- {error:.2g}" in rows["mean of the walkers"]


def test_no_bare_number_of_an_equation_is_said() -> None:
    """Readers of tables, pages and errors do not have the review beside them."""
    bare = re.compile(r"(?<![\w)])\((?:3[0-9]|[4-6][0-9]|70)\)")
    found = []
    for file in sorted((ROOT / "fokkerplanck").rglob("*.py")):
        if "gallery" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        if not bare.search(text):
            continue
        tree = ast.parse(text)
        holders = (ast.Module, ast.FunctionDef, ast.ClassDef)
        documented = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, holders) and node.body and isinstance(node.body[0], ast.Expr)
        }
        found += [
            f"{file.name}: {node.value}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if id(node) not in documented and bare.search(node.value)
        ]
    assert found == []


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize("frame", [0, 2, 3])
def test_a_resumed_run_says_what_a_whole_one_says(
    frame: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variance that the scheme adds is that of all frames, those before a stop included."""
    small = {"domain.x.cells": 24, "domain.v.cells": 24, "density.frames": 4, "density.end": 2}
    case = load_case("momentum", {**small, "expect": {}})
    case = replace(case, ensemble=None, validation=None)
    whole = run(case)
    assert any("the scheme itself adds" in note for note in whole.notes)
    real = Recorder.frame

    def stopped(self: Recorder, state: Any, measured: dict[str, Any]) -> None:
        self.stopped = lambda: state.frame == frame
        real(self, state, measured)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "frame", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(case, tmp_path / "a.h5")
    assert run(case, tmp_path / "a.h5", resume=True).notes == whole.notes
