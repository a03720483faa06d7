"""A build of two feature models made by hand, with every type, nulls, microseconds and rows to come."""

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb

ORDERS = {
    "name": "feat_customer_orders",
    "columns": {
        "customer_id": "VARCHAR",
        "event_timestamp": "TIMESTAMP",
        "orders_30d": "BIGINT",
        "spend_30d": "DECIMAL(38,4)",
        "last_order_at": "TIMESTAMP",
    },
    "on_demand": [
        {
            "name": "days_since_last_order",
            "formula": "days(last_order_at, asked_at)",
            "description": "Days since the last order.",
            "unit": "days",
        },
        {
            "name": "average_order_value_30d",
            "formula": "spend_30d / orders_30d",
            "description": "Spend an order.",
        },
    ],
}
PROFILE = {
    "name": "feat_customer_profile",
    "columns": {
        "customer_id": "VARCHAR",
        "event_timestamp": "TIMESTAMP",
        "city": "VARCHAR",
        "email_verified": "BOOLEAN",
        "registered_at": "TIMESTAMP",
        "birth_date": "DATE",
        "big": "BIGINT",
        "share": "DOUBLE",
    },
    "on_demand": [
        {
            "name": "tenure_days",
            "formula": "days(registered_at, asked_at)",
            "description": "Days since registration.",
            "unit": "days",
        },
    ],
}
ORDER_ROWS = [
    ("ann", "2024-01-01 00:00:00", 0, "0", None),
    ("ann", "2024-03-01 10:11:12.123456", 1, "12345678901234.5678", "2024-03-01 10:11:12.123456"),
    ("ann", "2024-03-01 10:11:12.987654", 2, "12345678901244.5679", "2024-03-01 10:11:12.987654"),
    ("ann", "2024-03-31 10:11:12.123456", 1, "10.0001", "2024-03-01 10:11:12.987654"),
    ("ann", "2024-03-31 10:11:12.987654", 0, "0", "2024-03-01 10:11:12.987654"),
    ("old", "2015-05-05 05:05:05.000005", 0, "0", None),
    ("old", "2015-06-06 06:06:06.000006", 1, "0.1", "2015-06-06 06:06:06.000006"),
    ("old", "2015-07-06 06:06:06.000006", 0, "0", "2015-06-06 06:06:06.000006"),
    ("nil", "2024-02-01 00:00:00", 0, "0", None),
]
PROFILE_ROWS = [
    ("ann", "2024-01-01 00:00:00", "Łódź", True, "2024-01-01 00:00:00", "1990-02-28", 9007199254740993, 0.1),
    ("ann", "2024-02-15 12:00:00.000001", None, None, "2024-01-01 00:00:00", "1990-02-28", None, None),
    ("old", "2015-05-05 05:05:05.000005", "Oslo", False, "2015-05-05 05:05:05.000005", None, 0, -1.5),
    ("nil", "2024-02-01 00:00:00", None, None, "2024-02-01 00:00:00", None, None, None),
]
CLOCK = "2024-03-01T10:11:12.987654Z"


def write_build(
    home: Path, name: str = "build-000001", order_rows=ORDER_ROWS, profile_rows=PROFILE_ROWS
) -> Path:
    """Write and publish a build in ``home``."""
    build = home / "builds" / name
    fill_build(build, [(ORDERS, order_rows), (PROFILE, profile_rows)])
    link = home / "builds" / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    return build


def fill_build(build: Path, models: Sequence[tuple[dict, list[tuple]]], **manifest) -> None:
    """Write the folder of a build of ``models`` and their rows; ``manifest`` adds to its ``build.json``."""
    build.mkdir(parents=True)
    for model, rows in models:
        write_model(build, model, rows)
    described = [model for model, _ in models]
    nodes = {unique_id(model): in_manifest(model) for model in described}
    write_json(build / "manifest.json", {"nodes": nodes})
    write_json(
        build / "catalog.json", {"nodes": {unique_id(model): in_catalog(model) for model in described}}
    )
    known = {"build_id": build.name, "load_id": "load-000001", "data_clock": CLOCK}
    write_json(build / "build.json", known | manifest)


def write_model(build: Path, model: dict, rows: list[tuple]) -> None:
    folder = build / "features" / model["name"]
    folder.mkdir(parents=True)
    columns = ", ".join(f"{name} {kind}" for name, kind in model["columns"].items())
    with duckdb.connect() as connection:
        connection.execute(f"create table rows ({columns})")
        for row in rows:
            connection.execute(f"insert into rows values ({', '.join('?' * len(row))})", row)
        for part in (0, 1):
            query = f"select * from rows where hash(customer_id) % 2 = {part} order by all"
            connection.execute(f"copy ({query}) to '{folder}/part-{part}.parquet' (format parquet)")


def unique_id(model: dict) -> str:
    return f"model.tidemark.{model['name']}"


def in_manifest(model: dict) -> dict:
    meta = {"unit": "as it says"}
    columns = {
        name: {
            "name": name,
            "description": f"The {name}.",
            "data_type": kind.lower(),
            "meta": meta,
            "config": {"meta": meta},
        }
        for name, kind in model["columns"].items()
        if name not in ("customer_id", "event_timestamp")
    }
    keys = {
        name: {"name": name, "description": name, "meta": {}, "config": {"meta": {}}}
        for name in ("customer_id", "event_timestamp")
    }
    subject = model["name"].rsplit("_")[-1]
    model_meta = {"feature_view": True, "subject": subject, "on_demand": model["on_demand"]}
    return {
        "unique_id": unique_id(model),
        "resource_type": "model",
        "name": model["name"],
        "package_name": "tidemark",
        "fqn": ["tidemark", "marts", "features", model["name"]],
        "path": f"marts/features/{model['name']}.sql",
        "original_file_path": f"models/marts/features/{model['name']}.sql",
        "description": "One row per customer and instant at which something changed.",
        "columns": keys | columns,
        "meta": model_meta,
        "config": {"meta": model_meta},
    }


def in_catalog(model: dict) -> dict:
    return {
        "unique_id": unique_id(model),
        "columns": {
            name: {"name": name, "type": kind, "index": place}
            for place, (name, kind) in enumerate(model["columns"].items(), start=1)
        },
    }


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))
