"""A report as one HTML page that needs no other file, and that can be mailed; the server shows the same."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ml.common.instants import parse_instant
from ml.common.number_words import counted
from ml.config.problem import DEFAULT_NAME, REGRESSION
from ml.page.axes import calendar, days_from, linear
from ml.page.bars import Bar, bar_rows, breakable
from ml.page.document import (
    Sections,
    Text,
    bullets,
    document,
    grid,
    header,
    join_parts,
    notes,
    paragraph,
    sections,
    soft,
    subheading,
    table,
    tiles,
    write_whole,
)
from ml.page.number_text import NOTHING, day, decimals, number, percent
from ml.page.plot import Across, Dots, Line, Shape, plot

Report = Mapping[str, Any]
FEATURES_SHOWN = 25


def write_page(report: Report, file: Path) -> None:
    """Write the page, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, document(title_of(report), report_body(report)))


def title_of(report: Report) -> str:
    """The outcome in a few words."""
    alerts = len(report["alerts"])
    return f"Monitoring {day(report['as_of'])}: {counted(alerts, 'alarm') if alerts else 'all well'}"


def report_body(report: Report) -> Markup:
    """The inside of the page."""
    of_problem = "" if report["problem"] == DEFAULT_NAME else f", problem {report['problem']}"
    about = (
        f"As of {report['as_of']}: {report['build_id']}, {report['model_version']}{of_problem}. "
        f"The budget is {report['budget']}."
    )
    contents: Sections[Report] = {
        "alarms": ("Alarms and what to do", alarms),
        "groups": ("What can page", groups),
        "sources": ("Sources", sources),
        "performance": ("Performance", performance),
        "bands": ("Volume by risk band", bands),
        "features": ("Features, for diagnosis", features),
        "requests": ("Scores that left", requests),
        "past": ("If it had been at work before", past),
    }
    return join_parts(
        header(title_of(report), about, "good" if report["ok"] else "bad"),
        tiles(at_a_glance(report)),
        sections(report, contents),
    )


def at_a_glance(report: Report) -> list[tuple[str, str]]:
    """The main numbers."""
    realised = report["performance"]["realised"]
    risk, name = ("rmse", "RMSE") if report["task"] == REGRESSION else ("brier", "Brier score")
    entries = [
        (str(len(report["alerts"])), "alarms"),
        (f"{report['customers']:,}", "customers in the population"),
        (number(realised.get(risk)), f"realised {name}"),
        ("yes" if report["retrain_due"] else "no", "new training due"),
    ]
    if report["profit"]:
        entries.append((number(report["profit"]["at_risk"]), "weekly profit at risk"))
    return entries


def alarms(report: Report) -> list[Markup]:
    """Each alarm with its cause, then advice and notes."""
    entries: list[tuple[str, str, Text]] = [
        ("bad", alert["group"], alarm_text(alert)) for alert in report["alerts"]
    ]
    entries = entries or [("good", "all well", "No group is farther from its past than the budget allows.")]
    parts = [notes(entries), subheading("What to do"), bullets(report["recommendations"])]
    parts.append(soft(f"New training: {report['retrain_reason']}."))
    if report["causes"] and not report["alerts"]:
        parts += [subheading("Facts beyond their past, which page no one"), bullets(report["causes"][:10])]
    if report["notes"]:
        parts += [subheading("What could not be judged"), bullets(report["notes"])]
    return parts


def alarm_text(alert: Report) -> str:
    """An alarm in words."""
    p = "" if alert["rank_p"] is None else f" (rank p {number(alert['rank_p'])}, since {day(alert['since'])})"
    cause = f" Likely cause: {alert['cause']}." if alert["cause"] else " No raw fact stands out."
    others = f" Other facts: {'; '.join(alert['other_causes'])}." if alert["other_causes"] else ""
    return f"{alert['sentence']}{p}.{cause}{others}"


def groups(report: Report) -> list[Markup]:
    """Each group: its rule and the course of its figures; weeks that page are marked."""
    rows = [
        (group["name"], "pages" if group["pages"] else "quiet", number(group["rank_p"]), group["rule"])
        for group in report["groups"]
    ]
    parts = [table(["group", "state", "rank p", "rule"], rows, texts=(0, 1, 3))]
    for group in report["groups"]:
        instants = [parse_instant(week) for week in group["weeks"]]
        pictures = [
            course(member, instants, group["paged"])
            for member in sorted(group["members"], key=lambda each: -(each["strength"] or 0.0))[:4]
        ]
        parts += [subheading(group["name"]), grid(*pictures, two=True)]
    return parts


def course(member: Report, instants: list[datetime], paged: list[bool]) -> Markup:
    """One figure over the weeks."""
    values = [float("nan") if value is None else value for value in member["values"]]
    days = [days_from(instants[0], instant) for instant in instants]
    shapes: list[Shape] = [Line(days, values, thin=True)]
    marked = [value if pages else float("nan") for value, pages in zip(values, paged, strict=True)]
    if any(value == value for value in marked):
        shapes.append(Dots(days, marked, "b", "pages"))
    known = [value for value in values if value == value]
    if known:
        shapes.append(Across(y=sum(known) / len(known), label="mean"))
    strength = f"{number(member['strength'])} typical deviations from its baseline"
    return plot(member["name"], shapes, calendar(instants), linear(values), note=strength, height=9)


