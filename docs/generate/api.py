"""Reference of the public names: each where it stands first, the package before its parts."""

from __future__ import annotations

import inspect
import pkgutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import fokkerplanck

from . import markdown as md


@dataclass(frozen=True)
class Entry:
    """One public name.

    Parameters
    ----------
    package, name : str
        Where it is documented.
    kind : str
        "class", "exception", "function" or "data".
    also : tuple of str
        Packages that offer the same object under the same name.
    """

    package: str
    name: str
    kind: str
    also: tuple[str, ...] = ()

    @property
    def full(self) -> str:
        """Dotted name."""
        return f"{self.package}.{self.name}"


def packages() -> list[str]:
    """The package itself, then its public parts in alphabetical order."""
    parts = pkgutil.iter_modules(fokkerplanck.__path__)
    names = sorted(f"fokkerplanck.{part.name}" for part in parts if part.ispkg)
    return ["fokkerplanck", *(name for name in names if hasattr(import_module(name), "__all__"))]


def inventory() -> list[Entry]:
    """Every public name once."""
    found: dict[tuple[str, int], tuple[str, Any, list[str]]] = {}
    for package in packages():
        module = import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            place = found.setdefault((name, id(value)), (package, value, []))
            if place[0] != package:
                place[2].append(package)
    return [
        Entry(package, name, _kind(value), tuple(also))
        for (name, _), (package, value, also) in found.items()
    ]


def _kind(value: Any) -> str:
    if inspect.isclass(value):
        return "exception" if issubclass(value, BaseException) else "class"
    return "function" if callable(value) else "data"


def reference(full: str, known: set[str]) -> str:
    """A dotted name in Markdown, with a link where the reference has it."""
    parts = full.split(".")
    for end in range(len(parts), 1, -1):
        if ".".join(parts[:end]) in known:
            return f"{{py:obj}}`{full} <{'.'.join(parts[:end])}>`"
    return md.code(full)


def write_pages(folder: Path) -> None:
    """One page per package."""
    entries = inventory()
    names = packages()
    for package in names:
        md.write(folder / f"{package}.rst", _page(package, entries))
    rows = "\n".join(f"   {package}" for package in names)
    text = (
        "Python reference\n================\n\n"
        "Every public name, once: what the package offers at its top is described there, the rest "
        "with its part. Names that start with an underscore, and modules that are not listed, may "
        f"change at any time.\n\n.. toctree::\n   :maxdepth: 1\n\n{rows}\n"
    )
    md.write(folder / "index.rst", text)


def _page(package: str, entries: list[Entry]) -> str:
    own = [entry for entry in entries if entry.package == package]
    module = import_module(package)
    text = f"{package}\n{'=' * len(package)}\n\n{(module.__doc__ or '').strip()}\n\n"
    # The package offers a function of the name of one of its parts.
    taken = "   :no-index:\n" if package in {entry.full for entry in entries} else ""
    text += f".. py:module:: {package}\n{taken}\n.. currentmodule:: {package}\n\n"
    listed = "\n".join(f"   {entry.name}" for entry in own if entry.kind != "data")
    text += f".. autosummary::\n   :nosignatures:\n\n{listed}\n\n"
    elsewhere = [
        f":py:obj:`{entry.name} <{entry.full}>`" for entry in entries if package in entry.also
    ]
    if elsewhere:
        text += f"Also here, and described above: {', '.join(elsewhere)}.\n\n"
    return text + "\n".join(_directive(entry, getattr(module, entry.name)) for entry in own)


def _directive(entry: Entry, value: Any) -> str:
    if entry.kind == "data":
        return f".. py:data:: {entry.name}\n\n   {_words(entry, value)}\n"
    members = "   :members:\n" if entry.kind == "class" else ""
    return f".. auto{entry.kind}:: {entry.name}\n{members}"


def _words(entry: Entry, value: Any) -> str:
    """A table by its rows; a plain value as it is."""
    if isinstance(value, dict):
        shown = ", ".join(f"``{key}``" for key in value)
        sort = type(next(iter(value.values()))).__name__ if value else "value"
        words = "of texts" if sort == "str" else f"of :py:obj:`{sort}`"
        return f"Table {words} by name: {shown}."
    if isinstance(value, tuple | frozenset):
        return "Names: " + ", ".join(f"``{one}``" for one in sorted(value, key=str)) + "."
    return f"``{value!r}``"


def check_inventory(app: Any, env: Any) -> None:
    """At the end of reading: the site has every public name; Sphinx itself refuses doubles.

    Raises
    ------
    ExtensionError
    """
    from sphinx.errors import ExtensionError

    there = env.get_domain("py").objects
    missing = [entry.full for entry in inventory() if entry.full not in there]
    if missing:
        raise ExtensionError(f"the reference lacks {', '.join(missing)}")
