"""Headers, frames and files that the tests of the store share."""

from dataclasses import replace

import numpy as np

from fokkerplanck.domain import Axis, Domain
from fokkerplanck.grid import Grid
from fokkerplanck.io import (
    OBSERVABLES,
    PASSAGE_NUMBERS,
    EscapeRecord,
    Frame,
    Header,
    PassageRecord,
    ResultWriter,
    SpectrumRecord,
    StationaryRecord,
)
from fokkerplanck.io.groups.passage import ESCAPE_ARRAYS


def make_header(cells=(6, 8), names="xyz", **fields):
    names = tuple(names[: len(cells)])
    grid = Grid.of(Domain(tuple(Axis(name, -1.0, 2.0) for name in names)), cells)
    ndim = len(cells)
    header = Header(
        names=names,
        centers=grid.centers,
        bounds=grid.bounds,
        loss=np.random.default_rng(5).random(cells),
        sigma=np.eye(ndim).reshape(ndim, ndim, *(1,) * ndim),
        beta=2.5,
        title="a test",
        case_toml="title = 'a test'\n# ünïcode",
        source="fokkerplanck 0.1.0; numpy 2",
    )
    return replace(header, **fields)


def make_frame(header, index):
    rng = np.random.default_rng([74111, index])
    ndim = len(header.names)
    observables = {name: rng.random() for name in OBSERVABLES}
    for name in ("mean", "error_mean"):
        observables[name] = rng.random(ndim)
    for name in ("covariance", "error_covariance"):
        observables[name] = rng.random((ndim, ndim))
    return Frame(index, 0.1 * index, rng.random(header.shape), observables)


def make_stationary(header):
    rng = np.random.default_rng(9241)
    current = rng.random((len(header.names), *header.shape))
    return StationaryRecord(
        rng.random(header.shape), rng.random(header.shape), current, 0.25, False, 1e-13, 0.5
    )


def make_spectrum(shape, turning=False):
    """Something to store: mode 0, a pair or two, and numbers."""
    rng = np.random.default_rng(77003)
    modes = rng.standard_normal((5, *shape))
    left = rng.standard_normal((5, *shape))
    imag = np.zeros(5)
    if turning:
        modes = modes + 1j * rng.standard_normal(modes.shape)
        left = left + 1j * rng.standard_normal(modes.shape)
        imag = np.array([0.0, 2.0, -2.0, 0.0, 0.0])
    real = np.array([0.0, -0.5, -0.5, -3e-5, -4.0])
    return SpectrumRecord(
        real, imag, modes, left, np.full(5, 1e-14), not turning, True,
        1e-20, np.inf, 1.4, 9.0, 0.5, "by hand",
    )  # fmt: skip


def write(path, header, frames, **options):
    with ResultWriter.create(path, header, **options) as writer:
        for index in range(frames):
            writer.append(make_frame(header, index))
        writer.write("stationary", make_stationary(header))


def make_passage(header, escape=True, full=True):
    """A first passage with every array, or with the least there is."""
    rng = np.random.default_rng(30671)
    ndim, shape = len(header.names), header.shape
    wells = EscapeRecord(
        minima=rng.random((3, ndim)),
        basin=rng.integers(0, 3, shape),
        loss_minima=rng.random((2, ndim)),
        loss_basin=rng.integers(0, 2, shape) if full else None,
        **{
            name: rng.random((3,) * dimensions) if full or name != "kramers_times" else None
            for name, (_, dimensions) in ESCAPE_ARRAYS.items()
        },
        quality=0.125,
        agreement=-1.0,
    )
    if not full:
        wells.loss_minima = np.zeros((0, ndim))
        return PassageRecord(escape=wells if escape else None)
    return PassageRecord(
        target="x > 0",
        source="x < -1",
        mean_time=rng.random(shape),
        deviation=rng.random(shape),
        sides=("x lower", "target"),
        exit_probability=rng.random((2, *shape)),
        committor=rng.random(shape),
        backward_committor=rng.random(shape),
        current=rng.random((ndim, *shape)),
        numbers=dict.fromkeys(PASSAGE_NUMBERS, 0.5),
        start=rng.random((2, ndim)),
        start_mean_time=rng.random(2),
        start_deviation=rng.random(2),
        start_exit_probability=rng.random((2, 2)),
        start_committor=rng.random(2),
        time=np.linspace(0.0, 1.0, 5),
        survival=rng.random((2, 5)),
        arrival=rng.random((2, 5, 2)),
        escape=wells if escape else None,
    )
