"""Coefficients that depend on time: jumps are met, pulses seen, and frames change nothing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from measures import compiled_only
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import fokkerplanck as fp
from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.fractional.fractional import Fractional
from fokkerplanck.fractional.levy_integrator import evolve_levy
from fokkerplanck.operators.generator import assemble_generator, generator
from fokkerplanck.operators.mixture import mixture
from fokkerplanck.operators.separated import Separated
from fokkerplanck.pipeline import duration
from fokkerplanck.problem import Problem
from fokkerplanck.problem.expressions.field import FormulaField
from fokkerplanck.problem.expressions.formula import parse
from fokkerplanck.problem.expressions.intervals import Interval, enclosure
from fokkerplanck.problem.expressions.names import TIME, Names
from fokkerplanck.problem.expressions.switches import switching_times
from fokkerplanck.problem.timeline import timeline_of
from fokkerplanck.report.explain import explain
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density, point_density
from fokkerplanck.timestepping.system import System

INPUTS = Path(__file__).parent / "inputs"
NAMES = Names(("x",), {}, time=True)
LINE = {"x": (-4.0, 4.0)}
OPEN = {"x": {"range": (-1.0, 1.0), "boundary": "absorbing"}}


def twin(problem: Problem, cells: int, start: np.ndarray, times: list[float]) -> np.ndarray:
    """Radau on the generator's matrix, from one of the times to the next."""
    grid, density = problem.grid(cells), start.reshape(-1)
    for first, last in itertools.pairwise(times):
        # The coefficients at the ends are those of the inside.
        inside = 1e-12 * (last - first)

        def matrix(t: float, first: float = first, last: float = last, gap: float = inside) -> Any:
            return generator(problem, grid, min(max(t, first + gap), last - gap)).to_scipy()

        density = solve_ivp(
            lambda t, u, matrix=matrix: matrix(t) @ u, (first, last), density, method="Radau",
            jac=lambda t, u, matrix=matrix: matrix(t), rtol=1e-6, atol=1e-8, first_step=1e-4,
        ).y[:, -1]  # fmt: skip
    return density.reshape(grid.shape)


# The inputs, whatever the number of frames.


@compiled_only
@pytest.mark.parametrize("scheme", ["auto", "scharfetter-gummel"])
def test_a_kick_moves_the_mean_whatever_the_frames(scheme: str) -> None:
    wanted = 300.0 * (np.exp(-0.495) - np.exp(-0.505))
    found = []
    for frames in (2, 11, 101):
        case = fp.load_case(
            INPUTS / "kick_in_time.toml", {"density.frames": frames, "density.scheme": scheme}
        )
        found.append(fp.run(case).density[-1])
        mean = case.grid.integrate(found[-1] * case.grid.centers[0])
        assert mean == pytest.approx(wanted, rel=1e-2 if scheme != "auto" else 1e-4)
    for other in found[1:]:
        assert case.grid.integrate(np.abs(other - found[0])) <= 2e-6


@compiled_only
def test_a_pulse_of_drift_between_absorbing_bounds_whatever_the_frames() -> None:
    found = []
    for times in ([1.0], np.linspace(0.1, 1.0, 10).tolist(), np.linspace(0.01, 1.0, 100).tolist()):
        case = fp.load_case(INPUTS / "motion_pulse_absorbing.toml", {"density.times": times})
        found.append(case.grid.integrate(fp.run(case).density[-1]))
    assert found[0] == pytest.approx(0.1244, rel=2e-3)
    assert found == pytest.approx([found[0]] * 3, abs=2e-6)


@compiled_only
@pytest.mark.parametrize(
    ("drift", "wanted", "most"),
    [("0.5 + 2*t", 0.157280634, 60), ("5*cos(40*t)", 0.332534101, 600)],
)
def test_a_moving_drift_takes_few_steps(drift: str, wanted: float, most: int) -> None:
    """Survival by Radau at a tolerance of 1e-8."""
    case = fp.load_case(INPUTS / "slow_time_dependent.toml", {"drift.formula": [drift]})
    start = point_density(case.grid, [0.0])
    found = evolve(case.problem, case.grid, start, [0.0, 1.0], scheme="scharfetter-gummel")
    assert found.stepper == "magnus"
    assert case.grid.integrate(found.density[-1]) == pytest.approx(wanted, abs=1e-6)
    assert found.density.min() >= 0.0
    assert found.counts["steps"] <= most


