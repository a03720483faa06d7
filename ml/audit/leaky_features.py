"""Leaky features: a feature that alone orders the labels almost perfectly may be made from them.

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
from ml.features.labels import count_rows, labelled_rows, read_cutoffs, split_labels
from ml.features.split import TimeSplit
from ml.features.training_parts import positive_rows
from ml.featurestore.catalog import Catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.metrics.single_feature_auc import LEAK_AUC_MIN, halves, of_column

CHECK = "stand-ins"
ROWS_MAX = 30_000  # the standard error of an AUC of so many rows is below 0.005
# With fewer rows of a class, an AUC above the limit may be random.
ROWS_OF_A_CLASS_MIN = 25
FEATURES_SHOWN = 12


def check(audit: Audit) -> Finding:
    """Whether any single feature separates who churned from who stayed better than ``LEAK_AUC_MIN``.

    Of amounts, it is those above the median from the others.
    """
    split, part = training_rows(audit)
    counts = count_rows(audit.build, split, audit.own_labels)
    rows = labelled_rows(audit.build, split, audit.own_labels, most=ROWS_MAX, rows=counts, seed=audit.seed)
    churned = positive_rows(rows)
    smaller_class = int(min(churned.sum(), (~churned).sum()))
    if smaller_class < ROWS_OF_A_CLASS_MIN:
        return not_checked(
            CHECK,
            f"{smaller_class} rows of one class are too few, {ROWS_OF_A_CLASS_MIN} are needed: load more "
            "customers",
        )
    aucs_by_feature = aucs(point_in_time(audit.build, rows), audit.catalog, churned, audit.seed)
    ranked = sorted(aucs_by_feature.items(), key=lambda item: (-item[1], item[0]))
    name, best = ranked[0]
    total = sum(counts.values()) - counts["left_out"]
    return PicturedFinding(
        CHECK,
        compared=len(aucs_by_feature),
        what="features",
        detail=f"the best single feature, {name}, has ROC-AUC {best:.3f} on {len(rows):,} {part}; the "
        f"limit is {LEAK_AUC_MIN}",
        breaches=tuple(breach(audit.catalog, name, auc, part) for name, auc in ranked if auc > LEAK_AUC_MIN),
        sampled=f"{len(rows):,} of {total:,} {part}, by a seeded hash" if len(rows) < total else "",
        picture=Bars(
            f"ROC-AUC of single features, the best {min(FEATURES_SHOWN, len(ranked))} of {len(ranked)}",
            tuple(Bar(name, round(auc, 4), auc > LEAK_AUC_MIN) for name, auc in ranked[:FEATURES_SHOWN]),
            start=0.5,
            limit=LEAK_AUC_MIN,
        ),
    )


def training_rows(audit: Audit) -> tuple[TimeSplit, str]:
    """The training part, or all cut-offs where they are too few to be split; and what to call its rows."""
    cutoffs = read_cutoffs(audit.build, audit.own_labels)
    if not cutoffs:
        raise NotReadyError("there is no labelled cut-off: the history is shorter than the horizon")
    try:
        split = split_labels(audit.build, audit.problem, audit.own_labels)
    except NotReadyError:
        return TimeSplit(tuple(cutoffs), (), (), ()), "labelled rows (too few cut-offs for a training part)"
    return TimeSplit(split.train, (), (), ()), "training rows"


def breach(catalog: Catalog, name: str, auc: float, part: str) -> Breach:
    columns = {feature.name: f"{feature.view}.{feature.name}" for feature in catalog.stored}
    formula = f" = {catalog.formulas[name]}" if name in catalog.formulas else ""
    return Breach(
        f"{columns.get(name, name)}{formula} alone tells the label: ROC-AUC {auc:.3f} on {part}, above "
        f"{LEAK_AUC_MIN}; perhaps the label was made from it, or it is known only later",
        {"feature": name, "auc": round(auc, 4)},
    )


def aucs(table: pa.Table, catalog: Catalog, churned: NDArray[np.bool_], seed: int) -> dict[str, float]:
    """Feature -> its own ROC-AUC, 0.5 or more."""
    as_of, half = table["event_timestamp"], halves(table["customer_id"], seed)
    return {
        feature.name: of_column(table[feature.name], as_of, churned, half) for feature in catalog.features
    }
