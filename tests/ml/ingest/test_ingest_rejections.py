"""Every way to break the contract: the exact set of rejected rows, and that the rest goes through."""

import json

import duckdb
import pytest

from ml.ingest import ingest
from tests.ml.ingest.worlds import read_rejected, read_table, write_folder

CUSTOMERS = """customer_id,registered_at,birth_date,email_verified,updated_at,note
anna,2024-01-01,1990-01-01,true,,hello
ben,2024-01-02 10:00:00+02:00,,1,,
,2024-01-01,,,,
" ",2024-01-01,,,,
carl,,,,,
dora,yesterday,,,,
emil,2024-01-01,2190-01-01,,,
fred,2024-01-01,1990-13-01,maybe,,
gina,infinity,,,,
anna,2024-01-01,1991-01-01,true,,
anna,2024-01-01,1990-01-01,true,,an exact copy but for a column of no contract
anna,2024-01-01,1990-01-01,true,2024-02-01,
hugo,2024-01-01,1990-01-01
ida,2024-01-01,1990-01-01,true,,a,b,c
"jane,2024-01-01,1990-01-01,true,,
kurt,2024-01-01,,no,,
"""

CUSTOMERS_REJECTED = {
    ("customers", 3, "customer_id is missing"),
    ("customers", 4, "customer_id is missing"),
    ("customers", 5, "registered_at is missing"),
    ("customers", 6, "registered_at is not an instant"),
    ("customers", 7, "birth_date is later than this ingest"),
    ("customers", 8, "birth_date is not a date; email_verified is not true or false"),
    ("customers", 9, "registered_at is not an instant"),
    ("customers", 10, "conflicting copy of customer_id"),
    ("customers", 13, "broken CSV line: missing columns"),
    ("customers", 14, "broken CSV line: too many columns"),
    ("customers", 15, "broken CSV line: unclosed quote"),
}

ORDERS = """order_id,customer_id,ordered_at,total_amount,discount_amount,cancelled_at,loaded_at
o1,anna,2024-03-01,10.5,,,
o2,anna,2024-03-01,ten,,,
o3,nobody,2024-03-01,10,,,
o4,anna,2190-03-01,10,,,
o5,anna,2024-03-01,10,,,2024-03-02
o5,ben,2024-03-01,10,,,2024-03-03
o5,anna,2024-03-05,10,,,2024-03-06
o5,anna,2024-03-01,11,,,2024-03-04
o5,anna,2024-03-01,12,,,2024-03-04
o5,anna,2024-03-01,11,,,2024-03-04
o6,emil,bad,x,free,2024-03-01T00:00:00,2190-01-01
o7,anna,2024-03-01,,,,
o8,anna,2024-03-01,10,,,2024-03-02
o8,ben,2024-03-01,10,,,2024-03-02
o9,anna,2024-03-01,999999999999999,,,
,anna,2024-03-01,1,,,
o10,anna,2024-03-01,1,,2190-01-01,
"""

ORDERS_REJECTED = {
    ("orders", 2, "total_amount is not a number"),
    ("orders", 3, "unknown customer"),
    ("orders", 4, "ordered_at is later than this ingest"),
    ("orders", 6, "version changes customer_id"),
    ("orders", 7, "version changes ordered_at"),
    ("orders", 9, "conflicting copy of order_id"),
    (
        "orders",
        11,
        "ordered_at is not an instant; total_amount is not a number; discount_amount is not a number; "
        "loaded_at is later than this ingest; unknown customer",
    ),
    ("orders", 12, "total_amount is missing"),
    ("orders", 14, "conflicting copy of order_id"),
    ("orders", 15, "total_amount is not a number"),
    ("orders", 16, "order_id is missing"),
}

ITEMS = """order_id,line_number,product_id,category,quantity,unit_price
o1,1,p1,toys,2,5.25
o1,2.0,p1,toys,1,1
o1,1,p1,toys,2,5.25
o1,1,p1,toys,3,5.25
o2,1,p1,toys,1,1
o99,1,p1,toys,1,1
o1,3.5,p1,toys,1,1
o1,4,,toys,lots,
"""

ITEMS_REJECTED = {
    ("order_items", 4, "conflicting copy of order_id, line_number"),
    ("order_items", 5, "unknown order"),
    ("order_items", 6, "unknown order"),
    ("order_items", 7, "line_number is not a whole number"),
    ("order_items", 8, "product_id is missing; quantity is not a number; unit_price is missing"),
}

TICKETS = """ticket_id,customer_id,opened_at,resolved_at,satisfaction_score
t1,anna,2024-03-01,2024-03-02,4.0
t2,anna,2024-03-01,2024-03-01,1
t3,anna,2024-03-02,2024-03-01 23:59:59.999999,
t4,anna,2024-03-01,,0
t5,anna,2024-03-01,,6
t6,anna,2024-03-01,,4.5
t7,nobody,2024-03-01,,good
"""