@compiled_only
def test_exit_of_a_stable_process_by_default() -> None:
    result = fp.run(fp.load_case(INPUTS / "levy_exit_default.toml"))
    mean = float(np.trapezoid(result.mass, result.time))
    # Of order one at the sides: 0.7607 at 100 cells, 0.7565 at 200.
    assert mean == pytest.approx(0.7523, abs=0.011)


# Jumps and pulses of every coefficient, as formulas and as functions, against the twin.


def square(t: float) -> float:
    return 2.0 if np.sin(9.0 * t) > 0.3 else -1.0


MOVING: dict[str, tuple[dict[str, Any], list[float]]] = {
    "square wave": ({"loss": "0.5*x**2", "drift": ["where(sin(9*t) > 0.3, 2, -1)"]}, []),
    "function": ({"loss": "0.5*x**2", "drift": lambda x, t: square(t) + 0.0 * x}, []),
    "sigma jumps": ({"loss": "0.5*x**2", "sigma": "0.5 + where(t > 0.61, 1, 0)*(1 + 0.2*x)"}, []),
    "loss jumps": ({"loss": "0.5*(1 + 3*floor(2*t))*x**2"}, []),
    "pulses": (
        {
            "loss": "0.5*x**2",
            "drift": ["40*exp(-((t - 0.2)/0.004)**2) - 90*exp(-((t - 0.7)/0.002)**2)*x"],
        },
        [],
    ),
}  # fmt: skip


@compiled_only
@pytest.mark.parametrize("name", list(MOVING))
def test_against_radau(name: str) -> None:
    keys, _ = MOVING[name]
    problem = Problem(domain=LINE, beta=4.0, **keys)
    grid = problem.grid(16)
    start = gaussian_density(grid, [0.5], np.array([[0.4]]))
    breaks = {
        "square wave": [0.0338547, 0.3152111, 0.7319864],
        "function": [0.0338547, 0.3152111, 0.7319864],
        "sigma jumps": [0.61],
        "loss jumps": [0.5],
        "pulses": [0.18, 0.2, 0.22, 0.69, 0.7, 0.71],
    }[name]
    if name in ("square wave", "function"):
        low, high = np.arcsin(0.3) / 9.0, (np.pi - np.arcsin(0.3)) / 9.0
        breaks = [low, high, low + 2.0 * np.pi / 9.0]
    wanted = twin(problem, 16, start, [0.0, *breaks, 1.0])
    for times in ([0.0, 1.0], np.linspace(0.0, 1.0, 4).tolist()):
        found = evolve(problem, grid, start, times, scheme="scharfetter-gummel").density[-1]
        assert grid.integrate(np.abs(found - wanted)) <= 3e-6


@compiled_only
@pytest.mark.parametrize("cells", [(14, 12), (7, 6, 6)])
def test_turning_sigma_in_the_plane_and_in_space(cells: tuple[int, ...]) -> None:
    """The offsets change where the correlation changes its sign."""
    d = len(cells)
    sigma = np.diag(["1", "0.8", "0.6"][:d]).astype(object)
    sigma[sigma == ""] = "0"
    sigma[0, 1] = sigma[1, 0] = "0.5*cos(5*t)"
    problem = Problem(
        "+".join(f"0.5*{axis}**2" for axis in "xyz"[:d]), sigma.tolist(), 2.0,
        dict.fromkeys("xyz"[:d], (-2.0, 2.0)), drift=["where(t > 0.13, 2, -1)", *["0"] * (d - 1)],
    )  # fmt: skip
    grid = problem.grid(cells)
    start = gaussian_density(grid, [0.3] * d, 0.3 * np.eye(d))
    found = evolve(problem, grid, start, [0.0, 0.4], scheme="scharfetter-gummel")
    assert found.stepper == "magnus"
    assert grid.integrate(found.density[-1]) == pytest.approx(1.0, abs=1e-12)
    wanted = twin(problem, cells, start, [0.0, 0.13, np.pi / 10.0, 0.4])  # type: ignore[arg-type]
    assert grid.integrate(np.abs(found.density[-1] - wanted)) <= 5e-6


