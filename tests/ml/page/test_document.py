"""A page: one file that needs nothing else, there whole or not at all; text always escaped."""

import re
from pathlib import Path

from markupsafe import Markup

from ml.page.document import (
    definitions,
    document,
    header,
    notes,
    section,
    sections,
    soft,
    table,
    tiles,
    write_whole,
)
from ml.page.timelines import Span, timeline

NASTY = "<script>alert('&')</script>"


def test_a_page_needs_nothing_else() -> None:
    html = document(NASTY, section("a", NASTY, soft(NASTY), tiles([(NASTY, NASTY)])))
    assert re.findall(r"https?:|src=|@import|url\(|<link|<script", html) == []
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in html
    assert "prefers-color-scheme: dark" in html
    assert html.count("&lt;script&gt;") == 5


def test_every_piece_escapes_text_and_keeps_markup() -> None:
    pieces = [
        header(NASTY, NASTY),
        sections(NASTY, {"a": (NASTY, lambda text: [soft(text)])}),
        notes([("good", NASTY, NASTY)]),
        table([NASTY, "b"], [[NASTY, Markup("<b>1</b>")]]),
        definitions([(NASTY, NASTY)]),
    ]
    assert all("<script" not in piece for piece in pieces)
    assert "<b>1</b>" in pieces[3]


def test_a_row_names_its_cells_for_a_phone() -> None:
    html = table(["part", "rows", "used"], [["train", "12", "to fit"]], chosen=[0], texts=(0, 2))
    assert '<td class="number" data-name="rows">12</td><td data-name="used">to fit</td>' in html
    assert '<tr class="chosen">' in html


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "new" / "page.html"
    write_whole(file, "one")
    write_whole(file, "two")
    assert file.read_text() == "two"
    assert [path.name for path in file.parent.iterdir()] == ["page.html"]


def test_a_span_and_what_comes_later_are_on_one_scale() -> None:
    span = Span(
        label="fold",
        first="2024-01-01T00:00:00Z",
        last="2024-01-11T00:00:00Z",
        later=("2024-01-21T00:00:00Z", "2024-01-31T00:00:00Z"),
    )
    html = timeline([span], "2024-04-10T00:00:00Z")
    assert re.findall(r'class="(bar|faint)" x="([\d.]+)" y="0" width="([\d.]+)"', html) == [
        ("bar", "0.000", "10.000"),
        ("faint", "20.000", "10.000"),
    ]
