"""The problem: coefficients, their derivatives, the heavy ball, and checks on a grid."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from fokkerplanck.domain import Axis, Domain
from fokkerplanck.errors import CaseError
from fokkerplanck.problem import Problem
from fokkerplanck.problem.callables import CallableField
from fokkerplanck.problem.noise import beta_from, friction_from

BOX = {"x": (-4, 4), "y": (-4, 4)}
POINTS = np.ix_(np.linspace(-2.0, 1.5, 5), np.linspace(-1.0, 3.0, 4))
X, Y = np.broadcast_arrays(*POINTS)


def test_all_coefficients_of_an_anisotropic_problem():
    p = Problem(
        "0.5*(x**2 + k*y**2)",
        [["1 + x**2", "x*y"], ["x*y", "2 + y**2"]],
        beta=2.0,
        domain=BOX,
        drift=["-y", "x"],
        parameters={"k": 3},
    )
    np.testing.assert_allclose(p.loss_at(POINTS), 0.5 * (X**2 + 3 * Y**2), rtol=1e-14)
    np.testing.assert_allclose(p.gradient_at(POINTS), [X, 3 * Y], rtol=1e-14)
    np.testing.assert_allclose(p.drift_at(POINTS), [-X - Y, -3 * Y + X], rtol=1e-14)
    np.testing.assert_array_equal(p.hessian_at(POINTS)[:, :, 2, 1], np.diag([1.0, 3.0]))
    np.testing.assert_allclose(
        p.sigma_at(POINTS), [[1 + X**2, X * Y], [X * Y, 2 + Y**2]], rtol=1e-14
    )
    # Over columns: d(1 + x^2)/dx + d(x y)/dy = 3 x, d(x y)/dx + d(2 + y^2)/dy = 3 y.
    np.testing.assert_allclose(p.div_sigma_at(POINTS), [3 * X, 3 * Y], rtol=1e-14)
    np.testing.assert_allclose(
        p.velocity_at(POINTS), [-X - Y - 1.5 * X, -3 * Y + X - 1.5 * Y], rtol=1e-13
    )
    assert p.names == ("x", "y")
    assert p.ndim == 2
    assert p.constant_sigma is None
    assert not p.time_dependent


def test_divergence_runs_over_columns():
    """Sum over j of d Sigma_ij/dx_j; a Sigma that is not symmetric tells rows from columns."""
    p = Problem("0", [["x", "y**2"], ["x**2", "y"]], domain=BOX)
    np.testing.assert_allclose(p.div_sigma_at(POINTS), [1 + 2 * Y, 2 * X + 1], rtol=1e-14)
    q = Problem("0", lambda x, y: [[x, y**2], [x**2, y]], domain=BOX)
    np.testing.assert_allclose(q.div_sigma_at(POINTS), [1 + 2 * Y, 2 * X + 1], rtol=1e-10)


@pytest.mark.parametrize(
    ("sigma", "matrix", "scale"),
    [
        (2, [[2, 0], [0, 2]], 2.0),
        ("k", [[3, 0], [0, 3]], 3.0),
        ([1, "2*k"], [[1, 0], [0, 6]], None),
        ([2, 2], [[2, 0], [0, 2]], 2.0),
        ([["1", 0.9], [0.9, "1"]], [[1, 0.9], [0.9, 1]], None),
        (np.array([[1, 0.9], [0.9, 1]]), [[1, 0.9], [0.9, 1]], None),
        (np.float64(0.25), [[0.25, 0], [0, 0.25]], 0.25),
        (0, [[0, 0], [0, 0]], None),
        (lambda x, y: [[1, 0], [0, 2]], None, None),
        ("1 + x**2", None, None),
        ("t", None, None),
    ],
)
def test_forms_of_sigma(sigma, matrix, scale):
    p = Problem("x**2", sigma, domain=BOX, parameters={"k": 3})
    assert p.isotropic_scale == scale
    assert p.sigma_at(POINTS).shape == (2, 2, 5, 4)
    if matrix is None:
        assert p.constant_sigma is None
    else:
        np.testing.assert_array_equal(p.constant_sigma, matrix)
        np.testing.assert_array_equal(p.sigma_at(POINTS)[:, :, 3, 2], matrix)
        np.testing.assert_array_equal(p.div_sigma_at(POINTS), np.zeros((2, 5, 4)))


def test_extra_drift_or_friction_is_not_isotropic():
    assert Problem("x", 2, domain=BOX, drift=["0", "x"]).isotropic_scale is None
    assert Problem("x", 2, domain={"x": (0, 1), "v": (0, 1)}, friction=1).isotropic_scale is None


def test_noise_in_one_component():
    p = Problem(None, [0, "1 + x**2"], domain=BOX, drift=["y", "-x - (x**2 + y**2)*y"])
    assert p.noiseless == (True, False)
    np.testing.assert_array_equal(p.loss_at(POINTS), np.zeros((5, 4)))
    np.testing.assert_allclose(p.drift_at(POINTS), [Y, -X - (X**2 + Y**2) * Y], rtol=1e-14)
    p.check(p.grid(16))


def test_one_axis():
    p = Problem("x**4/4 - x**2/2", "1 + x**2", beta=5, domain={"x": (-3, 3)})
    x = np.linspace(-2, 2, 9)
    np.testing.assert_allclose(p.velocity_at((x,)), [-(x**3) + x - 2 * x / 5], atol=1e-14)
    q = Problem(lambda x: x**4 / 4, lambda x: 1 + x**2, domain={"x": (-3, 3)}, drift=lambda x: x)
    np.testing.assert_allclose(q.div_sigma_at((x,)), [2 * x], atol=1e-10)
    np.testing.assert_allclose(q.drift_at((x,)), [x - x**3], atol=1e-10)
    assert q.sigma_at((x,)).shape == (1, 1, 9)


def test_time_dependence_of_formulas_and_callables():
    still = Problem("x**2", domain=BOX)
    moving = Problem("x**2", [["1", "0.8*cos(t)"], ["0.8*cos(t)", "1"]], domain=BOX)
    assert (still.time_dependent, moving.time_dependent) == (False, True)
    assert (moving.drift_time_dependent, moving.sigma_time_dependent) == (False, True)
    assert moving.sigma_at(POINTS, 0.7)[0, 1, 0, 0] == pytest.approx(0.8 * math.cos(0.7), rel=1e-15)
    driven = Problem(lambda x, y, t=0.0: (x - t) ** 2 + y**2, domain=BOX)
    assert driven.coefficients.loss.time_dependent
    np.testing.assert_allclose(driven.gradient_at(POINTS, 0.4), [2 * (X - 0.4), 2 * Y], atol=1e-10)
    np.testing.assert_allclose(driven.hessian_at(POINTS, 0.4)[0, 0], 2.0, atol=1e-9)
    assert Problem(None, domain=BOX, drift=["t", "1/(t + x)"]).drift_time_dependent


def test_a_callable_may_call_its_axis_t():
    p = Problem(lambda t, v: t**2 + v, domain=BOX)
    assert not p.time_dependent
    np.testing.assert_allclose(p.loss_at(POINTS, 3.0), X**2 + Y, rtol=1e-14)


# --- callables ----------------------------------------------------------------------------------


def smooth(x, y):
    return np.sin(1.3 * x) * np.exp(0.4 * y)


def errors_of_differences(length: float) -> dict[str, float]:
    """Errors at one point; the steps are fixed fractions of the axis length."""
    f = CallableField(smooth, (), (length, length), "loss")
    g = CallableField(lambda x, y: [smooth(x, y), smooth(y, x)], (2,), (length, length), "loss")
    x, y = 0.4, -0.3
    s, c, e = math.sin(1.3 * x), math.cos(1.3 * x), math.exp(0.4 * y)
    gradient = np.array([1.3 * c * e, 0.4 * s * e])
    hessian = np.array([[-1.69 * s * e, 0.52 * c * e], [0.52 * c * e, 0.16 * s * e]])
    divergence = 1.3 * c * e + 1.3 * math.cos(1.3 * y) * math.exp(0.4 * x)
    return {
        "gradient": np.abs(f.gradient()((x, y)) - gradient).max(),
        "second": abs(f.hessian()((x, y))[0, 0] - hessian[0, 0]),
        "mixed": abs(f.hessian()((x, y))[1, 0] - hessian[1, 0]),
        "divergence": abs(g.divergence()((x, y)) - divergence),
    }


@pytest.mark.parametrize(
    ("kind", "lengths"),
    [
        ("gradient", [256, 320, 400, 512]),
        ("divergence", [256, 320, 400, 512]),
        ("second", [64, 80, 100, 128]),
        ("mixed", [64, 80, 100, 128]),
    ],
)
def test_differences_are_of_order_six(kind, lengths):
    errors = [errors_of_differences(length)[kind] for length in lengths]
    slope = np.polyfit(np.log(lengths), np.log(errors), 1)[0]
    assert slope == pytest.approx(6.0, abs=0.15)


def test_differences_on_an_ordinary_box_are_nearly_exact():
    """Docstring claim: truncation at the size of rounding for features of an eighth of the axis."""
    errors = errors_of_differences(8.0)
    assert errors["gradient"] < 1e-12
    assert errors["divergence"] < 1e-12
    assert errors["second"] < 1e-10
    assert errors["mixed"] < 1e-10


def test_derivatives_that_are_given_are_used():
    p = Problem(
        lambda x, y: x**2 + y**2,
        lambda x, y: [[1 + 0 * x, 0], [0, 1]],
        domain=BOX,
        gradient=lambda x, y: [2 * x, 2 * y + 7],
        div_sigma=lambda x, y: [x, 5],
    )
    np.testing.assert_array_equal(p.gradient_at(POINTS), [2 * X, 2 * Y + 7])
    np.testing.assert_array_equal(p.div_sigma_at(POINTS), [X, 5 + 0 * X])
    # Without a Hessian of its own, that of the given gradient.
    np.testing.assert_allclose(
        p.hessian_at(POINTS), np.einsum("ij,...->ij...", 2 * np.eye(2), 1 + 0 * X), atol=1e-10
    )
    q = Problem(lambda x, y: x, domain=BOX, hessian=lambda x, y: [[3, 1], [1, 3]])
    np.testing.assert_array_equal(q.hessian_at(POINTS)[:, :, 0, 0], [[3, 1], [1, 3]])


def test_callables_get_full_arrays_and_results_are_copies():
    seen = []

    def loss(x, y):
        seen.append((x.shape, y.shape))
        return np.stack([x, y]).sum(axis=0)

    p = Problem(loss, domain=BOX)
    np.testing.assert_array_equal(p.loss_at(POINTS), X + Y)
    assert seen == [((5, 4), (5, 4))]


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ({"loss": lambda x, y: [1, 2, 3]}, "loss"),
        ({"loss": lambda x, y: 1j * x}, "loss"),
        ({"loss": lambda x, y: "text"}, "loss"),
        ({"loss": "x", "drift": lambda x, y: x}, "drift"),
        ({"loss": "x", "sigma": lambda x, y: np.ones((3, 3))}, "noise.sigma"),
        ({"loss": "x", "sigma": lambda x, y: 2.0}, "noise.sigma"),
    ],
)
def test_callables_of_a_wrong_shape(arguments, key):
    p = Problem(domain=BOX, **arguments)
    with pytest.raises(CaseError, match="the function returned") as caught:
        p.check(p.grid(8))
    assert caught.value.key == key


# --- heavy ball ---------------------------------------------------------------------------------


def test_heavy_ball_is_the_equation():
    """d theta = v dt, dv = -(gamma v + grad Phi - f) dt + sqrt(2 gamma Sigma/beta) dW."""
    p = Problem(
        "x**4/4", "1 + x**2", 3, {"x": (-2, 2), "v": (-3, 3)}, friction=0.5, drift=["sin(x)"]
    )
    zero = np.zeros_like(X)
    np.testing.assert_allclose(p.loss_at(POINTS), X**4 / 4, rtol=1e-14)
    np.testing.assert_allclose(p.gradient_at(POINTS), [X**3, zero], rtol=1e-14)
    np.testing.assert_allclose(p.hessian_at(POINTS)[0, 0], 3 * X**2, rtol=1e-14)
    assert np.count_nonzero(p.hessian_at(POINTS)[1]) == 0
    expected = [Y, -0.5 * Y - X**3 + np.sin(X)]
    np.testing.assert_allclose(p.drift_at(POINTS), expected, rtol=1e-13)
    np.testing.assert_allclose(
        p.sigma_at(POINTS), [[zero, zero], [zero, 0.5 * (1 + X**2)]], rtol=1e-14
    )
    np.testing.assert_array_equal(p.div_sigma_at(POINTS), [zero, zero])
    np.testing.assert_array_equal(p.velocity_at(POINTS), p.drift_at(POINTS))
    assert p.noiseless == (True, False)
    p.check(p.grid(16))


def test_heavy_ball_leaves_its_gibbs_state_at_rest():
    """Sigma = 1: with rho = exp(-beta(Phi + v^2/2)), div(velocity rho - D grad rho) = 0."""
    p = Problem("x**4/4 - x**2/2", 1, 2.0, {"x": (-3, 3), "v": (-3, 3)}, momentum=0.4)
    assert p.friction == pytest.approx(0.6)
    np.testing.assert_allclose(p.constant_sigma, [[0, 0], [0, 0.6]])

    def current(x, v):
        rho = np.exp(-2.0 * (x**4 / 4 - x**2 / 2 + v**2 / 2))
        drift = p.velocity_at((x, v))
        return [drift[0] * rho, drift[1] * rho + 0.6 * v * rho]

    divergence = CallableField(current, (2,), (4.0, 4.0), "current").divergence()
    np.testing.assert_allclose(divergence(POINTS), 0.0, atol=1e-10)


def test_heavy_ball_needs_a_velocity_for_each_parameter():
    with pytest.raises(CaseError, match="velocity for each parameter"):
        Problem("x**2", domain={"x": (-1, 1)}, friction=1)
    with pytest.raises(CaseError, match="v is not known; known are x, t, beta"):
        Problem("x**2 + v**2", domain={"x": (-1, 1), "v": (-1, 1)}, friction=1)


def test_temperature_and_friction_of_sgd():
    assert beta_from(32, 0.1) == pytest.approx(640)
    assert beta_from(32, 0.1, momentum=0.9) == pytest.approx(64)
    assert friction_from(0.9, 0.04) == pytest.approx(0.5)
    assert friction_from(0.9) == pytest.approx(0.1)


def test_heavy_ball_scaling_against_its_discrete_stationary_variance():
    """Discrete heavy ball on h x^2/2 with noise variance s/|B|, stationary variance exactly known.

    V' = mu V + h x + xi, x' = x - eta V': var x solves a Lyapunov equation; as eta -> 0 it tends
    to s/(beta h) with beta = 2|B|(1 - mu)/eta. v = -sqrt(eta) V has 2/(1 + mu) times s/beta.
    """
    eta, mu, h, s, batch = 1e-5, 0.8, 1.7, 2.0, 8
    step = np.array([[1 - eta * h, -eta * mu], [h, mu]])
    noise = np.array([[-eta], [1.0]])
    forcing = noise @ noise.T * s / batch
    covariance = np.linalg.solve(np.eye(4) - np.kron(step, step), forcing.ravel()).reshape(2, 2)
    beta = beta_from(batch, eta, momentum=mu)
    assert covariance[0, 0] == pytest.approx(s / (beta * h), rel=1e-3)
    assert eta * covariance[1, 1] == pytest.approx(2 / (1 + mu) * s / beta, rel=1e-3)


# --- checks on a grid ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        ({"loss": "log(x)"}, "loss.formula", "the loss is nan at x = -3.5, y = -3.5$"),
        ({"loss": "1/(x - 0.5)/(y + 2.5)"}, "loss.formula", "-?inf at x = -3.5, y = -2.5"),
        ({"loss": "abs(x - 0.5)**0.5"}, "loss.formula", "gradient of the loss is nan at x = 0.5"),
        ({"loss": lambda x, y: np.log(x)}, "loss", "the loss is nan at"),
        ({"drift": ["0", "1/(x - 0.5)"]}, "drift.formula", "drift is inf at x = 0.5, y = -3.5"),
        ({"sigma": "sqrt(x)"}, "noise.sigma", "Sigma is nan at x = -3.5"),
        (
            {"sigma": "2 + sqrt(abs(x - 0.5))"},
            "noise.sigma",
            "divergence of Sigma is nan at x = 0.5",
        ),
        (
            {"sigma": [["5", "0.1*x"], ["0.2*x", "5"]]},
            "noise.sigma",
            r"not symmetric at x = -3.5.*\(1, 2\) is -0.35 and its entry \(2, 1\) is -0.7.*0.35",
        ),
        (
            {"sigma": [[1, 2], [2, 1]]},
            "noise.sigma",
            "negative eigenvalue -1 everywhere",
        ),
        ({"sigma": -1}, "noise.sigma", "negative eigenvalue -1 everywhere"),
        ({"sigma": [[1, 0.5], [0.4, 1]]}, "noise.sigma", "not symmetric everywhere"),
        ({"sigma": [[1, "x/3"], ["x/3", 1]]}, "noise.sigma", "-0.166667 at x = -3.5"),
        (
            {"sigma": lambda x, y: [[1, 0], [0, 3.4 - x]]},
            "noise.sigma",
            "negative eigenvalue -0.1 at x = 3.5",
        ),
        ({"sigma": "cos(t)"}, "noise.sigma", "-1 at x = -3.5, y = -3.5, t = 3.14159"),
    ],
)
def test_check_says_what_and_where(arguments, key, words):
    p = Problem(**{"loss": "x**2", "domain": BOX, **arguments})
    with pytest.raises(CaseError, match=words) as caught:
        p.check(p.grid(8), math.pi if p.time_dependent else 0.0)
    assert caught.value.key == key


def test_check_finds_one_bad_cell_in_a_later_slab():
    p = Problem(
        "x**2 + y**2 + z**2",
        "1 - 2*exp(-1e4*((x - 1.53125)**2 + (y + 1.03125)**2 + (z - 0.53125)**2))",
        domain={"x": (-2, 2), "y": (-2, 2), "z": (-2, 2)},
    )
    with pytest.raises(CaseError, match=r"-1 at x = 1.53125, y = -1.03125, z = 0.53125;"):
        p.check(p.grid(64))


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_rank_deficient_sigma_passes_and_a_small_negative_eigenvalue_does_not(rank):
    rng = np.random.default_rng(70117)
    basis = np.linalg.qr(rng.standard_normal((3, 3)))[0]

    def sigma(shift):
        values = np.where(np.arange(3) < rank, [1e5, 3.0, 0.4], shift * 1e5)
        return (basis * values) @ basis.T

    domain = {"x": (0, 1), "y": (0, 1), "z": (0, 1)}
    for kind in (lambda m: m, lambda m: lambda x, y, z: m[:, :, None, None, None] * (1 + 0 * x)):
        p = Problem("x", kind((sigma(0) + sigma(0).T) / 2), domain=domain)
        if rank == 0:
            with pytest.raises(CaseError, match=r"noise\.sigma: is zero"):
                p.check(p.grid(4))
            continue
        p.check(p.grid(4))
        if 0 < rank < 3:
            q = Problem("x", kind((sigma(-1e-10) + sigma(-1e-10).T) / 2), domain=domain)
            with pytest.raises(CaseError, match="negative eigenvalue -1"):
                q.check(q.grid(4))


def test_check_of_a_large_grid_is_fast():
    p = Problem(
        "x**2 + y**2 + z**2 + x*y",
        [["2 + sin(x)", "0.1*x", 0], ["0.1*x", "1 + y**2", 0], [0, 0, "exp(z)"]],
        domain={name: (-2, 2) for name in "xyz"},
    )
    start = time.perf_counter()
    p.check(p.grid(96))
    assert time.perf_counter() - start < 2.0


def test_evaluation_compiles_once():
    p = Problem("x**2*cos(t)", "1 + t", domain=BOX)
    p.velocity_at(POINTS)
    start = time.perf_counter()
    for step in range(200):
        p.velocity_at(POINTS, 0.01 * step)
    # Compiling anew would take some 10 ms each time.
    assert time.perf_counter() - start < 0.5


# --- construction -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        ({"loss": None}, "loss", "neither a loss nor a drift"),
        ({"domain": None}, "domain", "no domain"),
        ({"domain": {"t": (0, 1)}}, "domain.t", "already has a meaning"),
        ({"domain": {"a b": (0, 1)}}, "domain.a b", "cannot be a name"),
        ({"beta": -1}, "noise.beta", "-1 is not positive"),
        ({"beta": 0}, "noise.beta", "beta must be a number > 0"),
        ({"beta": "x"}, "noise.beta", "x is not known"),
        ({"parameters": {"x": 1}}, "parameters.x", "name of an axis"),
        ({"parameters": {"sin": 1}}, "parameters.sin", "already has a meaning"),
        ({"momentum": 1.0}, "noise.momentum", "0 <= mu < 1"),
        ({"friction": 0}, "noise.friction", "not positive"),
        ({"friction": 1, "momentum": 0.1}, "noise.friction", "give one"),
        ({"sigma": [[1, 2], [3, 4], [5, 6]]}, "noise.sigma", "is 3 x 2; for 2 axes give"),
        ({"sigma": [[1, 2], [3]]}, "noise.sigma", r"row lengths \[2, 1\]"),
        ({"sigma": [1, 2, 3]}, "noise.sigma", "diagonal has 3 entries"),
        ({"sigma": [[1, 0], 2]}, "noise.sigma", "some rows are lists"),
        ({"sigma": None}, "noise.sigma", "None is not a number"),
        ({"sigma": "1 +"}, "noise.sigma", "column 4"),
        ({"drift": ["x"]}, "drift.formula", "1 components for 2 axes"),
        ({"drift": ["x", "q"]}, "drift.formula", "q is not known"),
        ({"loss": {"name": "ring", "formula": "x"}}, "loss", "either formula or name"),
        ({"loss": {"formula": "x", "radius": 1}}, "loss.radius", "beside a formula"),
        ({"loss": [1]}, "loss.formula", "is not a formula"),
    ],
)
def test_bad_arguments(arguments, key, words):
    with pytest.raises(CaseError, match=words) as caught:
        Problem(**{"loss": "x**2", "domain": BOX, **arguments})
    assert caught.value.key == key


@pytest.mark.parametrize("call", [(0, 0.1), (32, 0), (32, -1), (32, 0.1, 1.0), (32, 0.1, -0.1)])
def test_bad_settings_of_sgd(call):
    with pytest.raises(CaseError, match="must be"):
        beta_from(*call)


def test_beta_is_a_name_in_formulas():
    """Sigma = 1 + S exp(beta Phi) gives the Gibbs state of Phi; beta itself may be a formula."""
    p = Problem("x**2", "1 + exp(beta*x**2)/2", beta="2*k", domain=BOX, parameters={"k": 0.6})
    assert p.beta == 1.2
    assert p.sigma_at((1.0, 0.0))[0, 0] == pytest.approx(1 + math.exp(1.2) / 2, rel=1e-15)


def test_domains_and_grids():
    box = Domain((Axis("x", -1, 1), Axis("y", 0, 2, ("periodic", "periodic"))))
    p = Problem("x**2", domain=box, title="a title")
    assert p.domain is box
    assert p.grid((8, 16)).shape == (8, 16)
    assert p.grid(8).shape == (8, 8)
    assert p.title == "a title"


def test_a_problem_does_not_change_and_shows_itself():
    p = Problem("x**2", [["1", 0], [0, 1]], 2, BOX, drift=["-y", "x"])
    with pytest.raises(AttributeError, match="does not change"):
        p.beta = 3
    assert repr(p) == (
        "Problem(loss='x**2', sigma=[['1', 0], [0, 1]], beta=2, drift=['-y', 'x']; "
        "x in [-4, 4], y in [-4, 4])"
    )
    assert len(repr(Problem("x + " * 500 + "x", smooth, domain=BOX))) < 150
