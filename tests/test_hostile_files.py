"""What strangers send: one sentence each, no traceback, no hang, no memory eaten."""

from __future__ import annotations

import contextlib
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from damages import write_good
from limits_of_time import time_limit
from store_samples import grid_of, make_header, make_points, make_stationary

from fokkerplanck import CaseError, StoreError, load_case, open_result, run
from fokkerplanck.case import memory_needs
from fokkerplanck.case.disk import disk_needed, require_disk, side_bytes
from fokkerplanck.case.files.data import read_table
from fokkerplanck.cli.main import main
from fokkerplanck.io import CRITICAL, LOOP, Search, export
from fokkerplanck.io.groups.control import fill_search, read_search
from fokkerplanck.io.groups.table import GROUPS
from fokkerplanck.io.storage import journal
from fokkerplanck.io.storage.guard import refuse_endless
from fokkerplanck.io.sweep import read_sweep
from fokkerplanck.runtime.machine import read_regular

ROOT = Path(__file__).resolve().parents[1]
INPUTS = ROOT / "tests" / "inputs"
COMMAND = [sys.executable, "-m", "fokkerplanck"]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result to be spoiled."""
    path = tmp_path_factory.mktemp("good") / "quick.h5"
    run(load_case(INPUTS / "quick.toml", {"density.end": 0.1}), path)
    return path


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with time_limit(90):
        yield


def crafted(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: Path) -> None:
    """Run one of the scripts that spoil files."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(INPUTS / name), run_name="__main__")


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=settings,
        check=False,
    )


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one sentence of a command that ends with status 2."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("attribute_length.py", "claims"),
        ("heap_beside_journal.py", "heap"),
        ("hdf5_class_double_free.py", "CLASS"),
    ],
)
def test_crafted_hdf5(
    script: str,
    word: str,
    good: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = Path("bad.h5")
    crafted(script, monkeypatch, good, bad)
    for arguments in (("report", "bad.h5"), ("export", "bad.h5", "--to", "vtkhdf")):
        line = refused(capsys, *arguments)
        assert word in line
        assert "bad.h5" in line
    with pytest.raises(StoreError, match=word):
        read_sweep(bad)


def heap_and(rest: bytes) -> bytes:
    """A heap at 0x388 whose text 32 has 16 bytes, and what stands behind it."""
    text = b"\x20\0\1\0\0\0\0\0" + (16).to_bytes(8, "little") + bytes(16)
    heap = b"GCOL\1\0\0\0" + (16 + len(text)).to_bytes(8, "little") + text
    return (bytes(0x388) + heap + rest).ljust(0x3B000, b"\0")


# The layout of 8192 bytes at 0x388c4: from its second byte on the address reads 0x388, and the size
# the number 32.
ADDRESS = (0x388C4).to_bytes(8, "little") + (0x2000).to_bytes(8, "little")


def test_an_address_of_values_is_no_text_that_claims_too_much(tmp_path: Path) -> None:
    """Seen in a result of 32 x 32 cells that was interrupted and resumed."""
    file = tmp_path / "a.h5"
    head = b"\x08\0\x18\0\0\0\0\0"
    file.write_bytes(heap_and(head + b"\3\1" + ADDRESS))
    refuse_endless(file)
    # Behind a dataspace, beyond the end of the file, or in pieces it is no such address.
    for other in (
        b"\1\0\0\0\0\0\0\0\3\1" + ADDRESS,
        head + b"\3\1" + ADDRESS[:8] + (0x2000 + 2**40).to_bytes(8, "little"),
        head + b"\3\2" + ADDRESS,
    ):
        file.write_bytes(heap_and(other))
        with pytest.raises(StoreError, match="a text claims more than it has"):
            refuse_endless(file)


def test_a_journal_that_mends_the_heap_is_heeded(good: Path) -> None:
    """What counts is the file with the pages of its journal, not the torn file alone."""
    raw = bytearray(good.read_bytes())
    place = raw.find(b"GCOL") + 16
    page = place // 4096
    whole = bytes(raw[page * 4096 : (page + 1) * 4096])
    raw[place : place + 64] = bytes(64)
    torn = Path("torn.h5")
    torn.write_bytes(raw)
    with pytest.raises(StoreError, match="heap"):
        refuse_endless(torn)
    refuse_endless(torn, {page: whole}, len(raw))
    with pytest.raises(StoreError, match="heap"):
        refuse_endless(torn, {}, len(raw))


def test_scales_of_another_kind(good: Path) -> None:
    for label, value in (("CLASS", 1.0), ("DIMENSION_LIST", "no"), ("REFERENCE_LIST", [1, 2])):
        bad = Path(f"{label}.h5")
        bad.write_bytes(good.read_bytes())
        with h5py.File(bad, "r+") as file:
            if label in file["x"].attrs:
                del file["x"].attrs[label]
            file["x"].attrs[label] = value
        with pytest.raises(StoreError, match=label):
            open_result(bad)


def test_odd_values(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    crafted("odd_values.py", monkeypatch, good, Path("odd"))
    files = sorted(Path("odd").glob("*.h5"))
    assert len(files) == 13
    for file in files:
        line = refused(capsys, "plot", str(file))
        assert file.name in line
        array = file.stem.split("_")[0]
        assert array in line
        if array != "overrides":
            assert array in refused(capsys, "export", str(file), "--to", "xdmf")


def spoil(file: h5py.File, kind: str) -> None:
    if kind == "time falls":
        file["time"][...] = file["time"][...][::-1]
    elif kind == "centres fall":
        file["x"][...] = file["x"][...][::-1]
    elif kind == "labels":
        file["component"][...] = ["y"]
    elif kind == "mass":
        file["mass"][1] = np.nan
    elif kind == "one frame":
        file["density"][1, 3] = -1.0
    elif kind == "no mass":
        file.move("mass", "nass")
    elif kind == "no dissipation":
        del file["dissipation"]
    elif kind == "loss of one length":
        values = file["expected_loss"][...]
        del file["expected_loss"]
        file["expected_loss"] = values
    elif kind == "beta text":
        file.attrs["beta"] = "two"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("time falls", "time"),
        ("centres fall", "/x"),
        ("labels", "component"),
        ("mass", "mass"),
        ("one frame", "density"),
        ("beta text", "beta"),
        ("no mass", "/mass is absent"),
        ("no dissipation", "/dissipation is absent"),
        ("loss of one length", "/expected_loss is absent"),
    ],
)
def test_values_at_the_door(kind: str, word: str, good: Path) -> None:
    bad = Path("bad.h5")
    bad.write_bytes(good.read_bytes())
    with h5py.File(bad, "r+") as file:
        spoil(file, kind)
    with pytest.raises(StoreError, match=word):
        open_result(bad)
    with pytest.raises(StoreError, match=word):
        export(bad, "vtkhdf")
    assert not list(Path().glob("*.vtkhdf*"))


