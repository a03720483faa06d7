"""Excel workbooks: what their cells mean, and the cell of every fault."""

from pathlib import Path

import pytest

from ml.common.errors import SourceError
from ml.home.layout import Home
from ml.ingest import ingest
from ml.ingest.rejection_examples import example_text
from tests.ml.ingest.excel_files import Error, Serial, Sheet, write_workbook
from tests.ml.ingest.worlds import read_rejected, read_table

HEADER: list[object] = ["customer_id", "registered_at", "city", "email_verified", "birth_date"]
CUSTOMERS = Sheet(
    [
        HEADER,
        [10.0, Serial(45292.5), "Ulm", True, Serial(32874)],
        ["0042", Serial(45292), 89073.0, False, None],
        ["anna", "2024-01-03T10:00:00+01:00", None, None, "1990-05-01"],
    ]
)
ORDERS = Sheet(
    [
        ["order_id", "customer_id", "ordered_at", "total_amount"],
        [1.0, 10.0, Serial(45300.25), 0.1 + 0.2],
        [2.0, "0042", Serial(45300.25), "7.50"],
    ]
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    sheets = {
        "Customers": CUSTOMERS,
        "orders": ORDERS,
        "Notes": Sheet([["hello"]]),
        "old": Sheet([["x"]], hidden=True),
    }
    return write_workbook(tmp_path / "shop.xlsx", sheets)


def only_customers(folder: Path, sheet: Sheet, date1904: bool = False) -> Path:
    """A folder whose customers are a workbook."""
    folder.mkdir(exist_ok=True)
    write_workbook(folder / "customers.xlsx", {"Sheet1": sheet}, date1904)
    customer = int(sheet.rows[1][0]) if sheet is CUSTOMERS else "a"  # type: ignore[call-overload]
    (folder / "orders.csv").write_text(
        f"order_id,customer_id,ordered_at,total_amount\no1,{customer},2024-03-01,1\n"
    )
    return folder


def test_sheets_of_a_workbook_are_tables(book: Path, home: Home) -> None:
    """An id that is a number has no fraction; texts keep their zeros; a date cell is an instant or a day."""
    result = ingest(book, home=home)
    assert read_table(
        home, "customers", "customer_id, registered_at::varchar, city, email_verified, birth_date::varchar"
    ) == [
        ("0042", "2024-01-01 00:00:00", "89073", False, None),
        ("10", "2024-01-01 12:00:00", "Ulm", True, "1990-01-01"),
        ("anna", "2024-01-03 09:00:00", None, None, "1990-05-01"),
    ]
    assert read_table(home, "orders", "order_id, customer_id, total_amount::varchar, _file, _row") == [
        ("1", "10", "0.3000", "shop.xlsx, sheet orders", 1),
        ("2", "0042", "7.5000", "shop.xlsx, sheet orders", 2),
    ]
    assert result["not_read"] == ["sheet Notes", "sheet old (hidden)"]


def test_a_workbook_that_bears_a_tables_name_is_that_table(tmp_path: Path, home: Home) -> None:
    result = ingest(only_customers(tmp_path / "raw", CUSTOMERS), home=home)
    assert result["tables"]["customers"] == {"read": 3, "accepted": 3, "rejected": 0}


def test_dates_since_1904_and_milliseconds_before_midnight(tmp_path: Path, home: Home) -> None:
    """A day less a part of a millisecond is midnight in a float of 15 digits: that of the next day."""
    sheet = Sheet(
        [HEADER[:2], ["a", Serial(43830)], ["b", Serial(43830.9999999999)], ["c", Serial(43830.99999)]]
    )
    ingest(only_customers(tmp_path / "raw", sheet, date1904=True), home=home)
    assert read_table(home, "customers", "registered_at::varchar") == [
        ("2024-01-01 00:00:00",),
        ("2024-01-01 23:59:59.136",),
        ("2024-01-02 00:00:00",),
    ]


def test_every_fault_names_its_cell(tmp_path: Path, home: Home) -> None:
    sheet = Sheet(
        [
            HEADER[:3],
            ["a", Serial(45292), "Ulm"],
            ["b", Serial(45292), Error("#N/A")],
            ["c", "soon", "Bonn"],
            [4929000000012345678.0, Serial(45292), "Kiel"],
            [None, None, None],
            ["d", Serial(45292), "Hof"],
            [None, None, "  "],
            [None, None, None],
        ]
    )
    result = ingest(only_customers(tmp_path / "raw", sheet), home=home, max_rejected=1)
    assert result["tables"]["customers"] == {"read": 6, "accepted": 2, "rejected": 4}
    too_long = "customer_id has more than 15 digits, of which Excel keeps 15"
    assert read_rejected(home) == {
        ("customers", 2, "city is an Excel error"),
        ("customers", 3, "registered_at is not an instant"),
        ("customers", 4, too_long),
        ("customers", 5, "customer_id is missing; registered_at is missing"),
    }
    texts = {example["reason"]: example_text(example) for example in result["examples"]}
    assert texts["customers: city is an Excel error"] == "'#N/A' in customers.xlsx, sheet Sheet1, C3"
    assert texts["customers: registered_at is not an instant"].startswith(
        "'soon' in customers.xlsx, sheet Sheet1, B4"
    )
    assert texts[f"customers: {too_long}"].endswith("in customers.xlsx, sheet Sheet1, A5")
    assert texts["customers: customer_id is missing"] == "in customers.xlsx, sheet Sheet1, A6"


@pytest.mark.parametrize(
    ("sheet", "sentence"),
    [
        (Sheet([["customer_id", "city", "City"]]), "sheet Sheet1, C1 is called City, as is B1"),
        (Sheet([["customer_id", None, "city"], ["a", "b", "c"]]), "sheet Sheet1, B1 is an empty header"),
        (Sheet([[], HEADER]), "sheet Sheet1, A1 is empty: the header must be in the first row"),
        (Sheet([HEADER], merged=["B1:C1"]), "sheet Sheet1, B1:C1 is a merged header"),
        (Sheet([]), "sheet Sheet1 is empty"),
        (Sheet([["customer_id", "city"]]), "sheet Sheet1 lacks the required column registered_at"),
    ],
)
def test_headers_that_do_not_stand_for_one_column(
    tmp_path: Path, home: Home, sheet: Sheet, sentence: str
) -> None:
    with pytest.raises(SourceError, match=sentence):
        ingest(only_customers(tmp_path / "raw", sheet), home=home)


def test_sheets_that_are_not_told_apart(tmp_path: Path, home: Home) -> None:
    folder = only_customers(tmp_path / "raw", CUSTOMERS)
    write_workbook(folder / "customers.xlsx", {"2023": CUSTOMERS, "2024": CUSTOMERS})
    with pytest.raises(SourceError, match="has the sheets 2023, 2024: name the one to be read customers"):
        ingest(folder, home=home)
    (folder / "customers.xlsx").write_bytes(b"no workbook")
    with pytest.raises(SourceError, match=r"customers\.xlsx cannot be read as an Excel workbook"):
        ingest(folder, home=home)
    book = write_workbook(tmp_path / "other.xlsx", {"2023": CUSTOMERS})
    with pytest.raises(SourceError, match=r"other\.xlsx has no sheet of a raw table, only 2023"):
        ingest(book, home=home)
