"""A problem made in Python becomes a case: the same sections, the same checks as in a case file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..arrays import real_array
from ..errors import CaseError
from ..grid import Grid
from ..problem import Problem
from ..problem.callables import CallableField
from .files.text import require_plain, toml_text
from .files.written import Written, fingerprint, name_of, written
from .load import case_of, flat_expect
from .memory import grid_need, require_memory
from .messages import case_error
from .overrides import plain
from .records import Case, Initial
from .schema import CaseFile

Start = Mapping[str, Any] | Callable[..., Any] | np.ndarray
# True takes a section with the defaults of all its keys.
Section = Mapping[str, Any] | bool | None

WHOLE = "# Written by fokkerplanck for a problem made in Python.\n\n"
NAMED = (
    "# Written by fokkerplanck for a problem made in Python. What stands here as a function is in "
    "the\n# script, so that this text cannot be run.\n\n"
)


def make_case(
    problem: Problem,
    cells: int | Sequence[int],
    *,
    name: str = "problem",
    title: str | None = None,
    initial: Start | None = None,
    density: Section = None,
    stationary: Section = None,
    spectrum: Section = None,
    passage: Section = None,
    ensemble: Section = None,
    validation: Section = None,
    control: Section = None,
    smoothing: Section = None,
    discrete: Section = None,
    output: Section = None,
    expect: Section = None,
) -> Case:
    """A case from a problem made in Python, to be run as one from a case file.

    Parameters
    ----------
    problem : Problem
    cells : int or sequence of int
        Cells of all axes, or of each.
    name : str
        Of the result: ``runs/<name>/<name>.h5``.
    title : str, optional
        That of the problem where left out.
    initial : mapping, callable or ndarray, optional
        The density at t = 0: the keys of [initial], a function of one array per axis, or values at
        the cell centres; the last two need not be normalised. Uniform where left out.
    density, stationary, ..., expect : mapping or True, optional
        The sections of the case file, with the keys that they have there; True takes one with
        the defaults of all its keys.

    Returns
    -------
    Case
        Its text is the case file that says the same. Where loss, drift, Sigma or start are
        Python functions or arrays, the text names them with a fingerprint of their values at t = 0,
        and the result cannot be run again without the script.

    Raises
    ------
    CaseError
        One sentence with the key, the value and what is allowed.

    Examples
    --------
    >>> import fokkerplanck as fp
    >>> problem = fp.Problem("x**2/2", beta=2.0, domain={"x": (-6, 6)})
    >>> case = fp.make_case(
    ...     problem,
    ...     64,
    ...     name="well",
    ...     initial={"kind": "gaussian", "mean": [1.0], "std": 0.5},
    ...     density={"end": 1.0, "frames": 3},
    ...     stationary=True,
    ... )
    >>> case.density.times
    (0.0, 0.5, 1.0)
    """
    if not isinstance(problem, Problem):
        raise CaseError(f"{type(problem).__name__} is no Problem; make one with fp.Problem(...)")
    if not name or not name.isprintable() or Path(name).name != name:
        raise CaseError(f"{name!r} is no name for a file; take letters and digits", "name")
    grid = _grid(problem, cells)
    paper = written(problem, grid)
    sections = {
        "density": density,
        "stationary": stationary,
        "spectrum": spectrum,
        "passage": passage,
        "ensemble": ensemble,
        "validation": validation,
        "control": control,
        "smoothing": smoothing,
        "discrete": discrete,
        "output": output,
        "expect": expect,
    }
    start = _start(paper, initial, grid)
    for key, section in sections.items():
        if section is not None and section is not False:
            paper.put(key, _table(section, key))
    _require_formulas(paper)
    title = problem.title if title is None else title
    head = {"title": title} if title else {}
    constants = {**problem.parameters, "beta": problem.beta}
    data = flat_expect(head | paper.checked)
    require_plain(data)
    try:
        tables = CaseFile.model_validate(data, context=constants)
    except ValidationError as error:
        raise case_error(error) from None
    return case_of(
        tables,
        problem,
        grid,
        constants,
        name=name,
        file=Path(name),
        text=(NAMED if paper.functions else WHOLE) + toml_text(head | paper.tables),
        inputs=paper.inputs,
        functions=tuple(paper.functions),
        start=start,
    )


def given_values(
    values: Callable[..., Any] | np.ndarray, grid: Grid, points: Sequence[np.ndarray]
) -> np.ndarray:
    """Values of a start that is given as a function or as an array, at the cells of a grid.

    Raises
    ------
    CaseError
        For values that are not those of this grid.
    """
    if callable(values):
        lengths = tuple(axis.length for axis in grid.domain.axes)
        return CallableField(values, (), lengths, "initial")(points)
    if values.shape != grid.shape:
        raise CaseError(
            f"is an array of shape {values.shape}, and the grid has {grid.shape}; give a function "
            "of one array per axis where other grids are needed too",
            "initial",
        )
    return values


def _grid(problem: Problem, cells: int | Sequence[int]) -> Grid:
    grid = problem.grid(cells)
    require_memory([grid_need(grid.shape)])
    return grid


def _start(paper: Written, initial: Start | None, grid: Grid) -> Initial | None:
    """The start that is no section of a case file, put on paper by its name; else None."""
    if initial is None:
        return None
    if isinstance(initial, Mapping):
        paper.put("initial", _table(initial, "initial"))
        return None
    if not callable(initial):
        try:
            # A copy: the caller may change his array before the case is run.
            initial = real_array(initial, "initial").copy()
        except CaseError as error:
            raise CaseError(
                f"{error.detail}; a start is a mapping such as {{'kind': 'uniform'}}, a function, "
                "or an array of numbers",
                "initial",
            ) from None
    values = given_values(initial, grid, grid.points)
    word = name_of(initial) if callable(initial) else "an array"
    paper.put("initial", {"function": word, "values": fingerprint(values)}, {})
    paper.functions.append("initial")
    return Initial("given", values=initial)


def _require_formulas(paper: Written) -> None:
    """Raise CaseError for walkers where there is no formula that they could be compiled from."""
    found = [key for key in paper.functions if key.split(".")[0] in ("loss", "drift", "noise")]
    if found and "ensemble" in paper.tables:
        raise CaseError(
            f"walkers need formulas or data, and Python functions give {', '.join(found)}; leave "
            "the section out",
            "ensemble",
        )


def _table(section: Mapping[str, Any] | bool, key: str) -> dict[str, Any]:
    if section is True:
        return {}
    if not isinstance(section, Mapping):
        raise CaseError(
            f"{section!r} is no section; give a mapping of its keys, or True for their defaults",
            key,
        )
    table: dict[str, Any] = plain(section)
    return table
