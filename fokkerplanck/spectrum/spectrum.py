"""The slowest modes of a generator: eigenvalues, left and right modes, relaxation times.

A right mode r is a perturbation of the density that decays as exp(lambda t), A r = lambda r; a left
mode u is an observable whose mean does, A^T u = lambda u. With sum u_j r_k V = delta_jk (V the cell
volume, no complex conjugate)

    rho(t) = sum_j exp(lambda_j t) r_j (sum u_j rho(0) V).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..linear_solvers.multilevel import null_state
from ..linear_solvers.shifted import DIRECT_CELLS, ShiftedSolver
from ..operators.generator import Generator
from .irreversible import irreversible_modes
from .mixing import MixingBounds, mixing_bounds
from .resolvent import residual
from .reversible import DENSE, mended, reversible_modes

# The phase of a mode is fixed at its first cell above this share of its peak; with one half,
# peaks that rounding tells apart do not compete.
PHASE_SHARE = 0.5
# Residuals above this are beyond rounding.
MENDED = 1e-9
# Without factors and without detailed balance modes cost minutes beyond this size.
ITERATIVE_CELLS = 120_000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Leading eigenvalues and modes by decreasing real part; all quantities dimensionless.

    In a closed box mode 0 is the zero: the stationary density and the constant one. With absorbing
    sides there is no zero, and mode 0 is the slowest way to leave the box.

    Attributes
    ----------
    real, imag : (m,) float64
        Of the eigenvalues, per unit time; of a pair the one with positive imaginary part first.
    modes : (m, n_1, ..., n_d) float64, or complex128 where an eigenvalue is complex
        Right modes r, per unit volume; sum |r| V = 1, and real and positive at the first cell
        above half of the peak. Mode 0 is a density of mass one.
    left : (m, n_1, ..., n_d), dtype of ``modes``
        Left modes u with sum u_j r_k V = delta_jk.
    residuals : (m,) float64
        |A r - lambda r| / (q |r|) in the Euclidean norm.
    detailed_balance : bool
    closed : bool
        Whether no side is absorbing.
    floor : float
        Moduli of eigenvalues below it are rounding.
    reach : float
        Angular frequency up to which no mode that decays as slowly as the last one was missed;
        faster oscillations may be. Infinite under detailed balance, where none oscillates.
    method : str
        How they were found, in words.
    mixing : MixingBounds or None
        Bounds on the mixing time of a closed box.
    """

    real: np.ndarray
    imag: np.ndarray
    modes: np.ndarray
    left: np.ndarray
    residuals: np.ndarray
    detailed_balance: bool
    closed: bool
    floor: float
    reach: float
    method: str
    mixing: MixingBounds | None

    @property
    def eigenvalues(self) -> np.ndarray:
        """Complex, shape (m,)."""
        return np.asarray(self.real + 1j * self.imag)

    @property
    def relaxation_times(self) -> np.ndarray:
        """-1/Re lambda per mode, infinite for the zero, shape (m,)."""
        return relaxation_times(self.real)

    @property
    def gap(self) -> float:
        """Slowest rate of decay: of mode 1 in a closed box, else of mode 0."""
        return float(-self.real[int(self.closed)]) if len(self.real) > self.closed else np.nan


def relaxation_times(real: np.ndarray) -> np.ndarray:
    """-1/Re lambda, infinite where Re lambda is zero."""
    return np.divide(-1.0, real, out=np.full(len(real), np.inf), where=real != 0.0)


def spectrum(
    generator: Generator, count: int = 6, log_density: np.ndarray | None = None
) -> Spectrum:
    """Leading modes of a generator.

    Arguments, errors and sources are those of :func:`fokkerplanck.library.generators.spectrum`, and

    Parameters
    ----------
    log_density : ndarray of the grid's shape, optional
        log rho_ss of a closed box, where it is known already.

    Notes
    -----
    Under detailed balance the symmetrised operator gives the modes (Lanczos on its inverse, or
    products alone where factors would not fit) and the Dirichlet form the rates, relatively
    accurate however small. Otherwise Arnoldi just right of zero on A and on A^T; exponentially
    small real eigenvalues again from the Dirichlet form. Order 2 in the cell width, as the rates.
    """
    size = generator.grid.size
    if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
        raise CaseError(
            f"{count!r} is not a number of modes; at least 1 is needed", "spectrum.count"
        )
    if count > size:
        raise CaseError(
            f"{count} modes of a grid of {size} cells; there are as many modes as cells",
            "spectrum.count",
        )
    method = spectrum_method(generator)
    closed = not generator.rates.exit_rate.any()
    solver = ShiftedSolver(generator)
    volume = generator.grid.cell_volume
    if generator.detailed_balance:
        found = reversible_modes(generator, int(count), solver)
        values = -found.rates.astype(np.float64)
        left, right = found.functions, found.functions * found.weight
        bad = np.array(
            [
                max(residual(generator, -rate, r), residual(generator, -rate, u, adjoint=True))
                for rate, r, u in zip(found.rates, right, left, strict=True)
            ]
        )
        if solver.direct and bad.max() > MENDED:
            right, left = mended(generator, found.rates, right, left, bad > MENDED)
        floor, reach = found.floor, np.inf
    else:
        if closed and log_density is None:
            log_density = null_state(generator).log_density
        general = irreversible_modes(generator, int(count), solver, log_density)
        values, left, right = general.values, general.left, general.right
        floor, reach = general.floor, general.reach
    right, left = _scaled(right, left, volume)
    shape = (len(values), *generator.grid.shape)
    mixing = None
    if closed and len(values) > 1:
        mixing = mixing_bounds(generator, float(-values.real[1]), log_density)
    return Spectrum(
        values.real.copy(),
        values.imag.copy(),
        right.reshape(shape),
        left.reshape(shape),
        np.array([residual(generator, v, r) for v, r in zip(values, right, strict=True)]),
        generator.detailed_balance,
        closed,
        floor,
        reach,
        method,
        mixing,
    )


def spectrum_method(generator: Generator) -> str:
    """How the modes of a generator are found, in words.

    Raises
    ------
    CaseError
        If there is no way in reasonable time.
    """
    size, direct = generator.grid.size, DIRECT_CELLS[generator.grid.ndim]
    if generator.detailed_balance:
        if size <= DENSE:
            return "all eigenvalues of the symmetrised operator"
        if size <= direct:
            return "Lanczos on the inverse of the symmetrised operator"
        return "Chebyshev-filtered subspaces of the symmetrised operator"
    if size <= DENSE:
        return "all eigenvalues"
    if size <= direct:
        return "Arnoldi on the inverse, just right of zero"
    limit = max(direct, ITERATIVE_CELLS)
    if size <= limit:
        return "Arnoldi on the inverse by iteration, just right of zero"
    raise CaseError(
        f"{size} cells are too many for modes without detailed balance; at most {limit} are "
        f"possible in {generator.grid.ndim} dimensions",
        "spectrum",
    )


def _scaled(right: np.ndarray, left: np.ndarray, volume: float) -> tuple[np.ndarray, np.ndarray]:
    """Modes in the units and with the phase that :class:`Spectrum` promises."""
    sizes = np.abs(right)
    first = (sizes > PHASE_SHARE * sizes.max(axis=1, keepdims=True)).argmax(axis=1)
    there = np.take_along_axis(right, first[:, None], axis=1)[:, 0]
    factor = np.abs(there) / there / (sizes.sum(axis=1) * volume)
    right = right * factor[:, None]
    return right, left / (np.einsum("jx,jx->j", left, right) * volume)[:, None]
