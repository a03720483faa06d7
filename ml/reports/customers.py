"""Sample customers: what was said of them, why, and what came of it."""

from markupsafe import Markup

from ml.page.document import grid, paragraph
from ml.page.figures import day, percent
from ml.page.rows import NONE, diverging_rows, figure, name_of
from ml.reports.facts import Told, Values

SHOWN = 8
NEGLIGIBLE = 1e-9
SAME = "No value moves this score."
CARD = Markup('<div class="card"><h3>{heading}</h3><p class="soft">{about}</p>{reasons}{picture}</div>')


def customers(told: Told) -> list[Markup]:
    """A card a customer."""
    found = (told.evidence.get("reasons") or {}).get("customers") or []
    if not found:
        return [told.missing()]
    scale = told.evidence["reasons"]["scale"]
    said = (
        f"What each value adds to the raw score ({scale}; orange, to the right: riskier) or takes from it "
        "(blue, to the left: safer), against knowing nothing. All on one scale. The sentences are what "
        "'churn score' gives."
    )
    most = max(abs(each["added"]) for customer in found for each in customer["features"])
    return [paragraph(said, soft=True), grid(*(card(each, most) for each in found), two=True)]


def card(customer: Values, most: float) -> Markup:
    """One customer."""
    outcome = "churned" if customer["churned"] else "stayed"
    listed = "listed" if customer["listed"] else "not listed"
    about = (
        f"{day(customer['event_timestamp'])}: said {percent(customer['probability'])}, {customer['band']} "
        f"risk, {listed}; {outcome}."
    )
    if customer["action"]:
        about += f" Action: {customer['action']}."
    moved = bars(customer)
    return CARD.format(
        heading=f"{customer['why'][:1].upper()}{customer['why'][1:]}: {customer['customer_id']}",
        about=about,
        reasons=reasons(customer),
        picture=figure(NONE, diverging_rows(moved, most)) if moved else paragraph(SAME, soft=True),
    )


def reasons(customer: Values) -> Markup:
    """The sentences."""
    if not customer["reasons"]:
        return paragraph("Nothing makes this customer riskier than usual.")
    return Markup("<ul>{}</ul>").format(
        NONE.join(Markup("<li>{}</li>").format(each) for each in customer["reasons"])
    )


def bars(customer: Values) -> list[tuple[Markup, float, str]]:
    """The weightiest features, with the customer's own values."""
    return [
        (
            Markup("{} = {}").format(name_of(each["feature"]), each["value"]),
            each["added"],
            f"{each['added']:+.2f}",
        )
        for each in customer["features"][:SHOWN]
        if abs(each["added"]) > NEGLIGIBLE
    ]
