"""Result files of every kind: what xarray, netCDF-4 and h5py see, the schema, earlier schemas."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from file_samples import CASES, attributes, earlier, variables, written

from docs.generate import groups
from fokkerplanck import (
    CaseWarning,
    Problem,
    StoreError,
    __version__,
    load_case,
    make_case,
    open_result,
    run,
)
from fokkerplanck.io import SCHEMA, reserved
from fokkerplanck.io.groups.table import GROUPS
from fokkerplanck.io.precision import BITS, COMPACT_BITS
from fokkerplanck.io.shapes import SHAPES

xarray = pytest.importorskip("xarray")
PAGE = Path(__file__).parents[1] / "docs" / "result_file.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the results of all cases are."""
    made = tmp_path_factory.mktemp("files")
    for name in CASES:
        written(name, made)
    return made


OTHER = ("double_well_1d", "linear_regression")  # for the second reader


@pytest.mark.parametrize(
    ("name", "engine"),
    [*((name, "h5netcdf") for name in CASES), *((name, "netcdf4") for name in OTHER)],
)
def test_every_result_opens_as_a_tree(name: str, engine: str, folder: Path) -> None:
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine))
    path = written(name, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xarray.open_datatree(path, engine=engine)
        with tree:
            assert "/stationary" in tree.groups or name in (
                "saddle_escape", "cross_diffusion", "levy_ou", "schedule_double_well",
            )  # fmt: skip
            for node in tree.subtree:
                data = node.to_dataset()
                # A dimension without coordinate would be one that the reader made up.
                assert set(data.dims) <= set(data.coords), node.path
                for label, variable in node.to_dataset(inherit=False).variables.items():
                    assert variable.attrs["units"] == "1", (node.path, label)
                    assert variable.attrs["long_name"], (node.path, label)
                    assert "phony" not in str(variable.dims)
            np.testing.assert_array_equal(tree["density"], h5py.File(path)["density"])


@pytest.mark.parametrize("name", ["hopf"])
def test_every_group_opens_alone(name: str, folder: Path) -> None:
    path = written(name, folder)
    with h5py.File(path) as file:
        groups: list[str] = [""]
        file.visititems(
            lambda place, item: groups.append(place) if isinstance(item, h5py.Group) else None
        )
        for group in groups:
            with xarray.open_dataset(path, engine="h5netcdf", group=f"/{group}") as data:
                for label, variable in data.variables.items():
                    stored = file[f"{group}/{label}"]
                    # Texts of single characters come as one string, as netCDF wants it.
                    if stored.dtype.kind in "fiu":
                        assert variable.shape == stored.shape
                        np.testing.assert_array_equal(variable, stored)
    assert len(groups) > 3


@pytest.mark.parametrize("name", CASES)
def test_every_dimension_has_its_scale(name: str, folder: Path) -> None:
    with h5py.File(written(name, folder)) as file:

        def look(place: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Dataset) and not item.is_scale:
                assert all(len(dimension) == 1 for dimension in item.dims), place

        file.visititems(look)


@pytest.mark.parametrize("name", CASES)
def test_every_array_has_its_dimensions_checked(name: str, folder: Path) -> None:
    """What a reader takes without knowing its shape ends in a traceback somewhere else."""
    with h5py.File(written(name, folder)) as file:

        def look(place: str, item: h5py.HLObject) -> None:
            group, _, leaf = f"/{place}".rpartition("/")
            if not isinstance(item, h5py.Dataset) or item.is_scale or "_bounds" in leaf:
                return
            if group.startswith(("/checkpoint", "/inputs", "/control/search")):
                return
            _, first, *rest = (group or "/").split("/")
            layout = GROUPS[first].layout if first in GROUPS else None
            for part in rest:
                layout = layout and layout.child(part)
            assert leaf in (SHAPES[group or "/"] if layout is None else layout.variables), place

        file.visititems(look)


def test_walkers_that_are_seen_at_other_times_have_their_own(folder: Path) -> None:
    """Two different coordinates of one name would keep the tree from opening."""
    with xarray.open_datatree(written("linear_regression", folder), engine="h5netcdf") as tree:
        times = tree["ensemble"].walk_time.values
        assert not np.array_equal(times, tree.time)
        np.testing.assert_allclose(times, tree.time, atol=0.021)
        assert tree["ensemble"].counts.dims == ("walk_time", "flipper", "bill")
        assert float(tree["ensemble"].to_dataset().isel(walk_time=0).counts.sum()) == 300.0
    with h5py.File(written("linear_regression", folder)) as file:
        for group in ("ensemble", "validation"):
            np.testing.assert_array_equal(file[f"{group}/time"], file[f"{group}/walk_time"])


def test_files_tell_what_made_them(folder: Path) -> None:
    with h5py.File(written("linear_regression", folder)) as file:
        source = file.attrs["source"]
        for part in (f"fokkerplanck {__version__}", "numpy ", "numba ", "h5py ", "Python "):
            assert part in source
        assert f"HDF5 {h5py.version.hdf5_version}" in source
        assert file.attrs["seed"] == 20261
        assert "penguins.csv" in file.attrs["case_toml"]


def test_compact_densities_are_off_by_their_rounding_and_no_more(folder: Path) -> None:
    path = written("linear_regression", folder)
    with h5py.File(path) as file:
        assert file["density"].dtype == np.float32
        assert file["density"].attrs[BITS] == COMPACT_BITS
        assert file["density"].compression == "gzip"
        kept = file["density"][...]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        case = replace(load_case(path), ensemble=None, validation=None, stationary=None)
        exact = run(case).density
    visible = exact > 1e-30
    error = np.abs(kept[visible] / exact[visible] - 1.0).max()
    # Half of the last bit kept; a single bit less would show.
    assert 2.0 ** -(COMPACT_BITS + 2) < error <= 1.01 * 2.0 ** -(COMPACT_BITS + 1)
    dropped = np.uint32(2 ** (23 - COMPACT_BITS) - 1)
    assert not (kept.view(np.uint32) & dropped).any()


# The page that documents the schema, and files of the schemas before.


def documented() -> tuple[dict[str, tuple[str, str]], set[str]]:
    """What the pages say: datasets, attributes; those of analyses come from their layouts."""
    datasets, named = groups.documented()
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not cells[0].startswith("`/"):
            continue
        place = cells[0].strip("`")
        if "@" in place:
            named.add(place)
        else:
            datasets[place] = (cells[1], cells[2])
    return datasets, named


def test_the_page_says_what_the_writer_writes(folder: Path) -> None:
    datasets, named = documented()
    found: dict[str, tuple[str, str]] = {}
    attached: set[str] = set()
    for name in CASES:
        found |= variables(written(name, folder))
        attached |= attributes(written(name, folder))
    # What a case from a file never has.
    problem = Problem(lambda x: x**2, domain={"x": (-1, 1)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CaseWarning)
        run(make_case(problem, 8, density={"end": 0.1, "frames": 2}), folder / "functions.h5")
        # No noise at all in the middle: nothing is stationary in the whole box.
        cut = Problem("x**2", "x**2", domain={"x": (-1, 1)})
        asked = {"density": {"end": 0.1, "frames": 2}, "stationary": {}}
        run(make_case(cut, 8, **asked), folder / "failed.h5")
    attached |= attributes(folder / "functions.h5") | attributes(folder / "failed.h5")
    assert found.items() <= datasets.items()
    assert attached <= named
    # Of the groups some hold what no case here asks for.
    made, made_of = groups.documented()
    assert datasets.keys() - made.keys() <= found.keys()
    assert named - made_of <= attached
    assert f"Schema {SCHEMA} " in PAGE.read_text(encoding="utf-8")


def test_no_axis_can_take_the_name_of_a_dataset() -> None:
    """Groups hold the axes beside their own datasets."""
    places = [place.split("/") for place in documented()[0]]
    apart = ("checkpoint", "validation", "search")
    leaves = {place[-1] for place in places if not set(place) & set(apart)}
    assert {leaf for leaf in leaves if "<" not in leaf} <= reserved()
    # Of a group without the axes.
    assert "sampling" not in reserved()


@pytest.mark.parametrize("name", ["schema1", "schema1_control"])
def test_files_of_schema_1_are_read(name: str, tmp_path: Path) -> None:
    result = open_result(earlier(name, tmp_path))
    assert result.status == "complete"
    assert result.drift is None
    assert result.inputs == {}
    assert len(result.time) == 3
    np.testing.assert_allclose(result.mass, 1.0, rtol=1e-12)
    assert result.ensemble is not None
    assert result.ensemble.counts[-1].sum() + result.ensemble.outside[-1] == (
        result.ensemble.particles
    )
    assert result.ensemble.time[-1] == pytest.approx(1.0)
    if name == "schema1_control":
        assert result.control is not None
        assert result.control.costs.size
        return
    assert result.discrete is not None
    assert len(result.discrete.relation_left) == 24
    assert result.discrete.relation_source[0] == "diffusion"
    assert result.validation is not None
    assert result.validation.time.size
    assert result.spectrum is not None
    assert result.passage is not None
    assert result.smoothing is not None
    # Saved again it has the present schema.
    result.save(tmp_path / "new.h5")
    with xarray.open_datatree(tmp_path / "new.h5", engine="h5netcdf") as tree:
        assert tree.attrs["schema"] == SCHEMA
        assert tree["discrete"].relation_source.dims == ("relation",)


def test_a_newer_schema_gets_one_sentence(tmp_path: Path) -> None:
    path = earlier("schema1_control", tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = SCHEMA + 1
    with pytest.raises(StoreError) as caught:
        open_result(path)
    assert str(caught.value) == (
        f"{path}: the file has schema {SCHEMA + 1}, this version reads up to {SCHEMA}; use a newer "
        "fokkerplanck"
    )
