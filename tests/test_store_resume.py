"""Kills at any moment, and resuming as if nothing had happened."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from store_samples import make_frame, make_header, make_stationary, write

from fokkerplanck.errors import StoreError
from fokkerplanck.io import OBSERVABLES, Checkpoint, ResultWriter, read
from fokkerplanck.io.storage.slots import read_slots

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


def interrupted(path, header, frames, checkpoint, **options):
    """File with ``frames`` frames whose last checkpoint is at frame ``checkpoint``."""
    writer = ResultWriter.create(path, header, **options)
    for index in range(frames):
        frame = make_frame(header, index)
        writer.append(frame)
        if index <= checkpoint:
            counters = {"steps": 3 * index, "matvecs": np.int64(2**40), "norm": 0.1, "by": "auto"}
            writer.checkpoint(Checkpoint(index, frame.time, frame.density, index / 7, counters))
    writer.close("interrupted")


@pytest.mark.parametrize("last", [2, 4])
@pytest.mark.parametrize("every_frame", [True, False])
def test_resumed_file_equals_uninterrupted_one(tmp_path, every_frame, last):
    header = make_header()
    write(tmp_path / "whole.h5", header, 6, every_frame=every_frame)
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=last, every_frame=every_frame)
    writer, checkpoint = ResultWriter.resume(tmp_path / "a.h5", header)
    assert checkpoint.frame == last
    assert checkpoint.step == last / 7
    assert checkpoint.time == make_frame(header, last).time
    assert checkpoint.counters == {"steps": 3 * last, "matvecs": 2**40, "norm": 0.1, "by": "auto"}
    np.testing.assert_array_equal(checkpoint.density, make_frame(header, last).density)
    with writer:
        for index in range(last + 1, 6):
            writer.append(make_frame(header, index))
        writer.write("stationary", make_stationary(header))
    whole, resumed = read(tmp_path / "whole.h5"), read(tmp_path / "a.h5")
    assert resumed.status == "complete"
    assert resumed.time.tobytes() == whole.time.tobytes()
    assert resumed.density.tobytes() == whole.density.tobytes()
    assert resumed.observables.keys() == whole.observables.keys()
    for name, series in whole.observables.items():
        assert resumed.observables[name].tobytes() == series.tobytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert f"resumed at time {0.1 * last}" in file.attrs["history"]


def test_interrupted_again_at_once_keeps_the_last_density(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=4, every_frame=False)
    ResultWriter.resume(tmp_path / "a.h5", header)[0].close("interrupted")
    np.testing.assert_array_equal(read(tmp_path / "a.h5").density[4], make_frame(header, 4).density)


def test_checkpoints_alternate_and_a_torn_one_falls_back(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 4, checkpoint=3)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        (newest, slot, state), (older, other, _) = read_slots(file)
        assert (newest, older) == (4, 3)
        assert {slot, other} == {"a", "b"}
        assert state.frame == 3
        file[f"checkpoint/{slot}/density"][0, 0] += 1e-16 + 1e-9
    writer, checkpoint = ResultWriter.resume(tmp_path / "a.h5", header)
    assert checkpoint.frame == 2
    # The torn slot is the one to be overwritten, so that the good one stays.
    writer.checkpoint(replace(checkpoint, step=0.5))
    writer.close("interrupted")
    with h5py.File(tmp_path / "a.h5") as file:
        (_, first, newest_state), (_, second, _) = read_slots(file)
        assert (first, second, newest_state.step) == (slot, other, 0.5)


@pytest.mark.parametrize("every_frame", [True, False])
def test_unequal_lengths_are_cut_to_whole_frames(tmp_path, every_frame):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=2, every_frame=every_frame)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["density"].resize(6, axis=0)
        file["time"].resize(6, axis=0)
        file["mass"].resize(4, axis=0)
    contents = read(tmp_path / "a.h5")
    assert len(contents.time) == len(contents.density) == len(contents.observables["mean"]) == 4
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for name in OBSERVABLES:
            file[name].resize(6, axis=0)
        file["mass"][4:] = 1.0
    assert len(read(tmp_path / "a.h5").time) == 5  # the time of frame 5 was never written
    assert ResultWriter.resume(tmp_path / "a.h5", header)[1].frame == 2


def other_cell_count(header):
    return make_header((6, 9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: replace(header, case_toml="end = 6"), "case was changed"),
        (lambda header: replace(header, source="fokkerplanck 0.2.0"), "0.1.0.*0.2.0"),
        (other_cell_count, "8 cells along y and this case 9"),
        (lambda header: replace(header, names=("x", "v")), "axes"),
        (lambda header: replace(header, beta=3.0), "beta = 2.5 and this case 3"),
        (lambda header: replace(header, seed=3), "seed None and this case 3"),
        (lambda header: replace(header, loss=header.loss + 1e-9), "loss"),
        (lambda header: replace(header, sigma=2 * header.sigma), "sigma"),
        (lambda header: replace(header, bounds=(header.bounds[0] * 2, header.bounds[1])), "range"),
    ],
)
def test_resume_refuses_another_run(tmp_path, change, message):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 2, checkpoint=1)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(StoreError, match=message):
        ResultWriter.resume(tmp_path / "a.h5", change(header))
    assert (tmp_path / "a.h5").read_bytes() == before
    ResultWriter.resume(tmp_path / "a.h5", header)[0].close("interrupted")


def test_resume_refuses_complete_and_absent_runs(tmp_path):
    header = make_header()
    write(tmp_path / "a.h5", header, 2)
    with pytest.raises(StoreError, match="complete"):
        ResultWriter.resume(tmp_path / "a.h5", header)
    with pytest.raises(StoreError, match="no such"):
        ResultWriter.resume(tmp_path / "b.h5", header)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew(tmp_path):
    header = make_header()
    interrupted(tmp_path / "c.h5", header, 2, checkpoint=-1)
    writer, checkpoint = ResultWriter.resume(tmp_path / "c.h5", header)
    assert (checkpoint, writer.frames) == (None, 0)
    with writer:
        writer.append(make_frame(header, 0))
    np.testing.assert_array_equal(read(tmp_path / "c.h5").density[0], make_frame(header, 0).density)


CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
from store_samples import make_frame, make_header
from fokkerplanck.io import Checkpoint, ResultWriter
header = make_header((16, 20))
with ResultWriter.create(sys.argv[1], header) as writer:
    for index in range(100_000):
        frame = make_frame(header, index)
        writer.append(frame)
        writer.checkpoint(Checkpoint(index, frame.time, frame.density, 0.5, {"n": index}))
        if index == 0:
            sys.stdout.write("begun")
            sys.stdout.flush()
            sys.stdout.close()
"""


