"""Long names of axes: no label of any figure lies over another one or over the numbers."""

from __future__ import annotations

from itertools import combinations

import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

import fokkerplanck as fp
from fokkerplanck.figures.draw import STILLS
from fokkerplanck.figures.style import STYLE, axis_label, new_figure

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.CaseWarning")

NAMES = [
    ("x", "y"),
    ("first_weight", "intercept"),
    ("weight_of_the_first_layer", "weight_of_the_second_layer"),
    ("weight_of_the_first_layer", "depth", "w_3"),
]
# Letters reach a little less far than the boxes around them.
SLACK = 1.0


@pytest.fixture(scope="module", params=NAMES, ids=lambda names: names[-1])
def result(request: pytest.FixtureRequest) -> fp.Result:
    """With an entry for every figure of its dimension."""
    names = request.param
    flat = len(names) == 2
    sigma = [[1.0 if i == j else 0.4 for j in range(len(names))] for i in range(len(names))]
    problem = fp.Problem(
        " + ".join(f"{k + 1}*{name}**2/2" for k, name in enumerate(names)),
        sigma,
        2.0,
        {name: (-3, 3) for name in names},
        learning_rate=0.1,
    )
    return fp.run(
        fp.make_case(
            problem,
            24 if flat else 10,
            initial={"kind": "gaussian", "mean": [1.0] * len(names), "std": 0.5},
            density={"end": 0.5, "frames": 5},
            stationary=True,
            spectrum={"count": 4},
            passage={"target": f"{names[0]} > 1.5", "source": f"{names[0]} < -1.5", "end": 5.0},
            ensemble={"particles": 300, "trajectories": 3},
            validation={"budget": False},
            discrete={"steps": 2, "modes": 2} if flat else None,
            smoothing={"gamma": [2.0]},
        )
    )


def texts(figure: Figure) -> list[tuple[str, Text]]:
    """Labels, heads and numbers that are seen, with the panel that they belong to."""
    found: list[tuple[str, Text]] = []
    for number, axes in enumerate(figure.axes):
        found += [(f"{number} x label", axes.xaxis.label), (f"{number} y label", axes.yaxis.label)]
        found.append((f"{number} head", axes.title))
        for name, axis, low, high in (
            ("x", axes.xaxis, *sorted(axes.get_xlim())),
            ("y", axes.yaxis, *sorted(axes.get_ylim())),
        ):
            ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
            found += [(f"{number} {name} number", tick.label1) for tick in ticks]
    return [(name, text) for name, text in found if text.get_visible() and text.get_text()]


def overlaps(figure: Figure) -> list[str]:
    """Pairs of texts, one of them no number, that lie over each other."""
    figure.canvas.draw()
    shown = [(name, text, text.get_window_extent()) for name, text in texts(figure)]
    return [
        f"{one} {first.get_text()!r} over {other} {second.get_text()!r}"
        for (one, first, box), (other, second, beside) in combinations(shown, 2)
        if not (one.endswith("number") and other.endswith("number"))
        and min(box.x1, beside.x1) - max(box.x0, beside.x0) > SLACK
        and min(box.y1, beside.y1) - max(box.y0, beside.y0) > SLACK
    ]


@pytest.mark.parametrize("name", STILLS)
def test_no_text_lies_over_another(result: fp.Result, name: str) -> None:
    with rc_context(STYLE):
        figures = STILLS[name](result)
        found = {stem: overlaps(figure) for stem, figure in figures.items()}
    assert {stem: pairs for stem, pairs in found.items() if pairs} == {}


def test_most_figures_are_looked_at(result: fp.Result) -> None:
    drawn = [name for name, figures in STILLS.items() if figures(result)]
    assert len(drawn) >= (13 if result.ndim == 2 else 7)


def test_an_overlap_is_seen() -> None:
    figure = new_figure(3.4, 2.0)
    axes = figure.subplots()
    axes.set_yticks([0.5])
    axes.set_ylabel("intercept", rotation=0, labelpad=8, va="center")
    assert [pair for pair in overlaps(figure) if "'intercept'" in pair]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("theta_1", [r"$\theta_{1}$"]),
        ("intercept", ["intercept"]),
        ("first_weight", ["first_weight"]),
        ("weight_of_the_first_layer", ["weight_of_the_", "first_layer"]),
        ("an_uncommonlylongword_here", ["an_", "uncommonlylongword_", "here"]),
        ("__", ["__"]),
    ],
)
def test_words_break_at_underscores(name: str, lines: list[str]) -> None:
    assert axis_label(name).split("\n") == lines
