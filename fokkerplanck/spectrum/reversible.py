"""Slow modes under detailed balance, their rates relatively accurate however small.

The symmetrised operator M^-1/2 A M^1/2 gives the space of the modes, its null vector M^1/2 taken
out; inverse iteration on the left modes u and the Dirichlet form give the rates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from ..errors import NumericalFailure
from ..linear_solvers.shifted import ShiftedSolver
from ..operators.generator import Generator
from .chebyshev_subspace import filtered_modes
from .dirichlet import orthonormal, ritz
from .resolvent import NEGLIGIBLE, Project, box_rate, lanczos

# Chains this small are solved with all their modes at once.
DENSE = 160
# Of the eigenvalues of the resolvent: an error e in a mode enters a slow rate as e^2 times a fast
# one.
TOLERANCE = 1e-13
# Of the modes by products alone, which stop at the rounding of the largest rate.
FILTER_TOLERANCE = 1e-10
# Modes beside the wanted ones: they speed up the inverse iteration.
SPARE = 3
# Vectors of the symmetrised operator are noise where they are below this share of their largest
# value and the Gibbs weight, relative to its largest, is small as well.
NOISE, WEIGHT = 1e-11, 1e-24
FILTER_NOISE, FILTER_WEIGHT = 1e-8, 1e-16
POLISHING = 3
# Distance of the shift to the eigenvalue, relative.
NEARBY = 1e-7
# Of the left modes in cells of less weight, by products alone.
EXTENSION = 1e-6
MAX_SWEEPS = 5000
# Rates below q times this are rounding of the functions' differences.
ROUNDING = 1e-30
# By which a distance to the Gibbs state falls from half the range of doubles to rounding.
DECADES = 170.0


@dataclass(frozen=True)
class ReversibleModes:
    """Modes of a generator with detailed balance.

    Attributes
    ----------
    rates : (m,) float64
        Rising; the zero of a closed box is exactly 0.
    functions : (m, N) float64
        Left modes, orthonormal in the product sum M u v; the first one of a closed box is constant.
    weight : (N,) float64
        M, cell masses of the Gibbs state, sum one.
    floor : float
        Rates below it are rounding.
    """

    rates: np.ndarray
    functions: np.ndarray
    weight: np.ndarray
    floor: float


def reversible_modes(
    generator: Generator, count: int, solver: ShiftedSolver | None = None
) -> ReversibleModes:
    """The slowest modes of a generator with detailed balance.

    Parameters
    ----------
    generator : Generator
    count : int
        At most as many as cells.
    solver : ShiftedSolver, optional
        Of this generator.

    Raises
    ------
    NumericalFailure
        If the modes do not converge.
    """
    psi = generator.potential.values
    assert psi is not None
    root = np.exp(-0.5 * (psi - psi.min())).reshape(-1)
    weight = np.square(root)
    closed = not generator.rates.exit_rate.any()
    wanted = min(count + SPARE, root.size) - closed
    solver = ShiftedSolver(generator) if solver is None else solver
    shift = box_rate(generator)
    project = _without(root / np.linalg.norm(root)) if closed else None
    if root.size <= DENSE:
        values, vectors = _dense(generator, root, wanted, closed)
    elif solver.direct:
        values, vectors = lanczos(solver, root, wanted, shift, TOLERANCE, project)
    else:
        values, vectors = filtered_modes(generator, wanted, FILTER_TOLERANCE, project)
    trusted = (NOISE, WEIGHT) if solver.direct else (FILTER_NOISE, FILTER_WEIGHT)
    functions, unsure = _lift(vectors, root, *trusted)
    if solver.direct:
        for _ in range(POLISHING):
            functions = solver.solve(functions.T, 1.0 / shift, adjoint=True).T
            functions = _centred(weight, functions, closed)
    else:
        for u, value, where in zip(functions, values, unsure, strict=True):
            _extend(generator, u, -float(value), where)
    functions = _living(weight, _centred(weight, functions, closed), count - closed)
    rates = np.zeros(0)
    # The second time the functions are close to modes, each of its own scale, as `ritz` needs.
    for _ in range(2 if len(functions) else 0):
        rates, functions = ritz(generator, weight, functions)
        functions = _centred(weight, functions, closed)
    if closed:
        rates = np.append(0.0, rates)
        constant = np.full((1, root.size), 1.0 / np.sqrt(weight.sum()))
        functions = np.concatenate([constant, functions])
    total = weight.sum()
    return ReversibleModes(
        rates[:count],
        functions[:count] * np.sqrt(total),
        weight / total,
        ROUNDING * generator.q * root.size,
    )


def time_to_rest(generator: Generator) -> float:
    """Time after which any density of a closed box with detailed balance is its Gibbs state.

    To rounding: the chi-square distance falls by exp(-2 gap t) at least, and begins below the
    inverse of the smallest double. Infinite without detailed balance, with absorbing sides, and
    where the gap is not found.
    """
    if not (generator.detailed_balance and generator.closed):
        return np.inf
    try:
        gap = float(reversible_modes(generator, 2).rates[1])
    except (ArithmeticError, NumericalFailure, np.linalg.LinAlgError):
        return np.inf
    return DECADES * np.log(10.0) / gap if gap > 0.0 else np.inf


def _without(known: np.ndarray) -> Project:
    def project(x: np.ndarray) -> np.ndarray:
        return x - (known @ x) * known

    return project


def _centred(weight: np.ndarray, functions: np.ndarray, closed: bool) -> np.ndarray:
    """Orthonormal, and in a closed box of mean zero."""
    if closed:
        functions = functions - ((functions @ weight) / weight.sum())[:, None]
    return orthonormal(weight, functions)


def _living(weight: np.ndarray, functions: np.ndarray, needed: int) -> np.ndarray:
    """The functions up to the first one that underflowed.

    Raises
    ------
    NumericalFailure
        If it is a wanted one.
    """
    lost = np.flatnonzero(np.square(functions) @ weight == 0.0)
    if not lost.size:
        return functions
    if lost[0] < needed:
        raise NumericalFailure(
            "the Gibbs weights range over more than 140 decades, and one of the modes lives where "
            "they vanish",
            "ask for fewer modes, or take a smaller domain",
        )
    return functions[: lost[0]]


def mended(
    generator: Generator, rates: np.ndarray, right: np.ndarray, left: np.ndarray, bad: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Right and left modes, the marked ones found again by inverse iteration, each for itself.

    A mode that empties a well far above the lowest one has as much probability in both. In the
    symmetrised form its value in the lower one is smaller by the root of the weights' ratio: below
    rounding, beyond 32 decades.

    Parameters
    ----------
    generator : Generator
        Small enough for factors.
    rates : (m,) float64
        Rising.
    right, left : (m, N) float64
    bad : (m,) bool
    """
    matrix = generator.to_scipy()
    identity = sparse.identity(matrix.shape[0], format="csc")
    right, left = right.copy(), left.copy()
    for j in np.flatnonzero(bad):
        # With pivots: the shifted matrix is next to singular, which is its use.
        factor = splu(matrix + (1.0 + NEARBY) * rates[j] * identity)
        r, u = right[j], left[j]
        r, u = r / np.abs(r).max(), u / np.abs(u).max()
        for _ in range(POLISHING):
            r, u = factor.solve(r), factor.solve(u, "T")
            for k in range(j):
                scale = left[k] @ right[k]
                r = r - (left[k] @ r) / scale * right[k]
                u = u - (right[k] @ u) / scale * left[k]
            r, u = r / np.abs(r).max(), u / np.abs(u).max()
        right[j], left[j] = r, u
    return right, left


