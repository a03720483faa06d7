"""The grammar of instants: what it reads and refuses, in DuckDB, in Python and in text of a Feast source."""

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.common.errors import FeatureError
from ml.common.instant_grammar import FIRST_YEAR, LAST_YEAR, instant_of_text, parse_offset, parse_text
from ml.featurestore.retrieval.history import History, microseconds, within
from ml.featurestore.retrieval.join import read_errors

NOON = datetime(2024, 3, 1, 12)
IN_GRAMMAR = {
    "2024-03-01": datetime(2024, 3, 1),
    "2024-03-01 12:00": NOON,
    "2024-03-01T12:00:00": NOON,
    " 2024-03-01 12:00:00 ": NOON,
    "2024-03-01T12:00:00.5": NOON.replace(microsecond=500_000),
    "2024-03-01 12:00:00.123456789": NOON.replace(microsecond=123_456),
    "2024-03-01T12:00Z": NOON,
    "2024-03-01T12:00:00.000Z": NOON,
    "2024-03-01 12:00:00 Z": NOON,
    "2024-03-01 12:00:00 UTC": NOON,
    "2024-03-01 07:00:00 -0500": NOON,
    "2024-03-01 07:00:00-05": NOON,
    "2024-03-01T17:30+05:30": NOON,
    "2024-03-01 17:45:00.0000000 +05:45": NOON,
    "2024-02-29T20:01:00-15:59": NOON,
    "20240301": datetime(2024, 3, 1),
    "20240301T120000": NOON,
    "20240301T120000.25Z": NOON.replace(microsecond=250_000),
    "20240301T070000 -0500": NOON,
    "1900-01-01": datetime(1900, 1, 1),
    "2200-12-31 23:59:59.999999": datetime(2200, 12, 31, 23, 59, 59, 999_999),
}
OUTSIDE = [
    *("", " ", "NULL", "noon", "infinity", "epoch", "today"),
    *("03/01/2024", "01.03.2024", "1 Mar 2024", "2024/03/01", "2024-3-1", "24-03-01", "08-16-11", "2024-03"),
    *("2024-02-30", "2023-02-29T00:00:00Z", "2024-13-01", "2024-00-10", "0000-00-00", "2024-03-01 (BC)"),
    *("0011-08-16", "0024-03-01", "1899-12-31", "2201-01-01", "9999-12-31", "12024-03-01"),
    *("2024-03-01 24:00", "2024-03-01 12:60", "2024-03-01 12:00:60", "2024-03-01 12", "2024-03-01T"),
    *("2024-03-01 12:00:00,5", "2024-03-01 12:00:00.", "2024-03-01 12:00:00.1234567890", "2024-03-01  12:00"),
    *("2024-03-01 12:00:00 EST", "2024-03-01 12:00:00 GMT", "2024-03-01 12:00:00 Europe/Berlin"),
    *("2024-03-01 12:00:00  +01", "2024-03-01 12:00:00+1", "2024-03-01 12:00:00+16:00", "2024-03-01Z"),
    *("45352", "1709294400", "1709294400000", "2024-03-01 12:00 PM", "2024-03-01\n", "2024-03-0\u0661"),
]


def in_duckdb(text: str) -> datetime | None:
    """What DuckDB reads, where the session's zone is not UTC."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'Asia/Tokyo'")
        sql = f"select {instant_of_text('text')} from (select $1 as text)"
        ((instant,),) = connection.execute(sql, [text]).fetchall()
    return instant


@pytest.mark.parametrize("text", IN_GRAMMAR)
def test_what_is_an_instant(text: str) -> None:
    assert in_duckdb(text) == parse_text(text) == IN_GRAMMAR[text]


@pytest.mark.parametrize("text", OUTSIDE)
def test_what_is_no_instant(text: str) -> None:
    assert in_duckdb(text) is None
    with pytest.raises(ValueError):
        parse_text(text)


def test_every_year_of_the_range_and_none_beside_it() -> None:
    years = {year for year in range(1, 9999) if in_range(f"{year:04}-06-15")}
    assert years == set(range(FIRST_YEAR, LAST_YEAR + 1))


def in_range(text: str) -> bool:
    try:
        return parse_text(text) is not None
    except ValueError:
        return False


@pytest.mark.parametrize(
    ("zone", "hours"), [("+02:00", 2), ("-0330", -3.5), ("+14", 14), ("UTC+2", None), ("UTC-05:00", -5)]
)
def test_a_zone_as_an_offset(zone: str, hours: float | None) -> None:
    assert parse_offset(zone) == (None if hours is None else timedelta(hours=hours))


def test_text_of_a_source_counts_from_the_next_microsecond() -> None:
    """What is finer is rounded up, as of columns of nanoseconds: no row is seen too early."""
    texts = [
        "2024-03-01 12:00:00.000001",
        "2024-03-01 12:00:00.0000010",
        "2024-03-01 12:00:00.0000011 Z",
        None,
    ]
    with duckdb.connect() as connection:
        connection.register("rows", pa.table({"at": texts}))
        sql = f"select {microseconds('rows.at', 'VARCHAR')} - epoch_us(timestamp '{NOON}') from rows"
        assert connection.execute(sql).fetchall() == [(1,), (1,), (2,), (None,)]
        inside = within("rows.at", "VARCHAR", None, 1_709_294_400_000_001)
        assert connection.execute(f"select count(*) from rows where {inside}").fetchall() == [(2,)]


def test_text_that_is_no_instant_stops_a_source_with_a_sentence(tmp_path) -> None:
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"who": ["a"], "at": ["2024-03-01 10:00:00 CST"]}), file)
    history = History([str(file)], ["who"], "at")
    said = (
        f"^{tmp_path} could not be joined: the column at holds '2024-03-01 10:00:00 CST', which is no instant"
    )
    with (
        duckdb.connect() as connection,
        pytest.raises(FeatureError, match=said),
        read_errors(history, "joined"),
    ):
        connection.execute(f"select {microseconds('source.at', 'VARCHAR')} from {history.rows} as source")
