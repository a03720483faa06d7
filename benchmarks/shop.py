"""One shop of the benchmark: its folder, its raw tables and its file of entity rows."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from ml.common.progress import Progress
from ml.demos.shop import write_shop
from ml.home.layout import Home

SEED = 7


@dataclass(frozen=True)
class Shop:
    """A shop of ``customers`` customers; all that is about it lies under ``folder``."""

    folder: Path
    customers: int

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def home(self) -> Home:
        return Home(self.folder / "home")

    @property
    def asked(self) -> Path:
        return self.folder / "asked.parquet"

    @property
    def bare(self) -> Path:
        return self.folder / "bare"

    def make_raw(self, progress: Progress, fresh: bool = False) -> None:
        """Write the raw tables, unless they are there."""
        if self.raw.exists() and not fresh:
            return
        making = self.folder / "making"
        shutil.rmtree(making, ignore_errors=True)
        write_shop(making / "raw", customers=self.customers, seed=SEED, progress=progress)
        shutil.rmtree(self.raw, ignore_errors=True)
        (making / "raw").rename(self.raw)
        shutil.rmtree(making)

    def raw_rows(self) -> dict[str, int]:
        """Accepted rows of each raw table."""
        return {name: table["accepted"] for name, table in self.load_record()["tables"].items()}

    def load_record(self) -> dict[str, Any]:
        return json.loads((self.home.current_load() / "load.json").read_text())

    def built_rows(self) -> dict[str, int]:
        """Rows of each table of the published build."""
        return json.loads((self.home.current_build() / "build.json").read_text())["rows"]

    def make_asked(self, rows: int) -> None:
        """Write ``rows`` random customers, each at an instant since registration; the same every time."""
        clock = self.load_record()["data_clock"]
        query = f"""
            with customers as (
                select
                    row_number() over (order by customer_id) - 1 as number,
                    customer_id,
                    min(epoch_us(registered_at)) as first
                from read_parquet('{self.home.current_load()}/customers/*.parquet')
                group by customer_id
            ),
            drawn as (
                select
                    i,
                    (hash(i, 'customer') % {self.customers})::bigint as number,
                    hash(i, 'instant') as draw
                from range({rows}) as asked (i)
            )
            select
                customers.customer_id,
                make_timestamp((first + draw % (clock - first + 1))::bigint) as event_timestamp
            from drawn
            inner join customers using (number)
            cross join (select epoch_us(timestamp '{clock}') as clock)
            order by i
        """
        with duckdb.connect() as connection:
            connection.execute(f"copy ({query}) to '{self.asked}' (format parquet)")
