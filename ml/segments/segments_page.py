"""Segments as part of a page: sizes, outcomes, what tells them apart, who moved."""

from typing import Any

from markupsafe import Markup

from ml.common.number_words import counted
from ml.page.bars import EMPTY, Bar, Interval, bar_rows, figure, interval_rows
from ml.page.document import folded, grid, header, join_parts, soft, table
from ml.page.number_text import NOTHING, day, number, percent, readable
from ml.segments.number import STRENGTH_MIN
from ml.segments.segmentation import Segmentation

HOW = "No segments yet: 'churn segments' makes them, and this part shows them from then on."


def segments_body(segmentation: Segmentation) -> Markup:
    """The inside of a page of its own."""
    figures = segmentation.figures
    about = (
        f"{figures['customers']:,} customers at {figures['as_of']} in "
        f"{counted(len(segmentation.segments), 'segment')}, by "
        f"{', '.join(map(readable, segmentation.input_names))}."
    )
    return join_parts(header("Segments", about), *segment_parts(segmentation))


def segment_parts(segmentation: Segmentation | None) -> list[Markup]:
    """The parts of a section; one sentence where there are no segments."""
    if segmentation is None or not segmentation.figures:
        return [soft(HOW)]
    figures = segmentation.figures
    return [
        soft(choice_text(segmentation)),
        grid(sizes(figures), outcome(figures), two=True),
        grid(*(profile(figures, name) for name in segmentation.input_names), two=True),
        segment_table(segmentation),
        moves(figures),
        *([folded("Why so many segments", strengths(segmentation))] if segmentation.strengths else []),
    ]


def choice_text(segmentation: Segmentation) -> str:
    learned, figures = segmentation.learned, segmentation.figures
    chosen = {
        "given": "as many as were asked for",
        "kept": "as many as before, for two halves of the customers still agree on them",
        "chosen": "the most that two halves of the customers agree on",
    }[learned["number"]]
    return (
        f"As of {figures['as_of']} on {figures['build_id']}; the segments were learned as of "
        f"{learned['as_of']} from {learned['customers']:,} customers: {chosen}. A customer belongs to the "
        "segment whose centre is nearest."
    )


def label_of(segment: dict[str, Any]) -> str:
    return f"{segment['number']} {segment['name']}"


def sizes(figures: dict[str, Any]) -> Markup:
    """Shares of the customers."""
    bars = [
        Bar(label_of(one), one["share"], f"{percent(one['share'])} ({one['customers']:,})")
        for one in figures["segments"]
    ]
    return figure(Markup("<b>Customers</b> by segment"), bar_rows(bars))


def outcome(figures: dict[str, Any]) -> Markup:
    """Churn rate, or average amount, with 95 % intervals."""
    known = [one for one in figures["segments"] if one["outcome"]]
    if not known:
        return soft("No label is settled yet.")
    text = percent if figures["outcome"] == "churn rate" else number
    rows = [Interval.of(label_of(one), one["outcome"], text(one["outcome"]["value"])) for one in known]
    caption = Markup("<b>{}</b> after the cut-off of {}, with 95 % interval").format(
        figures["outcome"].capitalize(), day(figures["outcome_cutoff"])
    )
    return figure(caption, interval_rows(rows))


def profile(figures: dict[str, Any], name: str) -> Markup:
    """Median and quartiles of one input."""
    rows = []
    for one in figures["segments"]:
        spread = one["inputs"][name]
        if spread["median"] is not None:
            text = f"{number(spread['median'])} ({number(spread['low'])} to {number(spread['high'])})"
            rows.append(Interval(label_of(one), spread["median"], spread["low"], spread["high"], text))
    caption = Markup("<b>{}</b>: median, and the middle half").format(readable(name))
    return figure(caption, interval_rows(rows)) if rows else EMPTY


def segment_table(segmentation: Segmentation) -> Markup:
    """The segments in numbers."""
    figures = segmentation.figures
    text = percent if figures["outcome"] == "churn rate" else number
    names = (
        "segment",
        "customers",
        "share",
        f"at {day(figures['since'])}",
        figures["outcome"],
        *(f"average {readable(name)}" for name in segmentation.input_names),
    )
    rows = [
        [
            label_of(one),
            number(one["customers"]),
            percent(one["share"]),
            percent(one["share_before"]),
            text(one["outcome"]["value"]) if one["outcome"] else NOTHING,
            *(number(one["inputs"][name]["mean"]) for name in segmentation.input_names),
        ]
        for one in figures["segments"]
    ]
    return table(names, rows)


def moves(figures: dict[str, Any]) -> Markup:
    """Who moved since the earlier instant."""
    about = (
        f"Since {day(figures['since'])}, {figures['moved']:,} of the {figures['in_both']:,} customers in the "
        "population at both instants moved to another segment."
    )
    if not figures["moves"]:
        return soft(about)
    names = {one["number"]: label_of(one) for one in figures["segments"]}
    rows = [[names[move["from"]], names[move["to"]], number(move["customers"])] for move in figures["moves"]]
    return join_parts(
        soft(about), folded("From where to where", table(("from", "to", "customers"), rows, texts=(0, 1)))
    )


def strengths(segmentation: Segmentation) -> Markup:
    """How well each number of segments repeated itself."""
    rows = [
        [
            str(one.segments),
            f"{one.strength:.2f} ± {one.standard_error:.2f}",
            f"{one.silhouette:.2f}",
            "yes" if one.passes else "no",
        ]
        for one in segmentation.strengths
    ]
    about = (
        f"Prediction strength over random halves, with its standard error; a number passes at "
        f"{STRENGTH_MIN:.2f} or more, one standard error lower. Silhouettes are for comparison."
    )
    return join_parts(soft(about), table(("segments", "strength", "silhouette", "passes"), rows, texts=(3,)))