def test_named_times_of_a_function_too_short_to_be_seen() -> None:
    width = 1e-6

    def kick(x: np.ndarray, t: float) -> np.ndarray:
        return -x + (0.4 / width if 0.3 < t < 0.3 + width else 0.0)

    problem = Problem(domain=LINE, drift=kick, beta=4.0)
    grid = problem.grid(48)
    start = gaussian_density(grid, [0.0], np.array([[0.2]]))
    means = []
    for named in ((), (0.3, 0.3 + width)):
        found = evolve(problem, grid, start, [0.0, 0.5], breakpoints=named).density[-1]
        means.append(float(grid.integrate(found * grid.centers[0])))
    assert means[0] == pytest.approx(0.0, abs=1e-6)
    assert means[1] == pytest.approx(0.4 * np.exp(-0.2), rel=2e-2)


def test_breakpoints_of_a_case() -> None:
    path = INPUTS / "kick_in_time.toml"
    case = fp.load_case(path, {"density.breakpoints": ["10/3", 7.5]})
    assert case.density is not None
    assert case.density.breakpoints == (10.0 / 3.0, 7.5)
    with pytest.raises(CaseError) as failure:
        fp.load_case(path, {"density.breakpoints": [-1.0]})
    assert "density.breakpoints[0]" in str(failure.value)


def test_what_changes_too_often_is_refused() -> None:
    for drift in ("sin(1e9*t)", "sign(sin(1e6*t))"):
        problem = Problem("x**2", domain=LINE, drift=[drift])
        with pytest.raises(NumericalFailure):
            timeline_of(problem, problem.grid(16), 0.0, 1.0)


# Where formulas switch, and how long they are smooth.


@pytest.mark.parametrize(
    ("formula", "stop", "wanted"),
    [
        ("where(abs(t - 5) < 0.05, 30, 0)", 10.0, [4.95, 5.0, 5.05]),
        ("where((t > 0.3) and (t < 0.4), 8, 0)*x", 1.0, [0.3, 0.4]),
        ("sign(sin(7*t))", 1.0, [np.pi / 7.0, 2.0 * np.pi / 7.0]),
        ("floor(3*t) + heaviside(t - 0.1)", 1.0, [0.1, 1.0 / 3.0, 2.0 / 3.0]),
        ("max(t**2, 0.25)", 1.0, [0.5]),
        ("where(abs(t - 5) < 1e-9, 1, 0)", 10.0, [5.0 - 1e-9, 5.0, 5.0 + 1e-9]),
        ("where(exp(-(t - 1)**2) > 0.5, x, 0)", 2.0, [1 - np.log(2) ** 0.5, 1 + np.log(2) ** 0.5]),
        ("where(x > t, 1, 0)", 1.0, []),
    ],
)
def test_switching_times(formula: str, stop: float, wanted: list[float]) -> None:
    field = FormulaField((parse(formula, NAMES),), (), NAMES.symbols, "drift")
    assert switching_times([field], 0.0, stop) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    "formula",
    [
        "x**2*t - 3*x/(1 + t**2)", "sin(3*t)*cos(x - t)", "exp(-((t - 1)/0.3)**2)*x**3",
        "where(t > 0.5 and x < 0.2, abs(x - t), floor(4*t))", "tanh(5*t - x)**2 + erf(x)*atan(t)",
        "2**t + sqrt(t + 2)*log(t + 3)", "max(x, t) - min(x, t**3) + sign(x)*heaviside(t)",
        "(x - t)**-2", "atan2(x, t) + cosh(x) - sinh(t) + tan(t)",
        "where(not (x >= t or t < 0.1), asinh(x), acosh(2 + t))",
    ],
)  # fmt: skip
def test_enclosures_hold_all_values(formula: str, rng: np.random.Generator) -> None:
    expression = parse(formula, NAMES)
    low = rng.uniform(-1.5, 1.5, (2, 200))
    high = low + rng.exponential(0.3, (2, 200))
    boxes = dict(zip((NAMES.symbols[0], TIME), map(Interval, low, high), strict=True))
    bound = enclosure(expression, boxes)
    field = FormulaField((expression,), (), NAMES.symbols, "drift")
    for share in rng.uniform(size=(20, 2, 200)):
        x, t = low + share * (high - low)
        values = np.array([float(field([a], float(b))[()]) for a, b in zip(x, t, strict=True)])
        known = np.isfinite(values)
        room = 1e-12 * (1.0 + np.abs(values))
        assert (values >= bound.low - room)[known].all()
        assert (values <= bound.high + room)[known].all()


