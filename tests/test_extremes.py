"""Any s = q t: a right answer in little time and memory, or a sentence with the numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fokkerplanck import CaseError, NumericalFailure, Problem, load_case, make_case, run
from fokkerplanck import generator as make_generator
from fokkerplanck.cli.main import main
from fokkerplanck.linear_solvers.shifted import ShiftedSolver
from fokkerplanck.operators.generator import Generator
from fokkerplanck.smoothing import local_entropy, smoothing_bytes
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.exponential import chebyshev, uniformize
from fokkerplanck.timestepping.initial import formula_density, gaussian_density
from fokkerplanck.timestepping.krylov import rational_krylov
from fokkerplanck.timestepping.schemes import gibbs
from fokkerplanck.timestepping.steppers import choose_stepper
from fokkerplanck.timestepping.system import System

# Most of these are cautioned; here the numbers count.
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.CaseWarning")

INPUTS = Path(__file__).parent / "inputs"
BOX = {"x": (-4, 4)}
PLANE = {"x": (-3, 3), "y": (-3, 3)}


def propagator(generator: Generator, time: float) -> np.ndarray:
    """exp(t A) by squaring: products of non-negative matrices keep every entry's digits."""
    size, s = generator.grid.size, generator.q * time
    count = max(0, int(np.ceil(np.log2(s)))) + 4
    jump = np.eye(size) + generator.to_scipy().toarray() / generator.q
    rest = s / 2.0**count
    term = power = np.eye(size)
    for number in range(1, 20):
        term = term @ jump * (rest / number)
        power = power + term
    for _ in range(count):
        power = power / power.sum(axis=0)
        power = power @ power
    return power / power.sum(axis=0)


STIFF = {
    "gentle": (Problem("0.5*x**2", 1.0, 2.0, BOX), 32, (1.0, 1e4, 1e9)),
    "metastable": (Problem("0.25*(x**2 - 1)**2", 1.0, 40.0, BOX), 32, (1e4, 1e6, 1e9)),
    "steep": (Problem("x**60", 1.0, 2.0, BOX), 32, (1e-3, 1.0, 1e4)),
    "steeper": (Problem("exp(x**4)", 1.0, 2.0, BOX), 32, (0.25, 1.0)),
    "cliff": (Problem("1e6*tanh(1e6*x)", 1.0, 2.0, BOX), 32, (0.25, 1.0, 1e9)),
    "hot": (Problem("0.5*x**2", 1.0, 1e-15, BOX), 32, (0.25, 1.0)),
    "turning": (
        Problem("0.5*(x**2 + 2*y**2)", 1.0, 5.0, PLANE, drift=["-2*y", "2*x"]),
        12,
        (1.0, 1e9),
    ),
    "turned noise": (Problem("0.5*(x**2 + 3*y**2)", [[1, 0.9], [0.9, 1]], 2.0, PLANE), 12, (3.0,)),
    "heavy ball": (
        Problem("0.5*x**2", 1.0, 2.0, {"x": (-3, 3), "v": (-3, 3)}, friction=0.3),
        12,
        (3.0, 1e7),
    ),
}


@pytest.mark.parametrize("name", STIFF)
def test_krylov_agrees_with_squaring(name: str) -> None:
    problem, cells, times = STIFF[name]
    generator = make_generator(problem, problem.grid(cells))
    grid = generator.grid
    start = gaussian_density(grid, [1.0, 0.0][: grid.ndim], 0.2 * np.eye(grid.ndim)).reshape(-1)
    solver = ShiftedSolver(generator)
    for time in times:
        found, solves = rational_krylov(solver, start, time, 1e-12)
        with np.errstate(under="ignore"):
            exact = propagator(generator, time) @ start
        assert np.abs(found - exact).sum() <= 3e-12 * start.sum()
        assert found.min() >= 0.0
        assert found.sum() == pytest.approx(start.sum(), rel=1e-14)
        assert solves < 120


@pytest.mark.parametrize("time", [1e100, 1e300])
def test_beyond_all_scales_is_the_null_vector(time: float) -> None:
    problem, cells, _ = STIFF["turning"]
    generator = make_generator(problem, problem.grid(cells))
    start = gaussian_density(generator.grid, [1.0, 0.0], 0.2 * np.eye(2)).reshape(-1)
    found, _ = rational_krylov(ShiftedSolver(generator), start, time, 1e-12)
    assert np.abs(generator.matvec(found)).sum() <= 1e-14 * generator.q * found.sum()


