"""The high-order scheme: twins, and every promise of the package kept by it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import reference_high
from fields import ANY, CLOSED, random_density, settings_of
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import compiled_only, distance, examples, few_examples
from reference_high_order import to_scipy
from test_orders import TIME_PROBLEMS, TURN, side

from fokkerplanck import gallery
from fokkerplanck.errors import CaseError
from fokkerplanck.gallery import ExactProblem
from fokkerplanck.grid import Grid
from fokkerplanck.high_order.high_order import high_order
from fokkerplanck.high_order.stencils import MARGIN
from fokkerplanck.high_order.tiles import Tiles, tiles
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve
from fokkerplanck.timestepping.flux_correction import add_fluxes, hold_entropy, relative_entropy
from fokkerplanck.timestepping.flux_integrator import FluxIntegrator
from fokkerplanck.timestepping.initial import gaussian_density, point_density
from fokkerplanck.timestepping.integral import integral
from fokkerplanck.timestepping.schemes import SCHEME_TABLE, choose_scheme, gibbs
from fokkerplanck.timestepping.system import System

SEEDS = st.integers(0, 10_000)
# Order asked of the stationary states.
LEAST_ORDER = 4.0


# Twins.

PLANE = [["1", "0.5*cos(x + y)"], ["0.5*cos(x + y)", "1 + 0.3*sin(y)"]]
SPACE = [
    ["1", "0.4*cos(x)", "0.3"],
    ["0.4*cos(x)", "1 + 0.2*sin(z)", "0.2*sin(y)"],
    ["0.3", "0.2*sin(y)", "1.5"],
]
FLAT = np.array([[1.0, 0.5, 0.3], [0.5, 0.8, -0.2], [0.3, -0.2, 0.6]])


@pytest.mark.parametrize("kind", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize(
    ("sigma", "cells"),
    [
        (PLANE, (9, 8)),
        (FLAT[:2, :2].tolist(), (8, 9)),
        (SPACE, (8, 3 + 4, 4)),
        (FLAT.tolist(), (4, 8, 7)),
        (FLAT[[1, 2, 0]][:, [1, 2, 0]].tolist(), (7, 4, 8)),
    ],
    ids=["turning plane", "plane", "turning space", "space", "other space"],
)
def test_operator_equals_its_twin(kind: str, sigma: list, cells: tuple[int, ...]) -> None:
    names = "xyz"[: len(cells)]
    box = {name: side(kind, kind, 0.0, TURN) for name in names}
    loss = " + ".join(f"cos({name} - 0.3)" for name in names) + " + sin(x)*cos(y)"
    problem = Problem(loss, sigma, 2.0, box)
    compare_with_twin(problem, problem.grid(cells), 5)


@settings(max_examples=6)
@given(data=st.data(), seed=SEEDS)
def test_operator_equals_its_twin_on_any_box(data: st.DataObject, seed: int) -> None:
    setting = data.draw(settings_of(sides=ANY))
    compare_with_twin(setting.problem, setting.grid, seed)


def compare_with_twin(problem: Problem, grid: Grid, seed: int) -> None:
    """Matrix, product and fluxes."""
    found = high_order(problem, grid)
    twin = reference_high.dense_high_order(problem, grid)
    scale = np.abs(twin).max()
    np.testing.assert_allclose(to_scipy(found).toarray(), twin, atol=1e-12 * scale)
    density = random_density(grid, seed)
    change = twin @ density.reshape(-1)
    np.testing.assert_allclose(
        found.matvec(density).reshape(-1), change, atol=1e-11 * scale * density.max()
    )
    out = -sum(np.diff(f, axis=axis) for axis, f in enumerate(found.face_fluxes(density)))
    np.testing.assert_allclose(out.reshape(-1), change, atol=1e-11 * scale * density.max())


@pytest.mark.parametrize("kind", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize(
    ("sigma", "cells", "parts"),
    [
        ([["1 + 0.3*cos(x)"]], (19,), (1, 1, 4)),
        ([["1"]], (9,), (1, 1, 9)),
        (PLANE, (11, 13), (1, 4, 3)),
        (FLAT[:2, :2].tolist(), (14, 9), (1, 14, 2)),
        (SPACE, (9, 7, 8), (2, 3, 2)),
        (FLAT.tolist(), (8, 9, 7), (3, 1, 3)),
        (np.eye(3).tolist(), (4, 9, 10), (4, 2, 1)),
    ],
    ids=["line", "flat line", "turning plane", "plane", "turning space", "space", "diagonal space"],
)
def test_tiles_leave_the_numbers_alone(
    kind: str,
    sigma: list,
    cells: tuple[int, ...],
    parts: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever a grid is cut, to the last digit; and the same face has one flux in all tiles."""
    box = {name: side(kind, kind, 0.0, TURN) for name in "xyz"[: len(cells)]}
    loss = " + ".join(f"cos({name} - 0.3)" for name in box) + " + sin(x)*0.3"
    problem = Problem(loss, sigma, 2.0, box)
    grid = problem.grid(cells)
    whole, cut = high_order(problem, grid), high_order(problem, grid)
    one = Tiles((1, 1, 1), whole._tiles.size, False)
    monkeypatch.setitem(whole.__dict__, "_tiles", one)
    monkeypatch.setitem(cut.__dict__, "_tiles", Tiles(parts, one.size + 8, False))
    x = np.random.default_rng(11).normal(size=grid.size)
    found, other = whole.matvec(x), cut.matvec(x)
    np.testing.assert_array_equal(found, other)
    np.testing.assert_allclose(found, to_scipy(whole) @ x, atol=1e-13 * np.abs(found).max())
    for axis, (f, g) in enumerate(zip(whole.face_fluxes(x), cut.face_fluxes(x), strict=True)):
        np.testing.assert_array_equal(f, g)
        if kind != "absorbing":
            np.testing.assert_array_equal(f.take(0, axis), f.take(-1, axis))
        if kind == "reflecting":
            assert not f.take(0, axis).any()


