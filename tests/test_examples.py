"""Every public function and class has an example, and the examples give what they show."""

from __future__ import annotations

import doctest
import inspect
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from measures import compiled_only

import fokkerplanck as fp

PUBLIC = [name for name in fp.__all__ if name != "__version__"]
# What an example needs beyond the requirements of the package.
EXTRAS = {"sweep": "distributed", "write_zoomable": "plotly", "zoomable": "plotly"}


def examples_of(name: str, value: Any) -> list[doctest.DocTest]:
    """The examples in a docstring and, of a class, in those of its methods."""
    parts = {name: value}
    if inspect.isclass(value):
        parts |= {f"{name}.{part}": vars(value)[part] for part in sorted(vars(value))}
    parser = doctest.DocTestParser()
    found = []
    for label, part in parts.items():
        words = inspect.getdoc(part) if label == name or inspect.isroutine(part) else None
        test = parser.get_doctest(words or "", {}, label, None, None)
        if test.examples:
            found.append(test)
    return found


@compiled_only
@pytest.mark.parametrize("name", PUBLIC)
def test_example_gives_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tests = examples_of(name, getattr(fp, name))
    assert name in [test.name for test in tests], f"fp.{name} has no example in its docstring"
    if name in EXTRAS and not find_spec(EXTRAS[name]):
        pytest.skip(f"needs {EXTRAS[name]}")
    # What an example leaves behind would lie here.
    monkeypatch.chdir(tmp_path)
    for test in tests:
        report: list[str] = []
        doctest.DocTestRunner(verbose=False).run(test, out=report.append)
        assert not report, "".join(report)
    assert not list(tmp_path.iterdir())
    plt.close("all")
