"""A result as an xarray tree: what the file has, under the same names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from file_samples import CASES, written
from matplotlib.figure import Figure

import fokkerplanck as fp


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tree")


@pytest.mark.parametrize("name", ["double_well_1d", "large_step", "quadratic_3d", "levy_ou"])
def test_tree_is_what_the_file_holds(name: str, folder: Path) -> None:
    path = written(name, folder)
    tree = fp.open_result(path).tree
    with xarray.open_datatree(path, engine="h5netcdf") as stored:
        assert set(tree.groups) == {group for group in stored.groups if "checkpoint" not in group}
        for group in tree.groups:
            for label, variable in tree[group].to_dataset(inherit=False).variables.items():
                other = stored[group].to_dataset(inherit=False).variables[label]
                assert (variable.dims, variable.attrs) == (other.dims, other.attrs), label
                np.testing.assert_array_equal(variable.values, other.values)


def test_groups_and_variables_by_their_names(folder: Path, tmp_path: Path) -> None:
    result = fp.open_result(written("double_well_1d", folder))
    assert float(result["passage"].mean_time.sel(x=-1.0, method="nearest")) > 0.0
    np.testing.assert_array_equal(result["density"], result.density)
    near = result["density"].sel(x=slice(-0.5, 0.5)).isel(time=-1)
    assert near.dims == ("x",)
    result.tree.to_netcdf(tmp_path / "copy.nc")
    with h5py.File(tmp_path / "copy.nc") as file:
        np.testing.assert_array_equal(file["density"], result.density)


def test_what_is_not_there_is_told_with_its_section(folder: Path) -> None:
    result = fp.open_result(written("large_step", folder))
    with pytest.raises(KeyError, match=r"a section \[passage\] of the case asks for it"):
        result["passage"]
    with pytest.raises(KeyError, match="no 'pasage'"):
        result["pasage"]
    result.failed["passage"] = "the target is empty"
    with pytest.raises(KeyError, match=r"\[passage\] was not computed: the target is empty"):
        result["passage"]


@pytest.mark.parametrize("name", ["double_well_1d", "hopf", "quadratic_3d"])
def test_plot_shows_the_density(name: str, folder: Path) -> None:
    assert name in CASES
    result = fp.open_result(written(name, folder))
    axes = result.plot(frame=0, ax=Figure().subplots())
    assert axes.get_title() == "t = 0"
    if result.ndim == 1:
        x, density = axes.lines[0].get_data()
        np.testing.assert_array_equal(x, result.centers[0])
        np.testing.assert_array_equal(density, result.density[0])
        return
    shown = axes.collections[0].get_array().reshape(result.shape[1::-1]).T
    wanted = result.density[0]
    if result.ndim == 3:
        # The marginal of the first two parameters.
        wanted = wanted.sum(axis=2) * result.grid_spacing[2]
    np.testing.assert_allclose(shown, wanted)


def test_xarray_is_loaded_when_it_is_needed(folder: Path) -> None:
    path = written("double_well_1d", folder)
    code = (
        "import sys, fokkerplanck as fp\n"
        "assert 'xarray' not in sys.modules\n"
        f"result = fp.open_result({str(path)!r})\n"
        "print(result.tree['density'].sizes['time'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
