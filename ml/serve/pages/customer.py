"""One customer: score, reasons, scores over time and to come, what happened, features with receipts.

Asked about a day of the past it shows what was known at the end of that day, and nothing later.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup

from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.config.problem import PENDING, REGRESSION, Problem
from ml.featurestore.catalog import Catalog, Feature, OnDemand
from ml.page.axes import calendar, days_from, linear, shares
from ml.page.bars import EMPTY, figure, strip
from ml.page.document import (
    folded,
    header,
    join_parts,
    notes,
    paragraph,
    section,
    soft,
    subheading,
    table,
    tiles,
)
from ml.page.number_text import NOTHING, number, percent, readable
from ml.page.plot import Across, Dots, Line, Shape, plot
from ml.serve.pages.customer_events import Event
from ml.serve.pages.customer_list import customer_address, risk_text
from ml.serve.pages.score_course import Change, Course, Point
from ml.serve.pages.values_as_text import (
    instant_cell,
    instant_text,
    key_text,
    prediction_name,
    prediction_text,
    value_text,
)
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served

EVENTS_SHOWN, EVENTS_MAX = 25, 500
CHANGES_SHOWN, VALUES_SHOWN = 12, 4
STRIP_WEEKS = 52
WEEK = timedelta(days=7)
COMPUTED = "computed from others"
TONES = {"high": "bad", "medium": "dull", "low": "good", None: "dull"}
DAY_FORM = Markup(
    '<form class="day" action="/customer" method="get"><input type="hidden" name="id" value="{id}">'
    '<label class="field">What did we know on that day?<input type="date" name="as_of" value="{day}" '
    'min="{first}" max="{last}" required></label><button>Show</button>{now}</form>'
)


@dataclass(frozen=True)
class CustomerView:
    """What the page of one customer is made from.

    Parameters
    ----------
    row : Scored
        The served score.
    rank : int, optional
        Place in the population, by risk; None outside it.
    population : int
        Customers in it.
    as_of : datetime, optional
        The instant of the past that is asked about.
    events : list of Event, optional
        None where the raw rows are gone.
    """

    served: Served
    catalog: Catalog
    row: Scored
    rank: int | None
    population: int
    as_of: datetime | None
    course: Course
    events: list[Event] | None

    @property
    def problem(self) -> Problem:
        return self.served.model.problem

    @property
    def now(self) -> datetime:
        """The instant that the page is about."""
        return self.course.present.at


def customer_page(view: CustomerView) -> Markup:
    """The page."""
    sections = [
        ("reasons", "Reasons", reasons(view)),
        ("scores", "Score over time", scores_over_time(view)),
        *([] if view.as_of else [("to-come", "If nothing happens", to_come(view))]),
        ("facts", "What happened", happened(view)),
        ("features", "Every feature", features(view)),
    ]
    name = Markup('Customer <span class="key">{}</span>').format(key_text(view.row.customer_id))
    return join_parts(
        header(name, about(view), tone(view)),
        day_form(view),
        *what_if_link(view),
        *past_note(view),
        tiles(at_a_glance(view)),
        *(section(name, heading, *parts) for name, heading, parts in sections),
    )


def tone(view: CustomerView) -> str:
    return TONES[view.course.present.band]


def about(view: CustomerView) -> str:
    """The instant, and whether the customer is in the population."""
    text = f"As of {instant_text(view.now)} UTC."
    if view.as_of:
        return text
    if view.row.is_eligible:
        return f"{text} In the population."
    days = view.problem.active_within_days
    return (
        f"{text} Outside the population: no kept order in the last {days} days, or not one of those the "
        "label is about. The model learned from other customers; read the score with care."
    )


def day_form(view: CustomerView) -> Markup:
    """The form for a day of the past."""
    back = Markup('<a href="{}">Latest</a>').format(customer_address(view.row.customer_id))
    return DAY_FORM.format(
        id=view.row.customer_id,
        day=view.as_of.date().isoformat() if view.as_of else "",
        first="1900-01-01",
        last=view.course.starts.date().isoformat(),
        now=back if view.as_of else EMPTY,
    )


def what_if_link(view: CustomerView) -> list[Markup]:
    """The way to a score under other facts; not from a day of the past."""
    if view.as_of:
        return []
    address = customer_address(view.row.customer_id, "/what-if")
    link = Markup('<p><a href="{}">What if there were an order, or a ticket were resolved?</a></p>')
    return [link.format(address)]


def past_note(view: CustomerView) -> list[Markup]:
    """What a page about the past shows and what not."""
    if not view.as_of:
        return []
    if view.course.present.prediction is None:
        text = "Nothing about this customer was known at that instant."
    else:
        text = "Only what was known then: facts recorded later are not here, and no value counts them."
    return [notes([("dull", "The past.", text)])]


def at_a_glance(view: CustomerView) -> list[tuple[str, str]]:
    """The main numbers."""
    problem, present = view.problem, view.course.present
    name = prediction_name(problem)
    about = name if problem.task == REGRESSION else f"{name}, next {problem.horizon_days} days"
    entries = [(prediction_text(problem, present.prediction), about)]
    score = json.loads(view.row.score)
    if problem.task == REGRESSION and not view.as_of:
        entries.append(
            (f"{number(score['value_low'])} to {number(score['value_high'])}", "interval of the amount")
        )
    if problem.task != REGRESSION:
        flagged = {None: NOTHING, True: "yes", False: "no"}[present.decision]
        entries += [(present.band or NOTHING, "risk band"), (flagged, "above the threshold")]
    if view.as_of:
        return [*entries, (prediction_text(problem, view.row.prediction), "now")]
    if view.rank is not None:
        order = "by amount" if problem.task == REGRESSION else "by risk"
        entries.append((f"{view.rank:,} of {view.population:,}", f"in the population, {order}"))
    if score["recommended_action"]:
        entries.append((score["recommended_action"], "recommended action"))
    return entries


def reasons(view: CustomerView) -> list[Markup]:
    """Each reason with its value and what it adds to the score."""
    if not view.course.reasons:
        return [paragraph("No value raises this score above the usual one.")]
    rows = [
        [
            reason["text"],
            receipt_link(view, reason["feature"], value_text(reason["value"])),
            f"{reason['contribution']:+.3g}",
        ]
        for reason in view.course.reasons
    ]
    about = "What the model reads, not what would keep the customer. A value leads to the rows behind it."
    return [soft(about), table(("reason", "value", "adds to the raw score"), rows)]


def receipt_link(view: CustomerView, feature: str, text: str) -> Markup:
    """A value as a link to the rows behind it."""
    as_of = format_instant(view.as_of or view.now)
    address = customer_address(view.row.customer_id, "/receipt", feature=feature, as_of=as_of)
    return Markup('<a href="{}">{}</a>').format(address, text)


def scores_over_time(view: CustomerView) -> list[Markup]:
    """Past scores as a line, those to come as a dashed one."""
    course, problem = view.course, view.problem
    points = [*course.past, course.present, *course.future]
    first = points[0].at
    across = [days_from(first, point.at) for point in points]
    heights = [float("nan") if point.prediction is None else point.prediction for point in points]
    until = len(course.past) + 1
    shapes: list[Shape] = [Line(across[:until], heights[:until], "a", "as of each week")]
    if course.future:
        shapes.append(Line(across[until - 1 :], heights[until - 1 :], "b", "if nothing happens", dashed=True))
    shapes.append(Dots([across[until - 1]], [heights[until - 1]], "ink", tooltips=[instant_text(view.now)]))
    if problem.task == REGRESSION:
        up = linear([0, *(height for height in heights if height == height)], "expected amount", low=0)
    else:
        up = shares("churn probability")
        shapes.append(
            Across(y=problem.bands.high, tone="e", label=f"high from {percent(problem.bands.high, 0)}")
        )
        shapes.append(Across(y=problem.bands.medium, tone="e"))
    drawn = plot("Score by instant", shapes, calendar([point.at for point in points]), up)
    rows = [
        [instant_cell(point.at), prediction_text(problem, point.prediction), risk_text(point.band)]
        for point in reversed(course.past)
    ]
    names = ("as of", prediction_name(problem), "risk band")
    about = "Each score is made from what was known at its instant, by the present model."
    return [soft(about), drawn, folded("The past scores as a table", table(names, rows, texts=(0, 2)))]


def to_come(view: CustomerView) -> list[Markup]:
    """When the score turns high, and the changes of the features until then."""
    course = view.course
    parts = [paragraph(" ".join(future_sentences(view)))]
    if not course.changes:
        return [*parts, soft("No stored feature changes by itself; days since an event grow.")]
    about = (
        "What follows from the facts known already, such as an order that leaves a window. Days since "
        "an event grow besides, without a row of their own."
    )
    shown, rest = course.changes[:CHANGES_SHOWN], course.changes[CHANGES_SHOWN:]
    parts += [soft(about), changes_table(view, shown)]
    if rest:
        parts.append(folded(f"{counted(len(rest), 'later row')}", changes_table(view, rest)))
    return parts


def future_sentences(view: CustomerView) -> list[str]:
    """When the score turns high, and when the customer leaves the population."""
    course, problem = view.course, view.problem
    start = f"If nothing happens after {instant_text(course.starts)}"
    if problem.task == REGRESSION:
        last = course.future[-1] if course.future else course.present
        sentences = [
            f"{start}, the amount is {prediction_text(problem, last.prediction)} on {last.at.date()}."
        ]
    elif course.present.band == "high":
        sentences = ["The score is in the high band already."]
    elif turn := course.turns_high:
        sentences = [
            f"{start}, the score turns high on {turn.at.date()}: {prediction_text(problem, turn.prediction)}."
        ]
    elif course.future:
        sentences = [f"{start}, the score does not turn high by {course.future[-1].at.date()}."]
    else:
        sentences = []
    if course.leaves_at:
        days = problem.active_within_days
        sentences.append(
            f"Without an order the customer leaves the population on {course.leaves_at.date()}, "
            f"{days} days after the last kept one."
        )
    elif problem.label not in PENDING:
        sentences.append("Whether the customer is in the population then is for the label model to say.")
    return sentences


def changes_table(view: CustomerView, changes: Sequence[Change]) -> Markup:
    """Rows to come: when, what changes, the score from then on."""
    by_instant = {point.at: point for point in view.course.future}
    rows = [
        [
            instant_cell(change.at),
            change_text(change),
            score_then(view.problem, by_instant.get(change.at)),
        ]
        for change in changes
    ]
    return table(("from", "features that change", "score then"), rows, texts=(0, 1))


def change_text(change: Change) -> str:
    """The first few features of a change, before and after."""
    texts = [
        f"{name} {value_text(before)} → {value_text(after)}"
        for name, (before, after) in change.values.items()
    ]
    more = len(texts) - VALUES_SHOWN
    return "; ".join(texts[:VALUES_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def score_then(problem: Problem, point: Point | None) -> str:
    return NOTHING if point is None else prediction_text(problem, point.prediction)


def happened(view: CustomerView) -> list[Markup]:
    """Events by week as a picture, then one by one, the latest first."""
    if view.events is None:
        return [
            paragraph(
                "The raw rows of this build are no longer there. After the next 'churn build' they are shown."
            )
        ]
    if not view.events:
        return [paragraph("Nothing was known by then." if view.as_of else "No fact is known.")]
    events, parts = view.events[:EVENTS_MAX], [by_week(view, view.events)]
    parts.append(event_table(events[:EVENTS_SHOWN]))
    if rest := events[EVENTS_SHOWN:]:
        parts.append(folded(f"{counted(len(rest), 'earlier event')}", event_table(rest)))
    if len(view.events) > EVENTS_MAX:
        parts.append(soft(f"Of {len(view.events):,} events the latest {EVENTS_MAX} are shown."))
    return parts


def by_week(view: CustomerView, events: Sequence[Event]) -> Markup:
    """A row of cells for each raw table: the darker, the more events in that week."""
    strips = []
    for name in dict.fromkeys(event.table for event in reversed(events)):
        weeks = Counter((view.now - event.at) // WEEK for event in events if event.table == name)
        most = max((count for week, count in weeks.items() if week < STRIP_WEEKS), default=0)
        cells = [
            (
                (0.35 + 0.65 * weeks[week] / most) if weeks[week] else 0.0,
                "a",
                f"{counted(weeks[week], 'event')} in the week to {(view.now - WEEK * week).date()}",
            )
            for week in range(STRIP_WEEKS - 1, -1, -1)
        ]
        strips.append(strip(readable(name), cells))
    return figure(f"Events by week, {STRIP_WEEKS} weeks to {view.now.date()}", EMPTY.join(strips))


def event_table(events: Sequence[Event]) -> Markup:
    """Events one by one."""
    rows = [
        [
            instant_cell(event.at),
            f"{event.subject}: {event.what}",
            ", ".join(f"{readable(name)} {value_text(value)}" for name, value in event.details.items())
            or NOTHING,
            known_text(event),
        ]
        for event in events
    ]
    return table(("when", "what", "details", "known since"), rows, texts=(0, 1, 2, 3))


def known_text(event: Event) -> str:
    """From when an event was known: at once, or how much later."""
    if event.known_at <= event.at:
        return "at once"
    hours = (event.known_at - event.at) / timedelta(hours=1)
    later = f"{hours / 24:.1f} days later" if hours >= 24 else f"{hours:.1f} hours later"
    return f"{instant_text(event.known_at)}, {later}"


def features(view: CustomerView) -> list[Markup]:
    """All features by subject, each value with its receipt."""
    groups: dict[str, list[Feature | OnDemand]] = {
        **{model.subject: list(model.features) for model in view.catalog.views},
        COMPUTED: list(view.catalog.on_demand),
    }
    about = "A value leads to the raw rows that make it, and to the nearest that do not count."
    parts = [soft(about)]
    for subject, entries in groups.items():
        if entries:
            parts += [subheading(readable(subject).capitalize()), feature_table(view, entries)]
    return parts


def feature_table(view: CustomerView, entries: Sequence[Feature | OnDemand]) -> Markup:
    """The features of one subject."""
    values = view.course.features
    rows: list[list[str | Markup]] = [
        [
            feature.name,
            receipt_link(view, feature.name, value_text(values[feature.name])),
            feature.description,
        ]
        for feature in entries
    ]
    return table(("feature", "value", "meaning"), rows, texts=(0, 2))
