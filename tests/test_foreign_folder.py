"""A folder from a stranger is data: no code from it runs, no file outside it changes."""

from __future__ import annotations

import errno
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from limits_of_time import time_limit
from matplotlib.figure import Figure
from store_samples import make_frame, make_header

from fokkerplanck import StoreError, export, load_case, open_result, run, write_report
from fokkerplanck.cli.main import main
from fokkerplanck.figures import draw
from fokkerplanck.io import Checkpoint, ResultWriter, check_free, settle
from fokkerplanck.io.storage.parts import folder_of
from fokkerplanck.report.page import write_page
from fokkerplanck.runtime.files import whole_file

ROOT = Path(__file__).resolve().parents[1]
INPUTS = ROOT / "tests" / "inputs"
HEADER = make_header((8, 6))
# What a command is that stands on the PATH: a script in a folder of its own.
SCRIPT = """
import sys
from fokkerplanck.cli.main import main
if __name__ == "__main__":
    print([main(line.split()) for line in sys.argv[1:]])
"""
PLUGIN = "[pydantic]\nstranger = stranger:plugin\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with time_limit(90):
        yield


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small result."""
    path = tmp_path_factory.mktemp("good") / "quick.h5"
    run(load_case(INPUTS / "quick.toml", {"density.end": 0.1}), path)
    return path


# Code


def plant(folder: Path, names: set[str]) -> None:
    """Modules that tell of themselves when they are imported."""
    for name in names:
        text = f"with open({str(folder / 'PWNED')!r}, 'a') as file:\n    file.write('{name} ')\n"
        (folder / f"{name}.py").write_text(text)


def importable() -> set[str]:
    """All that anything could import here: the standard library and what is installed."""
    names = {*sys.stdlib_module_names, *packages_distributions(), "stranger", "sitecustomize"}
    return {name for name in names if name.isidentifier()} - {"fokkerplanck"}


def started(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python process in the working folder that knows the package."""
    settings = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "NUMBA_", "MPL", "MATPLOTLIB"))
    }
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=80,
        env=settings | {"PYTHONPATH": str(ROOT)} | environment,
        check=False,
    )


def test_no_code_from_the_folder_runs(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, script = tmp_path / "folder", tmp_path / "bin" / "command.py"
    shutil.copytree(INPUTS / "numba_config_of_folder", folder)
    shutil.copy(good, folder)
    script.parent.mkdir()
    script.write_text(SCRIPT)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["make_cache.py", str(ROOT / "fokkerplanck")])
    runpy.run_path("make_cache.py", run_name="__main__")
    Path("make_cache.py").unlink()
    cache = sorted(Path("cache").rglob("*"))
    assert cache
    Path("matplotlibrc").write_text("text.usetex: True\n")
    Path("stranger-1.0.dist-info").mkdir()
    Path("stranger-1.0.dist-info/METADATA").write_text("Name: stranger\nVersion: 1.0\n")
    Path("stranger-1.0.dist-info/entry_points.txt").write_text(PLUGIN)
    plant(folder, importable())
    # One that does its work besides, so that the sweep succeeds.
    shutil.copy(INPUTS / "sweep_runs_folder_code" / "pickle.py", folder)
    done = started(
        str(script),
        "check case.toml",
        "run case.toml --quiet --out made",
        "sweep case.toml --set noise.beta=1,2 --workers 1 --out swept",
        "plot quick.h5",
        "report quick.h5 --zoomable",
        "validate quick.h5",
        "export quick.h5 --to vtkhdf",
    )
    assert not Path("PWNED").exists(), Path("PWNED").read_text()
    # A result without walkers cannot be validated.
    assert done.stdout.splitlines()[-1] == "[0, 0, 0, 0, 0, 2, 0]", done.stderr
    assert sorted(Path("cache").rglob("*")) == cache
    assert Path("density.png").stat().st_size > 0


def test_module_of_the_package_runs_no_code_from_the_folder(tmp_path: Path) -> None:
    """But for what Python itself imports from there to find the package."""
    shutil.copy(INPUTS / "quick.toml", "case.toml")
    before = started("-c", "import sys, runpy, importlib.util; print(*sys.modules)")
    plant(tmp_path, importable() - set(before.stdout.split()))
    done = started("-m", "fokkerplanck", "check", "case.toml")
    assert not Path("PWNED").exists(), Path("PWNED").read_text()
    assert done.returncode == 0, done.stderr