def swap(side: h5py.Dataset) -> None:
    side[...] = side[...][::-1]


def turn(group: h5py.Group, name: str, value: object) -> None:
    group.attrs[name] = value


def shorten(file: h5py.File, name: str, dim: str, size: int | None = None) -> None:
    """Write a group again with fewer entries along one dimension of its own."""
    tree = GROUPS[name].read(file)
    whole = tree.to_dataset()
    keep = whole.sizes[dim] - 1 if size is None else size
    with contextlib.suppress(KeyError):
        del tree["critical"], tree["cycle_0"]
    tree.dataset = whole.isel({dim: slice(keep)})
    GROUPS[name].fill(file, tree)


def test_tables_of_analyses_are_whole(tmp_path: Path) -> None:
    """Rows that are counted, and arrays that belong to others."""
    good, header = tmp_path / "good.h5", make_header((4, 5), seed=7)
    write_good(good)
    grid = grid_of(header)
    points = make_points(grid, np.zeros((1, 2)), np.zeros(1), np.ones((1, 2)))
    state = make_stationary(header)
    state["critical"] = CRITICAL.build(
        grid,
        {"pairs": np.zeros((1, 2), int), "shifts": np.zeros((1, 2))},
        children={"loss": points, "quasi_potential": points},
    )
    circle = {"loop_time": [0.0, 1.0, 2.0], "points": np.eye(3)[:, :2]}
    numbers = {"period": 2.0, "center": np.zeros(2), "winding": 1, "closure": 0.0}
    numbers |= {"mean_potential": 0.5, "multiplier": np.nan}
    state["cycle_0"] = LOOP.build(grid, circle, numbers)
    with h5py.File(good, "r+") as file:
        GROUPS["stationary"].fill(file, state)
    assert open_result(good).stationary is not None
    for name, damage in (
        ("pairs", lambda file: file["stationary/critical/pairs"].__setitem__((0, 0), -9)),
        ("pairs", lambda file: file["stationary/critical/pairs"].__setitem__((0, 1), 1)),
        ("rows beyond the 0", lambda file: file["stationary/critical"].__delitem__("loss")),
        ("side does not hold", lambda file: swap(file["stationary/critical/side"])),
        ("index is absent", lambda file: file["stationary/critical/loss"].__delitem__("index")),
        ("center is", lambda file: turn(file["stationary/cycle_0"], "center", [0.0, 1.0, 2.0])),
        ("winding is", lambda file: turn(file["stationary/cycle_0"], "winding", "left")),
        ("multiplier is absent", lambda file: file["stationary/cycle_0"].attrs.pop("multiplier")),
        ("curl is absent", lambda file: file["stationary"].attrs.pop("curl")),
        ("x has 3 entries and not 4", lambda file: shorten(file, "stationary", "x")),
        ("component has 1 entries", lambda file: shorten(file, "stationary", "component")),
        ("closed is absent", lambda file: file["spectrum"].attrs.pop("closed")),
        ("fewer than 1", lambda file: shorten(file, "spectrum", "mode", 0)),
        ("basin names rows", lambda file: file["passage/escape/basin"].__setitem__((0, 0), 3)),
        ("spread", lambda file: file["passage/escape"].__delitem__("spread")),
        ("counts below 0", lambda file: file["ensemble/counts"].__setitem__((0, 0, 0), -1)),
        ("particles is 0", lambda file: file["ensemble"].attrs.__setitem__("particles", 0)),
        ("seed is absent", lambda file: file["ensemble"].attrs.__delitem__("seed")),
        ("each of the 2", lambda file: file["validation"].attrs.__setitem__("sentences", "a")),
        ("agrees is 'no'", lambda file: file["validation"].attrs.__setitem__("agrees", "no")),
        ("fit is absent", lambda file: file["validation"].__delitem__("fit")),
        ("which dimensions", lambda file: file["passage"].__delitem__("side")),
        ("which dimensions", lambda file: file["passage"].__delitem__("delay")),
    ):
        bad = tmp_path / "bad.h5"
        bad.write_bytes(good.read_bytes())
        with h5py.File(bad, "r+") as file:
            damage(file)
        with pytest.raises(StoreError, match=name):
            open_result(bad)