def test_tiles_fit_their_room_and_come_in_pairs() -> None:
    for shape in (
        (1, 1, 4),
        (1, 1, 70_000),
        (1, 64, 64),
        (1, 300, 5000),
        (48, 48, 48),
        (200, 9, 9),
    ):
        for varying in (False, True):
            found = tiles(shape, varying)
            widest = [-(-n // part) for n, part in zip(shape, found.parts, strict=True)]
            halo = 7 if shape[1] > 1 else 0
            assert found.size >= (widest[1] + halo) * (widest[2] + 6) + 2 * MARGIN
            assert found.shared == (np.prod(shape) >= 16_000)
            assert found.tasks % 2 == 0 or not found.shared
            assert found.room().ctypes.data % 64 == 0
            assert all(part <= n for part, n in zip(found.parts, shape, strict=True))


@compiled_only
def test_threads_leave_the_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = gallery.ornstein_uhlenbeck_2d(100.0).problem
    grid = problem.grid((70, 40))
    size = high_order(problem, grid)._tiles.size
    x, y = np.random.default_rng(3).normal(size=(2, 2800))
    results = []
    for shared in (True, False):
        found = high_order(problem, grid)
        monkeypatch.setitem(found.__dict__, "_tiles", Tiles((1, 5, 2), size, shared))
        out, total = y.copy(), x.copy()
        amount = found.combine(x, 0.3, 0.5, out, 0.2, out, total, 0.7)
        fresh = np.empty_like(x)
        assert found.combine(x, 0.3, 0.5, y, 0.2, fresh) == amount
        np.testing.assert_array_equal(fresh, out)
        np.testing.assert_allclose(
            out, 0.3 * found.matvec(x) + 0.5 * x + 0.2 * y, rtol=1e-12, atol=1e-12
        )
        np.testing.assert_allclose(total, x + 0.7 * out, rtol=1e-14, atol=1e-14)
        assert amount == pytest.approx(np.abs(out).sum(), rel=1e-13)
        results.append((out, total, amount))
    (out, total, amount), (other, more, again) = results
    np.testing.assert_array_equal(out, other)
    np.testing.assert_array_equal(total, more)
    assert amount == again


@settings(max_examples=20)
@given(data=st.data(), seed=SEEDS)
def test_limiter_equals_its_twin(data: st.DataObject, seed: int) -> None:
    grid = data.draw(settings_of(sides=ANY)).grid
    rng = np.random.default_rng([7, seed])
    low = rng.exponential(size=grid.shape) * (rng.random(grid.shape) < 0.8)
    fluxes = []
    for axis, box in enumerate(grid.domain.axes):
        flux = rng.normal(size=[n + (axis == i) for i, n in enumerate(grid.shape)])
        first = [slice(None)] * grid.ndim
        last = first.copy()
        first[axis], last[axis] = 0, -1
        flux[tuple(last)] = flux[tuple(first)] if box.periodic else flux[tuple(last)]
        for end, index in ((0, first), (1, last)):
            if box.boundary[end] == "reflecting":
                flux[tuple(index)] = 0.0
        fluxes.append(flux)
    twin = reference_high.limited(low, fluxes, [box.periodic for box in grid.domain.axes])
    found, activity = add_fluxes(low.reshape(-1), [f.copy() for f in fluxes], grid)
    np.testing.assert_allclose(found.reshape(grid.shape), twin, atol=1e-13)
    assert found.min() >= 0.0
    assert 0 <= activity.cut <= activity.faces
    assert 0.0 <= activity.lost <= activity.gross
    if grid.domain.closed:
        assert found.sum() == pytest.approx(low.sum(), rel=1e-13)


def test_limiter_leaves_alone_what_stays_positive() -> None:
    """More may leave a cell than is in it, as long as enough comes in."""
    grid = Problem("0*x", 1.0, 1.0, {"x": (0, 1)}).grid(4)
    flux = np.array([0.0, 3.0, 3.0, 3.0, 0.0])
    found, activity = add_fluxes(np.array([4.0, 1.0, 1.0, 1.0]), [flux], grid)
    np.testing.assert_array_equal(found, [1.0, 1.0, 1.0, 4.0])
    assert (activity.cut, activity.lost) == (0, 0.0)


def test_time_integral_is_that_of_the_exponential() -> None:
    problem = TIME_PROBLEMS["turning"]
    operator = high_order(problem, problem.grid((12, 10)))
    matrix = to_scipy(operator).toarray()
    x = np.random.default_rng(1).random(120)
    found, _ = integral(operator, x, 0.02)
    values, vectors = np.linalg.eig(matrix)
    # Of the zero eigenvalue, too.
    z = 0.02 * values
    phi = np.where(np.abs(z) > 1e-8, np.expm1(z) / np.where(z == 0.0, 1.0, z), 1.0)
    exact = (vectors @ (0.02 * phi * np.linalg.solve(vectors, x.astype(complex)))).real
    np.testing.assert_allclose(found, exact, atol=1e-12)


# Promises.


@few_examples
@given(data=st.data(), seed=SEEDS, point=st.booleans())
def test_mass_and_positivity_from_rough_densities(
    data: st.DataObject, seed: int, point: bool
) -> None:
    setting = data.draw(settings_of(sides=ANY))
    grid = setting.grid
    start = random_density(grid, seed)
    if point:
        start = np.zeros(grid.size)
        start[seed % grid.size] = 1.0 / grid.cell_volume
        start = start.reshape(grid.shape)
    q = generator(setting.problem, grid).q
    found = evolve(
        setting.problem, grid, start, [0.0, 0.3 / q, 5.0 / q, 20.0 / q], scheme="high-order"
    ).density
    assert found.min() >= 0.0
    mass = grid.integrate(found)
    if grid.domain.closed:
        assert mass == pytest.approx(np.ones(4), abs=1e-12)
    else:
        assert np.diff(mass).max() <= 1e-12


@examples
@given(data=st.data(), seed=SEEDS)
def test_gibbs_state_is_exact_and_the_entropy_falls(data: st.DataObject, seed: int) -> None:
    setting = data.draw(settings_of(dimensions=(1, 2), sides=CLOSED, balanced=True, decades=1.5))
    grid = setting.grid
    system = System(setting.problem, grid)
    rest = stationary(system.at(0.0), setting.problem, "high-order")
    assert rest.detailed_balance
    assert rest.density.min() > 0.0
    assert rest.residual <= 1e-12
    q = system.at(0.0).q
    march = FluxIntegrator(system, 1e-6, 100.0 / q, rest.density.reshape(-1))
    scale = rest.density.max()
    assert np.abs(march.change(rest.density, 0.0)).max() <= 1e-13 * q * scale
    still, _ = march.advance(rest.density.reshape(-1), 0.0, 50.0 / q, 0.0)
    np.testing.assert_allclose(still, rest.density.reshape(-1), atol=1e-12 * scale)
    density = random_density(grid, seed).reshape(-1)
    entropy = [relative_entropy(density, march.rest)]
    for start, stop in ((0.0, 0.3), (0.3, 4.0), (4.0, 60.0)):
        density, _ = march.advance(density, start / q, stop / q, 0.0)
        entropy.append(relative_entropy(density, march.rest))
    assert np.diff(entropy).max() <= 1e-12 * entropy[0] + 1e-14


def test_entropy_is_held_by_a_mixture() -> None:
    rest = np.array([1.0, 2.0, 1.0])
    low, high = np.array([1.1, 1.9, 1.0]), np.array([2.0, 1.9, 0.1])
    old = relative_entropy(np.array([1.3, 1.7, 1.0]), rest)
    found, share = hold_entropy(old, low, high, rest)
    assert 0.0 < share < 1.0
    assert relative_entropy(found, rest) == pytest.approx(old, rel=1e-8)
    assert relative_entropy(found, rest) <= old
    kept, whole = hold_entropy(old, high, low, rest)
    assert whole == 1.0
    np.testing.assert_array_equal(kept, low)


@compiled_only
def test_gibbs_state_from_far_away() -> None:
    problem = gallery.ornstein_uhlenbeck_2d().problem
    grid = problem.grid(48)
    system = System(problem, grid)
    rest = gibbs(system)
    assert rest is not None
    start = point_density(grid, [3.1, -3.0])
    found = evolve(problem, grid, start, np.linspace(0.0, 20.0, 41), scheme="high-order")
    entropy = [
        grid.cell_volume * relative_entropy(density.reshape(-1), rest.reshape(-1))
        for density in found.density
    ]
    assert entropy[0] > 20.0
    assert np.diff(entropy).max() < 0.0
    assert entropy[-1] <= 1e-10
    assert found.density.min() >= 0.0
    march = FluxIntegrator(system, 1e-6, 1.0, rest.reshape(-1))
    assert np.abs(march.change(rest, 0.0)).max() <= 1e-13
    assert (found.limited_flux[1:] > 0.0).any()
    assert found.limited[0] == 0.0
    assert found.limited.max() <= 1.0


@compiled_only
@pytest.mark.parametrize(
    ("make", "bounds"),
    [(gallery.circulating_ornstein_uhlenbeck, (2e-3, 2e-4)), (gallery.hopf, (3e-4, 3e-5))],
    ids=["circulating", "hopf"],
)
def test_stationary_states_without_detailed_balance(
    make: Callable[[], ExactProblem], bounds: tuple[float, float]
) -> None:
    exact = make()
    results = []
    for cells, bound in zip((64, 96), bounds, strict=True):
        grid = exact.problem.grid(cells)
        found = stationary(generator(exact.problem, grid), exact.problem, "high-order")
        target = np.broadcast_to(exact.stationary_density(grid.points), grid.shape)
        error = distance(grid, found.density, target / grid.integrate(target))
        assert error <= bound
        assert not found.detailed_balance
        # The Markov generator that goes with it rests there.
        change = found.generator.matvec(found.density)
        assert np.abs(change).max() <= 1e-12 * found.generator.q * found.density.max()
        # The scheme moves it no further than its own error.
        march = FluxIntegrator(System(exact.problem, grid), 1e-6, 0.5)
        still, _ = march.advance(found.density.reshape(-1), 0.0, 0.5, 0.0)
        assert distance(grid, still.reshape(grid.shape), found.density) <= 0.1 * error
        results.append((grid.spacing[0], error))
    (wide, coarse), (narrow, fine) = results
    assert np.log(coarse / fine) / np.log(wide / narrow) >= LEAST_ORDER


# The choice.


def chosen(problem: Problem, cells: int, **settings: str) -> str:
    names = (settings.get("scheme", "auto"), settings.get("stepper", "auto"))
    name, why = choose_scheme(*names, System(problem, problem.grid(cells)), [0.0, 1.0])
    return f"{name.name}: {why}"


def test_auto_takes_high_order_where_it_can_be_had() -> None:
    plane = gallery.ornstein_uhlenbeck_2d().problem
    assert chosen(plane, 48).startswith("high-order")
    assert "16 cells" in chosen(plane, 12)
    assert "split belongs" in chosen(plane, 48, stepper="split")
    assert chosen(plane, 12, scheme="high-order") == "high-order: as the case asks"
    assert "no noise" in chosen(gallery.heavy_ball().problem, 48)
    stiff = Problem("x**2/2", 1.0, 100.0, {"x": (-2, 2)})
    assert "products" in chosen(stiff, 20_000)


SIDES = [("reflecting", "reflecting"), ("absorbing", "absorbing"), ("absorbing", "reflecting")]


@compiled_only
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("start", ["narrow", "point", "even"])
def test_what_auto_takes_is_no_worse_at_sides(sides: tuple[str, str], start: str) -> None:
    problem = Problem("0.7*x**2 + x", "1 + 0.5*x", 2.0, {"x": side(*sides, -1, 1)})

    def solved(cells: int, scheme: str) -> np.ndarray:
        grid = problem.grid(cells)
        density = {
            "narrow": lambda: gaussian_density(grid, [0.3], [[0.01]]),
            "point": lambda: point_density(grid, [0.3]),
            "even": lambda: np.full(grid.shape, 0.5),
        }[start]()
        return evolve(problem, grid, density, [0.0, 0.1, 0.4], scheme=scheme).density[1:]

    # Means of twenty cells each, whose own difference from the values is of order 2 as well.
    reference = solved(960, "scharfetter-gummel").reshape(2, 48, 20).mean(axis=2)
    error = {
        name: np.abs(solved(48, name) - reference).sum(axis=1) for name in ("auto", *SCHEME_TABLE)
    }
    assert (error["auto"] <= 1.1 * error["scharfetter-gummel"]).all()
    assert (error["auto"] == error["high-order"]).all()


@pytest.mark.parametrize(
    ("change", "key"),
    [({"stepper": "split"}, "density.stepper"), ({"scheme": "order-6"}, "density.scheme")],
)
def test_bad_input(change: dict[str, str], key: str) -> None:
    problem = gallery.ornstein_uhlenbeck_2d().problem
    grid = problem.grid(8)
    with pytest.raises(CaseError) as caught:
        evolve(problem, grid, np.ones(grid.shape), [0.0, 1.0], **{"scheme": "high-order", **change})
    assert caught.value.key == key


def test_times_far_below_the_longest_step() -> None:
    """Steps are counted by a quotient that is none here, less a share for rounding."""
    problem = Problem("x**2", 1.0, 2.0, {"x": (-3.0, 3.0)})
    grid = problem.grid(32)
    start = gaussian_density(grid, [0.3], [[0.2]])
    found = evolve(problem, grid, start, [0.0, 1e-13], scheme="high-order")
    np.testing.assert_allclose(found.density[-1], start, rtol=1e-9, atol=1e-12)
