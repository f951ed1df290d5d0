"""GMRES against a dense solve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fokkerplanck.linear_solvers.minimal_residual import gmres


@given(seed=st.integers(0, 2**32 - 1), restart=st.sampled_from([5, 40]))
def test_gmres_solves_what_a_dense_solver_solves(seed: int, restart: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.eye(30) + 0.1 * rng.normal(size=(30, 30))
    near = np.linalg.inv(np.eye(30) + 0.05 * rng.normal(size=(30, 30)))
    rhs = rng.normal(size=30)
    found = gmres(lambda x: matrix @ x, rhs, lambda x: near @ x, 1e-12, restart, 60)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, rhs), rtol=1e-9, atol=1e-9)


def test_an_exact_preconditioner_takes_one_product() -> None:
    calls = []

    def operator(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        return 4.0 * x

    rhs = np.arange(1.0, 6.0)
    assert gmres(operator, rhs, lambda x: 0.25 * x, 1e-12, 5, 3) == pytest.approx(0.25 * rhs)
    # The residual at the start, one vector, the residual that ends it.
    assert len(calls) == 3
