"""Labels: they see only the future, features only the past, and no part of the split sees a later one.

Every published label is counted a second time from raw orders (``recount``), customers who turn on a
microsecond are built (``edges``), gaps are measured, instants compared, shuffled labels learned (``chance``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml.audit.edges import wrong_edges
from ml.audit.facts import becoming_known, check_there, one
from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.audit.pictures import PicturedFinding, Span, Timeline
from ml.audit.recount import delivered_orders, differences, gap_of, recount, unsettled
from ml.audit.sample import clock_of, database
from ml.audit.shuffled_labels import SHUFFLES, chance
from ml.common.errors import NotReadyError, TidemarkError
from ml.common.instants import format_instant, parse_instant
from ml.config.problem import from_values
from ml.features.labels import count_rows, labelled_rows, read_cutoffs
from ml.features.split import PARTS, TimeSplit, split_by_time
from ml.featurestore.feast_types import base_type
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import model_of

CHECK = "labels"
MOST_ROWS = 20_000


@dataclass
class Part:
    """What one part of the check found; parts are added up."""

    compared: int = 0
    proved: list[str] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(audit: Audit) -> Finding:
    """Make every part that can be made; the others are named in the notes, with the reason."""
    if not read_cutoffs(audit.build):
        return not_checked(CHECK, "there is no labelled cut-off: the history is shorter than the horizon")
    steps: dict[str, Callable[[Audit], Part]] = {
        "the recount": recounted,
        "the microsecond at each edge": edges,
        "the gaps between splits": gaps,
        "the instants among features": past,
        "shuffled labels": shuffles,
    }
    whole = Part()
    for name, step in steps.items():
        with_reason(whole, name, step, audit)
    return PicturedFinding(
        CHECK,
        compared=whole.compared,
        what="labels",
        detail="; ".join(whole.proved),
        breaches=tuple(whole.breaches),
        sampled="; ".join(whole.sampled),
        notes=tuple(whole.notes),
        picture=picture(audit),
    )


def with_reason(whole: Part, name: str, step: Callable[[Audit], Part], audit: Audit) -> None:
    """Make one part and add it; why it cannot be made is a note."""
    try:
        part = step(audit)
    except TidemarkError as error:
        part = Part(notes=[f"not checked: {name}, for {error}"])
    whole.compared += part.compared
    whole.proved += part.proved
    whole.breaches += part.breaches
    whole.sampled += part.sampled
    whole.notes += part.notes


def recounted(audit: Audit) -> Part:
    """Who is asked about at which cut-off, and what came of it, straight from raw orders."""
    check_there(audit)
    with database(audit) as connection:
        first = one(connection, f"select min(known_at) from ({becoming_known(audit.load)})")
        breaches = list(unsettled(audit, first, delivered_orders(connection, audit)))
        counts = recount(audit, connection)
        breaches += differences(audit, connection)
    some = counts["customers"] < counts["all_customers"]
    sampled = f"recount: {counts['customers']:,} of {counts['all_customers']:,} customers, by a seeded hash"
    return Part(
        counts["labels"],
        [
            f"{counts['labels']:,} labels recounted from raw orders, one microsecond deciding in "
            f"{counts['at_an_edge']:,} of them"
        ],
        breaches,
        [sampled] if some else [],
    )


def edges(audit: Audit) -> Part:
    """Customers whose label turns on a microsecond, through the dbt graph."""
    compared, breaches = wrong_edges(audit)
    return Part(compared, [f"{compared:,} made to turn on a microsecond"], breaches)


def gaps(audit: Audit) -> Part:
    """No label of one part is settled after a later part has begun."""
    split = split_by_time(read_cutoffs(audit.build), audit.problem)
    gap = gap_of(audit.problem)
    ends = {part: (getattr(split, part)[0], getattr(split, part)[-1]) for part in PARTS}
    breaches, notes = list(overlaps("the split", ends, gap)), []
    try:
        breaches += gaps_of_model(audit)
    except TidemarkError as error:
        notes.append(f"not checked: the split of the current model, for {error}")
    return Part(0, ["gaps between splits hold"] if not breaches else [], breaches, notes=notes)


def gaps_of_model(audit: Audit) -> Iterator[Breach]:
    """The same for the split that the current model was trained with."""
    from ml.model.store import read_manifest

    folder = model_of(audit.build)
    manifest = read_manifest(folder)
    gap = gap_of(from_values(manifest["problem"]))
    ends = {
        part: (
            parse_instant(manifest["split"][part]["first"]),
            parse_instant(manifest["split"][part]["last"]),
        )
        for part in PARTS
    }
    return overlaps(f"the split of {folder.name}", ends, gap)


def overlaps(whose: str, ends: dict[str, tuple[datetime, datetime]], gap: timedelta) -> Iterator[Breach]:
    """Pairs of parts that are not a gap apart; ``ends`` are first and last cut-off of each."""
    for earlier, later in pairwise(PARTS):
        settled, begins = ends[earlier][1] + gap, ends[later][0]
        if settled > begins:
            yield Breach(
                f"{whose} leaks: the last {earlier} label is settled at {format_instant(settled)}, after "
                f"{later} begins at {format_instant(begins)}; they must be {gap.days} days apart",
                {
                    "earlier": earlier,
                    "later": later,
                    "days between": (begins - ends[earlier][1]) / timedelta(days=1),
                },
            )


def past(audit: Audit) -> Part:
    """No instant among the features of labelled rows is later than the cut-off."""
    features = [each for each in audit.catalog.stored if base_type(each.sql_type) == "TIMESTAMP"]
    if not features:
        return Part(notes=["not checked: the instants among features, for there is none"])
    cutoffs = tuple(read_cutoffs(audit.build))
    rows = sampled_rows(audit, cutoffs)
    table = point_in_time(audit.build, rows, features=[each.name for each in features])
    breaches = []
    for feature in features:
        later = table.filter(pc.greater(table[feature.name], table["event_timestamp"]))
        if len(later):
            breaches.append(
                Breach(
                    f"{feature.view}.{feature.name} is later than the cut-off in {len(later):,} rows",
                    case(later, feature.name),
                    len(later),
                )
            )
    return Part(
        0,
        [f"{len(features)} instants at {len(table):,} labelled rows lie in the past"] if not breaches else [],
        breaches,
        [f"instants: {len(table):,} labelled rows, by a seeded hash"],
    )


def sampled_rows(audit: Audit, cutoffs: tuple[datetime, ...]) -> pa.Table:
    """Labelled rows of all cut-offs together."""
    everything = TimeSplit((), (), cutoffs, ())
    counts = count_rows(audit.build, everything)
    return labelled_rows(audit.build, everything, most=MOST_ROWS, rows=counts, seed=audit.seed)


def case(rows: pa.Table, name: str) -> dict[str, Any]:
    """The first of some rows, with one feature."""
    first = rows.slice(0, 1).select(["customer_id", "event_timestamp", name]).to_pylist()[0]
    return {
        "customer_id": first["customer_id"],
        "instant": format_instant(first["event_timestamp"]),
        "feature": name,
        "value": format_instant(first[name]),
    }


def shuffles(audit: Audit) -> Part:
    """Labels that mean nothing cannot be learned."""
    split = split_by_time(read_cutoffs(audit.build), audit.problem)
    found = chance(audit, split)
    if found is None:
        raise NotReadyError("a part has too few rows, or rows of one class only")
    said = f"AUC {found.auc:.3f} of shuffled labels on {found.rows:,} validation rows, mean of {SHUFFLES}"
    sampled = [f"shuffled labels: {found.rows:,} validation rows, by a seeded hash"]
    if found.holds:
        return Part(0, [said], sampled=sampled)
    breach = Breach(
        f"shuffled labels can be learned: {said}, where 0.5 +- {found.allowed:.3f} is chance; rows of the "
        "training part are in the validation part too",
        {"auc": round(found.auc, 4), "allowed": round(found.allowed, 4)},
    )
    return Part(0, [], [breach], sampled)


def picture(audit: Audit) -> Timeline | None:
    """The parts of the split in time, each with the gap in which its labels settle."""
    gap = gap_of(audit.problem)
    cutoffs = read_cutoffs(audit.build)
    try:
        split = split_by_time(cutoffs, audit.problem)
    except TidemarkError:
        spans = [("all cut-offs", cutoffs[0], cutoffs[-1])]
    else:
        spans = [(part, getattr(split, part)[0], getattr(split, part)[-1]) for part in PARTS]
    drawn = [
        Span(name, format_instant(first), format_instant(last), format_instant(last + gap))
        for name, first, last in spans
    ]
    clock = format_instant(clock_of(audit))
    return Timeline(
        "Cut-offs of each part, and more faintly until when its labels settle", tuple(drawn), clock
    )
