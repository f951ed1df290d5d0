"""Where the case files that come with the package are, and how a name becomes a path."""

from __future__ import annotations

import difflib
from pathlib import Path

from ...errors import CaseError

_PACKAGE = Path(__file__).resolve().parents[2]


def cases_directory() -> Path:
    """Folder of the bundled cases.

    A wheel carries them inside the package; in a checkout (and an editable install) ``cases/``
    stands beside it.
    """
    installed = _PACKAGE / "cases"
    return installed if installed.is_dir() else _PACKAGE.parent / "cases"


def bundled_cases() -> dict[str, Path]:
    """Name and path of each bundled case, in alphabetical order."""
    return {path.stem: path for path in sorted(cases_directory().glob("*.toml"))}


def find_case(name: str | Path) -> Path:
    """Path of a case given as a path or as the name of a bundled case.

    Raises
    ------
    CaseError
        If there is no such file; the sentence lists the bundled names.
    """
    path = Path(name)
    if path.is_file():
        return path
    bundled = bundled_cases()
    if str(name) in bundled:
        return bundled[str(name)]
    if path.is_dir():
        raise CaseError(
            "is a directory; a case is a TOML file or the name of a bundled case", file=path
        )
    nearest = difflib.get_close_matches(path.stem, bundled, n=1)
    hint = f" (nearest: {nearest[0]})" if nearest else ""
    raise CaseError(
        f"there is no such file and no bundled case of this name{hint}; bundled are "
        f"{', '.join(bundled) or 'none'}",
        file=path,
    )
