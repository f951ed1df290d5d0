"""The files that a case names: kept in a result, or beside the case file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import CaseError


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
    """

    def __init__(
        self, folder: Path, kept: Mapping[str, str] | None = None, result: Path | None = None
    ):
        self.folder = folder
        self.result = result
        self.texts: dict[str, str] = {}
        self._kept = dict(kept or {})

    def text(self, name: str, key: str) -> str:
        """Text of a file, line ends as they are.

        Raises
        ------
        CaseError
            With ``key``: there is no such file, or it cannot be read as UTF-8 text.
        """
        if name not in self.texts:
            self.texts[name] = self._kept[name] if name in self._kept else self._read(name, key)
        return self.texts[name]

    def _read(self, name: str, key: str) -> str:
        path = self.folder / name
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return file.read()
        except FileNotFoundError:
            if self.result is not None:
                raise CaseError(
                    f"the result does not hold the text of {name}, and there is no file {path}; "
                    "put it there",
                    key,
                ) from None
            raise CaseError(f"there is no file {path}", key) from None
        except OSError as error:
            raise CaseError(f"{path} cannot be read: {error.strerror}", key) from None
        except UnicodeDecodeError as error:
            raise CaseError(f"byte {error.start} of {path} is not UTF-8 text", key) from None
