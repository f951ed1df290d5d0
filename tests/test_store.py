"""The result file: what other readers see, and what is refused."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pytest
from store_samples import make_frame, make_grid, make_header, make_spectrum, write

from fokkerplanck.errors import CaseError, StoreError
from fokkerplanck.io import SCHEMA, SPECTRUM, Arrays, Checkpoint, ResultWriter, read
from fokkerplanck.io.layout import CHUNK_BYTES, density_chunk
from fokkerplanck.io.storage.slots import read_slots

xarray = pytest.importorskip("xarray")
pytest.importorskip("h5netcdf")


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
            assert variable.attrs["units"] == "1"
            assert variable.attrs["long_name"]
        np.testing.assert_array_equal(data.density[2], make_frame(header, 2).density)
        for name in header.names:
            assert data[name].attrs["bounds"] == f"{name}_bounds"
            assert data[f"{name}_bounds"].dims == (name, "bound")
    with xarray.open_dataset(path, engine="h5netcdf", group="stationary") as data:
        assert data.current.dims == ("component", *header.names)
        np.testing.assert_array_equal(data[header.names[0]], header.centers[0])
        assert data.attrs["entropy_production"] == 0.25
        # netCDF has no truth values.
        assert data.attrs["detailed_balance"].dtype == np.int8
    with xarray.open_datatree(path, engine="h5netcdf") as tree:
        assert {"stationary", "checkpoint"} <= set(tree.children)


def test_h5py_finds_plain_names_and_every_dimension_has_a_scale(tmp_path):
    header = make_header(seed=77)
    write(tmp_path / "a.h5", header, 2)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["density"].shape == (2, 6, 8)
        assert file.attrs["case_toml"] == header.case_toml
        assert (file.attrs["seed"], file.attrs["schema"]) == (77, SCHEMA)

        def check(name, item):
            if not isinstance(item, h5py.Dataset):
                return
            if item.is_scale:
                own = name.rsplit("/", 1)[-1]
                assert h5py.h5ds.get_scale_name(item.id) == own.encode()
            else:
                assert all(len(dimension) == 1 for dimension in item.dims), name

        file.visititems(check)


def test_every_frame_is_on_disk_when_append_returns(tmp_path, monkeypatch):
    # A disk slower than this share of a run gets several frames at a time, from the journal.
    monkeypatch.setattr("fokkerplanck.io.storage.disk.FREE_SYNC_S", 1e9)
    header = make_header()
    with ResultWriter.create(tmp_path / "a.h5", header) as writer:
        for index in range(3):
            writer.append(make_frame(header, index))
            shutil.copy(tmp_path / "a.h5", tmp_path / "copy.h5")
            contents = read(tmp_path / "copy.h5")
            assert (contents.status, len(contents.time)) == ("running", index + 1)
            expected = make_frame(header, index).density
            np.testing.assert_array_equal(contents.density[index], expected)


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
    with pytest.raises(StoreError, match=r"--overwrite.*--resume.*--out"):
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

    def run():
        with ResultWriter.create(tmp_path / "a.h5", header) as writer:
            writer.append(make_frame(header, 0))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
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


def test_groups_show_names_and_not_pages_of_numbers():
    text = repr(Arrays(make_spectrum(make_grid("xy", (40, 40))), SPECTRUM))
    assert "modes" in text
    assert len(text) < 500
