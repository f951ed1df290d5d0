"""Exports: every value where it belongs, as VTK's own readers and plain HDF5 and XML see it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import h5py
import numpy as np
import pytest
from file_samples import written
from store_samples import (
    grid_of,
    make_frame,
    make_header,
    make_passage,
    make_spectrum,
    make_stationary,
)

from fokkerplanck import StoreError, export
from fokkerplanck.cli.arguments import FORMATS
from fokkerplanck.cli.main import main
from fokkerplanck.io import EXPORTS, ResultWriter
from fokkerplanck.io.exports.fields import grid_fields

# Cells and ends of every axis differ, so that none can stand for another.
SHAPES = [(7,), (6, 8), (4, 5, 6)]
FRAMES = 3
Samples = dict[tuple[int, ...], Path]


def sample(folder: Path, cells: tuple[int, ...], **options: Any) -> Path:
    """A result with numbers at random: no symmetry hides an exchange of axes or components."""
    path = folder / "a.h5"
    rng = np.random.default_rng(50411)
    ndim = len(cells)
    header = make_header(cells)
    bounds = tuple(
        -1.0 - axis + 0.3 * (axis + 1) * np.stack([np.arange(n), np.arange(1, n + 1)], axis=1)
        for axis, n in enumerate(cells)
    )
    header = replace(
        header,
        bounds=bounds,
        centers=tuple(one.mean(axis=1) for one in bounds),
        sigma=rng.random((ndim, ndim, *cells)),
        drift=rng.random((ndim, *cells)),
    )
    more = {"velocity": rng.random((ndim, *cells))}
    if ndim == 2:
        more["stream_function"] = rng.random(tuple(n + 1 for n in cells))
    rest = make_stationary(header, **more)
    with ResultWriter.create(path, header, **options) as writer:
        for index in range(FRAMES):
            writer.append(make_frame(header, index))
        writer.write("stationary", rest)
        writer.write("spectrum", make_spectrum(grid_of(header), turning=True))
        writer.write("passage", make_passage(header))
    return path


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """A result of each shape."""
    return {cells: sample(tmp_path_factory.mktemp("samples"), cells) for cells in SHAPES}


@cache
def expected(path: Path, frame: int) -> dict[str, np.ndarray]:
    """Values of every field by cell, with three components per index."""
    found = {}
    with h5py.File(path) as file:
        ndim = file["loss"].ndim
        for field in grid_fields(file):
            values = file[field.dataset][...]
            if field.rank == 1:
                whole = np.zeros((3, *values.shape[1:]))
                whole[:ndim] = values
                values = np.moveaxis(whole, 0, -1)
            elif field.rank == 2:
                whole = np.zeros((3, 3, *values.shape[2:]))
                whole[:ndim, :ndim] = values
                values = np.moveaxis(whole.reshape(9, *values.shape[2:]), 0, -1)
            elif field.moving or field.entry is not None:
                values = values[frame if field.moving else field.entry]
            found[field.name] = values
    return found


def corners(path: Path) -> list[np.ndarray]:
    with h5py.File(path) as file:
        names = [dimension[0].name for dimension in file["loss"].dims]
        faces = [file[f"{name}_bounds"][...] for name in names]
    return [np.append(one[:, 0], one[-1, 1]) for one in faces]


def arrays(data: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """From a VTK grid: places and values of each array, in the order of VTK's own numbering."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkCellCenters

    center = vtkCellCenters()
    center.SetInputData(data)
    center.Update()
    places = vtk_to_numpy(center.GetOutput().GetPoints().GetData())
    points = np.array([data.GetPoint(k) for k in range(data.GetNumberOfPoints())])
    found = {}
    for kind, where in ((data.GetCellData(), places), (data.GetPointData(), points)):
        for number in range(kind.GetNumberOfArrays()):
            found[kind.GetArrayName(number)] = where, vtk_to_numpy(kind.GetArray(number))
    return found


def check(found: dict[str, tuple[np.ndarray, np.ndarray]], path: Path, frame: int) -> None:
    """Each value is that of the result's cell (or corner) around its place."""
    faces, wanted = corners(path), expected(path, frame)
    assert found.keys() == wanted.keys()
    for name, (places, values) in found.items():
        at_corners = wanted[name].shape[0] == len(faces[0])
        where = []
        for axis, one in enumerate(faces):
            if at_corners:
                index = np.abs(places[:, axis, None] - one).argmin(axis=1)
                np.testing.assert_allclose(places[:, axis], one[index], atol=1e-6)
            else:
                index = np.searchsorted(one, places[:, axis]) - 1
                middle = 0.5 * (one[index] + one[index + 1])
                np.testing.assert_allclose(places[:, axis], middle, atol=1e-6)
            where.append(index)
        assert (
            len({*zip(*where, strict=True)})
            == len(values)
            == np.prod([len(one) - (not at_corners) for one in faces])
        )
        np.testing.assert_array_equal(values, wanted[name][tuple(where)], err_msg=name)


