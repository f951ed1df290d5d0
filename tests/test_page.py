"""The report of a result: whole in one file, everything escaped, right in its verdicts."""

from __future__ import annotations

import base64
import configparser
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import browser
import numpy as np
import pytest
from PIL import Image
from store_samples import (
    make_ensemble,
    make_header,
    make_passage,
    make_spectrum,
    make_validation,
)
from test_plots import ornstein_uhlenbeck
from xarray import DataTree

from fokkerplanck.analyses.text import number
from fokkerplanck.case import Expect, toml_value
from fokkerplanck.figures import draw, film_of
from fokkerplanck.figures.draw import STILLS
from fokkerplanck.figures.film import FRAMES, FilmPanel
from fokkerplanck.io import (
    CONTROL,
    DISCRETE,
)
from fokkerplanck.io.result import Result
from fokkerplanck.report.checks import checks_of
from fokkerplanck.report.cite import command, references
from fokkerplanck.report.comparison_page import write_comparison
from fokkerplanck.report.page import STATES, report_page, write_report
from fokkerplanck.report.pictures import PLACES, pictures_of, place_of
from fokkerplanck.report.words import equation, setup

EVIL = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)>\"'&"
CASE = f"""
title = {json.dumps(EVIL)}
[loss]
formula = "0.5*(x**2 + y**2)" # {EVIL}
[noise]
sigma = 1.0
beta = 2.0
[domain]
x = {{ range = [-4, 4], cells = 20 }}
y = {{ range = [-4, 4], cells = 24 }}
[expect]
"mass_drift" = {{ max = 1e-12 }}
"final.mean[0]" = {{ value = 7.0, atol = 0.1 }}
"""
VOID = {"meta", "link", "img", "br", "source", "input", "hr"}


def relaxing(**fields: object) -> Result:
    """A 2-D relaxation with a title and a case that try to run scripts."""
    result = ornstein_uhlenbeck((20, 24), "xy", frames=4)
    attrs = {"name": "evil", "overrides": json.dumps({"density.end": 3.0})}
    values = {"title": EVIL, "case_toml": CASE, "source": "fokkerplanck 0.1.0 (numpy 2)"}
    return replace(result, **(values | {"attrs": attrs} | fields))


def with_verdict(result: Result, p_value: float, agrees: bool) -> DataTree:
    """A comparison of its last two times."""
    series = {
        name: np.random.default_rng(6203).random(2)
        for name in ("p_value", "fit", "remaining_p_value")
    }
    series["noise_shape"] = np.full(2, np.nan)
    sentences = ("they agree", EVIL)
    return make_validation(result.grid, result.time[2:], sentences, (p_value, agrees), **series)


