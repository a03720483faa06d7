"""Forms of values that are stated as options: what is read as what, and that nothing else is guessed."""

import gzip
from datetime import date, datetime
from decimal import Decimal

import pytest
from click.testing import CliRunner

from ml.cli.ingest import command
from ml.common.errors import UsageError
from ml.ingest import ingest
from ml.ingest.manifest import read_load_manifest
from tests.ml.ingest.worlds import read_rejected, read_table

CUSTOMERS = "customer_id,registered_at\nanna,2024-01-01\n"
ORDERS = "order_id;customer_id;ordered_at;total_amount\n"


def orders_of(values: list[str], amount: str = "1") -> str:
    return ORDERS + "".join(f"{number:02};anna;{value};{amount}\n" for number, value in enumerate(values))


def amounts_of(values: list[str]) -> str:
    return ORDERS + "".join(f'{number:02};anna;2024-02-01;"{value}"\n' for number, value in enumerate(values))


def read_dates(folder, home, values: list[str], **options) -> list[datetime | None]:
    ingest(folder(customers=CUSTOMERS, orders=orders_of(values)), home=home, max_rejected=1, **options)
    found = dict(read_table(home, "orders", "order_id, ordered_at"))
    return [found.get(f"{number:02}") for number in range(len(values))]


def read_amounts(folder, home, values: list[str], **options) -> list[Decimal | None]:
    ingest(folder(customers=CUSTOMERS, orders=amounts_of(values)), home=home, max_rejected=1, **options)
    found = dict(read_table(home, "orders", "order_id, total_amount"))
    return [found.get(f"{number:02}") for number in range(len(values))]


@pytest.mark.parametrize(
    ("written", "values", "read"),
    [
        ("%d.%m.%Y", ["01.02.2024", "1.2.2024", "31.12.2024"], [(2024, 2, 1), (2024, 2, 1), (2024, 12, 31)]),
        ("%m/%d/%Y", ["02/13/2024", "2/1/2024"], [(2024, 2, 13), (2024, 2, 1)]),
        ("%d-%m-%y", ["08-11-16", "09-11-17"], [(2016, 11, 8), (2017, 11, 9)]),
        ("%d %b %Y", ["3 Mar 2024"], [(2024, 3, 3)]),
        ("%d.%m.%Y %H:%M", ["01.02.2024 13:05"], [(2024, 2, 1, 13, 5)]),
        (
            "%m/%d/%Y %I:%M %p",
            ["2/1/2024 1:05 PM", "2/1/2024 12:05 AM"],
            [(2024, 2, 1, 13, 5), (2024, 2, 1, 0, 5)],
        ),
        ("%d.%m.%Y %H:%M:%S.%f", ["01.02.2024 13:05:06.000001"], [(2024, 2, 1, 13, 5, 6, 1)]),
        ("%d.%m.%Y %H:%M %z", ["01.02.2024 13:05 +0200"], [(2024, 2, 1, 11, 5)]),
    ],
)
def test_dates_are_read_by_the_stated_format(folder, home, written, values, read):
    assert read_dates(folder, home, values, date_formats=[written]) == [datetime(*parts) for parts in read]


def test_what_neither_the_format_nor_iso_reads_is_rejected(folder, home):
    values = ["01.02.2024", "2024-02-03", "02/03/2024", "32.01.2024", "01.02.24", "epoch", "01.02.2024 10:00"]
    values += ["01.02.0024", "30.02.2024"]
    read = read_dates(folder, home, values, date_formats=["%d.%m.%Y"])
    assert read == [datetime(2024, 2, 1), datetime(2024, 2, 3), *[None] * 7]
    assert {reason for _, _, reason in read_rejected(home)} == {"ordered_at is not an instant"}


