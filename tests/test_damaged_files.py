"""Damaged and hostile result files: one sentence each, no crash, no hang, nothing changed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from damages import ARRAYS, accidents, hostile, structural, write_good
from limits_of_time import Reader

from fokkerplanck.case.files.open import load_case
from fokkerplanck.errors import StoreError
from fokkerplanck.io import read
from fokkerplanck.io.result import open_result

ACCIDENTS = 80
STRUCTURAL = list(structural())
HOSTILE = list(hostile())
# What the child says of a file that can be read: it does not know the figure asked for.
READ = "none-of-this-name"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.h5"
    write_good(path)
    return path


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    child = Reader()
    yield child
    child.close()


def sentence(reader: Reader, path: Path) -> str:
    """What the command line says of a file; it leaves the file as it is."""
    before = path.read_bytes()
    status, stderr, trace = reader(path)
    assert not trace, trace
    lines = stderr.splitlines()
    assert (status, len(lines)) == (2, 1), stderr
    assert path.read_bytes() == before
    if READ not in lines[0]:
        assert lines[0].startswith(f"fokkerplanck: {path}: ")
    return lines[0]


def test_the_good_file_is_read(good: Path, reader: Reader) -> None:
    assert READ in sentence(reader, good)
    assert open_result(good).grid.shape == (4, 5)
    with h5py.File(good) as file:
        assert all(name in file for name in ARRAYS)


def test_there_are_a_hundred() -> None:
    assert ACCIDENTS + len(STRUCTURAL) + len(HOSTILE) > 200


def test_accidents(good: Path, tmp_path: Path, reader: Reader) -> None:
    found = list(accidents(good.read_bytes()))
    assert len(found) == ACCIDENTS
    answers = {}
    for name, raw in found:
        path = tmp_path / f"{name}.h5"
        path.write_bytes(raw)
        answers[name] = sentence(reader, path)
    # HDF5 1.10's files have no checksums: a flipped digit of an array cannot be seen.
    refused = [name for name, answer in answers.items() if READ not in answer]
    assert {name for name in answers if name.startswith(("cut", "heap", "other", "text"))} <= set(
        refused
    )
    assert len(refused) > ACCIDENTS // 2


@pytest.mark.parametrize("number", range(len(STRUCTURAL)), ids=[name for name, _ in STRUCTURAL])
def test_structure(good: Path, tmp_path: Path, number: int) -> None:
    path = tmp_path / "a.h5"
    shutil.copy(good, path)
    with h5py.File(path, "r+") as file:
        STRUCTURAL[number][1](file)
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=[name for name, *_ in HOSTILE])
def test_hostile(good: Path, tmp_path: Path, reader: Reader, number: int) -> None:
    _, damage, part = HOSTILE[number]
    path = tmp_path / "a.h5"
    shutil.copy(good, path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.ones((4, 5))
    with h5py.File(path, "r+") as file:
        damage(file)
    assert part in sentence(reader, path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_copy_that_was_cut_off_tells_both_sizes(
    good: Path, tmp_path: Path, reader: Reader, share: float
) -> None:
    whole = good.read_bytes()
    path, part = tmp_path / "a.h5", whole[: int(share * len(whole))]
    path.write_bytes(part)
    found = sentence(reader, path)
    assert f"should have {len(whole):,} bytes and has {len(part):,}; copy it again" in found
    with pytest.raises(StoreError, match=r"a.h5: the end of this file is missing: it should have"):
        load_case(path)
    # It is the end that is missing, and nothing else.
    path.write_bytes(part + whole[len(part) :])
    assert open_result(path).status == "complete"


@pytest.mark.parametrize("size", [0, 1, 8, 30])
def test_a_copy_that_hardly_began_tells_its_size(
    good: Path, tmp_path: Path, reader: Reader, size: int
) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(good.read_bytes()[:size])
    assert f"has {size} bytes, which is no whole HDF5 file; copy it again" in sentence(reader, path)


@pytest.mark.parametrize("kind", ["directory", "pipe", "device", "empty"])
def test_what_is_no_file(tmp_path: Path, reader: Reader, kind: str) -> None:
    path = tmp_path / "a.h5"
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
    status, stderr, trace = reader(path)
    assert (status, trace, len(stderr.splitlines())) == (2, "", 1)


def test_a_crash_and_a_hang_would_be_seen(good: Path) -> None:
    child = Reader()
    assert READ in child(good)[1]
    assert child.child is not None
    os.kill(child.child.pid, signal.SIGSTOP)
    assert child(good, seconds=0.5) == (-1, "", "the child hung")
    assert READ in child(good)[1]
    os.kill(child.child.pid, signal.SIGSTOP)
    killer = threading.Timer(0.5, child.child.kill)
    killer.start()
    assert child(good) == (-1, "", "the child crashed")
    killer.join()
