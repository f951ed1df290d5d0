"""Headers, frames and files that the tests of the store share."""

from dataclasses import replace

import numpy as np

from fokkerplanck.domain import Axis, Domain
from fokkerplanck.grid import Grid
from fokkerplanck.io import (
    COMPARED,
    ENSEMBLE,
    OBSERVABLES,
    PASSAGE,
    POINTS,
    SPECTRUM,
    STATIONARY,
    VALIDATION,
    Frame,
    Header,
    ResultWriter,
)


def make_grid(names, cells, low=-1.0, high=2.0):
    return Grid.of(Domain(tuple(Axis(name, low, high) for name in names)), cells)


def grid_of(header):
    return make_grid(header.names, header.shape)


def make_header(cells=(6, 8), names="xyz", **fields):
    names = tuple(names[: len(cells)])
    grid = make_grid(names, cells)
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


def make_stationary(header, **more):
    rng = np.random.default_rng(9241)
    current = rng.random((len(header.names), *header.shape))
    fields = rng.random(header.shape), rng.random(header.shape), current
    return rest_tree(grid_of(header), *fields, 0.25, False, 1e-13, 0.5, **more)


def rest_tree(grid, density, quasi_potential, current, produced, balanced, residual, curl, **more):
    """What every stationary state has, and more arrays."""
    return STATIONARY.build(
        grid,
        {"density": density, "quasi_potential": quasi_potential, "current": current, **more},
        {
            "entropy_production": produced,
            "detailed_balance": balanced,
            "residual": residual,
            "curl": curl,
        },
    )


def make_points(grid, position, value, eigenvalues):
    """A table of critical points."""
    index = (np.asarray(eigenvalues) < 0.0).sum(axis=1)
    arrays = {"position": position, "value": value, "eigenvalues": eigenvalues, "index": index}
    return POINTS.build(grid, arrays)


def make_spectrum(grid, turning=False):
    """Something to store: mode 0, a pair or two, and numbers."""
    rng, shape = np.random.default_rng(77003), grid.shape
    modes = rng.standard_normal((5, *shape))
    left = rng.standard_normal((5, *shape))
    imag = np.zeros(5)
    if turning:
        modes = modes + 1j * rng.standard_normal(modes.shape)
        left = left + 1j * rng.standard_normal(modes.shape)
        imag = np.array([0.0, 2.0, -2.0, 0.0, 0.0])
    real = np.array([0.0, -0.5, -0.5, -3e-5, -4.0])
    times = np.divide(-1.0, real, out=np.full(5, np.inf), where=real != 0.0)
    turned = {"modes_imag": modes.imag, "left_imag": left.imag} if turning else {}
    return SPECTRUM.build(
        grid,
        {
            **{"real": real, "imag": imag, "relaxation_time": times},
            **{"residual": np.full(5, 1e-14), "modes": modes.real, "left": left.real, **turned},
        },
        {
            **{"floor": 1e-20, "reach": np.inf, "contraction": 0.5, "method": "by hand"},
            **{"mixing_lower": 1.4, "mixing_upper": 9.0},
            **{"detailed_balance": not turning, "closed": True},
        },
    )


def write(path, header, frames, **options):
    with ResultWriter.create(path, header, **options) as writer:
        for index in range(frames):
            writer.append(make_frame(header, index))
        writer.write("stationary", make_stationary(header))


def make_passage(header, escape=True, full=True, wells=3):
    """A first passage with every array, or with the least there is."""
    rng = np.random.default_rng(30671)
    grid, sizes = grid_of(header), {"side": 2, "start": 2, "delay": 5, "well": wells, "bottom": 2}
    sizes |= {"well2": wells, "component": grid.ndim}

    def filled(layout):
        arrays = {}
        for name, one in layout.variables.items():
            shape = [
                n for w in one.dims.split() for n in (grid.shape if w == "axes" else [sizes[w]])
            ]
            if one.dims != name and (full or not one.optional):
                integer = name.endswith("basin")
                arrays[name] = rng.integers(0, 2, shape) if integer else rng.random(shape)
        return arrays

    within = PASSAGE.children["escape"]
    arrays = filled(within)
    if not full:
        del arrays["loss_position"]
    attributes = {"quality": 0.125, "agreement": -1.0}
    children = {"escape": within.build(grid, arrays, attributes)} if escape else {}
    texts = {"target": "x > 0", "source": "x < -1"}
    if not full:
        return PASSAGE.build(grid, {}, dict.fromkeys(texts, ""), children)
    numbers = {name: 0.5 for name in PASSAGE.attributes if name not in texts}
    arrays = {"side": ("x lower", "target"), "delay": np.linspace(0.0, 1.0, 5)}
    return PASSAGE.build(grid, filled(PASSAGE) | arrays, numbers | texts, children)


def make_ensemble(grid, time, trajectories=None, method="weak-2", particles=1000, **arrays):
    """Walkers at some times; what is not given is 0."""
    sizes = {"walk_time": len(time), "side": 2 * grid.ndim}
    sizes |= dict.fromkeys(("component", "component2"), grid.ndim)
    found = {"walk_time": time, "time": time, "trajectories": trajectories}
    found["side"] = [f"{name} {end}" for name in grid.names for end in ("lower", "upper")]
    for name, one in ENSEMBLE.variables.items():
        if one.dims != name and name not in found:
            words = one.dims.split()
            shape = [n for w in words for n in (grid.shape if w == "axes" else [sizes[w]])]
            found[name] = np.zeros(shape, dtype=int if one.counts else float)
    numbers = {"particles": particles, "method": method, "step": 0.1, "seed": 77}
    return ENSEMBLE.build(grid, found | arrays, numbers)


def make_validation(grid, time, sentences, verdict=(0.5, True), **series):
    """A comparison at some times with (p-value, agrees); what is not given is 0.5."""
    found = {name: np.full(len(time), 0.5) for name in COMPARED}
    numbers = {"p_value": verdict[0], "level": 1e-3, "agrees": verdict[1]}
    return VALIDATION.build(
        grid,
        {"walk_time": time, "time": time, **found, **series},
        numbers | {"sentences": "\n".join(sentences)},
    )