def test_time_that_one_space_does_not_cover_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred turns with hardly any noise: pieces, and long ones again once it rests."""
    ring = {"x": {"range": (-np.pi, np.pi), "boundary": "periodic"}}
    problem = Problem(None, 2e-2, 1.0, ring, drift=["40"])
    generator = make_generator(problem, problem.grid(40))
    start = gaussian_density(generator.grid, [1.0], 0.1 * np.eye(1)).reshape(-1)
    monkeypatch.setattr("fokkerplanck.timestepping.krylov.MAX_DIMENSION", 24)
    solver = ShiftedSolver(generator)
    for time in (0.5, 1e6):
        found, _ = rational_krylov(solver, start, time, 1e-12)
        exact = propagator(generator, time) @ start
        assert np.abs(found - exact).sum() <= 3e-12 * start.sum()


def test_elimination_serves_long_steps() -> None:
    """(I - dt A) x = b for dt q of 1e30, both ways and for several right sides."""
    problem, cells, _ = STIFF["turning"]
    generator = make_generator(problem, problem.grid(cells))
    solver, dt = ShiftedSolver(generator), 1e30 / generator.q
    right = np.random.default_rng(7).random((generator.grid.size, 2))
    found = solver.solve(right, dt)
    assert found.sum(axis=0) == pytest.approx(right.sum(axis=0), rel=1e-12)
    assert found[:, 0] / found[:, 0].sum() == pytest.approx(found[:, 1] / found[:, 1].sum())
    back = solver.solve(right[:, 0], dt, adjoint=True)
    # Backward, everything is its mean over the stationary state.
    assert back == pytest.approx(float(found[:, 0] @ right[:, 0]) / found[:, 0].sum(), rel=1e-10)


EXTREMES = {
    "beta 1e-15": {"noise.beta": 1e-15},
    "beta 1e-100": {"noise.beta": 1e-100},
    "beta 1e-300": {"noise.beta": 1e-300},
    "end 1e9": {"density.end": 1e9},
    "end 1e15": {"density.end": 1e15},
    "end 1e300": {"density.end": 1e300},
    "two frames": {"density.end": 1e300, "density.frames": 2},
    "many frames": {"density.end": 1e9, "density.frames": 300},
    "small box": {"domain.x.range": [0, 1e-12], "initial": {"kind": "uniform"}},
}


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_runs_rest_at_the_gibbs_state(name: str) -> None:
    case = load_case(INPUTS / "quick.toml", EXTREMES[name])
    result = run(case)
    rest = gibbs(System(case.problem, case.grid))
    assert rest is not None
    assert result.density[-1] == pytest.approx(rest, rel=1e-12)
    assert np.abs(result.mass - 1.0).max() <= 1e-13


@pytest.mark.parametrize("formula", ["x**60", "exp(x**4)", "1e300*x**2", "1e6*tanh(1e6*x)"])
def test_steep_losses_keep_mass_and_end(formula: str) -> None:
    case = load_case(INPUTS / "quick.toml", {"loss.formula": formula})
    result = run(case)
    assert np.abs(result.mass - 1.0).max() <= 1e-13
    assert result.minimum.min() >= 0.0
    if formula == "1e300*x**2":
        # Two cells are left, between which nothing but diffusion moves: rate beta^-1/h^2 each way.
        begun = 0.25 * float(result.density[0, :16].sum())
        share = 0.5 * (1.0 - (1.0 - 2.0 * begun) * np.exp(-2.0 * 0.5 / 0.25**2 * result.time[1:]))
        assert 0.25 * result.density[1:, 15] == pytest.approx(share, rel=1e-9)
        assert np.isfinite(result.kl_to_stationary).all()


def test_condition_of_1e8_along_the_axes() -> None:
    result = run(load_case(INPUTS / "condition_1e8_along_axes.toml"))
    assert result.kl_to_stationary[-1] <= 1e-9
    matrix = load_case(
        INPUTS / "condition_1e8_along_axes.toml",
        {"noise.sigma": [["1e8", 0], [0, "1"]]},
    )
    assert run(matrix).density[-1] == pytest.approx(result.density[-1], rel=1e-9)


@pytest.mark.parametrize("setting", ["density.end=1e300", "noise.beta=1e-300", "noise.beta=1e-15"])
def test_check_answers_as_run_does(setting: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(INPUTS / "quick.toml"), "--set", setting]) == 0
    assert "krylov" in capsys.readouterr().out


def test_named_exponentials_stop_at_rest() -> None:
    problem = Problem("0.5*x**2", 1.0, 2.0, BOX)
    grid = problem.grid(32)
    system = System(problem, grid)
    rest = gibbs(system)
    start = gaussian_density(grid, [1.0], np.eye(1) * 0.2)
    for method in (chebyshev, uniformize):
        found, products = method(system.at(0.0), start.reshape(-1), 1e12)
        assert found == pytest.approx(rest, rel=1e-12)
        assert products < 100_000
    for stepper in ("exponential", "uniformization", "chebyshev"):
        found = evolve(problem, grid, start, [0.0, 1e9], stepper=stepper).density[-1]
        assert found == pytest.approx(rest, rel=1e-12)
    high = evolve(problem, grid, start, [0.0, 1e9], scheme="high-order")
    assert high.density[-1] == pytest.approx(rest, rel=1e-12)


def test_what_takes_days_is_refused_with_numbers() -> None:
    """Before the first step, and with s in the sentence."""
    turning = STIFF["turning"][0]
    grid = turning.grid(12)
    start = gaussian_density(grid, [1.0, 0.0], 0.2 * np.eye(2))
    s = f"{System(turning, grid).at(0.0).q * 1e12:.3g}"
    for stepper in ("explicit", "uniformization"):
        with pytest.raises(NumericalFailure, match=s.replace("+", r"\+")):
            evolve(turning, grid, start, [0.0, 1e12], stepper=stepper)
    with pytest.raises(NumericalFailure, match="s = q t"):
        evolve(turning, grid, start, [0.0, 1e12], scheme="high-order")
    deep = Problem("0.25*(x**2 - 1)**2", 1.0, 200.0, BOX)
    grid = deep.grid(32)
    rest = gibbs(System(deep, grid))
    assert rest is not None
    # One of two wells, which it does not leave: no distance to the Gibbs state falls.
    start = np.where(grid.centers[0] > 0.0, rest, 0.0)
    for settings in ({"scheme": "high-order"}, {"stepper": "chebyshev"}):
        with pytest.raises(NumericalFailure, match="s = q t"):
            evolve(deep, grid, start, [0.0, 1e18], **settings)


def test_long_runs_on_large_grids_without_balance_take_krylov() -> None:
    turning = STIFF["turning"][0]
    system = System(turning, turning.grid(12))
    assert choose_stepper("auto", system, [0.0, 1e12])[0].name == "krylov"


def test_mass_of_many_products() -> None:
    """A cliff that one cell leaves at 3e7 per unit time: 3e-11 was lost in a time of one."""
    problem = Problem("1e3*tanh(1e6*x)", 1.0, 2.0, BOX)
    generator = make_generator(problem, problem.grid(32))
    start = gaussian_density(generator.grid, [1.0], np.eye(1) * 0.2).reshape(-1)
    found, products = uniformize(generator, start, 1.0)
    assert products > 10_000
    assert found.sum() == pytest.approx(start.sum(), rel=4e-16)


def test_widths_and_formulas_beyond_doubles() -> None:
    for std in (1e-300, 1e200):
        with pytest.raises(CaseError, match=f"{std:g}".replace("+", r"\+")) as caught:
            load_case(INPUTS / "quick.toml", {"initial.std": std})
        assert caught.value.key == "initial.std"
    grid = Problem("0.5*x**2", 1.0, 2.0, BOX).grid(32)
    for value in (1e308, 1e-320):
        density = formula_density(grid, lambda points, v=value: np.full(grid.shape, v))
        assert density == pytest.approx(1.0 / 8.0, rel=1e-14)


def test_absorbing_boxes_are_empty_in_the_end() -> None:
    absorbing = {"x": {"range": (-4, 4), "boundary": "absorbing"}}
    problem = Problem("0.5*x**2", 1.0, 2.0, absorbing)
    grid = problem.grid(32)
    start = gaussian_density(grid, [1.0], np.eye(1) * 0.2)
    found = evolve(problem, grid, start, [0.0, 1e9, 1e300], stepper="krylov").density
    assert found[1].sum() < 1e-150
    assert not found[2].any()


def test_memory_of_smoothing_is_that_taken() -> None:
    import tracemalloc

    problem = Problem("3*cos(8*x)*cos(5*y) + x**2 + y**2", 1.0, 2.0, PLANE)
    grid = problem.grid(32)
    for gamma in (1.0, 30.0):
        tracemalloc.start()
        with np.errstate(all="ignore"):
            local_entropy(problem, grid, gamma)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 0.4 <= smoothing_bytes(problem, grid, [gamma]) / taken <= 2.5


def test_times_and_names_from_python() -> None:
    problem = Problem("0.5*x**2", 1.0, 2.0, BOX)
    grid = problem.grid(8)
    start = np.full(8, 1.0 / 8.0)
    for times in (np.inf, None, 5, [0.0, np.inf], [0.0, None], [], ["a"]):
        with pytest.raises(CaseError) as caught:
            evolve(problem, grid, start, times)  # type: ignore[arg-type]
        assert caught.value.key == "density.times"
    for domain in ({1: (-1, 1)}, {None: (0, 1)}, 5, "x"):
        with pytest.raises(CaseError) as caught:
            Problem("1.0", 1.0, 2.0, domain)  # type: ignore[arg-type]
        assert caught.value.key == "domain"
    assert make_case(problem, 8).grid == grid


def test_ranges_beyond_doubles() -> None:
    for ends in ((0.0, 1e-200), (-1e200, 1e200), (-1e308, 1e308)):
        with pytest.raises(CaseError) as caught:
            Problem("1.0", 1.0, 2.0, {"x": ends})
        assert caught.value.key == "domain.x.range"


def test_potential_beyond_its_own_rounding() -> None:
    """Which of four cells a density of this loss ends in is decided by the last bits."""
    problem = Problem("1e30*(x**2 + y**2)", 1.0, 2.0, {"x": (-4, 4), "y": (-4, 4)})
    result = run(make_case(problem, 10, density={"end": 1.0, "frames": 2}))
    assert any("rounding" in note for note in result.notes)
    calm = Problem("0.5*(x**2 + y**2)", 1.0, 2.0, {"x": (-4, 4), "y": (-4, 4)})
    result = run(make_case(calm, 10, density={"end": 1.0, "frames": 2}))
    assert not any("rounding" in note for note in result.notes)
