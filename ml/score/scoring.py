"""Scores: who is eligible, or the customers named, at one instant; with the decision and its reasons."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.errors import TidemarkError
from ml.common.instants import format_instant, parse_instant
from ml.common.progress import SILENT, Progress
from ml.common.row_files import CSV, STANDARD_OUTPUT, check_out, format_of, write_rows
from ml.config.problem import Problem
from ml.decision.actions import read_actions, recommended_actions
from ml.decision.contacts import to_contact
from ml.explain.contributions import contributions
from ml.explain.reason_text import Wording, reasons, wordings
from ml.features.labels import parquet, population_at
from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time_stream
from ml.home.build_manifest import asked_instant, score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.metrics.chance import check_better_than_chance
from ml.model.churn_model import ChurnModel
from ml.warehouse.current_model import champion_of, check_same_features

SCORES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("event_timestamp", pa.timestamp("us")),
        ("churn_probability", pa.float64()),
        ("churn_decision", pa.bool_()),
        ("risk_band", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("model_version", pa.string()),
        ("build_id", pa.string()),
    ]
)
ACTION = pa.field("recommended_action", pa.string())
CONTACT = pa.field("contact", pa.bool_())


def score(
    customer_ids: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    out: str | Path | None = None,
    actions: bool = False,
    json_lines: bool = False,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> pa.Table:
    """Score everyone eligible, or the named, with the current model on the current build.

    Parameters
    ----------
    customer_ids : sequence of str
        Whom to score, in this order; without any, everyone with a kept order in the activity span.
    as_of : datetime, optional
        The instant asked about, naive UTC; by default the build's data clock, or until when orders were
        delivered where these end a day or more before it.
    out : path, optional
        File to write the scores to as well: Parquet, CSV (reasons as JSON text) or JSON lines; ``-`` is
        standard output, as CSV unless ``json_lines``.
    actions : bool
        Add ``contact``, whom the team is to contact (with the threshold rule ``capacity`` exactly as many of
        everyone as it can; of named customers those decided on), and ``recommended_action``, what the
        problem's file of actions says for each risk band.

    Returns
    -------
    Table
        Columns of ``SCORES``, and those two; ``reasons`` holds what raises the risk, the weightiest first,
        and may be empty.

    Raises
    ------
    UsageError
        ``as_of`` is later than the data clock.
    ModelError
        The model ranks no better than chance: nothing is written.
    TidemarkError
        A named customer is unknown then; there is no model or build; the two do not fit.
    """
    if out is not None:
        check_out(out)
    stated = problem_for(Home.at(home), problem, progress)
    said = read_actions(stated.actions) if actions else None
    with Home.at(home).reading() as build:
        model = champion_of(build, stated, progress)
        check_better_than_chance(model.facts)
        scores = score_asked(build, model, customer_ids, as_of, progress)
    if said is not None:
        scores = with_actions(with_contacts(scores, model.problem, everyone=not customer_ids), said)
    if out is not None:
        lists = holds_lists(out) or json_lines
        write_rows(scores if lists else with_json_reasons(scores), out, json_lines=json_lines)
    return scores


def score_asked(
    build: Path, model: ChurnModel, customer_ids: Sequence[str], as_of: datetime | None, progress: Progress
) -> pa.Table:
    """Scores of everyone eligible, or the named, by one model on one build."""
    catalog = read_catalog(build)
    check_same_features(model, catalog, build)
    asked = asked_instant(build, as_of) if as_of else default_instant(build, progress)
    warn_of_hindsight(model, asked, progress)
    rows = (
        named_rows(build, catalog, customer_ids, asked, progress)
        if customer_ids
        else population_at(build, asked)
    )
    return score_rows(build, rows, model, catalog, progress)


def default_instant(build: Path, progress: Progress) -> datetime:
    """The data clock, or until when orders were delivered where they end earlier."""
    instant, why = score_instant(build)
    if why:
        progress.say(f"note: {why}")
    return instant


def warn_of_hindsight(model: ChurnModel, asked: datetime, progress: Progress) -> None:
    """Say when the model has been chosen with labels from after the as-of instant."""
    last = model.facts["split"]["test"]["last"]
    if asked <= parse_instant(last):
        progress.say(
            f"note: {model.version} was trained and judged on cut-offs up to {last}; scores at "
            f"{format_instant(asked)} are not a fair trial of it"
        )


def named_rows(
    build: Path, catalog: Catalog, customer_ids: Sequence[str], asked: datetime, progress: Progress
) -> pa.Table:
    """One row for each name, as asked; every one must be known by then."""
    known = known_at(catalog.views[0].path, customer_ids, asked)
    if unknown := [name for name in customer_ids if name not in known]:
        raise TidemarkError(
            f"no customer {listed(unknown)} is known at {format_instant(asked)}: nothing was written; check "
            "the spelling or --as-of"
        )
    eligible = set(population_at(build, asked).column("customer_id").to_pylist())
    if outside := [name for name in customer_ids if name not in eligible]:
        progress.say(
            f"note: without a recent kept order, so unlike whom the model learned from: {listed(outside)}"
        )
    stamps = pa.array([asked] * len(customer_ids), pa.timestamp("us"))
    return pa.table({"customer_id": pa.array(customer_ids, pa.string()), "event_timestamp": stamps})


def known_at(view: Path, customer_ids: Sequence[str], asked: datetime) -> set[str]:
    """Which customers have a first fact by ``asked``; any feature table holds each from then on."""
    query = f"""
        select distinct customer_id from {parquet(view)}
        where event_timestamp <= $1 and customer_id in (select unnest($2::varchar[]))
    """
    with duckdb.connect() as connection:
        return {row[0] for row in connection.execute(query, [asked, list(customer_ids)]).fetchall()}


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def score_rows(
    build: Path, rows: pa.Table, model: ChurnModel, catalog: Catalog, progress: Progress
) -> pa.Table:
    """Scores of rows of customer_id and event_timestamp, a slice at a time so that memory stays bounded."""
    words = wordings(model.inputs, catalog)
    stream = point_in_time_stream(build, rows, features=[each.name for each in model.inputs])
    scored = [SCORES.empty_table()]
    with progress.bar("scoring", len(rows)) as bar:
        for batch in stream:
            scored.append(score_features(pa.table(batch), model, words, build.name))
            bar.step(steps=len(batch))
    return pa.concat_tables(scored)


def score_features(
    features: pa.Table, model: ChurnModel, words: Sequence[Wording], build_id: str
) -> pa.Table:
    """Scores of rows that carry their features."""
    frame = model.frame(features)
    probability = model.probability(frame)
    why = reasons(frame, contributions(model, frame), words, model.problem.constraints.reasons)
    columns = [
        features.column("customer_id"),
        features.column("event_timestamp"),
        probability,
        model.decision(probability),
        model.band(probability),
        why,
        [model.version] * len(frame),
        [build_id] * len(frame),
    ]
    return pa.table(dict(zip(SCORES.names, columns, strict=True)), schema=SCORES)


def with_contacts(scores: pa.Table, problem: Problem, *, everyone: bool) -> pa.Table:
    """The scores with whom to contact; only a list of everyone can be cut to a capacity."""
    decided = scores.column("churn_decision").to_numpy()
    if everyone:
        probability = scores.column("churn_probability").to_numpy()
        decided = to_contact(probability, scores.column("customer_id").to_pylist(), decided, problem)
    return scores.append_column(CONTACT, pa.array(decided, pa.bool_()))


def with_actions(scores: pa.Table, actions: dict[str, str]) -> pa.Table:
    """The scores with the action of each band."""
    bands = np.asarray(scores.column("risk_band").to_pylist(), dtype=object)
    return scores.append_column(ACTION, pa.array(recommended_actions(bands, actions), pa.string()))


def holds_lists(out: str | Path) -> bool:
    """Whether the file's format has lists; CSV, which standard output is by default, has none."""
    return str(out) != STANDARD_OUTPUT and format_of(out) != CSV


def with_json_reasons(scores: pa.Table) -> pa.Table:
    """The scores with each customer's reasons as one JSON text."""
    text = [json.dumps(each, ensure_ascii=False) for each in scores.column("reasons").to_pylist()]
    return scores.set_column(SCORES.names.index("reasons"), "reasons", pa.array(text, pa.string()))
