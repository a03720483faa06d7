"""The customers as a table, those at risk first, with a line below as many as can be contacted."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from ml.common.number_words import counted
from ml.config.problem import REGRESSION, Problem
from ml.page.bars import EMPTY
from ml.page.document import header, join_parts, paragraph
from ml.page.number_text import NOTHING, number, percent
from ml.serve.pages.customer_selection import (
    BANDS,
    KEY,
    KEY_DOWN,
    RISK,
    ROWS,
    SAFE,
    Line,
    Selection,
    Totals,
)
from ml.serve.pages.values_as_text import flag_text, instant_text, key_text, prediction_name, prediction_text
from ml.serve.scored_file import Scored
from ml.serve.served_state import Served

FIELD = Markup('<label class="field">{}{}</label>')
OPTION = Markup('<option value="{}"{}>{}</option>')
POPULATION_NAMES = {"in": "in the population", "outside": "outside it", "all": "all known"}
ORDER_NAMES = {RISK: "at risk first", SAFE: "safest first", KEY: "key, A to Z", KEY_DOWN: "key, Z to A"}
AMOUNT_ORDER_NAMES = {RISK: "highest first", SAFE: "lowest first"}


def customer_list(
    served: Served,
    selection: Selection,
    rows: Sequence[Scored],
    totals: Totals,
    line: Line | None,
    capacity: int,
) -> Markup:
    """The page of a selection.

    Parameters
    ----------
    rows : sequence of Scored
        Of the page.
    totals : Totals
        Of the whole selection.
    line : Line, optional
        Below the customers to contact.
    capacity : int
        How many can be contacted.
    """
    problem = served.model.problem
    parts = [
        header("Customers", heading(problem, selection, totals)),
        form(problem, selection, capacity),
        *([calls(problem, selection, line)] if line else []),
        downloads(selection, totals, line),
    ]
    if rows:
        count = -(-totals.customers // selection.rows)
        links = page_links(selection.page, count, lambda page: selection.address(page=page))
        parts += [table(problem, selection, rows, line), links]
    elif totals.customers:
        first = Markup('There is no such page: <a href="{}">show the first</a>.').format(
            selection.address(page=1)
        )
        parts.append(paragraph(first))
    else:
        parts.append(paragraph("No customer is in this selection: choose a wider one."))
    return join_parts(*parts)


def heading(problem: Problem, selection: Selection, totals: Totals) -> str:
    """How many there are, and what is expected of them."""
    text = f"{counted(totals.customers, 'customer')} {POPULATION_NAMES[selection.population]}"
    if problem.task == REGRESSION:
        return f"{text}, {number(totals.predictions)} expected in {problem.horizon_days} days."
    expected = number(round(totals.predictions, 1))
    return f"{text}, of whom {expected} are expected to leave within {problem.horizon_days} days."


def form(problem: Problem, selection: Selection, capacity: int) -> Markup:
    """The choices."""
    is_regression = problem.task == REGRESSION
    orders = ORDER_NAMES | (AMOUNT_ORDER_NAMES if is_regression else {})
    bands = {"": "any", **{band: band for band in BANDS}}
    flags = {"": "any", "yes": "flagged", "no": "not flagged"}
    search = Markup('<input name="search" type="search" value="{}" maxlength="1000">').format(
        selection.search
    )
    call = Markup('<input name="call" type="number" min="1" max="1000000000" value="{}">').format(
        selection.call or capacity or ""
    )
    fields = [
        FIELD.format("Key contains", search),
        *(
            []
            if is_regression
            else [
                FIELD.format("Risk band", select("band", bands, selection.band)),
                FIELD.format("Above the threshold", select("flagged", flags, selection.flagged)),
            ]
        ),
        FIELD.format("Customers", select("population", POPULATION_NAMES, selection.population)),
        FIELD.format("Order", select("sort", orders, selection.sort)),
        FIELD.format("Rows", select("rows", {str(rows): str(rows) for rows in ROWS}, str(selection.rows))),
        FIELD.format("We can call", call),
    ]
    return Markup(
        '<form class="choices" action="/customers" method="get" aria-label="Selection">{}'
        '<button>Show</button><a href="/customers">Reset</a></form>'
    ).format(EMPTY.join(fields))


def select(name: str, options: dict[str, str], chosen: str) -> Markup:
    """A list to choose from."""
    inside = EMPTY.join(
        OPTION.format(value, Markup(" selected") if value == chosen else EMPTY, text)
        for value, text in options.items()
    )
    return Markup('<select name="{}">{}</select>').format(name, inside)


def calls(problem: Problem, selection: Selection, line: Line) -> Markup:
    """What to expect of the customers above the line."""
    return Markup('<p class="note" id="line"><b>{}</b> {}</p>').format(
        line_heading(problem, line), " ".join(line_sentences(problem, line))
    )


def line_heading(problem: Problem, line: Line) -> str:
    return f"Call these {line.totals.customers:,}."


def line_sentences(problem: Problem, line: Line) -> list[str]:
    """What is expected of the customers above the line, and what it earns to contact them."""
    count, expected = line.totals.customers, line.totals.predictions
    last = prediction_text(problem, line.last[0])
    if problem.task == REGRESSION:
        return [f"{number(expected)} is expected of them; the last one has {last}."]
    return [
        f"Expected leavers among them: {number(round(expected, 1))} ({percent(expected / count)}); "
        f"the last one has a {prediction_name(problem)} of {last}.",
        f"By the stated costs the calls earn {number(round(line.earned(problem.costs)))}.",
    ]


def downloads(selection: Selection, totals: Totals, line: Line | None) -> Markup:
    """Links to the same as CSV."""
    link = Markup('<a href="{}" download>{}</a>')
    links = [link.format(selection.address("/customers.csv", page=1), f"CSV of all {totals.customers:,}")]
    if line:
        address = selection.address("/customers.csv", page=1, only_calls=True)
        links.append(link.format(address, f"CSV of the {line.totals.customers:,} to call"))
    return Markup('<div class="actions">{}</div>').format(EMPTY.join(links)) if totals.customers else EMPTY


def table(problem: Problem, selection: Selection, rows: Sequence[Scored], line: Line | None) -> Markup:
    """The customers of one page, with the line where it falls between two of them."""
    names = column_names(problem)
    body, was_above = list[Markup](), True
    for row in rows:
        is_above = line is not None and line.has(row)
        if line and selection.sort == RISK and was_above and not is_above and body:
            body.append(line_row(problem, line, len(names)))
        was_above = is_above
        body.append(customer_row(problem, row, names, is_above))
    first = selection.offset
    ends_here = line is not None and line.totals.customers == first + len(rows)
    if line and selection.sort == RISK and ends_here:
        body.append(line_row(problem, line, len(names)))
    head = EMPTY.join(head_cell(selection, *column) for column in names.items())
    return Markup(
        '<table class="rows"><caption class="visually-hidden">Customers, {}</caption>'
        "<thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    ).format(ORDER_NAMES[selection.sort], head, EMPTY.join(body))


def column_names(problem: Problem) -> dict[str, str]:
    """The columns, each with its name."""
    if problem.task == REGRESSION:
        return {
            "key": "customer",
            "prediction": "expected amount",
            "why": "main reason",
            "until": "exact until",
        }
    return {
        "key": "customer",
        "prediction": "churn probability",
        "band": "risk band",
        "flag": "flagged",
        "call": "call",
        "why": "main reason",
        "action": "recommended action",
        "until": "exact until",
    }


# A column's two orders, and how each goes through it.
ORDERS_OF = {
    "key": {KEY: "ascending", KEY_DOWN: "descending"},
    "prediction": {RISK: "descending", SAFE: "ascending"},
}


def head_cell(selection: Selection, column: str, name: str) -> Markup:
    """The head of a column; a link that sorts where the table can be sorted by it."""
    style = Markup(' class="number"') if column == "prediction" else EMPTY
    orders = ORDERS_OF.get(column)
    if orders is None:
        return Markup('<th scope="col"{}>{}</th>').format(style, name)
    other = next(order for order in orders if order != selection.sort)
    way = orders.get(selection.sort)
    aria = Markup(' aria-sort="{}"').format(way) if way else EMPTY
    arrow = {"ascending": " ↑", "descending": " ↓"}.get(way or "", "")
    return Markup('<th scope="col"{}{}><a href="{}">{}{}</a></th>').format(
        style, aria, selection.address(sort=other, page=1), name, arrow
    )


def customer_row(problem: Problem, row: Scored, names: dict[str, str], is_above: bool) -> Markup:
    """One customer."""
    score, reasons = json.loads(row.score), json.loads(row.reasons)
    cells: dict[str, str | Markup] = {
        "key": customer_link(row.customer_id),
        "prediction": prediction_text(problem, row.prediction),
        "band": risk_text(row.band),
        "flag": flag_text(row),
        "call": "call" if is_above else NOTHING,
        "why": reasons[0]["text"] if reasons else NOTHING,
        "action": score["recommended_action"] or NOTHING,
        "until": score["exact_until"][:16].replace("T", " ") if score["exact_until"] else NOTHING,
    }
    styles = {
        "key": Markup(' class="key"'),
        "prediction": Markup(' class="number"'),
        "until": Markup(' class="instant"'),
    }
    return Markup("<tr>{}</tr>").format(
        EMPTY.join(
            Markup('<td{} data-name="{}">{}</td>').format(styles.get(column, EMPTY), name, cells[column])
            for column, name in names.items()
        )
    )


def customer_link(customer_id: str, **more: Any) -> Markup:
    """A customer's key as a link to the page of that customer."""
    return Markup('<a href="{}">{}</a>').format(customer_address(customer_id, **more), key_text(customer_id))


