"""Findings of the exploration: leakage first, then obstacles to training, then other notes.

Each finding has a tone (bad: training would be wrong; dull: check it; good: nothing to do), a title, the
features and a sentence.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.common.array_types import Flags
from ml.common.number_words import counted
from ml.explore.feature_columns import FLAG, INSTANT, TEXT, Column
from ml.explore.feature_summary import bin_codes
from ml.featurestore.attributes import note
from ml.metrics.single_feature_auc import LEAK_AUC_MIN
from ml.page.number_text import percent

SUSPICIOUS = 0.9  # ROC-AUC of one feature, short of the limit of a leakage suspect
MOSTLY = 0.95  # share of nulls
SHIFTED = 0.25  # stability index, by the usual rule of thumb
MANY_TEXTS = 50
FAR_OUT = 0.1  # share of outliers
FEWEST_CHURNERS = 100
FEWEST_CUSTOMERS = 30
FEWEST_VISITS = 5  # rows of a customer, without which a feature could not show a change
SHOWN = 8  # names in a sentence
NEAR_DUPLICATES = "near-duplicates"
# Lower end of the ROC-AUC's interval above which a text or flag that never changes is worth a check.
INFORMATIVE = 0.55
Finding = dict[str, Any]
Interval = Sequence[float] | None


def finding(tone: str, title: str, features: Sequence[str], sentence: str) -> Finding:
    return {"tone": tone, "what": title, "features": list(features), "said": sentence}


def of_column(
    column: Column,
    shape: Mapping[str, Any],
    churned: Flags,
    customers: NDArray[np.intp],
) -> Iterator[Finding]:
    """Findings on one feature in the training rows."""
    name, auc = column.name, shape["auc"]
    if auc is not None and auc > LEAK_AUC_MIN:
        sentence = (
            f"{name} alone tells who churned: ROC-AUC {auc:.3f} on training rows, above {LEAK_AUC_MIN}. "
            "Perhaps the label was made from it, or it is known only later: look where it comes from before "
            "you train."
        )
        yield finding("bad", "tells the label", [name], sentence)
    elif auc is not None and auc > SUSPICIOUS:
        sentence = f"{name} alone reaches ROC-AUC {auc:.3f} on training rows; honest features seldom do."
        yield finding("dull", "tells very much", [name], sentence)
    elif group := certain_group(column, churned, customers):
        yield finding("dull", "a sure sign", [name], group)
    is_past = column.kind == INSTANT and not column.is_planned
    if after := int((column.numbers < 0).sum()) if is_past else 0:
        sentence = (
            f"{name} lies after the instant that was asked about in {counted(after, 'training row')} "
            f"({percent(after / len(churned))}): a fact from the future. Correct its feature model."
        )
        yield finding("bad", "from the future", [name], sentence)
    if shape["infinite"]:
        sentence = (
            f"{name} is infinite in {counted(shape['infinite'], 'row')}, which training refuses: make its "
            "definition null there."
        )
        yield finding("bad", "infinite", [name], sentence)
    if column.kind == TEXT and shape["distinct"] > MANY_TEXTS:
        sentence = f"{name} has {shape['distinct']:,} different texts; single ones are seldom worth a column."
        yield finding("dull", "many texts", [name], sentence)


def certain_group(column: Column, churned: Flags, customers: NDArray[np.intp]) -> str | None:
    """A sentence on a tenth, a text or the nulls of a feature in which all rows of many customers churned."""
    if churned.all():
        return None
    codes = bin_codes(column, column)
    rows, churners = np.bincount(codes), np.bincount(codes, weights=churned)
    for code in np.flatnonzero((rows == churners) & (rows > 0)):
        inside = codes == code
        number = len(np.unique(customers[inside]))
        if number >= FEWEST_CUSTOMERS:
            return (
                f"where {column.name} is {range_of(column, inside)}, all {counted(number, 'customer')} "
                f"({counted(int(inside.sum()), 'training row')}) churned: perhaps it is only written down "
                "afterwards."
            )
    return None


def range_of(column: Column, inside: Flags) -> str:
    if column.missing[inside].all():
        return "null"
    if column.kind in (TEXT, FLAG):
        return str(column.labels[inside][0])
    low, high = column.numbers[inside].min(), column.numbers[inside].max()
    return f"{low:g}" if low == high else f"{low:.4g} to {high:.4g}"


def stands_still(column: Column, customers: NDArray[np.intp], interval: Interval = None) -> bool:
    """Whether a feature never changes for any customer with enough rows, although customers differ.

    A final state that was joined to every row looks so, whatever its ROC-AUC. Many texts and flags that are
    no leakage do too, so those count only where the ``interval`` of their ROC-AUC is high enough.
    """
    if column.kind == INSTANT:
        return False
    if column.kind in (TEXT, FLAG) and (interval is None or interval[0] <= INFORMATIVE):
        return False
    order = np.argsort(customers, kind="stable")
    values, owners = numeric_values(column)[order], customers[order]
    starts = np.flatnonzero(np.append(True, np.diff(owners) != 0))
    visits = np.diff(np.append(starts, len(owners)))
    often = visits >= FEWEST_VISITS
    if often.sum() < FEWEST_CUSTOMERS:
        return False
    known = np.isfinite(values)
    highest = np.maximum.reduceat(np.where(known, values, -np.inf), starts)[often]
    lowest = np.minimum.reduceat(np.where(known, values, np.inf), starts)[often]
    nulls = np.add.reduceat((~known).astype(int), starts)[often]
    steady = ((highest == lowest) & (nulls == 0)) | (nulls == visits[often])
    return bool(steady.all() and len(np.unique(highest)) > 1)


def numeric_values(column: Column) -> NDArray[np.float64]:
    """Values as numbers, a text as the code of its value; NaN where null."""
    if column.kind != TEXT:
        return column.numbers
    _, codes = np.unique(column.texts.astype(str), return_inverse=True)
    return np.where(column.missing, np.nan, codes.astype(np.float64))


def of_definitions(result: Mapping[str, Any] | None) -> Finding | None:
    """A definition of churn that is not usable for the gaps between orders."""
    if not result or not result["sentence"]:
        return None
    return finding("dull", "the definition does not fit", [], result["sentence"])


def of_undated(names: Sequence[str]) -> Iterator[Finding]:
    """Attributes in rows of customers without a clock."""
    if names:
        yield finding("dull", "without a clock", names, note(names).removeprefix("note: "))


def of_all(
    shapes: Sequence[Mapping[str, Any]],
    still: Sequence[str],
    families: Sequence[Mapping[str, Any]],
    churned: Flags,
) -> Iterator[Finding]:
    """Findings on the label and on several features at once, without instants, which are no inputs."""
    shapes = [shape for shape in shapes if shape["kind"] != INSTANT]
    yield from of_label(churned)
    if still:
        yield finding(
            "dull",
            "stands still",
            still,
            f"{listed(still)}: never changes at any cut-off of any customer, as a final state would that was "
            "joined to every row. What is known at the time mostly moves.",
        )
    empty = [shape["name"] for shape in shapes if shape["missing"] == 1]
    if empty:
        yield finding("dull", "always null", empty, f"{listed(empty)}: null in every training row, left out.")
    same = [shape["name"] for shape in shapes if not shape["missing"] and shape["distinct"] < 2]
    if same:
        yield finding(
            "good", "always the same", same, f"{listed(same)}: one value in every training row, left out."
        )
    rare = [shape["name"] for shape in shapes if MOSTLY <= shape["missing"] < 1]
    if rare:
        yield finding(
            "dull", "mostly null", rare, f"{listed(rare)}: known in fewer than 5 % of the training rows."
        )
    shifted = sorted(
        (shape for shape in shapes if (shape["psi"] or 0) > SHIFTED), key=lambda shape: -shape["psi"]
    )
    if shifted:
        names = [shape["name"] for shape in shifted]
        sentence = (
            f"{listed(names)}: distributed otherwise in the test part than in training (stability index "
            f"above {SHIFTED}, at most {shifted[0]['psi']:.2f}). A model meets values there that it seldom "
            "saw."
        )
        yield finding("dull", "moves with time", names, sentence)
    for family in families:
        how = "identical" if family["identical"] else f"rank correlation {family['least']:.2f} or more"
        yield finding("good", NEAR_DUPLICATES, family["features"], f"{listed(family['features'])}: {how}.")
    far = [shape["name"] for shape in shapes if shape["outliers"] and shape["outliers"]["share"] > FAR_OUT]
    if far:
        sentence = f"{listed(far)}: more than 10 % of the known values lie outside Tukey's fences."
        yield finding("good", "long tails", far, sentence)


def of_label(churned: Flags) -> Iterator[Finding]:
    """A label with one class, or with few rows of one."""
    ones, zeros = int(churned.sum()), int((~churned).sum())
    if not ones or not zeros:
        word = "nobody churned" if not ones else "everybody churned"
        sentence = (
            f"In the training rows {word}: nothing can be learned. Load more customers or a longer history."
        )
        yield finding("bad", "one class only", [], sentence)
    elif min(ones, zeros) < FEWEST_CHURNERS:
        few, name = min((ones, "churned"), (zeros, "stayed"))
        sentence = f"Only {counted(few, 'training row')} {name}: what is measured on so few is mostly chance."
        yield finding("dull", "few of a class", [], sentence)


def listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


TONES = ("bad", "dull", "good")  # the worst first


def by_severity(findings: Sequence[Finding]) -> list[Finding]:
    """The worst first, otherwise in their order."""
    return sorted(findings, key=lambda entry: TONES.index(entry["tone"]))
