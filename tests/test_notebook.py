"""What a result shows in a notebook: a short table, well formed, with right numbers."""

from __future__ import annotations

from test_page import Page, relaxing, with_everything

from fokkerplanck.io import html_table
from fokkerplanck.io.notebook import ROWS

RESULT = with_everything()


def test_table_is_short_and_well_formed() -> None:
    text = RESULT._repr_html_()
    page = Page(text)
    # Its last density, inside the page.
    (image,) = page.all("img")
    assert set(image) == {"alt", "src"}
    assert image["src"].startswith("data:image/png;base64,")
    tags = {"table", "caption", "strong", "tbody", "tr", "th", "td", "img"}
    assert {tag for tag, _ in page.tags} == tags
    assert 2 < len(page.all("tr")) <= ROWS + 1
    assert all(head["scope"] == "row" for head in page.all("th"))
    assert len(text.replace(image["src"], "")) < 6000


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


def test_long_tables_are_cut() -> None:
    text = Page(html_table("many", [(str(k), "x") for k in range(ROWS + 5)])).text
    assert "and 5 more" in text
