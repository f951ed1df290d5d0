"""Which members a sweep has: a grid or a list of settings, each with a readable name."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..case import key_path, parse_value, split_override
from ..case.files.text import csv_rows, read_text
from ..errors import CaseError
from ..io.sweep import is_taken
from ..limits import DATA_BYTES

OPENING, CLOSING, QUOTES = "([{", ")]}", "\"'"
# What a file name may hold anywhere; other values are shortened and told apart by a hash.
_PLAIN = re.compile(r"[A-Za-z0-9.+-]{1,40}")
LONGEST = 32
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Members that one summary can show; more are a mistake in a --set.
MOST = 100_000


@dataclass(frozen=True)
class Member:
    """One case of a sweep.

    Parameters
    ----------
    number : int
    settings : dict
        Values of the swept keys.
    name : str
        Of its folder: ``"beta=2,end=1.5"``.
    place : tuple of int
        Index in the arrays of the summary.
    """

    number: int
    settings: dict[str, Any]
    name: str
    place: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """All members of a sweep.

    Parameters
    ----------
    fixed : dict
        Overrides that all members share.
    keys, names : tuple of str
        Swept keys, and the short names of their dimensions.
    values : tuple of tuples
        One per key; in a paired sweep one value per member.
    paired : bool
        Whether members are a list instead of a grid.
    members : tuple of Member
    """

    fixed: dict[str, Any]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    paired: bool
    members: tuple[Member, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the arrays of the summary."""
        return (len(self.members),) if self.paired else tuple(map(len, self.values))


def plan_of(settings: Mapping[str, Any], paired: bool = False) -> Plan:
    """Members of a grid, or of lists that go together.

    Parameters
    ----------
    settings : mapping
        A list or an array of values for each swept key; another value, or a tuple, is for all.
    paired : bool
        Take the first values together, then the second ones: all lists have the same length.

    Raises
    ------
    CaseError
        If nothing is swept, a value stands there twice, or paired lists differ in length.
    """
    swept = {key: [*map(_native, value)] for key, value in settings.items() if _several(value)}
    fixed = {key: value for key, value in settings.items() if key not in swept}
    if not swept:
        raise CaseError("nothing is swept; give a key several values, as in noise.beta=1,2,4")
    for key, values in swept.items():
        key_path(key)
        if not values:
            raise CaseError("has no values", key)
    lengths = {key: len(values) for key, values in swept.items()}
    if paired and len(set(lengths.values())) > 1:
        told = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        raise CaseError(f"lists that go together need the same length, and {told}")
    if not paired:
        _refuse_twins(swept)
    count = next(iter(lengths.values())) if paired else int(np.prod(list(lengths.values())))
    if count > MOST:
        raise CaseError(f"{count} members are too many; {MOST} are possible")
    keys = tuple(swept)
    names = _short(keys)
    rows: list[tuple[Any, ...]]
    rows = list(zip(*swept.values(), strict=True) if paired else itertools.product(*swept.values()))
    shape = (count,) if paired else tuple(lengths.values())
    members = tuple(
        Member(
            number,
            dict(zip(keys, row, strict=True)),
            ",".join(f"{name}={_file_text(value)}" for name, value in zip(names, row, strict=True)),
            tuple(int(i) for i in np.unravel_index(number, shape)),
        )
        for number, row in enumerate(rows)
    )
    seen: dict[str, int] = {}
    for member in members:
        if member.name in seen:
            raise CaseError(f"the member {member.name} stands there twice")
        seen[member.name] = member.number
    return Plan(fixed, keys, names, tuple(map(tuple, swept.values())), paired, members)


