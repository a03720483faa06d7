"""The customers that the increments up to a build touched, in files for ``ml.featurestore.increments``.

``merge`` comes before. With these files an online store that is several increments behind need not be
rewritten in full.
"""

import json
import os
from pathlib import Path

import duckdb

from ml.common.instants import format_instant
from ml.common.sql import literal, parquet
from ml.featurestore.increments import CHANGES, STEPS, steps_of
from ml.warehouse.increment import Increment

STEPS_MAX = 100  # a store further behind is loaded as a whole
KINDS = {"touched": "true", "restated": "is_restated"}


def write_changes(increment: Increment, build: Path) -> None:
    """Write the customers that this increment touched; files of earlier increments are linked."""
    folder, before = build / CHANGES, increment.base / CHANGES
    folder.mkdir()
    steps = steps_of(increment.base)[-STEPS_MAX + 1 :]
    for step in steps:
        for kind in KINDS:
            os.link(before / name_of(step["build"], kind), folder / name_of(step["build"], kind))
    with duckdb.connect() as connection:
        for kind, condition in KINDS.items():
            customers = (
                f"select customer_id from {parquet([increment.customers])} where {condition} order by all"
            )
            file = literal(folder / name_of(build.name, kind))
            connection.execute(f"copy ({customers}) to {file} (format parquet)")
    split_at = format_instant(increment.split_at)
    steps.append({"build": build.name, "base": increment.base.name, "split_at": split_at})
    (folder / STEPS).write_text(json.dumps(steps, indent=2) + "\n", encoding="utf-8")


def name_of(build: str, kind: str) -> str:
    """The file of the customers that the increment of a build touched, or restated."""
    return f"{build}.{kind}.parquet"
