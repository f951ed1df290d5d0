"""Inputs that once ended in a traceback: flat losses, data without noise, noise from zero on."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fokkerplanck as fp
from fokkerplanck.cli.main import main
from fokkerplanck.timestepping import krylov, steps
from fokkerplanck.timestepping.initial import gaussian_density
from fokkerplanck.timestepping.integrator import StepIntegrator
from fokkerplanck.timestepping.steppers import STEPPERS, choose_stepper
from fokkerplanck.timestepping.system import System

INPUTS = Path(__file__).parent / "inputs"


def run(case: fp.Case) -> fp.Result:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.CaseWarning)
        return fp.run(case)


def loaded(name: str, **overrides: Any) -> fp.Case:
    keys = {key.replace("__", "."): value for key, value in overrides.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fp.CaseWarning)
        return fp.load_case(INPUTS / name, keys)


def test_brownian_motion_in_a_closed_box_rests_uniformly() -> None:
    result = run(loaded("flat_stationary_crash.toml"))
    np.testing.assert_allclose(result.density[-1], 0.5, rtol=1e-13)
    assert result.stationary is not None
    np.testing.assert_allclose(result.stationary.density, 0.5, rtol=1e-13)
    assert np.abs(result.stationary.current).max() < 1e-13
    assert result.stationary.entropy_production == 0.0


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("side", ["reflecting", "periodic"])
@pytest.mark.parametrize("mixed", [False, True])
def test_a_flat_loss_in_any_dimension(ndim: int, side: str, mixed: bool) -> None:
    names = "xyz"[:ndim]
    problem = fp.Problem(
        loss="0",
        sigma=(np.eye(ndim) + 0.3 * mixed).tolist(),
        beta=1.0,
        domain={name: {"range": (-1, 1), "boundary": side} for name in names},
    )
    case = fp.make_case(problem, 7, stationary={})
    found = run(case).stationary
    assert found is not None
    np.testing.assert_allclose(found.density, 0.5**ndim, rtol=1e-11)
    assert np.abs(found.current).max() < 1e-11


@pytest.mark.parametrize("sigma", [[[1, 0], [0, 1]], [["1 + 0.5*sin(pi*x)**2", 0], [0, 1]]])
def test_a_constant_drift_around_a_torus(sigma: list[list[Any]]) -> None:
    """Phi~ is flat along y, and the velocity is the drift."""
    side = {"range": (-1, 1), "boundary": "periodic"}
    problem = fp.Problem(
        loss="0", sigma=sigma, beta=1.0, domain={"x": side, "y": side}, drift=["0", "1"]
    )
    found = run(fp.make_case(problem, 12, stationary={})).stationary
    assert found is not None
    np.testing.assert_allclose(found.current[1] / found.density, 1.0, rtol=1e-9)
    assert np.abs(found.current[0]).max() < 1e-9


@pytest.mark.parametrize("name", ["data_without_noise", "equal_rows_crash"])
@pytest.mark.parametrize("command", ["check", "run"])
def test_data_without_noise_are_refused(
    command: str, name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    more = ["--out", str(tmp_path)] if command == "run" else []
    assert main([command, str(INPUTS / f"{name}.toml"), *more]) == 2
    said = capsys.readouterr().err
    assert "noise.source" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "rows",
    ["1,2,3\n1,2,3\n", "0.1,0.7,0.3\n" * 3, "1,2,3\n-1,-2,-3\n"],
    ids=["equal", "rounded", "mirrored"],
)
def test_samples_of_one_gradient_are_refused(rows: str, tmp_path: Path) -> None:
    """Rows of the opposite sign have the same gradient."""
    (tmp_path / "equal.csv").write_text("a,b,t\n" + rows)
    (tmp_path / "equal.toml").write_text((INPUTS / "equal_rows_crash.toml").read_text())
    case = fp.load_case(tmp_path / "equal.toml")
    with pytest.raises(fp.CaseError, match="Sigma") as caught:
        fp.run(case)
    assert caught.value.key == "noise.source"


def test_noise_that_vanishes_everywhere_is_refused() -> None:
    problem = fp.Problem(
        loss="x**2", sigma=lambda x: np.zeros((1, 1, *np.shape(x))), beta=1.0, domain={"x": (-1, 1)}
    )
    with pytest.raises(fp.CaseError) as caught:
        fp.generator(problem, problem.grid(8))
    assert caught.value.key == "noise.sigma"


def test_noise_may_begin_at_zero() -> None:
    """Sigma = t, against the limit of a small Sigma at the start."""
    short = {"density__end": 0.05, "domain__x__cells": 8, "domain__y__cells": 7}
    found = run(loaded("sigma_zero_at_start.toml", **short))
    small = [["t + 1e-7", 0], [0, "t + 1e-7"]]
    other = run(loaded("sigma_zero_at_start.toml", noise__sigma=small, **short))
    np.testing.assert_allclose(found.density[-1], other.density[-1], rtol=1e-4)
    np.testing.assert_allclose(found.mass, 1.0, rtol=1e-12)


def test_without_noise_the_drift_goes_on_alone() -> None:
    """At t = 0 the generator is that of upwind transport: rates b/h, b = -x."""
    problem = fp.Problem(loss="0.5*x**2", sigma="t", beta=1.0, domain={"x": (-1, 1)})
    grid = problem.grid(8)
    matrix = fp.generator(problem, grid).to_scipy().toarray()
    faces = 0.5 * (grid.centers[0][1:] + grid.centers[0][:-1])
    np.testing.assert_allclose(np.diag(matrix, -1), np.maximum(-faces, 0.0) / 0.25, atol=1e-14)
    np.testing.assert_allclose(np.diag(matrix, 1), np.maximum(faces, 0.0) / 0.25, atol=1e-14)


def test_minima_without_a_cell_are_left_out() -> None:
    problem = fp.Problem("2*x**2 + 0.3*sin(12*x)", 0.24, 2.0, {"x": (-1, 1)})
    result = run(
        fp.make_case(problem, 22, density={"end": 0.05, "frames": 2}, passage={"escape": True})
    )
    wells = result.passage.escape
    assert len(wells.position) == 3
    assert set(np.unique(wells.basin)) == {0, 1, 2}
    assert np.isfinite(wells.exit_time).all()
    assert any("1 of the 4 minima" in note for note in result.notes)


def test_steps_of_the_loss_make_no_wells() -> None:
    """The force is the gradient, which a jump of the loss does not touch."""
    # The walkers beside it have no part in this, and kernels to compile.
    result = run(replace(loaded("escape_empty_basin.toml"), ensemble=None))
    assert result.passage.escape.position == pytest.approx(np.array([[-0.2486]]), abs=1e-3)
    assert any("the loss jumps by" in note for note in result.notes)


def test_auto_goes_on_where_a_krylov_space_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = fp.Problem(
        loss="0.5*(x**2 + y**2)",
        sigma=[[1, 0.3], [0.3, 1]],
        beta=2.0,
        domain={"x": (-3, 3), "y": (-3, 3)},
        drift=["-y", "x"],
    )
    grid = problem.grid(40)
    start = gaussian_density(grid, [1, 0], 0.2 * np.eye(2)).reshape(-1)
    system, times = System(problem, grid), (0.0, 80.0)
    stepper, reason = choose_stepper("auto", system, times)
    assert (stepper.name, stepper.spare) == ("krylov", "exponential")
    assert stepper.spare in reason
    exact = STEPPERS["exponential"].step(system, start, 0.0, 80.0)

    def fails(*_: Any) -> Any:
        raise fp.NumericalFailure("too small")

    monkeypatch.setattr(steps, "rational_krylov", fails)
    found, _ = StepIntegrator(system, stepper, 1e-6, 80.0).advance(start, 0.0, 80.0, 0.0)
    np.testing.assert_array_equal(found, exact)
    assert system.counts["replaced"] == 1
    with pytest.raises(fp.NumericalFailure):
        StepIntegrator(system, STEPPERS["krylov"], 1e-6, 80.0).advance(start, 0.0, 80.0, 0.0)


def test_a_krylov_space_that_overflows_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's warnings are errors here."""
    problem = fp.Problem(loss="0.5*x**2", sigma="1", beta=1.0, domain={"x": (-1, 1)})
    system = System(problem, problem.grid(16))
    monkeypatch.setattr(krylov, "MOST_HALVINGS", 3)
    monkeypatch.setattr(krylov, "expm", lambda a: np.full(a.shape, 1e308) * np.exp(a.shape[0]))
    with pytest.raises(fp.NumericalFailure):
        STEPPERS["krylov"].step(system, np.ones(16), 0.0, 1.0)
