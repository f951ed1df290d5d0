"""Whose result a file is, without reading the result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .reader import complete_frames
from .storage.damage import DAMAGE, damaged
from .storage.opening import reading
from .storage.slots import read_slots


@dataclass(frozen=True)
class Identity:
    """What the header of a result file says.

    Parameters
    ----------
    status : str
    case_toml, source : str
    overrides : dict
    resumable : bool
        Whether a checkpoint is left that a run can start from.
    """

    status: str
    case_toml: str
    source: str
    overrides: dict[str, Any]
    resumable: bool


def identity(path: str | Path) -> Identity:
    """Read who wrote a file and how far it is.

    Raises
    ------
    StoreError
        If it is not a result file, is damaged, or another process writes it.
    """
    target = Path(path)
    with reading(target) as file:
        try:
            reached = complete_frames(file)
            return Identity(
                status=str(file.attrs["status"]),
                case_toml=str(file.attrs["case_toml"]),
                source=str(file.attrs["source"]),
                overrides=json.loads(file.attrs.get("overrides", "{}")),
                resumable=any(item[2].frame < reached for item in read_slots(file)),
            )
        except DAMAGE as error:
            raise damaged(target, error) from error
