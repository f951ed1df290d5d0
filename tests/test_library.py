"""The functions of the package on problems and generators: trees with the names of a result."""

from __future__ import annotations

import numpy as np
import pytest

import fokkerplanck as fp

PROBLEM = fp.Problem("(x**2 - 1)**2", beta=4.0, domain={"x": (-2.5, 2.5)})
GENERATOR = fp.generator(PROBLEM, PROBLEM.grid(48))
FORMER = (
    (lambda: fp.stationary(GENERATOR, PROBLEM), "scheme: a Problem"),
    (lambda: fp.passage(GENERATOR, PROBLEM, "x > 0"), "target: a Problem"),
    (lambda: fp.stationary(PROBLEM), "generator: this Problem"),
    (lambda: fp.escape(PROBLEM), "generator: this Problem"),
    (lambda: fp.analyse(GENERATOR.symmetrized), "generator: this Generator"),
)


@pytest.mark.parametrize(("call", "words"), FORMER)
def test_calls_of_earlier_versions_name_the_argument(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_trees_are_those_of_a_run() -> None:
    case = fp.make_case(
        PROBLEM, 48, stationary=True, spectrum={"count": 4},
        passage={"target": "x > 0.9", "source": "x < -0.9", "start": [[-1.0]], "escape": True},
    )  # fmt: skip
    result = fp.run(case)
    rest, modes = fp.stationary(GENERATOR), fp.spectrum(GENERATOR, 4)
    passed = fp.passage(GENERATOR, "x > 0.9", "x < -0.9", [[-1.0]])
    wells = fp.escape(GENERATOR)
    for name, tree, group in (
        ("density", rest, "stationary"),
        ("current", rest, "stationary"),
        ("real", modes, "spectrum"),
        ("left", modes, "spectrum"),
        ("mean_time", passed, "passage"),
        ("start_committor", passed, "passage"),
        ("times", wells, "passage/escape"),
    ):
        theirs = result[f"{group}/{name}"]
        np.testing.assert_array_equal(tree[name], theirs)
        assert tree[name].dims == theirs.dims
        assert tree[name].attrs == theirs.attrs
    assert passed.attrs["transition_rate"] == result["passage"].attrs["transition_rate"]
    found, _ = fp.analyse(GENERATOR)
    assert set(found.children) == set(result["stationary"].children)


def test_a_density_in_time_is_a_dataset() -> None:
    grid = PROBLEM.grid((48,))
    path = fp.evolve(PROBLEM, grid, fp.gaussian_density(grid, [1.0], [[0.04]]), [0.0, 0.5, 2.0])
    assert path.density.dims == ("time", "x")
    np.testing.assert_array_equal(path.x, grid.centers[0])
    np.testing.assert_allclose(path.density.sum("x") * grid.cell_volume, 1.0, rtol=1e-12)
    assert path.attrs["scheme"] == "high-order"
    assert path.attrs["products"] > 0
    later = path.sel(time=2.0).density
    rest = fp.stationary(GENERATOR).density
    assert float(abs(later - rest).sum()) < float(abs(path.density[0] - rest).sum())
