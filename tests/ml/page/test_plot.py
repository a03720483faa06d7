"""Plots: every shape where its values say, text escaped, no number lost to NaN."""

import re

import numpy as np

from ml.page.axes import Axis, linear
from ml.page.bars import Bar, Interval, bar_rows, breakable, diverging_rows, interval_rows, split_row, strip
from ml.page.plot import Across, Band, Columns, Dots, Line, plot, thin_out

X, Y = Axis(0, 10, ((0, "0"), (10, "10"))), Axis(0, 4, ((0, "0"), (4, "4")))
NASTY = "<script>alert('&')</script>"


def test_a_line_goes_through_its_points_and_breaks_at_nan() -> None:
    drawn = Line([0, 5, 6, 10], [0, 4, np.nan, 2]).draw(X, Y)
    assert re.findall(r'd="([^"]*)"', drawn) == ["M0.00 100.00L50.00 0.00", "M100.00 50.00"]


def test_a_band_goes_there_on_top_and_back_below() -> None:
    drawn = Band([0, 10], [1, 1], [2, 3]).draw(X, Y)
    assert 'd="M0.00 50.00L100.00 25.00L100.00 75.00L0.00 75.00Z"' in drawn
    assert Band([0, 10], [1, np.nan], [2, 3]).draw(X, Y) == ""


def test_columns_stand_on_the_ground() -> None:
    drawn = Columns([0, 5, 10], [1, 0], tooltips=["one", "none"]).draw(X, Y)
    assert re.findall(r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"', drawn) == [
        ("0.00", "75.00", "50.00", "25.00")
    ]
    assert "<title>one</title>" in drawn


def test_a_dot_has_its_whisker() -> None:
    drawn = Dots([5], [2], low=[1], high=[3], tooltips=["two"]).draw(X, Y)
    assert 'd="M50.00 75.00V25.00"' in drawn
    assert 'd="M50.00 50.00h0"' in drawn
    assert Dots([5], [np.nan]).draw(X, Y) == ""


def test_lines_across() -> None:
    assert 'd="M50.00 0V100"' in Across(x=5).draw(X, Y)
    assert 'd="M0 75.00H100"' in Across(y=1).draw(X, Y)


def test_points_that_nobody_could_see_are_left_out_but_never_the_last() -> None:
    many = np.column_stack([np.linspace(0, 100, 10_001), np.zeros(10_001)])
    few = thin_out(many)
    assert len(few) < 700
    assert few[0].tolist() == [0, 0]
    assert few[-1].tolist() == [100, 0]


def test_a_plot_says_its_title_keys_and_ticks_and_escapes_them() -> None:
    drawn = plot(NASTY, [Line([0, 10], [0, 4], label=NASTY)], X, linear([0, 4], NASTY), note=NASTY)
    assert "<script" not in drawn
    assert drawn.count("&lt;script&gt;") == 5
    assert '<span style="bottom:100.00%">4</span>' in drawn
    assert '<span class="last" style="left:100.00%">10</span>' in drawn


def test_bars_share_one_scale() -> None:
    drawn = bar_rows([Bar("a", 1.0, "one"), Bar("b", 0.75, "less")], start=0.5, limit=0.6, end=1.5)
    assert re.findall(r'class="bar" x="0.000" y="0" width="([\d.]+)"', drawn) == ["50.000", "25.000"]
    assert drawn.count('x1="10.000"') == 2
    assert "--value:6ch" in drawn


def test_intervals_share_one_scale_that_holds_the_limit() -> None:
    drawn = interval_rows([Interval("a", 2, 1, 3, "2"), Interval(NASTY, 9, 8, 11, "9")], limit=0.0)
    places = [float(place) for place in re.findall(r'class="mark" d="M([\d.]+) ', drawn)]
    assert places == sorted(places)
    assert 0 < places[0] < places[1] < 100
    assert "<script" not in drawn


def test_what_adds_goes_right_and_what_takes_goes_left() -> None:
    drawn = diverging_rows([Bar("up", 2.0, "+2"), Bar("down", -1.0, "-1")], most=2.0)
    assert re.findall(r'class="tinted (\w)" x="([\d.]+)" y="0" width="([\d.]+)"', drawn) == [
        ("b", "50.000", "50.000"),
        ("a", "25.000", "25.000"),
    ]


def test_shares_follow_each_other() -> None:
    drawn = split_row("all", [(0.25, "a"), (0.75, "a pale")], "1 and 3")
    assert re.findall(r'class="tinted ([\w ]+)" x="([\d.]+)" y="0" width="([\d.]+)"', drawn) == [
        ("a", "0.000", "25.000"),
        ("a pale", "25.000", "75.000"),
    ]


def test_a_strip_leaves_out_what_is_empty() -> None:
    drawn = strip("row", [(0.0, "a", "nothing"), (0.5, "b", NASTY)])
    assert drawn.count("<title>") == 1
    assert 'x="50.000" y="0" width="50.000" height="10" opacity="0.50"' in drawn
    assert "<script" not in drawn


def test_long_names_break_after_an_underscore() -> None:
    assert breakable("a_b<c") == "a_<wbr>b&lt;c"