def with_everything() -> Result:
    """The same with a record of every analysis."""
    result = relaxing(notes=[f"caution {EVIL}", "scheme high-order: well", "stepper fast: it is"])
    shape, times, rng = result.shape, len(result.time), np.random.default_rng(5077)
    result.analyses["spectrum"] = make_spectrum(result.grid, turning=True)
    result.analyses["passage"] = make_passage(make_header(shape))
    result.analyses["ensemble"] = make_ensemble(
        result.grid,
        result.time,
        method=EVIL,
        counts=rng.integers(0, 9, (times, *shape)),
        mean=rng.random((times, 2)),
        covariance=rng.random((times, 2, 2)),
        loss=rng.random(times),
        gradient_norm=rng.random(times),
    )
    result.analyses["validation"] = with_verdict(result, 0.5, True)
    schedules = {"policy": ("optimal", EVIL), "values": rng.random((2, 3)), "costs": [1.0, 2.0]}
    ends = {"edges": np.linspace(0, 1, 4), "interval": np.linspace(0, 1, 7)[1::2]}
    result.analyses["control"] = CONTROL.build(
        result.grid, {**schedules, **ends}, {"of": "learning-rate", "hjb": 0.5}
    )
    result.analyses["discrete"] = DISCRETE.build(
        result.grid,
        {
            "iteration": [0, 3],
            "density": rng.random((2, *shape)),
            "mass": np.ones(2),
            "minimum": np.zeros(2),
            "mean": np.zeros((2, 2)),
            "covariance": np.zeros((2, 2, 2)),
            "stationary": rng.random(shape),
            "stationary_mean": np.zeros(2),
            "stationary_covariance": np.eye(2),
            "multiplier_real": [1.0, 0.5],
            "multiplier_imag": [0.0, 0.1],
            "learning_rate": [0.1, 0.2],
            "scan_density": rng.random((2, *shape)),
            **{
                f"scan_{name}": rng.random(2)
                for name in ("distance", "divergence", "variance_ratio", "excess", "folded")
            },
            "relation_source": ["transfer"],
            "relation_name": [EVIL],
            "relation_left": [1.0],
            "relation_right": [1.1],
            "relation_sampling": [0.1],
            "relation_grid": [np.nan],
        },
        {
            **{"noise": EVIL, "rate": 0.1, "multiplier": 1.0, "residual": 0.0, "entries": 9.0},
            **{"excess": 0.0, "folded": 0.0},
        },
    )
    return result


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A wide figure and a small one."""
    folder = tmp_path_factory.mktemp("figures")
    files = [folder / name for name in ("density.png", "walkers.png")]
    for file, size in zip(files, ((1400, 400), (90, 60)), strict=True):
        Image.new("RGB", size, "navy").save(file)
    return files


class Page(HTMLParser):
    """Tags with their attributes; complains about what is closed in the wrong order."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def check_page(text: str) -> Page:
    """What holds of every page: well formed, accessible, nothing loaded, one script."""
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset", "href", "data", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#"))
            if value is not None and value.startswith("#"):
                assert value[1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
    assert len(page.all("script")) == 1
    assert "src" not in page.all("script")[0]
    assert not re.search(
        r"url\(|@import|https?:", "".join(re.findall(r"(?s)<style>.*?</style>", text))
    )
    assert all(image.get("alt") for image in page.all("img"))
    assert all(head.get("scope") in ("col", "row") for head in page.all("th"))
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    return page


@pytest.mark.parametrize("result", [relaxing(), with_everything()], ids=["few", "all"])
def test_page_is_whole_and_loads_nothing(result: Result, figures: list[Path]) -> None:
    text = report_page(result, figures)
    page = check_page(text)
    assert len(page.all("img")) == len(figures)
    # The frames of the film, and its colour bar.
    assert len(page.all("image")) == 2


def test_whatever_a_case_says_is_text(figures: list[Path]) -> None:
    text = report_page(with_everything(), figures)
    assert "<script>document" not in text
    assert "<img src=x" not in text
    # It is there all the same, as text: in the title, the case file, and many findings.
    assert check_page(text).text.count("onerror=alert(1)") > 8


def test_every_analysis_has_its_part() -> None:
    parts = {a["id"] for a in check_page(report_page(with_everything())).all("section")}
    assert parts == {
        *("case", "checks", "evolution", "stationary", "spectrum", "passage", "walkers"),
        *("control", "discrete", "costs", "again"),
    }
    bare = replace(relaxing(), analyses={}, observables={}, time=np.zeros(0))
    bare.density = bare.density[:0]
    page = check_page(report_page(bare))
    assert "does not exist: this result has no frame" in page.text
    parts = {a["id"] for a in page.all("section")}
    assert parts == {"case", "checks", "costs", "again"}


def test_numbers_of_the_page_are_those_of_the_result() -> None:
    result = with_everything()
    text = check_page(report_page(result)).text
    assert result.spectrum is not None
    assert result.passage is not None
    assert result.passage.start_mean_time is not None
    for value in (
        result.free_energy[-1],
        result.kl_to_stationary[-1],
        result.mean[-1, 1],
        result.spectrum.real[3],
        result.passage.start_mean_time[1],
    ):
        assert number(value) in text


def test_checks_tell_kept_from_broken() -> None:
    result = relaxing(notes=["scheme high-order: fine", "the grid is coarse"])
    expect = {"minimum": Expect(min=0.0), "final.mean[0]": Expect(value=7.0, atol=0.1)}

    def states(one: Result) -> dict[str, str]:
        return {check.what: check.state for check in checks_of(one, expect)}

    kept = states(result)
    assert kept == {
        "Complete": "kept",
        "Mass is kept": "kept",
        "Density is never negative": "kept",
        "Free energy falls throughout": "kept",
        "Expected: minimum": "kept",
        "Expected: final.mean[0]": "broken",
        "Caution": "care",
    }
    spoilt = relaxing(status="interrupted")
    spoilt.observables = {k: v.copy() for k, v in spoilt.observables.items()}
    spoilt.mass[1] += 1e-6
    spoilt.minimum[2] = -1e-9
    spoilt.free_energy[3] = spoilt.free_energy[0]
    found = states(spoilt)
    assert set(found.values()) == {"broken"}
    assert "Caution" not in found
    assert "no_such" in str(checks_of(result, {"final.no_such": Expect(min=0.0)})[-2])


def test_mass_may_leave_by_absorbing_sides_but_not_enter() -> None:
    result = relaxing(attrs={"boundaries": "absorbing/reflecting, periodic/periodic"})
    result.observables = result.observables | {"mass": np.array([1.0, 0.8, 0.7, 0.5])}
    assert checks_of(result, {})[1].state == "kept"
    result.mass[2] = 0.9
    assert checks_of(result, {})[1].state == "broken"


@pytest.mark.parametrize(
    ("agrees", "p_value", "state"),
    [(True, 0.5, "kept"), (True, 1e-9, "care"), (False, 1e-9, "broken")],
)
def test_verdict_of_the_walkers(agrees: bool, p_value: float, state: str) -> None:
    result = with_everything()
    result.analyses["validation"] = with_verdict(result, p_value, agrees)
    [check] = [check for check in checks_of(result, {}) if "Walkers" in check.what]
    assert check.state == state


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"case_toml": "[loss"}, "the case of this result cannot be read"),
        ({"attrs": {"overrides": "{"}}, "the case of this result cannot be read"),
        ({"attrs": {"overrides": "7"}}, "no table of keys and values"),
        ({"case_toml": "expect = 7"}, "7 is no table of names and numbers"),
        ({"case_toml": "[expect]\nminimum = { value = 1 }"}, "value needs a tolerance"),
    ],
)
def test_a_case_that_cannot_be_read_is_said(fields: dict[str, object], part: str) -> None:
    page = check_page(report_page(relaxing(**fields)))
    assert part in page.text
    assert f"1 {STATES['broken']}" in page.text
    assert "fokkerplanck run" not in page.text


