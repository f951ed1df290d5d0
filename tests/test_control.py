"""Controlled generators, schedules, costs with gradients, open-loop and feedback optima."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any
from unittest.mock import patch

import h5py
import numpy as np
import pytest
import xarray
from fields import random_density, settings_of
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import compiled_only
from scipy.linalg import expm

import fokkerplanck.control.open_loop as open_loop
from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.control import control_numbers
from fokkerplanck.case.choices import CONTROLS
from fokkerplanck.case.choices import POLICIES as NAMES
from fokkerplanck.control import (
    POLICIES,
    Objective,
    OpenLoop,
    optimal_feedback,
    optimal_schedule,
    policy_values,
)
from fokkerplanck.control.controlled import LEVERS, ControlledFamily, ControlledSystem, Schedule
from fokkerplanck.control.controlled_kernels import bernoulli_slope
from fokkerplanck.errors import CaseError
from fokkerplanck.operators import thermodynamic_force as force
from fokkerplanck.operators.generator import generator
from fokkerplanck.operators.kernels import bernoulli
from fokkerplanck.pipeline.recorder import Recorder
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density
from fokkerplanck.timestepping.integrator import StepIntegrator
from fokkerplanck.timestepping.steppers import STEPPERS

A, S, END, START = 1.3, 0.4, 6.0, 2.0
RATE = LEVERS["learning-rate"]


def closed_form() -> float:
    """E[Phi] at the end under (62), see equations (59)-(62)."""
    turn = math.log((START - S / 4.0) / (S / 4.0)) / (2.0 * A)
    return 1.0 / (2.0 / S + 2.0 * A * (END - turn) / S)


def quadratic(cells: int = 384, intervals: int = 60, **changes: Any) -> Objective:
    problem = Problem(
        loss="0.65*x**2", sigma=1.0, batch_size=0.1 / S, learning_rate=0.1,
        domain={"x": (-2.4, 3.2)},
    )  # fmt: skip
    grid = problem.grid(cells)
    start = gaussian_density(grid, [math.sqrt(2.0 * START / A - 0.04)], [[0.04]])
    given = {"terminal": problem.loss_at(grid.points), **changes}
    return Objective(ControlledFamily(problem, grid, RATE), start, END, intervals, **given)


def oblique(cells: int = 16, intervals: int = 6, lever: str = "learning-rate", **more: Any) -> Any:
    problem = Problem(
        loss="(x**2 - 1)**2 + 0.2*x + 0.5*y**2", beta=3.0,
        sigma=[["1 + 0.2*x**2", "0.4"], ["0.4", "0.7"]],
        domain={"x": (-2, 2), "y": {"range": (-2, 2), "boundary": "periodic"}},
    )  # fmt: skip
    grid = problem.grid(cells)
    start = gaussian_density(grid, [0.9, 0.5], 0.05 * np.eye(2))
    family = ControlledFamily(problem, grid, LEVERS[lever])
    return Objective(family, start, 1.5, intervals, problem.loss_at(grid.points), **more)


# The generator at every control.


@settings(max_examples=6)
@given(settings_of(), st.floats(1e-3, 1.0))
def test_generator_under_control_is_that_of_the_heated_problem(setting: Any, u: float) -> None:
    """(59): u times the generator at the temperature u/beta, whatever Sigma, drift and sides."""
    problem, grid = setting.problem, setting.grid
    # Edges on which a tensor turns by a radian, or across a periodic side, may be halved at one
    # temperature only: then the two differ by the error of the plain rule, and what is claimed here
    # is not seen.
    with (
        patch.object(force, "irregular", lambda total, *values: np.zeros(total.shape, bool)),
        patch.object(force.Force, "_open_edges", lambda *block: np.empty(0, np.int64)),
    ):
        own = ControlledFamily(problem, grid, RATE).generator(u).to_scipy()
        other = u * generator(problem.with_beta(problem.beta / u), grid).to_scipy()
        batch = ControlledFamily(problem, grid, LEVERS["batch-size"]).generator(u).to_scipy()
    assert abs(own - other).max() <= 1e-12 * abs(other).max()
    assert abs(batch - other / u).max() <= 1e-12 * abs(other).max() / u


@pytest.mark.parametrize("lever", LEVERS)
def test_slope_of_the_generator(lever: str) -> None:
    family = oblique(lever=lever).family
    rho = random_density(family.grid, 3).reshape(-1)
    for u in (0.02, 0.4, 1.0):
        e = 1e-4 * u
        out = family.slope(u).matvec(rho)
        change = family.generator(u + e).matvec(rho) - family.generator(u - e).matvec(rho)
        np.testing.assert_allclose(out, change / (2.0 * e), atol=1e-6 * np.abs(out).max())


def test_gibbs_state_rests_at_every_control() -> None:
    problem = Problem(loss="(x**2 - 1)**2", sigma="1 + x**2/4", beta=4.0, domain={"x": (-2.5, 2.5)})
    grid = problem.grid(64)
    family = ControlledFamily(problem, grid, RATE)
    for u in (1.0, 0.3, 0.05):
        found = family.generator(u)
        assert found.detailed_balance
        warm = problem.with_beta(problem.beta / u)
        rest = stationary(generator(warm, grid), warm).density
        assert np.abs(found.matvec(rest)).max() <= 1e-12 * found.q * rest.max()
        # Its Psi, which the steppers symmetrise with, is the one of this control.
        there = rest > 1e-200
        assert np.ptp(found.potential.values[there] + np.log(rest[there])) <= 1e-9


def test_slope_of_the_bernoulli_function() -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(40):
        for z in (1e-9, 1e-3, 0.05, 0.0999, 0.1001, 0.7, 5.0, 40.0, 300.0):
            for x in (z, -z):
                y = mpmath.mpf(x)
                slope = (mpmath.expm1(y) - y * mpmath.exp(y)) / mpmath.expm1(y) ** 2
                found = bernoulli_slope(x, bernoulli(x), bernoulli(-x))
                np.testing.assert_allclose(found, float(slope), rtol=3e-14)


# Schedules.


def test_schedule_is_cut_at_its_breaks() -> None:
    schedule = Schedule(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 0.5, 0.25]), RATE)
    assert list(schedule.pieces(0.5, 2.5)) == [(0.5, 1.0, 1.0), (1.0, 2.0, 0.5), (2.0, 2.5, 0.25)]
    assert list(schedule.pieces(1.0, 2.0 + 1e-16)) == [(1.0, 2.0, 0.5)]
    assert [schedule.at(t) for t in (0.0, 1.0, 1.1, 9.0)] == [1.0, 1.0, 0.5, 0.25]


@compiled_only
@pytest.mark.parametrize("stepper", ["exponential", "split"])
def test_density_follows_a_schedule(stepper: str) -> None:
    """Piece by piece it is the density of a heated problem, in a time of its own."""
    objective = oblique()
    family = objective.family
    schedule = objective.schedule(np.array([1.0, 0.6, 0.3, 0.9, 0.2, 0.1]))
    march = StepIntegrator(
        ControlledSystem(family, schedule), STEPPERS[stepper], 1e-5, objective.end
    )
    found, _ = march.advance(objective.initial.reshape(-1), 0.0, objective.end, 0.0)
    rho = objective.initial
    for a, b, u in schedule.pieces(0.0, objective.end):
        heated = family.problem.with_beta(family.problem.beta / u)
        rho = evolve(heated, family.grid, rho, [0.0, u * (b - a)], stepper="exponential").density[1]
    allowed = 1e-10 if stepper == "exponential" else 1e-4
    assert np.abs(found - rho.reshape(-1)).sum() * objective.volume <= allowed
    assert found.min() >= 0.0


# Costs.


def test_cost_is_that_of_matrix_exponentials() -> None:
    """A dense slow twin, running cost included, by one large exponential per interval."""
    running = lambda t, u: (np.full(64, 0.3 / u + t), np.full(64, -0.3 / u**2))  # noqa: E731
    objective = oblique(cells=8, intervals=3, running=running)
    u = np.array([1.0, 0.4, 0.15])
    rho, total, dt = objective.initial.reshape(-1), 0.0, objective.dt
    for k, value in enumerate(u):
        a = objective.family.generator(value).to_scipy().toarray()
        # The integral of exp(s A) rho from an augmented matrix.
        big = np.zeros((128, 128))
        big[:64, :64], big[64:, :64] = a, np.eye(64)
        both = expm(dt * big)
        total += float(running((k + 0.5) * dt, value)[0] @ (both[64:, :64] @ rho))
        rho = both[:64, :64] @ rho
    total += float(objective.terminal.reshape(-1) @ rho)
    assert objective.cost(u) == pytest.approx(total * objective.volume, rel=1e-10)


@compiled_only
@pytest.mark.parametrize("lever", LEVERS)
@pytest.mark.parametrize("with_running", [False, True])
def test_gradient_agrees_with_differences(lever: str, with_running: bool) -> None:
    """To 1e-7 of central differences of order 4."""
    weight = np.linspace(0.0, 1.0, 256)

    def running(t: float, u: float) -> tuple[np.ndarray, np.ndarray]:
        return weight * u**2 + 0.01 / u, 2.0 * weight * u - 0.01 / u**2

    objective = oblique(lever=lever, running=running if with_running else None)
    u = np.array([1.0, 0.7, 0.5, 0.3, 0.2, 0.05])
    cost, gradient = objective.cost_and_gradient(u)
    assert cost == pytest.approx(objective.cost(u), rel=1e-12)
    for k, step in enumerate(2e-3 * u):
        e = step * np.eye(6)[k]
        one = objective.cost(u + e) - objective.cost(u - e)
        two = objective.cost(u + 2 * e) - objective.cost(u - 2 * e)
        slope = (8.0 * one - two) / (12.0 * step)
        assert abs(slope - gradient[k]) <= 1e-7 * np.abs(gradient).max()


# Optima.


@compiled_only
def test_quadratic_meets_the_closed_form() -> None:
    objective = quadratic(512, 100)
    exact = closed_form()
    assert exact == pytest.approx(0.02729, abs=5e-6)
    values = {name: policy_values(name, objective, 1e-3) for name in POLICIES}
    costs = {name: objective.cost(u) for name, u in values.items()}
    assert costs["feedback"] == pytest.approx(exact, rel=1e-3)
    # From the worst, so that the optimiser has something to do.
    start = OpenLoop(values["constant"], costs["constant"])
    best = optimal_schedule(objective, start, lowest=1e-3)
    assert best.converged
    assert best.cost == pytest.approx(exact, rel=1e-3)
    assert best.cost <= min(costs.values()) * (1.0 + 1e-5)
    assert np.all(np.diff(best.history) <= 0.0)
    # (62) as printed never anneals, and stays at the constant's cost.
    assert np.all(values["printed"] == 1.0)
    assert costs["printed"] == costs["constant"] > 3.0 * best.cost
    turn = math.log((START - S / 4.0) / (S / 4.0)) / (2.0 * A)
    late = objective.middles > turn + 0.1
    expected = 1.0 / (1.0 + A * (objective.middles[late] - turn))
    np.testing.assert_allclose(values["feedback"][late], expected, rtol=5e-3)


@compiled_only
@pytest.mark.parametrize("lever", LEVERS)
def test_feedback_below_open_loop_below_policies(lever: str) -> None:
    running = lambda t, u: (np.full(256, 0.02 / u), np.full(256, -0.02 / u**2))  # noqa: E731
    objective = oblique(lever=lever, running=running if lever == "batch-size" else None)
    names = ["constant", "cosine", "step-decay", "inverse-time"]
    names += ["feedback"] * (lever == "learning-rate")
    values = {name: policy_values(name, objective, 1e-2) for name in names}
    costs = {name: objective.cost(u) for name, u in values.items()}
    best = min(costs, key=lambda name: costs[name])
    found = optimal_schedule(objective, OpenLoop(values[best], costs[best]), lowest=1e-2)
    feedback = optimal_feedback(objective, lowest=1e-2, reference=found.values)
    assert feedback.cost <= found.cost <= min(costs.values())
    # Without the safeguard the scheme alone gets below as well, in every cell.
    alone = optimal_feedback(objective, lowest=1e-2)
    assert alone.cost < found.cost
    assert np.all((alone.controls > 0.0) & (alone.controls <= 1.0))


def test_feedback_against_enumeration() -> None:
    """Two controls, a few cells: dynamic programming over all cell-wise choices, slowly."""
    problem = Problem(loss="x**2", sigma=1.0, beta=2.0, domain={"x": (-1.5, 1.5)})
    grid = problem.grid(5)
    rho = grid.integrate(np.ones(5)) ** -1 * np.ones(5)
    objective = Objective(
        ControlledFamily(problem, grid, RATE), rho, 0.4, 40, problem.loss_at(grid.points)
    )
    found = optimal_feedback(objective, lowest=0.1, levels=2)
    matrices = {u: objective.family.generator(u).to_scipy().toarray().T for u in (0.1, 1.0)}
    value = objective.terminal.copy()
    for _ in range(40):
        ways = []
        for choice in itertools.product((0.1, 1.0), repeat=5):
            a = np.array([matrices[u][x] for x, u in enumerate(choice)])
            ways.append(expm(objective.dt * a) @ value)
        value = np.min(ways, axis=0)
    assert found.value.min() >= 0.0
    np.testing.assert_allclose(found.value, value, rtol=2e-4)
    assert np.all(found.value >= value - 1e-12)


@compiled_only
def test_a_search_resumed_after_any_round_ends_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "ROUND", 4)
    objective = quadratic(64, 24)
    u = policy_values("cosine", objective, 1e-3)
    states: list[OpenLoop] = []
    start = OpenLoop(u, objective.cost(u))
    whole = optimal_schedule(objective, start, lowest=1e-3, iterations=40, ended=states.append)
    assert len(states) > 3
    for state in states[:-1:2]:
        again = optimal_schedule(objective, state, lowest=1e-3, iterations=40)
        assert again.values.tobytes() == whole.values.tobytes()
        assert again.history.tobytes() == whole.history.tobytes()


# Cases.


# Coarse grids are what the cautions are for.
coarse = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
SMALL = {
    "domain.theta.cells": 96, "density.frames": 7, "control.intervals": 20, "expect": {},
}  # fmt: skip


def test_names_are_in_step_with_the_tables() -> None:
    assert tuple(POLICIES) == NAMES
    assert tuple(LEVERS) == CONTROLS


@compiled_only
@coarse
@pytest.mark.parametrize(
    "schedule", ["1/(1 + t)", "cosine", [1.0, 0.5, 0.25, 0.125]], ids=["formula", "policy", "table"]
)
def test_density_ensemble_and_observables_obey(schedule: Any) -> None:
    changes = {**SMALL, "control.schedule": schedule, "control.feedback": False}
    changes["control.intervals"] = 4 if isinstance(schedule, list) else 20
    changes |= {"ensemble": {"particles": 40_000, "step": 0.01}, "domain.theta.cells": 256}
    result = run(load_case("schedule_quadratic", changes))
    assert result.control is not None
    assert result.expected_loss[-1] == pytest.approx(result.control.costs[0], rel=1e-9)
    assert result.schedule[-1] == result.control.values[0, -1]
    # (60), to the order of the grid.
    scale = np.abs(result.loss_rate).max()
    np.testing.assert_allclose(result.loss_rate_dynkin, result.loss_rate, atol=1e-2 * scale)
    # Moments under a piecewise constant u are exact: m' = -a u m, v' = -2 a u v + u^2 S.
    mean, variance = math.sqrt(2.0 * START / A - 0.04), 0.04
    for a, b, u in zip(
        result.control.edges[:-1], result.control.edges[1:], result.control.values[0], strict=True
    ):
        mean *= math.exp(-A * u * (b - a))
        rest = u * S / (2.0 * A)
        variance = rest + (variance - rest) * math.exp(-2.0 * A * u * (b - a))
    assert result.mean[-1, 0] == pytest.approx(mean, abs=3e-3)
    assert result.covariance[-1, 0, 0] == pytest.approx(variance, rel=2e-2)
    walkers = result.ensemble
    error = math.sqrt(variance / walkers.particles)
    assert abs(walkers.mean[-1, 0] - mean) <= 4.5 * error
    assert walkers.covariance[-1, 0, 0] == pytest.approx(variance, rel=0.035)


@compiled_only
@coarse
def test_sgd_walkers_take_the_scheduled_learning_rate() -> None:
    """theta' = theta - u eta (a theta + noise): the recursion of the moments is exact."""
    u = [1.0, 0.5, 0.2]
    changes = {**SMALL, "control.schedule": u, "control.intervals": 3, "density.frames": 4}
    changes |= {
        "control.feedback": False,
        "ensemble": {"method": "sgd-gaussian", "particles": 40_000},
    }
    result = run(load_case("schedule_quadratic", changes))
    mean, variance, eta = math.sqrt(2.0 * START / A - 0.04), 0.04, 0.1
    for value in np.repeat(u, 20):
        step = value * eta
        mean *= 1.0 - step * A
        variance = variance * (1.0 - step * A) ** 2 + step**2 * S / eta
    walkers = result.ensemble
    assert abs(walkers.mean[-1, 0] - mean) <= 4.5 * math.sqrt(variance / 40_000)
    assert walkers.covariance[-1, 0, 0] == pytest.approx(variance, rel=0.035)


