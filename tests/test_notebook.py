"""What results and records show in a notebook: a short table, well formed, with right numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from test_page import EVIL, Page, relaxing, with_everything

from fokkerplanck.io import html_table
from fokkerplanck.io.notebook import ROWS, record_html

RESULT = with_everything()
RECORDS = [
    RESULT,
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_tables_are_short_and_well_formed(record: Any) -> None:
    text = record._repr_html_()
    page = Page(text)
    tags = {"table", "caption", "strong", "tbody", "tr", "th", "td"}
    if record is RESULT:
        # Its last density, inside the page.
        (image,) = page.all("img")
        assert set(image) == {"alt", "src"}
        assert image["src"].startswith("data:image/png;base64,")
        text = text.replace(image["src"], "")
        tags.add("img")
    assert {tag for tag, _ in page.tags} == tags
    assert 2 < len(page.all("tr")) <= ROWS + 1
    assert all(head["scope"] == "row" for head in page.all("th"))
    assert len(text) < 6000


def test_result_tells_the_main_numbers() -> None:
    text = Page(RESULT._repr_html_()).text
    for part in (
        "20 × 24 (x, y)",
        f"{RESULT.free_energy[-1]:.6g}",
        f"{RESULT.kl_to_stationary[-1]:.3e}",
        "passage, ensemble",
        "onerror",
        "complete",
    ):
        assert part in text


def test_result_without_observables_still_shows() -> None:
    bare = relaxing(title="")
    bare.observables, bare.time, bare.analyses = {}, bare.time[:0], {}
    text = Page(bare._repr_html_()).text
    assert "Result" in text
    assert "none" in text
    assert "frames" not in text


def test_record_shows_shapes_and_ranges() -> None:
    @dataclass
    class Sample:
        field: np.ndarray
        few: np.ndarray
        scalar: float
        words: str
        missing: None
        numbers: dict[str, float]
        names: tuple[str, ...]
        modes: np.ndarray

    sample = Sample(
        np.array([[1.0, -2.5], [np.nan, 4.0], [0.0, 0.0]]),
        np.array([1, 2]),
        0.1234567,
        EVIL,
        None,
        {"a_b": 7.0},
        (),
        np.ones((2, 3), complex),
    )
    text = Page(record_html(sample)).text
    for part in ("3 × 2, from -2.5 to 4", "1, 2", "0.123457", "a b 7", "2 × 3"):
        assert part in text
    assert "missing" not in text
    assert "names" not in text


def test_long_tables_are_cut() -> None:
    text = Page(html_table("many", [(str(k), "x") for k in range(ROWS + 5)])).text
    assert "and 5 more" in text
