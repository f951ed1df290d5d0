"""Result files for other programs."""

from __future__ import annotations

from pathlib import Path

import h5py

from ...errors import CaseError, StoreError
from ..groups.table import GROUPS
from ..layout import complete_frames
from ..shapes import check_shapes
from ..storage.damage import DAMAGE, damaged
from ..storage.opening import reading
from ..values import check_values
from .vtkhdf import ROOT, export_vtkhdf
from .xdmf import companion, export_xdmf

EXPORTS = {"vtkhdf": export_vtkhdf, "xdmf": export_xdmf}
_XML = b"<?xml"


def export(source: str | Path, to: str, out: str | Path | None = None) -> list[Path]:
    """Write a result for ParaView and other viewers.

    Parameters
    ----------
    source : path
        A result file, finished or not.
    to : {"vtkhdf", "xdmf"}
        ``"vtkhdf"`` copies all fields into one file; ``"xdmf"`` writes a text that points into the
        result, and a small file beside it.
    out : path, optional
        File to write, or the folder to write it in; beside the result by default. An earlier
        export is replaced, anything else is not.

    Returns
    -------
    list of Path
        The files written, the one to open first.

    Raises
    ------
    CaseError
        For an unknown format.
    StoreError
        If the result cannot be read, or the place cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(problem, 64, name="well", density={"end": 1.0, "frames": 3})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = fp.run(case, Path(folder, "well.h5"))
    ...     files = fp.export(Path(folder, "well.h5"), to="vtkhdf")
    >>> [file.name for file in files]
    ['well.vtkhdf']
    """
    if to not in EXPORTS:
        raise CaseError(f"{to!r} is no format; there are {', '.join(EXPORTS)}", "--to")
    path = Path(source)
    target = path.with_suffix(f".{to}") if out is None else Path(out)
    if target.is_dir():
        target = target / f"{path.stem}.{to}"
    files = [target, *([companion(target)] if to == "xdmf" else [])]
    for file in files:
        if file.exists() and not _is_export(file):
            raise StoreError(
                "there is a file that is no export, and it is kept; give --out elsewhere", file
            )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        require_sound(path)
        EXPORTS[to](path, target)
    except StoreError:
        raise
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(f"the export cannot be written: {reason}", target) from error
    return files


def require_sound(path: Path) -> None:
    """Check a result file as it is checked when it is read, without keeping anything.

    Raises
    ------
    StoreError
    """
    with reading(path) as file:
        try:
            check_shapes(file)
            check_values(file, complete_frames(file))
            for group in GROUPS.values():
                group.read(file)
        except DAMAGE as error:
            raise damaged(path, error) from error


def _is_export(path: Path) -> bool:
    """Whether a file may be replaced: what earlier exports have written looks like this."""
    if not path.is_file():
        return False
    if not h5py.is_hdf5(path):
        with path.open("rb") as file:
            start = file.read(200)
        return start.startswith(_XML) and b"<Xdmf" in start
    with h5py.File(path, "r", locking="best-effort") as file:
        return ROOT in file or (set("XYZ") <= set(file) and "density" not in file)
