"""Every known customer's score at one instant, made once by the code of the batch, and read by key.

One SQLite file for one build, model and instant, ``<home>/serve/scored/<build>.<model>.<instant>.db``. It is
written aside and renamed, so that a file that is there is whole. A customer outside the population is scored
as well, and marked.
"""

import glob
import json
import math
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from ml.common.array_types import Floats
from ml.common.durable_files import sync_folder
from ml.common.instants import format_instant
from ml.common.sql import quoted
from ml.config.problem import REGRESSION, Problem
from ml.decision.actions import read_actions
from ml.explain.contributions import contributions
from ml.explain.reason_text import Wording, chosen_reasons, wordings
from ml.features.label_models import eligible_at
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, Feature
from ml.featurestore.retrieval.retrieve import point_in_time_stream
from ml.home.layout import Home
from ml.model.fitted_model import FittedModel
from ml.predictions.entries import feature_text

PROFILE = "profile"  # the subject whose stored features are a customer's profile
TABLES = (
    "create table facts (name text primary key, value text)",
    "create table scores (customer_id text primary key, is_eligible integer, score text, reasons text, "
    "profile text, features text, prediction real, decision integer, band text) without rowid",
)
# Lists and totals of the page are read from it alone: the rows themselves are a hundred times as large.
INDEX = "create index by_risk on scores (is_eligible, prediction desc, customer_id, decision, band)"
COLUMNS = "customer_id, is_eligible, score, reasons, profile, features, prediction, decision, band"
STREAM_ROWS = 500


@dataclass(frozen=True)
class Scored:
    """One customer's row; ``score``, ``reasons``, ``profile`` and ``features`` are JSON texts.

    ``event_timestamp`` is None where it is that of the whole file.
    """

    customer_id: str
    is_eligible: bool
    score: str
    reasons: str
    profile: str
    features: str
    prediction: float
    decision: bool | None
    band: str | None
    event_timestamp: str | None = None


class ScoredFile:
    """An open file of scores.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = opened(path)
        # Lists take longer than a look-up of one customer, which must not wait for them.
        self._lists, self._lock = opened(path), threading.Lock()
        self.facts: dict[str, str] = dict(self._connection.execute("select name, value from facts"))

    def find(self, customer_id: str) -> Scored | None:
        """A customer's row; None for one who is not known."""
        return find_row(self._connection, customer_id)

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, for threads beside the one that answers."""
        with self._lock:
            return self._lists.execute(sql, values).fetchall()

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query in parts, so that memory stays bounded."""
        with self._lock:
            cursor = self._lists.execute(sql, values)
        while True:
            with self._lock:
                rows = cursor.fetchmany(STREAM_ROWS)
            if not rows:
                return
            yield rows


def opened(path: Path) -> sqlite3.Connection:
    """A connection to a file that nobody changes."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


def find_row(connection: sqlite3.Connection, customer_id: str) -> Scored | None:
    """A customer's row in a file of scores; None for one whom it does not have."""
    try:
        row = connection.execute(
            f"select {COLUMNS} from scores where customer_id = ?", (customer_id,)
        ).fetchone()
    except UnicodeEncodeError:  # half of a surrogate pair: no key in the data has one
        return None
    return None if row is None else scored_of(row)


def scored_of(row: tuple[Any, ...]) -> Scored:
    """A row of ``COLUMNS``."""
    key, is_eligible, score, reasons, profile, features, prediction, decision, band = row
    flag = None if decision is None else bool(decision)
    return Scored(key, bool(is_eligible), score, reasons, profile, features, prediction, flag, band)


def scored_path(home: Home, build: Path, model: FittedModel, as_of: datetime) -> Path:
    """Where the file of a build, a model and an instant is."""
    stamp = as_of.strftime("%Y%m%dT%H%M%S.%f")
    return home.root / "serve" / "scored" / f"{build.name}.{model.version}.{stamp}.db"


def write_scored_file(path: Path, build: Path, model: FittedModel, catalog: Catalog, as_of: datetime) -> None:
    """Score every customer who is known at ``as_of``, and write the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("begin")
        facts = {
            "build_id": build.name,
            "model_version": model.version,
            "event_timestamp": format_instant(as_of),
            "service_hash": catalog.hash(),
        }
        connection.executemany("insert into facts values (?, ?)", facts.items())
        for rows in scored_rows(build, model, catalog, as_of):
            connection.executemany("insert into scores values (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(INDEX)
        connection.execute("commit")
    finally:
        connection.close()
    unfinished.rename(path)
    sync_folder(path.parent)


def scored_rows(
    build: Path, model: FittedModel, catalog: Catalog, as_of: datetime, eligible: set[str] | None = None
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of the file, batch by batch so that memory stays bounded.

    Parameters
    ----------
    eligible : set of str, optional
        The population; by default as the build has it.
    """
    customers = known_with_next_change(catalog, as_of)
    changes = dict(
        zip(*(customers.column(name).to_pylist() for name in ("customer_id", "changes")), strict=True)
    )
    if eligible is None:
        eligible = set(eligible_at(build, model.problem, as_of).column("customer_id").to_pylist())
    words, actions = wordings(model.inputs, catalog), actions_of(model.problem)
    stamps = pa.array([as_of] * len(customers), pa.timestamp("us"))
    rows = pa.table({"customer_id": customers.column("customer_id"), "event_timestamp": stamps})
    profile = [feature.name for view in catalog.views if view.subject == PROFILE for feature in view.features]
    for batch in point_in_time_stream(build, rows):
        table = pa.table(batch)
        yield list(score_batch(table, model, words, actions, changes, eligible, profile, build.name))


