"""Labels: they see only the future, features only the past, and no part of the split sees a later one.

Every published label is counted a second time from raw orders (``recount``), customers whose label turns on a
microsecond are built (``edges``), gaps are measured, instants compared, and shuffled labels learned.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pyarrow.compute as pc

from ml.audit.check_database import database
from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.audit.label_edges import wrong_edges
from ml.audit.label_recount import delivered_orders, differences, gap_of, recount, settled_cutoffs, unsettled
from ml.audit.pictures import PicturedFinding, Span, Timeline
from ml.audit.raw_facts import check_load
from ml.audit.shuffled_labels import SHUFFLES, shuffled_label_check
from ml.common.errors import NotReadyError, TidemarkError
from ml.common.instants import format_instant, parse_instant
from ml.config.problem import from_values
from ml.features.labels import count_rows, labelled_rows, read_cutoffs, split_labels
from ml.features.split import PARTS, TimeSplit
from ml.featurestore.feast_types import base_type
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.layout import model_of

CHECK = "labels"
ROWS_MAX = 20_000  # point-in-time retrieval of these takes about a second
OF_CHURN_ALONE = ("the recount", "the microsecond at each edge")
Spans = dict[str, tuple[datetime, datetime]]


@dataclass
class PartResult:
    """The result of one part of the check; results are summed."""

    compared: int = 0
    proved: list[str] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check(audit: Audit) -> Finding:
    """Run every part that can run; the notes name the others, with the reason."""
    if not read_cutoffs(audit.build, audit.own_labels):
        return not_checked(CHECK, "there is no labelled cut-off: the history is shorter than the horizon")
    steps: dict[str, Callable[[Audit], PartResult]] = {
        "the recount": recount_labels,
        "the microsecond at each edge": check_edges,
        "the gaps between splits": check_gaps,
        "the instants among features": check_instants,
        "shuffled labels": check_shuffled_labels,
    }
    total = PartResult()
    if audit.own_labels is not None:
        for name in OF_CHURN_ALONE:
            del steps[name]
            total.notes.append(f"not checked: {name}, because only churn is recounted from raw orders")
    for name, step in steps.items():
        try:
            part = step(audit)
        except TidemarkError as error:
            part = PartResult(notes=[f"not checked: {name}, because {error}"])
        total.compared += part.compared
        total.proved += part.proved
        total.breaches += part.breaches
        total.sampled += part.sampled
        total.notes += part.notes
    return PicturedFinding(
        CHECK,
        compared=total.compared,
        what="labels",
        detail="; ".join(total.proved),
        breaches=tuple(total.breaches),
        sampled="; ".join(total.sampled),
        notes=tuple(total.notes),
        picture=picture(audit),
    )


def recount_labels(audit: Audit) -> PartResult:
    """Recount the population and the labels at each cut-off from raw orders."""
    check_load(audit)
    with database(audit) as connection:
        delivered = delivered_orders(connection, audit)
        cutoffs = settled_cutoffs(audit, connection, delivered)
        counts = recount(audit, connection, cutoffs)
        breaches = [*unsettled(audit, cutoffs, delivered), *differences(audit, connection)]
    is_sample = counts["customers"] < counts["all_customers"]
    sampled = f"recount: {counts['customers']:,} of {counts['all_customers']:,} customers, by a seeded hash"
    proved = (
        f"{counts['labels']:,} labels recounted from raw orders, one microsecond deciding in "
        f"{counts['at_an_edge']:,} of them"
    )
    return PartResult(counts["labels"], [proved], breaches, [sampled] if is_sample else [])


def check_edges(audit: Audit) -> PartResult:
    """Build customers whose label depends on a microsecond with the dbt graph."""
    compared, breaches = wrong_edges(audit)
    return PartResult(compared, [f"{compared:,} made to turn on a microsecond"], breaches)


def check_gaps(audit: Audit) -> PartResult:
    """Check that labels of a part are settled before the next part starts, also in the model's split."""
    split = split_labels(audit.build, audit.problem, audit.own_labels)
    breaches, notes = list(overlaps("the split", spans_of(split), gap_of(audit.problem))), []
    try:
        breaches += gaps_of_model(audit)
    except TidemarkError as error:
        notes.append(f"not checked: the split of the current model, because {error}")
    return PartResult(0, ["gaps between splits hold"] if not breaches else [], breaches, notes=notes)