def parse_settings(texts: Sequence[str], file: str | Path | None = None) -> dict[str, Any]:
    """Settings of a command line: ``KEY=A,B,C`` sweeps, ``KEY=A`` is for all members.

    Commas inside quotes and brackets of any kind do not divide: ``initial.mean=[0,1],[1,1]`` has
    two values, ``loss.formula=max(x,0)`` one.

    Parameters
    ----------
    texts : sequence of str
    file : path, optional
        CSV with dotted keys in its first line and one member in each other line.

    Raises
    ------
    CaseError
    """
    settings: dict[str, Any] = {}
    for text in texts:
        key, value = split_override(text)
        if key in settings:
            raise CaseError("is given twice; put its values into one --set", key)
        parts = split_values(value)
        if len(parts) > 1 and not all(parts):
            raise CaseError(f"{value!r} has an empty place between commas", key)
        values = [parse_value(part) for part in parts]
        # A tuple would be one value for all; TOML has none.
        settings[key] = values if len(values) > 1 else _single(values[0])
    if file is not None:
        for key, values in _listed(Path(file)).items():
            if key in settings:
                raise CaseError(f"is also a column of {file}; keep one", key)
            settings[key] = values
    return settings


def split_values(text: str) -> list[str]:
    """Parts between commas that are outside quotes and brackets, without surrounding blanks."""
    parts, depth, quote, begin, skip = [], 0, "", 0, False
    for place, sign in enumerate(text):
        if skip:
            skip = False
        elif quote:
            # Only in double quotes does TOML know a backslash.
            skip = sign == "\\" and quote == '"'
            quote = "" if sign == quote else quote
        elif sign in QUOTES:
            quote = sign
        elif sign in OPENING:
            depth += 1
        elif sign in CLOSING:
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]


def _listed(file: Path) -> dict[str, list[Any]]:
    try:
        lines = csv_rows(read_text(file, DATA_BYTES))
    except FileNotFoundError:
        raise CaseError("there is no such file", file=file) from None
    except CaseError as error:
        raise CaseError(f"{error.detail}; a list of members is a CSV file", file=file) from None
    except csv.Error as error:
        raise CaseError(f"is not a CSV file: {error}", file=file) from None
    if len(lines) < 2:
        raise CaseError("has no members; give keys in the first line, values below", file=file)
    keys = lines[0][1]
    for key in keys:
        try:
            key_path(key)
        except CaseError as error:
            raise error.in_file(file) from None
        if keys.count(key) > 1:
            raise CaseError("heads two columns", key, file)
    for number, cells in lines[1:]:
        if len(cells) != len(keys):
            raise CaseError(
                f"line {number} has {len(cells)} values for {len(keys)} keys", file=file
            )
        if not all(cells):
            raise CaseError(f"line {number} has an empty place", file=file)
    columns = zip(*(cells for _, cells in lines[1:]), strict=True)
    return {
        key: [_listed_value(cell) for cell in column]
        for key, column in zip(keys, columns, strict=True)
    }


def _listed_value(cell: str) -> Any:
    """As in a case file, and numbers as tables have them: 007, .5 and 5. are none in TOML."""
    value = parse_value(cell)
    return float(cell) if isinstance(value, str) and _NUMBER.fullmatch(cell) else value


def _several(value: Any) -> bool:
    return isinstance(value, list | range) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _native(value: Any) -> Any:
    """Python's numbers and lists for numpy's."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _single(value: Any) -> Any:
    """A value for all members; a list among them is not to be swept."""
    return tuple(value) if isinstance(value, list) else value


def _refuse_twins(swept: Mapping[str, Sequence[Any]]) -> None:
    for key, values in swept.items():
        for place, value in enumerate(values):
            if value in values[:place]:
                raise CaseError(f"{value!r} stands there twice", key)


def _short(keys: Sequence[str]) -> tuple[str, ...]:
    """Shortest ends of the keys that differ and that the summary does not need itself."""
    paths = [key_path(key) for key in keys]
    names = []
    for path in paths:
        for length in range(1, len(path) + 1):
            name = "_".join(path[-length:])
            rivals = ["_".join(other[-length:]) for other in paths]
            if rivals.count(name) == 1 and not is_taken(name):
                break
        name = re.sub(r"\W", "_", name)
        while is_taken(name) or name in names:
            name += "_"
        names.append(name)
    return tuple(names)


def _file_text(value: Any) -> str:
    """Value as part of a file name, the same for equal values in every process."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    if _PLAIN.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', text).strip('_')[:LONGEST]}~{digest}"
