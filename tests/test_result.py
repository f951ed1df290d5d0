"""The in-memory result: attributes, and saving and opening without loss."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import rest_tree

from fokkerplanck.errors import StoreError
from fokkerplanck.io import OBSERVABLES
from fokkerplanck.io.result import Result, open_result


def make_result(shape=(5, 6), frames=3, stream=1203, precision=np.float64, **fields):
    rng = np.random.default_rng(stream)
    ndim = len(shape)
    faces = [np.linspace(-1.0, 2.0 + axis, n + 1) for axis, n in enumerate(shape)]
    entries = {"mean": (ndim,), "covariance": (ndim, ndim)}
    observables = {
        name: rng.standard_normal((frames, *entries.get(name.removeprefix("error_"), ())))
        for name in OBSERVABLES
    }
    values = dict(
        title="random",
        beta=rng.random(),
        seed=None,
        case_toml="[noise]\nbeta = 1\n",
        source="fokkerplanck 0.1.0",
        names=("x", "y", "z")[:ndim],
        centers=tuple((face[1:] + face[:-1]) / 2 for face in faces),
        bounds=tuple(np.stack([face[:-1], face[1:]], 1) for face in faces),
        time=np.cumsum(rng.random(frames)),
        density=rng.random((frames, *shape)).astype(precision),
        loss=rng.standard_normal(shape),
        sigma=rng.standard_normal((ndim, ndim, *shape)),
        observables=observables,
        timings={"assemble": rng.random(), "step": rng.random()},
        notes=["first sentence", "second"],
        attrs={"scheme": "scharfetter-gummel", "k": rng.random(), "cells": 7},
    )
    return Result(**(values | fields))


def make_stationary(cells, seed=5):
    rng, shape = np.random.default_rng(seed), cells.shape
    return rest_tree(
        cells,
        rng.random(shape),
        rng.random(shape),
        rng.random((len(shape), *shape)),
        rng.random(),
        bool(rng.integers(2)),
        rng.random(),
        rng.random(),
    )


@settings(deadline=None, max_examples=30)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    frames=st.integers(0, 4),
    seed=st.integers(0, 2**32),
    precision=st.sampled_from([np.float64, np.float32]),
    stationary=st.booleans(),
    run_seed=st.none() | st.integers(0, 2**62),
)
def test_save_and_open_is_exact(
    tmp_path_factory, shape, frames, seed, precision, stationary, run_seed
):
    result = make_result(shape, frames, seed, precision)
    result.seed = run_seed
    if stationary:
        result.analyses["stationary"] = make_stationary(result)
    path = tmp_path_factory.mktemp("round") / "a.h5"
    assert result.save(path) == path
    opened = open_result(path)
    for name in (
        *("title", "beta", "seed", "case_toml", "source", "names", "status"),
        *("timings", "notes", "attrs"),
    ):
        assert getattr(opened, name) == getattr(result, name), name
    for name in ("time", "density", "loss", "sigma"):
        ours, theirs = getattr(result, name), getattr(opened, name)
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()
    for ours, theirs in zip(
        result.centers + result.bounds, opened.centers + opened.bounds, strict=True
    ):
        assert ours.tobytes() == theirs.tobytes()
    if frames:
        assert opened.observables.keys() == result.observables.keys()
        for name, series in result.observables.items():
            assert opened.observables[name].tobytes() == series.tobytes()
    assert (opened.stationary is None) == (not stationary)
    if stationary:
        assert opened.stationary == result.stationary


def test_observables_are_attributes():
    result = make_result()
    assert result.free_energy is result.observables["free_energy"]
    assert "free_energy" in dir(result)
    del result.observables["kl_to_stationary"]
    with pytest.raises(AttributeError, match=r"'kl_to_stationary'.*mass, minimum"):
        _ = result.kl_to_stationary
    assert not hasattr(result, "fre_energy")


def test_copies_and_pickles():
    result = make_result()
    for twin in (copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        np.testing.assert_array_equal(twin.mass, result.mass)


def test_geometry():
    result = make_result((5, 6))
    np.testing.assert_allclose(result.grid_spacing, [3 / 5, 4 / 6], rtol=1e-15)
    assert result.cell_volume == pytest.approx(3 / 5 * 4 / 6, rel=1e-15)
    assert (result.ndim, result.shape) == (2, (5, 6))
    assert repr(result).startswith("<Result 'random': 5 x 6 cells, 3 frames to time")


def test_overwrite_is_asked_for(tmp_path):
    path = tmp_path / "a.h5"
    make_result().save(path)
    with pytest.raises(StoreError, match="--overwrite"):
        make_result(title="new").save(path)
    assert open_result(path).title == "random"
    make_result(title="new").save(path, overwrite=True)
    assert open_result(path).title == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_save_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.h5"
    make_result().save(path)
    broken = make_result(title="new")
    broken.observables["mass"] = broken.observables["mass"][:1]
    with pytest.raises(IndexError):
        broken.save(path, overwrite=True)
    assert open_result(path).title == "random"
    assert list(tmp_path.iterdir()) == [path]


def test_densities_not_kept_stay_so(tmp_path):
    result = make_result(frames=5)
    result.density[1:4] = np.nan
    np.testing.assert_array_equal(result.kept_frames, [0, 4])
    result.save(tmp_path / "a.h5")
    opened = open_result(tmp_path / "a.h5")
    np.testing.assert_array_equal(opened.density, result.density)
    np.testing.assert_array_equal(opened.kept_frames, [0, 4])


def test_status_of_a_copy(tmp_path):
    # A copy of a run that was going on is not going on.
    make_result(status="running").save(tmp_path / "a.h5")
    assert open_result(tmp_path / "a.h5").status == "interrupted"
