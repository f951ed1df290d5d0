"""Losses of data against sample-by-sample twins, differences and closed forms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from measures import compiled_only

import fokkerplanck as fp
from fokkerplanck.errors import CaseError
from fokkerplanck.problem import DataModel, Problem, models
from fokkerplanck.problem.losses import KINDS

# Parameters and columns of the models that the tests run through.
SHAPES = [
    ("linear_regression", 1),
    ("linear_regression", 2),
    ("linear_regression", 3),
    ("logistic_regression", 1),
    ("logistic_regression", 2),
    ("logistic_regression", 3),
    ("tanh_neuron", 1),
    ("tanh_neuron", 2),
]
every_model = pytest.mark.parametrize(("kind", "columns"), SHAPES)


def sample_loss(kind: str, theta: list, x: list, y: float) -> sp.Expr:
    """l_i as its definition has it."""
    if kind == "tanh_neuron":
        inner = sum(w * one for w, one in zip(theta[1:], x, strict=True))
        return (theta[0] * sp.tanh(inner) - y) ** 2 / 2
    inner = sum(w * one for w, one in zip(theta, x, strict=True))
    if kind == "linear_regression":
        return (inner - y) ** 2 / 2
    return sp.log(1 + sp.exp(inner)) - y * inner


def twin(model: DataModel, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Loss, derivatives, Sigma and its divergence at one point, one sample after the other.

    Derivatives by sympy; Sigma differentiated as the polynomial of sample gradients it is.
    """
    names = sp.symbols(f"p:{model.parameters}", real=True)
    inputs = sp.symbols(f"x:{model.features.shape[1]}", real=True)
    y = sp.Symbol("y", real=True)
    loss = sample_loss(model.kind, list(names), list(inputs), y)
    gradient = [loss.diff(name) for name in names]
    hessian = [[entry.diff(name) for name in names] for entry in gradient]
    evaluate = sp.lambdify((names, inputs, y), (loss, gradient, hessian), "math")
    n, d = model.samples, model.parameters
    losses, g, h = np.empty(n), np.empty((n, d)), np.empty((n, d, d))
    for i in range(n):
        losses[i], g[i], h[i] = evaluate(theta, model.features[i], model.targets[i])
    mean_g, mean_h = g.mean(axis=0), h.mean(axis=0)
    sigma, slope = np.zeros((d, d)), np.zeros(d)
    for i in range(n):
        sigma += np.outer(g[i] - mean_g, g[i] - mean_g) / n
        for j in range(d):
            # d/dtheta_j of (g_k - mean g_k)(g_j - mean g_j), summed over j.
            slope += (h[i][:, j] - mean_h[:, j]) * (g[i][j] - mean_g[j]) / n
            slope += (g[i] - mean_g) * (h[i][j, j] - mean_h[j, j]) / n
    return {
        "loss": losses.mean() + model.l2 / 2 * (theta**2).sum(),
        "gradient": mean_g + model.l2 * theta,
        "hessian": mean_h + model.l2 * np.eye(d),
        "sigma": sigma,
        "div_sigma": slope,
        "sample_gradients": g + model.l2 * theta,
    }


def make(kind: str, columns: int, n: int = 9, seed: int = 41, l2: float = 0.0) -> DataModel:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, columns))
    targets = rng.standard_normal(n)
    if kind == "logistic_regression":
        targets = (np.arange(n) % 3 == 0).astype(float)
    return DataModel(kind, features, targets, l2)


def mesh(model: DataModel, cells: int = 7, reach: float = 2.0) -> list[np.ndarray]:
    """Open mesh, another one for every axis."""
    axes = [np.linspace(-reach, reach + 0.3 * i, cells + i) for i in range(model.parameters)]
    return list(np.ix_(*axes))


@every_model
@given(seed=st.integers(0, 10**6), l2=st.sampled_from([0.0, 0.3]))
def test_against_the_slow_twin(kind: str, columns: int, seed: int, l2: float) -> None:
    rng = np.random.default_rng(seed)
    model = make(kind, columns, 7, seed, l2)
    theta = 1.5 * rng.standard_normal(model.parameters)
    expected = twin(model, theta)
    scale = 1.0 + max(np.abs(value).max() for value in expected.values())
    for quantity, value in expected.items():
        found = getattr(model, quantity)(theta)
        assert found.shape == np.shape(value)
        np.testing.assert_allclose(found, value, rtol=1e-11, atol=1e-13 * scale, err_msg=quantity)