def score_batch(
    table: pa.Table,
    model: FittedModel,
    words: Sequence[Wording],
    actions: dict[str, str],
    changes: dict[str, datetime | None],
    eligible: set[str],
    profile: Sequence[str],
    build_id: str,
) -> Iterator[tuple[Any, ...]]:
    """The rows of some customers."""
    frame = model.frame(table)
    raw = model.raw(frame)
    added = contributions(model, frame, raw)
    columns = {name: list(values) for name, values in model.scores(frame, raw).items()}
    predictions = model.prediction(frame).tolist()
    reasons = reason_entries(model, frame, added, words)
    vectors = table.drop_columns(["customer_id", "event_timestamp"]).to_pylist()
    keys = zip(
        table.column("customer_id").to_pylist(), table.column("event_timestamp").to_pylist(), strict=True
    )
    for place, (customer, as_of) in enumerate(keys):
        score = {name: json_value(column[place]) for name, column in columns.items()}
        band, decision = score.get("risk_band"), score.get("churn_decision")
        score |= {
            "recommended_action": actions.get(str(band)),
            "model_version": model.version,
            "build_id": build_id,
            "event_timestamp": format_instant(as_of),
            "exact_until": format_instant(change) if (change := changes[customer]) else None,
        }
        vector = vectors[place]
        yield (
            customer,
            int(customer in eligible),
            json.dumps(score, ensure_ascii=False),
            json.dumps(reasons[place], ensure_ascii=False),
            feature_text({name: vector[name] for name in profile}),
            feature_text(vector),
            predictions[place],
            None if decision is None else int(decision),
            band,
        )


def reason_entries(
    model: FittedModel, frame: pd.DataFrame, added: Floats, words: Sequence[Wording]
) -> list[list[dict[str, Any]]]:
    """Text, feature, value and contribution of each reason, for each row of ``frame``.

    Parameters
    ----------
    frame, added : of shape (rows, inputs)
        From ``model.frame`` and ``ml.explain.contributions``.
    words : sequence of Wording
        One for each input.
    """
    names = [feature.name for feature in model.inputs]
    return [
        [
            {
                "text": text,
                "feature": names[index],
                "value": json_value(record[names[index]]),
                "contribution": float(moves[index]),
            }
            for index, text in of_row
        ]
        for of_row, record, moves in zip(
            chosen_reasons(model, frame, added, words), frame.to_dict("records"), added, strict=True
        )
    ]


# A table may have a row at which no value changes (an order placed and cancelled at once): values count.
CHANGES = """
select later.customer_id, min(later.event_timestamp) as changes
from (select customer_id, event_timestamp, {values} from {rows} where event_timestamp > $1) as later
inner join (
    select customer_id, {values} from {rows} where event_timestamp <= $1
    qualify row_number() over (partition by customer_id order by event_timestamp desc) = 1
) as present using (customer_id)
where later.value is distinct from present.value
group by later.customer_id
"""
KNOWN = """
select known.customer_id, min(changes) as changes
from (select distinct customer_id from {rows} where event_timestamp <= $1) as known
left join ({changes}) using (customer_id)
group by known.customer_id
order by known.customer_id
"""


def known_with_next_change(catalog: Catalog, as_of: datetime) -> pa.Table:
    """Every customer known at ``as_of``, and when a stored feature changes next; null for never.

    Such changes follow from what is known already: a window that ends.
    """
    changes = " union all ".join(
        CHANGES.format(rows=parquet(view.path), values=packed(view.features)) for view in catalog.views
    )
    query = KNOWN.format(rows=parquet(catalog.views[0].path), changes=changes)
    with duckdb.connect() as connection:
        return connection.execute(query, [as_of]).to_arrow_table()


def packed(features: Sequence[Feature]) -> str:
    """All features of a table as one value."""
    return f"row({', '.join(quoted(feature.name) for feature in features)}) as value"


def actions_of(problem: Problem) -> dict[str, str]:
    """The recommended action of each band; none for amounts, which have no bands."""
    return {} if problem.task == REGRESSION else read_actions(problem.actions)


def json_value(value: Any) -> Any:
    """A value as JSON has it: numbers of Python, null for NaN."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and math.isnan(value) else value


def remove_older(path: Path, keep: int = 2) -> None:
    """Remove the files of earlier states, but for the last few: other workers may still answer from them."""
    files = sorted(path.parent.glob("*.db"), key=lambda file: file.stat().st_mtime_ns)
    for file in [file for file in files if file != path][: -(keep - 1) or None]:
        for part in path.parent.glob(f"{glob.escape(file.stem)}.*"):
            part.unlink(missing_ok=True)
