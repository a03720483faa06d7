"""The first page: population, expected leavers, money at stake, distribution of scores, freshness."""

from datetime import datetime
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant, utc_now
from ml.common.number_words import counted
from ml.config.problem import REGRESSION
from ml.page.axes import linear, shares
from ml.page.document import grid, header, join_parts, notes, section, soft, stacked, table, tiles
from ml.page.number_text import NOTHING, number, percent, readable
from ml.page.plot import Across, Columns, Shape, plot
from ml.serve.pages.customer_selection import BANDS, Line, Selection
from ml.serve.pages.population_totals import PopulationTotals
from ml.serve.pages.values_as_text import instant_text, prediction_text
from ml.serve.served_state import Served

STALE_DAYS = 2  # from which the data are called old


def overview(
    served: Served, totals: PopulationTotals, line: Line | None, manifest: dict[str, Any], fault: str
) -> Markup:
    """The page.

    Parameters
    ----------
    line : Line, optional
        Below the customers to contact.
    manifest : dict
        Of the build that is served.
    fault : str
        What keeps a newer state from being served; empty if nothing does.
    """
    problem = served.model.problem
    question = (
        f"Amounts expected in the {problem.horizon_days} days after {instant_text(served.as_of)} UTC."
        if problem.task == REGRESSION
        else f"Who leaves within {problem.horizon_days} days of {instant_text(served.as_of)} UTC."
    )
    entries = [("bad", "Not current.", "A newer state cannot be served yet: see /ready.")] if fault else []
    return join_parts(
        header("Overview", question, "bad" if fault else "good"),
        notes(entries) if entries else Markup(""),
        tiles(at_a_glance(served, totals, line)),
        section("scores", "Distribution of the scores", *distribution(served, totals)),
        section("freshness", "Freshness", *freshness(served, manifest)),
        section("origin", "Last build and model", *origin(served, manifest)),
    )


def at_a_glance(served: Served, totals: PopulationTotals, line: Line | None) -> list[tuple[str, str]]:
    """The main numbers."""
    problem, customers = served.model.problem, totals.customers
    population = (f"{customers:,}", f"customers in the population; {totals.outside:,} known outside it")
    if problem.task == REGRESSION:
        mean = totals.predictions / customers if customers else None
        return [
            population,
            (number(totals.predictions), f"expected in {problem.horizon_days} days"),
            (number(mean), "expected of a customer, on average"),
        ]
    share = totals.predictions / customers if customers else None
    costs = problem.costs
    entries = [
        population,
        (
            number(round(totals.predictions, 1)),
            f"expected leavers within {problem.horizon_days} days, {percent(share)} of the population",
        ),
        (
            number(round(totals.predictions * costs.value_kept)),
            f"at stake: expected leavers times {number(costs.value_kept)}, "
            "the stated worth of one who is kept",
        ),
        (f"{totals.flagged:,}", f"above the threshold of {percent(served.model.facts['threshold'])}"),
    ]
    if line:
        calls = counted(line.totals.customers, "call")
        entries.append((number(round(line.earned(costs))), f"to earn by {calls}, by the stated costs"))
    return entries


def distribution(served: Served, totals: PopulationTotals) -> list[Markup]:
    """The scores as columns, and the bands as a table with links to their customers."""
    problem = served.model.problem
    tooltips = [
        f"{prediction_text(problem, low)} to {prediction_text(problem, high)}: {counted(count, 'customer')}"
        for low, high, count in zip(totals.edges, totals.edges[1:], totals.counts, strict=False)
    ]
    shapes: list[Shape] = [Columns(totals.edges, totals.counts, "a", tooltips=tooltips)]
    up = linear([0, *totals.counts], "customers", low=0, whole=True)
    if problem.task == REGRESSION:
        across = linear([0, totals.edges[-1]], "expected amount", low=0)
        return [plot("Customers by expected amount", shapes, across, up)]
    threshold = served.model.facts["threshold"]
    shapes += [
        Across(x=threshold, label=f"threshold, {percent(threshold)}"),
        Across(x=problem.bands.medium, tone="e"),
        Across(x=problem.bands.high, tone="e", label="limits of the bands"),
    ]
    drawn = plot("Customers by churn probability", shapes, shares("churn probability"), up)
    return [grid(drawn, stacked(bands(served, totals)), two=True)]


def bands(served: Served, totals: PopulationTotals) -> Markup:
    """Customers by risk band."""
    limits, link = served.model.problem.bands, Markup('<a href="{}">{}</a>')
    spans = {
        "high": f"from {percent(limits.high, 0)}",
        "medium": f"{percent(limits.medium, 0)} to {percent(limits.high, 0)}",
        "low": f"below {percent(limits.medium, 0)}",
    }
    rows = [
        [
            link.format(Selection(band=band).address(), f"{band} risk"),
            spans[band],
            f"{totals.by_band.get(band, 0):,}",
            percent(totals.by_band.get(band, 0) / totals.customers if totals.customers else None),
        ]
        for band in BANDS
    ]
    return table(("band", "churn probability", "customers", "share"), rows, texts=(0, 1))


def freshness(served: Served, manifest: dict[str, Any]) -> list[Markup]:
    """How old the data are: the last row of each table beside the data clock and the wall clock."""
    clock = parse_instant(manifest["data_clock"])
    age = (utc_now() - clock).total_seconds() / 86_400
    sentences = [
        f"The data end at {instant_text(clock)}, {age:,.1f} days before now.",
        f"Scores hold for {instant_text(served.as_of)}.",
    ]
    tone = "dull" if age > STALE_DAYS else "good"
    rows = [
        [readable(name), instant_text(parse_instant(last)), behind(clock, parse_instant(last))]
        if last
        else [readable(name), "no row", NOTHING]
        for name, last in (manifest.get("clocks") or {}).items()
    ]
    parts = [notes([(tone, "Old data." if tone == "dull" else "", " ".join(sentences))])]
    if rows:
        parts.append(table(("table", "last row known at", "behind the data clock"), rows, texts=(0, 1)))
    if note := manifest.get("notes"):
        parts.append(notes([("dull", "Note:", f"{text[:1].upper()}{text[1:]}.") for text in note]))
    return parts


def behind(clock: datetime, instant: datetime) -> str:
    """How long one instant is before another, in days."""
    return f"{max((clock - instant).total_seconds(), 0) / 86_400:,.1f} days"


def origin(served: Served, manifest: dict[str, Any]) -> list[Markup]:
    """The build and the model that are served."""
    facts = served.model.facts
    passed = (manifest.get("tests") or {}).get("passed")
    published = manifest.get("published_at")
    link = Markup('<a href="{}">{}</a>')
    test = facts["test"]
    metrics = test["candidates"].get(served.model.kind, {})
    metric = "gini" if served.model.problem.task == REGRESSION else "roc_auc"
    value = metrics.get(metric)
    value = value.get("value") if isinstance(value, dict) else value
    label = "Gini" if metric == "gini" else "ROC-AUC"
    rows = [
        [
            link.format("/data", served.build.name),
            f"published {instant_text(parse_instant(published)) if published else NOTHING}",
            NOTHING if passed is None else f"{counted(passed, 'test')} passed",
        ],
        [
            link.format("/model", served.model.version),
            f"{readable(served.model.kind)}, trained on {facts['build_id']}",
            NOTHING if value is None else f"{label} {value:.3f} on the test part",
        ],
    ]
    promotion = (facts.get("promotion") or {}).get("why")
    parts = [table(("what", "when and how", "checked"), rows, texts=(0, 1, 2))]
    return [*parts, soft(f"Promotion: {promotion}.")] if promotion else parts
