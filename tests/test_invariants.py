"""Physics as properties, over random tensor fields, losses and sides in one to three dimensions."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from fields import ANY, CLOSED, Waves, random_density, settings_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from measures import distance, examples, few_examples

from fokkerplanck.analyses.observables import Observer, entropy_production
from fokkerplanck.operators.generator import generator
from fokkerplanck.problem import Problem
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.steppers import STEPPERS
from fokkerplanck.timestepping.system import System

SEEDS = st.integers(0, 10_000)
# Relaxation, entropy and the like are looked at for this long, in units of 1/q.
STEPS = (0.3, 5.0, 300.0)
# Grids this small raise tensors of condition number beyond about 250.
PLAIN = 2.0


@few_examples
@given(data=st.data())
def test_markov_generator(data: st.DataObject) -> None:
    """Off-diagonal entries >= 0, columns sum to minus the killing: zero in a closed box."""
    setting = data.draw(settings_of(sides=ANY))
    found = generator(setting.problem, setting.grid)
    matrix = found.to_scipy().toarray()
    sums = matrix.sum(axis=0)
    assert np.abs(sums + found.killing).max() <= 1e-13 * found.q
    if setting.grid.domain.closed:
        assert np.abs(sums).max() <= 1e-13 * found.q
        assert not found.killing.any()
    else:
        assert found.killing.min() >= 0.0
        assert found.killing.max() > 0.0
    np.fill_diagonal(matrix, 0.0)
    assert matrix.min() >= 0.0


@examples
@given(data=st.data(), seed=SEEDS)
def test_adjoint_is_the_transpose(data: st.DataObject, seed: int) -> None:
    setting = data.draw(settings_of(sides=ANY))
    found = generator(setting.problem, setting.grid)
    density = random_density(setting.grid, seed)
    values = np.random.default_rng([77, seed]).normal(size=setting.grid.shape)
    forth = float((values * found.matvec(density)).sum())
    back = float((found.adjoint_matvec(values) * density).sum())
    scale = found.q * float((np.abs(values) * density).sum())
    assert abs(forth - back) <= 1e-13 * scale
    matrix = found.to_scipy()
    np.testing.assert_allclose(
        found.matvec(density).reshape(-1), matrix @ density.reshape(-1), atol=1e-13 * scale
    )
    np.testing.assert_allclose(
        found.adjoint_matvec(values).reshape(-1), matrix.T @ values.reshape(-1),
        atol=1e-13 * found.q * np.abs(values).sum(),
    )  # fmt: skip


@settings(max_examples=6)
@given(data=st.data())
def test_equals_the_dense_twin(data: st.DataObject) -> None:
    setting = data.draw(settings_of(dimensions=(2,), sides=ANY, decades=PLAIN))
    found = generator(setting.problem, setting.grid)
    assume(not found.detailed_balance)
    twin = reference.dense_generator(setting.problem, setting.grid)
    np.testing.assert_allclose(found.to_scipy().toarray(), twin, rtol=1e-9, atol=1e-11 * found.q)


@examples
@given(data=st.data())
def test_rest_under_detailed_balance(data: st.DataObject) -> None:
    """exp(-Psi) at the cell centres is at rest, edge by edge, and is what `stationary` finds."""
    setting = data.draw(settings_of(sides=CLOSED, balanced=True, decades=PLAIN))
    found = generator(setting.problem, setting.grid)
    assert found.rates.raised == 0
    assert found.detailed_balance
    gibbs = np.exp(-setting.psi.value(*setting.grid.points)) * np.ones(setting.grid.shape)
    gibbs /= setting.grid.integrate(gibbs)
    scale = found.q * gibbs.max()
    assert np.abs(found.edge_currents(gibbs)).max() <= 1e-12 * scale
    assert np.abs(found.wrap_currents(gibbs)).max(initial=0.0) <= 1e-12 * scale
    rest = stationary(found, setting.problem)
    assert distance(setting.grid, rest.density, gibbs) <= 1e-11
    assert rest.residual <= 1e-14
    assert entropy_production(found, rest.density) <= 1e-20 * found.q
    symmetric = found.symmetrized.to_scipy()
    assert np.abs((symmetric - symmetric.T).toarray()).max() == 0.0


@few_examples
@given(data=st.data(), seed=SEEDS, balanced=st.booleans())
def test_free_energy_falls_at_its_rate(data: st.DataObject, seed: int, balanced: bool) -> None:
    """Never rises; -dF/dt is the dissipation; under detailed balance beta times that is e_p."""
    setting = data.draw(settings_of(sides=CLOSED, balanced=balanced, decades=PLAIN))
    system = System(setting.problem, setting.grid)
    found = system.at(0.0)
    observer = Observer(setting.problem, stationary(found, setting.problem))
    density = random_density(setting.grid, seed)
    now = observer.measure(found, density, 0.0)
    step = STEPPERS["uniformization"].step
    flat = density.reshape(-1)
    for s in STEPS:
        later = step(system, flat, 0.0, s / found.q).reshape(setting.grid.shape)
        free = observer.measure(found, later, 0.0)
        assert free["free_energy"] <= now["free_energy"] + 1e-12 * abs(now["free_energy"])
        assert free["kl_to_stationary"] <= now["kl_to_stationary"] * (1.0 + 1e-12) + 1e-15
        assert free["mass"] == pytest.approx(1.0, abs=1e-12)
    # One-sided differences of F, extrapolated to order 3.
    small = 1e-4 / found.q
    energies = [
        observer.measure(found, step(system, flat, 0.0, k * small).reshape(density.shape), 0.0)[
            "kl_to_stationary"
        ]
        / setting.problem.beta
        for k in range(4)
    ]
    slope = (-11 * energies[0] + 18 * energies[1] - 9 * energies[2] + 2 * energies[3]) / (6 * small)
    assert now["dissipation"] >= 0.0
    assert now["dissipation"] == pytest.approx(-slope, rel=1e-5, abs=1e-10 * found.q)
    if found.detailed_balance:
        produced = setting.problem.beta * now["dissipation"]
        assert produced == pytest.approx(now["entropy_production"], rel=1e-10)


@few_examples
@given(data=st.data())
def test_dissipation_is_below_the_entropy_production(data: st.DataObject) -> None:
    """Without detailed balance part of the production keeps the currents up."""
    # Weaker noise could push so hard that backward rates underflow, and their edges drop out.
    setting = data.draw(settings_of(sides=CLOSED, decades=1.0))
    found = generator(setting.problem, setting.grid)
    observer = Observer(setting.problem, stationary(found, setting.problem))
    measured = observer.measure(found, random_density(setting.grid, 3), 0.0)
    excess = measured["entropy_production"] - setting.problem.beta * measured["dissipation"]
    assert excess >= -1e-10 * measured["entropy_production"]


@examples
@given(data=st.data(), seed=SEEDS)
def test_mirror_symmetry(data: st.DataObject, seed: int) -> None:
    """The mirrored problem moves the mirrored density to the mirrored place."""
    setting = data.draw(settings_of(sides=ANY))
    problem = setting.problem
    ndim = problem.ndim
    axis = data.draw(st.integers(0, ndim - 1))
    tensor = setting.tensor
    sign = np.ones(ndim)
    sign[axis] = -1.0

    def back(points: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        return [sign[i] * p for i, p in enumerate(points)]

    def turned(vector: np.ndarray) -> np.ndarray:
        return sign.reshape(-1, *[1] * (vector.ndim - 1)) * vector

    both = np.outer(sign, sign)
    box = {}
    for number, side in enumerate(problem.domain.axes):
        boundary = side.boundary[::-1] if number == axis else side.boundary
        box[side.name] = {"range": (side.lower, side.upper), "boundary": boundary}
    loss = setting.loss.mirrored(axis)
    mirrored = Problem(
        loss.value,
        lambda *p: both.reshape(ndim, ndim, *[1] * np.ndim(p[0])) * tensor(*back(p)),
        problem.beta,
        box,
        drift=lambda *p: turned(problem.drift_at(back(p))) + loss.gradient(*p),
        gradient=loss.gradient,
        hessian=loss.hessian,
        div_sigma=lambda *p: turned(tensor.divergence(*back(p))),
    )
    density = random_density(setting.grid, seed)
    one = generator(problem, setting.grid)
    other = generator(mirrored, mirrored.grid(setting.grid.shape))
    expected = np.flip(one.matvec(np.flip(density, axis)), axis)
    np.testing.assert_allclose(other.matvec(density), expected, atol=1e-9 * one.q * density.max())


@few_examples
@given(data=st.data())
def test_splitting_a_force_changes_nothing(data: st.DataObject) -> None:
    """A share of the loss moved into the drift leaves the generator and the rest state alone."""
    setting = data.draw(settings_of(sides=CLOSED, decades=PLAIN))
    share = data.draw(st.floats(-1.0, 2.0))
    problem, loss, tensor = setting.problem, setting.loss, setting.tensor
    reduced = Waves((1.0 - share) * loss.amplitudes, loss.waves, loss.phases)
    split = Problem(
        reduced.value,
        tensor,
        problem.beta,
        problem.domain,
        drift=lambda *p: problem.drift_at(p) + reduced.gradient(*p),
        gradient=reduced.gradient,
        hessian=reduced.hessian,
        div_sigma=tensor.divergence,
    )
    one = generator(problem, setting.grid)
    other = generator(split, setting.grid)
    assert one.detailed_balance == other.detailed_balance
    difference = (one.to_scipy() - other.to_scipy()).toarray()
    assert np.abs(difference).max() <= 1e-10 * one.q


@pytest.mark.parametrize("sigma", [0.7, [[1.0, 0.6], [0.6, 0.5]]])
def test_splitting_a_force_between_formulas(sigma: object) -> None:
    """The whole loss as a drift: detailed balance must be found all the same."""
    box = {"x": (-2, 2), "y": (-2, 2)}
    tensor = np.eye(2) * sigma if isinstance(sigma, float) else np.array(sigma)
    loss = "x**4/4 - x**2/2 + y**2 + 0.3*x*y"
    slope = ("x**3 - x + 0.3*y", "2*y + 0.3*x")
    force = [f"-({tensor[i, 0]}*({slope[0]}) + {tensor[i, 1]}*({slope[1]}))" for i in range(2)]
    by_drift = Problem(None, tensor.tolist(), 2.0, box, drift=force)
    grid = by_drift.grid((14, 12))
    found = generator(by_drift, grid)
    assert found.detailed_balance
    gibbs = np.exp(-2.0 * Problem(loss, 1.0, 2.0, box).loss_at(grid.points))
    rest = stationary(found, by_drift)
    assert distance(grid, rest.density, gibbs / grid.integrate(gibbs)) <= 1e-11
    if isinstance(sigma, float):
        by_loss = generator(Problem(f"{sigma}*({loss})", sigma, 2.0, box), grid)
        difference = np.abs((by_loss.to_scipy() - found.to_scipy()).toarray())
        assert difference.max() <= 1e-11 * found.q


@examples
@given(data=st.data(), balanced=st.booleans())
def test_circulation_decides(data: st.DataObject, balanced: bool) -> None:
    """A solenoidal push breaks detailed balance, however the rest looks."""
    setting = data.draw(
        settings_of(dimensions=(2, 3), sides=("reflecting",), balanced=True, decades=PLAIN)
    )
    problem = setting.problem
    push = 0.0 if balanced else 0.05

    def drift(*points: np.ndarray) -> np.ndarray:
        force = problem.drift_at(points) + setting.loss.gradient(*points)
        force[0] += push * np.sin(points[1])
        return force

    pushed = Problem(
        setting.loss.value,
        setting.tensor,
        problem.beta,
        problem.domain,
        drift=drift,
        gradient=setting.loss.gradient,
        hessian=setting.loss.hessian,
        div_sigma=setting.tensor.divergence,
    )
    assert generator(pushed, setting.grid).detailed_balance == balanced


def test_setting_is_what_it_says(rng: np.random.Generator) -> None:
    """The derivatives of the random fields themselves, by differences."""
    waves = Waves(np.array([0.7, -0.3]), np.array([[1.0, 2.0], [-1.0, 1.0]]), np.array([0.3, 2.0]))
    points, h = rng.normal(size=(2, 5)), 1e-5
    for axis in range(2):
        shift = h * np.eye(2)[axis][:, None]
        slope = (waves.value(*(points + shift)) - waves.value(*(points - shift))) / (2 * h)
        np.testing.assert_allclose(waves.gradient(*points)[axis], slope, atol=1e-8)
        slopes = (waves.gradient(*(points + shift)) - waves.gradient(*(points - shift))) / (2 * h)
        np.testing.assert_allclose(waves.hessian(*points)[axis], slopes, atol=1e-8)
    np.testing.assert_allclose(waves.mirrored(0).value(-points[0], points[1]), waves.value(*points))