@compiled_only
@coarse
def test_optimum_is_stored_and_read_back(tmp_path: Path) -> None:
    result = run(load_case("schedule_quadratic", SMALL), tmp_path / "a.h5")
    numbers = control_numbers(result.control)
    assert numbers["hjb"] <= numbers["optimal"] <= min(result.control.costs)
    assert numbers["hjb_margin"] == min(result.control.costs) - result.control.hjb
    assert result.control.policy[0] == "optimal"
    with h5py.File(tmp_path / "a.h5") as file:
        # It is of use to a resumption only, and no part of the result.
        assert "search" in file["control"]
    for other in (
        run(load_case("schedule_quadratic", SMALL)),
        open_result(tmp_path / "a.h5"),
        open_result(result.save(tmp_path / "b.h5")),
    ):
        xarray.testing.assert_identical(other.control.tree, result.control.tree)
    with xarray.open_dataset(tmp_path / "a.h5", group="control", engine="h5netcdf") as data:
        assert data["values"].shape == result.control.values.shape


@compiled_only
@coarse
def test_an_interrupted_search_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "ROUND", 3)
    case = load_case("schedule_quadratic", {**SMALL, "control.compare": ["cosine"]})
    whole = run(case, tmp_path / "whole.h5")
    keep = Recorder.searched

    def dies(self: Recorder, search: Any) -> None:
        keep(self, search)
        if search.rounds == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "searched", dies)
        with pytest.raises(KeyboardInterrupt):
            run(case, tmp_path / "cut.h5")
    assert open_result(tmp_path / "cut.h5").status == "interrupted"
    resumed = run(case, tmp_path / "cut.h5", resume=True)
    assert resumed.control.values.tobytes() == whole.control.values.tobytes()
    assert resumed.density.tobytes() == whole.density.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control.schedule": 1.5}, r"control\.schedule: 1.5 is outside \(0, 1\]"),
        ({"control.schedule": [1.0, 0.0]}, r"schedule\[1\]: 0.0 is outside \(0, 1\]"),
        ({"control.schedule": "1 + t"}, r"u = 1\.15 at t = 0\.15, outside \(0, 1\]"),
        ({"control.schedule": "cosin"}, "optimal, constant"),
        ({"control.lowest": 0.0}, r"control\.lowest: 0\.0 is outside"),
        ({"density.end": 0.05}, "horizon 0.05 is shorter than a step, the learning rate 0.1"),
        ({"noise.momentum": 0.5}, "momentum|velocity"),
        ({"domain.theta.boundary": "absorbing"}, "absorbing side"),
        ({"control.terminal": "log(theta)"}, r"control\.terminal: .*no finite value"),
        ({"control.running": "1/v"}, r"control\.running"),
        ({"loss.formula": "theta**2*(2 + sin(t))"}, "depend on t"),
        ({"control.of": "batch-size", "control.compare": ["feedback"]}, "not the batch size"),
        ({"ensemble": {"method": "leimkuhler-matthews"}, "control.schedule": 0.5}, "weak-2"),
        ({"validation": {}, "ensemble": {}}, "beside"),
    ],
    ids=lambda part: "-".join(part) if isinstance(part, dict) else "",
)
def test_bad_input_is_one_sentence(changes: dict[str, Any], words: str) -> None:
    keys = dict(SMALL)
    if isinstance(changes.get("control.schedule"), list | float):
        keys.pop("control.intervals")
    with pytest.raises(CaseError, match=words) as caught:
        run(load_case("schedule_quadratic", {**keys, **changes}))
    assert "\n" not in str(caught.value)


def test_a_singular_sigma_whose_corners_are_joined() -> None:
    """Which corners no edge reaches does not depend on the signs of the forces there."""
    axis = np.array([2.8, 1.2]) / 3.0
    problem = Problem(
        "x**4 - x**2 + log(1 + y**2)", np.outer(axis, axis).tolist(), 0.5,
        {"x": (-0.7, 2.1), "y": (-1.8, 0.7)},
    )  # fmt: skip
    grid = problem.grid(8)
    whole = generator(problem, grid).to_scipy()
    controlled = ControlledFamily(problem, grid, RATE).generator(1.0).to_scipy()
    assert abs(whole - controlled).max() <= 1e-12 * abs(whole).max()
