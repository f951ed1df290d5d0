"""Imports point down, each library has one place, and `import fokkerplanck` stays quick."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from storeys import NUMERICS, SYSTEM

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fokkerplanck"

LAYERS = (
    "errors limits arrays domain grid runtime",
    "problem",
    "operators high_order linear_solvers spectrum timestepping stationary passage transfer "
    "fractional particles control smoothing validation gallery semi_lagrangian",
    "case analyses io",
    "pipeline library",
    "figures interactive report sweep",
    "cli __main__",
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names.split()}

# The modules that may import a library.
HOMES = {
    # `io` only makes a canvas for what xarray draws in a notebook.
    "matplotlib": {"figures", "io"},
    # `interactive`, `analyses` and `library` name its types.
    "xarray": {"io", "analyses", "interactive", "library"},
    "h5py": {"io"},
    # In `runtime` the clock listens to how long numba compiles, and `compiling` to when.
    "numba": {
        *("operators", "high_order", "linear_solvers", "spectrum", "timestepping", "fractional"),
        *("transfer", "stationary", "control", "particles", "runtime", "semi_lagrangian"),
    },
    "sympy": {"problem", "gallery", "particles"},
    "pydantic": {"case"},
    "argparse": {"cli"},
    "tqdm": {"runtime", "sweep"},
    "jinja2": {"report"},
    "dask": {"sweep"},
    "distributed": {"sweep"},
    "plotly": {"interactive"},
}
HEAVY = (
    "numpy",
    "scipy",
    "numba",
    "sympy",
    "matplotlib",
    "h5py",
    "pydantic",
    "pyamg",
    "tqdm",
    "jinja2",
    "distributed",
    "plotly",
    "xarray",
)

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(file: Path) -> str:
    """First name below the package: `operators` for `operators/kernels.py`."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Absolute names of all that is imported anywhere in a file that lies in ``package``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            yield from ((*base, alias.name) for alias in node.names)


@cache
def imported_by(file: Path) -> set[tuple[str, ...]]:
    package = ("fokkerplanck", *file.relative_to(PACKAGE).parts[:-1])
    return set(imports_of(ast.parse(file.read_text(encoding="utf-8")), package))


def rooms_of(imports: set[tuple[str, ...]]) -> set[str]:
    """Rooms of this package among imported names."""
    ours = {name[1:] for name in imports if name[0] == "fokkerplanck"} - {("__version__",)}
    return {name[0] if name else "__init__" for name in ours}


def misplaced(room: str, imports: set[tuple[str, ...]]) -> list[str]:
    """The imports of one file of ``room`` that point up."""
    return sorted(
        f"{room} imports {target}"
        for target in rooms_of(imports) - {room}
        if target not in LAYER or LAYER[target] > LAYER[room]
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    room = room_of(file)
    if room == "__init__":
        assert not [name for name in imported_by(file) if name[0] == "fokkerplanck"]
        return
    assert room in LAYER, "a new room takes its place in the table of layers"
    assert misplaced(room, imported_by(file)) == []


def test_an_upward_import_is_found() -> None:
    text = (
        "from .. import __version__\nfrom ..pipeline import r\nfrom .rates import r\nimport numpy"
    )
    found = set(imports_of(ast.parse(text), ("fokkerplanck", "operators")))
    assert misplaced("operators", found) == ["operators imports pipeline"]
    inside = (
        "def late():\n    import fokkerplanck.cli.main\n    from fokkerplanck import grid, report"
    )
    found = set(imports_of(ast.parse(inside), ("fokkerplanck", "pipeline")))
    assert misplaced("pipeline", found) == ["pipeline imports cli", "pipeline imports report"]


def test_rooms_of_one_layer_do_not_import_in_a_circle() -> None:
    needs: dict[str, set[str]] = {}
    for file in FILES:
        if file.parent != PACKAGE or file.stem != "__init__":
            room = room_of(file)
            needs.setdefault(room, set()).update(rooms_of(imported_by(file)) - {room})
    # Raises CycleError, which names the circle.
    assert set(TopologicalSorter(needs).static_order()) >= set(LAYER)


def test_classes_have_names_of_their_own() -> None:
    found: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(str(file.relative_to(PACKAGE)))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("library", HOMES)
def test_library_has_one_place(library: str) -> None:
    users = {room_of(file) for file in FILES if (library,) in {n[:1] for n in imported_by(file)}}
    assert users <= HOMES[library]


@pytest.mark.parametrize("module", ["fokkerplanck", "fokkerplanck.cli.main"])
def test_import_is_light(module: str) -> None:
    code = f"import {module}, sys; print(*(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_public_names_exist() -> None:
    import fokkerplanck

    for name in fokkerplanck.__all__:
        assert getattr(fokkerplanck, name) is not None
    assert set(fokkerplanck.__all__) <= set(dir(fokkerplanck))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = fokkerplanck.no_such_name


@pytest.mark.parametrize("first", ["from fokkerplanck.pipeline.run import require_room", "fp.run"])
def test_run_is_the_function_whoever_imports_its_module_first(first: str) -> None:
    again = "import fokkerplanck.pipeline.run"
    code = f"import fokkerplanck as fp; {first}; {again}; print(fp.run.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "run\n"


def test_storeys_name_files_that_are_there() -> None:
    present = {file.stem for file in Path(__file__).parent.glob("test_*.py")}
    assert present >= NUMERICS | SYSTEM
    assert not NUMERICS & SYSTEM


def test_every_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    present = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("__init__.py")
    }
    assert listed == present | {"fokkerplanck.cases"}
