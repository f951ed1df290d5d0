"""Overrides of single keys: ``--set domain.x.cells=512`` and the second argument of load_case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import CaseError
from .files.text import read_toml


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``KEY=VALUE``; VALUE is read as TOML where it is TOML, else as a string.

    Raises
    ------
    CaseError
        If there is no ``=`` or the key is not a dotted TOML key.
    """
    key, value = split_override(text)
    return key, parse_value(value)


def split_override(text: str) -> tuple[str, str]:
    """Key and the text of the value of ``KEY=VALUE``.

    Raises
    ------
    CaseError
        If there is no ``=`` or the key is not a dotted TOML key.
    """
    # A quoted key may hold an equals sign; the first one outside quotes divides.
    for position in (place for place, sign in enumerate(text) if sign == "="):
        key, value = text[:position].strip(), text[position + 1 :].strip()
        if _path_or_none(key) is not None:
            return key, value
    raise CaseError(f"{text!r} is not of the form KEY=VALUE, such as density.end=2")


def parse_value(text: str) -> Any:
    """Value written as TOML; what is not TOML is a string."""
    try:
        parsed = read_toml(f"value = {text}")
    except CaseError:
        return text
    # A line break in the text could have smuggled in further keys.
    return parsed["value"] if len(parsed) == 1 else text


def key_path(key: str) -> list[str]:
    """Parts of a dotted TOML key; a part with dots or brackets of its own stands in quotes."""
    path = _path_or_none(key)
    if path is None:
        raise CaseError(f"{key!r} is not a dotted key, such as density.end")
    return path


def _path_or_none(key: str) -> list[str] | None:
    try:
        table: Any = read_toml(f"{key} = 0") if "\n" not in key else {}
    except CaseError:
        return None
    path = []
    while isinstance(table, dict) and len(table) == 1:
        [(part, table)] = table.items()
        path.append(part)
    return path or None


def apply_overrides(data: dict[str, Any], overrides: dict[str, Any]) -> None:
    """Put the values into ``data``, modified in place; missing tables are made on the way."""
    for key, value in overrides.items():
        *tables, last = key_path(key)
        table = data
        for part in tables:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise CaseError(f"cannot be set: {part} is a value, not a table", key)
        table[last] = plain(value)


def plain(value: Any) -> Any:
    """Python and numpy values as TOML would give them."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, tuple | list) else value


def overridden(key: str | None, overrides: dict[str, Any]) -> bool:
    """Whether the value or the table at ``key`` came, wholly or in part, from an override."""
    if key is None:
        return False
    paths = (".".join(key_path(one)) for one in overrides)
    return any(_covers(path, key) or _covers(key, path) for path in paths)


def _covers(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))
