"""Bad cases: each ends in status 2 and one sentence that names the file and the key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from bad_cases import (
    CASES,
    DATA,
    FORMULAS,
    HEAD,
    ROWS,
    TEXTS,
    VALUES,
    WELL,
    bundled,
    changed,
    generated,
    text_of,
)
from limits_of_time import time_limit

from fokkerplanck import CaseError, load_case
from fokkerplanck.case import disk_needed, memory, require_disk
from fokkerplanck.case.files.bundled import cases_directory
from fokkerplanck.cli.main import main

GENERATED = list(generated())
NEURON = bundled("tanh_neuron")
ARRIVAL = {"passage.target": "x > 0", "passage.end": 9, "passage.frames": 10**6}


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Give a text to the command line; returns its one sentence."""

    def check(text: str | bytes, *arguments: str, origin: str = "") -> str:
        path = tmp_path / "bad.toml"
        raw = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(raw)
        with time_limit():
            status = main(["check", str(path), *arguments])
        captured = capsys.readouterr()
        lines = [one for one in captured.err.splitlines() if not one.startswith("warning: ")]
        assert (status, captured.out, len(lines)) == (2, "", 1), captured
        assert lines[0].startswith(f"fokkerplanck: {origin or path}: ")
        assert len(lines[0]) < 2500
        assert path.read_bytes() == raw
        return lines[0]

    return check


def test_there_are_three_hundred() -> None:
    assert len(GENERATED) + len(VALUES) + len(FORMULAS) + len(TEXTS) + len(DATA) >= 300


@pytest.mark.parametrize("case", CASES)
def test_the_unchanged_texts_are_good(case: str, tmp_path: Path) -> None:
    data = bundled(case)
    path = tmp_path / f"{case}.toml"
    path.write_text(text_of(data))
    # Named by the user: the data stay where they are.
    table = data["loss"].get("data")
    names = {"loss.data": str(cases_directory() / table)} if table else {}
    assert load_case(path, names).title == data["title"]


@pytest.mark.parametrize("text", [text for _, text in GENERATED], ids=[w for w, _ in GENERATED])
def test_other_types_and_misspelt_keys(refused: Any, text: str) -> None:
    assert refused(text).count(": ") >= 3


@pytest.mark.parametrize(("key", "value"), VALUES, ids=lambda value: repr(value)[:30])
def test_values_out_of_range(refused: Any, key: str, value: Any) -> None:
    sentence = refused(text_of(changed(WELL, key, value)))
    assert f": {key.split('.')[0]}" in sentence


@pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)
def test_formulas(refused: Any, text: str) -> None:
    sentence = refused(text_of(changed(WELL, "loss", {"formula": text})))
    assert ": loss.formula: " in sentence or "at most 60,000 bytes" in sentence


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts(refused: Any, text: bytes) -> None:
    refused(text)


def test_a_long_text_is_not_taken_in(refused: Any) -> None:
    assert "at most 60,000 bytes are allowed" in refused(TEXTS["too long"])


@pytest.mark.parametrize(("raw", "part"), DATA.values(), ids=DATA)
def test_data(refused: Any, tmp_path: Path, raw: bytes, part: str) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    loss = {**NEURON["loss"], "data": "x.csv", "features": ["x1"], "target": "y"}
    sentence = refused(text_of(changed(NEURON, "loss", loss)))
    assert ": loss." in sentence
    assert part in sentence
    assert (tmp_path / "x.csv").read_bytes() == raw


def neuron(name: str) -> str:
    loss = {**NEURON["loss"], "data": name, "features": ["x1"], "target": "y"}
    return text_of(changed(NEURON, "loss", loss))


@pytest.mark.parametrize("name", ["/dev/zero", "../x.csv", "/etc/passwd", "link.csv", "a/../../x"])
def test_no_path_leads_out_of_the_folder(refused: Any, tmp_path: Path, name: str) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    sentence = refused(neuron(name))
    assert "lies outside the folder of the case" in sentence
    assert "root:" not in sentence


@pytest.mark.parametrize("name", ["pipe", ".", "circle", "a\0b", "x" * 300, "none.csv", ""])
def test_what_is_no_file(refused: Any, tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    sentence = refused(neuron(name))
    assert ": loss.data: " in sentence
    assert "is a device or a pipe" in sentence or name != "pipe"


def test_large_data_are_refused_unread(refused: Any, tmp_path: Path) -> None:
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(2**40)
    assert "at most 32 MiB are allowed" in refused(neuron("large.csv"))


def test_the_user_may_name_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (tmp_path / "x.csv").write_bytes(HEAD + ROWS)
    (folder / "a.toml").write_text(neuron("nothing.csv"))
    case = load_case(folder / "a.toml", {"loss.data": "../x.csv"})
    assert case.problem.model is not None
    assert case.problem.model.samples == 4


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\r\n"])
def test_windows_texts_are_read(tmp_path: Path, mark: bytes) -> None:
    text = text_of(WELL).encode()
    path = tmp_path / "a.toml"
    path.write_bytes(mark + text.replace(b"\n", b"\r\n"))
    assert load_case(path).title == WELL["title"]


@pytest.mark.parametrize(
    ("case", "overrides", "key", "part"),
    [
        ("quadratic", {"domain.x.cells": 10**7}, "domain", "10000000 x 128 cells"),
        ("quadratic", {"density.frames": 10**6}, "density.frames", "1000000 frames"),
        ("quadratic", {"spectrum.count": 16_000}, "spectrum.count", "16000 modes"),
        ("quadratic", {"ensemble.particles": 10**9}, "ensemble.particles", "1000000000 walkers"),
        ("quadratic", {"ensemble": {"trajectories": 10**6}}, "ensemble.trajectories", "of memory"),
        ("schedule_quadratic", {"control.intervals": 10**6}, "control.intervals", "1000000 int"),
        ("kramers", ARRIVAL, "passage.frames", "of memory"),
    ],
)
def test_what_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch, case: str, overrides: dict[str, Any], key: str, part: str
) -> None:
    monkeypatch.setattr(memory, "memory_available", lambda: 2**24)
    with pytest.raises(CaseError, match=r"need about .*B of memory and .* are available") as caught:
        load_case(case, overrides, origin="--set")
    assert caught.value.key == key
    assert part in str(caught.value)


def test_what_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = load_case("quadratic", {"density.frames": 1000})
    # A thousand frames of 128 x 128 doubles, and some hundred arrays more.
    assert 125 * 2**20 < disk_needed(case) < 250 * 2**20
    require_disk(case, tmp_path / "a.h5")
    monkeypatch.setattr("fokkerplanck.case.disk.disk_available", lambda folder: 100 * 2**20)
    with pytest.raises(CaseError, match=r"1000 frames of 16,384 cells need .* and 100 MiB"):
        require_disk(case, tmp_path / "a.h5")


def test_overrides_are_limited_too(refused: Any) -> None:
    text = text_of(WELL)
    assert "domain" in refused(text, "--set", "domain.x.cells=1000000000000", origin="--set")
    refused(text, "--set", "a." * 5000 + "b=1", origin="--set")
    refused(text, "--set", "density.end=" + "[" * 5000, origin="--set")
    refused(text, "--set", f"noise.beta={10**400}", origin="--set")
