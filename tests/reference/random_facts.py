"""Random customers, orders, tickets and sessions with ties, late rows, versions, copies and odd instants."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

START = datetime(2022, 1, 3)
END = datetime(2025, 6, 1)
MICRO = timedelta(microseconds=1)
DAY = timedelta(days=1)
CATEGORIES = ("books", "garden", "toys", "wine", None)

Row = dict[str, Any]


def some_instant(random: Random) -> datetime:
    """Return an instant of the two years: often a midnight or an hour, so that ties happen."""
    grain = random.choice((DAY, DAY * 7, timedelta(hours=1), timedelta(seconds=1), MICRO))
    return START + grain * random.randrange(730 * DAY // grain)


def some_delay(random: Random) -> timedelta:
    """Return a time from nothing to past the longest window: often a window to the microsecond."""
    exact = DAY * random.choice((0, 0, 1, 7, 30, 90, 365))
    if random.random() < 0.5:
        return max(timedelta(0), exact + MICRO * random.choice((-1, 0, 0, 1)))
    return MICRO * random.randrange(random.choice((DAY, 40 * DAY, 400 * DAY)) // MICRO)


def after(random: Random, instant: datetime) -> datetime:
    """Return an instant at or after another, still before the end of the world."""
    return min(instant + some_delay(random), END - DAY)


def maybe(random: Random, chance: float, value: Any) -> Any:
    """Return the value by chance, else None."""
    return value if random.random() < chance else None


def some_money(random: Random) -> Decimal:
    """Return an amount with up to four decimals; sometimes zero or negative."""
    return random.choice(
        (Decimal(0), Decimal("-12.5"), Decimal(random.randrange(1, 10**7)) / 10**4, Decimal("19.99"))
    )


def some_loaded_at(random: Random, occurred: datetime) -> datetime | None:
    """Return a load: none, at once, late, or (a wrong clock) before the thing happened."""
    return random.choice((None, occurred, after(random, occurred), occurred - some_delay(random)))


def versions_of(random: Random, first: Row, occurred: str, change: Any) -> list[Row]:
    """Return a first row and later versions of it: changed, unchanged (a copy) or turned back."""
    first["loaded_at"] = some_loaded_at(random, first[occurred])
    rows, version_at = [first], first["loaded_at"] or first[occurred]
    while random.random() < 0.45 and version_at < END - 30 * DAY:
        version_at += max(MICRO, min(some_delay(random), 29 * DAY))
        content = random.choice((change(dict(rows[-1])), rows[-1], rows[0]))
        rows.append({**content, "loaded_at": version_at})
    return rows + [dict(row) for row in rows if random.random() < 0.1]


def random_customer(random: Random, customer_id: str) -> list[Row]:
    """Return the versions of a customer, the earliest first."""
    registered_at = some_instant(random)
    first = some_attributes(random) | {
        "customer_id": customer_id,
        "registered_at": registered_at,
        "birth_date": maybe(random, 0.8, date(1940, 1, 1) + DAY * random.randrange(25000)),
        "updated_at": random.choice(
            (None, registered_at, after(random, registered_at), registered_at - 9 * DAY)
        ),
    }
    rows, version_at = [first], first["updated_at"] or registered_at
    while random.random() < 0.5:
        version_at += max(MICRO, min(some_delay(random), 90 * DAY))
        rows.append(first | some_attributes(random) | {"updated_at": version_at} | moved_birth(random, first))
    return [row for row in rows if (row["updated_at"] or registered_at) < END]


def some_attributes(random: Random) -> Row:
    """Return what may change about a customer."""
    return {
        "gender": random.choice(("f", "m", None)),
        "city": random.choice(("Ulm", "Köln", None)),
        "country": random.choice(("DE", "AT")),
        "email": f"{random.randrange(10**6)}@example.org",
        "acquisition_channel": random.choice(("search", "friend", None)),
        "email_verified": random.choice((True, False, None)),
        "phone_verified": random.choice((True, False)),
    }


def moved_birth(random: Random, first: Row) -> Row:
    """Return, seldom, another birth date and registration than the earliest version: neither counts."""
    if random.random() < 0.8:
        return {}
    return {"birth_date": date(1999, 9, 9), "registered_at": first["registered_at"] + 3 * DAY}


def random_order(
    random: Random, order_id: str, customer_id: str, around: datetime
) -> tuple[list[Row], list[Row]]:
    """Return the versions of an order, and its items."""
    first = {"order_id": order_id, "customer_id": customer_id, "ordered_at": some_occurred(random, around)}
    first["payment_method"] = random.choice(("card", "invoice", None))
    versions = versions_of(
        random, changed_order(random, first), "ordered_at", lambda row: changed_order(random, row)
    )
    lines = range(random.choice((0, 1, 1, 2, 5)))
    items = [random_item(random, order_id, line + 1) for line in lines]
    return versions, items + [dict(item) for item in items if random.random() < 0.1]


def some_occurred(random: Random, around: datetime) -> datetime:
    """Return when a thing happened: anywhere, or close to a customer's registration (before it, too)."""
    return random.choice((some_instant(random), around, around - DAY, after(random, around)))


def changed_order(random: Random, row: Row) -> Row:
    """Return an order with other amounts and later instants, seldom cancelled at once."""
    ordered_at = row["ordered_at"]
    row["total_amount"] = some_money(random)
    row["discount_amount"] = maybe(random, 0.6, some_money(random))
    early = ordered_at if random.random() < 0.05 else after(random, ordered_at)
    row["cancelled_at"] = maybe(random, 0.25, early)
    row["returned_at"] = maybe(random, 0.25, after(random, ordered_at))
    return row


def random_item(random: Random, order_id: str, line_number: int) -> Row:
    """Return one line of an order."""
    return {
        "order_id": order_id,
        "line_number": line_number,
        "product_id": f"p{random.randrange(20)}",
        "category": random.choice(CATEGORIES),
        "quantity": Decimal(random.choice(("1", "2", "0.25", "-1", "10"))),
        "unit_price": some_money(random),
    }


def random_ticket(random: Random, ticket_id: str, customer_id: str, around: datetime) -> list[Row]:
    """Return the versions of a ticket."""
    first = {"ticket_id": ticket_id, "customer_id": customer_id, "opened_at": some_occurred(random, around)}
    return versions_of(
        random, changed_ticket(random, first), "opened_at", lambda row: changed_ticket(random, row)
    )


def changed_ticket(random: Random, row: Row) -> Row:
    """Return a ticket resolved, opened again, rated with or without an instant, or in another channel."""
    opened_at = row["opened_at"]
    row["channel"] = random.choice(("mail", "phone"))
    row["resolved_at"] = maybe(random, 0.6, after(random, opened_at))
    row["satisfaction_score"] = maybe(random, 0.6, random.randint(1, 5))
    row["rated_at"] = maybe(random, 0.4, after(random, opened_at))
    return row


def random_session(random: Random, session_id: str, customer_id: str, around: datetime) -> list[Row]:
    """Return the versions of a session."""
    first = {
        "session_id": session_id,
        "customer_id": customer_id,
        "started_at": some_occurred(random, around),
    }
    return versions_of(
        random, changed_session(random, first), "started_at", lambda row: changed_session(random, row)
    )


def changed_session(random: Random, row: Row) -> Row:
    """Return a session with other page views and another duration."""
    row["duration_seconds"] = maybe(random, 0.8, Decimal(random.randrange(10**6)) / 100)
    row["page_views"] = maybe(random, 0.8, random.randrange(40))
    return row