def test_the_user_s_own_settings_hold(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "matplotlibrc").write_text("lines.linewidth: 7\n")
    Path("matplotlibrc").write_text("lines.linewidth: 9\n")
    Path(".numba_config.yaml").write_text("opt: 1\n")
    code = (
        "from fokkerplanck.runtime.own_settings import use_own_settings as own; own(); own()\n"
        "import os, matplotlib, numba, numba.core.config as config\n"
        "config.reload_config()\n"
        "print(matplotlib.rcParams['lines.linewidth'], int(config.OPT), config.NUMBA_NUM_THREADS,"
        "os.getcwd())"
    )
    own = {"MPLCONFIGDIR": str(tmp_path / "own"), "NUMBA_NUM_THREADS": "1"}
    done = started("-c", code, **own)
    assert done.stdout.split() == ["7.0", "3", "1", str(tmp_path)], done.stderr


# Two names of one file


def begun(path: Path, frames: int) -> ResultWriter:
    writer = ResultWriter.create(path, HEADER)
    for index in range(frames):
        put(writer, index)
    return writer


def put(writer: ResultWriter, index: int) -> None:
    frame = make_frame(HEADER, index)
    writer.append(frame, Checkpoint(index, frame.time, frame.density, 0.5, {"n": index}))


def linked(path: Path, kind: Callable[..., None], name: str = "b/other.h5") -> Path:
    link = Path(name)
    link.parent.mkdir()
    kind(path.absolute(), link)
    return link


def test_one_writer_under_two_names() -> None:
    with begun(Path("a.h5"), 2) as writer:
        link = linked(Path("a.h5"), os.symlink)
        for second in (lambda: ResultWriter.resume(link, HEADER), lambda: check_free(link)):
            with pytest.raises(StoreError, match=f"process {os.getpid()} "):
                second()
        put(writer, 2)
        writer.close("interrupted")
    assert sorted(os.listdir("b")) == ["other.h5"]
    resumed, checkpoint = ResultWriter.resume(link, HEADER)
    assert checkpoint is not None
    assert checkpoint.frame == 2
    with pytest.raises(StoreError, match=f"process {os.getpid()} "):
        ResultWriter.resume(Path("a.h5"), HEADER)
    put(resumed, 3)
    resumed.close("complete")
    assert link.is_symlink()
    assert len(open_result("a.h5").time) == len(open_result(link).time) == 4
    assert sorted(os.listdir(".")) == ["a.h5", "b"]


def test_readers_through_a_link_see_the_parts() -> None:
    writer = begun(Path("a.h5"), 2)
    link = linked(Path("a.h5"), os.symlink)
    result = open_result(link)
    assert len(result.time) == 2
    put(writer, 2)
    assert len(open_result(link).time) == 3
    writer.close("interrupted")


def test_settling_through_a_link() -> None:
    with begun(Path("a.h5"), 2):
        pass
    link = linked(Path("a.h5"), os.symlink)
    Path("a.h5.part").mkdir()
    Path("a.h5.part/walkers.npz").write_bytes(b"left")
    settle(link)
    assert sorted(os.listdir(".")) == ["a.h5", "b"]


def test_a_file_with_two_names_is_not_resumed() -> None:
    writer = begun(Path("a.h5"), 2)
    writer.close("interrupted")
    link = linked(Path("a.h5"), os.link)
    before = link.read_bytes()
    for name in (link, Path("a.h5")):
        with pytest.raises(StoreError, match="2 names"):
            ResultWriter.resume(name, HEADER)
    assert link.read_bytes() == before
    assert sorted([*os.listdir("."), *os.listdir("b")]) == ["a.h5", "b", "other.h5"]
    # A new file under one of them leaves the other alone.
    with ResultWriter.create(link, HEADER, overwrite=True):
        pass
    assert Path("a.h5").read_bytes() == before
    ResultWriter.resume(Path("a.h5"), HEADER)[0].close("complete")


def test_a_new_result_replaces_a_link_and_not_its_file() -> None:
    writer = begun(Path("a.h5"), 2)
    link = linked(Path("a.h5"), os.symlink)
    with begun_over(link):
        assert not link.is_symlink()
        put(writer, 2)
    writer.close("interrupted")
    assert len(open_result("a.h5").time) == 3
    assert len(open_result(link).time) == 1
    os.symlink("nowhere.h5", "dangling.h5")
    begun_over(Path("dangling.h5")).close("complete")
    assert not Path("dangling.h5").is_symlink()
    assert not Path("nowhere.h5").exists()


def begun_over(path: Path) -> ResultWriter:
    writer = ResultWriter.create(path, HEADER, overwrite=True)
    put(writer, 0)
    return writer


# Links that lead elsewhere


