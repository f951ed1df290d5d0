"""The density of a case at t = 0, and what takes it on from there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from ..case import Case, given_values
from ..fractional.levy import LevySystem
from ..fractional.levy_integrator import evolve_levy
from ..operators.generator import generator
from ..problem.expressions.field import FormulaField
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names
from ..stationary.stationary import StationaryState, stationary
from ..timestepping.evolve import evolve
from ..timestepping.initial import formula_density, gaussian_density, normalised, point_density
from ..timestepping.schemes import Scheme, choose_scheme
from ..timestepping.system import System


def initial_density(case: Case, rest: StationaryState | None = None) -> np.ndarray:
    """Density at t = 0, of the grid's shape and mass one.

    ``rest`` serves the kind "stationary" and is computed where it is needed and not given.
    """
    grid, initial = case.grid, case.initial
    if initial.kind == "gaussian" and initial.mean is not None and initial.covariance is not None:
        return gaussian_density(grid, initial.mean, initial.covariance)
    if initial.kind == "point" and initial.mean is not None:
        return point_density(grid, initial.mean)
    if initial.kind == "formula" and initial.formula is not None:
        names = Names(grid.names, {**case.problem.parameters, "beta": case.problem.beta})
        key = "initial.formula"
        field = FormulaField((parse(initial.formula, names, key),), (), names.symbols, key)
        return formula_density(grid, field)
    if initial.kind == "given" and initial.values is not None:
        return formula_density(grid, partial(given_values, initial.values, grid), "initial")
    if initial.kind == "stationary":
        if rest is None:
            rest = stationary(generator(case.problem, grid), case.problem)
        return rest.density.copy()
    return normalised(grid, np.ones(grid.shape))


def system_of(case: Case) -> System:
    """The problem of a case on its grid."""
    return System(case.problem, case.grid, case.density.breakpoints if case.density else ())


def levy_system_of(case: Case) -> LevySystem:
    """The same under heavy-tailed noise, its coefficients looked at up to the end."""
    asked = case.density
    system = LevySystem(case.problem, case.grid, asked.breakpoints if asked else ())
    if asked is not None:
        system.watch(0.0, asked.end)
    return system


def scheme_of(case: Case, system: System) -> tuple[Scheme, str]:
    """The scheme of [density], and why that one."""
    asked = case.density
    assert asked is not None
    return choose_scheme(asked.scheme, asked.stepper, system, asked.times)


def densities_of(
    case: Case, scheme: Scheme | None, start: np.ndarray, times: Sequence[float]
) -> np.ndarray:
    """Densities (n, ...) of a case at increasing times, from that at the first of them.

    ``scheme`` is that of :func:`scheme_of`, perhaps on another grid; None for stable jumps.
    """
    asked = case.density
    assert asked is not None
    if scheme is None:
        return evolve_levy(
            case.problem, case.grid, start, times, rtol=asked.rtol, breakpoints=asked.breakpoints
        )
    return evolve(
        case.problem,
        case.grid,
        start,
        times,
        scheme=scheme.name,
        stepper=asked.stepper,
        rtol=asked.rtol,
        breakpoints=asked.breakpoints,
    ).density
