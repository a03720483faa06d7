"""Example customers: what the model predicted, why, and what happened."""

from markupsafe import Markup

from ml.page.bars import EMPTY, Bar, breakable, diverging_rows, figure
from ml.page.document import bullets, grid, paragraph, soft
from ml.page.number_text import day, percent
from ml.reports.card_data import Card, Values

FEATURES_SHOWN = 8  # features of one customer; evidence keeps ten
NEGLIGIBLE = 1e-9  # what rounding adds to a score
NO_DRIVER = "No value moves this score."
CARD = Markup('<div class="card"><h3>{heading}</h3><p class="soft">{about}</p>{reasons}{picture}</div>')


def customers(card: Card) -> list[Markup]:
    """A box for each customer, all pictures on one scale."""
    reasons = card.evidence.get("reasons") or {}
    entries = reasons.get("customers") or []
    if not entries:
        return [card.missing()]
    about = (
        f"What each value adds to the raw score ({reasons['scale']}; orange, to the right: riskier) or takes "
        "from it (blue, to the left: safer), against knowing nothing. All on one scale. The sentences are "
        "what 'churn score' gives."
    )
    most = max(abs(feature["added"]) for customer in entries for feature in customer["features"])
    return [soft(about), grid(*(box(customer, most) for customer in entries), two=True)]


def box(customer: Values, most: float) -> Markup:
    """One customer: prediction and outcome, reasons, and the features that weigh most."""
    outcome = "churned" if customer["churned"] else "stayed"
    flag = "listed" if customer["listed"] else "not listed"
    about = (
        f"{day(customer['event_timestamp'])}: said {percent(customer['probability'])}, {customer['band']} "
        f"risk, {flag}; {outcome}."
    )
    if customer["action"]:
        about += f" Action: {customer['action']}."
    reasons = customer["reasons"]
    bars = [
        Bar(
            Markup("{} = {}").format(breakable(feature["feature"]), feature["value"]),
            feature["added"],
            f"{feature['added']:+.2f}",
        )
        for feature in customer["features"][:FEATURES_SHOWN]
        if abs(feature["added"]) > NEGLIGIBLE
    ]
    return CARD.format(
        heading=f"{customer['why'][:1].upper()}{customer['why'][1:]}: {customer['customer_id']}",
        about=about,
        reasons=bullets(reasons) if reasons else paragraph("Nothing makes this customer riskier than usual."),
        picture=figure(EMPTY, diverging_rows(bars, most)) if bars else soft(NO_DRIVER),
    )
