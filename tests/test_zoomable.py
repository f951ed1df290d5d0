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
from store_samples import make_spectrum
from test_plots import ornstein_uhlenbeck

from fokkerplanck import StoreError, write_zoomable, zoomable
from fokkerplanck.cli.main import main
from fokkerplanck.errors import CaseError
from fokkerplanck.interactive import views_of
from fokkerplanck.interactive.figures import FRAMES
from fokkerplanck.io.result import Result

pytest.importorskip("plotly")

# Names in a result file hold no slash.
EVIL = "<script>document.title = 'owned'<img src=x onerror=alert(1)>&\""
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
    found = views_of(result).items()
    return {key: decoded(json.loads(figure.to_json())) for key, (figure, _) in found}


def steps_of(figure: dict[str, Any]) -> list[str]:
    return [step["label"] for step in figure["layout"]["sliders"][0]["steps"]]


def saved(result: Result, path: Path) -> Path:
    """A file with what the checks of a report look at."""
    minimum = result.density.min(axis=tuple(range(1, result.ndim + 1)))
    more = {"minimum": minimum} if len(result.time) else {}
    return replace(result, observables=result.observables | more).save(path, overwrite=True)


def named(figure: dict[str, Any], name: str) -> dict[str, Any]:
    [trace] = [trace for trace in figure["data"] if trace.get("name") == name]
    return trace


def test_a_curve_of_every_frame_and_of_the_state_at_rest() -> None:
    result = ornstein_uhlenbeck((30,), frames=5)
    figure = figures(result)["density"]
    assert result.stationary is not None
    shown = [*result.density, result.stationary.density]
    assert steps_of(figure) == ["t = 0", "t = 0.75", "t = 1.5", "t = 2.25", "t = 3", "at rest"]
    for density, frame in zip(shown, figure["frames"], strict=True):
        assert frame["traces"] == [0]
        assert np.array_equal(frame["data"][0]["y"], density.astype(np.float32))
    assert np.array_equal(named(figure, "density")["y"], result.density[0].astype(np.float32))
    assert np.allclose(named(figure, "density")["x"], result.centers[0], atol=1e-14)
    assert np.array_equal(named(figure, "at rest")["y"], shown[-1].astype(np.float32))
    ends = [button["args"][0] for button in figure["layout"]["updatemenus"][0]["buttons"]]
    assert [one["yaxis.type"] for one in ends] == ["linear", "log"]
    assert ends[0]["yaxis.range"] == figure["layout"]["yaxis"]["range"]
    low, high = ends[1]["yaxis.range"]
    assert low < np.log10(result.density.max()) < high


def test_a_map_of_every_frame() -> None:
    """The first axis to the right, the second upwards, colours up to the peak of each frame."""
    result = ornstein_uhlenbeck((20, 24), ("w", "bias"), frames=4)
    figure = figures(result)["density"]
    assert result.stationary is not None
    shown = [*result.density, result.stationary.density]
    assert steps_of(figure)[-2:] == ["t = 3", "at rest"]
    for density, frame in zip(shown, figure["frames"], strict=True):
        assert frame["traces"] == [0]
        assert np.array_equal(frame["data"][0]["z"], density.T.astype(np.float32))
        assert frame["data"][0]["zmax"] == np.float32(density.max())
    [trace] = figure["data"]
    assert np.array_equal(trace["z"], shown[0].T.astype(np.float32))
    assert trace["showscale"]
    assert np.allclose(trace["x"], result.centers[0])
    assert np.allclose(trace["y"], result.centers[1])
    assert figure["layout"]["xaxis"]["title"]["text"] == "w"
    assert figure["layout"]["yaxis"]["title"]["text"] == "bias"
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"


def test_axes_of_other_lengths_are_not_true_to_scale() -> None:
    result = ornstein_uhlenbeck((12, 12), frames=3)
    wide = tuple(factor * bounds for factor, bounds in zip((1.0, 9.0), result.bounds, strict=True))
    figure = figures(replace(result, bounds=wide))["density"]
    assert "scaleanchor" not in figure["layout"]["yaxis"]


