"""The case inside a result file: its settings with the overrides put in, and what it expects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import CaseError
from ..build import constants_of
from ..load import flat_expect
from ..messages import case_error
from ..overrides import apply_overrides
from ..records import Expect
from ..schema import ExpectSection
from .sources import Sources
from .text import read_toml


def stored_settings(text: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a case as they were used.

    Parameters
    ----------
    text : str
        Its TOML text.
    attributes : mapping
        Of its result, where ``overrides`` are dotted keys and values as JSON.

    Raises
    ------
    CaseError
        If either cannot be read.
    """
    try:
        data = read_toml(text)
        changes = json.loads(str(attributes.get("overrides", "{}")))
    except (ValueError, RecursionError) as error:
        raise CaseError(f"the case of this result cannot be read: {error}") from None
    if not isinstance(changes, dict):
        raise CaseError("the overrides of this result are no table of keys and values")
    apply_overrides(data, changes)
    return data


def stored_expect(settings: dict[str, Any]) -> dict[str, Expect]:
    """The numbers of ``[expect]`` by name.

    Parameters
    ----------
    settings : dict
        Of :func:`stored_settings`.

    Raises
    ------
    CaseError
        If an entry expects nothing that can be compared.
    """
    entries = flat_expect(settings).get("expect", {})
    if not isinstance(entries, dict):
        raise CaseError(f"{entries!r} is no table of names and numbers", "expect")
    if not entries:
        return {}
    # Formulas among the numbers know the parameters and beta; data files stay closed.
    constants = constants_of({**settings, "loss": None}, Sources(Path()))
    found = {}
    for name, entry in entries.items():
        try:
            section = ExpectSection.model_validate(entry, context=constants)
        except ValidationError as error:
            raise case_error(error) from None
        found[name] = Expect(**section.model_dump(exclude_none=True))
    return found
