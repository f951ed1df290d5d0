"""Runs of the bundled cases at reduced size, kills and resumption, notes and timings."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from measures import compiled_only

from fokkerplanck import load_case, open_result, run
from fokkerplanck.analyses.ensemble import walk
from fokkerplanck.analyses.start import initial_density
from fokkerplanck.case import Case, bundled_cases
from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.io import ENSEMBLE, Arrays
from fokkerplanck.io.result import Result
from fokkerplanck.io.storage.parts import folder_of
from fokkerplanck.pipeline.recorder import Recorder
from fokkerplanck.report.closing_table import summary
from fokkerplanck.report.numbers import free_energy_increase, mass_drift, number_of
from fokkerplanck.timestepping.schemes import SCHEMES
from fokkerplanck.timestepping.steppers import STEPPERS


def sized(cells: dict[str, int], frames: int, end: float) -> dict[str, Any]:
    """Overrides for a grid, a number of frames and an end."""
    grid = {f"domain.{axis}.cells": count for axis, count in cells.items()}
    return {**grid, "density.frames": frames, "density.end": end, "expect": {}}


LOW_ORDER = {"density.scheme": "scharfetter-gummel"}
# Sizes at which every case keeps its physics; the ends are the cases' own but for the slow ones.
# Where the limited scheme takes long, another case of its kind is left to it.
REDUCED = {
    "caughey": sized({"x": 40, "v": 40}, 11, 60.0),
    "chaudhari_soatto": sized({"x": 40, "y": 48}, 9, 16.0),
    "cross_diffusion": sized({"x": 44, "y": 44}, 4, 0.3),
    "double_well_1d": sized({"x": 96}, 17, 80.0),
    "double_well_2d": {**sized({"x": 40, "y": 40}, 13, 120.0), **LOW_ORDER},
    "entropy_sgd": sized({"z": 40, "theta": 64}, 13, 24.0),
    "fluctuation_dissipation": {
        **sized({"slope": 40, "intercept": 40}, 7, 60.0),
        "ensemble.particles": 4000,
    },
    "hopf": sized({"x": 32, "y": 32}, 13, 48.0),
    "kramers": sized({"x": 96}, 17, 400.0),
    "large_step": {
        **sized({"x": 48, "y": 60}, 11, 20.0),
        "discrete.rates": [0.2, 0.5],
    },
    "levy_double_well": {**sized({"x": 64}, 5, 4.0), "domain.x.range": [-2, 2]},
    "levy_four_wells": {**sized({"x": 48, "y": 48}, 4, 3.0), "density.rtol": 4e-2},
    "levy_ou": {
        **sized({"x": 512}, 5, 2.0),
        "domain.x.range": [-40, 40],
        "initial.std": 0.4,
        "density.rtol": 1e-2,
        "ensemble.particles": 2000,
        "ensemble.step": 0.02,
    },
    "linear_regression": sized({"flipper": 48, "bill": 48}, 9, 36.0),
    "local_entropy_sharp_flat": sized({"x": 128}, 9, 20000.0),
    "logistic_regression": sized({"slope": 40, "intercept": 40}, 13, 264.0),
    "momentum": sized({"x": 48, "v": 48}, 11, 50.0),
    "mueller_brown": sized({"x": 40, "y": 40}, 13, 1200.0),
    "quadratic": sized({"x": 48, "y": 48}, 17, 16.0),
    "quadratic_3d": sized({"x": 18, "y": 18, "z": 18}, 6, 20.0),
    "quadratic_anisotropic": sized({"x": 64, "y": 64}, 14, 26.0),
    "quadratic_rotating": sized({"x": 40, "y": 40}, 13, 12.0),
    "saddle_escape": sized({"x": 32, "y": 24}, 5, 2.0),
    "schedule_double_well": {**sized({"x": 32, "y": 32}, 5, 6.0), "control.intervals": 12},
    "schedule_quadratic": {**sized({"theta": 96}, 7, 6.0), "control.intervals": 20},
    "sgd_limit_cycle": {**sized({"x": 48, "y": 40}, 12, 66.0), **LOW_ORDER},
    "sharp_flat": sized({"x": 48, "y": 64}, 9, 12000.0),
    "tanh_neuron": sized({"a": 56, "w": 72}, 9, 160.0),
    "van_der_pol": sized({"x": 40, "v": 48}, 11, 70.0),
}
# The estimate of errors takes two more runs; some of every kind keep it.
ESTIMATED = {
    "double_well_1d",
    "cross_diffusion",
    "quadratic",
    "momentum",
    "saddle_escape",
    "levy_ou",
}
for name in set(REDUCED) - ESTIMATED:
    REDUCED[name]["output.errors"] = False
# Under a control nothing rests, and what is compared with walkers is the density at u = 1.
STEERED = {"schedule_double_well", "schedule_quadratic"}
# Those that come to rest by their end.
HEAVY = {"levy_double_well", "levy_four_wells", "levy_ou"}
RESTING = set(REDUCED) - {"cross_diffusion", "saddle_escape", *STEERED} - HEAVY
# Those with absorbing sides.
OPEN = {"saddle_escape"}
BALANCED = {
    "double_well_1d",
    "double_well_2d",
    "kramers",
    "local_entropy_sharp_flat",
    "large_step",
    "mueller_brown",
    "quadratic",
    "quadratic_3d",
    "quadratic_anisotropic",
    "sharp_flat",
}
# Along an axis without noise the edges are one-way and produce entropy without bound.
ONE_WAY = {"caughey", "entropy_sgd", "momentum", "van_der_pol"}
ON_DATA = {"fluctuation_dissipation", "linear_regression", "logistic_regression", "tanh_neuron"}
NO_LOSS = {"caughey", "entropy_sgd", "van_der_pol"}
# Walkers would need some 1e5 steps and more to see anything happen.
TOO_SLOW = {"mueller_brown", "sharp_flat", "entropy_sgd"}
# Large steps of SGD, which the diffusion does not describe.
STEPS = {"fluctuation_dissipation", "large_step"}
# Asks for fields, not for a density in time.
STILL = {"local_entropy_sharp_flat"}
SMALL = sized({"x": 16, "y": 16}, 7, 0.6)
_results: dict[str, Result] = {}
# Runs that nothing happened to, by case and stepper.
_whole: dict[tuple[str, str], Result] = {}


def alone(case: Case) -> Case:
    """The density without the million walkers beside it."""
    return replace(case, ensemble=None, validation=None)


def reduced(name: str) -> Result:
    if name not in _results:
        _results[name] = run(alone(load_case(name, REDUCED[name])))
    return _results[name]


def test_every_bundled_case_has_a_reduced_size() -> None:
    assert set(bundled_cases()) == set(REDUCED)


every_case = pytest.mark.parametrize("name", list(REDUCED))


# Coarse grids are what the cautions are for.
@compiled_only
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
class TestCases:
    """The promises of the package, kept by every bundled case."""

    @every_case
    def test_mass_and_positivity_at_every_frame(self, name: str) -> None:
        result = reduced(name)
        assert len(result.time) == REDUCED[name]["density.frames"]
        assert ("error" in result.observables) == (name in ESTIMATED)
        if name in OPEN:
            assert (np.diff(result.mass) < 0.0).all()
        else:
            assert mass_drift(result) <= 1e-12
        assert result.minimum.min() >= 0.0
        np.testing.assert_allclose(
            result.density.sum(axis=tuple(range(1, result.ndim + 1))) * result.cell_volume,
            result.mass, rtol=1e-13,
        )  # fmt: skip

    @every_case
    def test_free_energy_falls(self, name: str) -> None:
        result = reduced(name)
        if name not in RESTING:
            assert "free_energy" not in result.observables
            assert (result.stationary is None) == (name not in STEERED)
            return
        assert free_energy_increase(result) <= 1e-12
        assert np.diff(result.kl_to_stationary).max() <= 1e-12
        assert result.kl_to_stationary[0] > 0.05
        # The rest state is that of the limited scheme up to what coarse cells leave open.
        assert result.kl_to_stationary[-1] <= 1e-5
        assert result.dissipation.min() >= -1e-12
        # (46) with the constant left out.
        excess = result.beta * (result.free_energy - result.free_energy[-1])
        np.testing.assert_allclose(
            excess, result.kl_to_stationary - result.kl_to_stationary[-1], atol=1e-9
        )

    @every_case
    def test_detailed_balance_is_what_it_should_be(self, name: str) -> None:
        rest = reduced(name).stationary
        if name not in RESTING:
            return
        assert rest.detailed_balance == (name in BALANCED)
        assert rest.residual <= 1e-13
        peak = np.abs(rest.current).max()
        if name in BALANCED:
            assert peak <= 1e-11
            assert 0.0 <= rest.entropy_production <= 1e-18
        else:
            assert peak > 1e-3
            assert np.isnan(rest.entropy_production) == (name in ONE_WAY)
            # Gradient noise of data is nearly, never quite, in balance with its loss.
            least = 1e-4 if name in ON_DATA else 0.1
            assert name in ONE_WAY or rest.entropy_production > least

    @every_case
    def test_loss_rate_is_the_slope_of_the_expected_loss(self, name: str) -> None:
        """(42), left side: by differences along a second run with dense frames."""
        if name == "cross_diffusion" or name in NO_LOSS | OPEN | HEAVY | STEERED:
            # The loss itself changes with t, or there is none, or it leaves with the walkers, or
            # the control does its part; see the tests of the control.
            return
        overrides = {**REDUCED[name], "density.end": 1e-4, "density.frames": 3}
        case = alone(load_case(name, overrides))
        result = run(replace(case, stationary=None, passage=None, discrete=None))
        slope = np.gradient(result.expected_loss, result.time, edge_order=2)
        np.testing.assert_allclose(slope[1], result.loss_rate[1], rtol=1e-3, atol=1e-5)


def test_every_case_has_a_million_walkers_and_their_validation() -> None:
    # Walkers of [discrete] are compared with the steps of the density, and those with heavy tails
    # take a hundred times the time of others.
    for name in set(bundled_cases()) - TOO_SLOW - STEPS - HEAVY - STEERED - STILL:
        case = load_case(name)
        assert case.ensemble is not None, name
        assert case.ensemble.particles >= 1_000_000, name
        assert case.validation is not None, name


@compiled_only
@pytest.mark.parametrize("name", ["linear_regression", "logistic_regression", "tanh_neuron"])
def test_sgd_on_data_has_the_moments_that_its_case_states(name: str) -> None:
    """The file's tolerances are three standard errors of a million walkers."""
    case = load_case(name)
    particles = 40_000
    case = replace(
        case, ensemble=replace(case.ensemble, particles=particles, seed=71917, trajectories=0)
    )
    tree, _ = walk(case, initial_density(case), np.ones(case.grid.shape, dtype=bool))
    record = Arrays(tree, ENSEMBLE)
    assert record.lost[-1] == 0
    stated = {key: one for key, one in case.expect.items() if key.startswith("ensemble.")}
    assert len(stated) == 5
    found = SimpleNamespace(ensemble=record)
    for key, one in stated.items():
        allowed = (one.atol + one.rtol * abs(one.value)) * np.sqrt(1e6 / particles)
        assert abs(number_of(key, found) - one.value) < 4.0 / 3.0 * allowed, key


