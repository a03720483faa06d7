"""The evidence of a regression: the test part as training wrote it, months, and what moves the amounts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ml.common.sampling import evenly_spaced
from ml.evaluate.metric_names import VALUE_LABELS, answer, success, verdicts
from ml.explain.contributions import explain
from ml.explain.subjects import subjects_of
from ml.features.own_labels import name_of
from ml.features.training_parts import LABEL
from ml.featurestore.catalog import read_catalog
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.model.model_files import TEST
from ml.model.value_model import ValueModel
from ml.page.number_text import number

ROWS_EXPLAINED = 2_000  # of the test part, for the mean contribution of each input
FEATURES_SHOWN = 12


def value_evidence(
    model: ValueModel, folder: Path, build: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """The evidence of a model of this home.

    Parameters
    ----------
    folder : Path
        The model's files.
    build : Path or None
        The build that it was trained on; None where it is no longer kept.
    say : callable
        Called with a note.

    Returns
    -------
    dict
        ``candidates``, ``champion_minus``, ``intervals`` and ``tenths`` of the test part as in
        ``model.json``; ``months``: month of the cut-off, rows, mean prediction and mean amount;
        ``importance``: inputs by their mean absolute contribution, the greatest first, with the subject;
        ``verdict`` (sentences), ``answer`` (one sentence).
    """
    test = model.facts["test"]
    names = ("candidates", "champion_minus", "intervals", "tenths")
    evidence = {name: test[name] for name in names} | {"months": months(model, folder)}
    if build is None:
        say(f"note: {model.facts['build_id']} is no longer kept, so the importance of inputs is not measured")
    evidence["importance"] = importance(model, folder, build) if build is not None else []
    sentences = [*verdicts(model.facts), success(model.problem, test["candidates"][model.kind])]
    return evidence | {"verdict": sentences, "answer": answer(model.facts, evidence)}


def months(model: ValueModel, folder: Path) -> list[dict[str, Any]]:
    """Mean prediction and mean amount by month of the cut-off."""
    rows = pq.read_table(folder / TEST, columns=["event_timestamp", LABEL, model.kind])
    month = rows["event_timestamp"].to_numpy().astype("datetime64[M]")
    amount, prediction = rows[LABEL].to_numpy(), rows[model.kind].to_numpy()
    return [
        {
            "month": str(each),
            "rows": int((month == each).sum()),
            "predicted": float(prediction[month == each].mean()),
            "amount": float(amount[month == each].mean()),
        }
        for each in np.unique(month)
    ]


def importance(model: ValueModel, folder: Path, build: Path) -> list[dict[str, Any]]:
    """The inputs by their mean absolute contribution over a sample of the test rows."""
    keys = pq.read_table(folder / TEST, columns=["customer_id", "event_timestamp"])
    keys = keys.take(evenly_spaced(len(keys), ROWS_EXPLAINED))
    explanation = explain(model, model.frame(point_in_time(build, keys)))
    subjects = subjects_of(read_catalog(build))
    means = np.abs(explanation.values).mean(axis=0)
    entries = [
        {
            "feature": feature.name,
            "subject": subjects[feature.name],
            "contribution": float(mean),
            "scale": explanation.scale,
        }
        for feature, mean in zip(model.inputs, means, strict=True)
    ]
    return sorted(entries, key=lambda entry: -entry["contribution"])


def value_report(result: dict[str, Any]) -> list[str]:
    """The evidence as lines of text, for a terminal."""
    test, span, evidence = result["test"], result["split"]["test"], result["evidence"]
    lines = [
        result["answer"],
        "",
        f"{result['model_version']} ({result['champion']}), trained on {result['build_id']} with the labels "
        f"of {name_of(result['labels']['file'])}",
        f"test part: {span['cutoffs']} cut-offs from {span['first']} to {span['last']}, "
        f"{test['rows']:,} rows of {test['customers']:,} customers, mean amount {number(test['mean'])}",
        "",
    ]
    for metric, label in VALUE_LABELS.items():
        lines.append(label)
        for name, measures in test["candidates"].items():
            mark = "  champion" if name == result["champion"] else ""
            interval = measures[metric]
            value, low, high = (f"{interval[key]:,.3f}" for key in ("value", "low", "high"))
            lines.append(f"  {name:<24}{value:>12}  {low} to {high}{mark}")
    lines += ["", f"{'tenth of the test rows':<24}{'predicted':>12}{'amount':>12}"]
    lines += [
        f"  {place:<22}{row['predicted']:>12,.1f}{row['amount']:>12,.1f}"
        for place, row in enumerate(evidence["tenths"], start=1)
    ]
    lines += ["", f"{'month of the cut-off':<24}{'predicted':>12}{'amount':>12}"]
    lines += [
        f"  {row['month']:<22}{row['predicted']:>12,.1f}{row['amount']:>12,.1f}" for row in evidence["months"]
    ]
    if evidence["importance"]:
        lines += ["", f"mean contribution ({evidence['importance'][0]['scale']}), the greatest first"]
        lines += [
            f"  {row['feature']:<34}{row['contribution']:>12,.3f}  {row['subject']}"
            for row in evidence["importance"][:FEATURES_SHOWN]
        ]
    return [*lines, "", *evidence["verdict"], *(f"wrote {file}" for file in result["plots"])]
