"""Every row of the stepper table keeps what it declares; the choice among them; step control."""

from __future__ import annotations

from functools import cache

import mpmath
import numba
import numpy as np
import pytest
import reference
from fields import CLOSED, random_density, settings_of
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only, distance, examples

from fokkerplanck.analyses.observables import Observer
from fokkerplanck.errors import CaseError, NumericalFailure
from fokkerplanck.linear_solvers.shifted import ShiftedSolver
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve, fixed_steps
from fokkerplanck.timestepping.initial import point_density
from fokkerplanck.timestepping.integrator import StepIntegrator, frames
from fokkerplanck.timestepping.krylov import rational_krylov
from fokkerplanck.timestepping.steppers import STEPPERS, Stepper, choose_stepper
from fokkerplanck.timestepping.system import System

BOX = {"x": (-2, 2), "y": (-2, 2)}
PERIODIC = {"range": (-np.pi, np.pi), "boundary": "periodic"}
PROBLEMS = {
    "isotropic": (Problem("x**4/4 - x**2/2 + y**2", 1.0, 2.0, BOX), (9, 8)),
    "commuting": (Problem("0.5*(x**2 + y**2)", [[1.0, 0.9], [0.9, 1.0]], 1.5, BOX), (8, 9)),
    "circulating": (Problem("0.5*(x**2 + 3*y**2)", [[1.0, 0.9], [0.9, 1.0]], 1.0, BOX), (8, 9)),
    "torus": (
        Problem(None, [["1", "0.6*sin(x)"], ["0.6*sin(x)", "0.7"]], 1.0,
                {"x": PERIODIC, "y": PERIODIC}, drift=["1 + sin(y)", "-cos(x)"]),
        (8, 7),
    ),
    "heavy ball": (Problem("x**2/2", 1.0, 2.0, {"x": (-2, 2), "v": (-2, 2)}, friction=1.0), (9, 8)),
    "open": (
        Problem("0.5*(x**2 + y**2)", [[1.0, 0.4], [0.4, 0.8]], 2.0,
                {"x": {"range": (-2, 2), "boundary": "absorbing"}, "y": (-2, 2)}),
        (8, 7),
    ),
    "three": (
        Problem("0.5*(x**2 + 0.8*y**2 + 0.6*z**2) + 0.5*x*y + 0.3*x*z - 0.2*y*z",
                [[1.0, 0.5, 0.3], [0.5, 0.8, -0.2], [0.3, -0.2, 0.6]], 2.0,
                {"x": (-2, 2), "y": (-2, 2), "z": (-2, 2)}),
        (5, 4, 5),
    ),
}  # fmt: skip
# Time steps in units of 1/q: from a fraction of a jump to far beyond relaxation.
STEPS = (0.2, 4.0, 150.0) if numba.config.DISABLE_JIT else (0.2, 4.0, 150.0, 1e4)
# Uniformization takes q dt products, which is much without compilation.
MOST_DECADES = 2.0 if numba.config.DISABLE_JIT else 5.0


def rows(*chosen: Stepper) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", chosen, ids=[row.name for row in chosen])


every_row = rows(*STEPPERS.values())
decaying_rows = rows(*(row for row in STEPPERS.values() if row.entropy_decaying))
exact_rows = rows(*(row for row in STEPPERS.values() if row.exact))
every_problem = pytest.mark.parametrize("key", list(PROBLEMS))
CLOSED_KEYS = [key for key in PROBLEMS if key != "open"]


@cache
def system_of(key: str) -> System:
    problem, cells = PROBLEMS[key]
    return System(problem, problem.grid(cells))


def step(row: Stepper, system: System, density: np.ndarray, s: float) -> np.ndarray | None:
    """Density after s/q in one step, or in as many as the row's bound asks for; None: unfit."""
    if row.needs_detailed_balance and system.potential.values is None:
        return None
    q = system.at(0.0).q
    if row.positive == "bounded":
        # More steps would show nothing new.
        s = min(s, 200.0)
        return fixed_steps(system, row, density, 0.0, s / q, int(np.ceil(s)))
    try:
        return row.step(system, density, 0.0, s / q)
    except NumericalFailure:
        # Allowed to those only that do not promise more than cutting off rounding.
        assert row.positive == "rounding"
        return None


