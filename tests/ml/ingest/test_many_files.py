"""Files of one table are read together, whatever their number; file and row of every row stay exact."""

import random
from collections import Counter
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.ingest import ingest
from ml.ingest.csv_files import stage_csv
from ml.ingest.declaration import raw_table
from ml.ingest.parquet_files import stage_parquet
from tests.ml.ingest.worlds import read_table

HEADER = "session_id,customer_id,started_at"


class Counting:
    """A connection that counts its queries."""

    def __init__(self):
        self.connection, self.queries = duckdb.connect(), 0

    def execute(self, query):
        self.queries += 1
        return self.connection.execute(query)


def write_csv(folder, number):
    """``number`` files of one session each."""
    for one in range(number):
        (folder / f"{one:04}.csv").write_text(f"{HEADER}\ns{one},anna,2024-02-01\n")


def write_parquet(folder, number):
    """The same as Parquet."""
    for one in range(number):
        columns = {"session_id": [f"s{one}"], "customer_id": ["anna"], "started_at": ["2024-02-01"]}
        pq.write_table(pa.table(columns), folder / f"{one:04}.parquet")


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_three_hundred_files_need_no_more_queries_than_two(tmp_path, write):
    queries = Counter()
    for number in (2, 300):
        root = tmp_path / str(number)
        folder = root / "sessions"
        folder.mkdir(parents=True)
        write(folder, number)
        files = {str(path.relative_to(root)): path for path in sorted(folder.iterdir())}
        counting: Any = Counting()
        if write is write_csv:
            parts = stage_csv(counting, raw_table("sessions"), files, "sessions", tmp_path)
        else:
            parts = stage_parquet(counting, raw_table("sessions"), root, files, "sessions")
        queries[number] = counting.queries
        rows = counting.connection.execute(f'select "__file", "__row" from {parts[0].relation}').fetchall()
        assert (len(parts), set(rows)) == (1, {(label, 1) for label in files})

    assert queries[300] == queries[2] < 10


def test_file_and_row_of_every_row_of_files_of_several_headers(clean, home):
    drawn = random.Random(5)
    (clean / "sessions").mkdir()
    written = set()
    for one in range(40):
        count, has_views, end = drawn.randrange(5), drawn.random() < 0.5, drawn.choice(["\n", "\r\n"])
        rows = [f"s{one}-{row},anna,2024-02-01" + ",7" * has_views for row in range(count)]
        text = end.join([HEADER + ",page_views" * has_views, *rows]) + end * drawn.randrange(2)
        (clean / "sessions" / f"[{one}]*.csv").write_bytes(text.encode())
        written |= {
            (f"sessions/[{one}]*.csv", row + 1, f"s{one}-{row}", 7 if has_views else None)
            for row in range(count)
        }
    result = ingest(clean, home=home)

    assert set(read_table(home, "sessions", "_file, _row, session_id, page_views")) == written
    assert result["files"]["sessions"] == 40
