"""The data of the documentation against the code: equations, keys of a case, public names."""

from __future__ import annotations

import ast
import re
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from docs.generate import (
    api,
    case_keys,
    commands,
    docstrings,
    equations,
    gallery,
    mathml,
    tables,
    tutorials,
)
from docs.generate import markdown as md
from fokkerplanck.case import bundled_cases, load_case
from fokkerplanck.timestepping.schemes import SCHEME_TABLE
from fokkerplanck.timestepping.steppers import STEPPERS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# What the map must hold: (30) to (70) without the general remarks (63) to (65).
NUMBERS = {*range(30, 63), *range(66, 71)}


def find(name: str) -> Any:
    """The object of a dotted name: module, then attributes; AttributeError without it."""
    parts = name.split(".")
    for end in range(len(parts) - 1, 0, -1):
        try:
            found = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise AttributeError(name)


def functions_of(file: Path) -> set[str]:
    """``test`` and ``Class::test`` of a file."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)
            }
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_equation_stands_in_the_map_once() -> None:
    counts = Counter(number for entry in equations.entries() for number in entry.numbers)
    assert set(counts) == NUMBERS
    assert max(counts.values()) == 1


def test_every_function_case_and_test_of_the_map_exists() -> None:
    cases = set(bundled_cases())
    for entry in equations.entries():
        assert entry.functions, entry.label
        assert entry.cases, entry.label
        assert entry.tests, entry.label
        assert set(entry.cases) <= cases, entry.label
        for name in entry.functions:
            assert callable(find(name)), name
        for name in entry.tests:
            file, _, test = name.partition("::")
            assert test in functions_of(ROOT / "tests" / file), name


def test_every_key_of_a_case_has_a_meaning_and_a_type() -> None:
    said, found = case_keys.written(), list(case_keys.found_keys())
    assert {key for _, key, _ in found} == set(said["meaning"])
    assert set(case_keys.sections()) == set(said["text"])
    untyped = {key for _, key, field in found if not case_keys.kind(field)}
    assert untyped <= set(said["type"]) <= set(said["meaning"])
    needed = {key for _, key, field in found if field.is_required()}
    assert set(said["default"]) <= needed


def test_types_and_defaults_are_those_of_the_schema() -> None:
    fields = {key: field for _, key, field in case_keys.found_keys()}
    kinds = {key: case_keys.kind(field) for key, field in fields.items()}
    assert kinds["noise.beta"] == "number > 0"
    assert kinds["density.rtol"] == "number between 0 and 1"
    assert kinds["density.times"] == "list of numbers >= 0"
    assert kinds["initial.covariance"] == "list of lists of numbers"
    assert kinds["discrete.modes"] == "integer >= 1, <= 100"
    assert all(f'`"{name}"`' in kinds["density.stepper"] for name in STEPPERS)
    assert case_keys.default(fields["noise.replacement"]) == "`true`"
    assert case_keys.default(fields["density.stepper"]) == '`"auto"`'
    assert case_keys.default(fields["loss.model"]) == "required"
    assert case_keys.default(fields["noise.beta"]) == ""


def test_every_public_name_is_documented_once(tmp_path: Path) -> None:
    entries = api.inventory()
    there = {(entry.package, entry.name) for entry in entries}
    there |= {(package, entry.name) for entry in entries for package in entry.also}
    public = {(p, name) for p in api.packages() for name in import_module(p).__all__}
    assert there == public
    assert max(Counter(entry.full for entry in entries).values()) == 1
    # No object twice, unless under another name.
    objects = Counter(
        (entry.name, id(find(entry.full))) for entry in entries if entry.kind != "data"
    )
    assert max(objects.values()) == 1
    api.write_pages(tmp_path)
    written = Counter(
        f"{page.stem}.{name}"
        for page in tmp_path.glob("fokkerplanck*.rst")
        for name in re.findall(r"^\.\. (?:auto|py:data)\w*:: (\w+)$", page.read_text(), re.M)
    )
    assert written == Counter(entry.full for entry in entries)


def test_tables_have_the_rows_of_the_code() -> None:
    for made, rows in ((tables.schemes(), SCHEME_TABLE), (tables.steppers(), STEPPERS)):
        assert re.findall(r"^\| `([a-z-]+)` \|", made, flags=re.M) == list(rows)


def test_every_command_has_its_arguments(tmp_path: Path) -> None:
    names = [name for name, _, _ in commands.commands()]
    assert {"run", "check", "list", "new", "plot", "study", "validate"} <= set(names)
    commands.write_page(tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    for name, parser, _ in commands.commands():
        section = page.split(f"## fokkerplanck {name}\n")[1].split("\n## ")[0]
        rows = "\n".join(re.findall(r"^\| (.*?) \|", section, flags=re.M))
        for action in parser._actions[1:]:
            for option in action.option_strings or [action.metavar]:
                assert option in rows, (name, option)


def test_pages_include_files_that_are_made() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts.append(case_keys.FILE.read_text(encoding="utf-8"))
    included = set(re.findall(r"\{include\} (?:pages/)?tables/(\w+)\.md", "\n".join(texts)))
    assert included <= set(tables.TABLES)
    assert {"schemes", "steppers", "functions"} <= included


def test_formulas_of_the_map_become_mathml() -> None:
    pytest.importorskip("docutils")
    for entry in equations.entries():
        assert mathml.markup(entry.formula, True).startswith("<math"), entry.label


def test_introduction_of_a_case_keeps_its_words_and_sets_formulas_apart() -> None:
    text = 'title = "a"\n\n# One *two*,\n# three.\n#     x = y\n# four\n[loss]\n# no\n'
    assert gallery.introduction(text) == "One \\*two\\*,\nthree.\n\n    x = y\n\nfour"
    for name, path in bundled_cases().items():
        words = gallery.introduction(path.read_text(encoding="utf-8")).replace("\\", "").split()
        assert set(words) <= set(path.read_text(encoding="utf-8").split()), name


def test_every_case_answers_one_question_of_the_gallery() -> None:
    shown = Counter(name for names in gallery.QUESTIONS.values() for name in names)
    assert shown == Counter(list(bundled_cases()))


def test_numbers_of_a_reduced_run_are_no_verdict() -> None:
    case = load_case("quadratic")
    assert len(gallery._stated(case)) == len(case.expect)
    assert all(len(row) == 2 for row in gallery._stated(case))


def test_gallery_rows_name_what_is_missed() -> None:
    case = load_case("quadratic")
    expect = case.expect["final.covariance[0,0]"]
    assert gallery._expected(expect) == "0.211864 within 2e-05"
    assert gallery._expected(case.expect["minimum"]) == "at least 0"


def test_tutorials_run_again_with_other_settings_and_not_without(tmp_path: Path) -> None:
    folder, settings, page = (tmp_path / name for name in ("made", "conf.py", "made/page.rst"))
    settings.write_text("one", encoding="utf-8")
    tutorials.forget(folder, settings)
    page.touch()
    tutorials.forget(folder, settings)
    assert page.exists()
    settings.write_text("two", encoding="utf-8")
    tutorials.forget(folder, settings)
    assert folder.exists()
    assert not page.exists()


def test_every_tutorial_has_its_place() -> None:
    scripts = {path.stem for path in (ROOT / "docs" / "tutorials").glob("*.py")}
    assert scripts == set(tutorials.NAMES)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("|A r| and *x", r"\|A r\| and \*x"),
        ("``|B|`` stays", "``|B|`` stays"),
        ("see :class:`Case_` of n_ rows", r"see :class:`Case_` of n\_ rows"),
    ],
)
def test_docstrings_are_taken_literally(line: str, shown: str) -> None:
    assert docstrings.escaped(line) == shown


def test_markdown_shows_text_as_it_stands() -> None:
    assert md.escape("a_b |x| <y> $5") == r"a\_b \|x\| \<y\> \$5"
    assert md.table(["a"], [["x | y"]]) == "| a |\n| --- |\n| x \\| y |\n"
