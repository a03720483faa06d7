"""The catalog: what a build's manifest and tables together say, and where they disagree."""

import pytest

from ml.common.errors import CatalogError, FormulaError
from ml.featurestore.catalog import read_catalog
from tests.builds import Model, publish_build


def described(*names, **meta):
    return {name: {"description": f"What {name} is.", "config": {"meta": meta}} for name in names}


ORDERS = Model(
    "orders",
    {
        "orders_30d": "BIGINT",
        "orders_7d": "BIGINT",
        "spend_7d": "DECIMAL(18,4)",
        "spend_30d": "DECIMAL(18,4)",
        "spend_90d": "DECIMAL(18,4)",
        "items_90d": "BIGINT",
        "last_at": "TIMESTAMP",
    },
    described={
        "customer_id": {"description": "The customer."},
        "event_timestamp": {"description": "From when."},
        "orders_{w}d": {"description": "Orders of the last {w} days.", "config": {"meta": {"minimum": 0}}},
        "spend_{w}d": {"description": "Spend of the last {w}\n  days."},
        **described("items_90d", "last_at"),
    },
    on_demand=[
        {
            "name": "value_{w}d",
            "formula": "spend_{w}d / orders_{w}d",
            "description": "Over {w} days.",
            "unit": "money",
        },
        {"name": "twice_{w}d", "formula": "value_{w}d * 2", "description": "Twice over {w} days."},
        {"name": "age", "formula": "days(born, asked_at)", "description": "Days of life."},
    ],
)
PROFILE = Model("profile", {"city": "VARCHAR", "born": "DATE"}, described=described("born", "city"))


def test_names_and_order(tmp_path):
    catalog = read_catalog(publish_build(tmp_path, PROFILE, ORDERS))
    assert [view.name for view in catalog.views] == ["feat_customer_orders", "feat_customer_profile"]
    assert catalog.feature_names == (
        "orders_30d",
        "orders_7d",
        "spend_7d",
        "spend_30d",
        "spend_90d",
        "items_90d",
        "last_at",
        "city",
        "born",
        "value_7d",
        "value_30d",
        "twice_7d",
        "twice_30d",
        "age",
    )


def test_what_a_feature_says(tmp_path):
    build = publish_build(tmp_path, PROFILE, ORDERS)
    features = {feature.name: feature for feature in read_catalog(build).features}
    orders, spend, value = features["orders_30d"], features["spend_90d"], features["value_30d"]
    assert (orders.window, orders.sql_type, orders.meta) == (30, "BIGINT", {"minimum": 0})
    assert (orders.view, orders.description) == ("feat_customer_orders", "Orders of the last 30 days.")
    assert (spend.description, spend.sql_type) == ("Spend of the last 90 days.", "DECIMAL(18,4)")
    assert (value.formula, value.description, value.window) == ("spend_30d / orders_30d", "Over 30 days.", 30)
    assert (value.sql_type, value.meta) == ("DOUBLE", {"unit": "money"})
    assert features["items_90d"].window is None
    assert read_catalog(build).views[0].path == build / "features" / "feat_customer_orders"


def test_hash_follows_names_types_and_formulas_only(tmp_path):
    def hash_of(folder, **changes):
        words = {"subject": "orders", "types": {"a": "BIGINT", "b": "BIGINT"}} | changes
        return read_catalog(publish_build(tmp_path / folder, Model(**words))).hash()

    first = hash_of("one")
    assert len(first) == 64
    assert hash_of("same", described={"b": {"description": "Else."}, "a": {"description": "Other."}}) == first
    ratio = [{"name": "c", "formula": "a / b", "description": "C."}]
    others = [
        hash_of("type", types={"a": "BIGINT", "b": "DOUBLE"}),
        hash_of("name", types={"a": "BIGINT", "d": "BIGINT"}),
        hash_of("order", types={"b": "BIGINT", "a": "BIGINT"}),
        hash_of("formula", on_demand=ratio),
    ]
    assert len({first, *others}) == 5
    spaced = [{"name": "c", "formula": " a  / b", "description": "C."}]
    assert hash_of("spaced", on_demand=spaced) == others[-1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"described": described("a")}, "has b, which feat_customer_orders.yml does not describe"),
        ({"described": described("a", "b", "c")}, "describes c, but its table has no such"),
        ({"described": described("a", "b", "c_{w}d")}, r"describes c_\{w\}d, but its table has no such"),
        (
            {"described": described("a", "b", personal=True)},
            "a in feat_customer_orders is marked as personal data",
        ),
        ({"described": {"a": {}, **described("b")}}, "a in feat_customer_orders.yml has no description"),
        ({"types": {"a": "BIGINT", "b": "HUGEINT"}}, "b in feat_customer_orders is of type HUGEINT"),
        ({"types": {"a": "BIGINT", "asked_at": "TIMESTAMP"}}, "a feature cannot be called asked_at"),
        ({"meta": {"feature_view": False}}, "no model with meta.feature_view: true"),
        ({"on_demand": [{"name": "a", "formula": "b", "description": "A."}]}, "two features are called a"),
        ({"on_demand": [{"name": "c", "formula": "b"}]}, "on-demand feature c has no description"),
        ({"on_demand": [{"name": "c", "description": "C."}]}, "has no formula"),
        ({"on_demand": [{"name": "c", "formula": "a_{w}d", "description": "C."}]}, "or neither"),
        ({"on_demand": [{"name": "c_{w}d", "formula": "x_{w}d", "description": "C."}]}, "share no window"),
        ({"on_demand": [{"name": "c_{w}d", "formula": "c_{w}d", "description": "C."}]}, "in a circle"),
    ],
)
def test_disagreements(tmp_path, changes, sentence):
    model = Model(**({"subject": "orders", "types": {"a": "BIGINT", "b": "BIGINT"}} | changes))
    with pytest.raises(CatalogError, match=sentence):
        read_catalog(publish_build(tmp_path, model))


@pytest.mark.parametrize("formula", ["a + x", "a + city", "c + 1", "a +"])
def test_formulas_are_checked_on_reading(tmp_path, formula):
    entry = {"name": "c", "formula": formula, "description": "C."}
    model = Model("orders", {"a": "BIGINT", "city": "VARCHAR"}, on_demand=[entry])
    with pytest.raises(FormulaError):
        read_catalog(publish_build(tmp_path, model))


def test_one_name_in_two_views(tmp_path):
    models = Model("orders", {"a": "BIGINT"}), Model("support", {"a": "BIGINT"})
    with pytest.raises(CatalogError, match="two features are called a"):
        read_catalog(publish_build(tmp_path, *models))


def test_a_column_can_be_no_feature(tmp_path):
    words = described("a") | described("valid_until", feature=False)
    model = Model("orders", {"a": "BIGINT", "valid_until": "TIMESTAMP"}, described=words)
    assert read_catalog(publish_build(tmp_path, model)).feature_names == ("a",)


def test_no_build(tmp_path):
    with pytest.raises(CatalogError, match="run 'churn build' first"):
        read_catalog(tmp_path / "builds" / "current")