TICKETS_REJECTED = {
    ("support_tickets", 3, "resolved_at is before opened_at"),
    ("support_tickets", 4, "satisfaction_score is not a whole number from 1 to 5"),
    ("support_tickets", 5, "satisfaction_score is not a whole number from 1 to 5"),
    ("support_tickets", 6, "satisfaction_score is not a whole number from 1 to 5"),
    ("support_tickets", 7, "satisfaction_score is not a whole number from 1 to 5; unknown customer"),
}

SESSIONS = """session_id,customer_id,started_at,duration_seconds,page_views,loaded_at
s1,anna,2024-03-01,12.5,3,
s1,anna,2024-03-01,90,9,2024-03-02
s2,anna,2024-03-01,long,3,
s3,anna,2024-03-01,1,2.5,
s4,anna,2024-03-01,1,1000000000000000,
s5,anna,2024-03-01,1,-999999999999999,
s1,anna,2024-03-03,90,9,2024-03-04
"""

SESSIONS_REJECTED = {
    ("sessions", 3, "duration_seconds is not a number"),
    ("sessions", 4, "page_views is not a whole number"),
    ("sessions", 5, "page_views is not a whole number"),
    ("sessions", 7, "version changes started_at"),
}

BROKEN = {
    "customers": CUSTOMERS,
    "orders": ORDERS,
    "order_items": ITEMS,
    "support_tickets": TICKETS,
    "sessions": SESSIONS,
}


def test_every_breach_is_rejected_with_its_reason(tmp_path, home):
    result = ingest(write_folder(tmp_path / "raw", BROKEN), home=home, max_rejected=1)

    rejected = CUSTOMERS_REJECTED | ORDERS_REJECTED | ITEMS_REJECTED | TICKETS_REJECTED | SESSIONS_REJECTED
    assert read_rejected(home) == rejected
    assert result["tables"] == {
        "customers": {"read": 16, "accepted": 5, "rejected": 11},
        "orders": {"read": 17, "accepted": 6, "rejected": 11},
        "order_items": {"read": 8, "accepted": 3, "rejected": 5},
        "support_tickets": {"read": 7, "accepted": 2, "rejected": 5},
        "sessions": {"read": 7, "accepted": 3, "rejected": 4},
        "customer_merges": {"read": 0, "accepted": 0, "rejected": 0},
    }
    assert result["reasons"]["orders: total_amount is not a number"] == 3


def test_the_rest_goes_through(tmp_path, home):
    ingest(write_folder(tmp_path / "raw", BROKEN), home=home, max_rejected=1)

    assert read_table(home, "customers", "customer_id, _row") == [
        ("anna", 1),
        ("anna", 11),
        ("anna", 12),
        ("ben", 2),
        ("kurt", 16),
    ]
    assert read_table(home, "orders", "order_id, customer_id, total_amount::varchar, _row") == [
        ("o1", "anna", "10.5000", 1),
        ("o10", "anna", "1.0000", 17),
        ("o5", "anna", "10.0000", 5),
        ("o5", "anna", "11.0000", 8),
        ("o5", "anna", "11.0000", 10),
        ("o8", "anna", "10.0000", 13),
    ]
    assert read_table(home, "order_items", "order_id, line_number, _row") == [
        ("o1", 1, 1),
        ("o1", 1, 3),
        ("o1", 2, 2),
    ]
    assert read_table(home, "support_tickets", "ticket_id, satisfaction_score") == [("t1", 4), ("t2", 1)]
    assert read_table(home, "sessions", "session_id, page_views") == [
        *(("s1", 3), ("s1", 9), ("s5", -999_999_999_999_999))
    ]


def test_a_rejected_row_is_kept_whole(tmp_path, home):
    ingest(write_folder(tmp_path / "raw", BROKEN), home=home, max_rejected=1)

    rejected = read_table(home, "rejected_rows", '"table", row, file, content, load')
    kept = {(table, row): rest for table, row, *rest in rejected}
    file, content, load = kept["orders", 2]
    assert (file, load) == ("orders.csv", "load-000001")
    assert json.loads(content) == {
        "order_id": "o2",
        "customer_id": "anna",
        "ordered_at": "2024-03-01",
        "total_amount": "ten",
        "discount_amount": None,
        "cancelled_at": None,
        "loaded_at": None,
    }
    assert json.loads(kept["customers", 15][1]) == {"line": '"jane,2024-01-01,1990-01-01,true,,'}


def test_an_item_of_a_rejected_order_is_of_an_unknown_order(folder, home):
    orders = "order_id,customer_id,ordered_at,total_amount\no1,anna,2024-02-01,1\no2,nobody,2024-02-01,1\n"
    items = "order_id,line_number,product_id,quantity,unit_price\no1,1,p,1,1\no2,1,p,1,1\n"

    ingest(folder(orders=orders, order_items=items), home=home, max_rejected=1)

    assert read_rejected(home) == {("orders", 2, "unknown customer"), ("order_items", 2, "unknown order")}


def test_a_row_rejected_for_another_fault_makes_no_conflict(folder, home):
    orders = (
        "order_id,customer_id,ordered_at,total_amount\n"
        "o1,anna,2024-02-01,x\n"
        "o1,anna,2024-02-01,1\n"
        "o1,anna,2024-02-01,2\n"
    )
    ingest(folder(orders=orders), home=home, max_rejected=1)

    assert read_table(home, "orders", "order_id, total_amount::varchar, _row") == [("o1", "1.0000", 2)]
    assert read_rejected(home) == {
        ("orders", 1, "total_amount is not a number"),
        ("orders", 3, "conflicting copy of order_id"),
    }


