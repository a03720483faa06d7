"""Leaky features: one that alone orders the labels nearly without fault was perhaps made from them.

Labelled rows of the training part with every feature come in; each feature's own ROC-AUC goes out, whichever
way round it points. The usual fault is a label made from the same recency that is a feature. The test part is
not looked at: a champion is judged there.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ml.audit.findings import Audit, Breach, Finding, not_checked
from ml.audit.pictures import Bar, Bars, PicturedFinding
from ml.common.errors import NotReadyError
from ml.features.labels import count_rows, labelled_rows, read_cutoffs
from ml.features.split import TimeSplit, split_by_time
from ml.featurestore.catalog import Catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.metrics.single_feature_auc import LIMIT, halves, of_column

CHECK = "stand-ins"
MOST_ROWS = 30_000
# With fewer rows of a class an AUC above the limit may be chance.
FEWEST_OF_A_CLASS = 25
SHOWN = 12


def check(audit: Audit) -> Finding:
    """Whether any single feature separates who churned from who stayed better than ``LIMIT``."""
    split, part = judged_on(audit)
    counts = count_rows(audit.build, split)
    rows = labelled_rows(audit.build, split, most=MOST_ROWS, rows=counts, seed=audit.seed)
    churned = rows["churned"].to_numpy() == 1
    fewest = int(min(churned.sum(), (~churned).sum()))
    if fewest < FEWEST_OF_A_CLASS:
        return not_checked(
            CHECK,
            f"{fewest} rows of one class are too few, {FEWEST_OF_A_CLASS} are needed: load more customers",
        )
    areas = aucs(point_in_time(audit.build, rows), audit.catalog, churned, audit.seed)
    ranked = sorted(areas.items(), key=lambda item: (-item[1], item[0]))
    name, best = ranked[0]
    total = sum(counts.values()) - counts["left_out"]
    return PicturedFinding(
        CHECK,
        compared=len(areas),
        what="features",
        detail=f"the best single feature, {name}, has ROC-AUC {best:.3f} on {len(rows):,} {part}; the "
        f"limit is {LIMIT}",
        breaches=tuple(breach(audit.catalog, name, area, part) for name, area in ranked if area > LIMIT),
        sampled=f"{len(rows):,} of {total:,} {part}, by a seeded hash" if len(rows) < total else "",
        picture=Bars(
            f"ROC-AUC of single features, the best {min(SHOWN, len(ranked))} of {len(ranked)}",
            tuple(Bar(name, round(area, 4), area > LIMIT) for name, area in ranked[:SHOWN]),
            start=0.5,
            limit=LIMIT,
        ),
    )


def judged_on(audit: Audit) -> tuple[TimeSplit, str]:
    """The training part, or all cut-offs where they are too few to be split; and what to call its rows."""
    cutoffs = read_cutoffs(audit.build)
    if not cutoffs:
        raise NotReadyError("there is no labelled cut-off: the history is shorter than the horizon")
    try:
        split = split_by_time(cutoffs, audit.problem)
    except NotReadyError:
        return TimeSplit(tuple(cutoffs), (), (), ()), "labelled rows (too few cut-offs for a training part)"
    return TimeSplit(split.train, (), (), ()), "training rows"


def breach(catalog: Catalog, name: str, area: float, part: str) -> Breach:
    columns = {feature.name: f"{feature.view}.{feature.name}" for feature in catalog.stored}
    formula = f" = {catalog.formulas[name]}" if name in catalog.formulas else ""
    return Breach(
        f"{columns.get(name, name)}{formula} alone tells the label: ROC-AUC {area:.3f} on {part}, above "
        f"{LIMIT}; perhaps the label was made from it, or it is known only later",
        {"feature": name, "auc": round(area, 4)},
    )


def aucs(table: pa.Table, catalog: Catalog, churned: NDArray[np.bool_], seed: int) -> dict[str, float]:
    """Feature -> its own ROC-AUC, 0.5 or more."""
    as_of, half = table["event_timestamp"], halves(table["customer_id"], seed)
    return {
        feature.name: of_column(table[feature.name], as_of, churned, half) for feature in catalog.features
    }
