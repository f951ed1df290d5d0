"""Sweeps: members, workers that die, what is kept, and walkers on other processes."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray
from distributed import Client, Status
from distributed.scheduler import WorkerStatusPlugin
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only
from numba.core import event

import fokkerplanck as fp
from fokkerplanck.cli.main import main
from fokkerplanck.figures.sweep import sweep_figure
from fokkerplanck.io import check_free, identity, read_sweep
from fokkerplanck.particles import Gaussian
from fokkerplanck.runtime import compiling
from fokkerplanck.sweep import cluster, conduct, table_of
from fokkerplanck.sweep.plan import parse_settings, plan_of, split_values
from fokkerplanck.sweep.summary import summary_of
from fokkerplanck.sweep.task import Outcome

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
CASE = """
title = "in a harmonic well"
[loss]
formula = "0.5*x**2"
[noise]
sigma = 1.0
beta = 2.0
[domain]
x = { range = [-6, 6], cells = 48 }
[initial]
kind = "gaussian"
mean = [1.0]
std = 0.5
[density]
end = 1.0
frames = 4
[ensemble]
particles = 600
method = "langevin"
step = 0.05
"""
# Enough to do that a signal meets it in the middle.
LONG = """
title = "turning noise"
[loss]
formula = "0.5*(x**2 + 2*y**2)"
[noise]
sigma = [["1", "0.5"], ["0.5", "1"]]
beta = 2.0
[domain]
x = { range = [-5, 5], cells = 30 }
y = { range = [-5, 5], cells = 30 }
[density]
end = 60.0
frames = 60
[output]
every_frame = false
errors = false
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers for the whole file."""
    with cluster.dask_client(2) as found:
        yield found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in a folder of its own, with both cases in it."""
    monkeypatch.chdir(tmp_path)
    Path("well.toml").write_text(CASE)
    Path("long.toml").write_text(LONG)


def same(a: fp.sweep, b: fp.sweep) -> bool:
    """Whether all numbers but the wall time are equal to the last bit."""
    names = set(a.variables) - {"wall_time"}
    return names == set(b.variables) - {"wall_time"} and all(
        np.array_equal(a[name], b[name], equal_nan=True) for name in names
    )


# Members


@given(
    st.lists(
        st.recursive(
            st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3),
            max_leaves=5,
        ),
        min_size=1,
        max_size=5,
    )
)
def test_values_written_between_commas_come_apart_again(values: list[Any]) -> None:
    assert [json.loads(part) for part in split_values(",".join(map(json.dumps, values)))] == values


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2, 4", ["1", "2", "4"]),
        ("[0,1],[1,1]", ["[0,1]", "[1,1]"]),
        ("x**2,max(x,0)", ["x**2", "max(x,0)"]),
        ('\'a,b\',"c\\",d"', ["'a,b'", '"c\\",d"']),
        ("{a=1,b=2}", ["{a=1,b=2}"]),
        ("", [""]),
    ],
)
def test_commas_in_brackets_and_quotes_do_not_divide(text: str, parts: list[str]) -> None:
    assert split_values(text) == parts


def test_grid_has_all_combinations_under_readable_names() -> None:
    plan = plan_of(parse_settings(["noise.beta=1,2.5", "domain.x.cells=32,64", "density.end=2"]))
    assert plan.names == ("beta", "cells")
    assert plan.shape == (2, 2)
    assert plan.fixed == {"density.end": 2}
    assert [member.name for member in plan.members] == [
        *("beta=1,cells=32", "beta=1,cells=64", "beta=2.5,cells=32", "beta=2.5,cells=64"),
    ]
    assert [member.place for member in plan.members] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_names_tell_keys_and_texts_apart() -> None:
    plan = plan_of(
        {
            "domain.x.cells": [8],
            "domain.y.cells": [8],
            "initial.mean": [[0, 1]],
            "a.b": ["x/y", "x y"],
        }
    )
    # "mean" is a number of the summary itself.
    assert plan.names == ("x_cells", "y_cells", "initial_mean", "b")
    first, second = (member.name for member in plan.members)
    assert "/" not in first
    assert first != second
    assert [m.name for m in plan_of({"noise.beta": np.array([1, 2])}).members] == [
        "beta=1",
        "beta=2",
    ]