def sources(report: Report) -> list[Markup]:
    """Freshness, volume, delay and completeness of each source."""
    if not report["sources"]:
        return [paragraph("The raw rows of the build are gone: nothing can be said of its sources.")]
    rows = [
        (
            source["source"],
            number(source["rows"]),
            number(source["rows_before"]),
            number(source["stale_days"]),
            number(source["delay_days"]),
            number(source["delay_before"]),
            percent(source["complete"]),
            source["state"],
        )
        for source in report["sources"]
    ]
    names = [
        "source",
        "rows",
        "before",
        "days since the last",
        "median delay, days",
        "before",
        "in by now",
        "state",
    ]
    return [
        soft(
            "Rows that became known in the last week, beside the mean of the weeks before. By the delays of "
            "the past so many of the last week's rows are in by now."
        ),
        table(names, rows, texts=(0, 7)),
        soft(f"Online values beside offline ones: {report['skew']}."),
    ]


def performance(report: Report) -> list[Markup]:
    """Realised beside evaluated, then what is expected of predictions that are not ripe."""
    told = report["performance"]
    rows = [("evaluated Brier score", number(told["evaluated"])), ("tolerated", number(told["limit"]))]
    rows += [
        (f"realised {name.replace('_', ' ')}", number(value)) for name, value in told["realised"].items()
    ]
    if told["interval"]:
        rows.append(
            ("95 % interval, by customer", f"{number(told['interval'][0])} to {number(told['interval'][1])}")
        )
    if told["wealth"] is not None:
        rows.append(
            (f"wealth of the bet against it (pages from {told['wealth_pages']:g})", number(told["wealth"]))
        )
        rows.append(("the Brier score is at least, at every look", number(told["at_least"])))
    parts = [
        soft(
            f"{told['ripe_rows']:,} ripe predictions of {told['ripe_customers']:,} customers, made after all "
            f"that the champion was trained and evaluated on. {told['note']}"
        ),
        table(["figure", "value"], rows),
    ]
    if told["estimated"]:
        estimates = [
            (each["assumption"], percent(each["rate"]), decimals(each["brier"]), decimals(each["roc_auc"]))
            for each in told["estimated"]
        ]
        parts += [
            subheading("Expected of the newest week"),
            soft(
                "If probabilities mean what they meant (covariate shift), or if only the churn rate moved "
                "(label shift). The truth may keep to neither."
            ),
            table(["assumption", "churn rate", "Brier score", "ROC-AUC"], estimates),
        ]
    return parts


def bands(report: Report) -> list[Markup]:
    """Customers by band, and what ripe predictions came to."""
    if not report["bands"]:
        return [paragraph("Amounts have no bands.")]
    bars = [Bar(band["band"], band["customers"], number(band["customers"], 2)) for band in report["bands"]]
    rows = [
        (
            band["band"],
            number(round(band["customers"])),
            number(round(band["customers_before"])),
            number(band["ripe_rows"]),
            percent(band["predicted"]),
            percent(band["realised"]),
        )
        for band in report["bands"]
    ]
    names = ["band", "customers", "before", "ripe predictions", "predicted", "realised"]
    parts = [bar_rows(bars), table(names, rows)]
    if profit := report["profit"]:
        parts.append(
            soft(
                f"A week's contacts were expected to earn {number(profit['usual'])}; this week's earn "
                f"{number(profit['if_scores_hold'])} if the scores are right, and "
                f"{number(profit['if_customers_are_as_before'])} if the customers are as before."
            )
        )
    return parts


def features(report: Report) -> list[Markup]:
    """The features that are farthest from the weeks before."""
    shown = report["features"][:FEATURES_SHOWN]
    if not shown:
        return [paragraph("No feature could be compared.")]
    rows: list[tuple[Text, ...]] = [
        (
            breakable(feature["feature"]),
            "drifted" if feature["drifted"] else "",
            number(feature["rank_p"]),
            decimals(feature["psi"]),
            decimals(feature["ks"]),
            decimals(feature["wasserstein"]),
            decimals(feature["mean_shift"]),
            f"{percent(feature['nulls'])} ({percent(feature['nulls_before'])})",
            ", ".join(feature["new_categories"]) or feature["largest_change"] or range_text(feature),
        )
        for feature in shown
    ]
    names = [
        "feature",
        "",
        "rank p",
        "PSI",
        "KS",
        "Wasserstein / IQR",
        "mean shift, sd",
        "null (before)",
        "values",
    ]
    note = (
        "The newest week beside those before it. The rank says how many weeks lie as far from theirs; of the "
        "list marked as drifted a stated share may be false. None of these figures pages."
    )
    return [soft(note), table(names, rows, texts=(0, 1, 8))]


def range_text(feature: Report) -> str:
    """The range of a number, now and before."""
    if feature["low"] is None:
        return NOTHING
    ends = [number(feature[name]) for name in ("low", "high", "low_before", "high_before")]
    return "{} to {} (before {} to {})".format(*ends)


def requests(report: Report) -> list[Markup]:
    """Volume and latency by the prediction log."""
    figures = report["requests"]
    if not figures:
        return [paragraph("The prediction log has no entry of this span.")]
    rows = [
        ("scores", number(figures["scores"])),
        ("requests", number(figures["requests"])),
        ("scores that could not be logged", number(figures["dropped"])),
    ]
    rows += [
        (f"{name} of one score over HTTP, ms", number(value))
        for name, value in figures["milliseconds"].items()
    ]
    rows += [(f"scores of {name}", number(count)) for name, count in figures["models"].items()]
    rows += [(f"scores in the band {name}", number(count)) for name, count in figures["bands"].items()]
    return [soft(f"Logged since {figures['since']}."), table(["figure", "value"], rows)]


def past(report: Report) -> list[Markup]:
    """How often it would have paged."""
    told = report["past_pages"]
    sentence = (
        f"Over the {told['quarters']:g} quarters for which there are weeks enough, the same rules would have "
        f"paged {counted(told['pages'], 'time')}, weeks in a row counted once."
    )
    listed = [f"{entry['group']}: {day(entry['week'])}" for entry in told["since"]]
    return [paragraph(sentence), *([bullets(listed)] if listed else [])]
