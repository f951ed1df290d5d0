"""What a run leaves when it is killed, interrupted, out of disk or out of numbers."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from measures import compiled_only

from fokkerplanck import open_result
from fokkerplanck.cli import signals
from fokkerplanck.cli.main import main
from fokkerplanck.io.storage.lock import Lock
from fokkerplanck.io.storage.parts import Folder, folder_of
from fokkerplanck.pipeline import evolution
from fokkerplanck.pipeline.recorder import Recorder

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_NUM_THREADS": "1"}
CASE = """
[loss]
formula = "0.5*(x**2 + y**2)"
[noise]
sigma = 1.0
beta = 2.0
[domain]
x = { range = [-5, 5], cells = 40 }
y = { range = [-5, 5], cells = 40 }
[initial]
kind = "gaussian"
mean = [1.0, 0.5]
std = 0.5
[density]
end = 1.0
frames = 12
scheme = "scharfetter-gummel"
[stationary]
"""
FRAMES = 12
RUN = ["run", "case.toml", "--no-figures", "--quiet"]
PATH = Path("runs/case/case.h5")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("case.toml").write_text(CASE)
    return tmp_path


def assert_resumes(capsys: pytest.CaptureFixture[str], path: Path = PATH) -> None:
    """--resume ends well, and the file is that of a run that nothing happened to."""
    assert main([*RUN, "--out", str(path.parent), "--resume"]) == 0
    assert main([*RUN, "--out", "whole"]) == 0
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    capsys.readouterr()
    found = []

    def compare(name: str, item: h5py.HLObject) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind != "O":
            assert resumed[name][()].tobytes() == item[()].tobytes(), name
            found.append(name)

    with h5py.File(path) as resumed, h5py.File("whole/case.h5") as whole:
        whole.visititems(compare)
    assert {"density", "free_energy", "stationary/density", "checkpoint/density"} <= set(found)


def at_step(patch: pytest.MonkeyPatch, number: int, action: Callable[[], object]) -> None:
    """Do something in the middle of the step to frame ``number``."""
    real = evolution._advanced
    count = []

    def advanced(*arguments: object) -> object:
        count.append(1)
        if len(count) == number:
            action()
        return real(*arguments)  # type: ignore[arg-type]

    patch.setattr(evolution, "_advanced", advanced)


KILLS = """
import json, sys, tempfile
from pathlib import Path
from benchmarks.kills import Part, measure
small = ("domain.x.cells=24", "domain.y.cells=24", "density.frames=6", "density.end=1000")
part = Part("density", "sharp_flat", small)
tally, span = measure(part, 6, Path(sys.argv[1]), timed=False)
print(json.dumps({**vars(tally), "calls": span.calls}))
"""


@compiled_only
def test_a_run_killed_in_the_middle_of_its_writes_loses_nothing(tmp_path: Path) -> None:
    """At the first call that changes the disk, at the last one, and at four more."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLS, tmp_path],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tally = json.loads(done.stdout)
    assert tally["kills"] == tally["in_write"] == 6
    assert tally["calls"] > 20
    assert tally["ends"] >= 2
    for name in ("lost_files", "lost_frames", "differing"):
        assert tally[name] == 0, tally["complaints"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_frame_come_to_its_end(
    number: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 4, lambda: os.kill(os.getpid(), number))
        assert main(RUN) == 130
    assert capsys.readouterr().err == "fokkerplanck: interrupted; --resume continues\n"
    cut = open_result(PATH)
    assert (cut.status, len(cut.time)) == ("interrupted", 5)
    assert_resumes(capsys)


def test_a_long_frame_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(signals, "GRACE_S", 0.1)
    monkeypatch.setattr(signals, "AGAIN_S", 0.1)

    def endless() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        # What a library does with an exception in one of its callbacks.
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                time.sleep(20)
        time.sleep(20)

    begin = time.monotonic()
    with monkeypatch.context() as patch:
        at_step(patch, 4, endless)
        assert main(RUN) == 130
    assert time.monotonic() - begin < 10
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert len(open_result(PATH).time) == 4
    capsys.readouterr()
    assert_resumes(capsys)


def test_an_interrupt_waits_for_a_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Inside HDF5 an exception would be lost, or tear the file in memory."""
    monkeypatch.setattr(signals, "GRACE_S", 0.01)
    with monkeypatch.context() as patch:
        real, count, whole = os.pwrite, [], []

        def slow(*arguments: object) -> int:
            count.append(1)
            if len(count) == 15:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.1)
                whole.append(len(count))
            return real(*arguments)  # type: ignore[arg-type]

        patch.setattr(os, "pwrite", slow)
        assert main(RUN) == 130
    assert whole == [15]
    assert open_result(PATH).status == "interrupted"
    assert not folder_of(PATH).exists()
    capsys.readouterr()
    assert_resumes(capsys)


TWICE = """
import os, signal, sys, time
from fokkerplanck.pipeline import evolution
from fokkerplanck.cli.main import main
signal.signal(signal.SIGINT, signal.default_int_handler)
advanced, count = evolution._advanced, []
def twice(*arguments):
    count.append(1)
    if len(count) == 4:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    return advanced(*arguments)
evolution._advanced = twice
sys.exit(main(sys.argv[1:]))
"""


def test_a_second_signal_ends_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", TWICE, *RUN],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert time.monotonic() - begin < 50
    assert (done.returncode, done.stderr) == (130, "fokkerplanck: aborted; --resume continues\n")
    assert len(open_result(PATH).time) == 4
    assert_resumes(capsys)


def test_a_file_that_may_not_grow_ends_with_a_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A quota, in the middle of a run."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limit[1]))
    try:
        assert main(RUN) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "File too large; free some space" in told
    # What it takes to put them together is beyond the limit, the parts are not.
    assert 0 < len(open_result(PATH).time) <= FRAMES
    assert_resumes(capsys)


def test_a_full_disk_ends_with_a_sentence_and_without_a_crash(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The interpreter ends too, with what HDF5 has to say at its exit."""
    disk = here / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only the superuser mounts disks")
    try:
        # Without the look ahead the calls themselves meet the full disk.
        code = (
            "import sys, fokkerplanck.io.storage.store as w; w.require_space = lambda *size: None;"
            "import fokkerplanck.pipeline.run; r = sys.modules['fokkerplanck.pipeline.run'];"
            "r.require_disk = lambda *place: None;"
            "from fokkerplanck.cli.main import main; sys.exit(main(sys.argv[1:]))"
        )
        settings = ["--set", "domain.x.cells=80", "--out", str(disk)]
        done = subprocess.run(
            [sys.executable, "-c", code, *RUN, *settings],
            env=ENVIRONMENT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1
        assert "No space left on device; free some space and go on with --resume" in done.stderr
        frames = len(open_result(disk / "case.h5").time)
        assert 0 < frames <= FRAMES
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert main([*RUN, *settings, "--resume"]) == 0
        assert main([*RUN, *settings[:2], "--out", "whole"]) == 0
        ours, theirs = open_result(disk / "case.h5"), open_result("whole/case.h5")
        assert ours.density.tobytes() == theirs.density.tobytes()
        assert ours.stationary is not None
        capsys.readouterr()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_lost_folder_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        at_step(patch, 5, lambda: PATH.parent.rename("elsewhere"))
        assert main(RUN) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "moved or deleted while the run wrote it" in told
    assert len(open_result("elsewhere/case.h5").time) == 5
    assert_resumes(capsys, Path("elsewhere/case.h5"))


def test_a_second_run_of_the_same_result_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    PATH.parent.mkdir(parents=True)
    lock = Lock.take(PATH)
    assert main(RUN) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"process {os.getpid()} on " in told
    assert not PATH.exists()
    lock.release()
    assert main(RUN) == 0


def test_a_killed_end_is_made_good_by_resume(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed when the result was complete and its parts were still there."""
    with monkeypatch.context() as patch:

        def remove(folder: Folder, names: set[str]) -> None:
            with h5py.File(PATH) as file:
                assert file.attrs["status"] != "complete"

        patch.setattr(Folder, "remove", remove)
        with pytest.raises(AssertionError):
            main(RUN)
    assert open_result(PATH).status == "complete"
    assert len(list(folder_of(PATH).iterdir())) >= FRAMES
    assert_resumes(capsys)


NOTHING_MORE = [
    pytest.param({"drift.formula": "['sqrt(0.55 - t)', 0]"}, "the drift is nan", 7, id="nan",
                 marks=compiled_only),
    pytest.param(
        {"drift.formula": "['exp(1500*floor(2*t)) - 1', 0]", "density.stepper": "implicit",
         "density.rtol": 0.5},
        "the drift is inf", 6, id="overflow",
    ),
    pytest.param({"loss.formula": "1e300*x**2 + y**2", "noise.beta": 1e10},
                 "beyond the largest number", 0, id="stationary"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "reason", "frames"), NOTHING_MORE)
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_numbers_that_end_keep_the_frames_before(
    changes: dict[str, object], reason: str, frames: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if "drift.formula" in changes:
        # Coefficients that change in time leave nothing stationary.
        Path("case.toml").write_text(CASE.replace("[stationary]", ""))
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    # As for a user: floating-point errors are warnings at most.
    with np.errstate(all="ignore"):
        assert main([*RUN, *settings]) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("fokkerplanck: ")
    assert reason in told
    assert "; " in told
    cut = open_result(PATH)
    assert (cut.status, len(cut.time)) == ("interrupted", frames)
    assert np.isfinite(cut.density).all()


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_walkers_that_are_all_lost_leave_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    changes = {
        "loss.formula": "0.5*(x**2 + y**2) + 1e-3*sqrt(x**2 - 0.0025)",
        **{"initial.std": 0.01, "initial.mean": [0.0, 0.0]},
        **{"ensemble.particles": 500, "ensemble.method": "langevin"},
    }
    settings = [part for key, value in changes.items() for part in ("--set", f"{key}={value}")]
    with np.errstate(all="ignore"):
        assert main([*RUN, *settings]) == 3
    told = capsys.readouterr().err.splitlines()
    assert any(line.startswith("not computed: [ensemble]: all walkers") for line in told)
    found = open_result(PATH)
    assert (found.status, len(found.time)) == ("complete", FRAMES)
    assert "all walkers" in found.failed["ensemble"]
    # Where they were seen before stays.
    assert found.ensemble is not None


def test_a_part_that_was_found_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every part obeys a signal as soon as it is written."""
    real = Recorder.take

    def signalled(self: Recorder, analysis: str, record: object) -> None:
        self.stopped = lambda: analysis == "stationary"
        real(self, analysis, record)

    monkeypatch.setattr(Recorder, "take", signalled)
    assert main(RUN) == 130
    cut = open_result(PATH)
    assert cut.status == "interrupted"
    assert cut.stationary is not None
    monkeypatch.undo()
    capsys.readouterr()
