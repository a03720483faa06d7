"""What if: an order is placed or a ticket resolved now; what becomes of score, reasons and features."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from markupsafe import Markup
from starlette.datastructures import QueryParams

from ml.common.instant_grammar import parse_text
from ml.config.problem import Problem
from ml.featurestore.catalog import Catalog, Feature
from ml.page.bars import EMPTY
from ml.page.document import header, join_parts, paragraph, section, soft, table
from ml.page.number_text import NOTHING
from ml.serve.http_errors import HttpError
from ml.serve.pages.customer_list import customer_address, risk_text
from ml.serve.pages.values_as_text import (
    flag_text,
    instant_text,
    key_text,
    prediction_name,
    prediction_text,
    value_text,
)
from ml.serve.scored_file import Scored
from ml.serve.what_if import Outcome, Supposed, can_order, can_resolve

AMOUNT_MAX = Decimal(1_000_000_000)
TICKETS_MAX = 20
FORM = Markup(
    '<form class="choices" action="/what-if" method="get"><input type="hidden" name="id" value="{id}">'
    "{order}{tickets}<button>Show</button></form>"
)
ORDER = Markup(
    '<label class="field">An order of<input type="text" inputmode="decimal" name="amount" value="{amount}" '
    'placeholder="no order" maxlength="20"></label>'
)
TICKET = Markup(
    '<label class="tick"><input type="checkbox" name="ticket" value="{key}"{checked}> ticket {key} resolved'
    ", opened {opened}{category}</label>"
)


def read_supposed(fields: QueryParams) -> Supposed:
    """What an address supposes.

    Raises
    ------
    HttpError
        The amount is no number, or too large a one (422).
    """
    text = fields.get("amount", "").strip()
    amount = None
    if text:
        try:
            amount = Decimal(text)
        except InvalidOperation:
            amount = Decimal("nan")
        if not (amount.is_finite() and abs(amount) <= AMOUNT_MAX):
            raise HttpError(422, f"the amount of the order is a number up to {AMOUNT_MAX:,f}, such as 49.90")
    return Supposed(amount, fields.getlist("ticket")[:TICKETS_MAX])


def what_if_page(outcome: Outcome, supposed: Supposed, problem: Problem, catalog: Catalog) -> Markup:
    """The page."""
    row = outcome.before
    back = Markup('<p><a href="{}">Customer <span class="key">{}</span></a></p>').format(
        customer_address(row.customer_id), key_text(row.customer_id)
    )
    about = (
        f"Suppose it happens at {instant_text(outcome.at)} UTC, the instant that is served. The features are "
        "made by the definitions of the build; nothing is written."
    )
    return join_parts(
        back,
        header("What if", about, "dull"),
        form(outcome, supposed),
        *changes(outcome, problem, catalog),
        soft(
            "This is how the model reads other facts, not what a customer will do: who orders because of a "
            "campaign may leave all the same."
        ),
    )


def form(outcome: Outcome, supposed: Supposed) -> Markup:
    """What can be supposed."""
    if not can_order() and not (can_resolve() and outcome.tickets):
        return paragraph("There are neither orders that can be supposed nor open tickets.")
    tickets = [
        TICKET.format(
            key=ticket.ticket_id,
            checked=Markup(" checked") if ticket.ticket_id in supposed.resolved else EMPTY,
            opened=instant_text(ticket.opened_at),
            category=f", {ticket.category}" if ticket.category else "",
        )
        for ticket in outcome.tickets[:TICKETS_MAX]
    ]
    amount = "" if supposed.amount is None else f"{supposed.amount:f}"
    return FORM.format(
        id=outcome.before.customer_id,
        order=ORDER.format(amount=amount) if can_order() else EMPTY,
        tickets=EMPTY.join(tickets),
    )


def changes(outcome: Outcome, problem: Problem, catalog: Catalog) -> list[Markup]:
    """Score, reasons and features, before and after."""
    before, after = outcome.before, outcome.after
    if after is None:
        return [paragraph("Nothing is supposed yet.")]
    name = prediction_name(problem)
    rows = [
        [name, prediction_text(problem, before.prediction), prediction_text(problem, after.prediction)],
        ["risk band", risk_text(before.band), risk_text(after.band)],
        ["above the threshold", flag_text(before), flag_text(after)],
        ["in the population", yes_or_no(before), yes_or_no(after)],
    ]
    return [
        section("score", "The score", table(("score", "now", "then"), rows, texts=(0, 1, 2))),
        section("reasons", "Reasons then", *reasons(after)),
        section("features", "Features that change", *features(before, after, catalog)),
    ]


def yes_or_no(row: Scored) -> str:
    return "yes" if row.is_eligible else "no"


def reasons(row: Scored) -> list[Markup]:
    """The reasons of a score."""
    entries: list[dict[str, Any]] = json.loads(row.reasons)
    if not entries:
        return [paragraph("No value raises this score above the usual one.")]
    rows = [[entry["text"], value_text(entry["value"]), f"{entry['contribution']:+.3g}"] for entry in entries]
    return [table(("reason", "value", "adds to the raw score"), rows)]


def features(before: Scored, after: Scored, catalog: Catalog) -> list[Markup]:
    """The features whose values differ."""
    values: Sequence[Mapping[str, Any]] = [json.loads(row.features) for row in (before, after)]
    rows = [
        [feature.name, shown(feature, values[0]), shown(feature, values[1]), feature.description]
        for feature in catalog.features
        if values[0][feature.name] != values[1][feature.name]
    ]
    if not rows:
        return [paragraph("No feature changes.")]
    return [table(("feature", "now", "then", "meaning"), rows, texts=(0, 3))]


def shown(feature: Any, values: Mapping[str, Any]) -> str:
    """A value from the JSON of a score, in which amounts and instants are text."""
    value = values[feature.name]
    if value is None:
        return NOTHING
    if isinstance(feature, Feature) and isinstance(value, str):
        if feature.sql_type.startswith("DECIMAL"):
            return value_text(Decimal(value))
        if feature.sql_type == "TIMESTAMP":
            return instant_text(parse_text(value))
    return value_text(value)
