"""What the README shows runs as it stands there, and it names files that are there."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from measures import compiled_only

from fokkerplanck.analyses.stability import stability_caution
from fokkerplanck.case import load_case
from fokkerplanck.pipeline.run import run

README = Path(__file__).resolve().parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def block(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    return str(code)


@compiled_only
def test_python_code_leaves_a_folder_and_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(block("python"), str(README), "exec"), names)
    plt.close("all")
    result = names["result"]
    assert result.time[-1] == 20.0
    assert {"problem.h5", "density.png", "report.html"} <= {
        file.name for file in (tmp_path / "runs" / "well").iterdir()
    }
    assert "passage" in result.tree.children
    mean_time = result["passage"].mean_time
    assert float(mean_time.sel(x=-1.5, method="nearest")) == 0.0
    assert np.all(mean_time.sel(x=slice(-0.9, None)).diff("x") > 0.0)


@compiled_only
def test_case_file_runs(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(block("toml"), encoding="utf-8")
    small = {"domain.x.cells": 64, "domain.y.cells": 64, "density.end": 1.0}
    result = run(load_case(file, small))
    assert result.beta == pytest.approx(2 * 1 / 0.2)
    assert np.all(np.diff(result.free_energy) < 0.0)
    assert not stability_caution(load_case(file).problem, load_case(file).grid)


def test_links_lead_to_files() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 5
    assert [link for link in links if not (README.parent / link).is_file()] == []


def test_requirements_and_extras_are_those_of_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(README.parent / "setup.cfg", encoding="utf-8")
    needed = re.findall(r"^([\w-]+)", setup["options"]["install_requires"], flags=re.MULTILINE)
    words = " ".join(TEXT.split())
    listed = re.split(r", | and ", re.findall(r"in a checkout brings (.*?)\. ", words)[0])
    assert sorted(listed) == sorted(needed)
    extras = re.findall(r"`\.\[(\w+)\]`", TEXT)
    assert extras
    assert set(extras) <= set(setup["options.extras_require"])