def test_words_for_the_equation() -> None:
    assert equation({"loss": {"formula": "x"}})[1] == "∂ρ/∂t = div(∇Φ ρ) + (1/β) div div(Σ ρ)"
    both = equation({"loss": {"formula": "x"}, "drift": {"formula": ["y"]}})
    assert both[0] == "dθ = (−∇Φ + f) dt + √(2Σ/β) dW"
    assert "div((∇Φ − f) ρ)" in both[1]
    assert "−div(f ρ)" in equation({"drift": {"formula": ["y"]}})[1]
    assert "(−Δ)^(α/2)" in equation({"loss": {"formula": "x"}, "noise": {"alpha": 1.5}})[1]


def test_words_for_the_set_up() -> None:
    rows = dict(setup(relaxing(), {"loss": {"formula": "x**2"}, "spectrum": {}}))
    assert rows["Loss Φ"] == "x**2"
    assert rows["Axis x"] == "-4 to 4, 20 cells of width 0.4, reflecting"
    assert rows["Asked for"].startswith("slowest modes")
    assert "Σ is the same everywhere, condition number 1" in rows["Noise"]


def test_command_makes_it_again() -> None:
    """The shell's words, read as the command line reads them, are the overrides again."""
    import shlex

    from fokkerplanck.case import parse_override

    overrides = {
        "density.end": 2.5123456789,
        "noise.sigma": [["1 + x", 0.5], [0.5, True]],
        "expect": {"final.mean[0]": {"max": 1e-12, "min": -3}},
        "title": 'a "b" $(c)',
        "stationary": {},
    }
    result = relaxing(attrs={"name": "mine", "overrides": json.dumps(overrides)})
    words = shlex.split(command(result))
    assert words[:3] == ["fokkerplanck", "run", "mine.toml"]
    assert words[3::2] == ["--set"] * len(overrides)
    assert dict(parse_override(word) for word in words[4::2]) == overrides
    assert toml_value(1e-300) == "1e-300"