@pytest.mark.parametrize("width", [1e-2, 1e-5])
def test_narrow_pulses_of_formulas_are_seen(width: float) -> None:
    pulse = f"exp(-((t - 5.123456)/{width})**2)"
    for keys in (
        {"loss": "0.5*x**2", "drift": [f"30*{pulse}"]},
        {"loss": f"0.5*x**2*(1 + 2*{pulse} + exp(-((t - 2)/0.5)**2))"},
        {"loss": "0.5*x**2", "sigma": f"1 + 20*{pulse}*cos(x)**2"},
    ):
        problem = Problem(domain=LINE, **keys)
        timeline = timeline_of(problem, problem.grid(32), 0.0, 10.0)
        assert timeline.longest(5.123456) <= 3.0 * width
        assert timeline.longest(0.0) >= 0.5
        # Steps of the longest size do not pass over it.
        time = 0.0
        met = 0
        while time < 10.0:
            time += timeline.longest(time)
            met += abs(time - 5.123456) < 2.0 * width
        assert met >= 1


def test_functions_are_seen_as_formulas_are() -> None:
    found = timeline_of(
        problem := Problem(domain=LINE, drift=lambda x, t: -x + 3.0 * (0.123 < t < 0.13)),
        problem.grid(16), 0.0, 1.0,
    )  # fmt: skip
    assert found.breaks == pytest.approx([0.123, 0.13], abs=1e-12)


# The kernels and tables behind the steps, against slow twins.


def rates_twin(problem: Problem, cells: Any, time: float) -> np.ndarray:
    return generator(problem, problem.grid(cells), time).to_scipy().toarray()


