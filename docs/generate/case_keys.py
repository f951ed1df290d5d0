"""Reference of the case file: keys, types, defaults and limits from the schema, meanings from
``docs/case_keys.toml``; a test sees to it that each has the other."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fokkerplanck.case import values
from fokkerplanck.case.schema import CaseFile

from . import markdown as md

FILE = Path(__file__).resolve().parents[1] / "case_keys.toml"
# Free names below which the same keys stand.
FREE = {"domain": "AXIS", "expect": "NAME"}
_NUMBERS = {
    values.Number: "number",
    values.Positive: "number > 0",
    values.NotNegative: "number >= 0",
    values.Fraction: "number between 0 and 1",
    values.Numbers: "number or list of numbers",
    values.Positives: "number or list of numbers, > 0",
}
_BY_VALIDATOR = {id(part): words for kind, words in _NUMBERS.items() for part in get_args(kind)[1:]}
_PLAIN = {str: "text", int: "integer", float: "number", bool: "true or false", dict: "table"}


def found_keys() -> Iterator[tuple[str, str, FieldInfo]]:
    """Section, dotted key and field of everything that a case file may hold."""
    for name, field in CaseFile.model_fields.items():
        models = list(_models(field.annotation))
        if not models:
            yield "", name, field
        # Of the two kinds of [loss] the model was put first for the messages.
        for model in reversed(models):
            place = f"{name}.{FREE[name]}" if name in FREE else name
            for key, one in model.model_fields.items():
                yield name, f"{place}.{key}", one


def sections() -> list[str]:
    """Names of the sections in the order of the schema."""
    return [n for n, field in CaseFile.model_fields.items() if list(_models(field.annotation))]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def kind(field: FieldInfo) -> str:
    """What a key takes, in words; empty where the schema leaves that to a validator."""
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Any = ()) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0], [*metadata, *parts[1:]])
    known = [_BY_VALIDATOR[id(one)] for one in metadata if id(one) in _BY_VALIDATOR]
    if known:
        return f"{known[0]}{_limits(metadata)}"
    if origin in (Union, UnionType):
        return " or ".join(_words(part, metadata) for part in parts if part is not NoneType)
    if origin is Literal:
        return ", ".join(md.code(f'"{value}"') for value in parts)
    if origin is list:
        return f"list: {_words(parts[0])}" if get_origin(parts[0]) is Literal else _list(parts[0])
    if origin is tuple:
        return f"list of {len(parts)} numbers"
    if origin is dict:
        return "table"
    return f"{_PLAIN.get(annotation, '')}{_limits(metadata)}" if annotation is not Any else ""


def _list(entry: Any) -> str:
    noun, _, rest = _words(entry).partition(" ")
    return f"list of {noun}s {rest}".rstrip()


def _limits(metadata: Any) -> str:
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    found = []
    for one in metadata:
        for part in one.metadata if isinstance(one, FieldInfo) else [one]:
            for name, sign in signs.items():
                if hasattr(part, name):
                    found.append(f"{sign} {getattr(part, name):,}".replace(",", "\u2009"))
    return f" {', '.join(found)}" if found else ""


def default(field: FieldInfo) -> str:
    """The default as TOML, "required", or nothing."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", [], {}):
        return ""
    shown = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return md.code(f'"{shown}"' if isinstance(value, str) else f"{shown}")


def written() -> dict[str, Any]:
    """What ``case_keys.toml`` says: texts of sections, meanings and types of keys."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def write_page(path: Path) -> None:
    """Write the page."""
    said, found = written(), list(found_keys())
    text = said["page"]["head"]
    text += _table([row for row in found if not row[0]], said)
    for name in sections():
        title = f"[{name}]"
        text += f"\n(case-{name})=\n## `{title}`\n\n{said['text'][name]}\n\n"
        rows = [row for row in found if row[0] == name]
        if rows:
            text += _table(rows, said)
        text += said["after"].get(name, "")
    md.write(path, text + said["page"]["foot"])


def _table(rows: list[tuple[str, str, FieldInfo]], said: dict[str, Any]) -> str:
    lines = []
    for section, key, field in rows:
        words = said["type"].get(key) or kind(field)
        shown = key.removeprefix(f"{section}.") if section not in FREE else key.split(".", 1)[1]
        usual = said["default"].get(key, default(field))
        lines.append([md.code(shown), words, usual, said["meaning"][key]])
    return md.table(["key", "takes", "default", "meaning"], lines)
