"""Selling decomposition against the textbook algorithm, an exhaustive search, and its promises."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st

from fokkerplanck.errors import NumericalFailure
from fokkerplanck.operators.selling import TERMS, decompose, offset_of


def found(tensor: np.ndarray) -> dict[reference.Offset, float]:
    """Offsets and weights of one tensor, zero weights left out."""
    weights, codes = decompose(np.ascontiguousarray(tensor, dtype=float)[..., None])
    result: dict[reference.Offset, float] = {}
    for weight, code in zip(weights[:, 0], codes[:, 0], strict=True):
        if weight > 0.0:
            offset = offset_of(int(code), len(tensor))
            result[offset] = result.get(offset, 0.0) + float(weight)
    return result


def turned(angles: list[float], values: list[float]) -> np.ndarray:
    """Symmetric tensor with these eigenvalues, its axes turned about one axis after the other."""
    turn = np.eye(len(values))
    planes = list(itertools.combinations(range(len(values)), 2))
    for (i, j), angle in zip(planes, angles, strict=True):
        plane = np.eye(len(values))
        plane[i, i] = plane[j, j] = np.cos(angle)
        plane[i, j], plane[j, i] = -np.sin(angle), np.sin(angle)
        turn = turn @ plane
    tensor = turn @ np.diag(values) @ turn.T
    return 0.5 * (tensor + tensor.T)


def spd(ndim: int, decades: float) -> st.SearchStrategy[np.ndarray]:
    """Positive definite tensors of condition number up to 10**decades."""
    planes = ndim * (ndim - 1) // 2
    return st.builds(
        turned,
        st.lists(st.floats(-3.2, 3.2), min_size=planes, max_size=planes),
        st.lists(st.floats(-decades, 0.0).map(lambda p: 10.0**p), min_size=ndim, max_size=ndim),
    )


def assert_same(
    one: dict[reference.Offset, float], other: dict[reference.Offset, float], atol: float
) -> None:
    for offset in one.keys() | other.keys():
        assert one.get(offset, 0.0) == pytest.approx(other.get(offset, 0.0), abs=atol)


@pytest.mark.parametrize("ndim", [2, 3])
@given(data=st.data())
def test_equals_the_textbook_algorithm(ndim: int, data: st.DataObject) -> None:
    tensor = data.draw(spd(ndim, 4.0))
    assert_same(found(tensor), reference.selling(tensor), 1e-12 * np.trace(tensor))


@pytest.mark.parametrize(("ndim", "reach"), [(2, 4), (3, 1)])
def test_equals_an_exhaustive_search(ndim: int, reach: int, rng: np.random.Generator) -> None:
    compared = 0
    for _ in range(12):
        planes = ndim * (ndim - 1) // 2
        tensor = turned(list(rng.uniform(-3, 3, planes)), list(rng.uniform(0.3, 1.0, ndim)))
        try:
            expected = reference.selling_by_search(tensor, reach)
        except ValueError:
            continue
        assert_same(found(tensor), expected, 1e-13)
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("ndim", [1, 2, 3])
@given(data=st.data())
def test_decomposes(ndim: int, data: st.DataObject) -> None:
    tensor = data.draw(spd(ndim, 5.0))
    parts = found(tensor)
    assert len(parts) <= TERMS[ndim]
    total = sum(w * np.outer(e, e) for e, w in parts.items())
    np.testing.assert_allclose(total, tensor, atol=1e-11 * np.trace(tensor))
    assert all(reference.canonical(offset) == offset for offset in parts)


@pytest.mark.parametrize("ndim", [2, 3])
@given(data=st.data())
def test_reach_grows_like_the_root_of_the_condition_number(ndim: int, data: st.DataObject) -> None:
    tensor = data.draw(spd(ndim, 4.0))
    longest = max(np.linalg.norm(offset) for offset in found(tensor))
    # Fehrenbach and Mirebeau (2014), Proposition 1.1, with a constant that is not sharp.
    assert longest <= 3.0 * np.sqrt(np.linalg.cond(tensor))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_diagonal_tensors_need_the_axes_only(ndim: int) -> None:
    tensor = np.diag([2.0, 0.3, 1e-8][:ndim])
    axes = {tuple(int(i == k) for i in range(ndim)): tensor[k, k] for k in range(ndim)}
    assert_same(found(tensor), axes, 1e-15)


def test_rank_one_along_a_lattice_direction() -> None:
    assert_same(found(np.outer([2, -3], [2, -3])), {(2, -3): 1.0}, 1e-12)
    assert_same(found(np.outer([1, -1, 2], [1, -1, 2])), {(1, -1, 2): 1.0}, 1e-12)


@pytest.mark.parametrize("ndim", [2, 3])
def test_endless_flips_are_a_failure(ndim: int) -> None:
    direction = np.array([1.0, np.sqrt(2.0) * 1e-4, np.pi * 1e-5])[:ndim]
    tensor = np.outer(direction, direction)
    with pytest.raises(NumericalFailure, match="Selling"):
        decompose(tensor[..., None])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_codes_of_offsets(ndim: int, rng: np.random.Generator) -> None:
    from fokkerplanck.operators.selling import _code

    for offset in rng.integers(-900, 900, (50, ndim)):
        if not offset.any():
            continue
        padded = [int(c) for c in offset] + [0] * (3 - ndim)
        code = _code(*padded)
        assert code == _code(*(-c for c in padded))
        assert offset_of(code, ndim) == reference.canonical(offset)