SEPARABLE: dict[str, tuple[Problem, Any, bool]] = {
    "drift": (Problem("0.5*x**2", domain=OPEN, drift=["sin(3*t)*x + t**2"]), 20, True),
    "function": (Problem(domain=OPEN, drift=lambda x, t: np.cos(x - t)), 20, True),
    "sigma": (
        Problem("0.5*t*(x**2 + y**2)", [["(1+t)*(1+0.5*cos(x))", "0.3*(1+t)"],
                ["0.3*(1+t)", "1+t"]], 2.0,
                {"x": {"range": (-2, 2), "boundary": "periodic"}, "y": (-2, 2)}),
        (9, 8), True,
    ),
    "not separable": (Problem(domain=OPEN, drift=["exp(-((x - t)/0.1)**2)"]), 60, False),
    "two parts of sigma": (
        Problem("0.5*x**2", "1 + t*cos(x)", 1.0, LINE), 20, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", list(SEPARABLE))
def test_generators_of_few_times_make_those_of_all(key: str) -> None:
    problem, cells, separable = SEPARABLE[key]
    grid = problem.grid(cells)
    system = System(problem, grid)
    separated = Separated(problem, grid, system.potential, 0.0, 1.0)
    for time in (0.05, 0.4321, 0.99):
        found = separated.generator(time)
        assert (found is not None) == separable
        if found is not None:
            wanted = assemble_generator(problem, grid, time, system.potential).to_scipy().toarray()
            np.testing.assert_allclose(
                found.to_scipy().toarray(), wanted, rtol=1e-9, atol=1e-12 * np.abs(wanted).max()
            )


@pytest.mark.parametrize("sides", ["reflecting", "absorbing", "periodic"])
def test_mixtures_of_generators(sides: str) -> None:
    box = {axis: {"range": (-2.0, 2.0), "boundary": sides} for axis in "xy"}
    problem = Problem(
        None, [["1", "0.5*cos(t)"], ["0.5*cos(t)", "0.8"]], 1.0, box,
        drift=["sin(t)", "1"],
    )  # fmt: skip
    grid = problem.grid((7, 6))
    one, other = (generator(problem, grid, time) for time in (0.3, 2.5))
    found = mixture(one, 0.7, other, 0.3).to_scipy().toarray()
    wanted = 0.7 * one.to_scipy().toarray() + 0.3 * other.to_scipy().toarray()
    np.testing.assert_allclose(found, wanted, atol=1e-12 * np.abs(wanted).max())
    # Rates that would be negative are zero, and what leaves a cell is what its rates say.
    extreme = mixture(one, 1.5, other, -0.5).to_scipy().toarray()
    assert (extreme - np.diag(np.diag(extreme))).min() >= 0.0
    if sides != "absorbing":
        assert np.abs(extreme.sum(axis=0)).max() <= 1e-10


@pytest.mark.parametrize("sides", ["reflecting", "periodic"])
def test_powers_against_single_products(sides: str, rng: np.random.Generator) -> None:
    box = {axis: {"range": (-2.0, 2.0), "boundary": sides} for axis in "xy"}
    problem = Problem(None, [["1", "0.5"], ["0.5", "0.8"]], 1.0, box, drift=["1", "y"])
    found = generator(problem, problem.grid((7, 6)))
    start, weights = rng.random(42), rng.random(9)
    for end in (8, 9):
        total, wanted = start.copy(), start.copy()
        x, y, change = found.powers(start.copy(), np.empty(42), 0.01, weights, 2, end, total)
        value, before = start, start
        for k in range(2, end):
            value, before = value + 0.01 * found.matvec(value), value
            wanted += weights[k] * value
        np.testing.assert_allclose(x, value, rtol=1e-13)
        np.testing.assert_allclose(y, before, rtol=1e-13)
        np.testing.assert_allclose(total, wanted, rtol=1e-13)
        assert change == pytest.approx(np.abs(value - before).sum(), rel=1e-10)


# Jumps that end at the sides.


@pytest.mark.parametrize(
    ("domain", "cells"),
    [(OPEN, (40,)), (OPEN, (700,)), ({**OPEN, "y": OPEN["x"]}, (9, 8))],
    ids=["matrix", "polynomials", "plane"],
)
def test_jumps_out_of_a_box_against_the_matrix_exponential(
    domain: dict[str, Any], cells: tuple[int, ...], rng: np.random.Generator
) -> None:
    problem = Problem("0", domain=domain, alpha=1.5)
    grid = problem.grid(cells)
    assert problem.jumps is not None
    operator = Fractional(grid, problem.jumps)
    unit = np.eye(grid.size).reshape(grid.size, *grid.shape)
    matrix = np.stack([operator.matvec(one).reshape(-1) for one in unit])
    start = rng.random(grid.shape)
    found = operator.exponential(start, 0.02)
    np.testing.assert_allclose(
        found.reshape(-1), expm(0.02 * matrix) @ start.reshape(-1), rtol=1e-9, atol=1e-12
    )


@compiled_only
def test_drift_and_jumps_out_of_a_box_whatever_the_frames() -> None:
    problem = Problem(
        "x**2/2", domain=OPEN, alpha=1.5, drift=["where(abs(t - 0.31) < 0.004, 60, 0)"]
    )
    grid = problem.grid(40)
    start = gaussian_density(grid, [0.0], np.array([[0.05]]))
    found = [
        evolve_levy(problem, grid, start, np.linspace(0.0, 0.6, n).tolist(), rtol=1e-4)[-1]
        for n in (2, 11)
    ]
    assert grid.integrate(np.abs(found[1] - found[0])) <= 2e-3 * grid.integrate(found[0])
    still = Problem("x**2/2", domain=OPEN, alpha=1.5)
    other = evolve_levy(still, grid, start, [0.0, 0.6], rtol=1e-4)[-1]
    assert grid.integrate(np.abs(found[0] - other)) > 0.02 * grid.integrate(other)


@compiled_only
@pytest.mark.parametrize(
    ("name", "overrides", "parts"),
    [
        ("slow_time_dependent", {}, {"density", "frames"}),
        ("levy_exit_default", {"density.frames": 21}, {"density", "frames"}),
        (
            "kick_in_time",
            {
                "domain.x.cells": 64, "density.end": 1.0, "ensemble.particles": 1000,
                "ensemble.method": "langevin", "validation.significance": 1e-3, "expect": {},
            },
            {"density", "frames", "walkers", "validation"},
        ),
    ],
)  # fmt: skip
def test_check_tells_how_long_each_part_takes(
    name: str, overrides: dict[str, Any], parts: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duration, "SHOWN", 0.0)
    monkeypatch.setattr(duration, "MOVING", 0.01)
    text = explain(fp.load_case(INPUTS / f"{name}.toml", overrides))
    told = next(line for line in text.splitlines() if line.startswith("expected time"))
    assert {part for part in parts if f"{part} " in told} == parts
