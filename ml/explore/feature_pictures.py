"""The exploration's pictures of features: alone, their nulls and outliers, together, and each on a card."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from ml.common.number_words import counted
from ml.explore.feature_cards import auc_with_interval, card
from ml.explore.feature_columns import INSTANT
from ml.explore.feature_pairs import NEAR
from ml.explore.findings import NEAR_DUPLICATES
from ml.metrics.single_feature_auc import LEAK_AUC_MIN
from ml.page.bars import EMPTY, Bar, breakable, figure, strip
from ml.page.document import folded, folded_bars, grid, notes, paragraph, soft, subheading, table
from ml.page.number_text import NOTHING, decimals, number, percent
from ml.page.plot import legend

Result = Mapping[str, Any]
BEST_SHOWN, GAPS_SHOWN = 30, 12  # bars before the fold
SPARE = 2  # more bars than that are folded
FAINT = 0.1  # correlations below are not drawn
COLUMNS = (
    "feature",
    "type",
    "null",
    "values",
    "least",
    "median",
    "mean",
    "greatest",
    "outside fences",
    "ROC-AUC",
    "stability index",
)


def families_of(result: Result) -> list[Result]:
    return [finding for finding in result["findings"] if finding["what"] == NEAR_DUPLICATES]


def link(name: str) -> Markup:
    """A feature's name as a link to its card."""
    return Markup('<a href="#f-{}">{}</a>').format(name, breakable(name))


def alone(result: Result) -> list[Markup]:
    """ROC-AUC of every input, the best first."""
    shapes = [shape for shape in result["features"] if shape["auc"] is not None and shape["distinct"] > 1]
    if not shapes:
        return [paragraph("Only one class is in the training rows: nothing can be told apart.")]
    inputs = [shape for shape in shapes if shape["kind"] != INSTANT or shape["auc"] > LEAK_AUC_MIN]
    bars = [
        Bar(
            link(shape["name"]),
            shape["auc"],
            auc_with_interval(shape),
            "marked" if shape["auc"] > LEAK_AUC_MIN else "bar",
        )
        for shape in sorted(inputs, key=lambda shape: (-shape["auc"], shape["name"]))
    ]
    about = (
        "ROC-AUC of each feature by itself, whichever way round it points, on training rows; 0.5 tells "
        "nothing; in brackets the 95 % interval by customer. A null counts as a value; texts by their churn "
        "rate in the other half of the customers. "
        f"Dashed: {LEAK_AUC_MIN}, above which no honest feature is expected. Instants go into models as "
        "their age and stand with the cards below."
    )
    return [soft(about), figure(EMPTY, folded_bars(bars, BEST_SHOWN, 0.5, LEAK_AUC_MIN, SPARE))]


def gaps(result: Result) -> list[Markup]:
    """Nulls, and values outside the fences."""
    inputs = [shape for shape in result["features"] if shape["kind"] != INSTANT]
    nulls = [
        Bar(link(shape["name"]), shape["missing"], percent(shape["missing"]))
        for shape in sorted(inputs, key=lambda shape: -shape["missing"])
        if shape["missing"]
    ]
    far = [shape for shape in inputs if shape["outliers"] and shape["outliers"]["share"]]
    outside = [
        Bar(
            link(shape["name"]),
            shape["outliers"]["share"],
            f"{percent(shape['outliers']['share'])}, {number(shape['outliers']['farthest'])}",
        )
        for shape in sorted(far, key=lambda shape: -shape["outliers"]["share"])
    ]
    return [
        grid(
            figure(
                "Share of nulls among the training rows",
                folded_bars(nulls, GAPS_SHOWN, spare=SPARE) if nulls else paragraph("No input is ever null."),
            ),
            figure(
                "Share of the known values outside Tukey's fences (1.5 quartile distances beyond the "
                "quartiles), and the farthest; features whose quartiles are equal cannot be measured so",
                folded_bars(outside, GAPS_SHOWN, spare=SPARE)
                if outside
                else paragraph("Nothing lies outside."),
            ),
            two=True,
        )
    ]