def test_references_follow_the_methods() -> None:
    result = relaxing(notes=["scheme high-order: fine"])
    used = dict(references(result, {}))
    assert {"this package", "the equations", "rates", "stencils", "flux limiter"} == set(used)
    assert "stable variables" not in dict(references(result, {"noise": {"alpha": 1.5}}))
    walkers = with_everything()
    assert "stable variables" in dict(references(walkers, {"noise": {"alpha": 1.5}}))


def test_every_figure_has_its_place() -> None:
    assert set(STILLS) <= {start for start, _, _ in PLACES}
    assert place_of("density_slices") == (
        "evolution",
        "Density at some of the output times: slices",
    )
    assert place_of("walkers_paths")[1] == "Paths of some walkers over the density"


def test_only_png_becomes_part_of_the_page(tmp_path: Path) -> None:
    assert pictures_of(relaxing(), [tmp_path / "density.pdf"]) == {}


def opened(uri: str) -> Image.Image:
    assert uri.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def shown(panel: FilmPanel, frame: int) -> np.ndarray:
    """Shares of the peak that a frame shows, from its colours: (to the right, upwards)."""
    picture = opened(panel.image)
    frames = np.asarray(picture).reshape(len(panel.peaks), -1, picture.width)
    return frames[frame, ::-1].T / 255.0


def pixel(panel: FilmPanel, shares: np.ndarray, at: tuple[float, float]) -> float:
    """The share that is shown at a point, found by the axes of the panel."""
    place = [
        int((value - low) / (high - low) * count)
        for value, (low, high), count in zip(at, panel.limits, shares.shape, strict=True)
    ]
    return float(shares[tuple(place)])


def test_film_shows_every_frame_over_its_peak() -> None:
    """Colours read back, at the places that the axes give them."""
    result = relaxing()
    film = film_of(result)
    assert film is not None
    [panel] = film.panels
    assert film.heads == ("t = 0", "t = 1", "t = 2", "t = 3")
    assert panel.names == ("x", "y")
    assert np.allclose(panel.peaks, result.density.max(axis=(1, 2)))
    rng = np.random.default_rng(6043)
    for frame, density in enumerate(result.density):
        shares = shown(panel, frame)
        # To one pixel of the shorter side.
        assert panel.size[1] / panel.size[0] == pytest.approx(
            shares.shape[1] / shares.shape[0], rel=1 / min(shares.shape)
        )
        for _ in range(20):
            x, y = (rng.uniform(*limits) for limits in panel.limits)
            cell = tuple(
                int(np.abs(centers - at).argmin())
                for centers, at in zip(result.centers, (x, y), strict=True)
            )
            around = density[max(cell[0] - 1, 0) : cell[0] + 2, max(cell[1] - 1, 0) : cell[1] + 2]
            around = around / density.max()
            assert around.min() - 2e-3 <= pixel(panel, shares, (x, y)) <= around.max() + 2e-3
        assert shares.max() == 1.0
        top, half, bottom = map(float, panel.bars[frame])
        assert top == pytest.approx(density.max(), rel=5e-3)
        assert half == pytest.approx(density.max() / 2, rel=5e-3)
        assert bottom == 0.0
    # The bar has the colours of the frames, the largest density on top.
    bar = opened(film.colors)
    assert np.array_equal(np.asarray(bar)[:, 0], np.arange(255, -1, -1))
    assert bar.getpalette() == opened(panel.image).getpalette()
    assert bar.convert("RGB").getpixel((0, 255)) == (68, 1, 84)


