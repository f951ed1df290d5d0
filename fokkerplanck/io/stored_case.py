"""The case inside a result file: its text, its overrides and the files that it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .inputs import read_inputs
from .storage.damage import DAMAGE, damaged
from .storage.opening import reading


@dataclass(frozen=True)
class StoredCase:
    """What it takes to run a result again.

    Parameters
    ----------
    text : str
        The case file.
    overrides : dict
        Dotted keys and the values that replaced those of the text.
    inputs : dict
        Text of the files that the case reads, by the name that the case gives them.
    """

    text: str
    overrides: dict[str, Any]
    inputs: dict[str, str]


def stored_case(path: Path) -> StoredCase:
    """The case of a result file.

    Raises
    ------
    StoreError
        If the file cannot be read, or its result was not computed from a case file.
    """
    with reading(path) as file:
        try:
            text = str(file.attrs["case_toml"])
            overrides = json.loads(file.attrs.get("overrides", "{}"))
            inputs = read_inputs(file)
            functions = str(file.attrs.get("functions", ""))
        except DAMAGE as error:
            raise damaged(path, error) from error
    if not text.strip():
        raise StoreError("this result holds no case file, so it cannot be run again", path)
    if functions:
        raise StoreError(
            f"this result was computed from Python functions or arrays ({functions}), which it "
            "does not hold; run the script that made it",
            path,
        )
    if not isinstance(overrides, dict):
        raise StoreError("the overrides in this result file are damaged", path)
    return StoredCase(text, overrides, inputs)
