"""The page to zoom into: its numbers are those of the result, and it loads nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest
from store_samples import make_points, make_spectrum
from test_plots import ornstein_uhlenbeck

from fokkerplanck import StoreError, write_zoomable, zoomable
from fokkerplanck.cli.main import main
from fokkerplanck.errors import CaseError
from fokkerplanck.interactive import drawings_of, figure_json
from fokkerplanck.interactive.cells import FRAMES, blocks
from fokkerplanck.interactive.colors import log_scale
from fokkerplanck.interactive.surfaces import level_of
from fokkerplanck.io import CRITICAL, EnsembleRecord
from fokkerplanck.io.result import Result

pytest.importorskip("plotly")

EVIL = (
    "</script><script>document.title = 'owned'</script></template><img src=x onerror=alert(1)>&\""
)
# Bytes of the largest page.
LARGEST = 15_000_000
# Single precision.
SINGLE = 1e-6


def decoded(value: Any) -> Any:
    """JSON of a figure with its arrays, which stand there in base64."""
    if isinstance(value, list):
        return [decoded(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "bdata" not in value:
        return {key: decoded(one) for key, one in value.items()}
    array = np.frombuffer(
        base64.b64decode(value["bdata"]), np.dtype(value["dtype"]).newbyteorder("<")
    )
    shape = [int(count) for count in value.get("shape", "-1").split(",")]
    return array.reshape(shape)


def figures(result: Result) -> dict[str, Any]:
    """What a page holds, by the name of the view."""
    return {one.key: decoded(json.loads(figure_json(one))) for one in drawings_of(result)}


def saved(result: Result, path: Path) -> Path:
    """A file with what the checks of a report look at."""
    minimum = result.density.min(axis=tuple(range(1, result.ndim + 1)))
    more = {"minimum": minimum} if len(result.time) else {}
    return replace(result, observables=result.observables | more).save(path, overwrite=True)


def named(figure: dict[str, Any], name: str) -> dict[str, Any]:
    [trace] = [trace for trace in figure["data"] if trace.get("name") == name]
    return trace


def with_walkers(result: Result) -> Result:
    """The same with two walkers and critical points of the loss."""
    times = len(result.time)
    zeros = np.zeros(times)
    paths = np.random.default_rng(4409).random((2, times, result.ndim))
    walkers = EnsembleRecord(
        result.time, np.zeros((times, *result.shape), int), zeros, zeros, zeros,
        *np.zeros((4, times)), 2, "sgd", 0.1, 77, paths,
    )  # fmt: skip
    assert result.stationary is not None
    points = make_points(
        result.grid,
        np.stack([np.zeros(result.ndim), np.ones(result.ndim)]),
        np.array([0.0, 0.5]),
        np.array([np.ones(result.ndim), [-1.0, *np.ones(result.ndim - 1)]]),
    )
    rest = result["stationary"].copy()
    rest["critical"] = CRITICAL.build(result.grid, {}, children={"loss": points})
    return replace(result, analyses={"ensemble": walkers, "stationary": rest})


def test_a_curve_of_every_frame() -> None:
    result = with_walkers(ornstein_uhlenbeck((30,), frames=5))
    figure = figures(result)["density"]
    assert len(figure["frames"]) == 5 == len(figure["layout"]["sliders"][0]["steps"])
    for density, frame in zip(result.density, figure["frames"], strict=True):
        assert frame["traces"] == [0]
        assert np.array_equal(frame["data"][0]["y"], density.astype(np.float32))
    shown = named(figure, "density")
    assert np.array_equal(shown["y"], result.density[-1].astype(np.float32))
    assert np.allclose(shown["x"], result.centers[0], atol=1e-14)
    assert result.stationary is not None
    rest = named(figure, "stationary density")["y"]
    assert np.array_equal(rest, result.stationary.density.astype(np.float32))
    loss = named(figure, "loss")
    assert np.allclose(loss["y"], result.loss - result.loss.min(), rtol=SINGLE)
    assert loss["yaxis"] == "y2"
    points = named(figure, "loss: critical points")
    assert points["text"] == ["minimum", "maximum"]
    assert np.allclose(points["y"], [-result.loss.min(), 0.5 - result.loss.min()])
    assert figure["layout"]["sliders"][0]["steps"][1]["label"] == "t = 0.75"


def test_a_map_of_every_frame() -> None:
    """The first axis to the right, the second upwards, cells between their faces."""
    result = with_walkers(ornstein_uhlenbeck((20, 24), ("w", "bias"), frames=4))
    figure = figures(result)["density"]
    for density, frame in zip(result.density, figure["frames"], strict=True):
        assert frame["traces"] == [0]
        assert np.array_equal(frame["data"][0]["z"], density.T.astype(np.float32))
        assert frame["data"][0]["zmax"] == density.max()
    first = figure["data"][0]
    assert first["x"].shape == (21,)
    assert first["y"][[0, -1]].tolist() == [-4.0, 4.0]
    assert figure["layout"]["xaxis"]["title"]["text"] == "w"
    assert figure["layout"]["yaxis"]["title"]["text"] == "bias"
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"
    chosen = figure["layout"]["updatemenus"][0]["buttons"]
    assert [button["label"] for button in chosen] == [
        *("density", "stationary density", "loss", "quasi-potential"),
    ]
    for number, button in enumerate(chosen):
        restyle, relayout, traces = button["args"]
        assert restyle["visible"][:4] == [k == number for k in range(4)]
        # The colour bar of densities comes and goes with them, the walkers stay as they are.
        assert restyle["visible"][4:] == [number < 2]
        assert traces == [0, 1, 2, 3, 4]
        assert relayout["sliders[0].visible"] == (number == 0)
    assert result.stationary is not None
    rest = result.stationary
    assert np.array_equal(figure["data"][1]["z"], rest.density.T.astype(np.float32))
    assert np.allclose(figure["data"][2]["z"], (result.loss - result.loss.min()).T, rtol=SINGLE)
    quasi = figure["data"][3]["z"].T
    sure = rest.density > 1e-12 * rest.density.max()
    assert np.array_equal(np.isnan(quasi), ~sure)
    expected = rest.quasi_potential - rest.quasi_potential.min()
    assert np.allclose(quasi[sure], expected[sure], rtol=1e-5, atol=1e-6)
    paths = [trace for trace in figure["data"] if trace.get("name") == "some walkers"]
    assert result.ensemble is not None
    assert result.ensemble.trajectories is not None
    for trace, path in zip(paths, result.ensemble.trajectories, strict=True):
        assert np.allclose(np.stack([trace["x"], trace["y"]], 1), path, rtol=SINGLE)


def test_axes_of_other_lengths_are_not_true_to_scale() -> None:
    result = ornstein_uhlenbeck((12, 12), frames=3)
    wide = tuple(factor * bounds for factor, bounds in zip((1.0, 9.0), result.bounds, strict=True))
    figure = figures(replace(result, bounds=wide))["density"]
    assert "scaleanchor" not in figure["layout"]["yaxis"]


def test_three_parameters_as_marginals() -> None:
    result = ornstein_uhlenbeck((12, 10, 14), frames=3)
    figure = figures(result)["density"]
    (h, k, m), names = result.grid_spacing, []
    for density, frame in zip(result.density, figure["frames"], strict=True):
        found = [trace["z"].T for trace in frame["data"]]
        assert frame["traces"] == [0, 1, 2]
        for marginal, axis, width in zip(found, (2, 1, 0), (m, k, h), strict=True):
            assert np.allclose(marginal, density.sum(axis=axis) * width, rtol=SINGLE)
    for end in ("", "2", "3"):
        upright = [
            note["text"]
            for note in figure["layout"]["annotations"]
            if note["xref"] == f"x{end} domain"
        ]
        names.append((figure["layout"][f"xaxis{end}"]["title"]["text"], *upright))
    assert names == [("x", "y"), ("x", "z"), ("y", "z")]
    loss = [trace for trace in figure["data"] if "loss" in str(trace.get("hovertemplate"))]
    assert len(loss) == 3
    assert np.allclose(loss[0]["z"].T, (result.loss - result.loss.min()).min(axis=2), rtol=SINGLE)
    # What is not known of a line does not hide the rest of it.
    rest = result.stationary
    assert rest is not None
    known = np.where(rest.density > 1e-12 * rest.density.max(), rest.quasi_potential, np.inf)
    least = (known - known.min()).min(axis=2)
    quasi = next(t for t in figure["data"] if "quasi" in str(t.get("hovertemplate")))["z"].T
    assert np.isinf(known).any()
    assert np.isfinite(quasi).sum() == np.isfinite(least).sum() > 0
    there = np.isfinite(least)
    assert np.allclose(quasi[there], least[there], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("cells", "most", "last"), [(512, 256, 2), (257, 256, 1), (600, 256, 3)])
def test_joined_cells_keep_the_mass(cells: int, most: int, last: int) -> None:
    result = ornstein_uhlenbeck((cells, 9), frames=2)
    joined = blocks(result.bounds, most)
    assert joined.counts[0] <= most
    assert cells - joined.starts[0][-1] == last
    values = np.random.default_rng(313).random(result.shape)
    found = joined.mean(values)
    assert found.shape == joined.volume.shape == joined.counts
    whole = values.sum() * result.cell_volume
    assert (found * joined.volume).sum() == pytest.approx(whole, rel=1e-13)
    assert found[1, 4] == pytest.approx(values[joined.starts[0][1] : joined.starts[0][2], 4].mean())
    trace = figures(result)["density"]["data"][0]
    mass = trace["z"].T * np.diff(trace["x"])[:, None] * np.diff(trace["y"])
    kept = result.density[-1].sum() * result.cell_volume
    assert mass.sum() == pytest.approx(kept, rel=SINGLE)
    assert any("keep the probability" in note for note in drawings_of(result)[0].notes)


@pytest.mark.parametrize(
    ("cells", "frames"), [((3000,), 260), ((512, 256), 40), ((64, 60, 62), 24)], ids=["1", "2", "3"]
)
def test_the_largest_page(cells: tuple[int, ...], frames: int, tmp_path: Path) -> None:
    """Cells and frames are left out until it is small enough, and the page says so."""
    few = ornstein_uhlenbeck(cells, frames=2)
    weight = np.linspace(0.0, 1.0, frames).reshape(-1, *(1,) * len(cells))
    result = replace(
        few,
        time=np.linspace(0.0, 3.0, frames),
        density=(1.0 - weight) * few.density[0] + weight * few.density[1],
        observables={},
    )
    page = write_zoomable(result, tmp_path / "zoomable.html")
    assert page.stat().st_size < LARGEST
    text = page.read_text(encoding="utf-8")
    figure = decoded(
        json.loads(html.unescape(re.findall("(?s)<template>(.*?)</template>", text)[0]))
    )
    thinned = len(figure["frames"])
    # In three dimensions the maps are small, and the surfaces are not.
    fewest = len(figures(result)["surfaces"]["frames"]) if len(cells) == 3 else thinned
    assert 10 <= fewest <= thinned <= FRAMES
    assert f"{fewest} of {frames} densities" in text
    assert "cells are shown as" in text
    ends = [figure["frames"][k]["data"][0] for k in (0, -1)]
    joined = blocks(result.bounds[:2], 2048 if len(cells) == 1 else 256)
    for end, density in zip(ends, result.density[[0, -1]], strict=True):
        whole = density if len(cells) < 3 else density.sum(axis=2) * result.grid_spacing[2]
        found = end["y"] if len(cells) == 1 else end["z"].T
        assert np.allclose(found, joined.mean(whole), rtol=SINGLE, atol=1e-30)


def test_logarithmic_colours_are_even_in_the_logarithm() -> None:
    stops = log_scale()
    assert stops[0][1] == stops[1][1]
    places = np.array([place for place, _ in stops])
    assert places[0] == 0.0
    assert places[1] == pytest.approx(1e-6)
    assert places[-1] == 1.0
    assert np.allclose(np.diff(np.log(places[1:])), np.log(places[-1] / places[1]) / 71)
    assert len({color for _, color in stops}) > 60


def test_surfaces_hold_their_shares() -> None:
    """Of a normal density in three dimensions, by the quantiles of chi square."""
    from scipy.stats import chi2

    result = ornstein_uhlenbeck((44, 41, 40), frames=2)
    figure = figures(result)["surfaces"]
    trace = figure["data"][0]
    assert trace["value"].size == trace["x"].size == 22 * 21 * 40
    assert result.stationary is not None
    rest = result.stationary.density
    volume = np.full(rest.shape, result.cell_volume)
    for share in (0.5, 0.9):
        exact = rest.max() * np.exp(-chi2(3).ppf(share) / 2)
        assert level_of(rest, volume, share) == pytest.approx(exact, rel=0.05)
    # The last frame is not quite at rest, and its cells are joined.
    exact = rest.max() * np.exp(-chi2(3).ppf(0.9) / 2)
    assert trace["isomin"] == pytest.approx(exact, rel=0.25)
    assert trace["isomin"] < trace["isomax"] < trace["value"].max()
    # Thin cells at the end of an axis count for little.
    thin = np.array([1.0, 1.0, 0.01])
    assert level_of(np.array([1.0, 2.0, 5.0]), thin, 0.5) == 2.0


def test_observables_over_time() -> None:
    result = ornstein_uhlenbeck((16, 16), frames=7)
    result.observables["mass"] = 1.0 + 1e-13 * np.arange(7)
    result.observables["kl_to_stationary"] = result.kl_to_stationary.copy()
    result.kl_to_stationary[5] = 0.0
    figure = figures(result)["observables"]
    for name in ("F", "E[loss]", "x", "y"):
        values = {
            "F": result.free_energy,
            "E[loss]": result.expected_loss,
            "x": result.mean[:, 0],
            "y": result.mean[:, 1],
        }[name]
        trace = [one for one in figure["data"] if one["name"] == name][-1]
        assert np.array_equal(trace["y"], values)
        assert np.array_equal(trace["x"], result.time)
    assert np.array_equal(named(figure, "mass − 1")["y"], result.mass - 1.0)
    divergence = named(figure, "KL")
    assert np.isnan(divergence["y"][5])
    assert np.array_equal(np.delete(divergence["y"], 5), np.delete(result.kl_to_stationary, 5))
    axis = divergence["yaxis"].replace("y", "yaxis")
    assert figure["layout"][axis]["type"] == "log"
    assert np.allclose(named(figure, "limit")["y"], -0.7)
    others = [key for key in figure["layout"] if re.fullmatch(r"xaxis\d+", key)]
    assert {figure["layout"][key]["matches"] for key in others} == {"x"}
    result.observables["mass"] = np.linspace(1.0, 0.4, 7)
    assert named(figures(result)["observables"], "mass")["y"][-1] == 0.4


class Tags(HTMLParser):
    """Names and attributes of all tags."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_whatever_a_result_says_is_text_and_nothing_is_loaded(tmp_path: Path) -> None:
    names = (f"{EVIL}%{{x}}", "y")
    result = replace(
        with_walkers(ornstein_uhlenbeck((12, 14), frames=3)),
        title=EVIL,
        names=names,
        attrs={"name": EVIL},
        status="interrupted",
    )
    text = write_zoomable(result, tmp_path / "new" / "zoomable.html").read_text(encoding="utf-8")
    assert "<script>document" not in text
    assert "<img src=x" not in text
    assert "not complete (interrupted)" in text
    tags = Tags(text).found
    for tag, attributes in tags:
        assert tag not in ("img", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset", "href", "data", "action"):
            assert (attributes.get(name) or "#").startswith(("data:", "#"))
    assert len([tag for tag, _ in tags if tag == "template"]) == len(figures(result))
    # Only the two scripts of the page may run, and no address can be reached.
    [policy] = [a["content"] for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data: blob:;")
    scripts = re.findall(r"(?s)<script>(.*?)</script>", text)
    digests = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert re.findall(r"'sha256-(.*?)'", policy) == digests
    assert "unsafe-eval" not in policy
    rest = text.replace(scripts[0], "")
    assert not re.search(r"https?:|//cdn|url\(|@import", rest.replace(policy, ""))
    # A label is HTML to plotly, and %{x} a value.
    first = figures(result)["density"]["layout"]["xaxis"]["title"]["text"]
    assert "<" not in first
    assert "%" not in first
    assert html.unescape(first) == names[0]
    for trace in figures(result)["density"]["data"][:4]:
        assert "<img" not in trace["hovertemplate"]
        assert trace["hovertemplate"].count("%{x") == 1


def test_a_missing_library_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ornstein_uhlenbeck((12,), frames=3)
    path = saved(result, tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "plotly", None)
    for attempt in (lambda: zoomable(result), lambda: write_zoomable(result, tmp_path / "z.html")):
        with pytest.raises(CaseError, match=r"not installed; pip install 'fokkerplanck\[zoom\]'"):
            attempt()
    assert main(["report", str(path), "--zoomable"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "fokkerplanck[zoom]" in said.err
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5"]
    # Everything else works without it.
    assert main(["report", str(path), "--no-figures"]) == 0


def test_an_old_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plotly.__version__", "5.24.1")
    with pytest.raises(CaseError, match=r"plotly 6 or later, and 5\.24\.1 is installed; pip"):
        zoomable(ornstein_uhlenbeck((12,), frames=3))


def test_report_writes_both_pages_and_a_link(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(ornstein_uhlenbeck((12,), frames=3), tmp_path / "a.h5")
    there = tmp_path / "there"
    assert main(["report", str(path), "--no-figures", "--zoomable", "--out", str(there)]) == 0
    pages = [there / "report.html", there / "zoomable.html"]
    assert capsys.readouterr().out.split() == [str(page) for page in pages]
    links = [a["href"] for tag, a in Tags(pages[0].read_text("utf-8")).found if tag == "a"]
    assert "zoomable.html" in links
    assert pages[0].stat().st_size < 200_000
    # It is asked for each time: an old one may be of another result.
    assert main(["report", str(path), "--no-figures", "--out", str(there)]) == 0
    assert "zoomable" not in pages[0].read_text("utf-8")


def test_results_without_densities_over_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At rest only: no slider; nothing at all: one sentence that names the file."""
    for cells in ((12,), (12, 10), (6, 7, 8)):
        whole = ornstein_uhlenbeck(cells, frames=3)
        rest = replace(whole, time=np.zeros(0), density=whole.density[:0], observables={})
        found = figures(rest)
        assert set(found) == {"density"} | ({"surfaces"} if len(cells) == 3 else set())
        for figure in found.values():
            assert not figure.get("frames")
            assert "sliders" not in figure["layout"]
        assert rest.stationary is not None
        assert write_zoomable(rest, tmp_path / "rest.html").exists()
        bare = replace(rest, analyses={"spectrum": make_spectrum(whole.grid)})
        with pytest.raises(StoreError, match="nothing to zoom into"):
            write_zoomable(bare, tmp_path / "bare.html")
        path = saved(bare, tmp_path / "bare.h5")
        assert main(["report", str(path), "--zoomable"]) == 2
        assert capsys.readouterr().err.startswith(f"fokkerplanck: {path}: this result has no")
        assert not (tmp_path / "bare.html").exists()


def test_only_the_first_and_the_last_density() -> None:
    result = ornstein_uhlenbeck((12, 10), frames=5, stationary=False)
    result.density[1:4] = np.nan
    figure = figures(result)["density"]
    assert len(figure["frames"]) == 2
    assert [step["label"][:5] for step in figure["layout"]["sliders"][0]["steps"]] == [
        *("t = 0", "t = 3"),
    ]
    assert not np.isnan(figure["data"][0]["z"]).any()


@pytest.mark.parametrize("cells", [(12,), (12, 10), (6, 7, 8)])
def test_a_box_that_all_have_left_and_a_loss_without_bound(
    cells: tuple[int, ...], tmp_path: Path
) -> None:
    result = ornstein_uhlenbeck(cells, frames=3, stationary=False)
    result.density[2] = 0.0
    result.loss.flat[result.density[0].argmax()] = np.inf
    figure = figures(result)["density"]
    if len(cells) == 1:
        low, high = figure["layout"]["yaxis"]["range"]
        assert low == 0.0 < result.density[0].max() < high < 2.0 * result.density[0].max()
    assert write_zoomable(result, tmp_path / "zoomable.html").exists()


def test_a_figure_for_a_notebook() -> None:
    from plotly.graph_objects import Figure

    result = ornstein_uhlenbeck((6, 7, 8), frames=3)
    figure = zoomable(replace(result, title=EVIL))
    assert isinstance(figure, Figure)
    assert len(figure.frames) == 3
    assert "<" not in figure.layout.title.text
    assert "all 3 densities" in figure.layout.title.subtitle.text
    # The title has room of its own above the buttons.
    plain = figures(result)["density"]["layout"]
    room = figure.layout.margin.t - plain["margin"]["t"]
    assert figure.layout.height - plain["height"] == room > 60
    assert figure.layout.title.yanchor == "top"
    assert zoomable(result, "surfaces").data[0].type == "isosurface"
    assert len(zoomable(result, "observables").data) > 5
    with pytest.raises(CaseError, match="did you mean 'density'"):
        zoomable(result, "densty")
    with pytest.raises(CaseError, match="no data for the view 'surfaces'; it has density, obs"):
        zoomable(ornstein_uhlenbeck((6, 7), frames=3), "surfaces")
    with pytest.raises(CaseError, match="dict is no Result"):
        zoomable({})


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="the page cannot be written"):
        write_zoomable(ornstein_uhlenbeck((12,), frames=3), tmp_path / "file" / "z.html")


# Waits for the drawings, presses every button, moves every slider, and reads back what is shown.
QUESTION = """(async () => {
  const boxes = [...document.querySelectorAll(".plot")], all = [];
  const still = { mode: "immediate", frame: { duration: 0, redraw: true } };
  for (const box of boxes) {
    if (!box._fullLayout) { all.push({ said: box.textContent }); continue; }
    for (const menu of box.layout.updatemenus || [])
      for (const button of [...menu.buttons].reverse()) await Plotly.update(box, ...button.args);
    const shown = [];
    for (const frame of box._transitionData._frames) {
      await Plotly.animate(box, [frame.name], still);
      const trace = box._fullData[0];
      const kinds = {
        heatmap: () => trace.z[3], scatter: () => trace.y, isosurface: () => trace.value,
      };
      shown.push(Array.from(kinds[trace.type]()));
    }
    all.push({
      shown,
      titles: [...box.querySelectorAll("g[class^=g-x][class$=title]")].map((e) => e.textContent),
      buttons: [...box.querySelectorAll(".modebar-btn")].map((e) => e.dataset.title),
      cloud: box._context.plotlyServerURL,
    });
  }
  return {
    title: document.title,
    all,
    width: document.documentElement.scrollWidth,
    room: document.documentElement.clientWidth,
  };
})()"""


@pytest.mark.skipif(browser.installed() is None, reason="there is no Chromium to look with")
def test_in_a_browser(tmp_path: Path) -> None:
    """It draws what the result has, complains of nothing, asks nobody, and fits on a phone."""
    evil = (EVIL, "v")
    results = [
        replace(with_walkers(ornstein_uhlenbeck((16,), frames=3)), title=EVIL),
        with_walkers(ornstein_uhlenbeck((12, 14), evil, frames=3)),
        ornstein_uhlenbeck((6, 8, 7), frames=3),
    ]
    program = browser.installed()
    assert program is not None
    with browser.Browser(program, tmp_path / "profile") as chromium:
        for result, width in zip(results, (400, 1000, 1000), strict=True):
            page = write_zoomable(result, tmp_path / f"{result.ndim}.html")
            seen = chromium.see(page, width, QUESTION)
            # Software that draws in three dimensions says that it is slow.
            assert [c for c in seen.complaints if '"source": "rendering"' not in c] == []
            assert [r for r in seen.requests if not r.startswith(("data:", "blob:"))] == [
                page.absolute().as_uri()
            ]
            answer = seen.answer
            assert answer["title"] == result.title
            assert answer["width"] <= answer["room"]
            first, last = answer["all"][0], answer["all"][-1]
            rows = result.density
            if result.ndim == 2:
                rows = rows[:, :, 3]
                assert first["titles"] == [EVIL]
            elif result.ndim == 3:
                rows = rows.sum(axis=3)[:, :, 3] * result.grid_spacing[2]
            assert np.allclose(first["shown"], rows, rtol=SINGLE)
            assert "".join(last["titles"]) == "time t"
            for one in answer["all"]:
                if "said" in one:
                    assert "needs WebGL" in one["said"]
                    continue
                assert not [name for name in one["buttons"] if "hare" in name or "loud" in name]
                assert one["cloud"] == ""