# Kills.


class Killed(Exception):
    """Stands for whatever ends a process."""


def stopping(monkeypatch: pytest.MonkeyPatch, frame: int, act: Callable[[Recorder], None]) -> None:
    """Let ``act`` happen once that frame is written."""
    write = Recorder.frame

    def patched(self: Recorder, state: Any, measured: dict[str, Any]) -> None:
        write(self, state, measured)
        if state.frame == frame:
            act(self)

    monkeypatch.setattr(Recorder, "frame", patched)


def dies(_: Recorder) -> None:
    raise Killed


def assert_same_bits(one: Result, other: Result) -> None:
    assert one.time.tobytes() == other.time.tobytes()
    assert one.density.tobytes() == other.density.tobytes()
    assert one.observables.keys() == other.observables.keys()
    for name, series in one.observables.items():
        assert series.tobytes() == other.observables[name].tobytes(), name
    assert (one.stationary is None) == (other.stationary is None)
    if one.stationary is not None:
        assert one.stationary.density.tobytes() == other.stationary.density.tobytes()
        assert one.stationary.current.tobytes() == other.stationary.current.tobytes()


def small_case(name: str = "quadratic", **overrides: Any) -> Case:
    sizes = SMALL if name != "double_well_1d" else sized({"x": 24}, 7, 0.6)
    if name == "momentum":
        sizes = sized({"x": 16, "v": 16}, 7, 0.6)
    return alone(load_case(name, {**sizes, **overrides}))