def test_the_earliest_version_says_what_may_not_change(folder, home):
    orders = (
        "order_id,customer_id,ordered_at,total_amount,loaded_at\n"
        "o1,ben,2024-02-01,1,2024-02-03\n"
        "o1,anna,2024-02-01,1,2024-02-02\n"
        "o1,anna,2024-02-01,2,2024-02-04\n"
    )
    ingest(folder(orders=orders), home=home, max_rejected=1)

    assert read_rejected(home) == {("orders", 1, "version changes customer_id")}


def test_no_row_hides_behind_an_unclosed_quote(folder, home):
    lines = [f"o{number},anna,2024-02-01,{number}" for number in range(1, 20_001)]
    lines[999] = 'o1000,"anna,2024-02-01,1000'
    orders = "order_id,customer_id,ordered_at,total_amount\n" + "\n".join(lines) + "\n"

    result = ingest(folder(orders=orders), home=home)

    assert result["tables"]["orders"] == {"read": 20_000, "accepted": 19_999, "rejected": 1}
    assert read_rejected(home) == {("orders", 1000, "broken CSV line: unclosed quote")}
    assert read_table(home, "orders", "count(*) filter (order_id = 'o' || _row)") == [(19_999,)]


def test_text_that_is_no_utf8_is_rejected(folder, home):
    source = folder()
    (source / "customers.csv").write_bytes(
        b"customer_id,registered_at,city\nanna,2024-01-01,K\xf6ln\nben,2024-01-01,Bonn\n"
    )
    ingest(source, home=home, max_rejected=1)

    assert read_rejected(home) == {
        ("customers", 1, "broken CSV line: invalid encoding"),
        ("orders", 1, "unknown customer"),
    }


ONCE_LENIENT = ["08-16-11", "0011-08-16", "2024-3-1", "2024-03-01 10:00:00 EST", "1899-12-31", "9999-12-31"]


@pytest.mark.parametrize("text", ONCE_LENIENT)
def test_what_is_outside_the_grammar_of_instants_is_rejected(folder, home, text):
    orders = f"order_id,customer_id,ordered_at,total_amount\no1,anna,{text},1\no2,anna,2024-03-01,1\n"
    ingest(folder(orders=orders), home=home, max_rejected=1)

    assert read_rejected(home) == {("orders", 1, "ordered_at is not an instant")}


def test_typed_instants_outside_the_years_are_rejected(clean, home):
    (clean / "orders.csv").unlink()
    values = ", ".join(
        f"('o{number}', 'anna', timestamp '{year}-06-01', 1)"
        for number, year in enumerate([1, 1899, 2024, 2201])
    )
    names = "order_id, customer_id, ordered_at, total_amount"
    query = f"copy (from (values {values}) as rows ({names})) to '{clean}/orders.parquet'"
    duckdb.connect().execute(query)
    ingest(clean, home=home, max_rejected=1)

    assert {row for _, row, reason in read_rejected(home) if reason == "ordered_at is not an instant"} == {
        1,
        2,
        4,
    }


LATER = {
    "orders": "order_id,customer_id,ordered_at,total_amount,{}\n"
    "o1,anna,2024-03-01 10:00,1,{}\no2,anna,2024-03-01 10:00,1,2024-03-01 10:00\n",
    "support_tickets": "ticket_id,customer_id,opened_at,{}\n"
    "t1,anna,2024-03-01 10:00,{}\nt2,anna,2024-03-01 10:00,2024-03-01 10:00\n",
}


@pytest.mark.parametrize(
    ("table", "later", "earlier"),
    [
        ("orders", "cancelled_at", "ordered_at"),
        ("orders", "returned_at", "ordered_at"),
        ("support_tickets", "resolved_at", "opened_at"),
        ("support_tickets", "rated_at", "opened_at"),
    ],
)
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2024-03-01 09:59:59.999999", None),
        ("2024-03-01", "a day alone is its first instant: give the time of day"),
        ("1970-01-01 00:00:00", "a date that means never: leave the value empty"),
    ],
)
def test_nothing_later_happens_before_its_row_begins(folder, home, table, later, earlier, text, hint):
    result = ingest(folder(**{table: LATER[table].format(later, text)}), home=home, max_rejected=1)

    assert read_rejected(home) == {(table, 1, f"{later} is before {earlier}")}
    assert [(each["text"], each["hint"]) for each in result["examples"]] == [(text, hint)]


def test_an_instant_after_the_ingest_hints_at_the_zone(folder, home):
    orders = "order_id,customer_id,ordered_at,total_amount\no1,anna,2190-01-01,1\no2,anna,2024-03-01,1\n"
    result = ingest(folder(orders=orders), home=home, max_rejected=1)

    assert result["examples"][0]["hint"] == "if instants are those of a zone ahead of UTC, give --timezone"
