"""The figures of walkers: dots where they are counted, a band that holds them, paths."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from store_samples import make_ensemble

from fokkerplanck.domain import Axis, Domain
from fokkerplanck.figures import draw
from fokkerplanck.figures.walkers import BINS, pooled, walkers_figures
from fokkerplanck.grid import Grid
from fokkerplanck.io.result import Result
from fokkerplanck.validation import cell_masses

PARTICLES = 400_000


def with_walkers(
    cells: tuple[int, ...], seen: int = 4, shift: float = 0.0, kept: int = 5
) -> Result:
    """Gaussians that move to the origin over four frames, walkers at the first ``seen`` of them."""
    d = len(cells)
    rng = np.random.default_rng(40487)
    faces = [np.linspace(-4.0, 4.0, count + 1) for count in cells]
    centers = tuple(0.5 * (face[1:] + face[:-1]) for face in faces)
    mesh = np.meshgrid(*centers, indexing="ij")
    volume = float(np.prod([face[1] - face[0] for face in faces]))

    def gaussian(place: float) -> np.ndarray:
        rho = np.exp(-sum((x - place) ** 2 for x in mesh))
        return rho / (rho.sum() * volume)

    time = np.arange(4.0)
    density = np.stack([gaussian(1.5 - 0.5 * t) for t in time])
    grid = Grid.of(Domain(tuple(Axis(name, -4.0, 4.0) for name in "xyz"[:d])), cells)
    chances = [cell_masses(grid, gaussian(1.5 - 0.5 * t + shift)) for t in time[:seen]]
    counts = np.stack([rng.multinomial(PARTICLES, p.ravel()).reshape(cells) for p in chances])
    walkers = make_ensemble(
        grid,
        time[:seen],
        rng.normal(size=(kept, seen, d)) if kept else None,
        particles=PARTICLES,
        counts=counts,
    )
    return Result(
        title="",
        beta=2.0,
        seed=None,
        case_toml="",
        source="",
        names=("x", "y", "z")[:d],
        centers=centers,
        bounds=tuple(np.stack([face[:-1], face[1:]], axis=1) for face in faces),
        time=time,
        density=density,
        loss=sum(x**2 for x in mesh),
        sigma=np.broadcast_to(np.eye(d).reshape(d, d, *(1,) * d), (d, d, *cells)),
        analyses={"ensemble": walkers},
    )


def dots(axes) -> list:
    return [line for line in axes.get_lines() if line.get_marker() == "o" and len(line.get_xdata())]


@pytest.mark.parametrize("cells", [(160,), (48, 64), (24, 20, 32)])
def test_dots_are_the_walkers_and_lie_in_the_band(cells: tuple[int, ...]) -> None:
    result = with_walkers(cells)
    figure = walkers_figures(result)["walkers"]
    upper, lower = figure.axes[: len(cells)], figure.axes[len(cells) : 2 * len(cells)]
    for axis, (above, below) in enumerate(zip(upper, lower, strict=True)):
        assert len(dots(above)) == 3
        last = dots(above)[-1]
        width = np.diff(last.get_xdata()[:2])[0]
        # Nearly all walkers are where the density lives.
        assert last.get_ydata()[:-1].sum() * width == pytest.approx(1.0, abs=0.02)
        assert len(last.get_xdata()) <= BINS
        (points,) = dots(below)
        (band,) = below.collections[:1]
        vertices = band.get_paths()[0].vertices
        inside = [
            vertices[vertices[:, 0] == x, 1].min() <= y <= vertices[vertices[:, 0] == x, 1].max()
            for x, y in zip(*points.get_data(), strict=True)
        ]
        assert np.mean(inside) > 0.8, axis


def test_walkers_elsewhere_leave_the_band() -> None:
    figure = walkers_figures(with_walkers((48, 64), shift=0.1))["walkers"]
    (points,) = dots(figure.axes[2])
    # A shift by s multiplies the density by 1 + 2 s x.
    x, y = points.get_data()
    slope = np.polyfit(x[np.abs(x) < 1.0], y[np.abs(x) < 1.0], 1)[0]
    assert slope == pytest.approx(20.0, rel=0.1)


def test_bins_hold_every_walker_where_the_density_lives() -> None:
    result = with_walkers((100, 30))
    assert result.ensemble is not None
    masses = result.density[-1] * result.cell_volume
    edges = np.append(result.bounds[0][:, 0], result.bounds[0][-1, 1])
    expected, found, bins = pooled(masses, result.ensemble.counts[-1], edges, 0)
    first, last = np.searchsorted(edges, bins[[0, -1]] - 1e-9)
    assert found.sum() == result.ensemble.counts[-1][first:last].sum()
    assert expected.sum() == pytest.approx(masses[first:last].sum())
    assert 1.0 - expected.sum() < 1e-2


@pytest.mark.parametrize("cells", [(160,), (48, 64), (24, 20, 32)])
def test_paths_begin_where_walkers_do(cells: tuple[int, ...]) -> None:
    result = with_walkers(cells, seen=3)
    assert result.ensemble is not None
    figure = walkers_figures(result)["walkers_paths"]
    lines = [line for line in figure.axes[0].get_lines() if line.get_marker() == "."]
    assert len(lines) == 3
    for line, path in zip(lines, result.ensemble.trajectories, strict=False):
        along = (result.time[:3], path[:, 0]) if len(cells) == 1 else (path[:, 0], path[:, 1])
        np.testing.assert_array_equal(line.get_data(), along)


def test_files_of_a_result_with_walkers(tmp_path: Path) -> None:
    names = [path.stem for path in draw(with_walkers((24, 20), seen=2), tmp_path)]
    assert names == ["density", "walkers", "walkers_paths"]
    assert "walkers_paths" not in walkers_figures(with_walkers((24, 20), kept=0))
    alone = with_walkers((24, 20))
    alone.ensemble = None
    assert walkers_figures(alone) == {}
