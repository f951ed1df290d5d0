"""Slow modes without detailed balance: Arnoldi right of zero, on A and on its transpose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.optimize import linear_sum_assignment

from ..errors import NumericalFailure
from ..linear_solvers.shifted import ShiftedSolver
from ..operators.generator import Generator
from .dirichlet import orthonormal, slow_real_rates
from .resolvent import Project, arnoldi, box_rate
from .reversible import DENSE

# Of the eigenvalues of the resolvent.
TOLERANCE = 1e-12
# Modes beside the wanted ones: those nearest to zero are not those of slowest decay.
SPARE = 4
# Frequencies looked at, in units of the largest one among the wanted modes.
AHEAD = 1.5
MAX_PASSES = 3
# Real eigenvalues below q times this come from the Dirichlet form; Arnoldi's have lost 6 digits.
SMALL = 1e-10
# Left and right eigenvalues further apart than this, relative to |lambda| + shift, do not match.
MATCH = 1e-5
# Errors of the functions enter small rates to first order here.
ROUNDING = 1e-26


@dataclass(frozen=True)
class IrreversibleModes:
    """Modes of any generator.

    Attributes
    ----------
    values : (m,) float64, or complex128 where one is complex
        By decreasing real part.
    right, left : (m, N)
        Up to factors; sum left_j right_k = 0 for j != k.
    floor : float
        Moduli below it are rounding.
    reach : float
        Frequency up to which no mode that decays as slowly was missed.
    """

    values: np.ndarray
    right: np.ndarray
    left: np.ndarray
    floor: float
    reach: float


def irreversible_modes(
    generator: Generator,
    count: int,
    solver: ShiftedSolver,
    log_density: np.ndarray | None = None,
) -> IrreversibleModes:
    """Modes of slowest decay of a generator without detailed balance.

    Parameters
    ----------
    generator : Generator
    count : int
        At most as many as cells; a pair at the end is kept whole.
    solver : ShiftedSolver
        Of this generator.
    log_density : ndarray of the grid's shape, optional
        log rho_ss, of a closed box always.

    Raises
    ------
    NumericalFailure
        If modes do not converge, or left and right ones do not match.

    Notes
    -----
    A disc around a shift s > 0 holds the eigenvalues that Arnoldi finds first. The wider the disc
    the closer its left edge comes to a line of equal decay: s grows until the disc holds, at the
    decay of the last wanted mode, 1.5 times the largest frequency found so far.
    """
    closed = not generator.rates.exit_rate.any()
    mass = None
    if closed:
        assert log_density is not None
        mass = np.exp(log_density.reshape(-1))
        mass /= mass.sum()
    shift = box_rate(generator)
    if generator.grid.size <= DENSE:
        values, right, left = _all_modes(generator, mass)
        reach = np.inf
    else:
        wanted = count - closed
        for attempt in range(MAX_PASSES):
            number = min(wanted + SPARE, generator.grid.size - 2)
            values, right = arnoldi(
                solver, number, shift, TOLERANCE, project=_without(mass, adjoint=False)
            )
            radius = float(np.abs(values - shift).max())
            order = np.argsort(-values.real)
            kept = values[order][:wanted]
            decay = float(-kept.real.min()) if kept.size else 0.0
            frequency = AHEAD * float(np.abs(kept.imag).max(initial=0.0))
            # What the disc holds at that decay.
            reach = float(np.sqrt(max(0.0, radius**2 - (decay + shift) ** 2)))
            if frequency <= reach:
                break
            if attempt < MAX_PASSES - 1:
                shift = max(shift, (frequency**2 - decay**2) / (2.0 * decay))
        other, left = arnoldi(
            solver,
            number,
            shift,
            TOLERANCE,
            adjoint=True,
            project=_without(mass, adjoint=True),
        )
        values, right, left = _matched(values, right, other, left, shift)
    values, right, left = _leading(values, right, left, count - closed)
    if len(values):
        values, left = _paired(generator, values, right, left)
    if mass is not None:
        values = _small_again(generator, mass, values, left)
        values = np.append(0.0, values)
        right = np.concatenate([mass[None], right])
        left = np.concatenate([np.ones((1, mass.size)), left])
    if not values.imag.any():
        values, right, left = values.real.copy(), right.real.copy(), left.real.copy()
    return IrreversibleModes(
        values, right, left, ROUNDING * generator.q * generator.grid.size, reach
    )


def _without(mass: np.ndarray | None, adjoint: bool) -> Project | None:
    """Takes the zero out: rho_ss on the right, the constant on the left."""
    if mass is None:
        return None
    if adjoint:
        return lambda u: u - mass @ u
    return lambda r: r - r.sum() * mass


def _all_modes(
    generator: Generator, mass: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = generator.to_scipy().toarray()
    if mass is not None:
        # The zero goes to the far left.
        matrix -= 4.0 * generator.q * np.outer(mass, np.ones(mass.size))
    values, left, right = scipy.linalg.eig(matrix, left=True)
    order = np.argsort(-values.real, kind="stable")
    if mass is not None:
        order = order[:-1]
    # A^T u = lambda u: scipy's left vectors are conjugate.
    return values[order], right.T[order], left.conj().T[order]


def _matched(
    values: np.ndarray, right: np.ndarray, other: np.ndarray, left: np.ndarray, shift: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left modes in the order of the right ones; those without a partner are left out."""
    gaps = np.abs(values[:, None] - other) / (np.abs(values) + shift)[:, None]
    rows, columns = linear_sum_assignment(gaps)
    good = gaps[rows, columns] <= MATCH
    return values[rows[good]], right[rows[good]], left[columns[good]]


def _leading(
    values: np.ndarray, right: np.ndarray, left: np.ndarray, wanted: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slowest ones, of a pair the positive frequency first, the last pair whole."""
    if len(values) < wanted:
        raise NumericalFailure(
            f"only {len(values)} of {wanted} left and right modes of the spectrum match",
            "ask for fewer modes, or take more cells",
        )
    scale = float(np.abs(values).max(initial=1.0))
    # Both of a pair have the same real part but for rounding.
    order = np.lexsort((-values.imag, np.abs(values.imag), np.round(-values.real / scale, 9)))
    values, right, left = values[order], right[order], left[order]
    last = wanted
    if 0 < wanted < len(values) and values[wanted - 1].imag > 0.0:
        last += 1
    return values[:last], right[:last], left[:last]


def _paired(
    generator: Generator, values: np.ndarray, right: np.ndarray, left: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Left modes dual to the right ones, and eigenvalues from both: errors enter as products."""
    gram = left @ right.T
    left = np.linalg.solve(gram, left)
    images = np.array(
        [generator.matvec(r.real.copy()) + 1j * generator.matvec(r.imag.copy()) for r in right]
    )
    refined = np.einsum("jx,jx->j", left, images)
    return np.where(values.imag == 0.0, refined.real, refined), left


def _small_again(
    generator: Generator, mass: np.ndarray, values: np.ndarray, left: np.ndarray
) -> np.ndarray:
    """Exponentially small real eigenvalues from the Dirichlet form, the others as they are."""
    small = (np.abs(values) < SMALL * generator.q) & (np.abs(values.imag) == 0.0)
    if not small.any():
        return values
    functions = left[small].real
    functions = orthonormal(mass, functions - (functions @ mass)[:, None])
    result = values.copy()
    result[small] = slow_real_rates(generator, mass, functions)
    return result
