"""Periodic axes: tilted losses, coefficients that do not close, and mirrors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measures import distance

import fokkerplanck as fp
from fokkerplanck.analyses.cautions import coefficient_cautions
from fokkerplanck.analyses.observables import entropy_production
from fokkerplanck.cli.main import main
from fokkerplanck.operators.generator import generator
from fokkerplanck.passage.passage import passage
from fokkerplanck.problem import Problem
from fokkerplanck.problem.seams import check_seams, loss_tilts, mismatches
from fokkerplanck.stationary.stationary import stationary
from fokkerplanck.timestepping.evolve import evolve

INPUTS = Path(__file__).parent / "inputs"
CIRCLE = {"range": (0.0, 2.0 * np.pi), "boundary": "periodic"}
# Double integral of the tilted washboard cos(x) - x/2 at beta 2: 2 pi tilt beta times the current.
PRODUCTION = 0.17559


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize("by_drift", [False, True])
def test_input_tilt_in_loss(by_drift: bool) -> None:
    overrides = {"loss.formula": "cos(x)", "drift.formula": ["0.5"]} if by_drift else {}
    result = fp.run(fp.load_case(INPUTS / "tilt_in_loss.toml", overrides))
    assert result.stationary is not None
    assert not result.stationary.detailed_balance
    assert result.stationary.entropy_production == pytest.approx(PRODUCTION, rel=2e-3)
    current = result.stationary.current[0]
    assert current == pytest.approx(0.02795, rel=2e-3)
    told = [note for note in result.notes if "3.14159" in note]
    assert len(told) == (not by_drift)


@pytest.mark.parametrize(
    ("loss", "plain", "push", "sigma", "box"),
    [
        ("cos(x) - 0.5*x", "cos(x)", ["0.5"], 1.0, {"x": CIRCLE}),
        ("cos(x) - 0.5*x", "cos(x)", ["0.5"], "1 + 0.4*sin(x)", {"x": CIRCLE}),
        ("cos(x)*cos(y) + 0.3*y", "cos(x)*cos(y)", ["0", "-0.3"], 0.7, {"x": (-1, 1), "y": CIRCLE}),
        (
            "cos(x + y) + z**2 - 0.2*x + 0.1*y", "cos(x + y) + z**2", ["0.2", "-0.1", "0"],
            [[1.0, 0.4, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 0.5]],
            {"x": CIRCLE, "y": CIRCLE, "z": (-1, 1)},
        ),
    ],
)  # fmt: skip
def test_tilt_equals_a_constant_drift(
    loss: str, plain: str, push: list[str], sigma: object, box: dict[str, object]
) -> None:
    tilted, pushed = Problem(loss, sigma, 2.0, box), Problem(plain, sigma, 2.0, box, drift=push)
    grid = tilted.grid((12, 10, 6)[: tilted.ndim])
    one, other = generator(tilted, grid), generator(pushed, grid)
    assert not one.detailed_balance
    difference = np.abs((one.to_scipy() - other.to_scipy()).toarray()).max()
    assert difference <= 1e-11 * one.q
    found, expected = stationary(one, tilted), stationary(other, pushed)
    assert distance(grid, found.density, expected.density) <= 1e-11
    assert entropy_production(one, found.density) == pytest.approx(
        entropy_production(other, expected.density), rel=1e-9
    )
    assert found.quasi_potential == pytest.approx(expected.quasi_potential, abs=1e-10)


def test_tilt_of_a_python_function() -> None:
    problem = Problem(lambda x: np.cos(x) - 0.5 * x, 1.0, 2.0, {"x": CIRCLE})
    grid = problem.grid(64)
    found = generator(problem, grid)
    produced = entropy_production(found, stationary(found, problem).density)
    assert produced == pytest.approx(PRODUCTION, rel=2e-3)
    assert loss_tilts(problem, grid)[0] == pytest.approx(-np.pi)


def test_periodic_loss_keeps_its_balance() -> None:
    """A range that ends at 6.2832 for 2 pi included, and one turn of two."""
    for upper, loss in ((2.0 * np.pi, "cos(x)"), (6.2832, "cos(x)"), (4.0 * np.pi, "cos(x/2)")):
        box = {"x": {"range": (0.0, upper), "boundary": "periodic"}}
        problem = Problem(loss, 1.0, 2.0, box)
        grid = problem.grid(32)
        check_seams(problem, grid)
        assert generator(problem, grid).detailed_balance


def test_input_periodic_seam(capsys: pytest.CaptureFixture[str]) -> None:
    case = fp.load_case(INPUTS / "periodic_seam.toml")
    with pytest.raises(fp.CaseError) as caught:
        fp.run(case)
    assert caught.value.key == "loss.formula"
    for part in ("-2 ", " 2 ", "x = -1", "x = 1"):
        assert part in str(caught.value)
    for command in ("run", "check"):
        assert main([command, str(INPUTS / "periodic_seam.toml")]) != 0
        assert "loss.formula" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings_", "key", "values"),
    [
        ({"sigma": "1 + 0.3*x"}, "noise.sigma", (0.7, 1.3)),
        ({"drift": ["0.5*x"]}, "drift.formula", (-0.5, 0.5)),
        ({"sigma": lambda x: 1 + 0.3 * x}, "noise.sigma", (0.7, 1.3)),
    ],
)
def test_coefficients_that_do_not_close_are_told(
    settings_: dict[str, object], key: str, values: tuple[float, float]
) -> None:
    box = {"x": {"range": (-1.0, 1.0), "boundary": "periodic"}}
    problem = Problem("cos(pi*x)", beta=1.0, domain=box, **{"sigma": 1.0, **settings_})
    grid = problem.grid(16)
    (found,) = mismatches(problem, grid)
    assert found.key == key
    assert (found.lower, found.upper) == pytest.approx(values, rel=1e-6)
    (sentence,) = coefficient_cautions(problem, grid)
    assert all(f"{value:g}" in sentence for value in values)


def test_loss_of_data_on_a_periodic_axis_is_refused() -> None:
    model = fp.DataModel("linear_regression", np.array([1.0, 2.0]), np.array([0.5, 1.5]))
    box = {"w": {"range": (-1.0, 3.0), "boundary": "periodic"}}
    problem = Problem(model, 1.0, 1.0, box)
    with pytest.raises(fp.CaseError) as caught:
        check_seams(problem, problem.grid(16))
    assert caught.value.key == "loss.model"


def test_mean_time_under_a_tilt() -> None:
    """Around the circle to a target, by the loss and by the drift."""
    times = []
    for loss, drift in (("cos(x) - 0.5*x", None), ("cos(x)", ["0.5"])):
        problem = Problem(loss, 1.0, 2.0, {"x": CIRCLE}, drift=drift)
        grid = problem.grid(48)
        times.append(passage(generator(problem, grid), problem, target="x > 6").mean_time)
    np.testing.assert_allclose(times[0], times[1], rtol=1e-10)


# Smooth and rough formulas of the axes on [-pi, pi]; not all of them close at a periodic side.
TERMS = (
    "sin({x})", "cos({x})", "cos({x} + {y})", "abs({x} - 0.3)", "where({x} < 0.41, 0, 0.7)",
    "max({y}, 0.2)", "sin({x}/2)", "tanh(20*{x})", "0.3*{x}",
)  # fmt: skip


def formula(terms: list[int], place: dict[str, str], weights: tuple[float, ...]) -> str:
    parts = (f"{w}*({TERMS[n].format(**place)})" for n, w in zip(terms, weights, strict=False))
    return " + ".join(parts) or "0"


@settings(max_examples=30)
@given(data=st.data())
def test_mirror_of_formulas(data: st.DataObject) -> None:
    """Axes composed with a mirror: the density is the mirrored one, to rounding."""
    d = data.draw(st.sampled_from([1, 2]))
    names = "xy"[:d]
    axis = data.draw(st.sampled_from(names))
    chosen = st.lists(st.integers(0, len(TERMS) - 1), min_size=1, max_size=3)
    terms = [data.draw(chosen) for _ in range(2 + d)]
    boundary = {name: data.draw(st.sampled_from(["reflecting", "periodic"])) for name in names}
    tensor = d == 2 and data.draw(st.booleans())
    found = []
    for mirrored in (False, True):
        place = {n: f"(-{n})" if mirrored and n == axis else n for n in names}
        place.setdefault("y", place["x"])
        loss, spread = (formula(terms[k], place, (1.0, -0.7, 0.4)) for k in (0, 1))
        drift = [
            f"{'-' if mirrored and n == axis else ''}({formula(t, place, (0.8, 0.5, -0.3))})"
            for n, t in zip(names, terms[2:], strict=True)
        ]
        size = f"(1.2 + tanh({spread}))"
        sign = -1.0 if mirrored else 1.0
        sigma = (
            [[size, f"{sign * 0.4}*{size}"], [f"{sign * 0.4}*{size}", "1.5"]] if tensor else size
        )
        box = {n: {"range": (-np.pi, np.pi), "boundary": boundary[n]} for n in names}
        problem = Problem(loss, sigma, 1.3, box, drift=drift)
        grid = problem.grid((14, 9)[:d])
        start = np.exp(sum(-((p - (-0.8 if mirrored and n == axis else 0.8)) ** 2) * 0.5
                           for n, p in zip(names, grid.points, strict=True)))  # fmt: skip
        start = start / grid.integrate(start)
        found.append(
            (evolve(problem, grid, start, [0.0, 0.3], scheme="scharfetter-gummel").density[-1],
             stationary(generator(problem, grid), problem).density)
        )  # fmt: skip
    for one, other in zip(*found, strict=True):
        assert distance(grid, np.flip(other, names.index(axis)), one) <= 1e-8
