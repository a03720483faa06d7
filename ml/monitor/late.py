"""What facts that came late did: to features at past cut-offs, to labels, and to the champion's figures.

A feature at a cut-off uses what was known then. Beside it stands the value in hindsight, every fact counted
from when it happened; a label as it was known when it ripened stands beside the one of today.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from ml.common.array_types import Floats
from ml.common.errors import ModelError, NotReadyError
from ml.common.instants import format_instant, parse_instant
from ml.common.progress import SILENT, Progress
from ml.common.sampling import sampled_customers_sql
from ml.config.problem import CHURN, Problem
from ml.features.labels import LABELS, check_same_problem, parquet, read_cutoffs
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.metrics.measure import measure
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_judged
from ml.monitor.hindsight import build_in_hindsight, labels_known_by, without_merged
from ml.warehouse.current_model import champion_of

CUTOFFS_MAX = 26  # half a year of weeks
CUSTOMERS_MAX = 2_000
KEYS = ("customer_id", "event_timestamp")
FIGURES = ("roc_auc", "log_loss")
THEN, NOW = "then", "now"
ROWS = """
select customer_id, event_timestamp, churned from {labels}
where event_timestamp in (select unnest($2::timestamp[])) and customer_id in ({customers})
order by event_timestamp, customer_id
"""


@dataclass(frozen=True)
class LateCutoff:
    """One cut-off: its rows, those of which late facts move a feature, and labels that changed since."""

    cutoff: str
    rows: int
    rows_moved: int
    labels_changed: int


@dataclass(frozen=True)
class LateFeature:
    """One feature: in how many rows late facts move it, the share, and the mean change of a number there."""

    feature: str
    rows_moved: int
    rate: float
    mean_change: float | None


@dataclass(frozen=True)
class LateFigures:
    """The champion on features and labels of then or of now; a figure is None where it has no meaning."""

    features: str
    labels: str
    rows: int
    roc_auc: float | None
    log_loss: float | None


@dataclass(frozen=True)
class Late:
    """The bill of late facts.

    Parameters
    ----------
    build_id, data_clock : str
    customers : int
        How many were looked at, of ``all_customers`` with a label.
    cutoffs : tuple of LateCutoff
    features : tuple of LateFeature
        Those that late facts move, the most often moved first.
    now_stayed, now_churned : int
        Labels that say so now, and said the other when they ripened.
    figures : tuple of LateFigures
    notes : tuple of str
    """

    build_id: str
    data_clock: str
    customers: int
    all_customers: int
    cutoffs: tuple[LateCutoff, ...]
    features: tuple[LateFeature, ...]
    now_stayed: int
    now_churned: int
    figures: tuple[LateFigures, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return sum(cutoff.rows for cutoff in self.cutoffs)

    @property
    def rows_moved(self) -> int:
        return sum(cutoff.rows_moved for cutoff in self.cutoffs)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"rows": self.rows, "rows_moved": self.rows_moved}


def late(
    *,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    customers: int = CUSTOMERS_MAX,
    progress: Progress = SILENT,
) -> Late:
    """What facts that came after each cut-off did to features, labels and the champion's figures.

    Parameters
    ----------
    home : path or Home, optional
    problem : Problem or path, optional
        Of churn: only its labels follow from orders alone.
    customers : int
        At most so many, drawn by the problem's seed.

    Returns
    -------
    Late
        Over the last 26 labelled cut-offs, of which the champion learned from none, where there is one.

    Raises
    ------
    NotReadyError
        There is no build for the problem, its raw rows are gone, or no cut-off has a label yet.
    """
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    if problem.label != CHURN:
        raise NotReadyError(
            f"late facts are told for {CHURN}, and the problem asks for {problem.label}: give its problem "
            "file with --problem"
        )
    with home.reading() as build, progress.bar("Comparing then and now", 4) as bar:
        check_same_problem(build, problem)
        manifest = read_build_manifest(build)
        load, clock = home.raw / manifest["load_id"], parse_instant(manifest["data_clock"])
        model, notes = champion_or_note(build, problem)
        rows, total = drawn_rows(build, load, cutoffs_of(build, model), customers, problem.seed)
        names = sorted({*rows.column("customer_id").to_pylist()})
        keys = rows.select(list(KEYS))
        bar.step("features then")
        then = point_in_time(build, keys).drop_columns(list(KEYS))
        bar.step("features now")
        with build_in_hindsight(build, load, names, clock) as made:
            now = point_in_time(made, keys).drop_columns(list(KEYS))
        bar.step("labels then")
        gap, horizon = problem.gap, timedelta(days=problem.horizon_days)
        ripe = [min(cutoff + gap, clock) for cutoff in keys.column("event_timestamp").to_pylist()]
        labels = {
            THEN: np.array(labels_known_by(build, load, keys, ripe, horizon), dtype=np.float64),
            NOW: rows.column("churned").to_numpy().astype(np.float64),
        }
    moved = {name: differing(then.column(name), now.column(name)) for name in then.column_names}
    return Late(
        build_id=build.name,
        data_clock=manifest["data_clock"],
        customers=len(names),
        all_customers=total,
        cutoffs=by_cutoff(keys.column("event_timestamp"), moved, labels),
        features=by_feature(then, now, moved),
        now_stayed=int(((labels[THEN] == 1) & (labels[NOW] == 0)).sum()),
        now_churned=int(((labels[THEN] == 0) & (labels[NOW] == 1)).sum()),
        figures=figures_of(model, {THEN: then, NOW: now}, labels),
        notes=notes,
    )


def champion_or_note(build: Path, problem: Problem) -> tuple[FittedModel | None, tuple[str, ...]]:
    """The champion; None with a note where there is none that can be used."""
    try:
        return champion_of(build, problem, SILENT, read_judged), ()
    except (NotReadyError, ModelError) as error:
        return None, (f"no figures of a model: {error}",)


def cutoffs_of(build: Path, model: FittedModel | None) -> list[datetime]:
    """The last labelled cut-offs, of those that the champion did not learn from."""
    cutoffs = read_cutoffs(build)
    first = model.facts.get("split", {}).get("test", {}).get("first") if model else None
    later = [cutoff for cutoff in cutoffs if first is None or cutoff >= parse_instant(first)]
    if not later:
        raise NotReadyError(f"{build.name} has no cut-off with a label: load a longer history")
    return later[-CUTOFFS_MAX:]


def drawn_rows(
    build: Path, load: Path, cutoffs: Sequence[datetime], customers: int, seed: int
) -> tuple[pa.Table, int]:
    """The labelled rows of some customers, by cut-off and customer, and how many customers have any."""
    labels = parquet(build / LABELS)
    with duckdb.connect() as connection:
        query = (
            "select distinct customer_id from {} where event_timestamp in (select unnest($1::timestamp[]))"
        )
        everyone = [name for (name,) in connection.execute(query.format(labels), [cutoffs]).fetchall()]
        single = pa.table({"customer_id": pa.array(without_merged(load, everyone), pa.string())})
        connection.register("single", single)
        drawn = sampled_customers_sql("single", customers)
        rows = connection.execute(ROWS.format(labels=labels, customers=drawn), [str(seed), cutoffs])
        return rows.to_arrow_table(), len(everyone)


def differing(then: pa.ChunkedArray, now: pa.ChunkedArray) -> np.ndarray:
    """In which rows two columns differ; null is a value."""
    pairs = zip(then.to_pylist(), now.to_pylist(), strict=True)
    return np.array([one != other for one, other in pairs], dtype=bool)


def by_cutoff(
    stamps: pa.ChunkedArray, moved: dict[str, np.ndarray], labels: dict[str, Floats]
) -> tuple[LateCutoff, ...]:
    """The counts of each cut-off."""
    cutoffs = np.array(stamps.to_pylist(), dtype="datetime64[us]")
    any_moved = np.logical_or.reduce(list(moved.values()))
    changed = labels[THEN] != labels[NOW]
    return tuple(
        LateCutoff(
            format_instant(cutoff.item()),
            int((own := cutoffs == cutoff).sum()),
            int((any_moved & own).sum()),
            int((changed & own).sum()),
        )
        for cutoff in np.unique(cutoffs)
    )


def by_feature(then: pa.Table, now: pa.Table, moved: dict[str, np.ndarray]) -> tuple[LateFeature, ...]:
    """The features that late facts move."""
    found = [
        LateFeature(name, int(rows.sum()), float(rows.mean()), mean_change(then, now, name, rows))
        for name, rows in moved.items()
        if rows.any()
    ]
    return tuple(sorted(found, key=lambda feature: (-feature.rows_moved, feature.feature)))


def mean_change(then: pa.Table, now: pa.Table, name: str, rows: np.ndarray) -> float | None:
    """The mean of now minus then over the rows that differ and have a number in both; None without one."""
    kind = then.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    pairs = zip(
        then.column(name).filter(rows).to_pylist(), now.column(name).filter(rows).to_pylist(), strict=True
    )
    changes = [float(other - one) for one, other in pairs if one is not None and other is not None]
    return float(np.mean(changes)) if changes else None


def figures_of(
    model: FittedModel | None, features: dict[str, pa.Table], labels: dict[str, Floats]
) -> tuple[LateFigures, ...]:
    """The champion's figures as they were, with the labels of now, and with the features of now as well."""
    if model is None:
        return ()
    scores = {when: model.prediction(model.frame(table)) for when, table in features.items()}
    pairs = ((THEN, THEN), (THEN, NOW), (NOW, NOW))
    return tuple(
        LateFigures(
            of_features, of_labels, len(scores[THEN]), *measured(labels[of_labels], scores[of_features])
        )
        for of_features, of_labels in pairs
    )


def measured(churned: Floats, scores: Floats) -> tuple[float | None, float | None]:
    """ROC-AUC and log-loss; None where only one class is there."""
    if len({*churned.tolist()}) < 2:
        return None, None
    found = measure(churned, scores, names=FIGURES)
    return float(found["roc_auc"][0]), float(found["log_loss"][0])
