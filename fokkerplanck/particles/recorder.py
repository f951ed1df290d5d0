"""Frames of the walkers: counts, moments and trajectories."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .frame import ALIVE, FINITE, LOSS, MOMENTS, OUTSIDE, SLOPE
from .walkers import BLOCK, Walkers

# Grids beyond this size are counted once per thread: eight copies would not fit the cache.
SMALL_GRID = 2**18


@dataclass(frozen=True, eq=False)
class Ensemble:
    """What is known of the walkers at the output times.

    Attributes
    ----------
    time : (n,) float64
        When the frames were taken: the times asked for, or those of the nearest iterations.
    counts : (n, *grid.shape) int64
        Walkers in each cell.
    outside : (n,) int64
        Walkers left that are in no cell; only where sides are open.
    absorbed : (n, 2d) int64
        Walkers taken out so far by each side, numbered 2i and 2i + 1.
    lost : (n,) int64
        Walkers that have left to infinity or met a place where a formula has no value.
    mean, covariance : (n, d), (n, d, d) float64
        Of the walkers left; zero when there is none.
    loss, gradient_norm : (n,) float64
        Means of Phi and |grad Phi|^2 over walkers left at which both are finite.
    particles : int
    method : str
    step : float
        Largest time step taken; sqrt(eta) for heavy ball, eta for SGD.
    seed : int
    trajectories : (m, n, d) float64 or None
        Places of the first walkers, nan once they are gone.
    order : int
        Weak order declared.
    """

    time: np.ndarray
    counts: np.ndarray
    outside: np.ndarray
    absorbed: np.ndarray
    lost: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    loss: np.ndarray
    gradient_norm: np.ndarray
    particles: int
    method: str
    step: float
    seed: int
    trajectories: np.ndarray | None
    order: int


class Recorder:
    """Frames of the walkers."""

    def __init__(self, walkers: Walkers, trajectories: int, frames: int):
        grid, d = walkers.grid, walkers.grid.ndim
        self.walkers = walkers
        self.time = np.empty(frames)
        self.counts = np.zeros((frames, *grid.shape), dtype=np.int64)
        self.outside = np.zeros(frames, dtype=np.int64)
        self.absorbed = np.zeros((frames, 2 * d), dtype=np.int64)
        self.lost = np.zeros(frames, dtype=np.int64)
        self.mean = np.zeros((frames, d))
        self.covariance = np.zeros((frames, d, d))
        self.loss = np.zeros(frames)
        self.gradient_norm = np.zeros(frames)
        self.trajectories = np.empty((trajectories, frames, d)) if trajectories else None

    def record(self, number: int) -> None:
        """Take frame ``number`` of the walkers as they are."""
        walkers, grid = self.walkers, self.walkers.grid
        d = grid.ndim
        sums = np.empty((walkers.blocks, MOMENTS + d + d * (d + 1) // 2))
        shape = np.array(grid.shape, dtype=np.int64)

        def call(first: int, last: int) -> np.ndarray:
            counts = np.zeros(grid.size, dtype=np.int32)
            walkers.kernels.observe(
                first, last, walkers.states, walkers.x, walkers.time, walkers.lag, walkers.numbers,
                walkers.data, walkers.free, walkers.sides, shape, counts, sums,
            )  # fmt: skip
            return counts

        shares = {"shares": 1} if grid.size > SMALL_GRID else {}
        counts = self.counts[number].reshape(-1)
        for part in walkers.threads.run(call, walkers.blocks, **shares):
            counts += part
        self.time[number] = walkers.time
        self.absorbed[number] = walkers.absorbed.sum(axis=0)
        self._moments(number, sums.sum(axis=0))
        if self.trajectories is not None:
            self._places(number)

    def _moments(self, number: int, total: np.ndarray) -> None:
        walkers, d = self.walkers, self.walkers.grid.ndim
        alive = int(total[ALIVE])
        self.outside[number] = int(total[OUTSIDE])
        self.lost[number] = walkers.particles - alive - int(self.absorbed[number].sum())
        if alive:
            offset = total[MOMENTS : MOMENTS + d] / alive
            products = np.zeros((d, d))
            products[np.tril_indices(d)] = total[MOMENTS + d :] / alive
            products += np.tril(products, -1).T
            self.mean[number] = offset + 0.5 * (walkers.sides[:, 0] + walkers.sides[:, 1])
            self.covariance[number] = products - np.outer(offset, offset)
        if total[FINITE]:
            self.loss[number] = total[LOSS] / total[FINITE]
            self.gradient_norm[number] = total[SLOPE] / total[FINITE]

    def _places(self, number: int) -> None:
        walkers, kept = self.walkers, self.trajectories
        assert kept is not None
        blocks = -(-len(kept) // BLOCK)
        shown = np.empty((blocks, walkers.grid.ndim, BLOCK))
        walkers.kernels.places(
            0, blocks, walkers.states, walkers.x, walkers.lag, walkers.sides, shown
        )
        kept[:, number] = shown.transpose(0, 2, 1).reshape(-1, walkers.grid.ndim)[: len(kept)]

    def result(self, seed: int) -> Ensemble:
        """All frames."""
        chosen = self.walkers.chosen
        return Ensemble(
            time=self.time,
            counts=self.counts,
            outside=self.outside,
            absorbed=self.absorbed,
            lost=self.lost,
            mean=self.mean,
            covariance=self.covariance,
            loss=self.loss,
            gradient_norm=self.gradient_norm,
            particles=self.walkers.particles,
            method=chosen.method.name,
            step=chosen.step if chosen.method.sgd else self.walkers.largest_step,
            seed=seed,
            trajectories=self.trajectories,
            order=chosen.method.order,
        )