def test_film_has_true_ticks_and_contours() -> None:
    result = relaxing()
    x, y = np.meshgrid(*result.centers, indexing="ij")
    film = film_of(replace(result, loss=(x - 0.5) ** 2 + (y + 0.8) ** 2))
    assert film is not None
    [panel] = film.panels
    for ticks, (low, high), length in zip(panel.ticks, panel.limits, panel.size, strict=True):
        assert len(ticks) >= 4
        for tick in ticks:
            value = float(tick.text.replace("−", "-"))
            assert tick.place == pytest.approx(length * (value - low) / (high - low), abs=1e-6)
    lines = [
        np.array([point.split(",") for point in line.split("L")], float)
        for line in panel.contours.split("M")[1:]
    ]
    assert len(lines) >= 5
    for line in lines:
        # Parts of circles around the minimum of the loss, in the coordinates of the axes.
        (left, right), (low, high) = panel.limits
        x = left + line[:, 0] / panel.size[0] * (right - left)
        y = high - line[:, 1] / panel.size[1] * (high - low)
        radius = np.hypot(x - 0.5, y + 0.8)
        assert np.ptp(radius) < 0.08 * radius.mean()


def test_film_of_curves() -> None:
    result = ornstein_uhlenbeck((30,), frames=5)
    film = film_of(result)
    assert film is not None
    [panel] = film.panels
    assert result.stationary is not None
    (left, right), (_, top) = panel.limits
    x = result.centers[0]
    inside = (x >= left) & (x <= right)
    for path, density in zip(
        (*panel.curves, panel.rest), (*result.density, result.stationary.density), strict=True
    ):
        points = np.array([point.split(",") for point in path[1:].split("L")], float)
        across = left + points[:, 0] / panel.size[0] * (right - left)
        heights = top * (1.0 - points[:, 1] / panel.size[1])
        assert np.allclose(across, x[inside], atol=1e-3 * (right - left))
        assert np.allclose(heights, np.minimum(density[inside], top), atol=1e-3 * top)
    assert json.loads(panel.data) == list(panel.curves)
    assert film.colors == ""


def test_film_of_three_parameters_has_every_pair() -> None:
    result = ornstein_uhlenbeck((6, 7, 8), frames=3)
    film = film_of(result)
    assert film is not None
    assert [panel.names for panel in film.panels] == [("x", "y"), ("x", "z"), ("y", "z")]
    for panel, axis in zip(film.panels, (2, 1, 0), strict=True):
        marginals = result.density.sum(axis=axis + 1) * result.grid_spacing[axis]
        assert np.allclose(panel.peaks, marginals.max(axis=(1, 2)))
        for frame, marginal in enumerate(marginals):
            shares = shown(panel, frame)
            peak = np.unravel_index(marginal.argmax(), marginal.shape)
            first, second = (k for k in range(3) if k != axis)
            at = (result.centers[first][peak[0]], result.centers[second][peak[1]])
            assert pixel(panel, shares, at) == 1.0


def test_long_films_are_thinned_and_short_ones_are_none() -> None:
    film = film_of(ornstein_uhlenbeck((8,), frames=500))
    assert film is not None
    assert len(film.frames) == len(film.heads) == FRAMES
    assert (film.frames[0], film.frames[-1]) == (0, 499)
    assert film_of(ornstein_uhlenbeck((6, 7), frames=2)) is None
    gone = ornstein_uhlenbeck((8,), frames=3, stationary=False)
    gone.density[1:] = 0.0
    film = film_of(gone)
    assert film is not None
    assert film.panels[0].limits[1][1] == pytest.approx(1.05 * gone.density[0].max())


def test_numbers_as_people_write_them() -> None:
    shown = [number(x) for x in (-0.0, -1.5e-10, np.inf, -np.inf, np.nan, 1234567.0)]
    assert shown == ["0", "−1.5e−10", "∞", "−∞", "none", "1.23457e+06"]