@every_row
@every_problem
@examples
@given(data=st.data())
def test_positive_and_conservative(row: Stepper, key: str, data: st.DataObject) -> None:
    """From points and from rough densities, for steps of any size."""
    system = system_of(key)
    grid = system.grid
    if data.draw(st.booleans()):
        density = np.zeros(grid.size)
        density[data.draw(st.integers(0, grid.size - 1))] = 1.0 / grid.cell_volume
    else:
        density = random_density(grid, data.draw(st.integers(0, 999))).reshape(-1)
    power = data.draw(st.floats(-2.0, 1.5 if row.positive == "bounded" else MOST_DECADES))
    found = step(row, system, density, 10.0**power)
    if found is None:
        return
    assert found.min() >= 0.0
    mass = grid.integrate(found.reshape(grid.shape))
    if grid.domain.closed:
        assert mass == pytest.approx(1.0, abs=1e-12)
    elif row.entropy_decaying:
        # Extrapolation may overshoot what has left; Markov steps may not.
        assert mass <= 1.0 + 1e-12


@every_row
@examples
@given(data=st.data())
def test_positive_and_conservative_on_random_problems(row: Stepper, data: st.DataObject) -> None:
    setting = data.draw(settings_of(dimensions=(1, 2), sides=CLOSED))
    system = System(setting.problem, setting.grid)
    density = np.zeros(setting.grid.size)
    density[data.draw(st.integers(0, setting.grid.size - 1))] = 1.0 / setting.grid.cell_volume
    found = step(row, system, density, 10.0 ** data.draw(st.floats(-2.0, 1.5)))
    if found is not None:
        assert found.min() >= 0.0
        mass = setting.grid.integrate(found.reshape(setting.grid.shape))
        assert mass == pytest.approx(1.0, abs=1e-12)


@every_row
@pytest.mark.parametrize("key", ["isotropic", "commuting", "three"])
@pytest.mark.parametrize("s", STEPS)
def test_gibbs_state_is_kept(row: Stepper, key: str, s: float) -> None:
    assert row.gibbs_exact, "a row that does not keep it needs a test of its own"
    system = system_of(key)
    rest = stationary(system.at(0.0), system.problem).density
    found = step(row, system, rest.reshape(-1), s)
    assert found is not None
    # Long implicit steps lose digits in their linear solver.
    assert distance(system.grid, found, rest) <= max(1e-11, 1e-14 * s)