VICTIM = "<!doctype html>precious"
PLACED = ("report.html", "zoomable.html", "density.png", "free_energy.png", "observables.png")


@pytest.mark.parametrize("kind", [os.symlink, os.link])
def test_no_link_is_written_through(good: Path, kind: Callable[..., None]) -> None:
    names = [
        *PLACED,
        "quick.h5.part",
        *("quick.vtkhdf.part", "quick_xdmf.h5.part", "quick.xdmf.part", "report.html.part"),
    ]
    for name in names:
        Path(f"victim-{name}").write_text(VICTIM)
        kind(Path(f"victim-{name}").absolute(), name)
    shutil.copy(INPUTS / "quick.toml", "quick.toml")
    assert main(["run", "quick.toml", "--quiet", "--out", "."]) == 0
    assert main(["report", "quick.h5", "--zoomable"]) == 0
    assert main(["plot", "quick.h5", "--figures", "observables"]) == 0
    export("quick.h5", "vtkhdf")
    export("quick.h5", "xdmf")
    for name in names:
        assert Path(f"victim-{name}").read_text() == VICTIM
    for name in PLACED:
        assert not Path(name).is_symlink()
        assert Path(name).stat().st_nlink == 1
        assert Path(name).stat().st_size > len(VICTIM)
    assert not list(Path().glob(".*"))
    assert Path("report.html").stat().st_mode == Path("quick.toml").stat().st_mode


def test_a_folder_of_parts_that_is_a_link_is_replaced() -> None:
    """What is in the folder it leads to stays, whatever its names."""
    Path("victim").mkdir()
    for name in ("frame-00000001.npz", "walkers.npz", "result.new"):
        Path("victim", name).write_text("precious")
    os.symlink("victim", "a.h5.part")
    with begun(Path("a.h5"), 3):
        assert not folder_of(Path("a.h5")).is_symlink()
    assert [Path("victim", name).read_text() for name in os.listdir("victim")] == ["precious"] * 3
    assert sorted(os.listdir(".")) == ["a.h5", "victim"]


def test_no_part_is_written_through_a_link() -> None:
    Path("victim").write_text("precious")
    Path("a.h5.part").mkdir()
    for name in ("frame-00000001.npz", "frame-00000001.npz.new", "result.new", "walkers.npz"):
        os.symlink("../victim", f"a.h5.part/{name}")
    with begun(Path("a.h5"), 3):
        assert len(open_result("a.h5").time) == 3
    assert Path("victim").read_text() == "precious"
    assert sorted(os.listdir(".")) == ["a.h5", "victim"]


@pytest.mark.parametrize("kind", [os.symlink, os.link])
def test_a_lock_that_is_a_link(kind: Callable[..., None]) -> None:
    Path("victim").write_text("precious")
    kind(Path("victim").absolute(), "a.h5.lock")
    with pytest.raises(StoreError, match=r"a\.h5\.lock"):
        ResultWriter.create("a.h5", HEADER)
    assert Path("victim").read_text() == "precious"
    Path("a.h5.lock").unlink()
    os.mkfifo("a.h5.lock")
    with pytest.raises(StoreError, match=r"a\.h5\.lock"):
        ResultWriter.create("a.h5", HEADER)
    Path("a.h5.lock").unlink()
    os.symlink("nowhere", "a.h5.lock")
    with pytest.raises(StoreError, match=r"a\.h5\.lock"):
        ResultWriter.create("a.h5", HEADER)
    assert sorted(os.listdir(".")) == ["a.h5.lock", "victim"]


def test_a_full_disk_leaves_no_half_file(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = open_result(good)

    def full(figure: Figure, path: Path, **options: Any) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def failing() -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    Path("density.png").write_bytes(b"old")
    write_report(result, "report.html")
    page = Path("report.html").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", full)
        with pytest.raises(StoreError, match="No space"):
            draw(result, ".", ["density"])
        with pytest.raises(StoreError, match="No space"):
            draw(result, ".", ["free_energy"])
    with pytest.raises(StoreError, match="No space"):
        write_page(Path("report.html"), failing)
    assert Path("density.png").read_bytes() == b"old"
    assert Path("report.html").read_bytes() == page
    assert sorted(os.listdir(".")) == ["density.png", "report.html"]


def test_a_file_takes_its_place_when_it_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    monkeypatch.setattr(
        "fokkerplanck.runtime.files.sync_data", lambda descriptor: done.append("sync")
    )
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("name"))
    with whole_file(Path("a.txt")) as fresh:
        fresh.write_text("new")
    assert done == ["sync", "name"]