def sixth_order(function: Callable[..., np.ndarray], theta: np.ndarray, axis: int) -> np.ndarray:
    step = np.zeros_like(theta)
    step[axis] = h = 5e-3
    weights = (0.75, -0.15, 1 / 60)
    return sum(
        w * (function(theta + k * step) - function(theta - k * step)) / h
        for k, w in enumerate(weights, 1)
    )


@every_model
def test_derivatives_against_differences(kind: str, columns: int) -> None:
    model = make(kind, columns, 40, 7, l2=0.2)
    theta = np.array([0.7, -0.4, 0.9])[: model.parameters]
    d = model.parameters
    gradient = [sixth_order(model.loss, theta, j) for j in range(d)]
    hessian = [sixth_order(model.gradient, theta, j) for j in range(d)]
    divergence = sum(sixth_order(model.sigma, theta, j)[:, j] for j in range(d))
    np.testing.assert_allclose(model.gradient(theta), gradient, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.hessian(theta), hessian, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.div_sigma(theta), divergence, rtol=0, atol=1e-10)


@every_model
def test_sigma_is_the_covariance_of_the_sample_gradients(kind: str, columns: int) -> None:
    model = make(kind, columns, 30, l2=0.5)
    theta = np.array([1.1, -0.6, 0.3])[: model.parameters]
    samples = model.sample_gradients(theta)
    np.testing.assert_allclose(samples.mean(axis=0), model.gradient(theta), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        model.sigma(theta), np.cov(samples.T, bias=True).reshape(2 * (model.parameters,)),
        rtol=1e-11, atol=1e-14,
    )  # fmt: skip


@every_model
def test_points_broadcast(kind: str, columns: int) -> None:
    model = make(kind, columns)
    points = mesh(model)
    full = np.broadcast_arrays(*points)
    shape, d = full[0].shape, model.parameters
    for quantity, tensor in [
        ("loss", ()), ("gradient", (d,)), ("hessian", (d, d)), ("sigma", (d, d)),
        ("div_sigma", (d,)),
    ]:  # fmt: skip
        values = getattr(model, quantity)(points)
        assert values.shape == tensor + shape
        assert values.dtype == np.float64
        assert values.tobytes() == getattr(model, quantity)(full).tobytes()
        place = (slice(None),) * len(tensor) + (3,) * d
        np.testing.assert_allclose(
            values[place], getattr(model, quantity)([p[(3,) * d] for p in full]), rtol=1e-13
        )


