"""The exploration's pictures of features: alone, their gaps, together, and each on a card."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from markupsafe import Markup

from ml.common.counting import counted
from ml.explore.cards import card, with_interval
from ml.explore.columns import INSTANT
from ml.explore.findings import NEAR_DUPLICATES
from ml.explore.together import NEAR
from ml.metrics.single_feature_auc import LIMIT
from ml.page.document import folded, grid, notes, paragraph, table
from ml.page.figures import NOTHING, decimals, number, percent
from ml.page.plot import legend
from ml.page.rows import NONE, Bar, bar_rows, figure, name_of, strip

Result = Mapping[str, Any]
BEST_SHOWN, GAPS_SHOWN = 30, 12
FAINT = 0.1
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
    """The findings of near-duplicates."""
    return [each for each in result["findings"] if each["what"] == NEAR_DUPLICATES]


def link(name: str) -> Markup:
    """A feature's name, leading to its card."""
    return Markup('<a href="#f-{}">{}</a>').format(name, name_of(name))


def first_bars(bars: Sequence[Bar], shown: int, start: float = 0.0, limit: float | None = None) -> Markup:
    """The first of many bars; the others, on one scale with them, can be unfolded."""
    if len(bars) <= shown + 2:
        return bar_rows(bars, start, limit)
    most = max(value for _, value, _, _ in bars)
    rest = bar_rows(bars[shown:], start, limit, most)
    return bar_rows(bars[:shown], start, limit, most) + folded(f"the other {len(bars) - shown}", rest)


def alone(result: Result) -> list[Markup]:
    """ROC-AUC of every input, the best first."""
    known = [each for each in result["features"] if each["auc"] is not None and each["distinct"] > 1]
    if not known:
        return [paragraph("Only one class is in the training rows: nothing can be told apart.")]
    inputs = [each for each in known if each["kind"] != INSTANT or each["auc"] > LIMIT]
    inputs.sort(key=lambda each: (-each["auc"], each["name"]))
    bars = [
        (link(each["name"]), each["auc"], with_interval(each), "marked" if each["auc"] > LIMIT else "bar")
        for each in inputs
    ]
    said = (
        "ROC-AUC of each feature by itself, whichever way round it points, on training rows; 0.5 tells "
        "nothing; in brackets the 95 % interval by customer. A null counts as a value; texts by their churn "
        "rate in the other half of the customers. "
        f"Dashed: {LIMIT}, above which no honest feature is expected. Instants go into models as their age "
        "and stand with the cards below."
    )
    return [paragraph(said, soft=True), figure(NONE, first_bars(bars, BEST_SHOWN, start=0.5, limit=LIMIT))]


def gaps(result: Result) -> list[Markup]:
    """What is null, and what lies outside the fences."""
    inputs = [each for each in result["features"] if each["kind"] != INSTANT]
    missing = [each for each in inputs if each["missing"]]
    missing.sort(key=lambda each: -each["missing"])
    far = [each for each in inputs if each["outliers"] and each["outliers"]["share"]]
    far.sort(key=lambda each: -each["outliers"]["share"])
    nulls = [(link(each["name"]), each["missing"], percent(each["missing"]), "bar") for each in missing]
    outside = [(link(each["name"]), each["outliers"]["share"], farthest(each), "bar") for each in far]
    return [
        grid(
            figure(
                "Share of nulls among the training rows",
                first_bars(nulls, GAPS_SHOWN) if nulls else paragraph("No input is ever null."),
            ),
            figure(
                "Share of the known values outside Tukey's fences (1.5 quartile distances beyond the "
                "quartiles), and the farthest; features whose quartiles are equal cannot be measured so",
                first_bars(outside, GAPS_SHOWN) if outside else paragraph("Nothing lies outside."),
            ),
            two=True,
        )
    ]


def farthest(shape: Result) -> str:
    """How many lie outside, and how far."""
    found = shape["outliers"]
    return f"{percent(found['share'])}, {number(found['farthest'])}"


