"""Figures: what is in them, not only that there are files."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.image import imread
from matplotlib.text import Text
from store_samples import make_grid, make_points, make_spectrum, rest_tree

from fokkerplanck.errors import CaseError, CaseWarning, StoreError
from fokkerplanck.figures import draw
from fokkerplanck.figures.density import density_figures
from fokkerplanck.figures.draw import PASSAGE, STILLS
from fokkerplanck.figures.entropy_production import entropy_production_figures, parts
from fokkerplanck.figures.frames import chosen_frames, planes
from fokkerplanck.figures.free_energy import free_energy_figures, rising
from fokkerplanck.figures.observables import observables_figures
from fokkerplanck.figures.stationary.current import current_figures
from fokkerplanck.figures.stationary.flow import bilinear
from fokkerplanck.figures.stationary.marks import LOOKS, shifts
from fokkerplanck.figures.stationary.quasi_potential import landscape, quasi_potential_figures
from fokkerplanck.figures.style import contour_levels, lived_in, readable_top, settled, symbol, view
from fokkerplanck.io import CRITICAL, LOOP, STATIONARY
from fokkerplanck.io.result import Result

BETA = 2.0


def ornstein_uhlenbeck(cells, names="xyz", frames=9, stationary=True, swirl=0.0):
    """Isotropic Gaussian relaxing in Phi = |theta|^2/2 from (1, -1, ...), std 0.3.

    ``swirl`` adds a rotation of the first two axes, which leaves rho_ss as it is and gives it a
    current; the relaxation shown is that without it.
    """
    ndim = len(cells)
    grid = make_grid(names[:ndim], cells, -4.0, 4.0)
    centers = grid.centers
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
    if swirl and ndim == 1:
        current[0] = swirl
    elif swirl:
        current[0], current[1] = -swirl * mesh[1] * rest, swirl * mesh[0] * rest
    expected = 0.5 * (ndim * variance + (mean**2).sum(1))
    rate = -(ndim * (variance - 1 / BETA) + (mean**2).sum(1))
    score = ndim * (1 / variance - BETA) ** 2 * variance + BETA**2 * (mean**2).sum(1)
    densities = np.stack([gaussian(m, v) for m, v in zip(mean, variance, strict=True)])
    return Result(
        title="Ornstein-Uhlenbeck",
        beta=BETA,
        seed=None,
        case_toml="",
        source="",
        names=tuple(names[:ndim]),
        centers=centers,
        bounds=grid.bounds,
        time=time,
        density=densities,
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
            "energy": expected,
            "entropy": 0.5 * ndim * np.log(2 * np.pi * np.e * variance),
            "minimum": np.array([rho.min() for rho in densities]),
            "loss_rate": rate,
            "loss_rate_dynkin": rate,
        },
        analyses={
            "stationary": rest_tree(
                grid, rest, loss.copy(), current, 0.0, not swirl, 0.0, float(swirl)
            )
        }
        if stationary
        else {},
    )


def analysed(result, swirl=0.7):
    """What [stationary] adds in 2-D: velocity, stream function, critical points, two loops."""
    stationary, grid = result.analyses["stationary"], result.grid
    arrays = {name: stationary[name] for name in ("density", "quasi_potential", "current")}
    arrays["velocity"] = stationary["current"] / stationary["density"]
    faces = np.linspace(-4.0, 4.0, result.shape[0] + 1)
    square = faces[:, None] ** 2 + faces**2
    # J = (d psi/dy, -d psi/dx) of psi = swirl rho/beta, as rho = beta/(2 pi) exp(-beta r^2/2).
    arrays["stream_function"] = swirl * np.exp(-BETA * square / 2) / (2 * np.pi)
    angle = np.linspace(0.0, 2 * np.pi, 41)
    children = {}
    for name, radius in (("cycle_0", 0.8), ("limit_cycle_0", 1.1)):
        points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        period = 2 * np.pi / swirl
        numbers = {"period": period, "center": np.zeros(2), "winding": 1, "closure": 0.0}
        numbers |= {"mean_potential": 0.0, "multiplier": np.nan if radius < 1 else 0.5}
        arrays_of_loop = {"loop_time": angle / swirl, "points": points}
        children[name] = LOOP.build(grid, arrays_of_loop, numbers)
    eigenvalues = np.array([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])
    first = np.array([[-1.0, 0.5], [0.5, 0.5], [0.0, -1.0]])
    moves = np.array([[0.9, 0.0], [0.05, 0.0], [0.3, 0.0]])
    values = np.array([0.6, 0.25, 0.5])
    second = np.round(first + moves, 12)
    children["critical"] = CRITICAL.build(
        grid,
        {"pairs": np.array([[0, 0], [1, 1], [2, 2]]), "shifts": moves},
        children={
            "loss": make_points(grid, first, values, eigenvalues),
            "quasi_potential": make_points(grid, second, values, eigenvalues),
        },
    )
    result.analyses["stationary"] = STATIONARY.build(grid, arrays, stationary.attrs, children)
    return result


def producing(result, rest=2.0):
    """Entropy production whose parts add up, around a stationary one."""
    housekeeping = rest * (1.0 + 0.5 * np.exp(-result.time))
    excess = result.beta * result.observables["dissipation"]
    result.observables["housekeeping"] = housekeeping
    result.observables["entropy_production"] = housekeeping + excess
    result.analyses["stationary"].attrs["entropy_production"] = rest
    return result


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


def test_tails_of_jumps_show_on_a_logarithmic_scale_over_the_whole_box():
    result = ornstein_uhlenbeck((40, 30))
    result.density[0] = 0.0
    result.density[0, 20, 15] = 1.0
    assert panels(density_figures(result)["density"])[0].images[0].norm.vmin == 0.0
    result.observables["over_sides_rate"] = np.zeros(len(result.time))
    axes = panels(density_figures(result)["density"])[0]
    picture = axes.images[0]
    assert isinstance(picture.norm, LogNorm)
    assert picture.get_clim() == (pytest.approx(1e-5), 1.0)
    # Cells without mass have the lowest colour, not none.
    assert not np.ma.is_masked(picture.norm(picture.get_array()))
    assert axes.get_xlim() == (-4.0, 4.0)


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


def curve(axes, label):
    """The line whose label begins so."""
    (line,) = [line for line in axes.lines if line.get_label().startswith(label)]
    return line


def test_a_start_that_towers_is_cut_off_and_named():
    result = ornstein_uhlenbeck((80,))
    result.density[0] *= 20.0
    figure = density_figures(result)["density"]
    top = panels(figure)[0]
    assert top.get_ylim()[1] == pytest.approx(1.05 * result.density[1:].max())
    assert f"$t = 0$: max $\\rho$ = {result.density[0].max():.3g}" in texts(figure)
    assert readable_top(np.array([4.0, 2.0, 1.0])) == pytest.approx(4.2)


def test_time_axis_ends_where_curves_are_at_rest():
    time = np.linspace(0.0, 100.0, 1001)
    # exp(-t) is below 5e-3 at t = 5.3.
    assert settled(time, np.exp(-time)) == pytest.approx(1.5 * 5.3)
    assert settled(time, np.exp(-time), np.exp(-time / 50)) == 100.0
    assert settled(time, np.ones(1001)) == 100.0


def test_naive_free_energy_is_shown_where_it_differs():
    result = ornstein_uhlenbeck((40,), frames=61)
    plain = free_energy_figures(result)["free_energy"]
    result.observables["naive_free_energy"] = result.free_energy + 3.0
    same = free_energy_figures(result)["free_energy"]
    assert [len(panels(figure)[0].lines) for figure in (plain, same)] == [2, 2]

    # Falls to t = 0.75 and rises from there to t = 2.25.
    time = result.time
    bend = np.where(time < 0.75, 0.75 - time, np.minimum(time, 2.25) - 0.75)
    result.observables["naive_free_energy"] = bend
    axes = panels(free_energy_figures(result)["free_energy"])[0]
    shown = curve(axes, "with")
    assert shown.get_ydata()[-1] == result.free_energy[-1]
    np.testing.assert_allclose(np.diff(shown.get_ydata()), np.diff(bend), atol=1e-15)
    risen = curve(axes, "where")
    drawn = time[np.isfinite(risen.get_ydata())]
    assert (drawn[0], drawn[-1]) == pytest.approx((0.75, 2.25))
    (shade,) = axes.patches
    assert (shade.get_x(), shade.get_width()) == pytest.approx((0.75, 1.5))
    np.testing.assert_array_equal(rising(np.array([1.0, 0.0, 0.5, 0.5001])), [False, True, False])


def test_a_limit_of_rounding_size_is_zero():
    result = ornstein_uhlenbeck((40,))
    result.observables["free_energy"] = result.kl_to_stationary / BETA + 1e-15
    assert any(text.endswith("= 0$") for text in texts(free_energy_figures(result)["free_energy"]))


def test_entropy_production_and_its_parts():
    result = producing(ornstein_uhlenbeck((40, 40), frames=30, swirl=0.7))
    both, alone = panels(entropy_production_figures(result)["entropy_production"])
    excess = BETA * result.dissipation
    np.testing.assert_array_equal(curve(both, "total").get_ydata(), result.entropy_production)
    np.testing.assert_array_equal(curve(both, "housekeeping").get_ydata(), result.housekeeping)
    np.testing.assert_allclose(curve(both, "excess").get_ydata(), excess)
    np.testing.assert_array_equal(curve(both, "stationary").get_ydata(), 2.0)
    assert (both.get_yscale(), alone.get_yscale()) == ("linear", "log")
    np.testing.assert_allclose(alone.lines[0].get_ydata(), excess)
    result.observables["dissipation"][0] *= 1e3
    both, _ = panels(entropy_production_figures(producing(result, rest=0.5))["entropy_production"])
    assert both.get_yscale() == "log"
    assert both.get_ylim()[0] == pytest.approx(result.housekeeping.min() / 5)


def test_entropy_production_of_which_no_frame_has_any():
    result = producing(ornstein_uhlenbeck((24, 24)))
    result.observables["dissipation"] = 1e9 * result.dissipation
    assert not np.isfinite(parts(result)[0]).any()
    assert entropy_production_figures(result) == {}


def test_entropy_production_under_detailed_balance_and_without_noise():
    result = ornstein_uhlenbeck((40,))
    assert entropy_production_figures(result) == {}
    result.observables["entropy_production"] = BETA * result.dissipation
    (axes,) = panels(entropy_production_figures(result)["entropy_production"])
    assert [line.get_label() for line in axes.lines] == ["total = excess"]
    assert axes.get_yscale() == "log"


def test_production_of_a_point_start_is_not_shown():
    result = producing(ornstein_uhlenbeck((40,), swirl=0.1))
    # Sums over the cells that are not empty miss what is infinite.
    result.observables["entropy_production"][0] *= 0.3
    for series in parts(result):
        np.testing.assert_array_equal(np.isnan(series), [True] + [False] * 8)


def test_current_around_a_circle():
    result = ornstein_uhlenbeck((80,), swirl=-0.25)
    figure = current_figures(result)["current"]
    top, bottom = panels(figure)
    np.testing.assert_array_equal(top.lines[0].get_ydata(), result.stationary.density)
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), -0.25 / result.stationary.density)
    assert "$J$ = -0.25 turns per unit time" in texts(figure)
    arrow = next(text for text in top.texts if hasattr(text, "arrow_patch"))
    assert arrow.xy[0] < arrow.get_position()[0], "to the left"


def test_current_needs_one():
    assert current_figures(ornstein_uhlenbeck((40, 40))) == {}
    assert current_figures(ornstein_uhlenbeck((40, 40), stationary=False)) == {}


@pytest.mark.parametrize("turn", [1.0, -1.0])
def test_level_lines_close_widen_and_point_along_the_current(turn):
    result = analysed(ornstein_uhlenbeck((60, 60), swirl=0.7))
    rest = result.analyses["stationary"]
    rest["current"] *= turn
    del rest["cycle_0"], rest["limit_cycle_0"]
    figure = current_figures(result)["current"]
    (axes,) = panels(figure)
    lines = [part for part in axes.collections if part.get_zorder() < 3][1::2]
    assert len(lines) == 10
    radii = []
    for line in lines:
        pieces = np.array(line.get_segments())
        np.testing.assert_allclose(pieces[0, 0], pieces[-1, 1], atol=1e-12)
        radii.append(np.hypot(*pieces.mean(axis=1).T).mean())
    # psi steps evenly from its maximum at the centre to zero far out.
    levels = (np.arange(10) + 0.5) / 10
    np.testing.assert_allclose(sorted(radii), np.sqrt(-2 / BETA * np.log(levels))[::-1], atol=0.02)
    widths = [float(np.mean(line.get_linewidths())) for line in lines]
    speed = [radius * np.exp(-BETA * radius**2 / 2) for radius in radii]
    assert np.argmax(widths) == np.argmax(speed)
    for arrow in axes.patches:
        tail, head = np.array(arrow._posA_posB)
        assert (tail[0] * head[1] - tail[1] * head[0]) * turn > 0.0
    step = 0.7 / (2 * np.pi) / 10
    assert f"lines of $J_{{ss}}$, {step:.2g} per unit time between two" in texts(figure)


def test_loops_of_the_current_and_of_the_drift():
    result = analysed(ornstein_uhlenbeck((60, 60), swirl=0.7))
    figure = current_figures(result)["current"]
    (axes,) = panels(figure)
    solid, dashed = axes.lines
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    np.testing.assert_allclose(np.hypot(*solid.get_data()), 0.8)
    np.testing.assert_allclose(np.hypot(*dashed.get_data()), 1.1)
    shown = texts(figure)
    assert "most likely loop of the current: period 8.976, winding +1" in shown
    assert "limit cycle of the drift: period 8.976, winding +1" in shown


def test_current_without_stream_function_and_in_three_dimensions():
    (axes,) = panels(current_figures(ornstein_uhlenbeck((30, 30), swirl=1.0))["current"])
    assert axes.patches, "arrows of traced lines"
    cube = ornstein_uhlenbeck((12, 14, 16), frames=2, swirl=1.0)
    xy, xz, yz = panels(current_figures(cube)["current"])
    marginal = cube.stationary.density.sum(axis=2) * cube.grid_spacing[2]
    np.testing.assert_allclose(xy.images[0].get_array(), marginal.T)
    # The rotation of x and y cancels in the marginals that lack one of them.
    assert xy.patches
    assert not xz.patches
    assert not yz.patches


def test_values_between_the_cells():
    centers = (np.linspace(0.5, 3.5, 4), np.linspace(-1.0, 1.0, 3))
    values = 2.0 * centers[0][:, None] - centers[1] + centers[0][:, None] * centers[1]
    x, y = np.array([[0.7, 0.3], [3.2, -0.9], [9.0, 0.5]]).T
    inside = np.minimum(x, 3.5)
    np.testing.assert_allclose(
        bilinear(centers, values, np.stack([x, y], 1)), 2 * inside - y + inside * y
    )


def test_minima_and_saddles_are_marked_in_both_panels():
    result = analysed(ornstein_uhlenbeck((40, 40), swirl=0.7))
    figure = quasi_potential_figures(result)["quasi_potential"]
    first, second, _ = panels(figure)
    for axes in (first, second):
        places = [line.get_xydata().tolist() for line in axes.lines]
        assert places == [[[-1.0, 0.5]], [[-0.1, 0.5]], [[0.5, 0.5]], [[0.55, 0.5]]]
        assert [line.get_marker() for line in axes.lines] == ["o", "o", "s", "s"]
        arrow, short = (text for text in axes.texts if text.get_text() == "")
        assert (arrow.get_position(), arrow.xy) == ((-1.0, 0.5), (-0.1, 0.5))
        assert [text.arrowprops["arrowstyle"] for text in (arrow, short)] == ["->", "-"]
    named = {f"{kind} of {sign}" for kind in ("minimum", "saddle") for sign in ("$\\Phi$",)}
    assert named < set(texts(figure))
    assert len(LOOKS) == len(figure.legends[0].get_texts())


def test_shifts_through_a_periodic_side_are_not_drawn():
    stationary = analysed(ornstein_uhlenbeck((40, 40), swirl=0.7)).stationary
    assert len(shifts(stationary)) == 2, "maxima are not shown"
    stationary.tree["critical"]["shifts"][0, 0] += 8.0
    ((start, _),) = shifts(stationary)
    np.testing.assert_array_equal(start, [0.5, 0.5])


def test_marks_on_curves():
    result = ornstein_uhlenbeck((80,))
    low, high = np.array([[0.0], [2.0]]), np.array([[1.0], [-1.0]])
    result.analyses["stationary"]["critical"] = CRITICAL.build(
        result.grid,
        {"pairs": np.array([[0, 0], [1, 1]]), "shifts": np.full((2, 1), 0.5)},
        children={
            "loss": make_points(result.grid, low, np.array([0.0, 2.0]), high),
            "quasi_potential": make_points(result.grid, low + 0.5, np.array([0.125, 3.125]), high),
        },
    )
    (axes,) = panels(quasi_potential_figures(result)["quasi_potential"])
    place, height = (float(values[0]) for values in curve(axes, "minimum of $\\tilde").get_data())
    # The curves show what is above the lowest cell, at x = 0.05.
    assert (place, height) == pytest.approx((0.5, 0.125 - 0.00125))
    assert curve(axes, "maximum of $\\Phi").get_xdata()[0] == 2.0
    ends = [line.get_xdata() for line in axes.lines if line.get_color() == "0.4"]
    np.testing.assert_array_equal(ends, [[0.0, 0.5], [2.0, 2.5]])


def test_without_a_loss_there_is_no_panel_of_it():
    result = ornstein_uhlenbeck((40, 40), swirl=0.7)
    result.loss = np.zeros((40, 40))
    assert landscape(result) is None
    titles = [
        axes.get_title() for axes in panels(quasi_potential_figures(result)["quasi_potential"])
    ]
    assert titles == [r"quasi-potential $\tilde\Phi$", r"$\rho_{ss}$ and $J_{ss}$"]
    line = ornstein_uhlenbeck((40,))
    line.loss = np.zeros(40)
    (axes,) = panels(quasi_potential_figures(line)["quasi_potential"])
    assert [entry.get_label() for entry in axes.lines] == [r"$\tilde\Phi$"]
    assert len(panels(density_figures(line)["density"])[1].lines) == 1


def test_a_heavy_ball_is_compared_with_its_energy():
    result = ornstein_uhlenbeck((40, 40), names="xv", swirl=0.7)
    x, v = result.centers
    result.loss = np.broadcast_to(0.5 * x[:, None] ** 2, (40, 40)).copy()
    plain, _ = landscape(result)
    np.testing.assert_array_equal(plain, result.loss)
    analysed(result)
    energy, name = landscape(result)
    np.testing.assert_allclose(energy, 0.5 * (x[:, None] ** 2 + v**2))
    assert name == r"energy $\Phi + \frac{1}{2}v^2$"
    assert name in texts(quasi_potential_figures(result)["quasi_potential"])


@pytest.mark.filterwarnings("error::fokkerplanck.errors.CaseWarning")
def test_figures_nobody_named_are_those_there_is_data_for(tmp_path):
    def names(result):
        return [path.stem for path in draw(result, tmp_path)]

    result = ornstein_uhlenbeck((24, 24), frames=4, swirl=0.7)
    assert names(result) == ["density", "free_energy"]
    analysed(result)
    usual = ["density", "free_energy", "quasi_potential", "current"]
    assert names(result) == usual
    assert names(producing(result)) == [*usual, "entropy_production"]
    result.analyses["stationary"].attrs["detailed_balance"] = True
    assert "current" not in names(result)
    assert draw(result, tmp_path, []) == []


@pytest.mark.parametrize("cells", [(60,), (24, 20), (8, 9, 10)])
def test_everything_is_drawn_to_files(tmp_path, cells, monkeypatch):
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    # The others are drawn by their own tests.
    elsewhere = {*PASSAGE, "walkers", "discrete", "schedules", "local_entropy"}
    figures = [name for name in STILLS if name not in elsewhere]
    result = producing(ornstein_uhlenbeck(cells, frames=4, swirl=0.7))
    result.analyses["spectrum"] = make_spectrum(result.grid, turning=True)
    paths = draw(result, tmp_path / "new", figures)
    names = ["density", "free_energy", "observables", "quasi_potential", "current"]
    names += ["entropy_production", "modes", "eigenvalues"]
    if len(cells) == 3:
        names.insert(1, "density_slices")
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        pixels = imread(path)
        assert pixels.shape[1] >= 600
        assert pixels[..., :3].std() > 0.05
    assert "matplotlib.pyplot" not in sys.modules


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
        paths = draw(result, tmp_path, ["density", "free_energy"])
    assert [path.name for path in paths] == ["density.png"]


def test_result_without_frames_and_folder_that_is_a_file(tmp_path):
    result = ornstein_uhlenbeck((20,))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        draw(result, tmp_path / "file")
    result.density, result.time = result.density[:0], result.time[:0]
    with pytest.warns(CaseWarning, match="free_energy"):
        assert draw(result, tmp_path, ["free_energy"]) == []
    assert [path.name for path in draw(result, tmp_path, ["quasi_potential"])] == [
        "quasi_potential.png"
    ]
    assert draw(result, tmp_path) == []
    del result.analyses["stationary"]
    with pytest.raises(StoreError, match="no frame"):
        draw(result, tmp_path)


def test_only_kept_densities_are_shown():
    result = ornstein_uhlenbeck((20, 20))
    result.density[1:-1] = np.nan
    np.testing.assert_array_equal(chosen_frames(result, 6), [0, 8])
    titles = [axes.get_title() for axes in panels(density_figures(result)["density"])]
    assert titles == ["$t = 0$", "$t = 3$", "stationary"]


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
