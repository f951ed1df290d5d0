"""Walkers at reflecting and absorbing sides: laws of single steps, orders, and what a run says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from measures import compiled_only
from scipy import special, stats

import fokkerplanck as fp
from fokkerplanck.analyses.validation import validate
from fokkerplanck.cli.main import main
from fokkerplanck.grid import Grid
from fokkerplanck.particles import ensemble
from fokkerplanck.particles.methods import QUARTER, longest_step
from fokkerplanck.problem.tails import tail_of
from fokkerplanck.validation import FurtherRuns, Halved, error_budget
from fokkerplanck.validation.budget import whole_percents

pytestmark = [
    compiled_only,
    pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning"),
]

INPUT = Path(__file__).parent / "inputs" / "walkers_at_a_wall.toml"
# Mean of exp(-2x) on [0, 1].
MEAN = (1.0 - 3.0 * math.exp(-2.0)) / (2.0 - 2.0 * math.exp(-2.0))
FEW = {"ensemble.particles": 100_000}
SGD = {"ensemble.method": "sgd-gaussian", "noise.learning_rate": 0.05, "noise.batch_size": 0.025}
LEVEL = 1e-3


def moved(problem: fp.Problem, grid: Grid, start: np.ndarray, end: float, h: float, n: int,
          **more: object) -> fp.particles.Ensemble:  # fmt: skip
    settings = {"method": "weak-2", "step": h, "particles": n, "seed": 5, **more}
    return ensemble(problem, grid, start, [0.0, end], **settings)


def test_walkers_at_a_wall_agree_with_the_right_density() -> None:
    result = fp.run(fp.load_case(INPUT, FEW))
    assert result.mean[-1, 0] == pytest.approx(MEAN, abs=2e-4)
    # Five standard errors; the step that walkers used to take was off by 0.033.
    assert result.ensemble.mean[-1, 0] == pytest.approx(MEAN, abs=5.0 * 0.25 / math.sqrt(1e5))
    assert result.validation.agrees
    assert np.isfinite(result.validation.sides).all()


def test_the_budget_explains_what_a_learning_rate_does_at_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wall.toml"
    text = INPUT.read_text().replace("beta = 1.0", "learning_rate = 0.05\nbatch_size = 0.025")
    text = text.replace("[ensemble]", '[ensemble]\nmethod = "sgd-gaussian"')
    path.write_text(text.replace("400000", "100_000"))
    assert main(["validate", str(path)]) == 0
    assert "explained" in capsys.readouterr().out
    case = fp.load_case(path)
    result = fp.run(case)
    found = result.validation
    assert found.p_value < 1e-100
    assert found.agrees
    # The fold lifts the mean from 0.3435 to 0.385.
    assert 0.1 < found.sides[-1] < 0.25
    assert found.sides[-1] == pytest.approx(found.observed[-1], rel=0.1)
    # The same walkers against a wrong density: nothing measured explains that.
    x = result.centers[0]
    wrong = np.exp(-1.8 * x) / (np.exp(-1.8 * x).mean())
    other = validate(case, result.ensemble, [0, 1, 2], lambda k: wrong)
    assert not other.attrs["agrees"]


def test_a_step_at_a_side_has_the_law_of_reflected_motion() -> None:
    """One step from a point; the tangential part is what it is without a side, but for the tilt."""
    sigma, h, n = np.array([[1.0, 0.7], [0.7, 2.0]]), 0.3, 20_000
    box = {"x": (0, 20), "y": (-40, 40)}
    problem = fp.Problem("1.5*x - 0.4*y", sigma, 2.0, box)
    start = np.broadcast_to([0.2, 0.3], (n, 2))
    for method in ("langevin", "weak-2"):
        shown = moved(problem, problem.grid(8), start, h, h, n, method=method, trajectories=n)
        x, y = shown.trajectories[:, 1].T

        def law(z: np.ndarray) -> np.ndarray:
            drift, s = -1.5 * h, math.sqrt(h)
            back = np.exp(2.0 * -1.5 * z) * special.ndtr((-z - 0.2 - drift) / s)
            return special.ndtr((z - 0.2 - drift) / s) - back

        assert stats.kstest(x, law).pvalue > LEVEL
        free = y - 0.3 - 0.7 * (x - 0.2) - h * (0.4 + 0.7 * 1.5)
        spread = math.sqrt(h * (2.0 - 0.7**2))
        assert stats.kstest(free / spread, "norm").pvalue > LEVEL
        assert abs(np.corrcoef(free, x)[0, 1]) < 4.0 / math.sqrt(n)


def errors_1d(sigma: str, steps: tuple[float, ...], n: int) -> list[float]:
    """Error of E x at rest for the force -(0.5 + 2x) at the side x = 0."""
    problem = fp.Problem("0.5*x + x**2", [[sigma]], 1.0, {"x": (0, 3)})
    x = np.linspace(0.0, 3.0, 30_001)
    noise = problem.sigma_at([x])[0, 0]
    slope = (0.5 + 2.0 * x) / noise
    exponent = np.concatenate([[0.0], np.cumsum(0.5e-4 * (slope[1:] + slope[:-1]))])
    rho = np.exp(-exponent) / noise
    grid = problem.grid(300)
    start = np.interp(grid.centers[0], x, rho)
    mean = float((rho * x).sum() / rho.sum())
    return [float(moved(problem, grid, start, 1.6, h, n).mean[1, 0]) - mean for h in steps]


def test_order_with_a_varying_drift() -> None:
    """Folding at the ends of steps leaves 0.0126 and 0.0120 at these steps."""
    first, second = errors_1d("1", (0.2, 0.1), 300_000)
    assert abs(first) < 3e-3
    assert abs(second) < 1.5e-3


def test_order_with_a_varying_sigma() -> None:
    """A fourth of the error at half the step; folding leaves -0.087 at the first."""
    first, second = errors_1d("1 + 0.5*x", (0.4, 0.2), 300_000)
    assert 0.02 < first < 0.032
    assert math.log2(first / second) > 1.6


def test_order_under_an_oblique_tensor() -> None:
    """Sigma = I + S exp(Phi) has the density exp(-Phi) whatever S; folding is off by 0.065."""
    phi = "(x + 0.4*sin(y))"
    sigma = [[f"1 + 0.2*exp({phi})", f"0.3*exp({phi})"], [f"0.3*exp({phi})", f"1 + 0.2*exp({phi})"]]
    box = {"x": (0, 2.5), "y": {"range": (0, 2 * math.pi), "boundary": "periodic"}}
    problem = fp.Problem(phi, sigma, 1.0, box)
    grid, fine = problem.grid(64), problem.grid(512)
    exact = np.exp(-problem.loss_at(fine.points))
    exact /= exact.sum()
    x = fine.centers[0][:, None]
    start = np.exp(-problem.loss_at(grid.points))
    found = moved(problem, grid, start, 0.8, 0.2, 200_000)
    square = found.covariance[1, 0, 0] + found.mean[1, 0] ** 2
    assert abs(found.mean[1, 0] - (exact * x).sum()) < 5e-3
    assert abs(square - (exact * x**2).sum()) < 2e-2


def test_survival_between_a_reflecting_and_an_absorbing_side() -> None:
    """Against the density on a fine grid; one bridge per step without the rest is off by 0.028."""
    sides = {"x": {"range": (0, 1), "boundary": ("reflecting", "absorbing")}}
    problem = fp.Problem("2*x", [["1 + 0.8*x"]], 2.0, sides)
    fine = problem.grid(800)
    path = fp.evolve(problem, fine, np.ones(800), [0.0, 0.5], scheme="scharfetter-gummel")
    alive = float(fine.integrate(path.density.values[-1]))
    found = moved(problem, problem.grid(20), np.ones(20), 0.5, 0.1, 200_000)
    share = found.counts[1].sum() / 200_000
    assert abs(share - alive) < 7e-3
    assert found.counts[1].sum() + found.absorbed[1].sum() == 200_000


def test_sgd_between_sides_of_the_diffusion() -> None:
    case = fp.load_case(INPUT, {"noise.beta": 1.0})
    problem = fp.Problem("2*x", 1.0, 1.0, {"x": (0, 1)}, learning_rate=0.05)
    means = [
        moved(problem, case.grid, np.ones(50), 2.0, None, 100_000, method=method).mean[1, 0]
        for method in ("sgd-gaussian", "sgd-reflected")
    ]
    assert means[0] > MEAN + 0.03
    assert means[1] == pytest.approx(MEAN, abs=5e-3)


def test_the_default_step_knows_the_box() -> None:
    problem = fp.Problem("2*x", 4.0, 2.0, {"x": (0, 1)})
    assert longest_step(problem, problem.grid(50)) == pytest.approx(QUARTER**2 / 4.0)
    round_ = fp.Problem(
        drift=["1"], sigma=1.0, beta=2.0, domain={"x": {"range": (0, 1), "boundary": "periodic"}}
    )
    assert longest_step(round_, round_.grid(50)) == math.inf


def budget_of(off: float, more: bool) -> object:
    """Masses of 32 cells, walkers off by a slope, and others with half or none of it."""
    problem = fp.Problem("0", 1.0, 1.0, {"x": (0, 1)})
    grid, n = problem.grid(32), 10**6
    masses = np.full(32, 1.0 / 32.0)
    slope = np.linspace(-1.0, 1.0, 32)
    random = np.random.default_rng(7)

    def drawn(size: float) -> np.ndarray:
        return random.multinomial(n, masses * (1.0 + size * slope))

    walkers = drawn(off)
    if not more:
        return error_budget(grid, walkers, masses, n, FurtherRuns(sides=0.0))
    held = error_budget(grid, walkers, masses, n, FurtherRuns(sides=Halved(drawn(0.0), masses, n)))
    half = error_budget(
        grid,
        walkers,
        masses,
        n,
        FurtherRuns(sides=Halved(drawn(0.5 * off), masses, n), sides_order=1),
    )
    assert half.sides == pytest.approx(held.sides, rel=0.1)
    assert half.p_value > 0.01
    return held


def test_sides_take_their_share_of_the_budget() -> None:
    found = budget_of(0.05, more=True)
    assert found.sides == pytest.approx(
        0.05 * math.sqrt(np.mean(np.linspace(-1, 1, 32) ** 2)), rel=0.1
    )
    assert found.p_value > 0.01
    assert found.seen
    alone = budget_of(0.05, more=False)
    assert alone.unexplained > 0.0
    assert not alone.seen


def test_shares_add_up_to_one() -> None:
    for budget in (budget_of(0.05, more=True), budget_of(0.0, more=False)):
        assert sum(budget.shares.values()) == pytest.approx(1.0)
        assert sum(whole_percents(budget.shares).values()) == 100
    assert whole_percents({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}) == {"a": 34, "b": 33, "c": 33}


@pytest.mark.parametrize("size", [60, 150, 900])
def test_light_tails_raise_no_alarm(size: int) -> None:
    random = np.random.default_rng(size)
    for sizes in (
        random.exponential(size=size),
        np.abs(random.normal(size=size) * random.normal(size=size)),
    ):
        sentence = tail_of(sizes, repeats=40).sentence
        assert "heavy tails, as" not in sentence
        assert "not told apart from 2" not in sentence