# Every kind of advance: exact and controlled steps, factors kept, coefficients in time.
SETTINGS = [
    ("quadratic", "auto"),
    ("cross_diffusion", "auto"),
    ("cross_diffusion", "split"),
    *(
        ("quadratic_rotating", name)
        for name, row in STEPPERS.items()
        if not row.needs_detailed_balance
    ),
    *(("quadratic", name) for name, row in STEPPERS.items() if row.needs_detailed_balance),
    ("momentum", "implicit"),
    ("quadratic", "high-order"),
    ("quadratic_rotating", "high-order"),
    ("cross_diffusion", "high-order"),
]


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@compiled_only
@pytest.mark.parametrize(("name", "stepper"), SETTINGS)
@pytest.mark.parametrize("frame", [0, 3])
def test_resumed_run_equals_an_uninterrupted_one(
    name: str, stepper: str, frame: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rtol = 1e-3 if stepper != "implicit" else 0.1
    key = "scheme" if stepper in SCHEMES[1:] else "stepper"
    case = small_case(name, **{f"density.{key}": stepper, "density.rtol": rtol})
    if name == "quadratic_rotating":
        # Its currents take longer than all else; those of momentum are found again here.
        case = replace(case, stationary=None)
    if stepper == "chebyshev":
        # It does not start from densities far from their Gibbs state.
        near = {"initial.std": 0.5, "initial.mean": [0.2, 0.0]}
        case = small_case(name, **{"density.stepper": stepper, **near})
    if (name, stepper) not in _whole:
        _whole[name, stepper] = run(case, tmp_path / "whole.h5")
    whole = _whole[name, stepper]
    copied = tmp_path / "copied.h5"

    def copy_and_die(recorder: Recorder) -> None:
        # What a kill without warning leaves: the file as it is on disk, and its parts.
        shutil.copy(recorder.path, copied)
        shutil.copytree(folder_of(recorder.path), folder_of(copied))
        raise Killed

    with monkeypatch.context() as patch:
        stopping(patch, frame, copy_and_die)
        with pytest.raises(Killed):
            run(case, tmp_path / "cut.h5")
    assert open_result(tmp_path / "cut.h5").status == "interrupted"
    assert open_result(copied).status == "running"
    for path in (tmp_path / "cut.h5", copied):
        assert len(open_result(path).time) == frame + 1
        resumed = run(case, path, resume=True)
        assert resumed.status == "complete"
        assert_same_bits(resumed, whole)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_memory_and_file_hold_the_same(tmp_path: Path) -> None:
    case = small_case()
    assert_same_bits(run(case), run(case, tmp_path / "a.h5"))


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_killed_after_the_last_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case()
    whole = run(case)
    with monkeypatch.context() as patch:
        stopping(patch, 6, dies)
        with pytest.raises(Killed):
            run(case, tmp_path / "a.h5")
    assert_same_bits(run(case, tmp_path / "a.h5", resume=True), whole)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_interrupt_from_the_keyboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGINT closes the file as interrupted, and the exception goes on."""
    case = small_case()
    with monkeypatch.context() as patch:
        stopping(patch, 2, lambda _: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(case, tmp_path / "a.h5")
    cut = open_result(tmp_path / "a.h5")
    assert cut.status == "interrupted"
    assert len(cut.time) == 3
    assert_same_bits(run(case, tmp_path / "a.h5", resume=True), run(case))


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_resume_of_a_complete_run_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = small_case()
    path = tmp_path / "a.h5"
    whole = run(case, path)
    before = path.read_bytes()
    stopping(monkeypatch, 0, dies)
    assert_same_bits(run(case, path, resume=True), whole)
    assert path.read_bytes() == before
    with pytest.raises(StoreError):
        run(case, path)
    assert path.read_bytes() == before


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_resume_of_another_case_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    with monkeypatch.context() as patch:
        stopping(patch, 2, dies)
        with pytest.raises(Killed):
            run(small_case(), path)
    with pytest.raises(StoreError, match="beta"):
        run(small_case(**{"noise.beta": 3.0}), path, resume=True)
    assert open_result(path).status == "interrupted"


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@pytest.mark.parametrize(
    "change",
    [
        {"density.stepper": "split"},
        {"density.rtol": 1e-3},
        {"initial.mean": [1.0, 0.0]},
        {"density.end": 0.9},
        {"density.frames": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_resume_with_other_settings_is_refused(
    change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overrides change the run as much as the file's text does."""
    path = tmp_path / "a.h5"
    with monkeypatch.context() as patch:
        stopping(patch, 2, dies)
        with pytest.raises(Killed):
            run(small_case(), path)
    key = next(iter(change))
    with pytest.raises(StoreError, match=key):
        run(small_case(**change), path, resume=True)
    # What is only drawn or expected may change.
    harmless = {"expect": {"minimum": {"min": 0}}, "output.figures": ["observables"]}
    assert run(small_case(**harmless), path, resume=True).status == "complete"
    with pytest.raises(StoreError, match=key):
        run(small_case(**change), path, resume=True)


# What else a run tells.


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_notes_and_timings() -> None:
    start = {"initial.std": 0.5, "density.end": 4.0}
    with pytest.warns(CaseWarning, match="cuts off"):
        result = run(small_case(**{"domain.x.range": [-1.0, 2.0], **start}))
    assert result.notes[0].startswith("scheme high-order: ")
    assert result.notes[1].startswith("stepper flux-corrected: ")
    assert any("cuts off" in note for note in result.notes)
    assert {"compile", "assemble", "step"} <= result.timings.keys()
    assert min(result.timings.values()) >= 0.0


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_only_the_ends_are_kept_on_request() -> None:
    case = small_case(**{"output.every_frame": False})
    result = run(case)
    assert list(result.kept_frames) == [0, 6]
    assert len(result.free_energy) == 7


@pytest.mark.parametrize("kind", ["uniform", "point", "formula", "stationary"])
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_kinds_of_start(kind: str) -> None:
    extra = {"point": {"mean": [0.3, -0.2]}, "formula": {"formula": "exp(-beta*(x**2 + y**2))"}}
    result = run(small_case(initial={"kind": kind, **extra.get(kind, {})}))
    start = result.density[0]
    assert result.mass[0] == pytest.approx(1.0, abs=1e-14)
    if kind == "uniform":
        assert np.ptp(start) == 0.0
    elif kind == "point":
        np.testing.assert_allclose(result.mean[0], [0.3, -0.2], atol=1e-12)
        assert result.density[1:].min() >= 0.0
    elif kind == "formula":
        assert result.mean[0] == pytest.approx([0.0, 0.0], abs=1e-12)
    else:
        np.testing.assert_allclose(result.density[-1], start, rtol=1e-9, atol=1e-12)
        assert result.kl_to_stationary.max() <= 1e-13


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_stationary_alone() -> None:
    overrides = {**SMALL, "stationary": {}}
    case = alone(load_case("quadratic_rotating", overrides))
    result = run(case)
    assert result.stationary is not None
    assert result.stationary.entropy_production > 0.0


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_open_box_loses_mass_and_has_no_rest() -> None:
    result = run(small_case(**{"domain.x.boundary": "absorbing", "domain.x.range": [-1.0, 2.0]}))
    assert np.all(np.diff(result.mass) < 0.0)
    assert result.stationary is None
    assert "free_energy" not in result.observables
    with pytest.raises(CaseError, match="absorbing"):
        run(small_case(**{"domain.x.boundary": "absorbing", "stationary": {}}))


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
def test_a_swallowed_interrupt_stops_after_the_frame(tmp_path: Path) -> None:
    """Callbacks of libraries lose exceptions; the signal is remembered and asked for."""
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return len(asked) == 3

    with pytest.raises(KeyboardInterrupt):
        run(small_case(), tmp_path / "a.h5", stopped=stopped)
    cut = open_result(tmp_path / "a.h5")
    assert cut.status == "interrupted"
    assert len(cut.time) == 3


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")
@compiled_only
@pytest.mark.parametrize("name", ["quadratic", "quadratic_rotating"])
def test_high_order_run_tells_what_the_limiter_did(name: str) -> None:
    cells = {**sized({"x": 48, "y": 48}, 6, 1.0), "output.errors": False}
    # It is the density's doing: nobody walks beside it.
    result = run(alone(load_case(name, {**cells, "density.scheme": "high-order"})))
    assert result.notes[0] == "scheme high-order: as the case asks"
    assert result.limited[0] == result.limited_flux[0] == 0.0
    assert result.limited[1:].min() > 0.0
    assert result.limited.max() <= 1.0
    assert result.limited_flux.max() < 0.1
    # (42): the rate is that of the scheme, so that its two sides agree to its order.
    np.testing.assert_allclose(result.loss_rate, result.loss_rate_dynkin, rtol=2e-3, atol=1e-3)
    # The stationary current is that of a Markov generator at rest.
    assert result.stationary.residual <= 1e-13
    low = run(alone(load_case(name, {**cells, "density.scheme": "scharfetter-gummel"})))
    assert "limited" not in low.observables
    assert np.abs(low.loss_rate / low.loss_rate_dynkin - 1.0).max() > 1e-2


@compiled_only
def test_summary_names_scheme_stepper_and_limiter() -> None:
    case = load_case("cross_diffusion", sized({"x": 64, "y": 64}, 3, 0.3))
    case = replace(case, expect={})
    rows = dict(line.split(maxsplit=1) for line in summary(case, run(case)).splitlines()[:-1])
    assert rows["scheme"].startswith("high-order: ")
    assert rows["stepper"].startswith("flux-corrected: ")
    assert "of the flux corrections" in rows["limiter"]
    assert "caution" not in rows