def _dense(
    generator: Generator, root: np.ndarray, wanted: int, closed: bool
) -> tuple[np.ndarray, np.ndarray]:
    matrix = generator.symmetrized.to_scipy().toarray()
    if closed:
        # The null vector goes below all others.
        known = root / np.linalg.norm(root)
        matrix -= 4.0 * generator.q * np.outer(known, known)
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1][:wanted], vectors.T[::-1][:wanted]


def _lift(
    vectors: np.ndarray, root: np.ndarray, noise: float, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """u = v / M^1/2, zero where v is noise, for others to fill in; and where that is.

    A mode may live where the Gibbs state hardly is, in a well far above the lowest: what counts is
    its own size.
    """
    sizes = np.abs(vectors)
    sure = sizes > noise * sizes.max(axis=1, keepdims=True)
    sure |= np.square(root) > weight
    sure &= root > NEGLIGIBLE
    return np.divide(vectors, root, out=np.zeros_like(vectors), where=sure), ~sure


def _extend(generator: Generator, u: np.ndarray, rate: float, where: np.ndarray) -> None:
    """Solve A^T u = -rate u in some cells, the others given, in place.

    Jacobi's iteration: walkers leave cells of so little weight quickly, down the force.

    Raises
    ------
    NumericalFailure
        If it does not converge.
    """
    if not where.any():
        return
    leaving, out = generator.leaving, np.empty_like(u)
    scale = float(np.abs(u).max())
    for _ in range(MAX_SWEEPS):
        generator.combine(u, 1.0, 0.0, u, 0.0, out, adjoint=True)
        change = (out + rate * u)[where] / (leaving[where] - rate)
        u[where] += change
        if float(np.abs(change).max()) <= EXTENSION * max(scale, float(np.abs(u).max())):
            return
    raise NumericalFailure(
        f"the left modes did not converge in {int(where.sum())} cells that are hardly ever visited",
        "take a smaller domain",
    )