@decaying_rows
@pytest.mark.parametrize("key", CLOSED_KEYS)
@pytest.mark.parametrize("s", STEPS)
def test_entropy_decays_where_declared(row: Stepper, key: str, s: float) -> None:
    """Relative entropy to the stationary state, from a point and from a rough density."""
    system = system_of(key)
    grid = system.grid
    observer = Observer(system.problem, stationary(system.at(0.0), system.problem))
    point = np.zeros(grid.size)
    point[grid.size // 3] = 1.0 / grid.cell_volume
    for start in (point, random_density(grid, 5).reshape(-1)):
        before, density = np.inf, start
        for _ in range(4):
            kl = observer.measure(system.at(0.0), density.reshape(grid.shape), 0.0)[
                "kl_to_stationary"
            ]
            assert kl <= before + 1e-13
            before = kl
            following = step(row, system, density, s)
            if following is None:
                break
            density = following


@exact_rows
@pytest.mark.parametrize("s", [0.5, 20.0])
def test_agrees_with_the_matrix_exponential(row: Stepper, s: float) -> None:
    """Exact rows to 1e-11 from a rough start; every grid, side and balance in turn."""
    for key in PROBLEMS:
        system = system_of(key)
        generator = system.at(0.0)
        start = random_density(system.grid, 11).reshape(-1)
        found = step(row, system, start, s)
        if found is None:
            assert row.needs_detailed_balance
            continue
        exact = reference.propagated(generator.to_scipy().toarray(), start, s / generator.q)
        assert distance(system.grid, found, exact.reshape(system.grid.shape)) <= 1e-11


@every_row
def test_what_needs_detailed_balance_is_refused_without(row: Stepper) -> None:
    for key in PROBLEMS:
        system = system_of(key)
        balanced = system.potential.values is not None
        if row.needs_detailed_balance and not balanced:
            with pytest.raises(CaseError, match="needs detailed balance") as caught:
                choose_stepper(row.name, system, [0.0, 1.0])
            assert caught.value.key == "density.stepper"
            with pytest.raises(NumericalFailure):
                row.step(system, random_density(system.grid, 1).reshape(-1), 0.0, 0.1)
        else:
            assert choose_stepper(row.name, system, [0.0, 1.0])[0] is row


def test_uniformization_is_entrywise_accurate() -> None:
    """A sum of positive terms: small entries keep their digits, here down to 1e-15."""
    problem = Problem("x**2/2", 1.0, 1.0, {"x": (-6, 6)})
    system = System(problem, problem.grid(24))
    q = system.at(0.0).q
    start = np.zeros(24)
    start[0] = 1.0
    found = STEPPERS["uniformization"].step(system, start, 0.0, 12.0 / q)
    with mpmath.workdps(40):
        matrix = mpmath.matrix(system.at(0.0).to_scipy().toarray().tolist()) * (12.0 / q)
        exact = np.array(
            [float(value) for value in mpmath.expm(matrix) * mpmath.matrix(list(start))]
        )
    held = exact > 1e-15
    assert exact[held].min() < 1e-13
    np.testing.assert_allclose(found[held], exact[held], rtol=1e-2)
    firm = exact > 1e-12
    np.testing.assert_allclose(found[firm], exact[firm], rtol=1e-4)


def test_exponential_chooses_by_weight() -> None:
    """Chebyshev would drown the tails of a point far from the Gibbs state in rounding."""
    problem = Problem("x**2/2", 1.0, 10.0, {"x": (-3, 3)})
    system = System(problem, problem.grid(48))
    point = point_density(system.grid, [2.9])
    q = system.at(0.0).q
    with pytest.raises(NumericalFailure, match="too far from its Gibbs state"):
        STEPPERS["chebyshev"].step(system, point, 0.0, 100.0 / q)
    found = STEPPERS["exponential"].step(system, point, 0.0, 100.0 / q)
    exact = reference.propagated(system.at(0.0).to_scipy().toarray(), point, 100.0 / q)
    assert distance(system.grid, found, exact) <= 1e-11
    assert found.min() > 0.0


def test_choice() -> None:
    assert choose_stepper("auto", system_of("commuting"), [0.0, 1.0])[0].name == "exponential"
    circulating = system_of("circulating")
    q = circulating.at(0.0).q
    assert choose_stepper("auto", circulating, [0.0, 100.0 / q])[0].name == "exponential"
    stepper, reason = choose_stepper("auto", circulating, [0.0, 1e6 / q])
    assert stepper.name == "krylov"
    assert "1e+06" in reason
    moving = Problem("0.5*(1 + t)*x**2", 1.0, 1.0, {"x": (-2, 2)})
    system = System(moving, moving.grid(20))
    assert choose_stepper("auto", system, [0.0, 1e7 / system.at(0.0).q])[0].name == "magnus"
    moving = Problem("0.5*(1 + t)*(x**2 + y**2)", 1.0, 1.0, BOX)
    system = System(moving, moving.grid(12))
    assert choose_stepper("auto", system, [0.0, 1.0])[0].name == "magnus"
    assert choose_stepper("auto", system, [0.0, 1e7 / system.at(0.0).q])[0].name == "split"
    with pytest.raises(CaseError, match="'fast' is not a stepper"):
        choose_stepper("fast", circulating, [0.0, 1.0])


@compiled_only
@every_row
def test_time_error_stays_below_the_tolerance(row: Stepper) -> None:
    rtol = 1e-3 if row.order > 1 else 1e-2
    moving = Problem(
        "0.5*(1 + 0.5*sin(3*t))*x**2 + 0.75*y**2", [["1", "0.4*cos(4*t)"], ["0.4*cos(4*t)", "0.8"]],
        2.0, BOX,
    )  # fmt: skip
    problem = PROBLEMS["isotropic"][0] if row.needs_detailed_balance else moving
    grid = problem.grid((9, 8))
    start = random_density(grid, 21)
    fine = evolve(problem, grid, start, [0.0, 0.7], stepper=row.name, rtol=rtol)
    exact = fixed_steps(
        System(problem, grid), STEPPERS["uniformization"], start.reshape(-1), 0.0, 0.7, 400
    )
    assert distance(grid, fine.density[-1], exact.reshape(grid.shape)) <= rtol + 1e-6
    if not (row.exact and row.needs_detailed_balance):
        assert fine.counts["steps"] > 1


def test_output_times_are_met_and_steps_remembered() -> None:
    system = system_of("circulating")
    march = StepIntegrator(system, STEPPERS["split"], 1e-4, 1.0)
    times = [0.0, 0.013, 0.5, 1.0]
    start = random_density(system.grid, 2).reshape(-1)
    reached = list(frames(march, start, times))
    assert [time for time, _, _ in reached] == times[1:]
    assert all(size > 0.0 for _, _, size in reached)
    # From one frame alone, with the step size handed over: the same bits.
    density, size = march.advance(reached[0][1], times[1], times[2], reached[0][2])
    assert density.tobytes() == reached[1][1].tobytes()
    assert size == reached[1][2]
    # An interval without length changes nothing.
    assert march.advance(start, 0.3, 0.3, 0.1) == (start, 0.1)


def test_tolerance_out_of_reach_is_a_failure() -> None:
    system = system_of("circulating")
    march = StepIntegrator(system, STEPPERS["implicit"], 1e-16, 1.0)
    with pytest.raises(NumericalFailure, match="rtol"):
        march.advance(random_density(system.grid, 2).reshape(-1), 0.0, 1.0, 0.0)


def test_frames_do_not_change_an_exact_solution() -> None:
    """One long interval or many short ones, to rounding."""
    problem, cells = PROBLEMS["circulating"]
    grid = problem.grid(cells)
    start = random_density(grid, 8)
    once = evolve(problem, grid, start, [0.0, 1.0], stepper="uniformization")
    often = evolve(problem, grid, start, np.linspace(0.0, 1.0, 12), stepper="uniformization")
    assert distance(grid, once.density[-1], often.density[-1]) <= 1e-13


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"initial": np.ones((3, 3))}, "initial"),
        ({"initial": -np.ones((9, 8))}, "initial"),
        ({"initial": np.zeros((9, 8))}, "initial"),
        ({"initial": np.full((9, 8), np.nan)}, "initial"),
        ({"times": [0.0, 1.0, 1.0]}, "density.times"),
        ({"times": []}, "density.times"),
        ({"rtol": 0.0}, "density.rtol"),
        ({"rtol": 1.5}, "density.rtol"),
        ({"stepper": "fast"}, "density.stepper"),
        ({"scheme": "upwind"}, "density.scheme"),
    ],
)
def test_evolve_refuses_bad_input(change: dict[str, object], key: str) -> None:
    problem, cells = PROBLEMS["isotropic"]
    grid = problem.grid(cells)
    arguments = {"initial": np.ones(cells), "times": [0.0, 1.0], **change}
    with pytest.raises(CaseError) as caught:
        evolve(problem, grid, **arguments)
    assert caught.value.key == key


