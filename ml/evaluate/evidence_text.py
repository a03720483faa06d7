"""The evidence as lines of text, for a terminal."""

from typing import Any

from ml.common.number_words import counted
from ml.evaluate.metric_names import LABELS
from ml.features.own_labels import name_of

SHOWN = 12  # features by importance
TITLE_MAX = 46  # width of the first column


def report(result: dict[str, Any]) -> list[str]:
    evidence = result["evidence"]
    decision = decision_lines(evidence["decision"]) if result["better_than_chance"] else []
    return [
        result["answer"],
        "",
        *heading(result),
        *metric_tables(evidence["candidates"], result["champion"]),
        "",
        *decision,
        *segment_lines(evidence["segments"]),
        *group_lines("month of the cut-off", evidence["months"]),
        *staleness_lines(evidence["staleness"]),
        *learning_lines(evidence["learning"]),
        *ablation_lines(evidence["ablation"]),
        *importance_lines(evidence["importance"]),
        *reason_lines(evidence["reasons"]),
        "",
        *evidence["verdict"],
        *(f"note: {note}" for note in evidence["notes"]),
        *(f"wrote {file}" for file in result["plots"]),
    ]


def heading(result: dict[str, Any]) -> list[str]:
    test, span, own = result["test"], result["split"]["test"], result.get("labels")
    size = f"{test['rows']:,} rows of {test['customers']:,} customers"
    unit = "instant" if own else "cut-off"
    return [
        f"{result['model_version']} ({result['champion']}), trained on {result['build_id']}"
        + (f" with the labels of {name_of(own['file'])}" if own else ""),
        f"test part: {counted(span['cutoffs'], unit)} from {span['first']} to {span['last']}, {size}, "
        f"churn rate {test['base_rate']:.3f}",
        "",
    ]


def metric_tables(candidates: dict[str, Any], champion: str) -> list[str]:
    """One block a metric, one line a candidate, with its interval."""
    lines = []
    for metric, label in LABELS.items():
        lines.append(label)
        for name, measures in candidates.items():
            mark = "  champion" if name == champion else ""
            lines.append(f"  {name:<24}{figure(measures[metric])}{mark}")
    return lines


def decision_lines(decision: dict[str, Any]) -> list[str]:
    table, profit = decision["confusion"], decision["profit"]
    precision = decision["precision"]
    right = "no one" if precision is None else f"{precision['value']:.1%} of them churned"
    lines = [
        f"threshold {decision['threshold']:.4f} lists {decision['listed']['value']:.1%} of the customers; "
        f"{right}; it finds {decision['recall']['value']:.1%} of the churners",
        f"  {'':<12}{'churned':>12}{'stayed':>12}",
        f"  {'listed':<12}{table['churned_listed']:>12,}{table['stayed_listed']:>12,}",
        f"  {'not listed':<12}{table['churned_not_listed']:>12,}{table['stayed_not_listed']:>12,}",
    ]
    if profit is not None:
        per_customer = decision["profit_per_listed"]
        suffix = "" if per_customer is None else f", {per_customer:,.2f} a customer listed"
        lines.append(f"  profit {money(profit)}{suffix}")
    return lines + policy_lines(decision)


def policy_lines(decision: dict[str, Any]) -> list[str]:
    """The profit of the simple policies, and from which probability a contact pays."""
    even = decision["break_even"]
    lines = [f"  contacting everyone {money(decision['everyone'])}, no one 0"]
    if even["probability"] is None:
        lines.append("  no contact pays: even a sure churner costs more than he is worth")
    else:
        lines.append(
            f"  a contact pays from {even['probability']:.1%} on: that list holds "
            f"{even['listed']['value']:.1%} and earns {money(even['profit'])}"
        )
    return lines + [f"  note: {sentence}" for sentence in decision["shortfalls"]]


def segment_lines(segments: list[dict[str, Any]]) -> list[str]:
    return [
        line
        for segment in segments
        for line in group_lines(f"{segment['by']}: {segment['label']}", segment["groups"])
    ]


def group_lines(title: str, groups: list[dict[str, Any]]) -> list[str]:
    above, beside = ([], title) if len(title) <= TITLE_MAX else ([title], "")
    lines = ["", *above, f"{beside:<{TITLE_MAX}}{'rows':>8}{'churn':>8}{'said':>8}  ROC-AUC"]
    for group in groups:
        auc = figure(group["measures"]["roc_auc"]) if group["measures"] else "  too few of a class"
        rates = f"{group['base_rate']:>8.3f}{group['mean_probability']:>8.3f}"
        lines.append(f"  {name_with_limits(group):<44.44}{group['rows']:>8,}{rates}{auc}")
    return lines


def name_with_limits(group: dict[str, Any]) -> str:
    low, high = group["low"], group["high"]
    if low is None and high is None:
        return str(group["name"])
    if low is None:
        return f"{group['name']}, up to {high:,.4g}"
    return f"{group['name']}, above {low:,.4g}" + ("" if high is None else f" up to {high:,.4g}")


def staleness_lines(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"{'price of staleness: age of the features':<46}ROC-AUC"]
    for entry in entries:
        auc = figure(entry["measures"]["roc_auc"])
        lines.append(f"  {counted(entry['days'], 'day'):<44}{auc}  profit {money(entry['profit'])}")
    return lines


def learning_lines(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"{'learning curve, on the validation part':<46}ROC-AUC"]
    for entry in entries:
        size = f"{entry['share']:.0%} of the customers, {entry['rows']:,} rows"
        auc, log_loss = figure(entry["measures"]["roc_auc"]), entry["measures"]["log_loss"]["value"]
        lines.append(f"  {size:<44.44}{auc}  log-loss {log_loss:.4f}")
    return lines


def ablation_lines(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"{'left out, on the validation part':<46}change of ROC-AUC"]
    for entry in entries:
        if not entry["subject"]:
            continue
        change = "  cannot do without" if entry["change"] is None else signed(entry["change"]["roc_auc"])
        lines.append(f"  {entry['subject'] + ', ' + counted(entry['features'], 'feature'):<44}{change}")
    return lines


def importance_lines(entries: list[dict[str, Any]]) -> list[str]:
    if not entries:
        return []
    lines = ["", f"{'shuffled, on the validation part':<46}log-loss added"]
    lines += [f"  {entry['feature']:<44}{signed(entry['loss'])}" for entry in entries[:SHOWN]]
    return lines + ([f"  ... and {len(entries) - SHOWN} more"] if len(entries) > SHOWN else [])


def reason_lines(reasons: dict[str, Any] | None) -> list[str]:
    if reasons is None:
        return []
    lines = ["", f"{'what moves the scores (mean absolute value)':<46}{reasons['scale']}"]
    return lines + [f"  {entry['subject']:<44}{entry['mean']:>8.4f}" for entry in reasons["subjects"]]


def figure(interval: dict[str, float]) -> str:
    return f"{interval['value']:>8.4f}  [{interval['low']:.4f}, {interval['high']:.4f}]"


def signed(interval: dict[str, float]) -> str:
    return f"{interval['value']:>+8.4f}  [{interval['low']:+.4f}, {interval['high']:+.4f}]"


def money(interval: dict[str, float]) -> str:
    return f"{interval['value']:,.0f} [{interval['low']:,.0f}, {interval['high']:,.0f}]"