def spans_of(split: TimeSplit) -> Spans:
    """First and last cut-off of each part."""
    return {part: (getattr(split, part)[0], getattr(split, part)[-1]) for part in PARTS}


def gaps_of_model(audit: Audit) -> Iterator[Breach]:
    from ml.model.model_files import read_manifest

    folder = model_of(audit.build, audit.problem.name)
    manifest = read_manifest(folder)
    split = manifest["split"]
    spans = {
        part: (parse_instant(split[part]["first"]), parse_instant(split[part]["last"])) for part in PARTS
    }
    return overlaps(f"the split of {folder.name}", spans, gap_of(from_values(manifest["problem"])))


def overlaps(owner: str, spans: Spans, gap: timedelta) -> Iterator[Breach]:
    """Pairs of parts that are not a gap apart."""
    for earlier, later in pairwise(PARTS):
        last, begins = spans[earlier][1], spans[later][0]
        if last + gap > begins:
            yield Breach(
                f"{owner} leaks: the last {earlier} label is settled at {format_instant(last + gap)}, after "
                f"{later} begins at {format_instant(begins)}; they must be {gap.days} days apart",
                {
                    "earlier": earlier,
                    "later": later,
                    "days between": (begins - last) / timedelta(days=1),
                },
            )


def check_instants(audit: Audit) -> PartResult:
    """Check that no instant among features, but for planned ones, is later than the cut-off of its row."""
    features = [
        feature
        for feature in audit.catalog.stored
        if base_type(feature.sql_type) == "TIMESTAMP" and not feature.is_planned
    ]
    if not features:
        return PartResult(notes=["not checked: the instants among features, because there is none"])
    split = TimeSplit((), (), tuple(read_cutoffs(audit.build, audit.own_labels)), ())
    counts = count_rows(audit.build, split, audit.own_labels)
    rows = labelled_rows(audit.build, split, audit.own_labels, most=ROWS_MAX, rows=counts, seed=audit.seed)
    table = point_in_time(audit.build, rows, features=[feature.name for feature in features])
    breaches = []
    for feature in features:
        later = table.filter(pc.greater(table[feature.name], table["event_timestamp"]))
        if len(later):
            first = later.slice(0, 1).to_pylist()[0]
            example = {
                "customer_id": first["customer_id"],
                "instant": format_instant(first["event_timestamp"]),
                "feature": feature.name,
                "value": format_instant(first[feature.name]),
            }
            what = f"{feature.view}.{feature.name} is later than the cut-off in {len(later):,} rows"
            breaches.append(Breach(what, example, len(later)))
    return PartResult(
        0,
        [f"{len(features)} instants at {len(table):,} labelled rows lie in the past"] if not breaches else [],
        breaches,
        [f"instants: {len(table):,} labelled rows, by a seeded hash"],
    )


def check_shuffled_labels(audit: Audit) -> PartResult:
    """Check that shuffled labels cannot be learned."""
    result = shuffled_label_check(audit, split_labels(audit.build, audit.problem, audit.own_labels))
    if result is None:
        raise NotReadyError("a part has too few rows, or rows of one class only")
    text = f"AUC {result.auc:.3f} of shuffled labels on {result.rows:,} validation rows, mean of {SHUFFLES}"
    sampled = [f"shuffled labels: {result.rows:,} validation rows, by a seeded hash"]
    if result.holds:
        return PartResult(0, [text], sampled=sampled)
    breach = Breach(
        f"shuffled labels can be learned: {text}, where 0.5 +- {result.allowed:.3f} is chance; rows of the "
        "training part are in the validation part too",
        {"auc": round(result.auc, 4), "allowed": round(result.allowed, 4)},
    )
    return PartResult(0, [], [breach], sampled)


def picture(audit: Audit) -> Timeline:
    """The parts of the split in time, each with the gap in which its labels settle."""
    cutoffs = read_cutoffs(audit.build, audit.own_labels)
    try:
        spans = spans_of(split_labels(audit.build, audit.problem, audit.own_labels))
    except TidemarkError:
        spans = {"all cut-offs": (cutoffs[0], cutoffs[-1])}
    bars = [
        Span(name, format_instant(first), format_instant(last), format_instant(last + gap_of(audit.problem)))
        for name, (first, last) in spans.items()
    ]
    title = "Cut-offs of each part, and more faintly until when its labels settle"
    return Timeline(title, tuple(bars), format_instant(audit.clock))