def read_vtkhdf(path: Path, step: int) -> Any:
    vtk = pytest.importorskip("vtkmodules.vtkIOHDF", reason="needs fokkerplanck[paraview]")
    reader = vtk.vtkHDFReader()
    reader.SetFileName(str(path))
    assert reader.CanReadFile(str(path))
    reader.UpdateInformation()
    assert reader.GetNumberOfSteps() == FRAMES
    reader.SetStep(step)
    reader.Update()
    times = [reader.GetTimeValue()]
    np.testing.assert_allclose(times, [0.1 * step])
    return reader.GetOutput()


def read_xdmf(path: Path, step: int) -> Any:
    vtk = pytest.importorskip("vtkmodules.vtkIOXdmf2", reason="needs fokkerplanck[paraview]")
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

    reader = vtk.vtkXdmfReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    key = vtkStreamingDemandDrivenPipeline.TIME_STEPS()
    information = reader.GetOutputInformation(0)
    times = [information.Get(key, k) for k in range(information.Length(key))]
    np.testing.assert_allclose(times, [0.0, 0.1, 0.2])
    reader.UpdateTimeStep(times[step])
    data = reader.GetOutputDataObject(0)
    while data.IsA("vtkMultiBlockDataSet"):
        data = data.GetBlock(0)
    return data


@pytest.mark.parametrize("cells", SHAPES)
@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize(("to", "read"), [("vtkhdf", read_vtkhdf), ("xdmf", read_xdmf)])
def test_readers_of_vtk_find_every_value_at_its_place(
    to: str, read: Any, step: int, cells: tuple[int, ...], samples: Samples, tmp_path: Path
) -> None:
    path = samples[cells]
    found = arrays(read(export(path, to, tmp_path)[0], step))
    names = {"density", "loss", "sigma", "drift", "stationary_current", "passage_current"}
    assert names <= found.keys()
    assert {"spectrum_modes_imag_mode_1", "passage_exit_probability_x_lower"} <= found.keys()
    assert ("stationary_stream_function" in found) == (len(cells) == 2)
    check(found, path, step)


@pytest.mark.parametrize("cells", SHAPES)
def test_vtkhdf_by_its_own_rules(cells: tuple[int, ...], samples: Samples, tmp_path: Path) -> None:
    """Without VTK: first axis fastest, origin and spacing of the grid, one value per cell."""
    path = samples[cells]
    with h5py.File(export(path, "vtkhdf", tmp_path)[0]) as file:
        root, ndim = file["VTKHDF"], len(cells)
        assert (root.attrs["Type"], list(root.attrs["Version"])) == (b"ImageData", [2, 0])
        assert list(root.attrs["WholeExtent"][1::2]) == [*cells, *[0] * (3 - ndim)]
        for axis, faces in enumerate(corners(path)):
            assert root.attrs["Origin"][axis] == faces[0]
            assert root.attrs["Spacing"][axis] == pytest.approx(faces[1] - faces[0])
        assert root["Steps"].attrs["NSteps"] == FRAMES
        np.testing.assert_allclose(root["Steps/Values"], [0.0, 0.1, 0.2])
        for frame, (name, item) in itertools.product(range(FRAMES), root["CellData"].items()):
            step = root[f"Steps/CellDataOffsets/{name}"][frame]
            stored, wanted = item[step], expected(path, frame)[name]
            assert stored.shape[:ndim] == cells[::-1]
            turned = stored.transpose(*range(ndim - 1, -1, -1), *range(ndim, stored.ndim))
            np.testing.assert_array_equal(turned, wanted, err_msg=name)


