"""The products of both schemes against the machine's stream bandwidth, measured in the same run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

import fokkerplanck as fp
from fokkerplanck.gallery import (
    ExactProblem,
    mapped_ornstein_uhlenbeck,
    ornstein_uhlenbeck_2d,
    quadratic_3d,
    quartic_well,
)

from .report import save

# 3 arrays of 128 MiB: far beyond any cache.
TRIAD_SIZE = 2**24
# Triad and product take turns, so that both see the same state of a shared machine.
ROUNDS = 7
CALLS = 6
COLUMNS = (
    "problem",
    "cells",
    "scheme",
    "bytes / cell",
    "product / ms",
    "ns / cell",
    "GB / s",
    "share of triad",
    "scipy sparse / ms",
)
TITLE = "Products of both schemes, against stream triad"


def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, factor: float) -> None:
    """a = b + factor c on all threads (McCalpin's STREAM)."""
    for i in numba.prange(a.size):
        a[i] = b[i] + factor * c[i]


triad: Any = numba.njit(parallel=True)(_triad)


def median_time(action: Callable[[], Any]) -> float:
    """Median seconds of repeated calls, after one that is not counted (it fills the cache)."""
    times = []
    for number in range(CALLS + 1):
        begin = time.perf_counter()
        action()
        if number:
            times.append(time.perf_counter() - begin)
    return statistics.median(times)


def measure(
    label: str, exact: ExactProblem, cells: int, arrays: tuple[np.ndarray, ...]
) -> dict[str, Any]:
    """Time of one product in place, of scipy's product with the same matrix, and of the triad.

    Parameters
    ----------
    label : str
    exact : ExactProblem
    cells : int
        Per axis.
    arrays : three arrays
        Those of the triad.
    """
    grid = exact.problem.grid(cells)
    generator = fp.generator(exact.problem, grid)
    x = exact.initial(grid).reshape(-1)
    out = np.empty_like(x)
    offsets = len(generator.rates.shifts)
    # Two rates per offset, the total rate, x and the result, each moved once.
    per_cell = 16 * offsets + 24
    operator = fp.density.high_order(exact.problem, grid)
    # Drift along each axis, x and the result; a constant tensor is in the weights.
    entries = 0 if operator.uniform else grid.ndim + int(operator.mixed.sum())
    high_per_cell = 8 * (grid.ndim + entries) + 16
    matrix = generator.to_scipy().tocsr()
    triads, products, sparse, high = [], [], [], []
    for _ in range(ROUNDS):
        triads.append(median_time(lambda: triad(*arrays, 3.0)))
        products.append(median_time(lambda: generator.combine(x, 1.0, 0.0, x, 0.0, out)))
        high.append(median_time(lambda: operator.combine(x, 1.0, 0.0, x, 0.0, out)))
        sparse.append(median_time(lambda: matrix @ x))
    # STREAM counts 24 bytes per entry of the triad.
    bandwidths = [24.0 * TRIAD_SIZE / seconds for seconds in triads]
    rates = [per_cell * grid.size / seconds for seconds in products]
    high_rates = [high_per_cell * grid.size / seconds for seconds in high]
    return {
        "problem": label,
        "shape": grid.shape,
        "offsets": offsets,
        "bytes_per_cell": per_cell,
        "product_s": statistics.median(products),
        "scipy_s": statistics.median(sparse),
        "bytes_per_s": statistics.median(rates),
        "triad_bytes_per_s": statistics.median(bandwidths),
        "share": _share(rates, bandwidths),
        "high_bytes_per_cell": high_per_cell,
        "high_product_s": statistics.median(high),
        "high_bytes_per_s": statistics.median(high_rates),
        "high_share": _share(high_rates, bandwidths),
    }


def _share(rates: Sequence[float], bandwidths: Sequence[float]) -> float:
    return statistics.median(
        rate / bandwidth for rate, bandwidth in zip(rates, bandwidths, strict=True)
    )


def run(quick: bool = False) -> str:
    """Products in one, two and three dimensions; returns the table."""
    scale = 2 if quick else 1
    arrays = tuple(np.full(TRIAD_SIZE, value) for value in (0.0, 1.0, 2.0))
    records = [
        measure("quartic, 1-D", quartic_well(), 2**22 // scale, arrays),
        measure("P, k = 1", ornstein_uhlenbeck_2d(1.0), 2048 // scale, arrays),
        measure("P, k = 100", ornstein_uhlenbeck_2d(100.0), 2048 // scale, arrays),
        measure("P, k = 100, small", ornstein_uhlenbeck_2d(100.0), 256, arrays),
        measure("turning tensor", mapped_ornstein_uhlenbeck(), 1024 // scale, arrays),
        measure("quadratic, 3-D", quadratic_3d(), 128 // scale, arrays),
    ]
    bandwidth = statistics.median(record["triad_bytes_per_s"] for record in records)
    rows = []
    for record in records:
        size = float(np.prod(record["shape"]))
        for scheme, prefix in (("scharfetter-gummel", ""), ("high-order", "high_")):
            seconds = record[f"{prefix}product_s"]
            rows.append(
                [
                    record["problem"],
                    " x ".join(map(str, record["shape"])),
                    scheme,
                    str(record[f"{prefix}bytes_per_cell"]),
                    f"{1e3 * seconds:.3g}",
                    f"{1e9 * seconds / size:.2f}",
                    f"{1e-9 * record[f'{prefix}bytes_per_s']:.1f}",
                    f"{record[f'{prefix}share']:.2f}",
                    "" if prefix else f"{1e3 * record['scipy_s']:.3g}",
                ]
            )
    notes = [
        f"Triad a = b + s c on all threads, 3 arrays of {TRIAD_SIZE * 8 >> 20} MiB: "
        f"{1e-9 * bandwidth:.1f} GB/s at 24 bytes per entry. The share is the median of ratios of "
        "neighbouring measurements.",
        "Bytes per cell, scharfetter-gummel: 16 per offset (both rates) and 24 (total rate, "
        "density, result); high-order: 8 per axis (drift), 8 per entry of a tensor that varies, "
        "and 16. The reading of lines before they are written is not counted, as in the triad.",
        "high-order moves fewer bytes and computes more: a low share with few nanoseconds is no "
        "contradiction. It works in tiles that stay in the second-level cache; their margins are "
        "read twice, which is not counted.",
        "The arrays of the small problem stay in the cache; a share above 1 is no mistake there.",
        "scipy: the same matrix in compressed rows, one thread.",
    ]
    return save("stream", TITLE, COLUMNS, rows, notes, records, quick)
