"""The true probability of the shop is true: it agrees with what happened, within the error of counting."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from ml.demos.shop import write_shop

WEEKS_APART = 5
"""Cut-offs this far apart share no horizon of 30 days."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Truth and outcome at every fifth cut-off: customer, p, and churned by all that is known at the end."""
    folder = tmp_path_factory.mktemp("truth") / "raw"
    write_shop(folder, customers=8_000, seed=11)
    connection = duckdb.connect()
    connection.read_parquet(str(folder / "orders.parquet")).create_view("orders")
    connection.read_parquet(str(folder.parent / "truth" / "true_probability.parquet")).create_view("truth")
    return connection.sql(
        f"""
        with kept as (
            select customer_id, ordered_at from orders
            group by order_id, customer_id, ordered_at
            having count(cancelled_at) + count(returned_at) = 0
        )

        select truth.customer_id, true_probability as p, (count(kept.ordered_at) = 0)::bigint as churned
        from truth
        left join kept
            on kept.customer_id = truth.customer_id
            and ordered_at > event_timestamp and ordered_at <= event_timestamp + interval 30 day
        where event_timestamp <= timestamp '2025-01-01' - interval 30 day
            and date_diff('day', date '1970-01-05', event_timestamp) % {7 * WEEKS_APART} = 0
        group by truth.customer_id, event_timestamp, p
        """
    ).fetchnumpy()


def deviation_in_errors(p: np.ndarray, churned: np.ndarray) -> float:
    """Observed minus expected churners, in standard errors of the count."""
    return float((churned - p).sum() / np.sqrt((p * (1 - p)).sum()))


def test_share_of_churners_is_as_told(outcomes: dict[str, np.ndarray]) -> None:
    assert len(outcomes["p"]) > 20_000
    assert abs(deviation_in_errors(outcomes["p"], outcomes["churned"])) < 4


def test_every_band_of_probability_is_as_told(outcomes: dict[str, np.ndarray]) -> None:
    band = np.minimum((outcomes["p"] * 10).astype(int), 9)
    for one in range(10):
        rows = band == one
        assert abs(deviation_in_errors(outcomes["p"][rows], outcomes["churned"][rows])) < 4, one


def test_problem_is_neither_trivial_nor_hopeless(outcomes: dict[str, np.ndarray]) -> None:
    from sklearn.metrics import roc_auc_score

    assert 0.25 < outcomes["churned"].mean() < 0.45
    assert 0.80 < roc_auc_score(outcomes["churned"], outcomes["p"]) < 0.90


def test_rows_are_customers_with_a_recent_order_on_mondays(tmp_path: Path) -> None:
    write_shop(tmp_path / "raw", customers=300)
    truth, orders = tmp_path / "truth" / "true_probability.parquet", tmp_path / "raw" / "orders.parquet"
    missing, mondays, rows, keys, low, high = duckdb.sql(
        f"""
        with recent as (
            select distinct customer_id, monday as event_timestamp
            from '{orders}'
            join range(timestamp '2023-01-02', timestamp '2025-01-01', interval 7 day) as mondays (monday)
                on ordered_at <= monday and ordered_at > monday - interval 90 day
            where greatest(ordered_at, loaded_at) <= monday
        )

        select
            (select count(*) from recent anti join '{truth}' using (customer_id, event_timestamp)),
            count(distinct event_timestamp),
            count(*),
            count(distinct (customer_id, event_timestamp)),
            min(true_probability),
            max(true_probability),
        from '{truth}'
        """
    ).fetchall()[0]
    assert missing == 0
    assert mondays == 105
    assert rows == keys
    assert 0 < low < high < 1
