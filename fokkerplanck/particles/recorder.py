"""Frames of the walkers: counts, moments and trajectories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .sums import ALIVE, FINITE, LOSS, MOMENTS, OUTSIDE, SLOPE
from .walkers import BLOCK, Motion, Walkers, blocks_of

# What a state keeps of each frame, beside the counts and the trajectories.
SERIES = ("time", "outside", "absorbed", "lost", "mean", "covariance", "loss", "gradient_norm")
# Before the names of what a state keeps of the frames.
FRAMES = "frames_"
# Grids beyond this size are counted once per thread: eight copies would not fit the cache.
SMALL_GRID = 2**18


@dataclass(frozen=True, eq=False)
class EnsembleFrames:
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


@dataclass(frozen=True, eq=False)
class Snapshot:
    """One frame of a range of blocks.

    Attributes
    ----------
    time : float
    counts : (cells,) int32
        Walkers of the range in each cell.
    absorbed : (2d,) int64
    sums : (blocks, m) float64
        Of each block: the whole ensemble's are added up in the order of the blocks.
    places : (k, d) float64
        Of those of the ensemble's first walkers that are in the range.
    """

    time: float
    counts: np.ndarray
    absorbed: np.ndarray
    sums: np.ndarray
    places: np.ndarray


def snapshot(walkers: Walkers, trajectories: int) -> Snapshot:
    """Take a frame of walkers as they are; ``trajectories`` counts the first of the ensemble."""
    grid = walkers.grid
    d = grid.ndim
    sums = np.empty((walkers.blocks, MOMENTS + d + d * (d + 1) // 2))
    shape = np.array(grid.shape, dtype=np.int64)

    def call(first: int, last: int) -> np.ndarray:
        counts = np.zeros(grid.size, dtype=np.int32)
        walkers.observe(first, last, shape, counts, sums)
        return counts

    shares = {"shares": 1} if grid.size > SMALL_GRID else {}
    counts, *others = walkers.threads.run(call, walkers.blocks, **shares)
    for part in others:
        counts += part
    return Snapshot(
        walkers.time, counts, walkers.absorbed.sum(axis=0), sums, _places(walkers, trajectories)
    )


def _places(walkers: Walkers, trajectories: int) -> np.ndarray:
    kept = min(max(trajectories - walkers.first * BLOCK, 0), walkers.blocks * BLOCK)
    blocks = blocks_of(kept)
    shown = np.empty((blocks, walkers.grid.ndim, BLOCK))
    if blocks:
        walkers.kernels.places(
            0, blocks, walkers.states, walkers.x, walkers.noise_offset, walkers.motion.sides, shown
        )
    return shown.transpose(0, 2, 1).reshape(-1, walkers.grid.ndim)[:kept]


class WalkerRecorder:
    """Frames of the whole ensemble."""

    def __init__(self, motion: Motion, particles: int, trajectories: int, frames: int):
        d = motion.grid.ndim
        self.motion, self.particles = motion, particles
        self.time = np.empty(frames)
        self.counts = np.zeros((frames, *motion.grid.shape), dtype=np.int64)
        self.outside = np.zeros(frames, dtype=np.int64)
        self.absorbed = np.zeros((frames, 2 * d), dtype=np.int64)
        self.lost = np.zeros(frames, dtype=np.int64)
        self.mean = np.zeros((frames, d))
        self.covariance = np.zeros((frames, d, d))
        self.loss = np.zeros(frames)
        self.gradient_norm = np.zeros(frames)
        self.trajectories = np.empty((trajectories, frames, d)) if trajectories else None

    def state(self, number: int) -> dict[str, np.ndarray]:
        """The first so many frames; counts in the smallest type that holds all walkers."""
        kept = {name: getattr(self, name)[:number] for name in SERIES}
        kept["counts"] = self.counts[:number].astype(_counting(self.particles))
        if self.trajectories is not None:
            kept["trajectories"] = self.trajectories[:, :number]
        return {FRAMES + name: values for name, values in kept.items()}

    def restore(self, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Take the first so many frames from a state."""
        for name in (*SERIES, "counts"):
            getattr(self, name)[:number] = arrays[FRAMES + name]
        if self.trajectories is not None:
            self.trajectories[:, :number] = arrays[FRAMES + "trajectories"]

    def form(self, number: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and type of the arrays of a state with so many frames."""
        found = {}
        for name in SERIES:
            series = getattr(self, name)
            found[FRAMES + name] = ((number, *series.shape[1:]), series.dtype)
        counts = (number, *self.motion.grid.shape)
        found[FRAMES + "counts"] = (counts, _counting(self.particles))
        if self.trajectories is not None:
            walkers, _, d = self.trajectories.shape
            found[FRAMES + "trajectories"] = ((walkers, number, d), self.trajectories.dtype)
        return found

    def record(self, number: int, parts: Sequence[Snapshot]) -> None:
        """Take frame ``number`` from ranges that cover all blocks, in their order."""
        counts = self.counts[number].reshape(-1)
        for part in parts:
            counts += part.counts
        self.time[number] = parts[0].time
        self.absorbed[number] = sum(part.absorbed for part in parts)
        self._moments(number, np.concatenate([part.sums for part in parts]).sum(axis=0))
        if self.trajectories is not None:
            self.trajectories[:, number] = np.concatenate([part.places for part in parts])

    def _moments(self, number: int, total: np.ndarray) -> None:
        d, sides = self.motion.grid.ndim, self.motion.sides
        alive = int(total[ALIVE])
        self.outside[number] = int(total[OUTSIDE])
        self.lost[number] = self.particles - alive - int(self.absorbed[number].sum())
        if alive:
            offset = total[MOMENTS : MOMENTS + d] / alive
            products = np.zeros((d, d))
            products[np.tril_indices(d)] = total[MOMENTS + d :] / alive
            products += np.tril(products, -1).T
            self.mean[number] = offset + 0.5 * (sides[:, 0] + sides[:, 1])
            self.covariance[number] = products - np.outer(offset, offset)
        if total[FINITE]:
            self.loss[number] = total[LOSS] / total[FINITE]
            self.gradient_norm[number] = total[SLOPE] / total[FINITE]

    def result(self, seed: int, largest_step: float) -> EnsembleFrames:
        """All frames."""
        chosen = self.motion.chosen
        return EnsembleFrames(
            time=self.time,
            counts=self.counts,
            outside=self.outside,
            absorbed=self.absorbed,
            lost=self.lost,
            mean=self.mean,
            covariance=self.covariance,
            loss=self.loss,
            gradient_norm=self.gradient_norm,
            particles=self.particles,
            method=chosen.method.name,
            step=chosen.step if chosen.method.sgd else largest_step,
            seed=seed,
            trajectories=self.trajectories,
            order=chosen.method.order,
        )


def _counting(particles: int) -> np.dtype[Any]:
    return np.min_scalar_type(particles)
