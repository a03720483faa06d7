"""Scores of the population, or of named customers, at one instant; with the decision and its reasons."""

import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.errors import TidemarkError, UsageError
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.common.progress import SILENT, Progress
from ml.common.row_files import CSV, STANDARD_OUTPUT, check_out, format_of, write_rows
from ml.config.problem import REGRESSION, Problem
from ml.decision.actions import read_actions, recommended_actions
from ml.decision.customers_to_contact import to_contact
from ml.explain.contributions import contributions
from ml.explain.reason_text import Wording, reasons_of, wordings
from ml.features.label_models import eligible_at
from ml.features.labels import parquet
from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time, point_in_time_stream
from ml.home.build_manifest import checked_as_of, score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.metrics.chance import check_better_than_chance
from ml.model.fitted_model import FittedModel
from ml.predictions.entries import batch_entries
from ml.predictions.log import PredictionLog, is_database_error
from ml.score.logged_builds import remember_build
from ml.segments.customer_segments import learned_segments, with_segments
from ml.warehouse.current_model import champion_of, check_same_features

KEYS = [("customer_id", pa.string()), ("event_timestamp", pa.timestamp("us"))]
ORIGIN = [
    ("reasons", pa.list_(pa.string())),
    ("model_version", pa.string()),
    ("build_id", pa.string()),
]
OF_CHURN = [("churn_probability", pa.float64()), ("churn_decision", pa.bool_()), ("risk_band", pa.string())]
OF_VALUE = [("predicted_value", pa.float64()), ("value_low", pa.float64()), ("value_high", pa.float64())]
SCORES, VALUES = (pa.schema([*KEYS, *columns, *ORIGIN]) for columns in (OF_CHURN, OF_VALUE))
ACTION = pa.field("recommended_action", pa.string())
CONTACT = pa.field("contact", pa.bool_())