def longer(file: h5py.File, place: str) -> None:
    """Give a coordinate that nothing runs over one entry more."""
    values, meaning = file[place][...], file[place].attrs["long_name"]
    del file[place]
    file[place] = np.append(values, 9.0)
    file[place].make_scale(place.rsplit("/", 1)[-1])
    file[place].attrs["long_name"] = meaning


def as_number(file: h5py.File, place: str) -> None:
    """Put a number in place of a group."""
    del file[place]
    file[place] = 1.0


def wider(file: h5py.File, group: str) -> None:
    """Let a group of one axis have a cell more than the others."""
    one = file[group]
    for name in ("x", "x_bounds", "local_entropy"):
        values, meaning = one[name][...], one[name].attrs["long_name"]
        del one[name]
        axis = values.ndim - 1 if name == "local_entropy" else 0
        one[name] = np.concatenate([values, values.take([-1], axis)], axis)
        one[name].attrs["long_name"] = meaning
    one["x"].make_scale("x")
    for name, scales in (("x_bounds", ("x", "bound")), ("local_entropy", ("gamma", "x"))):
        for dimension, scale in zip(one[name].dims, scales, strict=True):
            dimension.attach_scale(one[scale])


def turned(file: h5py.File, place: str) -> None:
    """Let a matrix run over its dimensions in the other order."""
    values, scales = file[place][...], [dimension[0] for dimension in file[place].dims]
    del file[place]
    file[place] = values.T
    for dimension, scale in zip(file[place].dims, reversed(scales), strict=True):
        dimension.attach_scale(scale)


