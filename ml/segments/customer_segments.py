"""``churn segments``: customers by behaviour, with the same segments from one run to the next.

The population at an instant comes in; a row for each customer with number and name of the segment goes out.
What was learned, and the figures of the latest instant, stay in the home for report, page and scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import adjusted_rand_score

from ml.common.errors import NotReadyError, UsageError
from ml.common.instants import format_instant, parse_instant
from ml.common.number_words import counted
from ml.common.progress import SILENT, Progress
from ml.common.row_files import check_out, write_rows
from ml.config.problem import Problem
from ml.features.label_models import eligible_at
from ml.featurestore.catalog import Catalog, read_catalog
from ml.home.build_manifest import checked_as_of, score_instant
from ml.home.layout import Home
from ml.home.problem_file import problem_for
from ml.segments.figures import Assigned, assigned, figures_of
from ml.segments.inputs import declared_inputs, learn_inputs, read_values, scaled_points
from ml.segments.matching import matched_positions
from ml.segments.names import segment_names
from ml.segments.number import Strength, choose_number, fit_centres, nearest, strengths
from ml.segments.segmentation import (
    Segment,
    Segmentation,
    read_segmentation,
    readable_segmentation,
    segments_file,
    write_segmentation,
)

CUSTOMERS_MIN = 50  # fewer make no groups to speak of
LEARN_FIRST = "no segments have been learned yet for the problem {}: run 'churn segments' first"


@dataclass(frozen=True)
class CustomerSegments:
    """What one run found.

    Parameters
    ----------
    rows : Table
        customer_id, event_timestamp, segment, segment_name, segment_before (null where the customer was not
        in the population then), and the inputs.
    segmentation : Segmentation
        With the figures of this run.
    is_new : bool
        Whether segments were learned in this run.
    agreement : float, optional
        Adjusted Rand index (Hubert and Arabie, 1985) of new and earlier segments over the customers.
    file : Path
        Where the segments are kept.
    """

    rows: pa.Table
    segmentation: Segmentation
    is_new: bool
    agreement: float | None
    file: Path

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            **self.segmentation.figures,
            "inputs": self.segmentation.input_names,
            "learned": self.segmentation.learned,
            "strengths": [vars(one) | {"passes": one.passes} for one in self.segmentation.strengths],
            "is_new": self.is_new,
            "agreement": self.agreement,
            "file": str(self.file),
        }


def segments(
    *,
    as_of: datetime | None = None,
    out: str | Path | None = None,
    refit: bool = False,
    number: int | None = None,
    json_lines: bool = False,
    home: str | Path | Home | None = None,
    problem: Problem | str | Path | None = None,
    progress: Progress = SILENT,
) -> CustomerSegments:
    """The segment of every customer of the population, and what the segments are.

    Segments are learned in the first run, and where ``refit``, ``number`` or other inputs ask for it; else
    those in the home hold.

    Parameters
    ----------
    as_of : datetime, optional
        The as-of instant, naive UTC; by default that of scoring.
    out : path, optional
        File of the rows: Parquet, CSV or JSON lines; ``-`` is standard output.
    refit : bool
        Learn again; segments that keep their customers keep their number and name.
    number : int, optional
        So many segments; by default as many as before while these repeat themselves, else the most that do
        (``ml.segments.number``).

    Raises
    ------
    UsageError
        An input does not exist or is no number, ``as_of`` is after the data clock, or ``number`` is not from
        1 to the number of customers that differ.
    NotReadyError
        Nothing has been built, or fewer than 50 customers are in the population.
    """
    if out is not None:
        check_out(out)
    home = Home.at(home)
    problem = problem_for(home, problem, progress)
    with home.reading() as build:
        instant = checked_as_of(build, as_of) if as_of else score_instant(build)[0]
        rows = eligible_at(build, problem, instant)
        # A damaged file says to learn again, which must not read it.
        again = refit or number is not None
        earlier = (readable_segmentation if again else read_segmentation)(home, problem.name)
        agreement, is_new = None, True
        if earlier is None:
            segmentation = learn(build, problem, rows, instant, number, None, progress)
        elif again or are_others(earlier, read_catalog(build), problem, progress):
            fresh = learn(build, problem, rows, instant, number, len(earlier.segments), progress)
            segmentation, agreement = continued(fresh, earlier, build, rows)
        else:
            segmentation, is_new = earlier, False
            warn_of_hindsight(earlier, instant, progress)
        last = earlier.figures.get("as_of") if earlier else None
        since = compared_with(instant, last, problem)
        now = assigned(build, segmentation, rows)
        before = assigned(build, segmentation, eligible_at(build, problem, since))
        figures = figures_of(build, problem, segmentation, instant, since, now, before)
    table = table_of(segmentation, now, before)
    segmentation = replace(segmentation, figures=figures)
    file = segments_file(home, problem.name)
    # A look at an earlier instant does not replace what report and page show.
    if is_new or last is None or parse_instant(last) <= instant:
        write_segmentation(file, segmentation)
    if out is not None:
        write_rows(table, out, json_lines=json_lines)
    return CustomerSegments(table, segmentation, is_new, agreement, file)


def are_others(earlier: Segmentation, catalog: Catalog, problem: Problem, progress: Progress) -> bool:
    """Whether the inputs of the segments are others than are declared now."""
    definitions = catalog.definitions()
    declared = {feature.name: definitions[feature.name] for feature in declared_inputs(catalog, problem)}
    if declared.keys() != earlier.definitions.keys():
        progress.say("note: segments are told apart by other features than before: they are learned again")
    elif declared != earlier.definitions:
        progress.say("note: the definition of a feature of the segments changed: they are learned again")
    return declared != earlier.definitions


def warn_of_hindsight(earlier: Segmentation, as_of: datetime, progress: Progress) -> None:
    """A note where the segments were learned from what came after the as-of instant."""
    if parse_instant(earlier.learned["as_of"]) > as_of:
        progress.say(
            f"note: the segments were learned as of {earlier.learned['as_of']}, after "
            f"{format_instant(as_of)}; --refit learns from what was known then"
        )


def learn(
    build: Path,
    problem: Problem,
    rows: pa.Table,
    as_of: datetime,
    number: int | None,
    earlier: int | None,
    progress: Progress,
) -> Segmentation:
    """Segments of the customers, numbered from 1 by size; ``earlier`` is how many there were."""
    if len(rows) < CUSTOMERS_MIN:
        raise NotReadyError(
            f"{counted(len(rows), 'customer')} in the population at {format_instant(as_of)}, and segments "
            f"need {CUSTOMERS_MIN}: choose another --as-of, or load more"
        )
    catalog = read_catalog(build)
    features = declared_inputs(catalog, problem)
    values = read_values(build, rows, [feature.name for feature in features])
    inputs, alike = learn_inputs(features, values)
    if alike:
        progress.say(f"note: the same for nearly everyone, so left out: {', '.join(alike)}")
    if not inputs:
        raise UsageError("every feature that segments are told apart by is the same for nearly everyone")
    values = values[:, [column for column, one in enumerate(features) if one.name not in alike]]
    points = scaled_points(inputs, values)
    if number is not None and not 1 <= number <= len(np.unique(points, axis=0)):
        raise UsageError(
            f"--number {number} is not from 1 to {len(np.unique(points, axis=0))}, the customers that differ"
        )
    measured: list[Strength] = []
    if number is None:
        progress.say("choosing the number of segments")
        measured = strengths(points, problem.seed)
    centres = fit_centres(points, number or choose_number(measured, earlier), problem.seed)
    sizes = np.bincount(nearest(points, centres), minlength=len(centres))
    centres = centres[np.argsort(-sizes, kind="stable")]
    names = segment_names(inputs, values, nearest(points, centres), len(centres))
    made = tuple(
        Segment(position + 1, name, tuple(map(float, centre)))
        for position, (name, centre) in enumerate(zip(names, centres, strict=True))
    )
    definitions = catalog.definitions()
    return Segmentation(
        tuple(inputs),
        made,
        {
            "build_id": build.name,
            "as_of": format_instant(as_of),
            "customers": len(rows),
            "seed": problem.seed,
            "number": "given" if number else "kept" if len(centres) == earlier else "chosen",
            "left_out": alike,
        },
        tuple(measured),
        {feature.name: definitions[feature.name] for feature in features},
        len(made) + 1,
    )


def continued(
    fresh: Segmentation, earlier: Segmentation, build: Path, rows: pa.Table
) -> tuple[Segmentation, float | None]:
    """The new segments with numbers and names of those they continue; how far both agree.

    Where an input of the earlier segments is gone, none is continued.
    """
    if set(earlier.input_names) - set(read_catalog(build).feature_names):
        return numbered_on(fresh, earlier, {}), None
    new, old = (assigned(build, one, rows).positions for one in (fresh, earlier))
    pairs = matched_positions(new, old, len(fresh.segments), len(earlier.segments))
    return numbered_on(fresh, earlier, pairs), float(adjusted_rand_score(old, new))


def numbered_on(fresh: Segmentation, earlier: Segmentation, pairs: Mapping[int, int]) -> Segmentation:
    """New segments, those without an earlier one under numbers that none has had."""
    made, next_number = [], earlier.next_number
    names = {earlier.segments[old].name for old in pairs.values()}
    for position, segment in enumerate(fresh.segments):
        if position in pairs:
            before = earlier.segments[pairs[position]]
            made.append(replace(segment, number=before.number, name=before.name))
        else:
            name = f"{segment.name} ({next_number})" if segment.name in names else segment.name
            made.append(replace(segment, number=next_number, name=name))
            next_number += 1
    made.sort(key=lambda segment: segment.number)
    return replace(fresh, segments=tuple(made), next_number=next_number)


def compared_with(instant: datetime, last: str | None, problem: Problem) -> datetime:
    """The instant of the last run, where that is earlier; else one horizon ago."""
    if last is not None and parse_instant(last) < instant:
        return parse_instant(last)
    return instant - problem.gap


def table_of(segmentation: Segmentation, now: Assigned, before: Assigned) -> pa.Table:
    """The rows that go out."""
    earlier = before.by_customer()
    numbers = segmentation.numbers
    customers = now.rows.column("customer_id").to_pylist()
    numbers_before = [int(numbers[earlier[one]]) if one in earlier else None for one in customers]
    columns: dict[str, Any] = {
        "customer_id": now.rows.column("customer_id"),
        "event_timestamp": now.rows.column("event_timestamp"),
        "segment": pa.array(numbers[now.positions], pa.int64()),
        "segment_name": pa.array(segmentation.names_at(now.positions), pa.string()),
        "segment_before": pa.array(numbers_before, pa.int64()),
    }
    for column, name in enumerate(segmentation.input_names):
        columns[name] = pa.array(now.values[:, column], pa.float64(), from_pandas=True)
    return pa.table(columns)


def learned_segments(home: Home, problem: Problem) -> Segmentation:
    """The segments in the home, for scores.

    Raises
    ------
    NotReadyError
        None have been learned yet, or their file is damaged.
    """
    segmentation = read_segmentation(home, problem.name)
    if segmentation is None:
        raise NotReadyError(LEARN_FIRST.format(problem.name))
    return segmentation


def with_segments(build: Path, segmentation: Segmentation, rows: pa.Table) -> pa.Table:
    """The rows with ``segment`` and ``segment_name`` of each customer at its instant."""
    positions = assigned(build, segmentation, rows).positions
    names = pa.array(segmentation.names_at(positions), pa.string())
    numbers = pa.array(segmentation.numbers[positions], pa.int64())
    return rows.append_column("segment", numbers).append_column("segment_name", names)
