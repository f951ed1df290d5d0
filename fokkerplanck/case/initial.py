"""The density at t = 0 as given in the case, checked against the domain."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..domain import Domain
from ..errors import CaseError, CaseWarning
from ..grid import Grid
from ..problem.expressions.formula import parse
from ..problem.expressions.names import Names
from .records import Initial
from .schema import InitialSection

# Keys each kind takes; any other of them in the section is an error.
_KEYS = {
    "gaussian": ("mean", "std", "covariance"),
    "uniform": (),
    "point": ("mean", "at"),
    "formula": ("formula",),
    "stationary": (),
}
# A gaussian with more of its mass than this outside the box is worth a warning ...
OUTSIDE_WARNING = 1e-6
# ... and with less than this inside it is no longer the density that was asked for.
INSIDE_LEAST = 1e-2
# Relative asymmetry and smallest relative eigenvalue accepted in a covariance.
SYMMETRY_TOLERANCE = 1e-12
# Standard deviations whose squares, and the inverses of these, are numbers.
LEAST_STD, MOST_STD = 1e-150, 1e150


def initial_density(section: InitialSection, grid: Grid, constants: dict[str, float]) -> Initial:
    """Turn ``[initial]`` into a record; ``constants`` are the names a formula may use.

    Raises
    ------
    CaseError
        With the key, if a key is missing or does not belong to the kind, if the number of entries
        is not that of the axes, a formula cannot be read, the covariance is not symmetric positive
        definite, or the density lies outside the domain.

    Warns
    -----
    CaseWarning
        If more than ``OUTSIDE_WARNING`` of a gaussian lies outside the domain, or it is narrower
        than a cell.
    """
    kind = section.kind
    given = [key for key in ("mean", "at", "std", "covariance", "formula") if _get(section, key)]
    for key in given:
        if key not in _KEYS[kind]:
            takes = f"takes {', '.join(_KEYS[kind])}" if _KEYS[kind] else "takes no other key"
            raise CaseError(f"does not belong to kind = {kind!r}, which {takes}", f"initial.{key}")
    if kind == "gaussian":
        mean = _place(section, grid.domain, "mean")
        covariance = _covariance(section, grid.ndim)
        _check_width(covariance, grid)
        _check_mass(mean, covariance, grid.domain)
        return Initial(kind, mean, covariance)
    if kind == "point":
        if section.mean is not None and section.at is not None:
            raise CaseError("is given twice, also as mean; keep one", "initial.at")
        key = "mean" if section.mean is not None else "at"
        return Initial(kind, _place(section, grid.domain, key))
    if kind == "formula":
        if section.formula is None:
            raise CaseError("is missing; give the density as a formula", "initial.formula")
        # Only to have what is wrong in it said now.
        parse(section.formula, Names(grid.names, constants), "initial.formula")
        return Initial(kind, formula=section.formula)
    return Initial(kind)


def _get(section: InitialSection, key: str) -> bool:
    return getattr(section, key) is not None


def _place(section: InitialSection, domain: Domain, key: str) -> np.ndarray:
    """The centre, shape (d,), inside the domain."""
    entries = getattr(section, key)
    if entries is None:
        raise CaseError(f"is missing; give {_per_axis(domain.ndim)}", f"initial.{key}")
    if len(entries) != domain.ndim:
        raise CaseError(
            f"has {len(entries)} entries; give {_per_axis(domain.ndim)}", f"initial.{key}"
        )
    for axis, value in zip(domain.axes, entries, strict=True):
        if not axis.lower <= value <= axis.upper:
            raise CaseError(
                f"the initial density lies outside the domain: {axis.name} = {value:g} is not in "
                f"[{axis.lower:g}, {axis.upper:g}]",
                f"initial.{key}",
            )
    return np.array(entries, dtype=np.float64)


def _covariance(section: InitialSection, ndim: int) -> np.ndarray:
    """The covariance, shape (d, d), symmetric positive definite."""
    if (section.std is None) == (section.covariance is None):
        raise CaseError("give either std or covariance for kind = 'gaussian'", "initial.std")
    if section.std is not None:
        if len(section.std) not in (1, ndim):
            raise CaseError(
                f"has {len(section.std)} entries; give one number or {_per_axis(ndim)}",
                "initial.std",
            )
        for value in section.std:
            _require_width(value, "initial.std")
        return np.diag(np.broadcast_to(np.square(section.std), (ndim,))).copy()
    rows = section.covariance or []
    if len(rows) != ndim or any(len(row) != ndim for row in rows):
        raise CaseError(f"must be a {ndim} x {ndim} matrix, a list of rows", "initial.covariance")
    matrix = np.array(rows, dtype=np.float64)
    scale = np.abs(matrix).max()
    _require_width(math.sqrt(scale), "initial.covariance")
    if np.abs(matrix - matrix.T).max() > SYMMETRY_TOLERANCE * scale:
        raise CaseError(f"{rows} is not symmetric", "initial.covariance")
    smallest = np.linalg.eigvalsh(matrix)[0]
    if not smallest > SYMMETRY_TOLERANCE * scale:
        raise CaseError(
            f"{rows} is not positive definite; its smallest eigenvalue is {smallest:.3g}",
            "initial.covariance",
        )
    return matrix


def _require_width(std: float, key: str) -> None:
    if not LEAST_STD <= std <= MOST_STD:
        raise CaseError(
            f"a standard deviation of {std:.3g} is out of range, {LEAST_STD:g} to {MOST_STD:g}; "
            "kind = 'point' is a point mass, kind = 'uniform' has no width",
            key,
        )


def _per_axis(ndim: int) -> str:
    return "one number" if ndim == 1 else f"{ndim} numbers, one per axis"


def _check_width(covariance: np.ndarray, grid: Grid) -> None:
    widths = np.sqrt(np.diag(covariance))
    for axis, width, cell in zip(grid.domain.axes, widths, grid.spacing, strict=True):
        if width < cell:
            warnings.warn(
                f"the initial density is narrower than a cell along {axis.name}: its standard "
                f"deviation is {width:.3g}, the cell {cell:.3g}",
                CaseWarning,
                stacklevel=2,
            )


def _check_mass(mean: np.ndarray, covariance: np.ndarray, domain: Domain) -> None:
    """Warn of, or refuse, a gaussian that reaches beyond the sides.

    The marginals give an upper bound of the mass outside, exact for one crossed side.
    """
    outside, inside = 0.0, 1.0
    for axis, center, variance in zip(domain.axes, mean, np.diag(covariance), strict=True):
        if axis.periodic:
            continue
        width = math.sqrt(2.0 * variance)
        tails = 0.5 * math.erfc((center - axis.lower) / width)
        tails += 0.5 * math.erfc((axis.upper - center) / width)
        outside += tails
        inside *= 1.0 - tails
    if inside < INSIDE_LEAST:
        raise CaseError(
            f"the initial density lies outside the domain: only {inside:.2g} of its mass is "
            "inside; take a smaller width, or kind = 'uniform'",
            "initial",
        )
    if outside > OUTSIDE_WARNING:
        warnings.warn(
            f"the domain cuts off the initial density: {min(outside, 1.0):.2g} of its "
            "mass lies outside",
            CaseWarning,
            stacklevel=2,
        )
