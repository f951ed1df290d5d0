"""The generator against a dense twin assembled cell by cell, and what its parts promise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import reference
from measures import compiled_only

from fokkerplanck.errors import CaseError
from fokkerplanck.operators.currents import cell_current
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.timestepping.system import System

PERIODIC = {"range": (-np.pi, np.pi), "boundary": "periodic"}
FULL_3D = [[1.0, 0.5, 0.3], [0.5, 0.8, -0.2], [0.3, -0.2, 0.6]]


@dataclass(frozen=True)
class Sample:
    """A problem, a small grid, and Psi at a point where detailed balance holds."""

    problem: Problem
    cells: tuple[int, ...]
    potential: Callable[[Sequence[float]], float] | None = None
    time: float = 0.0


def box(*sides: object) -> dict[str, object]:
    """One axis [-1.5, 1.5] for each boundary."""
    return {
        name: {"range": (-1.5, 1.5), "boundary": side}
        for name, side in zip("xyz", sides, strict=False)
    }


SAMPLES = {
    "isotropic": Sample(
        Problem("x**4/4 - x**2/2 + 0.3*x", 0.7, 2.0, box("reflecting")),
        (9,),
        lambda p: 2.0 / 0.7 * (p[0] ** 4 / 4 - p[0] ** 2 / 2 + 0.3 * p[0]),
    ),
    "multiplicative": Sample(
        Problem("x**2/2", "1 + x**2", 3.0, box("reflecting")),
        (11,),
        lambda p: 2.5 * np.log1p(p[0] ** 2),
    ),
    "circle": Sample(Problem(None, 0.8, 1.0, {"x": PERIODIC}, drift=["1.5"]), (8,)),
    "absorbing line": Sample(
        Problem("x**2/2", 1.0, 2.0, box(("absorbing", "reflecting"))), (7,), lambda p: p[0] ** 2
    ),
    "commuting": Sample(
        Problem("0.5*(x**2 + y**2)", [[1.0, 0.9], [0.9, 1.0]], 1.5, box(*["reflecting"] * 2)),
        (7, 6),
        lambda p: 0.5 * 1.5 * (p[0] ** 2 - 1.8 * p[0] * p[1] + p[1] ** 2) / 0.19,
    ),
    "circulating": Sample(
        Problem("0.5*(x**2 + 3*y**2)", [[1.0, 0.9], [0.9, 1.0]], 1.0, box(*["reflecting"] * 2)),
        (7, 8),
    ),
    "turning": Sample(
        Problem(
            "x**2/2 - 0.5*cos(k*y) + 0.1*x*sin(k*y)",
            [["1 + 0.5*cos(k*y)", "0.4*sin(x + k*y)"], ["0.4*sin(x + k*y)", "0.9"]],
            2.0,
            box(("absorbing", "reflecting"), "periodic"),
            drift=["-sin(k*y)", "x"],
            parameters={"k": 2.0 * np.pi / 3.0},
        ),
        (6, 9),
    ),
    "all absorbing": Sample(
        Problem(
            "0.1*x*y + 0.2*x**2", [[1.0, 0.93], [0.93, 1.0]], 1.0, box("absorbing", "absorbing")
        ),
        (6, 7),
    ),
    # Offsets around both axes, one of them back to where they came from.
    "torus": Sample(
        Problem(
            None, [[1.0, 0.95], [0.95, 1.0]], 1.0, {"x": PERIODIC, "y": PERIODIC},
            drift=["1", "-sin(x)"],
        ),
        (5, 4),
    ),
    "moving": Sample(
        Problem(
            "0.5*(1 + sin(t))*x**2 + y**2", [["1", "0.5*cos(t)"], ["0.5*cos(t)", "1"]], 1.0,
            box("reflecting", ("reflecting", "absorbing")),
        ),
        (5, 6),
        time=0.7,
    ),
    "half noisy": Sample(
        Problem(None, [0.0, 0.5], 2.0, box("absorbing", "reflecting"), drift=["y", "-x - y + 0.2"]),
        (6, 7),
    ),
    "heavy ball on a circle": Sample(
        Problem("cos(x)", 1.0, 2.0, {"x": PERIODIC, "v": (-2, 2)}, friction=0.5), (6, 5)
    ),
    "three": Sample(
        Problem("0.5*(x**2 + 2*y**2 + z**2)", FULL_3D, 2.0,
                box("reflecting", "periodic", ("absorbing", "reflecting"))),
        (4, 5, 4),
    ),
    "three, turning": Sample(
        Problem(
            "0.5*(x**2 + y**2 + z**2)",
            [
                ["1", "0.4*sin(x + z)", "0.2"],
                ["0.4*sin(x + z)", "0.9", "0.3*cos(y)"],
                ["0.2", "0.3*cos(y)", "0.8"],
            ],
            1.0,
            box(*["reflecting"] * 3),
        ),
        (4, 4, 5),
    ),
}  # fmt: skip
_built: dict[str, tuple] = {}


def built(key: str) -> tuple:
    """Generator and its dense twin."""
    if key not in _built:
        sample = SAMPLES[key]
        grid = sample.problem.grid(sample.cells)
        found = generator(sample.problem, grid, sample.time)
        twin = reference.dense_generator(sample.problem, grid, sample.time, sample.potential)
        _built[key] = found, twin
    return _built[key]


samples = pytest.mark.parametrize("key", list(SAMPLES))


@samples
def test_equals_the_dense_twin(key: str) -> None:
    found, twin = built(key)
    assert found.detailed_balance == (SAMPLES[key].potential is not None)
    np.testing.assert_allclose(found.to_scipy().toarray(), twin, rtol=1e-11, atol=1e-12 * found.q)
    assert found.q == pytest.approx(-twin.diagonal().min(), rel=1e-11) or key == "torus"


@samples
def test_product_and_adjoint_equal_the_matrix(key: str, rng: np.random.Generator) -> None:
    found, _ = built(key)
    matrix = found.to_scipy().toarray()
    density, values = rng.normal(size=(2, found.grid.size))
    atol = 1e-14 * found.q * np.abs(density).sum()
    np.testing.assert_allclose(found.matvec(density), matrix @ density, atol=atol)
    np.testing.assert_allclose(found.adjoint_matvec(values), matrix.T @ values, atol=atol)
    shaped = found.matvec(density.reshape(found.grid.shape))
    assert shaped.shape == found.grid.shape
    assert shaped.tobytes() == found.matvec(density).tobytes()
    np.testing.assert_allclose(found.adjoint @ values, matrix.T @ values, atol=atol)
    np.testing.assert_allclose(found.adjoint.rmatvec(density), matrix @ density, atol=atol)


@samples
def test_combine(key: str, rng: np.random.Generator) -> None:
    found, _ = built(key)
    matrix = found.to_scipy().toarray()
    x, y, total = rng.normal(size=(3, found.grid.size))
    for adjoint in (False, True):
        expected = 0.3 * ((matrix.T if adjoint else matrix) @ x) - 0.7 * x + 2.0 * y
        out, added = y.copy(), total.copy()
        found.combine(x, 0.3, -0.7, out, 2.0, out, added, 0.5, adjoint=adjoint)
        np.testing.assert_allclose(out, expected, atol=1e-12 * found.q)
        np.testing.assert_allclose(added, total + 0.5 * expected, atol=1e-12 * found.q)


@samples
def test_leaving_killing_and_exits(key: str) -> None:
    found, _ = built(key)
    matrix = found.to_scipy().toarray()
    np.testing.assert_allclose(matrix.sum(axis=0), -found.killing, atol=1e-13 * found.q)
    sides = [axis.boundary[end] for axis in found.grid.domain.axes for end in (0, 1)]
    parts = [found.exit_rates(side) for side in range(len(sides))]
    np.testing.assert_allclose(sum(parts), found.killing, rtol=1e-14)
    for kind, rate in zip(sides, parts, strict=True):
        if kind != "absorbing":
            assert not rate.any()


@samples
def test_edge_currents_carry_the_change(key: str, rng: np.random.Generator) -> None:
    found, _ = built(key)
    rates = found.rates
    density = rng.random(found.grid.size)
    change = -found.killing * density
    for shift, flow in zip(rates.shifts, found.edge_currents(density), strict=True):
        for cell in np.flatnonzero(flow):
            change[cell] -= flow[cell]
            change[cell + shift] += flow[cell]
    np.subtract.at(change, rates.wrap_source, found.wrap_currents(density))
    np.add.at(change, rates.wrap_target, found.wrap_currents(density))
    np.testing.assert_allclose(found.matvec(density), change, atol=1e-13 * found.q)


@pytest.mark.parametrize("key", ["isotropic", "multiplicative", "commuting", "absorbing line"])
def test_symmetrized(key: str) -> None:
    found, _ = built(key)
    symmetric = found.symmetrized.to_scipy().toarray()
    np.testing.assert_array_equal(symmetric, symmetric.T)
    root = np.exp(-0.5 * found.potential.values).reshape(-1)
    expected = found.to_scipy().toarray() * root[None, :] / root[:, None]
    np.testing.assert_allclose(symmetric, expected, rtol=1e-11, atol=1e-12)


def test_without_detailed_balance_nothing_is_symmetrized() -> None:
    with pytest.raises(ValueError, match="detailed balance"):
        _ = built("circulating")[0].symmetrized


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5,\) does not fit the grid \(9,\)"):
        built("isotropic")[0].matvec(np.ones(5))


def test_cell_current_of_a_rigid_rotation() -> None:
    """Uniform density on the torus: the current is the drift times the density."""
    torus = {"x": PERIODIC, "y": PERIODIC}
    problem = Problem(None, [[1.0, 0.4], [0.4, 1.0]], 1.0, torus, drift=["0.7", "-0.2"])
    found = generator(problem, problem.grid((12, 10)))
    density = np.full((12, 10), 1.0 / (2.0 * np.pi) ** 2)
    current = cell_current(found, density)
    np.testing.assert_allclose(current[0], 0.7 * density, rtol=1e-11)
    np.testing.assert_allclose(current[1], -0.2 * density, rtol=1e-11)


@pytest.mark.parametrize("cells", [7, 8])
def test_noise_that_vanishes_at_one_point(cells: int) -> None:
    problem = Problem("x**2", "0.1*x**2", 1.0, box("reflecting"))
    found = generator(problem, problem.grid(cells))
    assert np.isfinite(found.q)


@compiled_only
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_noise_that_vanishes_in_a_region_is_refused() -> None:
    problem = Problem("x**2", "abs(x) + x", 1.0, box("reflecting"))
    with np.errstate(all="ignore"), pytest.raises(CaseError, match="vanishes") as caught:
        generator(problem, problem.grid(8))
    assert caught.value.key == "noise.sigma"


def test_several_axes_get_a_little_noise_where_it_vanishes() -> None:
    problem = Problem("x**2", ["abs(x) + x", "abs(x) + x"], 1.0, box("reflecting", "reflecting"))
    found = generator(problem, problem.grid(8))
    assert np.isfinite(found.q)
    matrix = found.to_scipy().toarray()
    assert np.abs(matrix.sum(axis=0)).max() < 1e-9 * found.q


def test_no_noise_at_all_is_refused() -> None:
    problem = Problem("x**2", 0.0, 1.0, box("reflecting"))
    with pytest.raises(CaseError, match="without any noise"):
        System(problem, problem.grid(8))


@pytest.mark.parametrize("vector", [(1.0, 0.37, -0.61), (1.0, 1.0, 1.0), (0.2, -0.9, 0.55)])
def test_rank_one_noise_in_three_dimensions_is_raised(vector: tuple[float, ...]) -> None:
    problem = Problem(
        "x**2 + y**2 + z**2", np.outer(vector, vector).tolist(), 1.0, box(*["reflecting"] * 3)
    )
    found = generator(problem, problem.grid(8))
    assert found.rates.raised == 512
    # At most a few times the reach that the share of the trace allows.
    assert found.rates.reach <= 24
    assert found.rates.forward.min() >= 0.0
