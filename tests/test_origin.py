"""A result file runs again: the same bits, other settings, its data inside, itself untouched."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from file_samples import CASES, earlier

from fokkerplanck import CaseError, StoreError, load_case, run
from fokkerplanck.case.files.bundled import cases_directory
from fokkerplanck.case.files.open import is_result
from fokkerplanck.cli.main import main
from fokkerplanck.io import inputs

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
# What differs between two runs of one case.
ATTRIBUTES = {"history", "timings", "name", "checkpoint@run"}


def contents(path: Path) -> dict[str, Any]:
    """Bytes of every dataset, and every attribute of the groups."""
    found: dict[str, Any] = {}
    with h5py.File(path) as file:
        found |= {f"@{name}": str(value) for name, value in file.attrs.items()}

        def look(place: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Group):
                found.update({f"{place}@{key}": str(value) for key, value in item.attrs.items()})
            else:
                values = item[()]
                text = h5py.check_string_dtype(item.dtype)
                found[place] = np.asarray(values).tolist() if text else values.tobytes()

        file.visititems(look)
    return {name: value for name, value in found.items() if name.strip("@") not in ATTRIBUTES}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Result of a copy of a case on data, both of which are then removed."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "data").mkdir()
    shutil.copy(cases_directory() / "linear_regression.toml", folder / "penguins.toml")
    shutil.copy(cases_directory() / "data" / "penguins.csv", folder / "data")
    run(load_case(folder / "penguins.toml", CASES["linear_regression"]), folder / "penguins.h5")
    shutil.rmtree(folder / "data")
    (folder / "penguins.toml").unlink()
    return folder / "penguins.h5"


def test_the_same_bits_with_text_overrides_and_data_from_the_file(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = first.read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(first), "--no-figures", "--quiet"]) == 0
    again = Path("runs") / "penguins-again" / "penguins.h5"
    assert str(again) in capsys.readouterr().out
    old, new = contents(first), contents(again)
    assert "validation/fit" in old
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] != new[name]] == []
    # And from the second generation.
    assert contents(again)["inputs/input_0"] == old["inputs/input_0"]
    assert first.read_bytes() == before


def test_settings_of_the_command_come_after_those_of_the_file(first: Path) -> None:
    case = load_case(first)
    assert (case.name, case.file) == ("penguins", first)
    assert case.grid.shape == (14, 12)
    assert case.density is not None
    assert case.density.end == 1.0
    case = load_case(first, {"density.end": 2.5, "domain.bill": {"range": [-1, 1], "cells": 20}})
    assert case.density is not None
    assert case.density.end == 2.5
    assert case.grid.shape == (14, 20)
    assert set(case.overrides) == {*CASES["linear_regression"], "domain.bill"}
    with pytest.raises(CaseError, match=r"^--set: density\.end: "):
        load_case(first, {"density.end": -1}, origin="--set")


def test_a_result_is_not_overwritten_by_its_own_rerun(
    first: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = first.read_bytes()
    place = ["--out", str(first.parent), "--overwrite", "--quiet", "--no-figures"]
    assert main(["run", str(first), *place]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"fokkerplanck: {first}: the case comes from this very file; give --out elsewhere"
    )
    # To resume it, which is complete, reads it.
    assert main(["run", str(first), "--resume", "--no-figures"]) == 0
    assert first.read_bytes() == before


def test_check_explains_the_case_of_a_result(
    first: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(first), "--set", "domain.bill.cells=9"]) == 0
    assert "14 x 9 = 126" in capsys.readouterr().out


def test_data_that_are_not_in_the_file_are_named(
    first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert inputs.INPUT_BYTES == 16 * 2**20
    monkeypatch.setattr(inputs, "INPUT_BYTES", 10_000)
    result = run(load_case(first, {"ensemble.particles": 100, "density.frames": 2}))
    path = result.save(tmp_path / "short.h5")
    missing = tmp_path / "data" / "penguins.csv"
    with pytest.raises(CaseError) as caught:
        load_case(path)
    assert str(caught.value) == (
        f"{path}: loss.data: the result does not hold the text of data/penguins.csv, and there is "
        f"no file {missing}; put it there"
    )
    missing.parent.mkdir()
    missing.write_text(result.inputs["data/penguins.csv"], encoding="utf-8")
    assert load_case(path).grid.shape == (14, 12)


def test_files_without_a_case(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such result file"):
        load_case(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("title = 'x'")
    with pytest.raises(StoreError, match="not a readable HDF5 file"):
        load_case(tmp_path / "text.h5")
    path = earlier("schema1_control", tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["case_toml"] = ""
    with pytest.raises(StoreError, match="holds no case file"):
        load_case(path)
    with h5py.File(path, "r+") as file:
        file.attrs["case_toml"] = "x = "
    with pytest.raises(CaseError, match="not valid TOML"):
        load_case(path)
    with h5py.File(path, "r+") as file:
        file.attrs["overrides"] = "[1]"
    with pytest.raises(StoreError, match="damaged"):
        load_case(path)


def test_a_file_of_schema_1_runs_again(tmp_path: Path) -> None:
    path = earlier("schema1_control", tmp_path)
    assert is_result(path)
    # The name says nothing: the first bytes do.
    bare = path.rename(tmp_path / "result")
    assert is_result(bare)
    case = load_case(bare)
    assert case.control is not None
    assert case.grid.shape == (16,)
    assert not is_result("quadratic")