@pytest.fixture(scope="module")
def steered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with schedules, local entropy and steps of SGD."""
    path = tmp_path_factory.mktemp("steered") / "quick.h5"
    schedules = {"schedule": "constant", "intervals": 3, "compare": ["cosine"]}
    asked = (
        {"control": schedules, "smoothing": {"gamma": [1.0, 4.0]}},
        {
            "discrete": {"steps": 2, "frames": 2, "rates": [0.1, 0.2]},
            "noise": {"sigma": 5.0, "batch_size": 1, "learning_rate": 0.2},
        },
    )
    # No case asks for all of them.
    first, second = (
        run(load_case(INPUTS / "quick.toml", {"density.end": 0.4, **one})) for one in asked
    )
    replace(first, analyses=first.analyses | second.analyses).save(path)
    return path


@pytest.mark.parametrize(
    ("word", "damage"),
    [
        ("/control/edges has 5 ends of 3", lambda file: longer(file, "control/edges")),
        ("/control/costs is absent", lambda file: file["control"].pop("costs")),
        ("/control@hjb is", lambda file: file["control"].attrs.__setitem__("hjb", "low")),
        ("/control/of is absent", lambda file: file["control"].attrs.pop("of")),
        ("/control/values runs over", lambda file: turned(file, "control/values")),
        ("which dimensions", lambda file: file["control"].pop("policy")),
        ("/smoothing/flatness is absent", lambda file: file["smoothing"].pop("flatness")),
        ("/smoothing/depths runs over", lambda file: turned(file, "smoothing/depths")),
        ("/smoothing/x has 33 entries and not 32", lambda file: wider(file, "smoothing")),
        ("/smoothing is not a group", lambda file: as_number(file, "smoothing")),
        ("/discrete/scan_folded is absent", lambda file: file["discrete"].pop("scan_folded")),
        ("/discrete/mass is absent", lambda file: file["discrete"].pop("mass")),
        ("/discrete/relation_right is absent", lambda file: file["discrete"].pop("relation_right")),
        ("/discrete/rate is absent", lambda file: file["discrete"].attrs.pop("rate")),
    ],
)  # fmt: skip
def test_schedules_local_entropy_and_steps_are_whole(
    word: str, damage: Callable[[h5py.File], object], steered: Path
) -> None:
    bad = Path("bad.h5")
    bad.write_bytes(steered.read_bytes())
    result = open_result(bad)
    assert None not in (result.control, result.smoothing, result.discrete)
    with h5py.File(bad, "r+") as file:
        damage(file)
    with pytest.raises(StoreError, match=word):
        open_result(bad)


def test_a_search_alone_is_no_control(steered: Path) -> None:
    path = Path("cut.h5")
    path.write_bytes(steered.read_bytes())
    with h5py.File(path, "r+") as file:
        fill_search(file, Search(np.ones(3), 0.5, np.ones(2), 1, False))
        file["control"].attrs.clear()
        for name in set(file["control"]) - {"search"}:
            del file["control"][name]
        assert read_search(file) is not None
    assert open_result(path).control is None


def test_pipes_and_devices_beside_a_result(good: Path) -> None:
    path = Path("quick.h5")
    path.write_bytes(good.read_bytes())
    for side in (*journal.SUFFIXES, ".walkers"):
        beside = Path(path.name + side)
        os.mkfifo(beside)
        assert open_result(path).status == "complete"
        beside.unlink()
        beside.symlink_to("/dev/zero")
        assert open_result(path).status == "complete"
        with pytest.raises(OSError, match="device"):
            read_regular(beside, 100)
        beside.unlink()


def test_lists_of_members_are_files(capsys: pytest.CaptureFixture[str]) -> None:
    case = str(INPUTS / "quick.toml")
    os.mkfifo("pipe")
    Path("folder").mkdir()
    for name in ("pipe", "/dev/zero", "folder", "nothing"):
        assert name in refused(capsys, "sweep", case, "--list", name)
    assert "100000" in refused(
        capsys, "sweep", case, "--set", "noise.beta=1,2", "--workers", "100000"
    )


def test_a_page_replaces_nothing_else(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, before = Path("A.h5"), good.read_bytes()
    path.write_bytes(before)
    assert "A.h5" in refused(capsys, "compare", "A.h5", str(good), "--html", "A.h5")
    assert path.read_bytes() == before
    Path("case.toml").write_text("title = 'mine'")
    assert "case.toml" in refused(capsys, "compare", "A.h5", str(good), "--html", "case.toml")
    for _ in range(2):
        assert main(["compare", "A.h5", str(good), "--html", "page.html"]) == 0


def test_arguments_out_of_range(capsys: pytest.CaptureFixture[str]) -> None:
    assert "NAME" in refused(capsys, "new", "")
    line = refused(capsys, "study", str(INPUTS / "quick.toml"), "--levels", "1000000")
    assert "1000000" in line
    assert "allows 4" in line


@pytest.mark.parametrize(
    ("name", "value"), [("NUM_THREADS", "0"), ("NUM_THREADS", "x"), ("THREADING_LAYER", "none")]
)
def test_settings_of_numba(name: str, value: str) -> None:
    done = command("check", str(INPUTS / "quick.toml"), **{f"NUMBA_{name}": value})
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert f"NUMBA_{name}" in line
    assert value in line


def test_names_that_are_not_text(tmp_path: Path) -> None:
    plain = (INPUTS / "quick.toml").read_bytes()
    name = os.fsdecode(b"caf\xe9.toml")
    Path(name).write_bytes(plain)
    done = command("check", name)
    assert done.returncode == 2
    assert "caf" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    done = command("new", "φ", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "03c6.toml is written" in done.stdout


def test_closed_streams() -> None:
    run_case = ("run", str(INPUTS / "quick.toml"), "--no-figures")
    for closed, arguments in (
        (">&-", ("list",)),
        ("2>&-", ("list",)),
        (">&- 2>&- <&-", run_case),
    ):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert done.returncode == 0
        assert not done.stderr
    assert open_result("runs/quick/quick.h5").status == "complete"


class OneText:
    """The files of a case: one table."""

    def __init__(self, text: str):
        self.one = text

    def text(self, name: str, key: str) -> str:
        return self.one


def test_memory_of_a_table_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a,b\n" + "1,2\n" * 20_000
    monkeypatch.setattr("fokkerplanck.case.memory.memory_available", lambda: 2**20)
    with pytest.raises(CaseError, match="available") as caught:
        read_table("d.csv", OneText(text))  # type: ignore[arg-type]
    assert caught.value.key == "loss.data"


def test_disk_counts_the_files_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a run has on the disk at once stays below what was asked for."""
    case = load_case(INPUTS / "quick.toml", {"density.frames": 60, "density.end": 0.1})
    most = 0
    before = journal.Journal.append

    def append(self: journal.Journal, *arguments: object) -> None:
        nonlocal most
        before(self, *arguments)  # type: ignore[arg-type]
        most = max(most, sum(file.stat().st_size for file in tmp_path.glob("quick.h5*")))

    monkeypatch.setattr(journal.Journal, "append", append)
    run(case, tmp_path / "quick.h5")
    needed = disk_needed(case) + side_bytes(case)
    assert 0.5 * needed < most < needed
    monkeypatch.setattr("fokkerplanck.case.disk.disk_available", lambda folder: most // 2)
    with pytest.raises(CaseError, match="disk"):
        require_disk(case, tmp_path / "elsewhere" / "quick.h5")
    # What lies there already counts as free.
    require_disk(load_case(INPUTS / "quick.toml"), tmp_path / "quick.h5")


def test_smoothed_losses_come_with_gradient_and_hessian() -> None:
    case = load_case(INPUTS / "quick.toml", {"smoothing.gamma": [1.0, 2.0]})
    [need] = [one for one in memory_needs(case) if one.key == "smoothing.gamma"]
    assert need.bytes == 2 * 3 * 32 * 8


def test_deep_json_of_a_result(good: Path) -> None:
    bad = Path("bad.h5")
    bad.write_bytes(good.read_bytes())
    with h5py.File(bad, "r+") as file:
        file.attrs["overrides"] = "[" * 10_000 + "]" * 10_000
    with pytest.raises((CaseError, StoreError)):
        load_case(bad)
