"""Random problems for property tests: smooth losses, turning tensors, any sides, 1-D to 3-D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from fokkerplanck.grid import Grid
from fokkerplanck.problem import Problem

NAMES = "xyz"
CELLS = {1: 16, 2: 8, 3: 5}
CLOSED = ("reflecting", "periodic")
ANY = ("reflecting", "periodic", "absorbing", "mixed")
STEP = 1e-3


@dataclass(frozen=True)
class Waves:
    """sum_m a_m sin(k_m . x + phase_m) with integer k: smooth, and periodic on [-pi, pi]."""

    amplitudes: np.ndarray
    waves: np.ndarray
    phases: np.ndarray

    def _arguments(self, points: tuple[np.ndarray, ...]) -> np.ndarray:
        flat = np.stack(np.broadcast_arrays(*points))
        return np.tensordot(self.waves, flat, 1) + self.phases.reshape(-1, *[1] * (flat.ndim - 1))

    def value(self, *points: np.ndarray) -> np.ndarray:
        """(...)"""
        return np.tensordot(self.amplitudes, np.sin(self._arguments(points)), 1)

    def gradient(self, *points: np.ndarray) -> np.ndarray:
        """(d, ...)"""
        weights = self.amplitudes[:, None] * self.waves
        return np.tensordot(weights.T, np.cos(self._arguments(points)), 1)

    def hessian(self, *points: np.ndarray) -> np.ndarray:
        """(d, d, ...)"""
        weights = self.amplitudes[:, None, None] * self.waves[:, :, None] * self.waves[:, None, :]
        return -np.tensordot(weights.transpose(1, 2, 0), np.sin(self._arguments(points)), 1)

    def mirrored(self, axis: int) -> Waves:
        """The same function of -x along one axis."""
        sign = np.ones(self.waves.shape[1])
        sign[axis] = -1.0
        return Waves(self.amplitudes, self.waves * sign, self.phases)


@dataclass(frozen=True)
class Tensor:
    """Sigma = T diag(values) T^T, its axes turned by angles that vary with the position."""

    values: np.ndarray
    angles: tuple[Waves, ...]

    def __call__(self, *points: np.ndarray) -> np.ndarray:
        """(d, d, ...)"""
        d = len(self.values)
        shape = np.broadcast_shapes(*(np.shape(p) for p in points))
        turn = np.zeros((*shape, d, d)) + np.eye(d)
        planes = [(i, j) for i in range(d) for j in range(i + 1, d)]
        for (i, j), angle in zip(planes, self.angles, strict=True):
            a = angle.value(*points)
            plane = np.zeros((*shape, d, d)) + np.eye(d)
            plane[..., i, i] = plane[..., j, j] = np.cos(a)
            plane[..., i, j], plane[..., j, i] = -np.sin(a), np.sin(a)
            turn = turn @ plane
        tensor = np.moveaxis(
            turn @ (self.values[:, None] * np.swapaxes(turn, -1, -2)), (-2, -1), (0, 1)
        )
        return 0.5 * (tensor + np.swapaxes(tensor, 0, 1))

    def divergence(self, *points: np.ndarray) -> np.ndarray:
        """(d, ...), by central differences of order 2: its error cancels wherever it matters."""
        if not any(angle.amplitudes.any() for angle in self.angles):
            return np.zeros(
                (len(self.values), *np.broadcast_shapes(*(np.shape(p) for p in points)))
            )
        total = 0.0
        for j in range(len(self.values)):
            up = [p + STEP * (i == j) for i, p in enumerate(points)]
            down = [p - STEP * (i == j) for i, p in enumerate(points)]
            total = total + (self(*up)[:, j] - self(*down)[:, j]) / (2.0 * STEP)
        return np.asarray(total)


@dataclass(frozen=True)
class Setting:
    """A random problem on its grid, and Psi where it was made to have one."""

    problem: Problem
    grid: Grid
    loss: Waves
    tensor: Tensor
    psi: Waves | None


def random_waves(draw: st.DrawFn, ndim: int, size: float) -> Waves:
    """Two waves, no shorter than the box, so that four cells resolve them."""
    number = st.floats(-size, size, allow_subnormal=False)
    row = st.lists(st.integers(-1, 1), min_size=ndim, max_size=ndim)
    return Waves(
        np.array([draw(number), draw(number)]),
        np.array([draw(row), draw(row)], dtype=float),
        np.array([draw(st.floats(0.0, 6.0)), draw(st.floats(0.0, 6.0))]),
    )


def random_box(draw: st.DrawFn, ndim: int, sides: tuple[str, ...]) -> dict[str, object]:
    """[-pi, pi] on every axis."""
    box = {}
    for name in NAMES[:ndim]:
        kind = draw(st.sampled_from(sides))
        boundary = ("absorbing", "reflecting") if kind == "mixed" else (kind, kind)
        box[name] = {"range": (-np.pi, np.pi), "boundary": boundary}
    return box


@st.composite
def settings_of(
    draw: st.DrawFn,
    *,
    dimensions: tuple[int, ...] = (1, 2, 3),
    sides: tuple[str, ...] = ANY,
    balanced: bool = False,
    decades: float = 3.0,
) -> Setting:
    """Random problems; with ``balanced`` the drift is -Sigma grad Psi/beta + div(Sigma)/beta."""
    ndim = draw(st.sampled_from(dimensions))
    box = random_box(draw, ndim, sides)
    loss = random_waves(draw, ndim, 1.5)
    beta = draw(st.floats(0.3, 4.0))
    values = 10.0 ** -np.array(
        draw(st.lists(st.floats(0.0, decades), min_size=ndim, max_size=ndim))
    )
    planes = ndim * (ndim - 1) // 2
    # Constant half of the time: then the waves have no slope.
    turning = draw(st.booleans())
    angles = tuple(random_waves(draw, ndim, 1.0 if turning else 0.0) for _ in range(planes))
    tensor = Tensor(values, angles)
    psi = random_waves(draw, ndim, 1.5) if balanced else None

    def drift(*points: np.ndarray) -> np.ndarray:
        if psi is None:
            return extra.gradient(*points)
        slope = np.einsum("ij...,j...->i...", tensor(*points), psi.gradient(*points))
        return loss.gradient(*points) + (tensor.divergence(*points) - slope) / beta

    extra = random_waves(draw, ndim, 1.5)
    problem = Problem(
        loss.value,
        tensor,
        beta,
        box,
        drift=drift,
        gradient=loss.gradient,
        hessian=loss.hessian,
        div_sigma=tensor.divergence,
    )
    cells = tuple(draw(st.integers(4, CELLS[ndim])) for _ in range(ndim))
    return Setting(problem, problem.grid(cells), loss, tensor, psi)


def random_density(grid: Grid, seed: int) -> np.ndarray:
    """Positive, mass one, rough: neighbouring cells may differ by a factor of ten."""
    values = 10.0 ** np.random.default_rng([9241, seed]).uniform(-1.0, 0.0, grid.shape)
    return values / grid.integrate(values)