def test_three_parameters_as_marginals() -> None:
    result = ornstein_uhlenbeck((12, 10, 14), frames=3)
    figure = figures(result)["density"]
    (h, k, m), names = result.grid_spacing, []
    assert result.stationary is not None
    shown = [*result.density, result.stationary.density]
    for density, frame in zip(shown, figure["frames"], strict=True):
        assert frame["traces"] == [0, 1, 2]
        found = [trace["z"].T for trace in frame["data"]]
        for marginal, axis, width in zip(found, (2, 1, 0), (m, k, h), strict=True):
            assert np.allclose(marginal, density.sum(axis=axis) * width, rtol=SINGLE)
        # One colour bar tells all three.
        assert {trace["zmax"] for trace in frame["data"]} == {max(one.max() for one in found)}
    assert [trace["showscale"] for trace in figure["data"]] == [True, False, False]
    for end in ("", "2", "3"):
        axes = (figure["layout"][f"{sign}axis{end}"] for sign in "xy")
        names.append(tuple(axis["title"]["text"] for axis in axes))
    assert names == [("x", "y"), ("x", "z"), ("y", "z")]


@pytest.mark.parametrize("cells", [(30,), (20, 24), (12, 10, 14)])
def test_loss_and_quasi_potential_above_their_minima(cells: tuple[int, ...]) -> None:
    """Of a third parameter the least value; what is not known of a line does not hide the rest."""
    result = ornstein_uhlenbeck(cells, frames=3)
    figure = figures(result)["quasi_potential"]
    rest = result.stationary
    assert rest is not None
    sure = rest.density > 1e-12 * rest.density.max()
    quasi = np.where(sure, rest.quasi_potential, np.inf)
    thirds: list[tuple[int, ...]] = [(2,), (1,), (0,)] if len(cells) == 3 else [()]
    expected = [
        (field - field.min()).min(axis=third) if third else field - field.min()
        for field in (result.loss, quasi)
        for third in thirds
    ]
    assert np.isinf(quasi).any() == (len(cells) > 1)
    for trace, values in zip(figure["data"], expected, strict=True):
        shown = trace["y"] if len(cells) == 1 else trace["z"].T
        known = np.isfinite(values)
        assert np.array_equal(np.isfinite(shown), known)
        assert np.allclose(shown[known], values[known], rtol=1e-5, atol=1e-6)
    if len(cells) > 1:
        heads = [note["text"] for note in figure["layout"]["annotations"]]
        assert heads == ["loss"] * len(thirds) + ["quasi-potential"] * len(thirds)
        # The colours end where nobody comes, far below the walls.
        assert len({trace["zmax"] for trace in figure["data"]}) == 1
        assert 0.0 < figure["data"][0]["zmax"] < np.ptp(result.loss)