def customer_address(customer_id: str, path: str = "/customer", **more: Any) -> str:
    """The address of a page about a customer, whose key may have any character."""
    return f"{path}?{urlencode({'id': customer_id} | {name: value for name, value in more.items() if value})}"


def risk_text(band: str | None) -> Markup:
    """A risk band in its colour."""
    return Markup('<span class="risk {0}">{0}</span>').format(band) if band else Markup(NOTHING)


def line_row(problem: Problem, line: Line, columns: int) -> Markup:
    """The line of the capacity."""
    text = f"{line_heading(problem, line)} {line_sentences(problem, line)[0]}"
    return Markup('<tr class="limit-line"><td colspan="{}">↑ {}</td></tr>').format(columns, text)


def page_links(page: int, count: int, address: Callable[[int], str]) -> Markup:
    """Where a page of a table stands, and links to others."""
    link = Markup('<a href="{}"{}>{}</a>')
    links = []
    if page > 1:
        links += [
            link.format(address(1), EMPTY, "First"),
            link.format(address(min(page - 1, count)), Markup(' rel="prev"'), "Previous"),
        ]
    if page < count:
        links += [
            link.format(address(page + 1), Markup(' rel="next"'), "Next"),
            link.format(address(count), EMPTY, "Last"),
        ]
    text = f"Page {page:,} of {count:,}"
    return Markup('<nav class="pages" aria-label="Pages of the table"><span>{}</span>{}</nav>').format(
        text, EMPTY.join(links)
    )


def served_foot(served: Served) -> str:
    """What a page was made from."""
    as_of = instant_text(served.as_of)
    return f"{served.model.version} on {served.build.name}, as of {as_of} UTC. All instants are UTC."
