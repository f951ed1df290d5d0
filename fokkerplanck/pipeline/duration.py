"""How long a case takes: a little of each part is done and timed, and carried on to all of it.

The density moves for a moment on its own grid, a few walkers take a few steps, and what else the
case asks for is done on two coarse grids, whose times show how they grow with the cells. Times are
without compilation.
"""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ..analyses.ensemble import chosen_method, step_of, visited_cells, walk
from ..analyses.start import initial_density
from ..analyses.validation import SHARE
from ..case import Case
from ..errors import CaseError, NumericalFailure
from ..fractional.levy import LevySystem
from ..fractional.levy_integrator import LevyIntegrator
from ..grid import MIN_CELLS, Grid
from ..high_order.high_order import high_order
from ..operators.generator import Generator
from ..particles import METHODS
from ..timestepping.exponential import chebyshev_products, uniformization_products
from ..timestepping.flux_integrator import expected_products
from ..timestepping.integrator import Integrator, StepIntegrator
from ..timestepping.magnus import krylov_seconds
from ..timestepping.schemes import Scheme, gibbs, make_integrator
from ..timestepping.system import System
from .run import run
from .stationary_state import rest_state

# Products timed, and seconds for which the density moves.
TIMED_PRODUCTS = 5
MOVING = 0.5
# The first of the times for which it moves, as a share of all, and the factor from one to the next.
FIRST = 1e-3
GROWTH = 4.0
# What a frame takes to be measured and written: at all, and per cell.
FRAME, FRAME_CELL = 2e-3, 6e-8
# Walkers that are timed, hardly any and some, and their steps.
NO_WALKERS, WALKERS, STEPS = 100, 40_000, 40
# Coarse grids of the analyses: cells per axis are divided by these.
DIVISORS = (8, 4)
# Times may grow with the cells to powers between these.
POWERS = (0.5, 3.0)
# Parts shorter than this are left out.
SHOWN = 1e-3
TIMED = ("stationary", "spectrum", "passage", "smoothing", "discrete")


def durations(case: Case, system: System | LevySystem, scheme: Scheme | None) -> dict[str, float]:
    """Seconds that each part of a case is expected to take, as far as it can be tried.

    Parameters
    ----------
    case : Case
    system : System or LevySystem
        Of the case.
    scheme : Scheme, optional
        That of its density.
    """
    parts: dict[str, Callable[[], float | None]] = {
        "density": lambda: _density(case, system, scheme),
        "frames": lambda: _frames(case),
        "analyses": lambda: _analyses(case),
        "walkers": lambda: _walkers(case),
    }
    found: dict[str, float] = {}
    for name, part in parts.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                seconds = part()
            except (CaseError, NumericalFailure):
                continue
        if seconds is not None and seconds > SHOWN:
            found[name] = seconds
    if case.validation is not None and case.ensemble is not None:
        found["validation"] = _validation(case, found)
    return found


def _density(case: Case, system: System | LevySystem, scheme: Scheme | None) -> float | None:
    asked = case.density
    if asked is None or case.control is not None:
        return None
    if isinstance(system, LevySystem):
        system.watch(0.0, asked.end)
        return _moved(case, LevyIntegrator(system, asked.rtol, asked.end))
    assert scheme is not None
    march, _, _ = make_integrator(scheme, asked.stepper, system, asked.times, asked.rtol)
    if not system.autonomous or scheme.name == "semi-lagrangian":
        return _moved(case, march)
    if not isinstance(march, StepIntegrator):
        operator = high_order(case.problem, case.grid)
        return expected_products(system, asked.times) * _product(operator.combine, case)
    if not march.stepper.exact:
        return _moved(case, march)
    return _exact(case, system.at(0.0), march.stepper.name)


def _exact(case: Case, generator: Generator, stepper: str) -> float:
    """An exact stepper: the products of each frame, or its Krylov space."""
    assert case.density is not None
    spans = [after - before for before, after in itertools.pairwise(case.density.times)]
    if stepper == "krylov":
        return krylov_seconds(generator) * len(spans)
    fast = generator.detailed_balance and stepper != "uniformization"
    count = chebyshev_products if fast else uniformization_products
    products = sum(count(generator.q * span) for span in spans)
    return products * _product(generator.combine, case)


