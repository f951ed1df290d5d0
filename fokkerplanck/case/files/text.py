"""Text files that a case is made of, and TOML: read with limits, never executed; written."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from ...errors import CaseError
from ...limits import CASE_INTEGER, CASE_LEVELS
from ...runtime.machine import readable

# tomllib takes a time with the square of the parts of a dotted key.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
SEPARATORS = (",", ";", "\t")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_DOTTED = re.compile(rf"(?<![\w-])(?:{_PART}){{{4 * CASE_LEVELS}}}")


def read_text(path: Path, most: int) -> str:
    """Text of a regular file of at most ``most`` bytes, line ends as they are, without a BOM.

    Raises
    ------
    CaseError
        For a device, a pipe or a directory, for more bytes, and for bytes that are not UTF-8.
    FileNotFoundError
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CaseError("is a device or a pipe; a file is needed")
            raw = file.read(most + 1)
            if len(raw) > most:
                size = max(os.fstat(file.fileno()).st_size, len(raw))
                raise CaseError(f"has {_size(size)}; at most {_size(most)} are allowed")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise CaseError(f"cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # a zero byte in the name
        if isinstance(error, CaseError):
            raise
        raise CaseError(f"cannot be read: {error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError(f"byte {error.start} is not UTF-8 text") from None


def csv_rows(text: str) -> list[tuple[int, tuple[str, ...]]]:
    """Rows of a CSV text that are not empty: the line each ends on, its cells without blanks.

    The separator is the comma, semicolon or tab that the first line has most of.

    Raises
    ------
    csv.Error
        For quotes that do not close.
    """
    file = io.StringIO(text, newline="")
    separator = max(SEPARATORS, key=file.readline().count)
    file.seek(0)
    reader = csv.reader(file, delimiter=separator, strict=True)
    rows = [(reader.line_num, tuple(cell.strip() for cell in row)) for row in reader]
    return [row for row in rows if any(row[1])]


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe would wait for somebody to write.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 2**20 else readable(count)


def inside(folder: Path, name: str) -> bool:
    """Whether ``name``, taken from ``folder``, is in it or below, links followed."""
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):
        return True  # a loop of links or a zero byte: opening it says so


def read_toml(text: str) -> dict[str, Any]:
    """Tables of a TOML text.

    Raises
    ------
    CaseError
        For what is not TOML, too deep, or an integer beyond 64 bits.
    """
    if _DOTTED.search(text):
        raise CaseError(f"holds a key that is too deep; {CASE_LEVELS} levels are allowed")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # tomllib ends its sentence with "(at line 3, column 7)".
        reason = str(error)[:1].lower() + str(error)[1:]
        raise CaseError(f"is not valid TOML: {reason}") from None
    except RecursionError:
        raise CaseError(f"is nested too deep; {CASE_LEVELS} levels are allowed") from None
    except ValueError:
        raise CaseError("holds a number with too many digits") from None
    require_plain(tables)
    return tables


def require_plain(data: dict[str, Any]) -> None:
    """Raise :class:`CaseError` where tables and lists are too deep or an integer is too long."""
    waiting: list[tuple[Any, str, int]] = [(data, "", 0)]
    while waiting:
        value, key, level = waiting.pop()
        if isinstance(value, int) and not -CASE_INTEGER - 1 <= value <= CASE_INTEGER:
            raise CaseError(f"is an integer beyond {CASE_INTEGER}", key)
        if not isinstance(value, dict | list):
            continue
        if level > CASE_LEVELS:
            raise CaseError(f"is nested too deep; {CASE_LEVELS} levels are allowed", key)
        if isinstance(value, dict):
            dot = "." if key else ""
            waiting += [(part, f"{key}{dot}{name}", level + 1) for name, part in value.items()]
        else:
            waiting += [(part, f"{key}[{i}]", level + 1) for i, part in enumerate(value)]


def toml_value(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, dict):
        inside = (f"{_key(key)} = {toml_value(one)}" for key, one in value.items())
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    if isinstance(value, float):
        return repr(value)
    # The one sign that JSON leaves as it is and TOML does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_text(tables: dict[str, Any]) -> str:
    """A case as text: what belongs to no section first, then the sections, a key on each line."""
    plain = {name: value for name, value in tables.items() if not isinstance(value, dict)}
    blocks = ["".join(f"{_key(name)} = {toml_value(value)}\n" for name, value in plain.items())]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines = [f"{_key(key)} = {toml_value(value)}\n" for key, value in table.items()]
            blocks.append("".join([f"[{name}]\n", *lines]))
    return "\n".join(block for block in blocks if block)


def _key(name: Any) -> str:
    return str(name) if _BARE.fullmatch(str(name)) else toml_value(str(name))