@pytest.mark.parametrize("direct", [True, False])
def test_shifted_systems(direct: bool, rng: np.random.Generator) -> None:
    """Directly and by iteration; positive right sides give positive solutions of equal mass."""
    for key in CLOSED_KEYS:
        generator = system_of(key).at(0.0)
        solver = ShiftedSolver(generator)
        solver.direct = direct
        right = random_density(generator.grid, 4).reshape(-1)
        for s in (0.1, 30.0, 1e4):
            dt = s / generator.q
            matrix = np.eye(right.size) - dt * generator.to_scipy().toarray()
            signed = rng.normal(size=right.size)
            found = solver.solve(signed, dt)
            assert np.abs(matrix @ found - signed).max() <= 1e-10 * np.abs(signed).sum()
            positive = solver.solve_positive(right, dt)
            assert positive.min() >= 0.0
            assert positive.sum() == pytest.approx(right.sum(), rel=1e-13)
            expected = np.linalg.solve(matrix, right)
            np.testing.assert_allclose(positive, expected, rtol=1e-8, atol=1e-10)
    assert len(solver.factors) <= solver.keep


def test_krylov_of_a_density_at_rest() -> None:
    """The space is exhausted at once; nothing is divided by zero."""
    system = system_of("circulating")
    rest = stationary(system.at(0.0), system.problem).density
    found, _ = rational_krylov(ShiftedSolver(system.at(0.0)), rest.reshape(-1), 2.0, 1e-12)
    assert distance(system.grid, found, rest) <= 1e-11
