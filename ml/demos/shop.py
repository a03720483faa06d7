"""The demo shop: two simulated years (2023 and 2024) of a shop's raw tables, and the true probabilities.

    <folder>/{customers,orders,order_items,support_tickets,sessions}.parquet
    <folder>/../truth/true_probability.parquet

Customers are made in blocks of a fixed size, each from its own random streams, so memory does not grow with
their number. Next: ``shop_process``, ``shop_truth``, ``shop_tables``, ``shop_orders``, ``shop_tickets``.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.common.errors import UsageError
from ml.common.progress import SILENT, Progress
from ml.demos import shop_process as process
from ml.demos.climate import STEADY, Climate
from ml.demos.shop_orders import orders_and_items
from ml.demos.shop_tables import customers as customer_table
from ml.demos.shop_tables import sessions
from ml.demos.shop_tickets import support_tickets
from ml.demos.shop_truth import true_probability

BLOCK = 5_000  # customers in memory at once; changing it changes the data of a seed
FEWEST, MOST = 1, 9_999_999
TRUTH = "true_probability"


def write_shop(
    folder: Path,
    customers: int = 5_000,
    seed: int = 7,
    progress: Progress = SILENT,
    as_of: datetime | None = None,
    climate: Climate = STEADY,
) -> None:
    """Write the raw tables to ``folder``, and the true probabilities to ``truth/`` beside it.

    The same customers and seed give the same rows. An extract as of T holds exactly the rows and versions of
    the whole that were known by T; a later change of a row is a later version, never an update in place.

    Parameters
    ----------
    folder : Path
        The folder to write to; it is made if missing, and its tables are replaced.
    customers : int
        The number of customers; each has about 7.4 orders.
    seed : int
        Seed of all random numbers.
    progress : Progress
        Shows a bar with a step per block.
    as_of : datetime, optional
        An instant of 2023 or 2024, naive UTC; by default 2025-01-01, the end of the data.
    climate : Climate, optional
        Season, trend and a change of how fast customers leave. Only the steady shop's true probabilities are
        known, so no others are written.

    Raises
    ------
    UsageError
        The number of customers, the seed or the instant is outside its range.
    """
    as_of = as_of or process.END
    _check(customers, seed, as_of)
    instant = process.microseconds(as_of)
    truth = folder.parent / "truth"
    for directory in (folder, truth):
        directory.mkdir(parents=True, exist_ok=True)
    blocks = -(-customers // BLOCK)
    with ExitStack() as files, progress.bar("making the shop", blocks) as bar:
        writers: dict[str, pq.ParquetWriter] = {}
        for tables in _blocks(customers, seed, instant, climate):
            for name, table in tables.items():
                if name not in writers:
                    path = (truth if name == TRUTH else folder) / f"{name}.parquet"
                    writers[name] = files.enter_context(
                        pq.ParquetWriter(path, table.schema, compression="zstd")
                    )
                writers[name].write_table(table)
            bar.step()


def _check(customers: int, seed: int, as_of: datetime) -> None:
    if not FEWEST <= customers <= MOST:
        raise UsageError(f"the shop can have {FEWEST} to {MOST} customers, not {customers}")
    if seed < 0:
        raise UsageError(f"a seed is 0 or more, not {seed}")
    if not process.START <= as_of <= process.END:
        raise UsageError(
            f"the shop's data runs from {process.START:%Y-%m-%d} to {process.END:%Y-%m-%d}, not to {as_of}"
        )


def _blocks(customers: int, seed: int, as_of: int, climate: Climate) -> Iterator[dict[str, pa.Table]]:
    """The tables of each block of customers in turn."""
    for number, start in enumerate(range(0, customers, BLOCK)):
        streams = iter([np.random.default_rng([seed, number, stream]) for stream in range(5)])
        block = process.simulate(1 + start, min(BLOCK, customers - start), next(streams), climate)
        orders, items = orders_and_items(block, as_of, next(streams))
        tables = {
            "customers": customer_table(block, as_of, next(streams)),
            "orders": orders,
            "order_items": items,
            "support_tickets": support_tickets(block, as_of, next(streams)),
            "sessions": sessions(block, as_of, next(streams)),
        }
        yield tables | ({TRUTH: true_probability(block, as_of)} if climate == STEADY else {})
