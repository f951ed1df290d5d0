"""Figures: what is in them, not only that there are files."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread
from matplotlib.text import Text
from PIL import Image

from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.plots import FIGURES, animation, draw
from fokkerplanck.plots.density import density_figures
from fokkerplanck.plots.frames import chosen_frames, planes
from fokkerplanck.plots.free_energy import free_energy_figures
from fokkerplanck.plots.observables import observables_figures
from fokkerplanck.plots.quasi_potential import quasi_potential_figures
from fokkerplanck.plots.style import contour_levels, lived_in, symbol, view
from fokkerplanck.result import Result, Stationary

BETA = 2.0


def ornstein_uhlenbeck(cells, names="xyz", frames=9, stationary=True, swirl=0.0):
    """Isotropic Gaussian relaxing in Phi = |theta|^2/2 from (1, -1, ...), std 0.3.

    ``swirl`` adds a rotation of the first two axes, which leaves rho_ss as it is and gives it a
    current; the relaxation shown is that without it.
    """
    ndim = len(cells)
    faces = [np.linspace(-4.0, 4.0, count + 1) for count in cells]
    centers = tuple((face[1:] + face[:-1]) / 2 for face in faces)
    mesh = np.stack(np.meshgrid(*centers, indexing="ij"))
    start = np.array([1.0, -1.0, 0.5])[:ndim]
    time = np.linspace(0.0, 3.0, frames)
    decay = np.exp(-time)
    mean = decay[:, None] * start
    variance = 1 / BETA + (0.3**2 - 1 / BETA) * decay**2

    def gaussian(center, spread):
        square = ((mesh - center.reshape(-1, *(1,) * ndim)) ** 2).sum(0)
        return np.exp(-square / (2 * spread)) / (2 * np.pi * spread) ** (ndim / 2)

    ratio = variance * BETA
    kl = 0.5 * ndim * (ratio - 1 - np.log(ratio)) + BETA / 2 * (mean**2).sum(1)
    loss = 0.5 * (mesh**2).sum(0)
    rest = gaussian(np.zeros(ndim), 1 / BETA)
    current = np.zeros((ndim, *cells))
    if swirl:
        current[0], current[1] = -swirl * mesh[1] * rest, swirl * mesh[0] * rest
    expected = 0.5 * (ndim * variance + (mean**2).sum(1))
    rate = -(ndim * (variance - 1 / BETA) + (mean**2).sum(1))
    score = ndim * (1 / variance - BETA) ** 2 * variance + BETA**2 * (mean**2).sum(1)
    return Result(
        title="Ornstein-Uhlenbeck",
        beta=BETA,
        seed=None,
        case_toml="",
        source="",
        names=tuple(names[:ndim]),
        centers=centers,
        bounds=tuple(np.stack([face[:-1], face[1:]], 1) for face in faces),
        time=time,
        density=np.stack([gaussian(m, v) for m, v in zip(mean, variance, strict=True)]),
        loss=loss,
        sigma=np.broadcast_to(np.eye(ndim).reshape(ndim, ndim, *(1,) * ndim), (ndim, ndim, *cells)),
        observables={
            "mass": np.ones(frames),
            "mean": mean,
            "covariance": variance[:, None, None] * np.eye(ndim),
            "free_energy": -0.7 + kl / BETA,
            "kl_to_stationary": kl,
            "dissipation": score / BETA**2,
            "expected_loss": expected,
            "loss_rate": rate,
            "loss_rate_dynkin": rate,
        },
        stationary=Stationary(rest, loss.copy(), current, 0.0, not swirl, 0.0, swirl)
        if stationary
        else None,
    )


def panels(figure):
    """Axes that are not colour bars and not switched off."""
    return [axes for axes in figure.axes if axes.axison and axes.get_label() != "<colorbar>"]


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text)]


def test_curves_in_one_dimension():
    result = ornstein_uhlenbeck((80,), names=("theta_1",))
    figure = density_figures(result)["density"]
    top, bottom = panels(figure)
    dashed = [line for line in top.lines if line.get_linestyle() == "--"]
    np.testing.assert_array_equal(dashed[0].get_ydata(), result.stationary.density)
    curves = [line for line in top.lines if line.get_linestyle() == "-"]
    np.testing.assert_array_equal(curves[0].get_ydata(), result.density[0])
    np.testing.assert_array_equal(curves[-1].get_ydata(), result.density[-1])
    assert len({tuple(line.get_color()) for line in curves}) == len(curves)
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), result.loss)
    assert bottom.get_xlabel() == r"$\theta_{1}$"


def test_images_in_two_dimensions():
    result = ornstein_uhlenbeck((40, 30), names=("u", "v"))
    figure = density_figures(result)["density"]
    shown = panels(figure)
    assert len(shown) == 6
    assert shown[0].get_title() == "$t = 0$"
    assert shown[-1].get_title() == "stationary"
    # The peak of the first panel is at the initial mean (1, -1): not transposed, not flipped.
    picture = shown[0].images[0]
    values = np.asarray(picture.get_array())
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert picture.origin == "lower"
    assert tuple(picture.get_extent()) == (-4, 4, -4, 4)
    assert result.centers[0][column] == pytest.approx(1.0, abs=0.2)
    assert result.centers[1][row] == pytest.approx(-1.0, abs=0.2)
    assert shown[0].get_ylabel() == "$v$"
    assert shown[-1].get_xlabel() == "$u$"
    assert all(axes.collections for axes in shown), "loss contours"
    # The peaks differ more than threefold, so each is stated and the scale is relative.
    assert f"max $\\rho$ = {result.density[0].max():.3g}" in texts(figure)
    assert values.max() == 1.0


def test_alike_peaks_share_an_absolute_scale():
    result = ornstein_uhlenbeck((40, 30))
    result.density = result.density[-3:]
    result.time = result.time[-3:]
    figure = density_figures(result)["density"]
    pictures = [axes.images[0] for axes in panels(figure)]
    assert len({picture.get_clim() for picture in pictures}) == 1
    assert pictures[-1].get_clim()[1] == pytest.approx(result.stationary.density.max(), rel=0.1)
    assert r"density $\rho$" in texts(figure)


def test_marginals_and_slices_in_three_dimensions():
    result = ornstein_uhlenbeck((12, 14, 16), frames=5)
    figures = density_figures(result)
    assert set(figures) == {"density", "density_slices"}
    for figure in figures.values():
        assert len(panels(figure)) == 12
        assert {"$x$", "$y$", "$z$"} <= set(texts(figure))
    first = panels(figures["density"])[0].images[0].get_array()
    marginal = result.density[0].sum(axis=2) * result.grid_spacing[2]
    np.testing.assert_allclose(first, (marginal / marginal.max()).T, rtol=1e-14)


def test_planes_integrate_or_cut():
    result = ornstein_uhlenbeck((4, 5, 6), frames=2)
    values = np.arange(120.0).reshape(4, 5, 6)
    xz = planes(result, "marginal", np.zeros(3, int))[1]
    assert xz.pair == (0, 2)
    np.testing.assert_allclose(xz.of_density(values), values.sum(1) * 8 / 5, rtol=1e-15)
    np.testing.assert_array_equal(xz.of_potential(values), values[:, 0])
    yz = planes(result, "slice", np.array([3, 0, 0]))[2]
    np.testing.assert_array_equal(yz.of_density(values), values[3])
    assert yz.label == "$x$ = 3"


def test_free_energy_shows_its_limit_and_matching_rates():
    result = ornstein_uhlenbeck((40,), frames=200)
    fall, distance, rate = panels(free_energy_figures(result)["free_energy"])
    limit = next(line for line in fall.lines if line.get_linestyle() == "--")
    np.testing.assert_allclose(limit.get_ydata(), -0.7, rtol=1e-12)
    assert distance.get_yscale() == rate.get_yscale() == "log"
    np.testing.assert_allclose(distance.lines[0].get_ydata(), result.kl_to_stationary / BETA)
    dissipation, slope = rate.lines
    middle = np.interp(slope.get_xdata(), dissipation.get_xdata(), dissipation.get_ydata())
    np.testing.assert_allclose(slope.get_ydata(), middle, rtol=5e-3)
    for axes in (fall, distance, rate):
        assert axes.get_xlabel() == "time $t$ (dimensionless)"
        assert axes.get_ylabel()


def test_free_energy_without_a_limit():
    result = ornstein_uhlenbeck((40,), stationary=False)
    del result.observables["kl_to_stationary"]
    assert len(panels(free_energy_figures(result)["free_energy"])) == 2


def test_distance_of_rounding_size_stays_drawable():
    result = ornstein_uhlenbeck((40,))
    result.observables["kl_to_stationary"] = np.full(9, -1e-17)
    result.observables["free_energy"] = np.full(9, -0.7)
    result.observables["dissipation"] = np.zeros(9)
    texts(free_energy_figures(result)["free_energy"])


def test_observables_panels():
    result = ornstein_uhlenbeck((20, 20))
    moments, loss, rates, mass = panels(observables_figures(result)["observables"])
    np.testing.assert_array_equal(moments.lines[1].get_ydata(), result.mean[:, 1])
    band = moments.collections[0].get_paths()[0].vertices[:, 1]
    upper = result.mean[:, 0] + np.sqrt(result.covariance[:, 0, 0])
    assert band.max() == pytest.approx(upper.max())
    assert [line.get_marker() for line in rates.lines[1:]] == ["None", "o"]
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), result.expected_loss)
    assert "10^{-15}" in mass.get_ylabel()
    result.observables["mass"] = np.linspace(1, 0.5, 9)
    assert panels(observables_figures(result)["observables"])[3].get_ylabel() == "mass"


def test_quasi_potential_with_and_without_current():
    calm = quasi_potential_figures(ornstein_uhlenbeck((40, 40)))["quasi_potential"]
    assert "equal" in texts(calm)
    assert len(panels(calm)) == 3
    result = ornstein_uhlenbeck((40, 40), swirl=1.0)
    loss, quasi, current = panels(quasi_potential_figures(result)["quasi_potential"])
    assert loss.images[0].get_clim() == quasi.images[0].get_clim()
    assert current.patches, "arrows of the streamlines"
    assert not panels(calm)[2].patches
    cube = ornstein_uhlenbeck((12, 12, 12), frames=2, swirl=1.0)
    assert len(panels(quasi_potential_figures(cube)["quasi_potential"])) == 9
    line = quasi_potential_figures(ornstein_uhlenbeck((40,)))["quasi_potential"]
    assert len(panels(line)) == 1
    assert quasi_potential_figures(ornstein_uhlenbeck((40,), stationary=False)) == {}


@pytest.mark.parametrize("cells", [(60,), (24, 20), (8, 9, 10)])
def test_everything_is_drawn_to_files(tmp_path, cells):
    figures = [name for name in FIGURES if not name.startswith("animation")]
    paths = draw(ornstein_uhlenbeck(cells, frames=4), tmp_path / "new", figures)
    names = ["density", "free_energy", "observables", "quasi_potential"]
    if len(cells) == 3:
        names.insert(1, "density_slices")
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        pixels = imread(path)
        assert pixels.shape[1] >= 600
        assert pixels[..., :3].std() > 0.05
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("cells", [(60,), (24, 20), (8, 9, 10)])
def test_film_moves(tmp_path, cells):
    (path,) = draw(ornstein_uhlenbeck(cells, frames=3), tmp_path, ["animation"])
    assert path.name == "animation.gif"
    with Image.open(path) as film:
        assert film.n_frames == 3
        frames = []
        for index in (0, 2):
            film.seek(index)
            frames.append(np.asarray(film.convert("RGB"), float))
        assert np.abs(frames[1] - frames[0]).max() > 50


def test_unknown_figure_names_the_nearest(tmp_path):
    with pytest.raises(CaseError, match=r"output.figures: 'desnity'.*mean 'density'"):
        draw(ornstein_uhlenbeck((20,)), tmp_path, ["free_energy", "desnity"])
    assert not list(tmp_path.iterdir())


def test_figure_without_data_is_left_out_with_a_word(tmp_path):
    result = ornstein_uhlenbeck((20,), stationary=False)
    with pytest.warns(CaseWarning, match="quasi_potential"):
        assert draw(result, tmp_path, ["quasi_potential"]) == []
    result = ornstein_uhlenbeck((20,), frames=1)
    with pytest.warns(CaseWarning, match="free_energy"):
        assert [path.name for path in draw(result, tmp_path)] == ["density.png"]


def test_result_without_frames_and_folder_that_is_a_file(tmp_path):
    result = ornstein_uhlenbeck((20,))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        draw(result, tmp_path / "file")
    result.density, result.time = result.density[:0], result.time[:0]
    with pytest.raises(StoreError, match="no frame"):
        draw(result, tmp_path)


def test_film_without_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setattr(animation.FFMpegWriter, "isAvailable", lambda: False)
    with pytest.raises(CaseError, match="ffmpeg"):
        draw(ornstein_uhlenbeck((20,)), tmp_path, ["animation_mp4"])


def test_only_kept_densities_are_shown():
    result = ornstein_uhlenbeck((20, 20))
    result.density[1:-1] = np.nan
    np.testing.assert_array_equal(chosen_frames(result, 6), [0, 8])
    titles = [axes.get_title() for axes in panels(density_figures(result)["density"])]
    assert titles == ["$t = 0$", "$t = 3$", "stationary"]


def test_long_films_are_thinned():
    result = ornstein_uhlenbeck((8,), frames=500)
    chosen = animation.film_frames(result)
    assert len(chosen) == animation.MAX_FRAMES
    assert (chosen[0], chosen[-1]) == (0, 499)


def test_chosen_frames_follow_the_change():
    result = ornstein_uhlenbeck((40,), frames=101)
    chosen = chosen_frames(result, 5)
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 100, 5)
    # The density relaxes exponentially, so half of the frames are in the first third.
    assert chosen[2] < 34
    # One step that is the whole way must not be shown again and again.
    result.density[1:] = result.density[-1]
    assert len(np.unique(chosen_frames(result, 5))) == 5


@settings(deadline=None, max_examples=50)
@given(scale=st.floats(1e-6, 1e6), wall=st.floats(0, 1e12), count=st.integers(2, 9))
def test_contours_do_not_go_to_the_walls(scale, wall, count):
    x = np.linspace(-3, 3, 61)
    values = scale * (x[:, None] ** 2 + x**2)
    home = values < 4 * scale
    levels = contour_levels(np.where(home, values, wall + values), home, count)
    assert len(levels) == count
    assert levels[-1] < 4 * scale
    # Equal areas of a paraboloid are equal steps in height.
    np.testing.assert_allclose(np.diff(levels), 4 * scale / count, rtol=0.2)


def test_flat_loss_has_no_contours():
    assert len(contour_levels(np.full((5, 5), 3.0), np.ones((5, 5), bool))) == 0


def test_view_keeps_what_matters():
    faces = np.linspace(-4.0, 4.0, 81)
    bounds = (np.stack([faces[:-1], faces[1:]], 1),)
    x = bounds[0].mean(1)
    home = lived_in(np.exp(-0.5 * ((x - 1) / 0.2) ** 2)[None])
    ((left, right),) = view(home, bounds)
    assert -0.2 < left < 0.3
    assert 1.7 < right < 2.2
    assert view(np.ones(80, bool), bounds) == [(-4.0, 4.0)]


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("x", "$x$"),
        ("theta", r"$\theta$"),
        ("w2", "$w_{2}$"),
        ("theta_10", r"$\theta_{10}$"),
        ("bias", "bias"),
        ("log_scale", "log_scale"),
    ],
)
def test_symbols(name, drawn):
    assert symbol(name) == drawn
