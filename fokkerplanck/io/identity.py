"""Whose result a file is, without reading the result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .layout import complete_frames
from .storage.checkpoint import read_checkpoint
from .storage.damage import DAMAGE, damaged
from .storage.opening import reading


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
            state = read_checkpoint(file)
            return Identity(
                status=str(file.attrs["status"]),
                case_toml=str(file.attrs["case_toml"]),
                source=str(file.attrs["source"]),
                overrides=json.loads(file.attrs.get("overrides", "{}")),
                resumable=state is not None and state.frame < complete_frames(file),
            )
        except DAMAGE as error:
            raise damaged(target, error) from error
