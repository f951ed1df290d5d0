"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measures import compiled_only

from fokkerplanck.analyses.stability import stability_caution
from fokkerplanck.case import load_case
from fokkerplanck.pipeline.run import run
from fokkerplanck.timestepping.steppers import STEPPERS

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks(language: str) -> list[str]:
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@compiled_only
def test_python_code_evolves_towards_rest() -> None:
    code, _ = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    path, rest, grid = names["path"], names["rest"], names["grid"]
    distances = grid.integrate(np.abs(path.density - rest.density))
    assert np.all(np.diff(distances) < 0.0)
    assert not rest.detailed_balance
    assert np.allclose(grid.integrate(path.density), 1.0, atol=1e-13)


# Few cells, to be quick.
@compiled_only
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_python_code_leaves_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "\n".join(blocks("python")).replace("128", "32")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(code, str(README), "exec"), names)
    assert names["result"].time[-1] == 2.0
    assert {"mine.h5", "density.png", "report.html"} <= {
        file.name for file in (tmp_path / "runs" / "mine").iterdir()
    }


@compiled_only
def test_case_file_runs(tmp_path: Path) -> None:
    (text,) = blocks("toml")
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    small = {"domain.x.cells": 56, "domain.y.cells": 56, "output.errors": False}
    result = run(load_case(file, small))
    assert result.beta == pytest.approx(2 * 1 / 0.2)
    assert np.all(np.diff(result.free_energy) < 0.0)
    assert not stability_caution(load_case(file).problem, load_case(file).grid)


def test_table_of_steppers_is_that_of_the_code() -> None:
    rows = re.findall(
        r"^\| `([a-z]+)` \| (exact|\d)", README.read_text("utf-8"), flags=re.MULTILINE
    )
    assert dict(rows) == {
        name: "exact" if row.exact else str(row.order) for name, row in STEPPERS.items()
    }
