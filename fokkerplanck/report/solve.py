"""A case becomes a folder: its result file, figures and page."""

from __future__ import annotations

import warnings
from pathlib import Path

from ..case import Case
from ..errors import CaseWarning
from ..figures import draw
from ..io.result import Result
from ..pipeline.run import require_case, run
from ..runtime.machine import changed_at, peak_memory
from ..runtime.progress import Progress
from .numbers import disagreement, expectations
from .page import REPORT, write_report


def solve(
    case: Case,
    folder: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Result:
    """Solve a case as the command line does: result file, figures and page in one folder.

    Parameters
    ----------
    case : Case
        Of :func:`make_case` or :func:`load_case`. Its [output] says which figures are drawn, and
        whether there is a page.
    folder : path, optional
        ``runs/<name>`` by default; made if need be. It gets ``<name>.h5``, PNG files and
        ``report.html``.
    resume, overwrite, progress : bool
        As of :func:`run`.

    Returns
    -------
    Result

    Raises
    ------
    CaseError, StoreError, NumericalFailure
        As :func:`run`; the result file is kept where only a figure cannot be drawn.

    Warns
    -----
    CaseWarning
        For each number of [expect] that is missed, and where walkers and density differ.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(
    ...     problem,
    ...     64,
    ...     name="well",
    ...     density={"end": 1.0, "frames": 3},
    ...     output={"figures": []},
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     result = fp.solve(case, folder)
    ...     names = sorted(file.name for file in Path(folder).iterdir())
    >>> names
    ['report.html', 'well.h5']
    """
    require_case(case)
    target = (Path("runs") / case.name if folder is None else Path(folder)) / f"{case.name}.h5"
    before = changed_at(target)
    result = run(case, target, resume=resume, overwrite=overwrite, progress=progress)
    illustrate(case, result, target, before, progress=progress)
    for sentence in expectations(case, result) + disagreement(case, result):
        warnings.warn(f"not as expected: {sentence}", CaseWarning, stacklevel=2)
    return result


def illustrate(
    case: Case, result: Result, file: Path, before: int | None, *, progress: bool = False
) -> list[Path]:
    """Draw the figures that a case asks for and write its page, beside its result file.

    Parameters
    ----------
    case : Case
    result : Result
    file : Path
        The result file.
    before : int or None
        `changed_at` of the file before this process had the result: one that was only read again
        says nothing of the memory that it took.
    progress : bool
        Say on stderr that it is drawn.

    Returns
    -------
    list of Path
        What was written.
    """
    folder, drawn = file.parent, []
    peak = peak_memory() if changed_at(file) != before else None
    shown = Progress(case.name, progress)
    with shown.watching(), shown.stage("drawing"):
        # None is what the result has, an empty list no figure.
        if case.output.figures != ():
            drawn = draw(result, folder, case.output.figures)
        if case.output.report:
            drawn.append(write_report(result, folder / REPORT, drawn, file=file, peak=peak))
    return drawn
