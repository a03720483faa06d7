"""JSON files as raw tables: every object a row, every other line rejected, every digit kept."""

import gzip
import json
from decimal import Decimal

import pytest

from ml.common.errors import SourceError
from ml.ingest import ingest
from tests.ml.ingest.worlds import CLEAN, read_rejected, read_table

ORDERS = [
    '{"order_id": 12345678901234567890123, "customer_id": "anna", "ordered_at": "2024-02-01", '
    '"total_amount": 12345678901234.5678, "channel": "web \\"a\\", b\\nc"}',
    '{"Customer_ID": "ben", "ordered_at": "2024-02-02T10:00:00Z", "order_id": "o2", "total_amount": 1e1, '
    '"tags": ["x", {"y": 1.50}], "gift": true, "channel": null}',
    "",
    '{"order_id": "o3", "customer_id": "anna"',
    "42",
    '{"order_id": "o4", "order_id": "o5", "customer_id": "anna"}',
    '{"order_id": "o6", "customer_id": "anna", "ordered_at": "2024-02-03", "total_amount": "2"}',
]


@pytest.mark.parametrize("name", ["orders.jsonl", "orders.NDJSON", "orders.json.gz", "orders/1.json"])
def test_every_object_is_a_row_and_every_other_line_is_rejected(clean, home, name):
    (clean / "orders.csv").unlink()
    path = clean / name
    path.parent.mkdir(exist_ok=True)
    text = "\ufeff" + "\n".join(ORDERS).replace("Customer_ID", "customer_id")
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    result = ingest(clean, home=home, max_rejected=1)

    columns = "order_id, customer_id, total_amount, channel, tags, gift, _file, _row"
    assert read_table(home, "orders", columns) == [
        (
            *("12345678901234567890123", "anna", Decimal("12345678901234.5678")),
            *('web "a", b\nc', None, None, name, 1),
        ),
        ("o2", "ben", Decimal(10), None, '["x", {"y": 1.50}]', "true", name, 2),
        ("o6", "anna", Decimal(2), None, None, None, name, 6),
    ]
    assert read_rejected(home) == {("orders", row, "broken JSON line: no object") for row in (3, 4, 5)}
    assert {row[0] for row in read_table(home, "rejected_rows", "content ->> 'line'")} == set(ORDERS[3:6])
    assert result["tables"]["orders"] == {"read": 6, "accepted": 3, "rejected": 3}


def test_an_array_of_objects(clean, home):
    (clean / "orders.csv").unlink()
    rows = [json.loads(ORDERS[6]), "text", json.loads(ORDERS[6]) | {"order_id": "o7"}]
    (clean / "orders.json").write_text(" " + json.dumps(rows, indent=2))
    ingest(clean, home=home, max_rejected=1)

    assert read_table(home, "orders", "order_id, _row") == [("o6", 1), ("o7", 3)]
    assert read_rejected(home) == {("orders", 2, "broken JSON line: no object")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"order_id": 1}', "orders.json cannot be read: it is no whole JSON array"),
        ("[]", "orders.json holds no JSON object: write one object a line"),
        ('{"order_id": 1}', "orders.json lacks the required columns customer_id, ordered_at, total_amount"),
        ('{"Order_ID": 1}\n{"order_id": 1}', "orders.json has the column order_id more than once"),
        ("", "orders.json holds no JSON object"),
    ],
)
def test_json_that_is_no_table_is_refused(clean, home, text, said):
    (clean / "orders.csv").unlink()
    (clean / "orders.json").write_text(text)
    with pytest.raises(SourceError) as failure:
        ingest(clean, home=home)

    assert said in str(failure.value)


def test_json_beside_csv_in_one_folder(clean, home):
    (clean / "orders.csv").unlink()
    (clean / "orders").mkdir()
    (clean / "orders" / "1.csv").write_text(CLEAN["orders"])
    (clean / "orders" / "2.json").write_text(ORDERS[6])
    ingest(clean, home=home)

    assert read_table(home, "orders", "order_id, _file") == [
        ("o1", "orders/1.csv"),
        ("o2", "orders/1.csv"),
        ("o6", "orders/2.json"),
    ]
