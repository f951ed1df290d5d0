"""The command line: exit status, one sentence for bad input, what is written where."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest
from measures import compiled_only

from fokkerplanck import load_case, open_result
from fokkerplanck.case import bundled_cases
from fokkerplanck.cli.main import main

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--set", "domain.x.cells=32", "--set", "domain.y.cells=32", "--set", "density.frames=3"]
WALKERS = ["--set", "ensemble.particles=500", "--set", "validation.budget=false"]
SHORT = [*SMALL, *WALKERS, "--set", "density.end=0.2"]
# The mesh is too coarse for the numbers that the bundled case promises.
QUICK = [*SHORT, "--set", "expect={}"]

COMMAND = [sys.executable, "-m", "fokkerplanck"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def sentence(capsys: pytest.CaptureFixture[str]) -> str:
    """What came on stderr: one line, beside warnings that few cells are worth."""
    lines = [
        line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")
    ]
    assert len(lines) == 1
    return lines[0]


def test_run_writes_beside_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "quadratic", *QUICK]) == 0
    shown = capsys.readouterr()
    path = Path("runs/quadratic/quadratic.h5")
    assert str(path) in shown.out
    result = open_result(path)
    assert result.status == "complete"
    assert result.density.shape == (3, 32, 32)
    figures = [file for file in path.parent.iterdir() if file != path]
    assert {"density.png", "report.html"} <= {file.name for file in figures}
    assert all(str(file) in shown.out for file in figures)
    page = (path.parent / "report.html").read_text(encoding="utf-8")
    for file in set(figures) - {path.parent / "report.html"}:
        assert base64.b64encode(file.read_bytes()).decode() in page
    assert '<figure class="film"' in page
    assert "largest memory of the process" in page


def test_run_without_figures_into_a_folder() -> None:
    assert main(["run", "quadratic", *QUICK, "--out", "there", "--no-figures", "--quiet"]) == 0
    assert [file.name for file in Path("there").iterdir()] == ["quadratic.h5"]


def test_run_without_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--set", "output.figures=[]"]
    assert main(["run", "quadratic", *QUICK, *few, "--set", "output.report=false"]) == 0
    assert [file.name for file in Path("runs/quadratic").iterdir()] == ["quadratic.h5"]
    # Neither key changes a number, so the result is read again, and the page says no memory of it.
    assert main(["run", "quadratic", *QUICK, *few, "--resume"]) == 0
    page = Path("runs/quadratic/report.html")
    assert str(page) in capsys.readouterr().out
    assert "largest memory" not in page.read_text(encoding="utf-8")
    assert main(["run", "quadratic", *QUICK, "--set", "output.report=1"]) == 2
    assert "output.report" in sentence(capsys)


def test_missed_expectation_is_one_and_keeps_the_result(
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = ["--set", "expect={minimum={min=0}, mass_drift={max=-1}}"]
    assert main(["run", "quadratic", *SHORT, *expected, "--no-figures"]) == 1
    missed = sentence(capsys)
    assert missed.startswith("not as expected: ")
    assert "mass_drift" in missed
    assert "stands for" not in missed
    assert open_result("runs/quadratic/quadratic.h5").status == "complete"


def test_a_miss_tells_what_was_set_since(capsys: pytest.CaptureFixture[str]) -> None:
    """As in a member of a sweep, whose case expects the numbers of another beta."""
    Path("well.toml").write_text(
        'loss.formula = "x**2/2"\nnoise = { sigma = 1, beta = 4 }\n'
        "domain.x = { range = [-4, 4], cells = 24 }\n"
        "density = { end = 8, frames = 2 }\n"
        "expect.final.expected_loss = { value = 0.125, rtol = 0.05 }\n"
    )
    plain = ["run", "well.toml", "--no-figures", "--overwrite", "--set", "title=well"]
    assert main(plain) == 0
    assert main([*plain, "--set", "noise.beta=2"]) == 1
    since = "; [expect] stands for the case before noise.beta was set"
    assert sentence(capsys).endswith(since)
    assert main(["report", "runs/well/well.h5", "--no-figures"]) == 0
    assert since in Path("runs/well/report.html").read_text(encoding="utf-8")


def test_existing_result_is_never_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "quadratic", *QUICK, "--no-figures"]
    path = Path("runs/quadratic/quadratic.h5")
    assert main(arguments) == 0
    before = path.read_bytes()
    capsys.readouterr()
    assert main(arguments) == 2
    assert str(path) in sentence(capsys)
    assert path.read_bytes() == before
    # --resume reports the complete result.
    assert main([*arguments, "--resume"]) == 0
    assert path.read_bytes() == before
    assert str(path) in capsys.readouterr().out
    assert main([*arguments, "--overwrite"]) == 0
    assert open_result(path).status == "complete"


def test_file_that_is_no_result_is_not_replaced_by_resume(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path("runs/quadratic/quadratic.h5")
    path.parent.mkdir(parents=True)
    path.write_text("a diary")
    assert main(["run", "quadratic", *QUICK, "--resume"]) == 2
    assert str(path) in sentence(capsys)
    assert path.read_text() == "a diary"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["run", "nowhere.toml"], "nowhere.toml: there is no such file"),
        (["run", "quadratic", "--set", "noise.betta=1"], "--set: noise.betta: unknown key"),
        (["run", "quadratic", "--set", "noise.beta=-1"], "--set: noise.beta: -1 is not positive"),
        (["run", "quadratic", "--set", "density.end"], "--set: 'density.end' is not of the form"),
        (["run", "quadratic", "--threads", "0"], "--threads: 0 threads are not possible"),
        (["run", "quadratic", "--threads", "100000"], "100000 threads are not possible"),
        (["run", "quadratic", "--set", "domain.x.cells=1_000_000_000"], "memory"),
        (["check", "quadratic", "--set", "loss.formula=x +"], "loss.formula"),
        (["study", "quadratic", "--levels", "1"], "--levels: 1 is too small"),
        (["plot", "nowhere.h5"], "nowhere.h5"),
        (["new", "no/such/folder/case"], "No such file or directory"),
    ],
)
def test_bad_input_is_two(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert part in sentence(capsys)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["noise.sigma=[[1, 0.5], [0.4, 1]]"], ["noise.sigma", "symmetric"]),
        (["noise.sigma=[['x', 0], [0, 1]]"], ["noise.sigma", "x ="]),
        (["loss.formula=log(x)"], ["loss.formula", "x ="]),
    ],
)
def test_what_only_the_grid_shows_is_two(
    overrides: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = [part for one in overrides for part in ("--set", one)]
    assert main(["run", "quadratic", *QUICK, *settings]) == 2
    found = sentence(capsys)
    assert all(part in found for part in parts)
    assert not Path("runs/quadratic/quadratic.h5").exists()


@pytest.mark.parametrize(
    "arguments", [[], ["walk"], ["run"], ["run", "quadratic", "--resume", "--overwrite"]]
)
def test_wrong_arguments_are_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: fokkerplanck" in capsys.readouterr().err


def test_unwritable_output_is_two(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("in the way")
    assert main(["run", "quadratic", *QUICK, "--out", "file/below"]) == 2
    assert "file/below" in sentence(capsys)


def test_warnings_take_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "quadratic", *SHORT, "--set", "initial.mean=[3.5, 0]"]) == 0
    [warned] = capsys.readouterr().err.splitlines()
    assert warned.startswith("warning: the domain cuts off the initial density")


def test_check_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "quadratic"]) == 0
    explained = capsys.readouterr().out
    assert "128" in explained
    assert "detailed balance" in explained.lower()
    assert not Path("runs").exists()


def test_list_has_every_bundled_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["quadratic"] == load_case("quadratic").title
    assert set(lines) == {file.stem for file in (ROOT / "cases").glob("*.toml")}


def test_new_case_runs_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "mine"]) == 0
    assert load_case("mine.toml").title == "mine"
    assert main(["run", "mine.toml", *SHORT, "--set", "expect={}", "--no-figures"]) == 0
    assert Path("runs/mine/mine.h5").exists()
    capsys.readouterr()
    Path("mine.toml").write_text("edited")
    assert main(["new", "mine.toml"]) == 2
    assert "mine.toml: exists" in sentence(capsys)
    assert Path("mine.toml").read_text() == "edited"


@compiled_only
def test_new_case_keeps_its_promises() -> None:
    """At the size it is written with."""
    main(["new", "mine"])
    assert main(["run", "mine.toml", "--no-figures"]) == 0


def test_plot_draws_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "quadratic", *QUICK])
    capsys.readouterr()
    assert main(["plot", "runs/quadratic/quadratic.h5", "--out", "again"]) == 0
    drawn = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert drawn
    assert {path.name for path in drawn} == {
        path.name for path in Path("runs/quadratic").iterdir() if path.suffix == ".png"
    }
    assert all(path.parent == Path("again") and path.stat().st_size > 0 for path in drawn)


def test_figures_a_case_may_name_are_those_there_are() -> None:
    from fokkerplanck.case import choices
    from fokkerplanck.figures import FIGURES

    assert choices.FIGURES == FIGURES


def test_schemes_and_steppers_a_case_may_name_are_those_there_are() -> None:
    from fokkerplanck.case import choices
    from fokkerplanck.timestepping.schemes import SCHEMES
    from fokkerplanck.timestepping.steppers import STEPPERS

    assert choices.SCHEMES == SCHEMES
    assert set(choices.STEPPERS) == {"auto", *STEPPERS}


def test_numerical_failure_is_three(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import fokkerplanck.report.explain
    from fokkerplanck import NumericalFailure

    def fail(case: object) -> str:
        raise NumericalFailure("the steps became too small", "take stepper = 'implicit'")

    monkeypatch.setattr(fokkerplanck.report.explain, "explain", fail)
    assert main(["check", "quadratic"]) == 3
    assert sentence(capsys).endswith("too small; take stepper = 'implicit'")


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_resumes_bit_identically(sign: signal.Signals) -> None:
    settings = ["--set", "density.end=100", "--set", "density.frames=101", "--set", "expect={}"]
    cells = ["--set", "domain.x.cells=64", "--set", "domain.y.cells=64"]
    arguments = ["run", "quadratic", *cells, *settings, *WALKERS, "--no-figures"]
    path = Path("runs/quadratic/quadratic.h5")
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    # A file that is being written cannot be opened, but it grows; a frame takes 32 KiB.
    while size_of(path) < 12 * 64**2 * 8 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(sign)
    _, complaint = process.communicate(timeout=60)
    assert complaint.splitlines()[-1:] == ["fokkerplanck: interrupted; --resume continues"]
    assert process.returncode == 130
    interrupted = open_result(path)
    assert interrupted.status == "interrupted"
    assert 0 < len(interrupted.time) < 101

    assert main([*arguments, "--resume"]) == 0
    assert main([*arguments, "--out", "whole"]) == 0
    with h5py.File(path) as resumed, h5py.File("whole/quadratic.h5") as whole:
        for name in ("time", "density", "free_energy", "covariance"):
            assert resumed[name][...].tobytes() == whole[name][...].tobytes()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_broken_pipe_is_quiet() -> None:
    process = subprocess.Popen(
        [*COMMAND, "list"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait() == 0


def test_threads_are_set_before_the_kernels_are_loaded() -> None:
    code = (
        "from fokkerplanck.cli.main import main; import sys;"
        f"status = main(['run', 'quadratic', '--threads', '1', '--no-figures', *{QUICK}]);"
        "import numba; sys.stderr.write(f'{numba.config.NUMBA_NUM_THREADS}'); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "1"


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for option, part in (("--version", "fokkerplanck 0.1.0"), ("--help", "exit status")):
        with pytest.raises(SystemExit) as stopped:
            main([option])
        assert stopped.value.code == 0
        assert part in capsys.readouterr().out


# What bash offers for a line that ends where the cursor stands.
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        (["comp"], {"compare", "completion"}),
        (["run", "--o"], {"--out", "--overwrite"}),
        (["check", "caug"], {"caughey", "caug ht.toml"}),
        (["export", "a.h5", "--to", ""], {"vtkhdf", "xdmf"}),
        (["plot", "caug"], {"caug ht.toml"}),
        (["completion", ""], {"bash", "zsh"}),
        (["--v"], {"--version"}),
    ],
)
def test_bash_completes(
    line: list[str], offered: set[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "caug ht.toml").touch()
    words = shlex.join(["fokkerplanck", *line])
    call = f"COMP_WORDS=({words}); COMP_CWORD={len(line)}; _fokkerplanck\n"
    script = capsys.readouterr().out + call + r"""printf '%s\n' "${COMPREPLY[@]}" """
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert set(done.stdout.splitlines()) == offered


def test_completion_knows_every_command_and_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert "bashcompinit" in script
    for name in ["validate", "--scheduler", "--zoomable", *bundled_cases()]:
        assert name in script, name