@pytest.mark.parametrize("trial", range(10))
def test_killed_writer_leaves_whole_frames_that_resume(tmp_path, trial):
    path, header = tmp_path / "a.h5", make_header((16, 20))
    here = Path(__file__).parent
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, path, here], stdout=subprocess.PIPE, cwd=here.parent
    )
    assert child.stdout.read(5) == b"begun"
    time.sleep(0.3 * np.random.default_rng(trial + 40961).random())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    contents = read(path)
    frames = len(contents.time)
    assert contents.status == "running"
    assert frames >= 1
    for index in range(frames):
        expected = make_frame(header, index)
        assert contents.time[index] == expected.time
        np.testing.assert_array_equal(contents.density[index], expected.density)
        np.testing.assert_array_equal(
            contents.observables["covariance"][index], expected.observables["covariance"]
        )
    writer, checkpoint = ResultWriter.resume(path, header)
    assert checkpoint.frame in (frames - 1, frames - 2)
    np.testing.assert_array_equal(checkpoint.density, make_frame(header, checkpoint.frame).density)
    with writer:
        writer.append(make_frame(header, checkpoint.frame + 1))
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert len(data.time) == checkpoint.frame + 2
        np.testing.assert_array_equal(data.mass[:frames], contents.observables["mass"])
