"""Raw tables as sources.yml declares them: the shipped six, and the sentence for each wrong declaration."""

import shutil
from pathlib import Path

import pytest

from ml.common.errors import ProblemError
from ml.common.paths import ROOT
from ml.ingest.contract import Kind, Merges, Reference
from ml.ingest.declaration import (
    SOURCES,
    merges_table,
    parent_of,
    raw_table,
    raw_tables,
    tables_of_customers,
)

BEFORE_TICKETS = "\n            optional: true\n        columns:\n          - {name: ticket_id"


def test_the_shipped_tables() -> None:
    assert [table.name for table in raw_tables()] == [
        "customers",
        "orders",
        "order_items",
        "support_tickets",
        "sessions",
        "customer_merges",
    ]
    assert [table.name for table in raw_tables() if table.required] == ["customers", "orders"]
    orders, items, tickets = (raw_table(name) for name in ("orders", "order_items", "support_tickets"))
    assert orders.reference == Reference("customer_id", "customers")
    assert orders.fixed == ("customer_id", "ordered_at")
    assert orders.ends == ("cancelled_at", "returned_at", "deleted_at")
    assert orders.known_at == "greatest(ordered_at, coalesce(loaded_at, ordered_at, timestamp '1800-01-01'))"
    assert parent_of(items) == orders
    assert items.reference is not None
    assert items.reference.reason == "unknown order"
    score = next(column for column in tickets.columns if column.name == "satisfaction_score")
    assert (score.kind, score.complaint) == (
        Kind.WHOLE,
        "satisfaction_score is not a whole number from 1 to 5",
    )
    assert raw_table("customers").personal == {"email"}
    merges = raw_table("customer_merges")
    assert merges_table() == merges
    assert merges not in tables_of_customers()
    assert merges.merges == Merges("old_customer_id", "new_customer_id")
    assert (merges.reference, parent_of(merges)) == (Reference("customer_id", "customers"), None)
    assert [column.name for column in merges.columns if column.required] == [
        "old_customer_id",
        "new_customer_id",
        "recorded_at",
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("occurred_at: ordered_at", "ocurred_at: ordered_at", "unknown key orders.ocurred_at; did you mean"),
        ("occurred_at: ordered_at", "occurred_at: orderd_at", "orders has no column orderd_at; did you"),
        ("occurred_at: ordered_at", "occurred_at: channel", "orders.channel is no instant; declare its"),
        (
            "recorded_at: updated_at",
            "end_announced_at: updated_at\n            recorded_at: updated_at",
            "customers declares end_announced_at and no ends_at; add ends_at",
        ),
        (
            "later_instants: {cancelled_at: ordered_at, returned_at: ordered_at}",
            "ends_at: chanel",
            "orders has no column chanel; did you mean channel?",
        ),
        (
            "later_instants: {cancelled_at: ordered_at, returned_at: ordered_at}",
            "period: day\n            ends_at: returned_at",
            "orders declares ends_at and period; a table holds states",
        ),
        (
            "later_instants: {cancelled_at: ordered_at, returned_at: ordered_at}",
            "period: week",
            "orders.period is 'week'; it must be day: each row measures one day",
        ),
        ("recorded_at: updated_at\n", "\n", "customers declares no recorded_at; add recorded_at"),
        ("key: ticket_id", "key: []", "support_tickets.key is []; it must be a list of one or more columns"),
        (
            "{order_id: orders}",
            "{order_id: order}",
            "order_items refers to order, which is not declared; declared are customers, orders",
        ),
        (
            "{order_id: orders}",
            "{product_id: orders}",
            "product_id of order_items is not the key of orders; refer to it by order_id",
        ),
        (
            "data_type: bigint, description: Pages",
            "data_type: int, description: Pages",
            "sessions.page_views has the data_type int; it must be one of varchar, timestamp, date",
        ),
        ("range: [1, 5]", "range: 5", "support_tickets.satisfaction_score.range is 5; it must be a list"),
        (
            "optional: true",
            "optional: perhaps",
            "order_items.optional is 'perhaps'; it must be true or false",
        ),
        (
            "merges: {from: old_customer_id, into: new_customer_id}",
            "merges: {from: old_customer_id, to: new_customer_id}",
            "merges of customer_merges has the keys from, to; write merges: {from: the old customer's column",
        ),
        (
            "merges: {from: old_customer_id, into: new_customer_id}",
            "merges: {from: old_customer_id, into: new_customer}",
            "customer_merges has no column new_customer; did you mean new_customer_id?",
        ),
        (
            "merges: {from: old_customer_id, into: new_customer_id}",
            "merges: {from: old_customer_id, into: recorded_at}",
            "customer_merges.recorded_at is no text, as the keys of customers are; declare its",
        ),
        (
            "key: old_customer_id",
            "key: new_customer_id",
            "the key of customer_merges is not the column that it merges from; declare key: old_customer_id",
        ),
        (
            f"references: {{customer_id: customers}}{BEFORE_TICKETS}",
            f"merges: {{from: ticket_id, into: customer_id}}{BEFORE_TICKETS}",
            "support_tickets declares merges and customer_key; remove customer_key: a merge is of two",
        ),
    ],
)
def test_a_wrong_declaration_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    file = tmp_path / SOURCES
    file.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "dbt_project" / SOURCES, file)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(ProblemError) as caught:
        raw_tables(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{file}, line ")
    assert sentence in message
    if "declares no" not in message and "declares merges and" not in message:
        assert message.startswith(f"{file}, line {line}: ")


def test_one_table_of_merges_is_enough(tmp_path: Path) -> None:
    file = tmp_path / SOURCES
    file.parent.mkdir(parents=True)
    text = (ROOT / "dbt_project" / SOURCES).read_text()
    start, end = text.index("      - name: customer_merges"), text.index("      - name: rejected_rows")
    file.write_text(text[:end] + text[start:end].replace("customer_merges", "more_merges") + text[end:])
    with pytest.raises(
        ProblemError, match="more_merges declares merges, and so does another table; keep one"
    ):
        raw_tables(tmp_path)
