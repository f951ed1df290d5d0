"""Every kernel against its slow twin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import mpmath
import numba
import numpy as np
import pytest
import reference
from measures import compiled_only
from scipy import sparse
from scipy.stats import poisson

from fokkerplanck.operators import chains, kernels, product
from fokkerplanck.problem import Problem
from fokkerplanck.timestepping.exponential import chebyshev_coefficients, poisson_weights
from fokkerplanck.timestepping.limiter import add_limited
from fokkerplanck.timestepping.system import System

ARGUMENTS = np.concatenate(
    [
        np.logspace(-300, 2.84, 400),
        np.linspace(0.1, 705.0, 300),
        kernels.BERNOULLI_SERIES * np.linspace(0.5, 1.5, 101),
        [1e-16, 0.5, 1.0, 36.7, 699.99, 700.0, 700.01, 705.0],
    ]
)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bernoulli(sign: float) -> None:
    found = np.array([kernels.bernoulli(z) for z in sign * ARGUMENTS])
    exact = np.array([reference.bernoulli(z) for z in sign * ARGUMENTS])
    np.testing.assert_allclose(found, exact, rtol=1e-15)


def test_bernoulli_at_the_ends() -> None:
    assert kernels.bernoulli(0.0) == 1.0
    assert kernels.bernoulli(-1e5) == 1e5
    assert kernels.bernoulli(1e5) == 0.0
    # Denormal results keep few digits, but their order.
    tail = [kernels.bernoulli(z) for z in (700.0, 709.0, 715.0, 730.0, 739.0)]
    assert tail == sorted(tail, reverse=True)
    assert tail[-1] > 0.0


def test_edge_rates(rng: np.random.Generator) -> None:
    conductance = rng.random(40) * (rng.random(40) > 0.2)
    force = rng.normal(size=40) * 10.0 ** rng.integers(-6, 2, 40)
    forward, backward = np.full(40, np.nan), np.full(40, np.nan)
    kernels.edge_rates(conductance, force, forward, backward)
    for c, p, ahead, back in zip(conductance, force, forward, backward, strict=True):
        assert ahead == pytest.approx(c * reference.bernoulli(-p), rel=3e-15)
        assert back == pytest.approx(c * reference.bernoulli(p), rel=3e-15)
        if c:
            assert ahead == pytest.approx(back * np.exp(p), rel=1e-12)


def random_edges(
    rng: np.random.Generator, size: int, shifts: list[int]
) -> tuple[np.ndarray, np.ndarray, sparse.csr_matrix]:
    """Rates of edges i -> i + shift that stay inside, and the matrix without its diagonal."""
    forward, backward = rng.random((2, len(shifts), size))
    matrix = sparse.lil_matrix((size, size))
    for k, shift in enumerate(shifts):
        for i in range(size):
            if 0 <= i + shift < size:
                matrix[i + shift, i] += forward[k, i]
                matrix[i, i + shift] += backward[k, i]
            else:
                forward[k, i] = backward[k, i] = 0.0
    return forward, backward, matrix.tocsr()


# Sizes below, at and above one block of cells, with blocks in the middle; one to seven shifts of
# both signs, some beyond a block.
def edges_of(
    forward: np.ndarray, backward: np.ndarray, shifts: list[int], leaving: np.ndarray
) -> product.EdgeRates:
    """Without edges across sides."""
    none, zero = np.empty(0, np.int64), np.empty(0)
    return product.EdgeRates(forward, backward, np.array(shifts), leaving, none, none, zero, zero)


@pytest.mark.parametrize(
    ("size", "shifts"),
    [
        (7, [1, -3]),
        (50, [1, 7, 8, -6]),
        (product.BLOCK, [1, -40]),
        (2600, [1, 61, -60, 2300]),
        (3 * product.BLOCK - 88, [1]),
        (3 * product.BLOCK - 88, [-40, 1]),
        (3 * product.BLOCK - 88, [40, -39, 79]),
        (3 * product.BLOCK - 88, [1, 7, -6, 300, 307]),
        (2 * product.BLOCK + 7, [1, 7, -6, 300, 307, 293, -301]),
    ],
)
def test_product(rng: np.random.Generator, size: int, shifts: list[int]) -> None:
    forward, backward, matrix = random_edges(rng, size, shifts)
    leaving, x, y, total = rng.random((4, size))
    a, b, c, weight = 0.7, -0.4, 1.3, 0.25
    without = a * (matrix @ x - leaving * x) + b * x
    expected = without + c * y
    edges = edges_of(forward, backward, shifts, leaving)
    factors = (a, b, c)
    results = []
    for multiply in (product.product, product.product_serial):
        out = np.full(size, np.nan)
        added = total.copy()
        multiply(edges, x, factors, y, added, weight, out, True)
        np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(added, total + weight * expected, rtol=1e-13, atol=1e-13)
        results.append(out.tobytes())
        # In place of y, and nothing added for weight 0.
        inplace, untouched = y.copy(), total.copy()
        multiply(edges, x, factors, inplace, untouched, 0.0, inplace, False)
        assert inplace.tobytes() == out.tobytes()
        assert untouched.tobytes() == total.tobytes()
        # The factor 0 means that y is not read.
        multiply(edges, x, (a, b, 0.0), np.full(size, np.nan), untouched, 0.0, out, True)
        np.testing.assert_allclose(out, without, rtol=1e-13, atol=1e-13)
    assert results[0] == results[1]


def test_product_does_not_depend_on_threads(rng: np.random.Generator) -> None:
    size = 2 * product.BLOCK + 100
    forward, backward, _ = random_edges(rng, size, [1, 61, -60])
    leaving, x = rng.random((2, size))
    edges = edges_of(forward, backward, [1, 61, -60], leaving)
    found = set()
    before = numba.get_num_threads()
    try:
        for threads in range(1, before + 1):
            numba.set_num_threads(threads)
            out = np.empty(size)
            product.product(edges, x, (1.0, 0.0, 0.0), x, out, 0.0, out, True)
            found.add(out.tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(found) == 1


def random_tensors(rng: np.random.Generator, ndim: int, count: int) -> np.ndarray:
    """Positive definite, condition numbers up to 1e6, shape (d, d, count)."""
    result = np.empty((ndim, ndim, count))
    for n in range(count):
        turn, _ = np.linalg.qr(rng.normal(size=(ndim, ndim)))
        values = 10.0 ** (-6.0 * rng.random(ndim))
        tensor = turn @ np.diag(values) @ turn.T
        result[:, :, n] = 0.5 * (tensor + tensor.T)
    return result


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_solve_tensor(rng: np.random.Generator, ndim: int) -> None:
    tensors, vectors = random_tensors(rng, ndim, 30), rng.normal(size=(ndim, 30))
    found = np.full((ndim, 30), np.nan)
    kernels.solve_tensor(tensors, vectors, found)
    for n in range(30):
        exact = np.linalg.solve(tensors[:, :, n], vectors[:, n])
        condition = np.linalg.cond(tensors[:, :, n])
        assert np.linalg.norm(found[:, n] - exact) <= 1e-15 * condition**1.2 * np.linalg.norm(exact)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("share", [1e-2, 1e-4])
def test_regularise(rng: np.random.Generator, ndim: int, share: float) -> None:
    tensors = random_tensors(rng, ndim, 40)
    for n in range(20):
        vector = rng.normal(size=ndim)
        tensors[:, :, n] = np.outer(vector, vector)
    tensors[:, :, 20] = 0.0
    before = tensors.copy()
    count = kernels.regularise(tensors, share)
    changed = [n for n in range(40) if tensors[:, :, n].tobytes() != before[:, :, n].tobytes()]
    assert count == len(changed)
    assert 1 < count < 40
    for n in range(40):
        expected = reference.raised(before[:, :, n], share)
        np.testing.assert_allclose(tensors[:, :, n], expected, rtol=1e-9, atol=1e-9)
        values = np.linalg.eigvalsh(tensors[:, :, n])
        assert values[0] >= 0.99 * share * np.trace(before[:, :, n])


def test_scatter_weights(rng: np.random.Generator) -> None:
    weights, rows = rng.random((3, 20)), rng.integers(0, 5, (3, 20))
    table = np.zeros((5, 20))
    kernels.scatter_weights(weights, rows, table)
    for m in range(5):
        for n in range(20):
            assert table[m, n] == pytest.approx(weights[:, n][rows[:, n] == m].sum())


CHAINS = [(1, False), (2, True), (2, False), (3, True), (9, False), (9, True)]


@pytest.mark.parametrize(("size", "closed"), CHAINS)
@pytest.mark.parametrize("open_box", [False, True])
@pytest.mark.parametrize("dt", [0.05, 3.0, 1e6])
def test_chain_step(
    rng: np.random.Generator, size: int, closed: bool, open_box: bool, dt: float
) -> None:
    forward, backward = rng.random((2, size)) * 10.0 ** rng.integers(-3, 2, (2, size))
    killing = rng.random(size) * open_box
    matrix = reference.chain_matrix(forward, backward, killing, closed)
    density = np.zeros(size)
    density[0] = 1.0
    # Two chains, their cells mixed up: the second is the first with another density.
    order = rng.permutation(2 * size)
    other = rng.random(size)
    both = np.empty(2 * size)
    both[order] = np.concatenate([density, other])
    record = chains.Chains(
        order,
        np.array([0, size, 2 * size]),
        np.array([closed, closed]),
        np.tile(forward, 2),
        np.tile(backward, 2),
        np.tile(killing, 2),
    )
    record.advance(both, dt)
    for found, start in ((both[order[:size]], density), (both[order[size:]], other)):
        expected = reference.extrapolated(matrix, start, dt)
        # Dense elimination loses the digits that the large step brings in.
        np.testing.assert_allclose(found, expected, rtol=1e-11 * (1.0 + 1e-2 * dt), atol=1e-11)
        assert found.min() >= 0.0
        if not open_box:
            assert found.sum() == pytest.approx(start.sum(), rel=1e-13)


def test_backward_euler_on_a_chain_is_entrywise_accurate() -> None:
    """No subtraction: entries of 1e-200 are right to ten digits, where elimination has none."""
    size, dt = 40, 1e-5
    forward, backward = np.full(size, 1.0), np.full(size, 2.0)
    pivot, recorder, to_last, from_last = np.empty((4, size))
    start = np.eye(size)[0]
    found = np.empty(size)
    chains._factor(
        forward, backward, np.zeros(size), False, dt, pivot, recorder, to_last, from_last
    )
    chains._solve(forward, backward, False, dt, pivot, to_last, from_last, start, found)
    with mpmath.workdps(400):
        matrix = mpmath.eye(size)
        for j in range(size - 1):
            matrix[j + 1, j] -= mpmath.mpf(dt) * forward[j]
            matrix[j, j] += mpmath.mpf(dt) * forward[j]
            matrix[j, j + 1] -= mpmath.mpf(dt) * backward[j]
            matrix[j + 1, j + 1] += mpmath.mpf(dt) * backward[j]
        exact = mpmath.lu_solve(matrix, mpmath.matrix(list(start)))
    assert found[-1] < 1e-190
    np.testing.assert_allclose(found, [float(value) for value in exact], rtol=1e-13)


@pytest.mark.parametrize("sides", [("reflecting", "reflecting"), ("absorbing", "reflecting")])
def test_limiter(rng: np.random.Generator, sides: tuple[str, str]) -> None:
    box = {
        "x": {"range": (-1, 1), "boundary": sides},
        "y": {"range": (-1, 1), "boundary": "periodic"},
    }
    problem = Problem("x**2", [[1.0, 0.7], [0.7, 1.0]], 1.0, box)
    generator = System(problem, problem.grid((6, 7))).at(0.0)
    matrix = generator.to_scipy().toarray()
    active = False
    for dt in (1e-4, 0.01, 1.0):
        low = rng.random(42) * (rng.random(42) > 0.3)
        excess = rng.normal(size=42)
        found = add_limited(generator, low, excess, dt)
        expected = reference.limited(matrix, low, excess, dt)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
        assert found.min() >= 0.0
        active |= bool(np.abs(found - low - dt * matrix @ excess).max() > 1e-6)
        if generator.grid.domain.closed:
            assert found.sum() == pytest.approx(low.sum(), rel=1e-13)
    assert active


@pytest.mark.parametrize("s", [0.0, 1e-3, 0.7, 30.0, 4000.0])
def test_poisson_weights(s: float) -> None:
    first, weights = poisson_weights(s)
    assert weights.sum() == pytest.approx(1.0, abs=1e-15)
    exact = poisson.pmf(np.arange(first, first + weights.size), s)
    np.testing.assert_allclose(weights, exact, rtol=1e-11, atol=1e-18)
    assert poisson.cdf(first - 1, s) + poisson.sf(first + weights.size - 1, s) <= 1e-15


@pytest.mark.parametrize("z", [1e-3, 1.0, 60.0, 1e5])
def test_chebyshev_coefficients(z: float) -> None:
    found = chebyshev_coefficients(z)
    # sum_k c_k T_k(cos a) = exp(-z (1 - cos a)), from the fast modes a = pi to the slow ones.
    for angle in (0.0, 0.3 / np.sqrt(z + 1.0), 2.0 / np.sqrt(z + 1.0), 1.0, np.pi):
        exact = np.exp(-2.0 * z * np.sin(0.5 * angle) ** 2)
        assert found @ np.cos(angle * np.arange(found.size)) == pytest.approx(exact, abs=2e-13)


CALLER = """
import numba
import callee
from fokkerplanck.runtime.compiling import source_stamp

def make(sources):
    @numba.njit(cache=True)
    def caller():
        _ = sources
        return callee.number()
    return caller

caller = make(source_stamp(callee.__file__))
print(caller(), sum(caller.stats.cache_hits.values()))
"""


@compiled_only
def test_a_kernel_is_compiled_anew_when_one_in_another_file_changes(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER, encoding="utf-8")
    root = str(Path(__file__).resolve().parents[1])
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": root}

    def answer(number: int) -> str:
        text = f"import numba\n\n@numba.njit\ndef number():\n    return {number}\n"
        (tmp_path / "callee.py").write_text(text, encoding="utf-8")
        return subprocess.run(
            # -B: no bytecode, which Python tells from a new text by its second and size only.
            [sys.executable, "-B", "caller.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert [answer(1), answer(1), answer(2)] == ["1 0\n", "1 1\n", "2 0\n"]