@every_model
@pytest.mark.parametrize("chunk", [1, 97, 10**9])
def test_chunks_do_not_change_a_bit(
    kind: str, columns: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(kind, columns, 13)
    points = mesh(model)
    names = ("loss", "gradient", "hessian", "sigma", "div_sigma")
    before = [getattr(model, name)(points).tobytes() for name in names]
    monkeypatch.setattr(models, "CHUNK", chunk)
    assert [getattr(model, name)(points).tobytes() for name in names] == before


@every_model
def test_the_order_of_the_rows_does_not_matter(
    kind: str, columns: int, rng: np.random.Generator
) -> None:
    model = make(kind, columns, 50)
    order = rng.permutation(50)
    other = DataModel(kind, model.features[order], model.targets[order])
    points = mesh(model)
    for name in ("loss", "gradient", "hessian", "sigma", "div_sigma"):
        value = getattr(model, name)(points)
        np.testing.assert_allclose(
            getattr(other, name)(points), value, rtol=1e-12, atol=1e-13 * np.abs(value).max()
        )


@every_model
def test_rows_twice_are_the_same_loss(kind: str, columns: int) -> None:
    """n enters as 1/n only: neither Phi nor Sigma knows how often the data are repeated."""
    model = make(kind, columns)
    double = DataModel(kind, np.tile(model.features, (2, 1)), np.tile(model.targets, 2))
    for name in ("loss", "gradient", "hessian", "sigma", "div_sigma"):
        value = getattr(model, name)(mesh(model))
        np.testing.assert_allclose(
            getattr(double, name)(mesh(model)), value, rtol=1e-12, atol=1e-13 * np.abs(value).max()
        )


def test_moments_agree_with_the_sums() -> None:
    """Linear regression from its polynomials and, sample by sample, from the table of losses."""
    model = make("linear_regression", 2, 25, l2=0.1)
    summed = DataModel(model.kind, model.features, model.targets, model.l2)
    summed.__dict__["_moments"] = None
    for name in ("loss", "gradient", "hessian", "sigma", "div_sigma"):
        value = getattr(summed, name)(mesh(model))
        np.testing.assert_allclose(
            getattr(model, name)(mesh(model)), value, rtol=1e-12, atol=1e-13 * np.abs(value).max()
        )


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_logistic_loss_far_from_the_boundary(sign: float) -> None:
    """Margins of 800 overflow exp and cancel in p - 1; at -40 the loss is e^-40, not zero."""
    model = DataModel("logistic_regression", [1.0, 1.0, -1.0], [1.0, 1.0, 0.0])
    far = model.loss([np.array([800.0 * sign, 40.0])])
    np.testing.assert_allclose(far, [0.0 if sign > 0 else 800.0, np.exp(-40.0)], rtol=1e-14)
    slope = model.gradient([np.array([40.0, 800.0 * sign])])
    np.testing.assert_allclose(slope, [[-np.exp(-40.0), 0.0 if sign > 0 else -1.0]], rtol=1e-14)
    curved = model.hessian([np.array([40.0])])
    np.testing.assert_allclose(curved, [[[np.exp(-40.0)]]], rtol=1e-14)


def test_saturated_neuron_keeps_its_digits() -> None:
    """At w x = 20, 1 - tanh^2 computed as such has no digit right."""
    model = DataModel("tanh_neuron", [1.0, 1.0], [0.5, 1.5])
    gradient = model.sample_gradients([2.0, 20.0])
    np.testing.assert_allclose(gradient[0, 1], 1.5 * 2 * 4 * np.exp(-40.0), rtol=1e-13)


def test_sigma_is_singular_where_the_samples_say_so() -> None:
    """A neuron at its origin has no noise at all, and on an axis noise in one direction only."""
    model = make("tanh_neuron", 1, 20)
    np.testing.assert_array_equal(model.sigma([0.0, 0.0]), np.zeros((2, 2)))
    on_axis = model.sigma([1.3, 0.0])
    assert on_axis[1, 1] > 0.1
    np.testing.assert_array_equal(on_axis[0], [0.0, 0.0])
    p = Problem(model, "minibatch", domain={"a": (-2, 2), "w": (-2, 2)})
    p.check(p.grid(21))
    fit = DataModel("linear_regression", [[1.0, 2.0], [3.0, -1.0], [0.5, 0.1]], [4.0, 5.0, 1.1])
    np.testing.assert_allclose(fit.sigma([2.0, 1.0]), 0.0, atol=1e-29)


def test_sigma_has_no_negative_eigenvalue(rng: np.random.Generator) -> None:
    """Two samples leave a Sigma of rank one: the other eigenvalue is zero to rounding."""
    for kind, columns in (("linear_regression", 2), ("logistic_regression", 2), ("tanh_neuron", 1)):
        targets = [1.0, 0.0]
        model = DataModel(kind, rng.standard_normal((2, columns)), targets)
        p = Problem(model, "minibatch", domain={"a": (-30, 30), "b": (-30, 30)})
        p.check(p.grid(64))


def test_largest_curvature_is_the_bound_of_sgd() -> None:
    model = make("logistic_regression", 2, 30, l2=0.1)
    points = mesh(model, 15)
    full = np.broadcast_arrays(*points)
    expected = max(
        np.linalg.eigvalsh(model.hessian([p.flat[i] for p in full]))[-1]
        for i in range(full[0].size)
    )
    assert model.largest_curvature(points) == pytest.approx(expected, rel=1e-14)
    assert model.largest_curvature([0.0, 0.0]) == pytest.approx(
        np.linalg.eigvalsh(model.hessian([0.0, 0.0]))[-1], rel=1e-14
    )


# --- in a problem --------------------------------------------------------------------------------


def box(d: int, reach: float = 3.0) -> dict[str, tuple[float, float]]:
    return {name: (-reach, reach) for name in "xyz"[:d]}


@every_model
def test_problem_has_the_coefficients_of_the_model(kind: str, columns: int) -> None:
    model = make(kind, columns, l2=0.2)
    d = model.parameters
    p = Problem(model, "minibatch", domain=box(d), batch_size=4, learning_rate=0.1)
    points = mesh(model)
    assert p.model is model
    assert (p.beta, p.batch_size, p.learning_rate, p.replacement) == (80.0, 4, 0.1, True)
    assert not p.time_dependent
    assert p.constant_sigma is None
    assert p.noiseless == (False,) * d
    assert p.loss_key == "loss.model"
    np.testing.assert_array_equal(p.loss_at(points), model.loss(points))
    np.testing.assert_array_equal(p.drift_at(points), -model.gradient(points))
    np.testing.assert_array_equal(p.hessian_at(points), model.hessian(points))
    np.testing.assert_array_equal(p.sigma_at(points), model.sigma(points))
    np.testing.assert_array_equal(p.div_sigma_at(points), model.div_sigma(points))
    p.check(p.grid(8))
    assert "samples" in repr(p)


def test_other_derivatives_of_the_fields_are_differences() -> None:
    model = make("logistic_regression", 2, 20)
    p = Problem(model, "minibatch", domain=box(2))
    point = np.array([0.4, -0.3])
    third = p.coefficients.loss.hessian().gradient()(point)
    slopes = p.coefficients.sigma.gradient()(point)
    for j in range(2):
        np.testing.assert_allclose(
            third[:, :, j], sixth_order(model.hessian, point, j), rtol=0, atol=1e-10
        )
        np.testing.assert_allclose(
            slopes[:, :, j], sixth_order(model.sigma, point, j), rtol=0, atol=1e-10
        )


def test_without_replacement_the_noise_is_weaker() -> None:
    """(33): the covariance of the mean of a batch, by running through all batches."""
    from itertools import combinations

    model = make("linear_regression", 2, 6)
    theta, eta, size = [0.3, -0.5], 0.1, 4
    g = model.sample_gradients(theta)
    means = np.array([g[list(batch)].mean(axis=0) for batch in combinations(range(6), size)])
    p = Problem(
        model, "minibatch", domain=box(2), batch_size=size, learning_rate=eta, replacement=False
    )
    # Per step of SGD eta^2 times the covariance of the batch mean, 2 Sigma/beta per unit time.
    np.testing.assert_allclose(
        2 * model.sigma(theta) / p.beta, eta * np.cov(means.T, bias=True), rtol=1e-12
    )


def test_one_sample_has_no_noise() -> None:
    p = Problem(DataModel("linear_regression", [2.0], [1.0]), "minibatch", domain=box(1))
    assert p.noiseless == (True,)


def test_heavy_ball_on_data() -> None:
    model = make("linear_regression", 1, 12)
    p = Problem(
        model, "minibatch", domain={"x": (-2, 2), "v": (-2, 2)},
        batch_size=4, learning_rate=0.04, momentum=0.9,
    )  # fmt: skip
    assert p.friction == pytest.approx(0.5)
    assert p.beta == pytest.approx(20.0)
    sigma = p.sigma_at((0.5, 0.1))
    assert sigma[1, 1] == pytest.approx(0.5 * model.sigma([0.5])[0, 0])
    assert sigma[0, 0] == 0.0


GOOD = {"features": [[1.0, 0.0], [0.5, 2.0], [-1.0, 1.0]], "targets": [1.0, 0.0, 1.0]}


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"kind": "logistic_regresion"}, "loss.model", "did you mean logistic_regression"),
        ({"features": [[1.0], [2.0]]}, "loss.features", r"\(2, 1\) do not fit .* \(3,\)"),
        ({"features": [], "targets": []}, "loss.features", "do not fit"),
        ({"features": [["a"]] * 3}, "loss.features", "not a number"),
        ({"features": [1.0, np.nan, 2.0]}, "loss.features", "nan in row 2"),
        ({"targets": [1.0, 0.0, np.inf]}, "loss.target", "inf in row 3"),
        ({"targets": [1.0, 0.0, 1e61]}, "loss.target", r"1e\+61 in row 3"),
        ({"features": [[1.0, 0.0]] * 3}, "loss.features[1]", "zero in every row"),
        ({"features": [[1.0, 2.0]], "targets": [1.0]}, "loss.data", "1 rows are too few for 2"),
        ({"l2": -1.0}, "loss.l2", "-1 is not"),
        ({"l2": np.nan}, "loss.l2", "nan is not"),
        ({"targets": [1.0, 0.0, 2.0]}, "loss.target", "row 3 is 2; it must be 0 or 1"),
        ({"targets": [1.0, 1.0, 1.0]}, "loss.target", "1 in every row"),
        ({"names": ("x",)}, "loss.features", "1 names for 2"),
    ],
)
def test_bad_data(changes: dict, key: str, words: str) -> None:
    with pytest.raises(CaseError, match=words) as caught:
        DataModel(**{"kind": "logistic_regression", **GOOD, **changes})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"domain": box(3)}, "domain", r"has 2 parameters, and there are 3 axes .*\(x, y, z\)"),
        ({"domain": box(1)}, "domain", "has 2 parameters, and there is 1 axis"),
        ({"loss": "x**2"}, "noise.source", "given by loss.model"),
        ({"batch_size": 2.5}, "noise.batch_size", "2.5 is not a whole number"),
        ({"batch_size": 0}, "noise.batch_size", "not positive"),
        ({"batch_size": 13, "replacement": False}, "noise.batch_size", "drawn from 12 .* most 11"),
        ({"batch_size": 12, "replacement": False}, "noise.batch_size", "leave no noise"),
        ({"beta": 3.0}, "noise.beta", "given twice"),
        ({"learning_rate": None}, "noise.learning_rate", "is missing"),
        ({"batch_size": None}, "noise.batch_size", "is missing"),
        (
            {"batch_size": None, "beta": 1.0, "replacement": False},
            "noise.replacement",
            "needs batch_size",
        ),
        ({"loss": "x", "sigma": 1.0, "replacement": False}, "noise.replacement", "loss of data"),
    ],
)
def test_bad_problems(changes: dict, key: str, words: str) -> None:
    good = {
        "loss": make("linear_regression", 2, 12), "sigma": "minibatch", "domain": box(2),
        "batch_size": 3, "learning_rate": 0.1,
    }  # fmt: skip
    with pytest.raises(CaseError, match=words) as caught:
        Problem(**{**good, **changes})
    assert caught.value.key == key