def together(result: Result) -> list[Markup]:
    """The matrix of correlations, and the families of near-duplicates."""
    names, values = result["correlations"]["names"], result["correlations"]["values"]
    if len(names) < 2:
        return [paragraph("Fewer than two numbers vary.")]
    families = families_of(result)
    about = (
        "Spearman's rank correlation, the stronger the darker; columns stand in the order of the rows, alike "
        f"features beside each other. {counted(len(families), 'family', 'families')} of near-duplicates "
        f"({NEAR} or more), which share their importance{':' if families else '.'}"
    )
    rows = EMPTY.join(
        strip(breakable(name), cells(name, names, row)) for name, row in zip(names, values, strict=True)
    )
    caption = legend([("a", "solid", "rise together"), ("b", "solid", "one rises, the other falls")])
    sentences = notes([(family["tone"], "", family["said"]) for family in families]) if families else EMPTY
    return [soft(about), sentences, figure(caption, rows)]


def cells(name: str, names: Sequence[str], row: Sequence[float | None]) -> list[tuple[float, str, str]]:
    """One row of the matrix; weak correlations are left out."""
    return [
        (0.0, "a", "")
        if value is None or abs(value) < FAINT
        else (abs(value) ** 1.5, "a" if value > 0 else "b", f"{name}, {other}: {value:.2f}")
        for other, value in zip(names, row, strict=True)
    ]


def features(result: Result) -> list[Markup]:
    """All cards, by subject, and all numbers as a table."""
    base_rate = result["looked_at"]["churn_rate"]
    parts = [cutoff["part"] for cutoff in result["cutoffs"]]
    about = (
        "Share of each class by value, among training rows where the value is known; the first and last "
        "column hold what lies beyond the middle 99 %. For texts and flags: share of rows and churn rate, "
        "dashed the overall one. Below, the mean from cut-off to cut-off, the ends cut off."
    )
    keys = [
        ("a", "area", "stayed"),
        ("b", "line", "churned"),
        ("ink", "line", "by cut-off, training"),
        ("d", "line", "by cut-off, later parts"),
    ]
    content = [soft(about), legend(keys)]
    for subject, group in groupby(result["features"], key=lambda shape: shape["subject"]):
        shapes = list(group)
        varied = [shape for shape in shapes if varies(shape)]
        content.append(subheading(f"{subject[:1].upper()}{subject[1:]}"))
        content.append(grid(*(card(shape, base_rate, parts) for shape in varied)))
        content += constant([shape for shape in shapes if shape not in varied])
    rows = [table_row(shape) for shape in result["features"]]
    return [*content, folded("All features in numbers", table(COLUMNS, rows))]


def varies(shape: Result) -> bool:
    """Whether it has two different values, counting null as one."""
    return shape["missing"] < 1 and (shape["distinct"] > 1 or shape["missing"] > 0)


def constant(shapes: Sequence[Result]) -> list[Markup]:
    """The features that do not vary, in one paragraph."""
    if not shapes:
        return []
    entry = Markup('<span id="f-{}">{} ({})</span>')
    entries = Markup(", ").join(
        entry.format(
            shape["name"],
            breakable(shape["name"]),
            "always null" if shape["missing"] == 1 else "always the same",
        )
        for shape in shapes
    )
    return [soft(Markup("Nothing to see of {}.").format(entries))]


def table_row(shape: Result) -> list[str | Markup]:
    numbers = shape["numbers"] or {}
    return [
        link(shape["name"]),
        shape["type"],
        percent(shape["missing"]),
        f"{shape['distinct']:,}",
        *(number(numbers.get(name)) for name in ("minimum", "median", "mean", "maximum")),
        percent(shape["outliers"]["share"]) if shape["outliers"] else NOTHING,
        NOTHING if shape["auc"] is None else auc_with_interval(shape),
        decimals(shape["psi"], 2),
    ]
