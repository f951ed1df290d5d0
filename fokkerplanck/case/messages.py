"""A pydantic error becomes one CaseError sentence: key, value found, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import CaseError
from .schema import CaseFile

# What a value of the wrong kind should have been, by pydantic's name of the error.
_KINDS = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list of two numbers",
    "dict_type": "a table of keys and values",
    "model_type": "a table of keys and values",
    "model_attributes_type": "a table of keys and values",
}


def case_error(error: ValidationError) -> CaseError:
    """The first of pydantic's errors as a sentence; an unknown key goes before the others.

    A misspelt required key gives two errors, and the unknown key is the one to mend.
    """
    details = sorted(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    return _translate(details[0])


def unknown_key(key: str, known: list[str]) -> str:
    """Sentence for a key that is not known, with the nearest one that is."""
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if nearest:
        return f"unknown key; the nearest known key is {nearest[0]!r}"
    return f"unknown key; known here are {', '.join(known) or 'none'}"


def _translate(detail: ErrorDetails) -> CaseError:
    kind, place, value = detail["type"], detail["loc"], detail["input"]
    key = dotted(place)
    if kind == "value_error":
        cause = detail["ctx"]["error"]
        return CaseError(
            cause.detail if isinstance(cause, CaseError) else str(cause),
            _inside(key, cause.key) if isinstance(cause, CaseError) else key,
        )
    if kind == "extra_forbidden":
        return CaseError(unknown_key(str(place[-1]), _known_keys(place[:-1])), key)
    if kind == "missing" and isinstance(place[-1], int):
        return CaseError("has too few entries; give two numbers", dotted(place[:-1]))
    if kind == "missing":
        section = place[0] if len(place) == 1 else dotted(place[:-1])
        return CaseError(f"is missing; {_need(place, str(section))}", key)
    if kind == "literal_error":
        allowed = detail["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return CaseError(f"{_short(value)} is not known; allowed are {allowed}", key)
    if kind == "greater_than_equal":
        return CaseError(f"{value!r} is too small; at least {detail['ctx']['ge']} is needed", key)
    if kind in ("less_than_equal", "less_than"):
        most = detail["ctx"].get("le") or detail["ctx"]["lt"] - 1
        return CaseError(f"{value!r} is too large; at most {most} is allowed", key)
    if kind == "too_short":
        return CaseError(f"{_short(value)} has too few entries", key)
    if kind == "too_long":
        return CaseError(f"{_short(value)} has too many entries; give two numbers", key)
    if kind in _KINDS:
        return CaseError(f"{_short(value)} is not {_KINDS[kind]}", key)
    return CaseError(f"{_short(value)} is not allowed: {detail['msg'].lower()}", key)


def _need(place: tuple[int | str, ...], section: str) -> str:
    if len(place) == 1:
        return f"a case needs the section [{section}]"
    return f"[{section}] needs this key"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _inside(key: str, inner: str | None) -> str:
    dot = "." if key and inner and not inner.startswith("[") else ""
    return f"{key}{dot}{inner or ''}"


def dotted(place: tuple[int | str, ...]) -> str:
    """``("initial", "mean", 0)`` as ``initial.mean[0]``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """Keys of the model that stands at ``place`` in the file."""
    model: type[BaseModel] = CaseFile
    for part in place:
        field = model.model_fields.get(str(part))
        # Free names (an axis, an expected number) have no field: the table below is the model.
        if field is not None:
            model = next(_models(field.annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models named anywhere in a type such as ``dict[str, Model]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