def test_a_batch_with_replacement_may_be_larger_than_the_data() -> None:
    model = make("linear_regression", 1, 5)
    p = Problem(model, "minibatch", domain=box(1), batch_size=20, learning_rate=0.1)
    assert p.beta == 400.0


def test_models_do_not_change() -> None:
    model = make("linear_regression", 1)
    for array in (model.features, model.targets):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0
    assert model.features.flags.c_contiguous
    features = np.ones((3, 1))
    kept = DataModel("linear_regression", features, [1.0, 2.0, 3.0])
    features[0] = 7.0
    assert kept.features[0, 0] == 1.0
    assert set(KINDS) == {"linear_regression", "logistic_regression", "tanh_neuron"}


# --- the density at rest -------------------------------------------------------------------------


def stationary_covariance(model: DataModel, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """Of d theta = -H delta dt + noise of covariance 2 Sigma(delta)/beta, exactly and to order eta.

    Sigma is quadratic in delta, so that E[Sigma] is linear in the covariance C of delta:
    H C + C H = (2/beta)(V + mean of (A_i - H) C (A_i - H)), A_i = x_i x_i^T. Without the last term
    it is the Lyapunov equation with Sigma at the minimum.
    """
    x, y, n, d = model.features, model.targets, model.samples, model.parameters
    hessian = x.T @ x / n
    residuals = x @ np.linalg.solve(hessian, x.T @ y / n) - y
    noise = np.cov((residuals[:, None] * x).T, bias=True)
    multiplicative = np.zeros((d * d, d * d))
    for row in x:
        varied = np.outer(row, row) - hessian
        multiplicative += np.kron(varied, varied) / n
    lyapunov = np.kron(hessian, np.eye(d)) + np.kron(np.eye(d), hessian)
    right = 2 / beta * noise.ravel()
    exact = np.linalg.solve(lyapunov - 2 / beta * multiplicative, right)
    return exact.reshape(d, d), np.linalg.solve(lyapunov, right).reshape(d, d)


@compiled_only
def test_linear_regression_at_rest_has_the_covariance_of_the_closed_form(
    rng: np.random.Generator,
) -> None:
    features = rng.standard_normal((40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    truth = np.array([0.5, -0.3])
    targets = features @ truth + 0.4 * rng.standard_normal(40)
    model = DataModel("linear_regression", features, targets)
    errors = []
    for eta in (0.1, 0.025):
        beta = 2 * 2 / eta
        exact, leading = stationary_covariance(model, beta)
        centre = np.linalg.lstsq(features, targets, rcond=None)[0]
        reach = 7 * np.sqrt(np.diag(exact))
        domain = {name: (c - r, c + r) for name, c, r in zip("xy", centre, reach, strict=True)}
        p = Problem(model, "minibatch", domain=domain, batch_size=2, learning_rate=eta)
        grid = p.grid(96)
        density = fp.stationary(fp.generator(p, grid)).density.values
        mass = density * grid.cell_volume
        x = np.broadcast_arrays(*grid.points)
        mean = [(mass * one).sum() for one in x]
        found = [[(mass * (u - a) * (v - b)).sum() for v, b in zip(x, mean, strict=True)]
                 for u, a in zip(x, mean, strict=True)]  # fmt: skip
        np.testing.assert_allclose(mean, centre, atol=1e-3 * reach.min())
        # Second order on cells of 0.15 standard deviations.
        np.testing.assert_allclose(found, exact, atol=2e-3 * exact.max())
        errors.append(np.abs(found - leading).max() / exact.max())
    # The Lyapunov equation misses the multiplicative noise, in proportion to eta.
    assert errors[0] > 0.01
    assert 3.0 < errors[0] / errors[1] < 6.0
