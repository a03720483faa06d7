"""The example of each reason: the commonest text, the row it first stands in, and the hint."""

import pytest

from ml.ingest import ingest
from ml.ingest.contract import Kind
from ml.ingest.hints import hint_for

HEADER = "order_id,Customer_ID,ordered_at,total_amount\n"


def example_of(result, reason):
    """The example of one reason."""
    return next(example for example in result["examples"] if example["reason"] == reason)


def test_the_commonest_text_and_its_first_row(folder, home):
    texts = ["2024-02-01", "44000", "45292", "45292", "44000", "45292"]
    orders = HEADER + "".join(f"o{number},anna,{text},1\n" for number, text in enumerate(texts, 1))
    result = ingest(folder(orders=orders), home=home, max_rejected=1)

    assert example_of(result, "orders: ordered_at is not an instant") == {
        "reason": "orders: ordered_at is not an instant",
        "rows": 5,
        "text": "45292",
        "file": "orders.csv",
        "row": 3,
        "hint": "a spreadsheet's number of a day (2024-01-01): "
        "format the column as YYYY-MM-DD before it is exported",
    }


def test_each_kind_of_reason_has_its_text(folder, home):
    orders = HEADER + (
        "o1,anna,2024-02-01,1\n"
        "o2,'nobody,2024-02-01,1\n"
        "o1,anna,2024-02-01,2\n"
        "o3,anna,2024-02-01\n"
        ",anna,2024-02-01,1\n"
    )
    result = ingest(folder(orders=orders), home=home, max_rejected=1)

    assert {each["reason"]: (each["text"], each["row"]) for each in result["examples"]} == {
        "orders: unknown customer": ("'nobody", 2),
        "orders: conflicting copy of order_id": ("o1", 3),
        "orders: broken CSV line: missing columns": (None, 4),
        "orders: order_id is missing": (None, 5),
    }


def test_a_key_that_passed_through_a_float_is_hinted_at(folder, home):
    customers = "customer_id,registered_at\n17,2024-01-01\n"
    orders = HEADER + "o1,17.0,2024-02-01,1\no2,17,2024-02-01,1\n"
    result = ingest(folder(customers=customers, orders=orders), home=home, max_rejected=1)

    assert [(each["text"], each["hint"]) for each in result["examples"]] == [
        ("17.0", "a whole number that passed through a float: write 17")
    ]


@pytest.mark.parametrize(
    ("kind", "text", "hint"),
    [
        (Kind.INSTANT, "45292", "a spreadsheet's number of a day (2024-01-01)"),
        (Kind.INSTANT, "45292.5", "a spreadsheet's number of a day (2024-01-01)"),
        (Kind.INSTANT, "1704067200", "seconds since 1970 (2024-01-01T00:00:00Z)"),
        (Kind.INSTANT, "1704067200000", "milliseconds since 1970 (2024-01-01T00:00:00Z)"),
        (Kind.INSTANT, "1704067200000000", "microseconds since 1970 (2024-01-01T00:00:00Z)"),
        (Kind.INSTANT, "9999-12-31 23:59:59", "where the date means never, leave the value empty"),
        (Kind.INSTANT, "0000-00-00 00:00:00", "where the date means never, leave the value empty"),
        (Kind.DATE, "0001-01-01", "where the date means never, leave the value empty"),
        (Kind.INSTANT, "31.12.2024", "which of the numbers is the day is not certain"),
        (Kind.INSTANT, "8/16/11 10:00 PM", "or write the hours from 00 to 23"),
        (Kind.INSTANT, "08-16-11", "which of the numbers is the day is not certain"),
        (Kind.INSTANT, "2024/1/5", "give --date-format, or write YYYY-MM-DD"),
        (Kind.INSTANT, "2024-1-5", "give --date-format, or write YYYY-MM-DD"),
        (Kind.INSTANT, "2024-01-05 10:00:00 EST", "write an offset such as +01:00"),
        (Kind.INSTANT, "2024-01-05 10:00:00 Europe/Berlin", "write an offset such as +01:00"),
        (Kind.INSTANT, "2024-01-05 10:00:00 +0000 UTC", "write an offset such as +01:00"),
        (Kind.INSTANT, "2024-01-05T10:00:00+01:00[Europe/Berlin]", "write an offset such as +01:00"),
        (Kind.INSTANT, "05-JAN-24", "give --date-format with %b or %B"),
        (Kind.INSTANT, "Fri Jan 05 2024 10:00:00 GMT+0100", "give --date-format with %b or %B"),
        (Kind.INSTANT, "January 5, 2024", "give --date-format with %b or %B"),
        (Kind.INSTANT, "00000000", "where the date means never, leave the value empty"),
        (Kind.INSTANT, "-", "if it means that nothing is known, give it as --null"),
        (Kind.FLAG, "Unknown", "if it means that nothing is known, give it as --null"),
        (Kind.AMOUNT, "999999999999999", "more than 14 digits before the point"),
        (Kind.INSTANT, "2024-01-05 10:00:00,123", "fractions of a second after a point"),
        (Kind.AMOUNT, "12,50", "give --decimal-comma"),
        (Kind.AMOUNT, "1.234,50", "give --decimal-comma"),
        (Kind.AMOUNT, "1,234.50", "give --thousands"),
        (Kind.WHOLE, "9223372036854775807", "more than 15 digits"),
        (Kind.WHOLE, "1,234", "give --thousands"),
        (Kind.AMOUNT, "$12.50", "give the currency as --currency"),
        (Kind.AMOUNT, "12.50 EUR", "give the currency as --currency"),
        (Kind.FLAG, "maybe", "write true or false"),
        (Kind.INSTANT, "soon", None),
        (Kind.AMOUNT, "ten", None),
        (Kind.TEXT, "45292", None),
    ],
)
def test_hints(kind, text, hint):
    found = hint_for(kind, text)
    assert found is None if hint is None else hint in (found or "")