def _product(combine: Callable[..., object], case: Case) -> float:
    """Seconds of a product."""
    x = np.ones(case.grid.size)
    out = np.empty_like(x)
    combine(x, 1.0, 0.0, x, 0.0, out)
    return min(_timed(lambda: combine(x, 1.0, 0.0, x, 0.0, out)) for _ in range(TIMED_PRODUCTS))


def _moved(case: Case, march: Integrator) -> float:
    """A stepper that controls its error: from its pace after the first transient."""
    asked = case.density
    assert asked is not None
    density = initial_density(case).reshape(-1)
    reached, step, span, pace, spent = 0.0, 0.0, FIRST * asked.end, 0.0, 0.0
    while reached < asked.end and spent < MOVING:
        later = min(reached + span, asked.end, *(t for t in asked.times if t > reached))
        following, longer = march.advance(density, reached, later, step)
        # Once more: what is compiled or set up once is no part of the pace.
        move = partial(march.advance, density, reached, later, step)
        seconds = _timed(move)
        pace, spent = seconds / (later - reached), spent + seconds
        density, step, reached, span = following, longer, later, GROWTH * span
    return pace * asked.end


def _frames(case: Case) -> float | None:
    if case.density is None:
        return None
    return case.density.frames * (FRAME + FRAME_CELL * case.grid.size)


def _analyses(case: Case) -> float | None:
    """Everything besides the density and the walkers, from two coarse grids."""
    asked = any(getattr(case, name) is not None for name in TIMED)
    resting = case.density is not None and case.problem.jumps is None and case.control is None
    if not (asked or resting):
        return None
    only: dict[str, Any] = dict.fromkeys(("density", "ensemble", "validation", "control"))
    seconds, cells = [], []
    for divisor in DIVISORS:
        shape = tuple(max(MIN_CELLS, n // divisor) for n in case.grid.shape)
        coarse = replace(case, grid=Grid(case.grid.domain, shape), **only, expect={})

        def once(coarse: Case = coarse) -> None:
            if asked:
                run(coarse)
            else:
                rest_state(coarse, System(coarse.problem, coarse.grid))

        once()
        seconds.append(_timed(once))
        cells.append(coarse.grid.size)
    power = 1.0
    # On small grids both are as coarse as a grid can be: the cost then grows with the cells.
    if cells[1] > cells[0]:
        growth = np.log(seconds[1] / seconds[0]) / np.log(cells[1] / cells[0])
        power = min(max(float(growth), POWERS[0]), POWERS[1])
    return float(seconds[1] * (case.grid.size / cells[1]) ** power)


def _walkers(case: Case) -> float | None:
    """The ensemble, from few walkers and steps."""
    asked, frames = case.ensemble, case.density
    if asked is None or frames is None or case.control is not None:
        return None
    end = asked.times(frames)[-1]
    start = initial_density(case)
    rest = gibbs(System(case.problem, case.grid)) if case.problem.jumps is None else None
    visited = visited_cells([start] if rest is None else [start, rest])
    step = step_of(case, chosen_method(case), visited)
    length = step or case.problem.learning_rate or end / STEPS
    span = min(end, STEPS * length)
    seconds = []
    for particles in (NO_WALKERS, WALKERS):
        few = replace(asked, particles=particles, trajectories=0, end=None, step=step)
        tried = replace(case, ensemble=few, density=replace(frames, times=(0.0, span)))
        move = partial(walk, tried, start, visited)
        move()
        seconds.append(min(_timed(move), _timed(move)))
    # What hardly any walkers take is the time to set up, which is needed once.
    none, many = seconds
    each = max(many - none, 0.0) / (WALKERS - NO_WALKERS)
    return none + each * asked.particles * (end / span)


def _validation(case: Case, found: dict[str, float]) -> float:
    """A grid of half as many cells, and for SGD walkers at half the rate and with other noise."""
    assert case.validation is not None
    if not case.validation.budget:
        return 0.0
    # Half the cells along each axis jump at a quarter of the rate.
    seconds = found.get("density", 0.0) * 0.5 ** (case.grid.ndim + 2)
    if METHODS[chosen_method(case)].sgd:
        # Two steps for one, and one for one.
        seconds += found.get("walkers", 0.0) * 3.0 / SHARE
    return seconds


def _timed(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin
