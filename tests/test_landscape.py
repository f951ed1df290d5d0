"""Named landscapes: critical points, curvatures, keys."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from fokkerplanck.errors import CaseError
from fokkerplanck.problem import Problem
from fokkerplanck.problem.landscape import FAMILIES, Landscape

NAMES = ("x", "y", "z")


def problem(landscape: Landscape, d: int, **keys) -> Problem:
    return Problem(landscape, domain={name: (-4, 4) for name in NAMES[:d]}, **keys)


def assert_critical(landscape: Landscape, point, value: float, curvatures) -> None:
    """Gradient zero, and the value and Hessian eigenvalues as stated."""
    p = problem(landscape, len(point))
    assert p.loss_at(point) == pytest.approx(value, abs=1e-12)
    np.testing.assert_allclose(p.gradient_at(point), 0.0, atol=1e-11)
    np.testing.assert_allclose(np.linalg.eigvalsh(p.hessian_at(point)), curvatures, atol=1e-9)


def test_quadratic():
    hessian = np.array([[3.0, 0.8], [0.8, 1.0]])
    p = problem(Landscape("quadratic", hessian=hessian, minimum=[0.5, -1]), 2)
    theta = np.array([1.2, 0.7])
    shifted = theta - [0.5, -1]
    assert p.loss_at(theta) == pytest.approx(0.5 * shifted @ hessian @ shifted, rel=1e-14)
    np.testing.assert_allclose(p.gradient_at(theta), hessian @ shifted, rtol=1e-14)
    np.testing.assert_array_equal(p.hessian_at(theta), hessian)


def test_quadratic_short_forms():
    assert_critical(Landscape("quadratic"), (0.0, 0.0, 0.0), 0.0, [1, 1, 1])
    assert_critical(Landscape("quadratic", hessian=2, minimum=1), (1.0,), 0.0, [2])
    assert_critical(Landscape("quadratic", hessian=[3, 1]), (0.0, 0.0), 0.0, [1, 3])


@pytest.mark.parametrize("d", [1, 2, 3])
def test_double_well(d):
    well = Landscape("double_well", barrier=1.5, separation=3.0, stiffness=2.0)
    rest, others = (0.0,) * (d - 1), [2.0] * (d - 1)
    # barrier ((x/a)^2 - 1)^2: curvature 8 barrier/a^2 at +-a, -4 barrier/a^2 at 0.
    for side in (-1.5, 1.5):
        assert_critical(well, (side, *rest), 0.0, sorted([8 * 1.5 / 1.5**2, *others]))
    assert_critical(well, (0.0, *rest), 1.5, sorted([-4 * 1.5 / 1.5**2, *others]))


@pytest.mark.parametrize("angle", [0.0, 0.9, 2.5])
def test_ring(angle):
    ring = Landscape("ring", radius=1.3, stiffness=4.0)
    point = (1.3 * np.cos(angle), 1.3 * np.sin(angle))
    assert_critical(ring, point, 0.0, [0.0, 4.0])
    assert_critical(ring, (*point, 0.0), 0.0, [0.0, 4.0, 4.0])
    assert_critical(ring, (0.0, 0.0), 4.0 * 1.3**2 / 8, [-2.0, -2.0])


@pytest.mark.parametrize(
    ("start", "value"),
    [
        ((-0.558224, 1.441726), -146.69952),
        ((-0.050011, 0.466694), -80.76782),
        ((0.623499, 0.028038), -108.16672),
        ((-0.822002, 0.624313), -40.66484),
        ((0.212487, 0.292988), -72.24894),
    ],
)
def test_mueller_brown(start, value):
    """The three minima and two saddles of the literature, to their printed digits."""
    p = problem(Landscape("mueller_brown", scale=0.5), 2)
    assert p.loss_at(start) == pytest.approx(0.5 * value, abs=1e-5)
    # At six printed digits and curvatures below 3000 the gradient is below 3e-3.
    assert np.abs(p.gradient_at(start)).max() < 3e-3
    saddle = value > -80
    assert np.sum(np.linalg.eigvalsh(p.hessian_at(start)) < 0) == saddle


def test_rosenbrock():
    valley = Landscape("rosenbrock", a=1.5, b=10.0)
    h = np.array([[2 + 80 * 1.5**2, -40 * 1.5], [-40 * 1.5, 20.0]])
    assert_critical(valley, (1.5, 2.25), 0.0, np.linalg.eigvalsh(h))
    assert problem(Landscape("rosenbrock"), 3).loss_at((1.0, 1.0, 1.0)) == 0.0


@pytest.mark.parametrize("d", [1, 2, 3])
def test_sharp_flat(d):
    keys = {"sharp_width": 0.2, "flat_width": 0.8, "sharp_depth": 0.3, "flat_depth": 0.1}
    wells = Landscape("sharp_flat", separation=2.4, **keys)
    rest = (0.0,) * (d - 1)
    assert_critical(wells, (-1.2, *rest), -0.3, [1 / 0.04] * d)
    assert_critical(wells, (1.2, *rest), -0.1, [1 / 0.64] * d)


def test_sharp_flat_has_no_other_minimum_and_confines():
    p = problem(Landscape("sharp_flat", sharp_depth=0.2), 2)
    x = np.linspace(-4, 4, 17)
    ends = np.array(
        [
            minimize(lambda q: float(p.loss_at(q)), (a, b), jac=lambda q: p.gradient_at(q)).x.round(
                4
            )
            for a in x
            for b in x[::4]
        ]
    )
    assert {tuple(np.abs(end)) for end in np.unique(ends, axis=0)} == {(1.0, 0.0)}
    far = p.loss_at((np.array([-40.0, 40.0]), np.array([0.0, 30.0])))
    assert np.all(far > 500)


def test_values_may_be_formulas_of_parameters():
    p = problem(Landscape("ring", radius="2*a"), 2, parameters={"a": 0.75})
    assert p.loss_at((1.5, 0.0)) == 0.0


def test_mapping_and_formula_are_the_same_landscape():
    text = Landscape("ring", radius=2.0).formula(("x", "y"))
    domain = {"x": (-4, 4), "y": (-4, 4)}
    points = np.ix_(np.linspace(-3, 3, 5), np.linspace(-3, 3, 4))
    for loss in (text, {"name": "ring", "radius": 2.0}, {"formula": text}):
        np.testing.assert_array_equal(
            Problem(loss, domain=domain).loss_at(points),
            problem(Landscape("ring", radius=2.0), 2).loss_at(points),
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_finite_with_its_defaults(name):
    for d in FAMILIES[name].axes:
        p = problem(Landscape(name), d)
        p.check(p.grid(8))


@pytest.mark.parametrize(
    ("name", "keys", "d", "key", "words"),
    [
        ("rings", {}, 2, "loss.name", "did you mean ring"),
        ("ring", {"radios": 1}, 2, "loss.radios", "did you mean radius"),
        ("ring", {"radius": -1}, 2, "loss.radius", "-1 is not positive"),
        ("ring", {"radius": "2*q"}, 2, "loss.radius", "q is not known"),
        ("ring", {"radius": [1]}, 2, "loss.radius", "not a number"),
        ("ring", {}, 1, "loss.name", "needs 2 or 3 axes"),
        ("mueller_brown", {}, 3, "loss.name", "needs 2 axes"),
        ("quadratic", {"hessian": [[1, 2], [3, 4]]}, 2, "loss.hessian", "must be symmetric"),
        ("quadratic", {"hessian": [[1, 2, 3]]}, 2, "loss.hessian", "2 x 2 matrix"),
        ("quadratic", {"minimum": [1]}, 2, "loss.minimum", "one per axis"),
    ],
)
def test_bad_keys(name, keys, d, key, words):
    with pytest.raises(CaseError, match=words) as caught:
        problem(Landscape(name, **keys), d)
    assert caught.value.key == key