def test_the_zone_counts_for_instants_without_an_offset_and_not_for_dates(folder, home):
    customers = "customer_id,registered_at,birth_date\nanna,01.07.2024 12:00,31.12.1999\n"
    orders = ORDERS + "o1;anna;01.07.2024 14:00;1\no2;anna;01.07.2024 14:00 +0500;1\n"
    ingest(
        folder(customers=customers, orders=orders),
        home=home,
        timezone="Europe/Berlin",
        date_formats=["%d.%m.%Y %H:%M", "%d.%m.%Y", "%d.%m.%Y %H:%M %z"],
    )
    assert read_table(home, "customers", "registered_at, birth_date") == [
        (datetime(2024, 7, 1, 10), date(1999, 12, 31))
    ]
    assert read_table(home, "orders", "order_id, ordered_at") == [
        ("o1", datetime(2024, 7, 1, 12)),
        ("o2", datetime(2024, 7, 1, 9)),
    ]


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        (["%d.%q.%Y"], "is no format"),
        (["%d.%m."], "does not say the whole date"),
        (["%Y-%m"], "does not say the whole date"),
        (["%d.%m.%Y %I:%M"], "does not say the whole date"),
        (["%Y-%d-%m"], "reads 2024-02-03 as 2024-03-02"),
        (["%Y%d%m"], "reads 2024-02-03 as 2024-03-02"),
        (["%d.%m.%Y %H:%M %Z"], "names of zones mean several"),
        (["%d/%m/%Y", "%m/%d/%Y"], "read one text as two days"),
        (["%d-%m-%y", "%y-%m-%d"], "read one text as two days"),
    ],
)
def test_a_format_that_leaves_a_guess_is_refused(clean, home, formats, message):
    with pytest.raises(UsageError, match=message):
        ingest(clean, home=home, date_formats=formats)
    assert not home.raw.joinpath("current").exists()


@pytest.mark.parametrize(
    ("options", "read", "rejected"),
    [
        (
            {"decimal_comma": True},
            {"12,50": "12.5", "-3,1": "-3.1", ",5": ".5", "7": "7", "1e+02": "100"},
            ["1.234,50", "12.50", "1.234", "€ 3,10"],
        ),
        (
            {"decimal_comma": True, "thousands": "."},
            {"1.234,50": "1234.5", "12.345.678,9": "12345678.9", "1234,50": "1234.5", "1.234": "1234"},
            ["12.50", "1.23,50", "1,234.50", "1234.567", ".123"],
        ),
        (
            {"thousands": ","},
            {"1,234.50": "1234.5", "-1,234": "-1234", "0.50": ".5"},
            ["1.234,50", "12,50", "1,2345", "1,234,56"],
        ),
        ({"thousands": "'"}, {"1'234.50": "1234.5"}, ["1,234.50"]),
        (
            {"decimal_comma": True, "thousands": " "},
            {"1 234,50": "1234.5", "1\u00a0234,50": "1234.5", "1\u202f234,50": "1234.5"},
            ["1  234,50", "1 23"],
        ),
        (
            {"currencies": ["€", "EUR"]},
            {
                "€12.50": "12.5",
                "12.50 EUR": "12.5",
                "-€3": "-3",
                "€-3": "-3",
                "12.50\u00a0€": "12.5",
                "4": "4",
            },
            ["$12.50", "12.50 USD", "12.50 EURO", "-€-3", "€"],
        ),
        (
            {"currencies": ["R$"], "decimal_comma": True, "thousands": "."},
            {"R$ 1.234,50": "1234.5"},
            ["R 1,00"],
        ),
    ],
)
def test_amounts_are_read_by_the_stated_form_and_no_other(folder, home, options, read, rejected):
    found = read_amounts(folder, home, [*read, *rejected], **options)
    assert found == [*map(Decimal, read.values()), *[None] * len(rejected)]


