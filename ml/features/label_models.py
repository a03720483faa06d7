"""Labels that a dbt model of ``marts/labels`` makes, where the problem names another than churn.

The build's rows of customer_id, event_timestamp, label and label_known_at come in; those whose label is known
go out as labels of the user's own, and the rows of one cut-off as the population to score.
"""

from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant
from ml.common.number_words import counted
from ml.common.progress import Progress
from ml.config.problem import CHURN, PENDING, REGRESSION, Problem
from ml.features.labels import check_same_problem, parquet, population_at, reading_labels
from ml.features.own_labels import LabelFacts, LabelSource, OwnLabels, read_labels
from ml.home.build_manifest import data_clock, label_terms_of, read_build_manifest

COLUMNS = {
    "customer_id": "VARCHAR",
    "event_timestamp": "TIMESTAMP",
    "label": "BIGINT",
    "label_known_at": "TIMESTAMP",
}
AMOUNTS = ("DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER")  # types of label where it is an amount


def labels_with_notes(
    labels: "LabelSource | None", build: Path, problem: Problem, progress: Progress
) -> OwnLabels | None:
    """The labels given, with notes shown, else those of the model the problem names; None for churn."""
    own = labels_of_build(build, problem) if labels is None else read_labels(labels, build, problem)
    for note in own.notes() if own else ():
        progress.say(note)
    return own


def labels_of_build(build: Path, problem: Problem) -> OwnLabels | None:
    """The labels known by the data clock of the model the problem names; None where that is churn.

    Raises
    ------
    NotReadyError
        The build has no such model, or no label of it is known yet.
    UsageError
        The model has other columns, two rows of one customer and cut-off, a label that is neither 0 nor 1, or
        looks further ahead than the problem says.
    """
    if problem.label == CHURN:
        return None
    with duckdb.connect() as connection:
        rows = read_model(connection, build, problem)
        check_rows(connection, rows, problem)
        known = f"from {rows} where label is not null and label_known_at <= $1"
        label = "label::double as label" if problem.task == REGRESSION else "label as churned"
        query = f"select customer_id, event_timestamp, {label} {known} order by 2, 1"
        clock = data_clock(build)
        table = connection.execute(query, [clock]).to_arrow_table()
    if not len(table):
        raise NotReadyError(
            f"{build.name} has no label of {problem.label} that is known by {format_instant(clock)}: load a "
            "longer history and build again"
        )
    instants = len(table.column("event_timestamp").unique())
    return OwnLabels(table, LabelFacts(problem.label, None, len(table), instants, 0, 0, 0))


def every_label(build: Path, problem: Problem, until: datetime | None = None) -> pa.Table:
    """Every row of the problem's label: customer_id, event_timestamp and label, by cut-off and customer.

    Parameters
    ----------
    until : datetime, optional
        The last cut-off; by default all.

    Raises
    ------
    NotReadyError, UsageError
        As of ``labels_of_build``, or the build is for another problem.
    """
    if (own := labels_of_build(build, problem)) is not None:
        return own.table if until is None else up_to(own.table, until)
    check_same_problem(build, problem)
    with reading_labels(build, None) as (connection, labels):
        query = f"""
            select customer_id, event_timestamp, churned from {labels}
            where event_timestamp <= coalesce($1::timestamp, 'infinity'::timestamp)
            order by event_timestamp, customer_id
        """
        return connection.execute(query, [until]).to_arrow_table()


def up_to(rows: pa.Table, until: datetime) -> pa.Table:
    """The rows of cut-offs up to an instant."""
    stamps = rows.column("event_timestamp")
    return rows.filter(pc.less_equal(stamps, pa.scalar(until, stamps.type)))


def eligible_at(
    build: Path, problem: Problem, as_of: datetime, connection: duckdb.DuckDBPyConnection | None = None
) -> pa.Table:
    """The population at an instant: customer_id and event_timestamp, ordered by customer.

    For a label model of one's own these are the customers of its last cut-off at or before ``as_of``; so too
    for the customer value, where its problem has another ``active_within_days`` than that of churn.
    Who asks at many instants gives a connection.

    Raises
    ------
    NotReadyError
        The build was made with other ``active_within_days``.
    """
    active = label_terms_of(read_build_manifest(build)).churn["active_within_days"]
    if problem.label in PENDING and active == problem.active_within_days:
        return population_at(build, as_of, connection)
    if problem.label == CHURN:
        check_same_problem(build, problem)
    with nullcontext(connection) if connection else duckdb.connect() as asked:
        rows = read_model(asked, build, problem)
        if pending := PENDING.get(problem.label):
            rows = f"(from {rows} union all from {parquet(build / 'labels' / pending)})"
        query = f"""
            select distinct customer_id, $1::timestamp as event_timestamp from {rows}
            where event_timestamp = (select max(event_timestamp) from {rows} where event_timestamp <= $1)
            order by customer_id
        """
        return asked.execute(query, [as_of]).to_arrow_table()


def read_model(connection: duckdb.DuckDBPyConnection, build: Path, problem: Problem) -> str:
    """What to select the rows of the problem's label model from."""
    folder = build / "labels" / problem.label
    if not folder.is_dir():
        models = ", ".join(sorted(path.name for path in folder.parent.glob("label_*")))
        raise NotReadyError(
            f"{build.name} has no label model {problem.label} (it has {models}): correct label in the "
            "problem file, or add the model to marts/labels and run 'churn build'"
        )
    rows = parquet(folder)
    types = {name: kind for name, kind, *_ in connection.execute(f"describe from {rows}").fetchall()}
    for name, kind in COLUMNS.items():
        is_amount = name == "label" and problem.task == REGRESSION
        if types.get(name) != kind and not (is_amount and types.get(name, "").startswith(AMOUNTS)):
            raise UsageError(
                f"{problem.label} has no column {name} of type {kind}: a label model has "
                f"{', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())}"
            )
    return rows


def check_rows(connection: duckdb.DuckDBPyConnection, rows: str, problem: Problem) -> None:
    """UsageError where the rows cannot be labels of the problem."""
    is_regression = problem.task == REGRESSION
    odd = "not isfinite(label::double)" if is_regression else "label not in (0, 1)"
    twice, odd, farthest = connection.execute(
        f"""
        select
            count(*) - count(distinct (customer_id, event_timestamp)),
            count(*) filter (where {odd}),
            max(label_known_at - event_timestamp)
        from {rows}
        """
    ).fetchall()[0]
    if twice:
        raise UsageError(
            f"{problem.label} has {counted(twice, 'row')} that repeat a customer and cut-off: keep one each"
        )
    if odd:
        what = "no finite numbers" if is_regression else "neither 0 nor 1"
        raise UsageError(f"{problem.label} has {counted(odd, 'label')} that are {what}")
    if farthest is not None and farthest > problem.gap:
        raise UsageError(
            f"{problem.label} has labels known {farthest.total_seconds() / 86_400:g} days after the cut-off, "
            f"but horizon_days and label_delay_days are {problem.gap_days} together: raise horizon_days in "
            "the problem file, or training labels look into the test part"
        )