@pytest.mark.parametrize("cells", SHAPES)
def test_xdmf_by_its_own_rules(cells: tuple[int, ...], samples: Samples, tmp_path: Path) -> None:
    """Without VTK: the text leads to the values, from wherever it lies."""
    path = samples[cells]
    (tmp_path / "deep").mkdir()
    main_file, beside = export(path, "xdmf", tmp_path / "deep")
    assert main_file.stat().st_size < 100_000

    def data(item: ET.Element) -> np.ndarray:
        if item.get("ItemType") == "HyperSlab":
            slab, source = item
            start, stride, count = np.array(slab.text.split(), int).reshape(3, -1)  # type: ignore[union-attr]
            ends = start + stride * count
            values = data(source)[tuple(map(slice, start, ends, stride))]
            return values.reshape([int(n) for n in item.get("Dimensions", "").split()])
        file, place = str(item.text).split(":")
        with h5py.File(main_file.parent / file) as opened:
            values = opened[place][...]
        assert list(values.shape) == [int(n) for n in item.get("Dimensions", "").split()]
        assert values.dtype.itemsize == int(item.get("Precision", 0))
        return values

    grids = ET.parse(main_file).getroot().findall(".//Grid[@Name='cells']")
    assert len(grids) == FRAMES
    for frame, grid in enumerate(grids):
        assert float(grid.find("Time").get("Value")) == pytest.approx(0.1 * frame)  # type: ignore[union-attr, arg-type]
        places = [data(item) for item in grid.findall("Geometry/DataItem")]
        for axis, faces in enumerate(corners(path)):
            np.testing.assert_array_equal(places[axis].take(0, axis=axis), faces[0])
            line = np.moveaxis(places[axis], axis, -1).reshape(-1, len(faces))
            np.testing.assert_array_equal(line, np.broadcast_to(faces, line.shape))
        wanted = expected(path, frame)
        lines = grid.findall("Attribute")
        assert {one.get("Name") for one in lines} == wanted.keys()
        for one in lines:
            name = str(one.get("Name"))
            assert one.get("Center") == ("Node" if "stream" in name else "Cell")
            values = data(one[0])
            np.testing.assert_array_equal(values.reshape(wanted[name].shape), wanted[name])
    # Only corners, vectors and tensors are copied.
    with h5py.File(beside) as file:
        assert set(file) == {
            *("X", "Y", "Z", "sigma", "drift", "passage_current"),
            *("stationary_current", "stationary_velocity"),
        }


@pytest.mark.parametrize("to", ["vtkhdf", "xdmf"])
def test_only_kept_frames_are_steps(to: str, tmp_path: Path) -> None:
    path = sample(tmp_path, (6, 8), every_frame=False)
    written_file = export(path, to)[0]
    if to == "vtkhdf":
        with h5py.File(written_file) as file:
            np.testing.assert_allclose(file["VTKHDF/Steps/Values"], [0.0, 0.2])
            assert np.isfinite(file["VTKHDF/CellData/density"]).all()
    else:
        times = ET.parse(written_file).getroot().findall(".//Time")
        np.testing.assert_allclose([float(one.get("Value", "")) for one in times], [0.0, 0.2])


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize("name", ["double_well_1d", "large_step", "quadratic_3d"])
def test_results_of_runs_by_the_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(name, tmp_path)
    before = path.read_bytes()
    for to in ("vtkhdf", "xdmf"):
        assert main(["export", str(path), "--to", to, "--out", str(tmp_path / "out")]) == 0
        (tmp_path / "out").unlink()
        assert main(["export", str(path), "--to", to]) == 0
        # Again, over what is there.
        assert main(["export", str(path), "--to", to]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        str(path.with_suffix(".xdmf")),
        str(path.with_name(f"{name}_xdmf.h5")),
    ]
    assert path.read_bytes() == before
    with h5py.File(path.with_suffix(".vtkhdf")) as file:
        fields = set(file["VTKHDF/CellData"])
    more = {
        "double_well_1d": {"ensemble_counts", "passage_escape_basin", "passage_committor"},
        "large_step": {"discrete_stationary", "discrete_scan_density_learning_rate_0_2"},
        "quadratic_3d": {"ensemble_counts"},
    }
    assert {"density", "stationary_quasi_potential", *more[name]} <= fields


def test_what_cannot_be_exported_or_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tuple(EXPORTS) == FORMATS
    path = sample(tmp_path, (7,))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no export, and it is kept"):
        export(path, "vtkhdf", path)
    (tmp_path / "a.xdmf").write_text("mine")
    with pytest.raises(StoreError, match="no export, and it is kept"):
        export(path, "xdmf")
    assert (tmp_path / "a.xdmf").read_text() == "mine"
    assert path.read_bytes() == before
    assert main(["export", str(tmp_path / "none.h5"), "--to", "xdmf"]) == 2
    assert "there is no such result file" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["export", str(path), "--to", "vtkhdf", "--out", str(tmp_path / "file/a")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.h5", "a.xdmf", "file"]
