"""What `fp.run` delivers: the density of `fp.evolve`, as accurate as the scheme, and its error.

Errors fall with the cells, estimates tell them, and frames, cuts and the order of the axes change
nothing.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only, distance

import fokkerplanck as fp
from fokkerplanck import gallery
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.io.result import Result
from fokkerplanck.pipeline.error_estimate import fitted_error, number_errors
from fokkerplanck.pipeline.numerical_diffusion import AddedVariance
from fokkerplanck.pipeline.resampling import resampled
from fokkerplanck.problem import Problem
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.initial import gaussian_density

INPUTS = Path(__file__).parent / "inputs"
# True over estimated error: what the estimates promise.
PROMISED = (0.3, 10.0)


def circulating(beta: float) -> ExactProblem:
    """Noise that does not commute with the Hessian: no detailed balance."""
    return gallery.ornstein_uhlenbeck(
        [[3.0, 0.8], [0.8, 1.0]], [[1.0, 0.3], [0.3, 0.5]], beta, [1.5, -1.0], 0.3**2 * np.eye(2)
    )


def run(problem: Problem, cells: int, start: object, **density: object) -> Result:
    """Solved as a case; what is said of coarse grids is not the matter here."""
    settled = {"end": 1.0, "frames": 2, **density}
    settled = {key: value for key, value in settled.items() if value is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.CaseWarning)
        return fp.run(fp.make_case(problem, cells, initial=start, density=settled))


GALLERY: dict[str, tuple[Callable[[], ExactProblem], tuple[int, ...]]] = {
    "circulating": (gallery.circulating_ornstein_uhlenbeck, (48, 72)),
    "turned": (lambda: gallery.ornstein_uhlenbeck_2d(4.0), (40, 60)),
    "isotropic": (gallery.ornstein_uhlenbeck_2d, (32, 48, 64)),
    "turning tensor": (gallery.mapped_ornstein_uhlenbeck, (40, 56)),
    "cross-diffusion": (gallery.cross_diffusion, (40, 60)),
}


@cache
def errors_of(key: str, scheme: str = "auto") -> list[tuple[float, float]]:
    """True and estimated error at the end on each grid, by `fp.run`."""
    make, levels = GALLERY[key]
    exact = make()
    found = []
    for cells in levels:
        grid = exact.problem.grid(cells)
        result = run(exact.problem, cells, exact.initial(grid), end=exact.end, scheme=scheme)
        target = exact.density(exact.end, grid.points)
        found.append((distance(grid, result.density[-1], target), float(result.error[-1])))
    return found


@compiled_only
@pytest.mark.parametrize("key", GALLERY)
def test_errors_of_runs_fall_with_the_cells(key: str) -> None:
    true = [error for error, _ in errors_of(key)]
    assert all(fine < 0.5 * coarse for coarse, fine in itertools.pairwise(true))


@compiled_only
@pytest.mark.parametrize("scheme", ["auto", "scharfetter-gummel"])
@pytest.mark.parametrize("key", GALLERY)
def test_estimates_tell_the_errors(key: str, scheme: str) -> None:
    least, most = PROMISED
    for true, estimated in errors_of(key, scheme):
        assert least <= true / estimated <= most


@compiled_only
def test_runs_do_not_get_worse_on_finer_grids() -> None:
    exact = circulating(20.0)
    covariance = exact.covariance(1.0)
    errors = []
    for cells in (96, 128, 192):
        start = exact.initial(exact.problem.grid(cells))
        result = run(exact.problem, cells, start, scheme="high-order")
        errors.append(np.abs(result.covariance[-1] - covariance).max() / covariance.max())
    assert errors[0] <= 1e-3
    assert errors[1] <= 1e-5
    assert errors[2] <= 1e-8


@compiled_only
@pytest.mark.parametrize("scheme", ["auto", "scharfetter-gummel", "high-order"])
def test_run_and_evolve_give_the_same_bits(scheme: str) -> None:
    for problem in (circulating(5.0).problem, gallery.ornstein_uhlenbeck_2d().problem):
        grid = problem.grid(32)
        start = gaussian_density(grid, [1.0, -0.5], 0.09 * np.eye(2))
        times = [0.0, 0.3, 1.0]
        initial = {"kind": "gaussian", "mean": [1.0, -0.5], "std": 0.3}
        mine = run(problem, 32, initial, times=times[1:], end=None, frames=None, scheme=scheme)
        other = evolve(problem, grid, start, times, scheme=scheme)
        np.testing.assert_array_equal(mine.density, other.density)


@compiled_only
def test_free_energy_falls_without_detailed_balance() -> None:
    result = run(circulating(5.0).problem, 64, _gauss, end=10.0, frames=41)
    energy = result.free_energy
    assert np.diff(energy).max() <= 1e-12 * np.abs(energy).max()
    assert result.kl_to_stationary[-1] <= 1e-5


def _gauss(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * ((x - 1.5) ** 2 + (y + 1.0) ** 2) / 0.09)


@compiled_only
def test_logistic_regression_converges(tmp_path: Path) -> None:
    rng = np.random.default_rng(20261)
    features = rng.normal(size=(40, 2))
    label = (features @ [1.0, -0.7] + rng.logistic(size=40) > 0.0).astype(int)
    rows = ["u,v,y", *(f"{a},{b},{c}" for (a, b), c in zip(features, label, strict=True))]
    (tmp_path / "data.csv").write_text("\n".join(rows))
    (tmp_path / "case.toml").write_text("""
