"""Frozen windows: true windows pass; one that does not fall, or falls only with the next event, is named."""

import re
from pathlib import Path

import pytest

from ml.audit.raw_facts import events
from ml.audit.windows import check, windows_of
from tests.ml.audit.audit_context import audit_context, copied, rewrite
from tests.worlds import Built

FAR = "2026-01-01T23:22:42.000745Z"


@pytest.fixture
def home(shop: Built, tmp_path: Path) -> Path:
    return copied(shop.home, tmp_path / "home")


def spoiled(home: Path, tmp_path: Path, model: str, select: str) -> dict[str, int]:
    """What is said once the rows of a feature model are those of ``select``."""
    audit = audit_context(home, tmp_path / "scratch")
    rewrite(audit.build / "features" / model, select)
    return {breach.what: breach.count for breach in check(audit).breaches}


def test_which_features_have_a_window(shop: Built, tmp_path: Path) -> None:
    catalog = audit_context(shop.home, tmp_path).catalog
    days = {window.name: window.days for window in windows_of(catalog)}
    assert days["orders_7d"] == 7
    assert days["items_365d"] == 365
    assert days["resolution_seconds_90d"] == 90
    assert days["average_order_value_30d"] == 30
    assert days.keys().isdisjoint({"orders_lifetime", "open_tickets", "order_trend", "last_order_at"})
    assert set(days) == {name for name in catalog.feature_names if re.search(r"_\d+d$", name)}


@pytest.mark.parametrize("place", ["shop", "world"])
def test_true_windows_pass(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    built: Built = request.getfixturevalue(place)
    audit = audit_context(built.home, tmp_path)
    found = check(audit)
    stored = [window for window in windows_of(audit.catalog) if window.shown != window.name]
    customers = audit.manifest["rows"]["int_customers"]
    assert (found.breaches, found.notes) == ((), ())
    assert found.compared > len(stored) * customers + 50_000


def test_a_window_that_never_falls_is_named(home: Path, tmp_path: Path) -> None:
    frozen = "select * replace (orders_lifetime as orders_30d) from rows"
    said = spoiled(home, tmp_path, "feat_customer_orders", frozen)
    shown = {what.split(" is not empty ")[0] for what in said}
    assert shown == {"feat_customer_orders.orders_30d", "average_order_value_30d"} or shown == {
        "feat_customer_orders.orders_30d"
    }
    for_everyone, inside = (what for what in said if what.startswith("feat_customer_orders.orders_30d"))
    assert for_everyone.endswith(" customers when all windows have passed")
    assert inside.endswith(" instants before which nothing had happened for 30 days or longer")


def test_a_window_that_falls_only_with_the_next_event_is_named(home: Path, tmp_path: Path) -> None:
    """The trap of this field: totals on the rows where events happened, joined as of later."""
    audit = audit_context(home, tmp_path / "scratch")
    rows = f"select customer_id, happened_at as event_timestamp from ({events(audit.load)})"
    said = spoiled(
        home,
        tmp_path,
        "feat_customer_engagement",
        f"from rows semi join ({rows}) using (customer_id, event_timestamp)",
    )
    shown = {what.split(" is not empty ")[0].removeprefix("feat_customer_engagement.") for what in said}
    assert shown == {"sessions_7d", "sessions_30d", "sessions_90d", "sessions_365d", "page_views_30d"}


def test_a_window_one_microsecond_too_long_is_named(home: Path, tmp_path: Path) -> None:
    """The instant at which an event leaves is a microsecond late, and only there."""
    previous = "lag(sessions_7d) over (partition by customer_id order by event_timestamp)"
    falls = f"(select *, {previous} > sessions_7d as falls from rows)"
    late = "if(falls, event_timestamp + interval 1 microsecond, event_timestamp) as event_timestamp"
    said = spoiled(
        home, tmp_path, "feat_customer_engagement", f"select * exclude (falls) replace ({late}) from {falls}"
    )
    (what,) = [what for what in said if "sessions_7d" in what]
    assert what.startswith("feat_customer_engagement.sessions_7d is not empty at ")


def test_a_case_says_for_how_long_it_was_silent(home: Path, tmp_path: Path) -> None:
    audit = audit_context(home, tmp_path / "scratch")
    rewrite(
        audit.build / "features" / "feat_customer_support", "select * replace (9 as tickets_365d) from rows"
    )
    for_everyone, inside, *_ = check(audit).breaches
    assert for_everyone.count == 800
    assert for_everyone.example | {"customer_id": ""} == {
        "customer_id": "",
        "instant": FAR,
        "feature": "tickets_365d",
        "value": "9",
    }
    assert inside.example["value"] == "9"
    assert inside.example["days of silence"] == "all before" or inside.example["days of silence"] >= 365


def test_without_raw_tables_only_the_far_instant_is_asked(shop: Built, tmp_path: Path) -> None:
    audit = audit_context(shop.home, tmp_path, load=tmp_path / "load-000009")
    windows = [feature.name for feature in audit.catalog.stored if re.search(r"_\d+d$", feature.name)]
    found = check(audit)
    assert (found.breaches, found.compared) == ((), 800 * len(windows))
    assert found.notes == (
        "not checked: silences inside the history, because load-000009, from which build-000001 was made, "
        "is gone: run 'churn build'",
    )
