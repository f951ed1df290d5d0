"""The files that a case names: kept in a result, or beside the case file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import CaseError
from ...limits import DATA_BYTES
from ..overrides import overridden
from .text import inside, read_text


class Sources:
    """Reads each file once and remembers its text.

    Parameters
    ----------
    folder : Path
        Where relative paths start.
    kept : mapping, optional
        Texts by name that need no file: those inside a result file.
    result : Path, optional
        That result file, for messages.
    asked : mapping, optional
        Overrides of the user, who may name files anywhere.
    """

    def __init__(
        self,
        folder: Path,
        kept: Mapping[str, str] | None = None,
        result: Path | None = None,
        asked: Mapping[str, Any] | None = None,
    ):
        self.folder = folder
        self.result = result
        self.texts: dict[str, str] = {}
        self._kept = dict(kept or {})
        self._asked = dict(asked or {})

    def text(self, name: str, key: str) -> str:
        """Text of a file, line ends as they are.

        Raises
        ------
        CaseError
            With ``key``: there is no such file, it lies outside the folder and the user has not
            asked for it, it is too long, or no UTF-8 text.
        """
        if name not in self.texts:
            self.texts[name] = self._kept[name] if name in self._kept else self._read(name, key)
        return self.texts[name]

    def _read(self, name: str, key: str) -> str:
        path = self.folder / name
        if not overridden(key, self._asked) and not inside(self.folder, name):
            # A case from a stranger would otherwise read what its reader can read.
            raise CaseError(
                f"{name!r} lies outside the folder of the case; put the file there, or name it "
                f"yourself with --set {key}=...",
                key,
            )
        try:
            return read_text(path, DATA_BYTES)
        except FileNotFoundError:
            if self.result is not None:
                raise CaseError(
                    f"the result does not hold the text of {name}, and there is no file {path}; "
                    "put it there",
                    key,
                ) from None
            raise CaseError(f"there is no file {path}", key) from None
        except CaseError as error:
            raise CaseError(f"{path}: {error.detail}", key) from None
