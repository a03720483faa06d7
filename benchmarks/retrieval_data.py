"""Made-up histories and entity rows for the benchmark of retrieval: the same for the same sizes, anywhere.

Files come in two layouts: by customer and instant, as a build writes them, and by instant, as a daily export
does. Features are whole numbers and quarters, so that their sums are exact in any order.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

BY_CUSTOMER, BY_TIME = "by customer", "by time"
FILES = 12
YEAR_MICROSECONDS = 365 * 86_400_000_000
FEATURES = ("orders", "spend", "sessions", "share")
SETTINGS: dict[str, Any] = {"threads": 2, "memory_limit": "4GB"}
HISTORY = """
select
    'C' || lpad(customer::varchar, 8, '0') as customer_id,
    make_timestamp(
        epoch_us(timestamp '2024-01-01')
        + period * {length} + (hash(customer, period, 'instant') % {length})::bigint
    ) as event_timestamp,
    (hash(customer, period, 'orders') % 50)::bigint as orders,
    (hash(customer, period, 'spend') % 40000)::double / 4 as spend,
    (hash(customer, period, 'sessions') % 300)::bigint as sessions,
    (hash(customer, period, 'share') % 400)::double / 4 as share
from range({first_customer}, {end_customer}) as customers (customer)
cross join range({first_period}, {end_period}) as periods (period)
order by {order}
"""
ASKED = """
select
    'C' || lpad((hash(number, 'customer') % {customers})::varchar, 8, '0') as customer_id,
    make_timestamp(
        epoch_us(timestamp '2024-01-01') + (hash(number, 'instant') % {year})::bigint
    ) as event_timestamp
from range({rows}) as numbers (number)
order by event_timestamp, number
"""


@dataclass(frozen=True)
class Histories:
    """Feature rows of one size and layout, in a folder of Parquet files.

    Parameters
    ----------
    root : Path
        Where all of them lie.
    customers : int
    rows_each : int
        Rows of each customer: one in each of as many equal parts of a year, at a random instant in it.
    layout : str
        BY_CUSTOMER or BY_TIME.
    """

    root: Path
    customers: int
    rows_each: int
    layout: str

    @property
    def rows(self) -> int:
        return self.customers * self.rows_each

    @property
    def folder(self) -> Path:
        return self.root / f"{self.customers}-customers-{self.rows_each}-rows-{self.layout.replace(' ', '-')}"

    def make(self) -> None:
        """Write the files, unless they are there."""
        if self.folder.exists():
            return
        making = self.folder.with_name("making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        with duckdb.connect(config=SETTINGS) as connection:
            for number in range(FILES):
                query = self.part(number)
                connection.execute(f"copy ({query}) to '{making}/part-{number:02}.parquet' (format parquet)")
        making.rename(self.folder)

    def part(self, number: int) -> str:
        """The query of one file: a part of the customers or a part of the year."""
        customers, periods = (0, self.customers), (0, self.rows_each)
        if self.layout == BY_CUSTOMER:
            customers = share(self.customers, number)
        else:
            periods = share(self.rows_each, number)
        return HISTORY.format(
            length=YEAR_MICROSECONDS // self.rows_each,
            first_customer=customers[0],
            end_customer=customers[1],
            first_period=periods[0],
            end_period=periods[1],
            order="customer, period" if self.layout == BY_CUSTOMER else "event_timestamp, customer",
        )


def share(whole: int, number: int) -> tuple[int, int]:
    """First and end of the ``number``-th of FILES parts of ``whole``."""
    return whole * number // FILES, whole * (number + 1) // FILES


def make_asked(path: Path, customers: int, rows: int) -> None:
    """Write entity rows, in the order of their instants: random customers at random instants of the year."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    query = ASKED.format(customers=customers, rows=rows, year=YEAR_MICROSECONDS)
    with duckdb.connect(config=SETTINGS) as connection:
        connection.execute(f"copy ({query}) to '{path}.making' (format parquet)")
    path.with_name(f"{path.name}.making").rename(path)
