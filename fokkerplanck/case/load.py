"""Read a case file, apply the overrides, check everything and build the records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from ..domain import Domain
from ..errors import CaseError
from ..grid import Grid
from ..limits import CASE_BYTES
from ..problem import Problem
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names
from .analyses import ControlSection, DiscreteSection, SpectrumSection
from .build import build_problem, constants_of
from .files.bundled import find_case
from .files.sources import Sources
from .files.text import read_text, read_toml, require_plain
from .initial import initial_density
from .memory import grid_need, memory_needs, require_memory
from .messages import case_error
from .overrides import apply_overrides, overridden
from .passage import passage
from .records import (
    Case,
    ControlRequest,
    Density,
    DiscreteRequest,
    EnsembleRequest,
    Expect,
    Initial,
    Output,
    SmoothingRequest,
    SpectrumRequest,
    StationaryRequest,
    ValidationRequest,
)
from .schema import CaseFile, DensitySection, OutputSection

DEFAULT_FRAMES = 51


def load_case(
    case: str | Path, overrides: dict[str, Any] | None = None, *, origin: str = "overrides"
) -> Case:
    """Read a case and check it.

    Parameters
    ----------
    case : str or path
        A TOML file, or the name of a bundled case.
    overrides : dict, optional
        Dotted keys with the values that replace those of the file, ``{"density.end": 2.0}``.
    origin : str
        Named instead of the file where an override is at fault.

    Returns
    -------
    Case

    Raises
    ------
    CaseError
        One sentence with the file, the dotted key, the value and what is allowed.
    """
    path = find_case(case)
    sources = Sources(path.parent, asked=overrides)
    return read_case(_read(path), path, overrides, sources, origin)


def read_case(
    text: str, path: Path, overrides: dict[str, Any] | None, sources: Sources, origin: str
) -> Case:
    """Check the text of a case; ``path`` names it, and the rest is as in :func:`load_case`.

    Raises
    ------
    CaseError
        As :func:`load_case`.
    """
    overrides = dict(overrides or {})
    data = _parse(text, path)
    try:
        apply_overrides(data, overrides)
        require_plain(data)
    except CaseError as error:
        raise error.in_file(origin) from None
    try:
        return _build(path, text, data, overrides, sources)
    except ValidationError as error:
        found = case_error(error)
    except CaseError as error:
        found = error
    raise found.in_file(origin if overridden(found.key, overrides) else path) from None


def _read(path: Path) -> str:
    try:
        text = read_text(path, CASE_BYTES)
    except CaseError as error:
        hint = "; a case is a TOML file" if "UTF-8" in error.detail else ""
        raise CaseError(f"{error.detail}{hint}", file=path) from None
    except FileNotFoundError:
        raise CaseError("there is no such file", file=path) from None
    # As text files are read: a line ends with one sign everywhere.
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return read_toml(text)
    except CaseError as error:
        raise error.in_file(path) from None


def flat_expect(data: dict[str, Any]) -> dict[str, Any]:
    """Let ``final.mass.max = 1`` without quotes mean the same as with them."""
    expect = data.get("expect")
    return data if not isinstance(expect, dict) else data | {"expect": dict(_leaves(expect, ""))}


def _leaves(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, entry in table.items():
        tables = isinstance(entry, dict) and any(isinstance(one, dict) for one in entry.values())
        if tables:
            yield from _leaves(entry, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", entry


def _build(
    path: Path, text: str, data: dict[str, Any], overrides: dict[str, Any], sources: Sources
) -> Case:
    constants = constants_of(data, sources)
    file = CaseFile.model_validate(flat_expect(data), context=constants)
    domain = Domain.from_mapping({name: axis.model_dump() for name, axis in file.domain.items()})
    grid = Grid(domain, tuple(axis.cells for axis in file.domain.values()))
    # Before the problem: its checks would evaluate the formulas on the grid.
    require_memory([grid_need(grid.shape)])
    problem: Problem = build_problem(file, domain, constants, sources)
    return case_of(
        file,
        problem,
        grid,
        constants,
        name=path.stem,
        file=path,
        text=text,
        overrides=overrides,
        inputs=dict(sources.texts),
    )


def case_of(
    tables: CaseFile,
    problem: Problem,
    grid: Grid,
    constants: dict[str, float],
    start: Initial | None = None,
    **origin: Any,
) -> Case:
    """The records of checked tables.

    ``start`` takes the place of [initial]; ``origin`` are the fields that say where the case is
    from.

    Raises
    ------
    CaseError
        Where a section does not fit the problem, or the machine has too little memory.
    """
    _check_jumps(tables, problem)
    case = Case(
        **origin,
        title=tables.title,
        problem=problem,
        grid=grid,
        initial=start or initial_density(tables.initial, grid, constants),
        density=None if tables.density is None else _density(tables.density),
        stationary=None if tables.stationary is None else StationaryRequest(),
        spectrum=None if tables.spectrum is None else _spectrum(tables.spectrum, grid, problem),
        passage=None if tables.passage is None else passage(tables.passage, grid, constants),
        ensemble=None
        if tables.ensemble is None
        else EnsembleRequest(**tables.ensemble.model_dump()),
        validation=(
            None
            if tables.validation is None
            else ValidationRequest(**tables.validation.model_dump())
        ),
        control=None if tables.control is None else _control(tables.control),
        smoothing=(
            None
            if tables.smoothing is None
            else SmoothingRequest(tuple(tables.smoothing.gamma), tuple(tables.smoothing.beta))
        ),
        discrete=None if tables.discrete is None else _discrete(tables.discrete, problem),
        output=_output(tables.output),
        expect={
            name: Expect(**entry.model_dump(exclude_none=True))
            for name, entry in tables.expect.items()
        },
    )
    require_memory(memory_needs(case))
    return case


def _check_jumps(file: CaseFile, problem: Problem) -> None:
    """What heavy-tailed noise has no meaning or no method for.

    Raises
    ------
    CaseError
    """
    jumps = problem.jumps
    if jumps is None:
        return
    reason = f"needs Gaussian noise, and noise.alpha is {jumps.alpha:g}"
    for key in ("stationary", "spectrum", "passage", "discrete"):
        if getattr(file, key) is not None:
            raise CaseError(f"{reason}; leave the section out", key)
    if file.initial.kind == "stationary":
        raise CaseError(reason, "initial.kind")
    if file.density is not None and file.density.stepper != "auto":
        raise CaseError(f"{file.density.stepper} {reason}; take auto", "density.stepper")


def _discrete(section: DiscreteSection, problem: Problem) -> DiscreteRequest:
    rate = problem.learning_rate
    if rate is None:
        raise CaseError("is missing; [discrete] steps by it", "noise.learning_rate")
    if problem.friction is not None:
        raise CaseError("[discrete] is without momentum; leave it out", "noise.momentum")
    names = Names(problem.names, {**problem.parameters, "beta": problem.beta})
    for index, formula in enumerate(section.observables):
        # Only to have what is wrong in it said now.
        parse(formula, names, f"discrete.observables[{index}]")
    steps = section.steps or 0
    if section.end is not None:
        steps = max(1, round(section.end / rate))
    return DiscreteRequest(
        section.noise,
        steps,
        section.frames,
        tuple(section.rates or ()),
        section.modes,
        tuple(section.observables),
        section.draws,
        section.seed,
    )


def _spectrum(section: SpectrumSection, grid: Grid, problem: Problem) -> SpectrumRequest:
    if problem.time_dependent:
        raise CaseError("coefficients that change in time leave no spectrum", "spectrum")
    if section.count > grid.size:
        raise CaseError(
            f"{section.count} modes of a grid of {grid.size} cells; there are as many modes as "
            "cells",
            "spectrum.count",
        )
    return SpectrumRequest(section.count)


def _output(section: OutputSection) -> Output:
    figures = None if section.figures is None else tuple(section.figures)
    return Output(section.every_frame, section.precision, figures, section.report, section.errors)


def _control(section: ControlSection) -> ControlRequest:
    given = section.model_dump()
    if isinstance(section.schedule, list):
        given |= {"schedule": tuple(section.schedule), "intervals": len(section.schedule)}
    elif section.intervals is None:
        given["intervals"] = ControlRequest.intervals
    given["compare"] = None if section.compare is None else tuple(section.compare)
    return ControlRequest(**given)


def _density(section: DensitySection) -> Density:
    if section.times is None:
        frames = DEFAULT_FRAMES if section.frames is None else section.frames
        times = np.linspace(0.0, section.end or 0.0, frames).tolist()
    else:
        times = list(section.times)
        if times[0] > 0.0:
            times.insert(0, 0.0)
        if section.end is not None and section.end > times[-1]:
            times.append(section.end)
    return Density(
        tuple(times), section.scheme, section.stepper, section.rtol, tuple(section.breakpoints)
    )