@pytest.mark.parametrize(("cells", "most"), [(512, 256), (257, 256), (600, 256)])
def test_joined_cells_keep_the_density(cells: int, most: int) -> None:
    """Blocks of equally many cells but for the last, which is the mean of the rest."""
    result = ornstein_uhlenbeck((cells, 9), frames=2)
    figure, note = views_of(result)["density"]
    shown = decoded(json.loads(figure.to_json()))["data"][0]
    each = -(-cells // most)
    starts = np.arange(0, cells, each)
    counts = np.diff(np.append(starts, cells))
    sums = np.add.reduceat(result.density[0], starts, axis=0)
    assert len(starts) <= most
    assert np.allclose(shown["z"].T, sums / counts[:, None], rtol=SINGLE)
    middles = np.add.reduceat(result.centers[0], starts) / counts
    assert np.allclose(shown["x"], middles)
    mass = (shown["z"].T * counts[:, None]).sum() * result.cell_volume
    assert mass == pytest.approx(result.density[0].sum() * result.cell_volume, rel=SINGLE)
    assert "At most 256 cells along an axis: means." in note


@pytest.mark.parametrize(
    ("cells", "frames"),
    [((3000,), 260), ((512, 256), 40), ((136, 20, 22), 90)],
    ids=["1", "2", "3"],
)
def test_the_largest_page(cells: tuple[int, ...], frames: int, tmp_path: Path) -> None:
    """Cells and frames are left out until it is small enough, and the page says so."""
    few = ornstein_uhlenbeck(cells, frames=2, stationary=False)
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
    assert 10 <= len(figure["frames"]) <= min(FRAMES, frames)
    assert f"{len(figure['frames'])} of {frames} densities" in text
    assert "cells along an axis: means" in text
    each = 2
    for k, density in ((0, result.density[0]), (-1, result.density[-1])):
        whole = density if len(cells) < 3 else density.sum(axis=2) * result.grid_spacing[2]
        joined = np.add.reduceat(whole, np.arange(0, cells[0], each), axis=0) / each
        end = figure["frames"][k]["data"][0]
        found = end["y"] if len(cells) == 1 else end["z"].T
        assert np.allclose(found, joined, rtol=SINGLE, atol=1e-30)


def test_observables_over_time() -> None:
    result = ornstein_uhlenbeck((16, 16), frames=7)
    result.observables["mass"] = 1.0 + 1e-13 * np.arange(7)
    result.observables["kl_to_stationary"] = result.kl_to_stationary.copy()
    result.kl_to_stationary[5] = 0.0
    figure = figures(result)["observables"]
    for name, values in (
        ("free energy", result.free_energy),
        ("expected loss", result.expected_loss),
        ("mass", result.mass - 1.0),
        ("x", result.mean[:, 0]),
        ("y", result.mean[:, 1]),
    ):
        trace = named(figure, name)
        assert np.array_equal(trace["y"], values)
        assert np.array_equal(trace["x"], result.time)
    divergence = named(figure, "kl to stationary")
    assert np.isnan(divergence["y"][5])
    assert np.array_equal(np.delete(divergence["y"], 5), np.delete(result.kl_to_stationary, 5))
    axis = divergence["yaxis"].replace("y", "yaxis")
    assert figure["layout"][axis]["type"] == "log"
    heads = [note["text"] for note in figure["layout"]["annotations"]]
    assert heads[:3] == [
        *("free energy", "Kullback-Leibler divergence to the stationary density"),
        "total probability − 1",
    ]
    matched = {axis.get("matches") for key, axis in figure["layout"].items() if "xaxis" in key}
    assert len(matched - {None}) == 1


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
        ornstein_uhlenbeck((12, 14), frames=3),
        title=f"</script></template>{EVIL}",
        names=names,
        attrs={"name": EVIL},
        status="interrupted",
    )
    found = figures(result)
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
    assert len([tag for tag, _ in tags if tag == "template"]) == len(found) == 3
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
    first = found["density"]["layout"]["xaxis"]["title"]["text"]
    assert "<" not in first
    assert "%" not in first
    assert html.unescape(first) == names[0]
    for trace in (*found["density"]["data"], *found["quasi_potential"]["data"]):
        assert "<img" not in trace["hovertemplate"]
        assert trace["hovertemplate"].count("%{x") == 1
    assert first in [trace["name"] for trace in found["observables"]["data"]]


def test_a_missing_library_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = ornstein_uhlenbeck((12,), frames=3)
    path = saved(result, tmp_path / "a.h5")
    monkeypatch.setitem(sys.modules, "plotly", None)
    for attempt in (lambda: zoomable(result), lambda: write_zoomable(result, tmp_path / "z.html")):
        with pytest.raises(
            CaseError, match=r"not installed; pip install -U 'fokkerplanck\[zoom\]'"
        ):
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
    with pytest.raises(CaseError, match=r"plotly 6 or later, which is not installed; pip"):
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
    """At rest only: one step of the slider; nothing at all: one sentence that names the file."""
    for cells in ((12,), (12, 10), (6, 7, 8)):
        whole = ornstein_uhlenbeck(cells, frames=3)
        rest = replace(whole, time=np.zeros(0), density=whole.density[:0], observables={})
        found = figures(rest)
        assert set(found) == {"density", "quasi_potential"}
        assert steps_of(found["density"]) == ["at rest"]
        assert rest.stationary is not None
        [shown] = found["density"]["frames"]
        expected = rest.stationary.density
        if len(cells) == 3:
            expected = expected.sum(axis=2) * rest.grid_spacing[2]
        values = shown["data"][0]["y"] if len(cells) == 1 else shown["data"][0]["z"].T
        assert np.allclose(values, expected, rtol=SINGLE)
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
    assert steps_of(figure) == ["t = 0", "t = 3"]
    for frame, density in zip(figure["frames"], result.density[[0, 4]], strict=True):
        assert np.array_equal(frame["data"][0]["z"], density.T.astype(np.float32))


