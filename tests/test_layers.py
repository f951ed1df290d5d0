"""Imports point down, each library has one place, and `import fokkerplanck` stays quick."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fokkerplanck"

LAYERS = {
    "errors": 0,
    "compiling": 0,
    "files": 0,
    "interrupts": 0,
    "limits": 0,
    "machine": 0,
    "own_settings": 0,
    "silence": 0,
    "progress": 0,
    "domain": 1,
    "grid": 1,
    "worker": 1,
    "problem": 2,
    "case": 3,
    "gallery": 3,
    "density": 4,
    "particles": 4,
    "observables": 5,
    "cautions": 5,
    "stability": 5,
    "control": 5,
    "smoothing": 5,
    "relations": 5,
    "validation": 5,
    "store": 5,
    "regrid": 5,
    "result": 6,
    "clock": 6,
    "origin": 6,
    "provenance": 6,
    "table": 0,
    "sink": 7,
    "keeping": 7,
    "analysis": 7,
    "start": 7,
    "steering": 7,
    "smoothed": 7,
    "walk": 7,
    "discrete": 7,
    "transit": 7,
    "error_estimate": 8,
    "coarse_analyses": 9,
    "numerical_diffusion": 6,
    "evolution": 9,
    "validate": 8,
    "run": 10,
    "plots": 8,
    "findings": 8,
    "report": 11,
    "duration": 11,
    "explain": 12,
    "study": 11,
    "template": 11,
    "sweep": 11,
    "zoom": 11,
    "difference": 12,
    "page": 13,
    "reading": 14,
    "solve": 14,
    "cli_sweep": 14,
    "arguments": 15,
    "cli": 16,
    "__main__": 17,
}
# Grids are over domains; everything else on one layer stands alone.
BESIDE = {("grid", "domain")}

# The modules that may import a library.
HOMES = {
    "matplotlib": {"plots"},
    "h5py": {"store"},
    # `clock` only listens to how long numba compiles, `compiling` to when.
    "numba": {"density", "particles", "clock", "compiling"},
    "sympy": {"problem", "gallery", "particles"},
    "pydantic": {"case"},
    "argparse": {"cli", "cli_sweep", "arguments"},
    "tqdm": {"progress", "sweep"},
    "jinja2": {"page"},
    "dask": {"sweep"},
    "distributed": {"sweep"},
    "plotly": {"zoom"},
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
)

FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file: Path) -> str:
    """First name below the package: `density` for `density/kernels.py`."""
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


def imported_by(file: Path) -> set[tuple[str, ...]]:
    package = ("fokkerplanck", *file.relative_to(PACKAGE).parts[:-1])
    return set(imports_of(ast.parse(file.read_text(encoding="utf-8")), package))


def misplaced(module: str, imports: set[tuple[str, ...]]) -> list[str]:
    """The imports of one file of ``module`` that do not point down."""
    found = []
    for name in imports:
        if name[0] != "fokkerplanck" or name[1:] == ("__version__",):
            continue
        target = name[1] if len(name) > 1 else "__init__"
        if target == module or (module, target) in BESIDE:
            continue
        if target not in LAYERS or LAYERS[target] >= LAYERS[module]:
            found.append(f"{module} imports {target}")
    return sorted(found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file: Path) -> None:
    module = module_of(file)
    if module == "__init__":
        assert not [name for name in imported_by(file) if name[0] == "fokkerplanck"]
        return
    assert module in LAYERS, "a new module takes its place in the table of layers"
    assert misplaced(module, imported_by(file)) == []


def test_an_upward_import_is_found() -> None:
    text = "from .. import __version__\nfrom ..run import run\nfrom .rates import r\nimport numpy"
    found = set(imports_of(ast.parse(text), ("fokkerplanck", "density")))
    assert misplaced("density", found) == ["density imports run"]
    inside = (
        "def late():\n    import fokkerplanck.cli.main\n    from fokkerplanck import grid, study"
    )
    found = set(imports_of(ast.parse(inside), ("fokkerplanck",)))
    assert misplaced("run", found) == ["run imports cli", "run imports study"]


@pytest.mark.parametrize("library", HOMES)
def test_library_has_one_place(library: str) -> None:
    users = {module_of(file) for file in FILES if (library,) in {n[:1] for n in imported_by(file)}}
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


@pytest.mark.parametrize(
    "first", ["from fokkerplanck.pipeline.run import initial_density", "fp.run"]
)
def test_run_is_the_function_whoever_imports_its_module_first(first: str) -> None:
    code = f"import fokkerplanck as fp; {first}; import fokkerplanck.pipeline.run; print(fp.run.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "run\n"


def test_every_package_is_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = set(setup["options"]["packages"].split())
    present = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("__init__.py")
    }
    assert listed == present | {"fokkerplanck.cases"}
