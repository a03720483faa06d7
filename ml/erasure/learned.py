"""The models that learned from a customer, by the labels of the builds they were trained on.

Nothing is claimed of what they keep: a tree or a coefficient holds no customer, and training anew without
one is the only sure way to be rid of what it learned.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from ml.common.errors import NotReadyError
from ml.common.instants import format_instant, parse_instant
from ml.common.json_files import read_json
from ml.common.sql import literal, parquet
from ml.erasure.rows_to_erase import RowsToErase
from ml.home.layout import Home, numbered
from ml.model.model_files import MANIFEST

PARTS = ("train", "validation")
TRAIN = "churn train"


@dataclass(frozen=True)
class Learned:
    """A model, and the labelled rows of the customer that it could learn from.

    Parameters
    ----------
    model, build_id : str
    trained_at : str
        When its manifest was written.
    first, last : str
        The first and the last cut-off that it learned from.
    rows : int or None
        The customer's rows among these, before any sampling; None if its labels are the user's own, or gone.
    """

    model: str
    build_id: str
    trained_at: str
    first: str
    last: str
    rows: int | None


def models_that_learned(home: Home, rows: RowsToErase) -> list[dict[str, Any]]:
    """Every model that could learn from a person, the oldest first; read before the labels go."""
    learned = [from_model(home, folder, rows) for folder in numbered(home.models, "model")]
    return [asdict(model) for model in learned if model is not None and model.rows != 0]


def from_model(home: Home, folder: Path, rows: RowsToErase) -> Learned | None:
    """What one model could learn from a person; None if it cannot be read."""
    try:
        facts = read_json(folder / MANIFEST, TRAIN, ("split", "build_id", "problem"))
        spans = [facts["split"][part] for part in PARTS]
        first, last = min(span["first"] for span in spans), max(span["last"] for span in spans)
    except (NotReadyError, KeyError, TypeError):
        return None
    saved_at = datetime.fromtimestamp(int((folder / MANIFEST).stat().st_mtime), UTC).replace(tzinfo=None)
    count = None if facts.get("labels") else labelled(home, facts, rows, spans)
    return Learned(folder.name, facts["build_id"], format_instant(saved_at), first, last, count)


def labelled(home: Home, facts: dict[str, Any], rows: RowsToErase, spans: list[dict[str, Any]]) -> int | None:
    """The person's labels within some spans, in the model's own build or the newest that has such labels."""
    builds = [home.builds / facts["build_id"], *home.published_builds()]
    folders = [build / "labels" / facts["problem"]["label"] for build in builds]
    files = next((found for folder in folders if (found := sorted(folder.glob("*.parquet")))), None)
    if files is None:
        return None
    within = " or ".join(
        f"event_timestamp between {sql_instant(span['first'])} and {sql_instant(span['last'])}"
        for span in spans
    )
    query = f"select count(*) from {parquet(files)} where {rows.condition(['customer_id'])} and ({within})"
    with duckdb.connect() as connection:
        return int(connection.execute(query).fetchall()[0][0])


def sql_instant(instant: str) -> str:
    return f"timestamp {literal(parse_instant(instant).isoformat(sep=' '))}"
