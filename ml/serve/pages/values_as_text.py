"""Values of features, scores and instants as people read them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from ml.config.problem import REGRESSION, Problem
from ml.page.number_text import NOTHING, number, percent
from ml.serve.scored_file import Scored

SECONDS = "seconds"


def value_text(value: Any) -> str:
    """Any value of a feature; a dash where there is none."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case datetime():
            return instant_text(value)
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value.normalize():,f}" if value else "0"
        case int() | float():
            return number(value, 4)
    return str(value)


def instant_text(instant: datetime) -> str:
    """An instant to the second, in UTC."""
    return instant.isoformat(sep=" ", timespec=SECONDS)


def instant_or_none(instant: datetime | None) -> str:
    """The same, or a dash where there is none."""
    return NOTHING if instant is None else instant_text(instant)


def instant_cell(instant: datetime) -> Markup:
    """An instant for a table, on one line."""
    return Markup("<time>{}</time>").format(instant_text(instant))


def prediction_text(problem: Problem, prediction: float | None) -> str:
    """A churn probability in percent, or an amount."""
    return number(prediction, 4) if problem.task == REGRESSION else percent(prediction)


def prediction_name(problem: Problem) -> str:
    """What a prediction is."""
    return "expected amount" if problem.task == REGRESSION else "churn probability"


def key_text(customer_id: str) -> str:
    """A customer's key; signs that cannot be seen are written as escapes."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in customer_id)


def flag_text(row: Scored) -> str:
    return NOTHING if row.decision is None else "yes" if row.decision else "no"
