"""Activity of several streams and totals as a pace: which inputs they find, and their columns by hand."""

import numpy as np

from ml.model.activity import Activity, find_streams
from ml.model.pace import Pace, find_totals
from ml.model.repeat_purchase import Histories, Parameters, purchase_probability

NAN = np.nan
NAMES = [
    "tenure_days",
    "orders_30d",
    "orders_365d",
    "sessions_30d",
    "sessions_365d",
    "tickets_30d",
    "orders_placed_lifetime",
    "days_since_last_order",
    "days_since_last_session",
    "days_since_first_order",
]


def test_streams_share_their_longest_common_window() -> None:
    found = find_streams(NAMES)
    assert found is not None
    assert found.counts == ("orders_365d", "sessions_365d")
    assert found.silences == ("days_since_last_order", "days_since_last_session")
    with_tickets = find_streams([*NAMES, "days_since_last_ticket"])
    assert with_tickets is not None
    assert (with_tickets.window_days, with_tickets.counts[2]) == (30, "tickets_30d")


def test_one_stream_or_no_tenure_is_no_activity() -> None:
    assert find_streams(["tenure_days", "orders_30d", "days_since_last_order"]) is None
    assert find_streams(NAMES[1:]) is None


def test_activity_by_hand() -> None:
    """Tenure, orders and sessions in 365 days, days since each: the silence is the shorter of the two."""
    values = np.array([[730, 10, 20, 40, 5], [100, 1, 0, 50, NAN], [NAN] * 5, [20, 0, 0, NAN, NAN]])
    model = Activity(30, 365).fit(np.vstack([values, values]), np.array([0, 1, 0, 1] * 2))
    found = model.transform(values)
    np.testing.assert_allclose(found[:, 0], [5, 50, NAN, NAN])
    np.testing.assert_allclose(found[:2, 1], [30, 1])
    np.testing.assert_allclose(found[:, 2], [30 * 5 / 365, 1 * 50 / 100, NAN, NAN])
    seen = Histories(np.array([30.0]), np.array([360.0]), np.array([365.0]))
    stays = purchase_probability(Parameters(*model.habits_), seen, 30, True)[0]
    np.testing.assert_allclose(found[0, 3], np.log((1 - stays) / stays), rtol=1e-9)


def test_alone_and_among_many_are_the_same_to_the_bit() -> None:
    random = np.random.default_rng(0)
    values = random.uniform(1, 300, (400, 5))
    model = Activity(30, 365).fit(values, random.integers(0, 2, 400))
    alone = np.vstack([model.transform(row[None, :]) for row in values])
    np.testing.assert_array_equal(alone, model.transform(values))


def test_totals_that_grow_with_the_data_become_a_pace() -> None:
    found = find_totals(NAMES)
    assert found is not None
    assert found.columns == [
        "tenure_days",
        "orders_placed_lifetime",
        "orders_365d",
        "sessions_365d",
        "days_since_last_order",
    ]
    assert found.replaced == {"tenure_days", "orders_placed_lifetime", "days_since_first_order"}
    assert find_totals(NAMES[1:]) is None


def test_pace_by_hand() -> None:
    """730 days, 10 orders ever, 6 orders and 73 sessions in 365 days, none for 146: it lacks two."""
    values = np.array([[730.0, 10, 6, 73, 146], [0.5, 1, 1, 2, 0.5], [NAN, 1, 1, 1, 1]])
    found = Pace(lifetime=1, windowed=2, window_days=365, placed=0).fit_transform(values)
    np.testing.assert_allclose(found[0], [10 / 730, 6 / 365, 0.2, 2.0])
    np.testing.assert_allclose(found[1], [1, 1, 2, 0.5])
    assert np.isnan(found[2]).all()