def test_writes_the_page_and_says_why_not(tmp_path: Path) -> None:
    from fokkerplanck.errors import StoreError

    odd = relaxing(title="not \udcff text")
    path = write_report(odd, tmp_path / "new" / "report.html", peak=2**30)
    assert "1,024 MiB" in check_page(path.read_text(encoding="utf-8")).text
    with pytest.raises(StoreError, match="the report cannot be written"):
        write_report(relaxing(), path / "below" / "report.html")


def test_everyday_pages_are_small_and_quick(tmp_path: Path) -> None:
    import time

    result = with_everything()
    drawn = draw(result, tmp_path, ["density", "free_energy"])
    start = time.perf_counter()
    text = report_page(result, drawn)
    assert time.perf_counter() - start < 1.0
    assert len(text) < 3_000_000


def test_templates_go_with_the_package() -> None:
    root = Path(__file__).resolve().parents[1]
    setup = configparser.ConfigParser()
    setup.read(root / "setup.cfg")
    patterns = setup["options.package_data"]["fokkerplanck.report"].split(", ")
    folder = root / "fokkerplanck" / "page"
    covered = {file for pattern in patterns for file in folder.glob(pattern)}
    assert covered == {file for file in folder.rglob("*.*") if file.suffix not in (".py", ".pyc")}


QUESTION = """({
  title: document.title,
  width: document.documentElement.scrollWidth,
  room: document.documentElement.clientWidth,
  images: document.images.length,
  missing: [...document.images].filter((i) => !i.complete || !i.naturalWidth).length,
  beyond: [...document.querySelectorAll("body *")].filter(
    (e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, pre")
  ).map((e) => e.tagName),
  film: [...document.querySelectorAll(".film")].map((film) => {
    const slider = film.querySelector("input");
    slider.value = 2;
    slider.dispatchEvent(new Event("input"));
    const [image, curve] = [film.querySelector("image"), film.querySelector(".now")];
    const moved = image ? image.getAttribute("y") : curve.getAttribute("d");
    const numbers = [...film.querySelectorAll(".bar")].map((number) => number.textContent);
    return [film.querySelector("output").textContent, moved, numbers];
  }),
  paper: getComputedStyle(document.body).backgroundColor,
})"""


@pytest.mark.skipif(browser.installed() is None, reason="there is no Chromium to look with")
def test_in_a_browser(tmp_path: Path, figures: list[Path]) -> None:
    """No complaint, no request, no missing picture, nothing beyond the side of a phone."""
    from fokkerplanck.report.compare import differences

    first, second = relaxing(), with_everything()
    report = write_report(second, tmp_path / "report.html", figures)
    both = write_comparison(
        differences(first, second), (EVIL, "b"), tmp_path / "both.html", figures[0]
    )
    curve = ornstein_uhlenbeck((30,), frames=4)
    line = write_report(replace(curve, title="owned"), tmp_path / "line.html")
    [moving, still] = film_of(second), film_of(curve)
    assert moving is not None
    assert still is not None
    [panel] = moving.panels
    films = {
        report: [["t = 2", f"{-2 * panel.size[1]:g}", panel.bars[2]]],
        both: [],
        line: [["t = 2", still.panels[0].curves[2], []]],
    }
    program = browser.installed()
    assert program is not None
    with browser.Browser(program, tmp_path / "profile") as chromium:
        papers = set()
        for page, width, dark in (
            (report, 400, False),
            (report, 1200, True),
            (both, 400, False),
            (line, 400, False),
        ):
            seen = chromium.see(page, width, QUESTION, dark)
            assert seen.complaints == []
            assert [r for r in seen.requests if not r.startswith("data:")] == [
                page.absolute().as_uri()
            ]
            answer = seen.answer
            assert answer["images"] == {report: 2, both: 1, line: 0}[page]
            assert answer["film"] == films[page]
            assert answer["missing"] == 0
            assert answer["beyond"] == []
            assert answer["width"] <= answer["room"]
            assert "owned" in answer["title"].split("'")
            papers.add((dark, answer["paper"]))
        assert len(papers) == 2