def test_whole_numbers_have_thousands_and_no_currency(folder, home):
    sessions = (
        "session_id;customer_id;started_at;page_views\n1;anna;2024-02-01;1.234\n2;anna;2024-02-01;€ 3\n"
    )
    tables = {"customers": CUSTOMERS, "orders": orders_of(["2024-02-01"]), "sessions": sessions}
    options = {"decimal_comma": True, "thousands": ".", "currencies": ["€"]}
    ingest(folder(**tables), home=home, max_rejected=1, **options)
    assert read_table(home, "sessions", "session_id, page_views") == [("1", 1234)]
    assert read_rejected(home) == {("sessions", 2, "page_views is not a whole number")}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"thousands": "."}, "is also the mark of decimals: give --decimal-comma"),
        ({"thousands": ",", "decimal_comma": True}, "is also the mark of decimals"),
        ({"thousands": "x"}, "--thousands is one of"),
        ({"currencies": ["1"]}, "could be part of a number"),
        ({"currencies": [" "]}, "--currency is empty"),
        ({"nulls": [""]}, "--null is empty"),
        ({"encoding": "klingon"}, "there is no encoding 'klingon'"),
        ({"encoding": "hex"}, "there is no encoding 'hex'"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(clean, home, options, message):
    with pytest.raises(UsageError, match=message):
        ingest(clean, home=home, **options)


def test_stated_markers_are_missing_in_every_column_and_counted(folder, home):
    customers = (
        "customer_id,registered_at,city,birth_date\nanna,2024-01-01,-,-\nben,2024-01-01,?,1990-01-01\n"
    )
    result = ingest(folder(customers=customers), home=home, nulls=["-", "?", "Unbekannt"])

    assert read_table(home, "customers", "customer_id, city, birth_date") == [
        ("anna", None, None),
        ("ben", None, date(1990, 1, 1)),
    ]
    assert [(each["column"], each["text"], each["rows"], each["read_as"]) for each in result["markers"]] == [
        ("birth_date", "-", 1, "missing"),
        ("city", "-", 1, "missing"),
        ("city", "?", 1, "missing"),
    ]


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "utf-16", "utf-16-le", "mac-roman", "cp850"])
@pytest.mark.parametrize("packed", [False, True])
def test_files_of_another_encoding_are_read(tmp_path, home, encoding, packed):
    folder = tmp_path / "raw"
    folder.mkdir()
    texts = {
        "customers.csv": 'customer_id,registered_at,city\nü,2024-01-01,Zürich\nß,2024-01-01,"St.\nPölten"\n',
        "orders.jsonl": '{"order_id": 1, "customer_id": "ü", "ordered_at": "2024-02-01", "total_amount": 1}',
        "sessions.tsv": "session_id\tcustomer_id\tstarted_at\ns,1\tß\t2024-02-01\n",
    }
    for name, text in texts.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode(encoding)))
        else:
            (folder / name).write_bytes(text.encode(encoding))
    ingest(folder, home=home, encoding=encoding)

    assert read_table(home, "customers", "customer_id, city") == [("ß", "St.\nPölten"), ("ü", "Zürich")]
    assert read_table(home, "orders", "customer_id") == [("ü",)]
    assert read_table(home, "sessions", "session_id, customer_id") == [("s,1", "ß")]


def test_bytes_that_are_no_character_of_the_encoding_cost_their_line_alone(tmp_path, home):
    folder = tmp_path / "raw"
    folder.mkdir()
    rows = b"customer_id,registered_at\n\xfc,2024-01-01\n\x81,2024-01-01\nanna,2024-01-01\n"
    (folder / "customers.csv").write_bytes(rows)
    (folder / "orders.csv").write_text("order_id,customer_id,ordered_at,total_amount\no1,anna,2024-02-01,1\n")
    ingest(folder, home=home, encoding="cp1252", max_rejected=1)

    assert read_table(home, "customers", "customer_id") == [("anna",), ("ü",)]
    assert [(table, row) for table, row, _ in read_rejected(home)] == [("customers", 2)]


def test_an_encoding_is_refused_where_the_source_says_its_own(tmp_path, home):
    with pytest.raises(UsageError, match="says its own"):
        ingest("sqlite:///shop.db", home=home, encoding="latin-1")


def test_the_command_takes_each_option_and_the_manifest_keeps_it(tmp_path, folder, home):
    customers = "customer_id;registered_at;city\nanna;01.01.2024;k.A.\n".encode("cp1252")
    raw = folder(orders=ORDERS + "o1;anna;01.02.2024;1.234,50 €\n")
    (raw / "customers.csv").write_bytes(customers)
    (raw / "orders.csv").write_bytes((raw / "orders.csv").read_text().encode("cp1252"))
    options = ["--encoding", "cp1252", "--date-format", "%d.%m.%Y", "--decimal-comma", "--thousands", "."]
    options += ["--currency", "€", "--null", "k.A."]
    ended = CliRunner().invoke(
        command, [str(raw), "--home", str(home.root), *options], catch_exceptions=False
    )

    assert ended.exit_code == 0, ended.output
    assert read_table(home, "orders", "ordered_at, total_amount") == [
        (datetime(2024, 2, 1), Decimal("1234.5"))
    ]
    assert read_table(home, "customers", "city") == [(None,)]
    assert read_load_manifest(home.current_load())["ingests"][0]["formats"] == {
        "encoding": "cp1252",
        "dates": ["%d.%m.%Y"],
        "decimal_comma": True,
        "thousands": ".",
        "currencies": ["€"],
        "missing": ["k.A."],
    }


def test_a_demonstration_takes_no_formats(home):
    ended = CliRunner().invoke(command, ["--demo", "shop", "--home", str(home.root), "--decimal-comma"])
    assert ended.exit_code == 2
    assert "leave the options of formats out" in ended.output