@pytest.mark.parametrize(
    ("settings", "paired", "part"),
    [
        ({"noise.beta": 2.0}, False, "nothing is swept"),
        ({"noise.beta": []}, False, "noise.beta: has no values"),
        ({"noise.beta": [1, 2, 1.0]}, False, "noise.beta: 1.0 stands there twice"),
        ({"noise.beta": [1, 2], "density.end": [1]}, True, "noise.beta has 2, density.end has 1"),
        ({"noise.beta": [1, 1], "density.end": [2, 2]}, True, "beta=1,end=2 stands there twice"),
        ({"noise.beta": range(400), "density.end": range(400)}, False, "160000 members"),
        ({"noise beta": [1, 2]}, False, "is not a dotted key"),
    ],
)
def test_plans_that_cannot_be(settings: dict[str, Any], paired: bool, part: str) -> None:
    with pytest.raises(fp.CaseError, match=part.replace(".", r"\.")):
        plan_of(settings, paired)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--set", "noise.beta=1,-2"], "member beta=-2: noise.beta: -2 is not positive"),
        (["--set", "noise.sigma=1,x"], "x ="),
        (["--set", "noise.betta=1,2"], "noise.betta: unknown key"),
        (["--set", "noise.beta=1"], "nothing is swept"),
        (["--set", "noise.beta=1,,2"], "has an empty place"),
        (["--set", "noise.beta=1,2", "--set", "noise.beta=4"], "is given twice"),
        (["--set", "noise.beta=1,2", "--workers", "0"], "--workers: 0 is too few"),
        (["--set", "noise.beta=1,2", "--retries", "-1"], "--retries: -1 is negative"),
        (["--set", "noise.beta=1,2", "--scheduler", "tcp://127.0.0.1:9"], "no scheduler answers"),
        (["--list", "nowhere.csv"], "nowhere.csv"),
        (["--list", "torn.csv"], "torn.csv: line 3 has 1 values for 2 keys"),
        (["--list", "short.csv"], "short.csv: has no members"),
    ],
)
def test_bad_sweeps_are_two_before_anything_starts(
    arguments: list[str],
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("torn.csv").write_text("noise.beta,density.end\n1,2\n3\n")
    Path("short.csv").write_text("noise.beta\n")
    monkeypatch.setattr(cluster, "PATIENCE", 0.3)
    assert main(["sweep", "well.toml", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert part in lines[0]
    assert not list(Path().glob("runs/*/*/*.h5"))


def test_list_of_members_from_a_file() -> None:
    Path("members.csv").write_text('noise.beta,loss.formula\n1,x**2\n2,"max(x, 0)"\n')
    settings = parse_settings(["density.end=3"], "members.csv")
    assert settings == {
        "density.end": 3,
        "noise.beta": [1, 2],
        "loss.formula": ["x**2", "max(x, 0)"],
    }


@pytest.mark.parametrize("separator", [";", "\t"])
def test_list_of_members_is_read_as_data_are(separator: str) -> None:
    """Separators of spreadsheets, a mark of the encoding, empty lines, numbers without a zero."""
    lines = ["noise.beta?domain.x.range", "", ".5?[-1, 1]", "2.?[-2, 2]", "", "+1e1?[-3, 3]"]
    Path("members.csv").write_text("\ufeff" + "\r\n".join(lines).replace("?", separator))
    assert parse_settings([], "members.csv") == {
        "noise.beta": [0.5, 2.0, 10.0],
        "domain.x.range": [[-1, 1], [-2, 2], [-3, 3]],
    }


@compiled_only
def test_result_file_is_swept_as_its_case_is(client: Any) -> None:
    fp.run(fp.load_case("well.toml", {"density.frames": 4}), "before.h5")
    settings = {"noise.beta": [1, 2]}
    again = fp.sweep("before.h5", settings, client=client)
    same_case = fp.sweep("well.toml", settings | {"density.frames": 4}, client=client)
    assert (again.status == "complete").all()
    assert same(again, same_case)


def test_missing_dask_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["sweep", "well.toml", "--set", "noise.beta=1,2"]) == 2
    assert "pip install 'fokkerplanck[sweep]'" in capsys.readouterr().err


# Results


def test_every_member_is_the_run_of_its_case(client: Any) -> None:
    settings = {"noise.beta": [1.0, 2.0], "density.end": [1.0, 2.0]}
    record = fp.sweep("well.toml", settings, out="out", client=client)
    assert (record.status == "complete").all()
    for i, beta in enumerate(settings["noise.beta"]):
        for j, end in enumerate(settings["density.end"]):
            alone = fp.run(fp.load_case("well.toml", {"noise.beta": beta, "density.end": end}))
            assert record["free_energy"][i, j] == alone.free_energy[-1]
            assert record["ensemble_mean"][i, j] == alone.ensemble.mean[-1]
            kept = fp.open_result(Path("out", str(record.members[i, j]), "well.h5"))
            assert np.array_equal(kept.density, alone.density)
    with xarray.open_dataset("out/sweep.h5") as summary:
        assert dict(summary.sizes) == {"beta": 2, "end": 2, "component": 1, "component2": 1}
        chosen = summary.sel(beta=2)
        assert np.array_equal(chosen.energy, record["energy"][1])
        assert (
            float(summary.covariance.sel(beta=2, end=2, component="x", component2="x"))
            == (record["covariance"][1, 1, 0, 0])
        )
        assert str(chosen.status.sel(end=1).item()) == "complete"
        assert summary.wall_time.units == "s"
        assert all(v.attrs["long_name"] for v in summary.variables.values())
    read = read_sweep("out/sweep.h5")
    assert same(read, record)
    assert (read.keys, read.state) == (("noise.beta", "density.end"), "complete")


def test_finished_members_are_never_solved_again(client: Any) -> None:
    fp.sweep("well.toml", {"noise.beta": [1, 2]}, out="out", client=client)
    before = {path: path.read_bytes() for path in Path("out").glob("*/*.h5")}
    # More of the sweep, without workers for what is there.
    wider = fp.sweep("well.toml", {"noise.beta": [1, 2, 4]}, out="out", client=client)
    assert (wider.status == "complete").all()
    assert {path: path.read_bytes() for path in before} == before
    assert fp.sweep("well.toml", {"noise.beta": [1, 2]}, out="out", client=None).shape == (2,)

    Path("well.toml").write_text(CASE.replace("std = 0.5", "std = 0.4"))
    with pytest.raises(fp.StoreError, match="holds a result of another case text; give --overw"):
        fp.sweep("well.toml", {"noise.beta": [1, 2]}, out="out", client=client)
    assert {path: path.read_bytes() for path in before} == before
    fp.sweep("well.toml", {"noise.beta": [1, 2]}, out="out", client=client, overwrite=True)
    assert all(path.read_bytes() != old for path, old in before.items())


@compiled_only
def test_begun_member_of_this_case_is_finished(client: Any) -> None:
    """Resumed from a checkpoint, begun again without one or when damaged in the sweep."""
    whole = fp.sweep("long.toml", {"noise.beta": [1]}, client=client)
    path = Path("out/beta=1/long.h5")
    stop = iter([False] * 5 + [True] * 5)
    with pytest.raises(KeyboardInterrupt):
        fp.run(fp.load_case("long.toml", {"noise.beta": 1}), path, stopped=lambda: next(stop))
    assert identity(path).resumable
    assert same(fp.sweep("long.toml", {"noise.beta": [1]}, out="out", client=client), whole)
    assert "resumed" in h5py.File(path).attrs["history"]
    with h5py.File(path, "r+") as file:
        file.attrs["status"] = "running"
        del file["checkpoint/density"]
    assert same(fp.sweep("long.toml", {"noise.beta": [1]}, out="out", client=client), whole)
    assert identity(path).status == "complete"


def test_failed_member_is_told_and_the_rest_kept(
    client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Leimkuhler-Matthews does not know a Sigma that varies, which the walkers find out."""
    sets = ["--set", "noise.sigma=1,1+0.1*x**2", "--set", "ensemble.method=leimkuhler-matthews"]
    address = ["--scheduler", client.scheduler.address]
    assert main(["sweep", "well.toml", *sets, *address, "--out", "out"]) == 1
    shown = capsys.readouterr()
    [line] = shown.err.splitlines()
    assert line.startswith("failed: sigma=1+0.1_x_2~")
    assert "needs a Sigma that is a constant times the identity" in line
    assert "failed" in shown.out
    assert Path("out/sweep.png").stat().st_size > 0
    with xarray.open_dataset("out/sweep.h5") as summary:
        assert list(summary.status) == ["complete", "failed"]
        assert np.isfinite(summary.energy.sel(sigma="1"))
        assert np.isnan(summary.energy.sel(sigma="1+0.1*x**2"))
        assert "constant times the identity" in str(summary.error[1].item())
    sets[1] = "noise.sigma=1+0.1*x**2,1+0.2*x**2"
    assert main(["sweep", "well.toml", *sets, *address, "--out", "none", "--no-figures"]) == 3
    assert read_sweep("none/sweep.h5").variables == {}


def test_pairs_have_one_dimension(client: Any) -> None:
    settings = {"noise.beta": [1.0, 2.0, 2.0], "density.end": [2.0, 1.0, 0.5]}
    record = fp.sweep("well.toml", settings, out="out", client=client, paired=True)
    with xarray.open_dataset("out/sweep.h5") as summary:
        assert summary.sizes["member"] == 3
        assert list(summary.beta) == settings["noise.beta"]
        assert {"beta", "end"} <= set(summary.coords)
        # A coordinate of the members becomes the index.
        assert float(summary.swap_dims(member="end").energy.sel(end=1)) == record["energy"][1]
    assert same(read_sweep("out/sweep.h5"), record)
    assert read_sweep("out/sweep.h5").names == ("beta", "end")


@pytest.mark.parametrize("betas", [[1.0, 100.0, 10.0], ["one", "ten", "many"]])
def test_figure_shows_the_numbers_of_the_summary(betas: list[Any]) -> None:
    plan = plan_of({"noise.beta": betas, "density.end": [1, 2]})
    outcomes = {
        m.number: Outcome(m.number, {"expected_loss": m.number + 0.5}) for m in plan.members[:-1]
    }
    outcomes[5] = Outcome(5, failure="numerical", sentence="no")
    record = summary_of(fp.load_case("well.toml"), plan, outcomes, "complete")
    figure = sweep_figure(record)
    assert figure is not None
    [axes] = figure.axes
    first, second = axes.lines
    order = np.argsort(betas) if isinstance(betas[0], float) else [0, 1, 2]
    assert np.array_equal(first.get_ydata(), np.array([0.5, 2.5, 4.5])[order])
    assert np.array_equal(second.get_ydata(), np.array([1.5, 3.5, np.nan])[order], equal_nan=True)
    if isinstance(betas[0], float):
        assert list(first.get_xdata()) == sorted(betas)
        assert axes.get_xscale() == "log"
    else:
        assert [text.get_text() for text in axes.get_xticklabels()] == betas
    assert [text.get_text() for text in figure.legends[0].texts] == ["1", "2"]
    table = table_of(record).splitlines()
    assert len(table) == 7
    assert table[1].split()[1:4] == ["1", "complete", "0.5"]
    assert table[-1].split()[2:] == ["failed", "-", "-"]


class Unlucky:
    """A client that calls other functions than it should: in turn, or for chosen members."""

    def __init__(self, client: Any, *functions: Any):
        self.client, self.functions = client, list(functions)
        self.victims: set[int] = set()

    def submit(self, function: Any, task: Any, **options: Any) -> Any:
        if task.number in self.victims:
            return self.client.submit(self.functions[0], **options)
        if self.functions and not self.victims:
            return self.client.submit(self.functions.pop(0), **options)
        return self.client.submit(function, task, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)


@pytest.mark.parametrize(("failures", "status"), [(1, "complete"), (3, "failed")])
def test_failures_that_may_pass_are_tried_again(client: Any, failures: int, status: str) -> None:
    unlucky = functools.partial(Outcome, 0, {}, "other", "no luck")
    record = fp.sweep(
        "well.toml", {"noise.beta": [1.5]}, client=Unlucky(client, *[unlucky] * failures), retries=2
    )
    assert list(record.status) == [status]
    assert record.failures == ({} if status == "complete" else {"beta=1.5": "no luck"})


@pytest.mark.parametrize("failure", ["input", "numerical"])
def test_failures_that_stay_are_not_tried_again(client: Any, failure: str) -> None:
    final = functools.partial(Outcome, 0, {}, failure, "no")
    record = fp.sweep("well.toml", {"noise.beta": [1.5]}, client=Unlucky(client, final))
    assert list(record.status) == ["failed"]


@compiled_only
def test_killed_worker_is_survived(client: Any) -> None:
    settings = {"noise.beta": [1, 2]}
    calm = fp.sweep("long.toml", settings, client=client)
    killed: list[int] = []

    def kill() -> None:
        """A worker that is in the middle of a member: SIGKILL, as when memory runs out."""
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            for path in Path("out").glob("*/long.h5"):
                try:
                    check_free(path)
                except fp.StoreError:
                    [*busy] = [w for w, tasks in client.processing().items() if tasks]
                    pids = client.run(os.getpid, workers=busy[:1])
                    os.kill(next(iter(pids.values())), signal.SIGKILL)
                    killed.append(1)
                    break
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    record = fp.sweep("long.toml", settings, out="out", client=client)
    killer.join()
    assert killed
    assert (record.status == "complete").all()
    assert same(record, calm)


@compiled_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_interrupted_sweep_continues(client: Any, number: signal.Signals) -> None:
    command = [*(sys.executable, "-m", "fokkerplanck", "sweep", "long.toml"), "--out", "out"]
    command += ["--set", "noise.beta=1,1.5,2,3", "--workers", "1", "--no-figures"]
    running = subprocess.Popen(
        command,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while running.poll() is None and len(list(Path("out").glob("*/long.h5"))) < 2:
        time.sleep(0.02)
    # As a terminal does: to all processes of the group.
    os.killpg(running.pid, number)
    shown, told = running.communicate(timeout=60)
    assert (running.returncode, shown) == (130, "")
    assert told == "fokkerplanck: interrupted; the same command continues\n"
    record = read_sweep("out/sweep.h5")
    assert record.state == "interrupted"
    assert set(record.status) == {"complete", "missing"}
    assert np.isnan(record["energy"][record.status == "missing"]).all()
    finished = {
        Path("out", name, "long.h5"): Path("out", name, "long.h5").read_bytes()
        for name in record.members[record.status == "complete"]
    }
    again = fp.sweep("long.toml", {"noise.beta": [1, 1.5, 2, 3]}, out="out", client=client)
    assert (again.status == "complete").all()
    assert {path: path.read_bytes() for path in finished} == finished
    assert read_sweep("out/sweep.h5").state == "complete"


def test_summary_on_the_disk_is_whole_at_any_time(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conduct, "BETWEEN", 0.0)
    states: list[tuple[str, int]] = []
    usual = conduct.write_sweep

    def write(path: Path, record: Any) -> None:
        usual(path, record)
        with xarray.open_dataset(path) as summary:
            done = int((summary.status == "complete").sum())
            assert np.isfinite(summary.energy).sum() == done
            states.append((summary.attrs["state"], done))

    monkeypatch.setattr(conduct, "write_sweep", write)
    fp.sweep("well.toml", {"noise.beta": [1, 2, 4]}, out="out", client=client)
    assert states == [("running", 1), ("running", 2), ("running", 3), ("complete", 3)]
    assert not list(Path("out").glob("*.part"))


# Compilation and walkers


def test_one_process_compiles_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(compiling, "_shared", [])
    monkeypatch.setattr(compiling, "cache_folder", lambda: tmp_path)
    compiling.share_cache()

    def free() -> bool:
        with open(tmp_path / compiling.LOCK, "ab") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with compiling.taking_turns():
        assert free()
        event.start_event(compiling.EVENT)
        event.start_event(compiling.EVENT)
        assert not free()
        event.end_event(compiling.EVENT)
        assert not free()
        event.end_event(compiling.EVENT)
        assert free()
        event.start_event(compiling.EVENT)
    assert free()
    event.end_event(compiling.EVENT)


def walkers(method: str, **options: Any) -> Any:
    """More walkers than one part holds, in a well with noise that fits the method."""
    plain = method == "leimkuhler-matthews"
    sigma: Any = 1.0 if plain else [["1 + 0.1*x**2", 0.2], [0.2, 1]]
    problem = fp.Problem(
        loss="0.5*(x**2 + 3*y**2)", sigma=sigma, beta=2.0, domain={"x": (-4, 4), "y": (-4, 4)}
    )
    start = Gaussian(np.array([1.0, 0.0]), 0.1 * np.eye(2))
    chosen = {"step": 0.05, "particles": 140_000, "seed": 77, "trajectories": 66_000} | options
    return fp.ensemble(problem, problem.grid(24), start, [0.0, 0.1, 0.25], method=method, **chosen)


@compiled_only
@pytest.mark.parametrize("method", ["langevin", "leimkuhler-matthews", "weak-2"])
def test_walkers_are_the_same_wherever_they_move(client: Any, method: str) -> None:
    here = walkers(method)
    seen: list[float] = []
    there = walkers(method, client=client, progress=seen.append)
    with ThreadPoolExecutor(2) as executor:
        threads = walkers(method, client=executor)
    assert seen == sorted(seen)
    assert seen[-1] == 0.25
    for other in (there, threads):
        xarray.testing.assert_identical(here, other)


@compiled_only
def test_steered_walkers_are_the_same_wherever_they_move() -> None:
    def pieces(begin: float, end: float) -> list[tuple[float, float, float, float]]:
        middle = 0.5 * (begin + end)
        return [(begin, middle, 0.5, 0.25), (middle, end, 0.25, 0.0625)]

    here = walkers("weak-2", pieces=pieces)
    with ThreadPoolExecutor(2) as executor:
        there = walkers("weak-2", pieces=pieces, client=executor)
    assert np.array_equal(here.counts, there.counts)
    assert np.array_equal(here.covariance, there.covariance)
    assert not np.array_equal(here.counts, walkers("weak-2").counts)


def test_bad_start_of_walkers_is_told_as_ever(client: Any) -> None:
    problem = fp.Problem(loss="x**2", sigma=1.0, beta=2.0, domain={"x": (-1, 1)})
    with pytest.raises(fp.CaseError, match="a walker would start at x = 3"):
        fp.ensemble(
            problem, problem.grid(8), np.full((5, 1), 3.0), [0.0, 1.0],
            method="langevin", particles=5, client=client,
        )  # fmt: skip


@compiled_only
def test_run_moves_its_walkers_on_a_cluster(client: Any) -> None:
    more = ["--set", "ensemble.particles=70_000", "--no-figures"]
    assert main(["run", "well.toml", *more, "--out", "here"]) == 0
    address = ["--scheduler", client.scheduler.address]
    assert main(["run", "well.toml", *more, *address, "--out", "there"]) == 0
    here, there = (fp.open_result(f"{place}/well.h5").ensemble for place in ("here", "there"))
    assert here is not None
    assert there is not None
    assert np.array_equal(here.counts, there.counts)
    assert np.array_equal(here.covariance, there.covariance)


def test_scheduler_that_forgets_is_told(client: Any) -> None:
    class Forgetful(Unlucky):
        def submit(self, function: Any, task: Any, **options: Any) -> Any:
            future = self.client.submit(time.sleep, 0.2, key=options["key"], pure=False)
            future.cancel()
            return future

    with pytest.raises(fp.NumericalFailure, match="start the sweep again: it continues"):
        fp.sweep("well.toml", {"noise.beta": [1]}, client=Forgetful(client))


def test_death_of_a_worker_that_was_never_announced() -> None:
    with cluster.dask_client(1) as own:
        scheduler = own.cluster.scheduler
        [watch] = [p for p in scheduler.plugins.values() if isinstance(p, WorkerStatusPlugin)]
        own.sync(tell_removed, watch, scheduler)
        assert own.submit(int, 3).result() == 3
    assert own.cluster.status == Status.closed


async def tell_removed(watch: Any, scheduler: Any) -> None:
    watch.remove_worker(scheduler, "tcp://127.0.0.1:1")


# Last, for workers that come after these tests load the library once more.


def test_member_that_kills_its_workers_is_given_up(client: Any) -> None:
    deadly = functools.partial(os._exit, 1)
    unlucky = Unlucky(client, deadly)
    unlucky.victims = {0}
    record = fp.sweep("well.toml", {"noise.beta": [1, 2]}, client=unlucky, retries=0)
    assert list(record.status) == ["failed", "complete"]
    assert "its worker died every time" in str(record.error[0])


def test_lost_workers_are_started_anew(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOST", 0.0)
    monkeypatch.setattr(cluster, "TICK", 0.1)
    watch = cluster.Watch(client)
    client.cluster.scale(0)
    # A worker that is closing is gone for the scheduler first.
    while watch.count() or client.cluster.workers:
        time.sleep(0.05)
    with (
        Client(client.scheduler.address, set_as_default=False) as other,
        pytest.raises(fp.NumericalFailure, match="all workers are gone since 0 s; start the"),
    ):
        fp.sweep("well.toml", {"noise.beta": [1, 2]}, client=other)
    watch.wanted = 1
    assert watch.workers() == 0
    client.wait_for_workers(1, timeout=60)
    assert watch.workers() == 1