[loss]
model = "logistic_regression"
data = "data.csv"
features = ["u", "v"]
target = "y"
l2 = 0.1
[noise]
source = "minibatch"
batch_size = 2
learning_rate = 0.3
[domain]
a = { range = [-2, 3], cells = 24 }
b = { range = [-3, 2], cells = 24 }
[initial]
kind = "gaussian"
mean = [0.0, 0.0]
std = 0.4
[density]
end = 2.0
frames = 2
""")
    means = [
        fp.run(
            fp.load_case(tmp_path / "case.toml", {"domain.a.cells": n, "domain.b.cells": n})
        ).mean[-1]
        for n in (32, 48, 96)
    ]
    coarse, middle = (np.abs(mean - means[-1]).max() for mean in means[:-1])
    assert coarse <= 1e-3
    assert middle <= 0.3 * coarse


@compiled_only
def test_rotation_costs_no_accuracy() -> None:
    result = fp.run(fp.load_case(INPUTS / "rotating_ou.toml"))
    assert result.mean[-1] == pytest.approx([-0.546297, -0.0778727], abs=1e-5)
    assert result.limited_flux[-1] < 1e-6
    assert result.error[-1] < 1e-4


@compiled_only
def test_much_limited_flux_is_a_caution() -> None:
    exact = gallery.ornstein_uhlenbeck_2d(100.0)
    grid = exact.problem.grid(32)
    asked = {"end": 1.0, "frames": 2, "scheme": "high-order"}
    case = fp.make_case(exact.problem, 32, initial=exact.initial(grid), density=asked)
    with pytest.warns(fp.CaseWarning, match="limiter") as caught:
        result = fp.run(case)
    share = f"{result.limited_flux.max():.1%}"
    assert any(share in str(one.message) for one in caught)
    assert any(share in note for note in result.notes)


@compiled_only
@pytest.mark.parametrize(("share", "condition"), [(0.37, 1.0), (0.73, 4.0)])
def test_frames_and_cuts_change_nothing(share: float, condition: float) -> None:
    exact = gallery.ornstein_uhlenbeck_2d(condition)
    grid = exact.problem.grid(32)
    start = exact.initial(grid)

    def ended(density: np.ndarray, *times: float) -> np.ndarray:
        return evolve(exact.problem, grid, density, times, scheme="high-order").density[-1]

    whole = ended(start, 0.0, 0.5)
    cut = 0.5 * share
    rtol = 1e-6
    assert distance(grid, ended(start, 0.0, cut, 0.5), whole) <= rtol
    assert distance(grid, ended(ended(start, 0.0, cut), cut, 0.5), whole) <= rtol


@compiled_only
@pytest.mark.parametrize("scheme", ["high-order", "scharfetter-gummel"])
@pytest.mark.parametrize("cells", [(20, 24), (9, 12), (12, 14, 16)])
def test_axes_have_no_order(scheme: str, cells: tuple[int, ...]) -> None:
    d = len(cells)
    rng = np.random.default_rng(20263)
    names, root, spread = "xyz"[:d], rng.normal(size=(d, d)), rng.normal(size=(d, d))
    hessian = root @ root.T / d + np.eye(d)
    sigma = spread @ spread.T / d + 0.1 * np.eye(d)
    turn = rng.normal(size=(d, d))
    turn -= turn.T
    center = rng.uniform(-0.5, 0.5, d)

    def row(matrix: np.ndarray, i: int) -> str:
        return " + ".join(f"({float(matrix[i, j])!r})*{names[j]}" for j in range(d))

    loss = " + ".join(f"0.5*{names[i]}*({row(hessian, i)})" for i in range(d))

    def solved(order: tuple[int, ...]) -> np.ndarray:
        problem = Problem(
            loss=loss,
            drift=[row(turn, i) for i in order],
            sigma=sigma[np.ix_(order, order)].tolist(),
            beta=2.0,
            domain={names[i]: (-3.0 - 0.1 * i, 3.0) for i in order},
        )
        grid = problem.grid([cells[i] for i in order])
        start = gaussian_density(grid, center[list(order)], 0.2 * np.eye(d))
        return evolve(problem, grid, start, [0.0, 0.3], scheme=scheme).density[-1]

    plain = solved(tuple(range(d)))
    for order in itertools.permutations(range(d)):
        back = np.moveaxis(solved(order), range(d), order)
        assert np.abs(back - plain).sum() <= 1e-12 * plain.sum()


# The estimates themselves.


@given(
    order=st.floats(0.5, 6.0), error=st.floats(1e-12, 1.0), near=st.floats(1.2, 1.6),
    far=st.floats(1.8, 2.5),
)  # fmt: skip
def test_fitted_error_is_exact_for_powers(
    order: float, error: float, near: float, far: float
) -> None:
    distances = [error * (factor**order - 1.0) for factor in (near, far)]
    found, observed = fitted_error((near, far), distances, 6.0)
    assert found == pytest.approx(error, rel=1e-6)
    assert observed == pytest.approx(order, rel=1e-6)


def test_fitted_error_of_errors_that_do_not_fall() -> None:
    stuck, order = fitted_error((1.5, 2.0), (0.1, 0.1), 6.0)
    assert stuck >= 0.4
    assert order == 0.5
    assert fitted_error((1.5, 2.0), (0.0, 0.0), 6.0) == (0.0, 6.0)
    gaps = [np.array([1e-3, 0.0]), np.array([4e-3, 1e-3])]
    assert (number_errors((1.5, 2.0), gaps, 2.0) > 0.0).all()


@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_resampling_is_of_order_eight(boundary: str) -> None:
    errors = []
    for cells in (24, 48):
        problem = Problem("0", 1.0, 1.0, {"x": {"range": (0.0, 2.0 * np.pi), "boundary": boundary}})
        fine, coarse = problem.grid(cells), problem.grid(2 * cells // 3)
        values = resampled(fine, np.exp(np.sin(fine.points[0])), coarse)
        errors.append(np.abs(values - np.exp(np.sin(coarse.points[0]))).max())
    assert np.log2(errors[0] / errors[1]) > 7.0


@compiled_only
@pytest.mark.parametrize("cells", [48, 96])
def test_added_variance_is_that_of_the_scheme(cells: int) -> None:
    # x' = v with noise in v: upwinding adds diffusion along x.
    problem = Problem(
        drift=["v", "0"], sigma=[[0, 0], [0, 0.5]], beta=1.0, domain={"x": (-4, 4), "v": (-5, 5)}
    )
    grid = problem.grid(cells)
    added = AddedVariance(problem)
    start = gaussian_density(grid, [0.0, 0.0], 0.09 * np.eye(2))
    times = np.linspace(0.0, 1.0, 21)
    found = evolve(problem, grid, start, times)
    system_generator = fp.generator(problem, grid)
    for time, density in zip(times, found.density, strict=True):
        added.measure(system_generator, density, float(time))
    excess = float(grid.integrate(found.density[-1] * grid.points[0] ** 2)) - 0.5133333
    assert added.total is not None
    assert added.total[0] == pytest.approx(excess, rel=0.05)
    assert abs(added.total[1]) <= 1e-3
    assert "variance of x" in added.cautions(grid, found.density[-1], 1.0)[0]