def score(
    customer_ids: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    out: str | Path | None = None,
    actions: bool = False,
    segments: bool = False,
    json_lines: bool = False,
    log: bool = False,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> pa.Table:
    """Score the population, or named customers, with the current model on the current build.

    Parameters
    ----------
    customer_ids : sequence of str
        The customers to score, in this order; by default the population.
    as_of : datetime, optional
        The as-of instant, naive UTC; by default the build's data clock, or the end of the delivered orders
        where that is a day or more earlier.
    out : path, optional
        File to write the scores to as well: Parquet, CSV (reasons as JSON text) or JSON lines; ``-`` is
        standard output, as CSV unless ``json_lines``.
    actions : bool
        Add ``contact``, whether to contact the customer (with the threshold rule ``capacity`` as many of the
        population as it allows; of named customers those who are flagged), and ``recommended_action``, the
        action of the risk band in the problem's file of actions.
    segments : bool
        Add ``segment`` and ``segment_name``, by the segments that ``churn segments`` keeps.
    log : bool
        Append every score with its feature vector to the prediction log, before it is written.

    Returns
    -------
    Table
        Columns of ``SCORES``, and those two; ``reasons`` are what raises the risk, the greatest first, and
        may be empty. For a regression the columns of ``VALUES``: the expected amount, the ends of its
        prediction interval, and as reasons what moves it most.

    Raises
    ------
    UsageError
        ``as_of`` is later than the data clock, or ``actions`` of a regression.
    ModelError
        The model ranks no better than chance: nothing is written.
    TidemarkError
        A named customer is unknown at ``as_of``; there is no model or build; the two do not fit; there are no
        segments.
    """
    if out is not None:
        check_out(out)
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    if actions and problem.task == REGRESSION:
        raise UsageError("--actions follow from the bands of a churn probability: leave it out for amounts")
    by_band = read_actions(problem.actions) if actions else None
    segmentation = learned_segments(home, problem) if segments else None
    with home.reading() as build:
        model = champion_of(build, problem, progress)
        check_better_than_chance(model.facts)
        started = time.monotonic()
        scores = score_customers(build, model, customer_ids, as_of, progress)
        if log:
            log_scores(home, build, scores, uuid4().hex, time.monotonic() - started)
        if segmentation is not None:
            scores = with_segments(build, segmentation, scores)
    if by_band is not None:
        scores = with_contacts(scores, model.problem, everyone=not customer_ids)
        bands = np.asarray(scores.column("risk_band").to_pylist(), dtype=object)
        scores = scores.append_column(ACTION, pa.array(recommended_actions(bands, by_band), pa.string()))
    if out is not None:
        is_csv = str(out) == STANDARD_OUTPUT or format_of(out) == CSV
        # CSV has no lists.
        rows = with_json_reasons(scores) if is_csv and not json_lines else scores
        write_rows(rows, out, json_lines=json_lines)
    return scores


def log_scores(home: Home, build: Path, scores: pa.Table, request_id: str, seconds: float) -> None:
    """Append the scores of one request, which took some seconds, to the prediction log, all or none."""
    features = point_in_time(build, scores.select([name for name, _ in KEYS]))
    vectors = features.drop_columns([name for name, _ in KEYS])
    logged_at = utc_now()
    milliseconds = round(1000 * seconds / max(len(scores), 1), 3)
    with PredictionLog(home) as log:
        remember_build(home, build)
        try:
            log.append(batch_entries(scores, vectors, request_id, logged_at, milliseconds))
        except Exception as error:
            if not is_database_error(error):
                raise
            raise TidemarkError(
                f"the prediction log cannot be written: {error}; no score was written"
            ) from error


def score_customers(
    build: Path, model: FittedModel, customer_ids: Sequence[str], as_of: datetime | None, progress: Progress
) -> pa.Table:
    """Scores of the population, or of named customers, by one model on one build."""
    catalog = read_catalog(build)
    check_same_features(model, catalog, build)
    if as_of:
        instant = checked_as_of(build, as_of)
    else:
        instant, note = score_instant(build)
        if note:
            progress.say(f"note: {note}")
    warn_of_hindsight(model, instant, progress)
    if customer_ids:
        rows = named_rows(build, model.problem, catalog, customer_ids, instant, progress)
    else:
        rows = eligible_at(build, model.problem, instant)
    return score_rows(build, rows, model, catalog, progress)


def warn_of_hindsight(model: FittedModel, as_of: datetime, progress: Progress) -> None:
    """A note when the model was chosen with labels from after the as-of instant."""
    last = model.facts["split"]["test"]["last"]
    if as_of <= parse_instant(last):
        progress.say(
            f"note: {model.version} was trained and judged on cut-offs up to {last}; scores at "
            f"{format_instant(as_of)} are not a fair trial of it"
        )


def named_rows(
    build: Path,
    problem: Problem,
    catalog: Catalog,
    customer_ids: Sequence[str],
    as_of: datetime,
    progress: Progress,
) -> pa.Table:
    """One row for each of the customers, in their order; all must be known at ``as_of``."""
    known = known_customers(catalog.views[0].path, customer_ids, as_of)
    if unknown := [name for name in customer_ids if name not in known]:
        raise TidemarkError(
            f"no customer {listed(unknown)} is known at {format_instant(as_of)}: nothing was written; check "
            "the spelling or --as-of"
        )
    eligible = set(eligible_at(build, problem, as_of).column("customer_id").to_pylist())
    if outside := [name for name in customer_ids if name not in eligible]:
        progress.say(
            f"note: without a recent kept order, so unlike whom the model learned from: {listed(outside)}"
        )
    stamps = pa.array([as_of] * len(customer_ids), pa.timestamp("us"))
    return pa.table({"customer_id": pa.array(customer_ids, pa.string()), "event_timestamp": stamps})


def known_customers(view: Path, customer_ids: Sequence[str], as_of: datetime) -> set[str]:
    """The customers with a first fact by ``as_of``; every feature table has them from then on."""
    query = f"""
        select distinct customer_id from {parquet(view)}
        where event_timestamp <= $1 and customer_id in (select unnest($2::varchar[]))
    """
    with duckdb.connect() as connection:
        return {row[0] for row in connection.execute(query, [as_of, list(customer_ids)]).fetchall()}


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def score_rows(
    build: Path, rows: pa.Table, model: FittedModel, catalog: Catalog, progress: Progress
) -> pa.Table:
    """Scores of rows of customer_id and event_timestamp, batch by batch so that memory stays bounded."""
    words = wordings(model.inputs, catalog)
    stream = point_in_time_stream(build, rows, features=[feature.name for feature in model.inputs])
    batches = [schema_of(model.problem).empty_table()]
    with progress.bar("scoring", len(rows)) as bar:
        for batch in stream:
            batches.append(score_features(pa.table(batch), model, words, build.name))
            bar.step(steps=len(batch))
    return pa.concat_tables(batches)


def score_features(
    features: pa.Table, model: FittedModel, words: Sequence[Wording], build_id: str
) -> pa.Table:
    """Scores of rows of customer_id, event_timestamp and features."""
    frame = model.frame(features)
    raw = model.raw(frame)
    columns = {
        **{name: features.column(name) for name, _ in KEYS},
        **model.scores(frame, raw),
        "reasons": reasons_of(model, frame, contributions(model, frame, raw), words),
        "model_version": [model.version] * len(frame),
        "build_id": [build_id] * len(frame),
    }
    return pa.table(columns, schema=schema_of(model.problem))


def score_names(problem: Problem) -> list[str]:
    """The columns of a score that the model makes."""
    return [name for name, _ in (OF_VALUE if problem.task == REGRESSION else OF_CHURN)]


def schema_of(problem: Problem) -> pa.Schema:
    """The columns of the scores of a problem."""
    return VALUES if problem.task == REGRESSION else SCORES


def with_contacts(scores: pa.Table, problem: Problem, *, everyone: bool) -> pa.Table:
    """The scores with the customers to contact; a capacity applies only to the whole population."""
    contacts = scores.column("churn_decision").to_numpy()
    if everyone:
        probability = scores.column("churn_probability").to_numpy()
        contacts = to_contact(probability, scores.column("customer_id").to_pylist(), contacts, problem)
    return scores.append_column(CONTACT, pa.array(contacts, pa.bool_()))


def with_json_reasons(scores: pa.Table) -> pa.Table:
    """The scores with each customer's reasons as one JSON text."""
    texts = [json.dumps(row, ensure_ascii=False) for row in scores.column("reasons").to_pylist()]
    return scores.set_column(scores.column_names.index("reasons"), "reasons", pa.array(texts, pa.string()))
