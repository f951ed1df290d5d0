"""The result file: what other readers see, kills at any moment, and resuming."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from fokkerplanck.domain import Axis, Domain
from fokkerplanck.errors import CaseError, StoreError
from fokkerplanck.grid import Grid
from fokkerplanck.store import (
    OBSERVABLES,
    Checkpoint,
    Frame,
    Header,
    ResultWriter,
    Stationary,
    read,
)
from fokkerplanck.store.layout import CHUNK_BYTES, density_chunk
from fokkerplanck.store.slots import read_slots

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


def make_header(cells=(6, 8), names="xyz", **fields):
    names = tuple(names[: len(cells)])
    grid = Grid.of(Domain(tuple(Axis(name, -1.0, 2.0) for name in names)), cells)
    ndim = len(cells)
    header = Header(
        names=names,
        centers=grid.centers,
        bounds=grid.bounds,
        loss=np.random.default_rng(5).random(cells),
        sigma=np.eye(ndim).reshape(ndim, ndim, *(1,) * ndim),
        beta=2.5,
        title="a test",
        case_toml="title = 'a test'\n# ünïcode",
        source="fokkerplanck 0.1.0; numpy 2",
    )
    return replace(header, **fields)


def make_frame(header, index):
    rng = np.random.default_rng([74111, index])
    ndim = len(header.names)
    observables = {name: rng.random() for name in OBSERVABLES}
    observables |= {"mean": rng.random(ndim), "covariance": rng.random((ndim, ndim))}
    return Frame(index, 0.1 * index, rng.random(header.shape), observables)


def make_stationary(header):
    rng = np.random.default_rng(9241)
    current = rng.random((len(header.names), *header.shape))
    return Stationary(
        rng.random(header.shape), rng.random(header.shape), current, 0.25, False, 1e-13, 0.5
    )


def write(path, header, frames, **options):
    with ResultWriter.create(path, header, **options) as writer:
        for index in range(frames):
            writer.append(make_frame(header, index))
        writer.write_stationary(make_stationary(header))


@pytest.mark.parametrize("cells", [(7,), (6, 8), (4, 5, 6)])
def test_xarray_reads_root_group_and_tree_without_options(tmp_path, cells):
    header = make_header(cells)
    path = tmp_path / "deep" / "er" / "a.h5"
    write(path, header, 3)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        assert data.density.dims == ("time", *header.names)
        assert data.sigma.dims == ("row", "column", *header.names)
        assert data.covariance.dims == ("time", "component", "component2")
        assert set(data.coords) == {
            *("time", "component", "component2", "row", "column", "bound"),
            *header.names,
        }
        assert list(data.component.values) == list(header.names)
        assert data.attrs["Conventions"] == "CF-1.11"
        assert data.attrs["status"] == "complete"
        for variable in data.data_vars.values():
            assert variable.attrs["units"] == "1" and variable.attrs["long_name"]
        np.testing.assert_array_equal(data.density[2], make_frame(header, 2).density)
        for name in header.names:
            assert data[name].attrs["bounds"] == f"{name}_bounds"
            assert data[f"{name}_bounds"].dims == (name, "bound")
    with xarray.open_dataset(path, engine="h5netcdf", group="stationary") as data:
        assert data.current.dims == ("component", *header.names)
        np.testing.assert_array_equal(data[header.names[0]], header.centers[0])
        assert data.attrs["entropy_production"] == 0.25
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        assert {"stationary", "checkpoint"} <= set(tree.children)


def test_h5py_finds_plain_names_and_every_dimension_has_a_scale(tmp_path):
    header = make_header(seed=77)
    write(tmp_path / "a.h5", header, 2)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["density"].shape == (2, 6, 8)
        assert file.attrs["case_toml"] == header.case_toml
        assert (file.attrs["seed"], file.attrs["schema"]) == (77, 1)

        def check(name, item):
            if isinstance(item, h5py.Dataset) and not item.is_scale:
                assert all(len(dimension) == 1 for dimension in item.dims), name

        file.visititems(check)


def test_seed_is_absent_when_not_given(tmp_path):
    write(tmp_path / "a.h5", make_header(), 1)
    with h5py.File(tmp_path / "a.h5") as file:
        assert "seed" not in file.attrs


def test_constant_sigma_takes_no_room(tmp_path):
    write(tmp_path / "a.h5", make_header((64, 64)), 0)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["sigma"].shape == (2, 2, 64, 64)
        assert file["sigma"].id.get_storage_size() < 0.02 * file["sigma"].nbytes


def test_single_precision_is_of_the_density_alone(tmp_path):
    header = make_header()
    frame = make_frame(header, 0)
    with ResultWriter.create(tmp_path / "a.h5", header, precision="float32") as writer:
        writer.append(frame)
        writer.checkpoint(Checkpoint(0, 0.0, frame.density))
    contents = read(tmp_path / "a.h5")
    assert contents.density.dtype == np.float32
    np.testing.assert_array_equal(contents.density[0], frame.density.astype(np.float32))
    assert contents.observables["mass"][0] == frame.observables["mass"]
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(read_slots(file)[0][2].density, frame.density)


def test_only_first_and_last_density_kept(tmp_path):
    header = make_header((32, 32))
    write(tmp_path / "a.h5", header, 9, every_frame=False)
    contents = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(contents.density[0], make_frame(header, 0).density)
    np.testing.assert_array_equal(contents.density[8], make_frame(header, 8).density)
    assert np.isnan(contents.density[1:8]).all()
    assert contents.observables["mass"][4] == make_frame(header, 4).observables["mass"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["density"].id.get_storage_size() == 2 * 32 * 32 * 8


@pytest.mark.parametrize("shape", [(50,), (1024, 1024), (96, 96, 96), (3, 2_000_000)])
def test_chunks_are_bounded_and_fill_the_frame(shape):
    chunk = density_chunk(shape, 8)
    assert np.prod(chunk) * 8 <= CHUNK_BYTES
    assert all(part <= whole for part, whole in zip(chunk, shape, strict=True))
    assert np.prod(chunk) * 8 > min(CHUNK_BYTES / 4, np.prod(shape) * 8 - 1)


def test_existing_result_is_refused_and_untouched(tmp_path):
    path = tmp_path / "a.h5"
    write(path, make_header(), 2)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="--overwrite.*--resume.*--out"):
        ResultWriter.create(path, make_header())
    assert path.read_bytes() == before
    write(path, make_header(title="new"), 1, overwrite=True)
    assert read(path).header.title == "new"


def test_failed_overwrite_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    write(path, make_header(), 2)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="case text"):
        ResultWriter.create(path, make_header(case_toml="#" * 70_000), overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file is not a directory"):
        ResultWriter.create(tmp_path / "file" / "a.h5", make_header())
    with pytest.raises(StoreError, match="needs the name of a file"):
        ResultWriter.create(tmp_path, make_header(), overwrite=True)


def test_full_disk_is_told_before_the_file_breaks(tmp_path, monkeypatch):
    header = make_header()
    writer = ResultWriter.create(tmp_path / "a.h5", header)
    writer.append(make_frame(header, 0))
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("", (), {"free": 1000}))
    with pytest.raises(StoreError, match="disk is full"), writer:
        writer.append(make_frame(header, 1))
    assert (read(tmp_path / "a.h5").status, len(read(tmp_path / "a.h5").time)) == ("interrupted", 1)


@pytest.mark.parametrize("name", ["time", "mass", "stationary", "row"])
def test_axis_names_the_file_needs_are_refused(tmp_path, name):
    header = make_header((5,))
    with pytest.raises(CaseError, match=f"domain.{name}: "):
        ResultWriter.create(tmp_path / "a.h5", replace(header, names=(name,)))
    assert not list(tmp_path.iterdir())


def test_frames_out_of_order_and_changed_observables_are_refused(tmp_path):
    header = make_header()
    with ResultWriter.create(tmp_path / "a.h5", header) as writer:
        with pytest.raises(ValueError, match="0 is next"):
            writer.append(make_frame(header, 1))
        writer.append(make_frame(header, 0))
        with pytest.raises(ValueError, match="not those of the first"):
            writer.append(replace(make_frame(header, 1), observables={"mass": 1.0}))
    assert len(read(tmp_path / "a.h5").time) == 1


def test_exception_closes_as_interrupted(tmp_path):
    header = make_header()
    with (
        pytest.raises(KeyboardInterrupt),
        ResultWriter.create(tmp_path / "a.h5", header) as writer,
    ):
        writer.append(make_frame(header, 0))
        raise KeyboardInterrupt
    contents = read(tmp_path / "a.h5")
    assert (contents.status, len(contents.time)) == ("interrupted", 1)


def test_files_that_are_no_results(tmp_path):
    with pytest.raises(StoreError, match="no such"):
        read(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_text("text")
    with pytest.raises(StoreError, match="not a readable HDF5"):
        read(tmp_path / "b.h5")
    h5py.File(tmp_path / "c.h5", "w").close()
    with pytest.raises(StoreError, match="not a result of fokkerplanck"):
        read(tmp_path / "c.h5")
    write(tmp_path / "d.h5", make_header(), 1)
    with h5py.File(tmp_path / "d.h5", "r+") as file:
        file.attrs["schema"] = 99
    with pytest.raises(StoreError, match="schema 99"):
        read(tmp_path / "d.h5")
    write(tmp_path / "e.h5", make_header(), 1)
    with h5py.File(tmp_path / "e.h5", "r+") as file:
        del file["loss"]
    with pytest.raises(StoreError, match="damaged"):
        read(tmp_path / "e.h5")


# Resuming


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


@pytest.mark.parametrize("every_frame", [True, False])
def test_resumed_file_equals_uninterrupted_one(tmp_path, every_frame):
    header = make_header()
    write(tmp_path / "whole.h5", header, 6, every_frame=every_frame)
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=2, every_frame=every_frame)
    writer, checkpoint = ResultWriter.resume(tmp_path / "a.h5", header)
    assert checkpoint.frame == 2 and checkpoint.step == 2 / 7
    assert checkpoint.time == make_frame(header, 2).time
    assert checkpoint.counters == {"steps": 6, "matvecs": 2**40, "norm": 0.1, "by": "auto"}
    np.testing.assert_array_equal(checkpoint.density, make_frame(header, 2).density)
    with writer:
        for index in range(3, 6):
            writer.append(make_frame(header, index))
        writer.write_stationary(make_stationary(header))
    whole, resumed = read(tmp_path / "whole.h5"), read(tmp_path / "a.h5")
    assert resumed.status == "complete"
    assert resumed.time.tobytes() == whole.time.tobytes()
    assert resumed.density.tobytes() == whole.density.tobytes()
    assert resumed.observables.keys() == whole.observables.keys()
    for name, series in whole.observables.items():
        assert resumed.observables[name].tobytes() == series.tobytes()
    with h5py.File(tmp_path / "a.h5") as file:
        assert "resumed at time 0.2" in file.attrs["history"]


def test_interrupted_again_at_once_keeps_the_last_density(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=4, every_frame=False)
    ResultWriter.resume(tmp_path / "a.h5", header)[0].close("interrupted")
    np.testing.assert_array_equal(
        read(tmp_path / "a.h5").density[4], make_frame(header, 4).density
    )


def test_checkpoints_alternate_and_a_torn_one_falls_back(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 4, checkpoint=3)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        (newest, slot, state), (older, other, _) = read_slots(file)
        assert (newest, older) == (4, 3) and {slot, other} == {"a", "b"} and state.frame == 3
        file[f"checkpoint/{slot}/density"][0, 0] += 1e-16 + 1e-9
    writer, checkpoint = ResultWriter.resume(tmp_path / "a.h5", header)
    assert checkpoint.frame == 2
    # The torn slot is the one to be overwritten, so that the good one stays.
    writer.checkpoint(replace(checkpoint, step=0.5))
    writer.close("interrupted")
    with h5py.File(tmp_path / "a.h5") as file:
        (_, first, newest_state), (_, second, _) = read_slots(file)
        assert (first, second, newest_state.step) == (slot, other, 0.5)


def test_unequal_lengths_are_cut_to_whole_frames(tmp_path):
    header = make_header()
    interrupted(tmp_path / "a.h5", header, 5, checkpoint=2)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["density"].resize(6, axis=0)
        file["time"].resize(6, axis=0)
        file["mass"].resize(4, axis=0)
    contents = read(tmp_path / "a.h5")
    assert len(contents.time) == len(contents.density) == len(contents.observables["mean"]) == 4
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["mass"].resize(6, axis=0)
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


def test_resume_refuses_complete_absent_and_uncheckpointed_runs(tmp_path):
    header = make_header()
    write(tmp_path / "a.h5", header, 2)
    with pytest.raises(StoreError, match="complete"):
        ResultWriter.resume(tmp_path / "a.h5", header)
    with pytest.raises(StoreError, match="no such"):
        ResultWriter.resume(tmp_path / "b.h5", header)
    interrupted(tmp_path / "c.h5", header, 2, checkpoint=-1)
    with pytest.raises(StoreError, match="before its first checkpoint"):
        ResultWriter.resume(tmp_path / "c.h5", header)


CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
from test_store import Checkpoint, ResultWriter, make_frame, make_header
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


@pytest.mark.parametrize("trial", range(5))
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
    assert contents.status == "running" and frames >= 1
    for index in range(frames):
        expected = make_frame(header, index)
        assert contents.time[index] == expected.time
        np.testing.assert_array_equal(contents.density[index], expected.density)
        np.testing.assert_array_equal(
            contents.observables["covariance"][index], expected.observables["covariance"]
        )
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        np.testing.assert_array_equal(data.mass[:frames], contents.observables["mass"])
    try:
        writer, checkpoint = ResultWriter.resume(path, header)
    except StoreError as error:  # killed between the first frame and the first checkpoint
        assert frames == 1 and "before its first checkpoint" in str(error)
        return
    assert checkpoint.frame in (frames - 1, frames - 2)
    np.testing.assert_array_equal(
        checkpoint.density, make_frame(header, checkpoint.frame).density
    )
    with writer:
        writer.append(make_frame(header, checkpoint.frame + 1))
    assert len(read(path).time) == checkpoint.frame + 2
