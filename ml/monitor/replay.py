"""Replay: every logged vector recomputed at its own instant, and each difference named by its cause.

The prediction log comes in, and the published build; rates by cause go out. A score that was served from
anything but its own build is found here: its cause is ``store``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.errors import NotReadyError
from ml.common.instants import format_instant
from ml.common.progress import SILENT, Progress
from ml.common.row_files import check_out, write_rows
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.monitor.explain_differences import Explained, explained
from ml.monitor.logged_vectors import Changed, Vector, differing, values_at, vectors_of
from ml.monitor.replay_causes import ALARMING, CAUSES, MODEL, STORE
from ml.monitor.replayed_predictions import Champions
from ml.predictions.log import PredictionLog

PREDICTION = "prediction"
SHOWN = 100  # differences in the result; the file has all


@dataclass(frozen=True)
class Difference:
    """One logged value that is another now.

    Parameters
    ----------
    sequence : int
        The number of the first entry with it; ``times`` entries have it.
    feature : str
        Or ``prediction``.
    logged, now : str or None
        The values as text.
    cause : str
        What explains most of it.
    also : str
        Further causes, separated by commas.
    detail : str
        The raw row behind it, if one is known.
    """

    sequence: int
    times: int
    source: str
    request_id: str
    customer_id: str
    event_timestamp: str
    feature: str
    logged: str | None
    now: str | None
    cause: str
    also: str
    detail: str
    build_id: str
    model_version: str


@dataclass(frozen=True)
class CauseRate:
    """How many values and entries differ by one cause, and the share of all values compared."""

    cause: str
    values: int
    entries: int
    rate: float


@dataclass(frozen=True)
class Replay:
    """The outcome of a replay.

    Parameters
    ----------
    build_id : str
        The published build that answered.
    entries, values : int
        Logged scores, and values of them, that were compared.
    differing_entries, differing_values : int
    not_replayed : int
        Logged scores at instants after the data clock of the build: facts that no build has yet.
    causes : tuple of CauseRate
        Each cause that was found, in the order of ``CAUSES``.
    differences : tuple of Difference
    notes : tuple of str
    """

    build_id: str
    entries: int
    values: int
    differing_entries: int
    differing_values: int
    not_replayed: int
    causes: tuple[CauseRate, ...]
    differences: tuple[Difference, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every difference has a cause that is no fault of serving."""
        return not any(rate.cause in ALARMING for rate in self.causes)

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it, with the first differences."""
        content = asdict(self) | {"ok": self.ok}
        return content | {"differences": content["differences"][:SHOWN]}


def replay(
    *,
    home: str | Path | Home | None = None,
    since: datetime | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Progress = SILENT,
) -> Replay:
    """Recompute every logged vector at its own instant from the published build.

    Parameters
    ----------
    home : path or Home, optional
    since : datetime, optional
        Only what was logged from this instant on, naive UTC.
    out : path, optional
        A file of all differences: Parquet, CSV or JSON lines by its ending; ``-`` is standard output.

    Returns
    -------
    Replay

    Raises
    ------
    NotReadyError
        Nothing has been built, or nothing was ever logged.
    """
    if out is not None:
        check_out(out)
    home = Home.at(home)
    with ExitStack() as stack:
        build = stack.enter_context(home.reading())
        log = stack.enter_context(PredictionLog(home))
        counts, found = Counts(), list[Difference]()
        champions = Champions(home, build)
        bar = stack.enter_context(progress.bar("Replaying", 1))
        for vectors in vectors_of(log.rows(format_instant(since) if since else "")):
            changed = compared(build, vectors, champions, counts, found)
            bar.step("Explaining")
            for each in explained(home, build, changed):
                found.extend(differences_of(each))
    if not counts.entries and not counts.not_replayed:
        raise NotReadyError(
            "the prediction log has no score to replay: run 'churn score --log', 'churn run' or 'churn serve'"
        )
    found.sort(key=lambda difference: (difference.sequence, difference.feature))
    result = summed(build.name, counts, found, tuple(champions.notes))
    if out is not None:
        write_rows(table_of(found), out)
    return result


@dataclass
class Counts:
    """What was compared so far."""

    entries: int = 0
    values: int = 0
    not_replayed: int = 0


def compared(
    build: Path,
    vectors: Mapping[Vector, int],
    champions: Champions,
    counts: Counts,
    found: list[Difference],
) -> list[Changed]:
    """The vectors that differ; differences of their scores are put to those found."""
    clock = data_clock(build)
    present = [vector for vector in vectors if vector.instant <= clock]
    counts.not_replayed += sum(times for vector, times in vectors.items() if vector.instant > clock)
    if not present:
        return []
    table, values = values_at(build, present)
    changed = []
    for vector, now in zip(present, values, strict=True):
        logged = vector.values
        counts.entries += vectors[vector]
        counts.values += vectors[vector] * (len(logged) + 1)
        if features := differing(logged, now):
            changed.append(Changed(vector, vectors[vector], now, features))
    moved = {each.vector for each in changed}
    for vector, prediction, version in champions.predictions(present, table):
        if cause := cause_of_prediction(vector, prediction, version, vector in moved):
            found.append(difference(vector, vectors[vector], PREDICTION, prediction, (cause,), ""))
    return changed


def cause_of_prediction(vector: Vector, prediction: float, version: str, has_moved: bool) -> str | None:
    """Why a logged score is another now, apart from what its features explain."""
    if vector.prediction == prediction:
        return None
    if vector.model_version != version:
        return MODEL
    return None if has_moved else STORE


def differences_of(each: Explained) -> Iterator[Difference]:
    """The differences of one vector."""
    logged = each.changed.vector.values
    for name, (causes, detail) in each.causes.items():
        now = each.changed.now.get(name)
        yield difference(each.changed.vector, each.changed.times, name, now, causes, detail, logged.get(name))


def difference(
    vector: Vector,
    times: int,
    feature: str,
    now: Any,
    causes: Sequence[str],
    detail: str,
    logged: Any = None,
) -> Difference:
    """A difference as it is told."""
    return Difference(
        sequence=vector.sequence,
        times=times,
        source=vector.source,
        request_id=vector.request_id,
        customer_id=vector.customer_id,
        event_timestamp=format_instant(vector.instant),
        feature=feature,
        logged=text_of(vector.prediction if feature == PREDICTION else logged),
        now=text_of(now),
        cause=causes[0],
        also=", ".join(causes[1:]),
        detail=detail,
        build_id=vector.build_id,
        model_version=vector.model_version,
    )


def text_of(value: Any) -> str | None:
    return None if value is None else str(value)


def summed(build_id: str, counts: Counts, found: Sequence[Difference], notes: tuple[str, ...]) -> Replay:
    """The rates by cause."""
    by_cause: dict[str, list[Difference]] = {}
    for each in found:
        by_cause.setdefault(each.cause, []).append(each)
    rates = tuple(
        CauseRate(
            cause, values_in(of_cause), entries_in(of_cause), values_in(of_cause) / max(counts.values, 1)
        )
        for cause in CAUSES
        if (of_cause := by_cause.get(cause))
    )
    return Replay(
        build_id,
        counts.entries,
        counts.values,
        entries_in(found),
        values_in(found),
        counts.not_replayed,
        rates,
        tuple(found),
        notes,
    )


def values_in(found: Iterable[Difference]) -> int:
    return sum(each.times for each in found)


def entries_in(found: Iterable[Difference]) -> int:
    """How many logged scores have any of the differences."""
    return sum({each.sequence: each.times for each in found}.values())


def table_of(found: Sequence[Difference]) -> pa.Table:
    """The differences as rows."""
    numbers = ("sequence", "times")
    schema = pa.schema(
        [(name, pa.int64() if name in numbers else pa.string()) for name in Difference.__dataclass_fields__]
    )
    return pa.Table.from_pylist([asdict(each) for each in found], schema)