def together(result: Result) -> list[Markup]:
    """The matrix of correlations, and the families of near-duplicates."""
    names, values = result["correlations"]["names"], result["correlations"]["values"]
    if len(names) < 2:
        return [paragraph("Fewer than two numbers vary.")]
    families = families_of(result)
    said = (
        "Spearman's rank correlation, the stronger the darker; columns stand in the order of the rows, alike "
        f"features beside each other. {counted(len(families), 'family', 'families')} of near-duplicates "
        f"({NEAR} or more), which share their importance{':' if families else '.'}"
    )
    rows = NONE.join(
        strip(name_of(names[place]), cells(names, place, row)) for place, row in enumerate(values)
    )
    meaning = legend([("a", "solid", "rise together"), ("b", "solid", "one rises, the other falls")])
    listed = notes([(each["tone"], "", each["said"]) for each in families]) if families else NONE
    return [paragraph(said, soft=True), listed, figure(meaning, rows)]


def cells(names: Sequence[str], place: int, row: Sequence[float | None]) -> list[tuple[float, str, str]]:
    """One row of the matrix; what is faint is left out."""
    return [
        (0.0, "a", "")
        if value is None or abs(value) < FAINT
        else (abs(value) ** 1.5, "a" if value > 0 else "b", f"{names[place]}, {other}: {value:.2f}")
        for other, value in zip(names, row, strict=True)
    ]


def features(result: Result) -> list[Markup]:
    """All cards, by subject, and all numbers as a table."""
    base = result["looked_at"]["churn_rate"]
    parts = [each["part"] for each in result["cutoffs"]]
    said = (
        "Share of each class by value, among training rows where the value is known; the first and last "
        "column hold what lies beyond the middle 99 %. For texts and flags: share of rows and churn rate, "
        "dashed the overall one. Below, the mean from cut-off to cut-off, the ends cut off."
    )
    meaning = legend(
        [
            ("a", "area", "stayed"),
            ("b", "line", "churned"),
            ("ink", "line", "by cut-off, training"),
            ("d", "line", "by cut-off, later parts"),
        ]
    )
    made = [paragraph(said, soft=True), meaning]
    for subject, shapes in groupby(result["features"], key=lambda each: each["subject"]):
        made.append(Markup("<h3>{}</h3>").format(f"{subject[:1].upper()}{subject[1:]}"))
        shown = list(shapes)
        varied = [shape for shape in shown if varies(shape)]
        made.append(grid(*(card(shape, base, parts) for shape in varied)))
        made += same_always([shape for shape in shown if shape not in varied])
    rows = [table_row(shape) for shape in result["features"]]
    return [*made, folded("All features in numbers", table(COLUMNS, rows))]


def varies(shape: Result) -> bool:
    """Whether there is anything to see; a value and nulls are two things."""
    return shape["missing"] < 1 and (shape["distinct"] > 1 or shape["missing"] > 0)


def same_always(shapes: Sequence[Result]) -> list[Markup]:
    """The features of which there is nothing to see, in one paragraph."""
    if not shapes:
        return []
    said = Markup(", ").join(
        Markup('<span id="f-{}">{} ({})</span>').format(
            shape["name"],
            name_of(shape["name"]),
            "always null" if shape["missing"] == 1 else "always the same",
        )
        for shape in shapes
    )
    return [paragraph(Markup("Nothing to see of {}.").format(said), soft=True)]


def table_row(shape: Result) -> list[str | Markup]:
    """One feature in numbers."""
    numbers = shape["numbers"] or {}
    return [
        link(shape["name"]),
        shape["type"],
        percent(shape["missing"]),
        f"{shape['distinct']:,}",
        *(number(numbers.get(name)) for name in ("minimum", "median", "mean", "maximum")),
        percent(shape["outliers"]["share"]) if shape["outliers"] else NOTHING,
        NOTHING if shape["auc"] is None else with_interval(shape),
        decimals(shape["psi"], 2),
    ]