@pytest.mark.parametrize("cells", [(12,), (12, 10), (6, 7, 8)])
def test_a_box_that_all_have_left_and_a_loss_without_bound(
    cells: tuple[int, ...], tmp_path: Path
) -> None:
    result = ornstein_uhlenbeck(cells, frames=3, stationary=False)
    result.density[2] = 0.0
    result.loss.flat[result.density[0].argmax()] = np.inf
    found = figures(result)
    if len(cells) == 1:
        low, high = found["density"]["layout"]["yaxis"]["range"]
        assert low == 0.0 < result.density[0].max() < high < 2.0 * result.density[0].max()
    else:
        assert 0.0 < found["quasi_potential"]["data"][0]["zmax"] < np.inf
    assert write_zoomable(result, tmp_path / "zoomable.html").exists()


def test_a_figure_for_a_notebook() -> None:
    from plotly.graph_objects import Figure

    result = ornstein_uhlenbeck((6, 7, 8), frames=3)
    figure = zoomable(replace(result, title=EVIL))
    assert isinstance(figure, Figure)
    assert len(figure.frames) == 4
    assert "<" not in figure.layout.title.text
    assert "3 of 3 densities" in figure.layout.title.subtitle.text
    # The title has room of its own above the buttons.
    plain = figures(result)["density"]["layout"]
    room = figure.layout.margin.t - plain["margin"]["t"]
    assert figure.layout.height - plain["height"] == room == 60
    assert zoomable(result, "quasi_potential").data[0].colorscale[0][1].lower() == "#00224e"
    with pytest.raises(CaseError, match="no view 'densty'; it has density, quasi_potential, obs"):
        zoomable(result, "densty")
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
    for (const menu of box.layout.updatemenus || [])
      for (const button of [...menu.buttons].reverse()) await Plotly.relayout(box, ...button.args);
    const shown = [];
    for (const frame of box._transitionData._frames) {
      await Plotly.animate(box, [frame.name], still);
      const trace = box._fullData[0];
      shown.push(Array.from(trace.type === "heatmap" ? trace.z[3] : trace.y));
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
        replace(ornstein_uhlenbeck((16,), frames=3), title=EVIL),
        ornstein_uhlenbeck((12, 14), evil, frames=3),
        ornstein_uhlenbeck((6, 8, 7), frames=3),
    ]
    program = browser.installed()
    assert program is not None
    with browser.Browser(program, tmp_path / "profile") as chromium:
        for result, width in zip(results, (400, 1000, 1000), strict=True):
            page = write_zoomable(result, tmp_path / f"{result.ndim}.html")
            seen = chromium.see(page, width, QUESTION)
            assert seen.complaints == []
            assert [r for r in seen.requests if not r.startswith(("data:", "blob:"))] == [
                page.absolute().as_uri()
            ]
            answer = seen.answer
            assert answer["title"] == result.title
            assert answer["width"] <= answer["room"]
            first, last = answer["all"][0], answer["all"][-1]
            assert result.stationary is not None
            rows = np.stack([*result.density, result.stationary.density])
            if result.ndim == 2:
                rows = rows[:, :, 3]
                assert first["titles"] == [EVIL]
            elif result.ndim == 3:
                rows = rows.sum(axis=3)[:, :, 3] * result.grid_spacing[2]
            assert np.allclose(first["shown"], rows, rtol=SINGLE)
            assert "".join(last["titles"]) == "time t"
            for one in answer["all"]:
                assert not [name for name in one["buttons"] if "hare" in name or "loud" in name]
                assert one["cloud"] == ""
