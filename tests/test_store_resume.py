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

from fokkerplanck import open_result
from fokkerplanck.errors import StoreError
from fokkerplanck.io import Checkpoint, ResultWriter, identity, read
from fokkerplanck.io.storage.checkpoint import read_checkpoint
from fokkerplanck.io.storage.parts import frame_name

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


def interrupted(path, header, frames, checkpoint, **options):
    """File with ``frames`` frames whose last checkpoint is at frame ``checkpoint``."""
    writer = ResultWriter.create(path, header, **options)
    for index in range(frames):
        frame = make_frame(header, index)
        counters = {"steps": 3 * index, "matvecs": np.int64(2**40), "norm": 0.1, "by": "auto"}
        state = Checkpoint(index, frame.time, frame.density, index / 7, counters)
        writer.append(frame, state if index <= checkpoint else None)
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


def test_frames_after_the_checkpoint_are_dropped(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=2)
    with h5py.File(tmp_path / "a.h5") as file:
        assert read_checkpoint(file).frame == 2
        assert len(file["time"]) == 5
    writer, checkpoint = ResultWriter.resume(tmp_path / "a.h5", header)
    assert (checkpoint.frame, writer.frames) == (2, 3)
    assert len(read(tmp_path / "a.h5").time) == 3
    frame = make_frame(header, 3)
    for other in (replace(checkpoint, frame=3), replace(checkpoint, density=frame.density)):
        with pytest.raises(ValueError, match="not that of the frame"):
            writer.append(frame, other)
    writer.close("interrupted")


def killed(path, header, frames):
    """What a kill leaves: the file with its first frame, and a part for each of the others."""
    writer = ResultWriter.create(path, header)
    for index in range(frames):
        frame = make_frame(header, index)
        writer.append(frame, Checkpoint(index, frame.time, frame.density, index / 7))
    writer.write("stationary", make_stationary(header))
    writer._store._lock.release()
    return path.with_name(path.name + ".part")


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty", "of another run", "text"])
def test_frames_count_up_to_a_part_that_is_damaged(tmp_path, damage):
    header, path = make_header(), tmp_path / "a.h5"
    folder = killed(path, header, 8)
    part = folder / frame_name(5)
    data = part.read_bytes()
    if damage == "cut":
        part.write_bytes(data[:-100])
    elif damage == "flipped":
        place = len(data) // 2
        part.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
    elif damage == "gone":
        part.unlink()
    elif damage == "empty":
        part.write_bytes(b"")
    elif damage == "text":
        part.write_bytes(b"PK" + bytes(200))
    else:
        other = killed(tmp_path / "b.h5", header, 6)
        (other / frame_name(5)).rename(part)
    assert len(read(path).time) == 5
    writer, checkpoint = ResultWriter.resume(path, header)
    assert (checkpoint.frame, writer.frames) == (4, 5)
    place = f"5 whole frames are there, and the run goes on at time {make_frame(header, 4).time!r}"
    if damage == "gone":
        assert writer.recovered == ""
    else:
        assert writer.recovered.startswith(str(part))
        assert writer.recovered.endswith(place)
    with writer:
        for index in range(5, 8):
            writer.append(make_frame(header, index))
    for index in range(8):
        np.testing.assert_array_equal(read(path).density[index], make_frame(header, index).density)
    assert not folder.exists()


def test_a_file_with_its_parts_is_one_result(tmp_path):
    """Analyses and states as well; nothing is written, and a copy of both goes on."""
    header, path = make_header(), tmp_path / "a.h5"
    folder = killed(path, header, 6)
    before = {file: file.read_bytes() for file in (path, *folder.iterdir())}
    with h5py.File(path) as file:
        assert (len(file["time"]), file.attrs["status"]) == (1, "running")
        assert "stationary" not in file
    contents = read(path)
    assert (contents.status, len(contents.time)) == ("running", 6)
    expected = make_stationary(header)
    np.testing.assert_array_equal(contents.analyses["stationary"].current, expected.current)
    assert {file: file.read_bytes() for file in before} == before
    with ResultWriter.resume(path, header)[0] as writer:
        assert writer.found("stationary").entropy_production == expected.entropy_production
    assert read(path).status == "complete"


def test_an_interrupted_file_goes_on_without_its_folder(tmp_path):
    header, path = make_header(), tmp_path / "a.h5"
    interrupted(path, header, 5, checkpoint=4)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
    assert ResultWriter.resume(path, header)[1].frame == 4


def test_parts_go_into_the_file_from_time_to_time(tmp_path):
    """It doubles each time, so that little is written twice, and parts stay few."""
    header, path = make_header((5,)), tmp_path / "a.h5"
    writer, found = ResultWriter.create(path, header), []
    for index in range(300):
        writer.append(make_frame(header, index))
        with h5py.File(path) as file:
            found.append(len(file["time"]))
            parts = len(list(path.with_name("a.h5.part").iterdir()))
            assert parts == index + 1 - found[-1] <= max(64, found[-1])
    assert len(set(found)) <= 5
    writer.close("complete")
    assert len(read(path).time) == 300


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


def test_files_that_no_run_of_this_version_began_are_told(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 3, checkpoint=2)
    open_result(tmp_path / "a.h5").save(tmp_path / "saved.h5")
    with pytest.raises(StoreError, match=r"not begun by a run.*--overwrite"):
        ResultWriter.resume(tmp_path / "saved.h5", header)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for slot in "ab":
            for name in ("density", "step", "frame", "reached", "counters"):
                file[f"checkpoint/{slot}/{name}"] = file[f"checkpoint/{name}"][()]
        for name in ("density", "step", "frame", "reached", "counters"):
            del file[f"checkpoint/{name}"]
    assert len(open_result(tmp_path / "a.h5").time) == 3
    assert not identity(tmp_path / "a.h5").resumable
    with pytest.raises(StoreError, match=r"by an earlier version.*--overwrite"):
        ResultWriter.resume(tmp_path / "a.h5", header)


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
        writer.append(frame, Checkpoint(index, frame.time, frame.density, 0.5, {"n": index}))
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
