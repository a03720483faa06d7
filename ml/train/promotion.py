"""Promotion: a new model replaces the champion only when it is better on the same later rows.

Both score the new model's test rows at cut-offs after those that the champion learned from. Each does so as
it was judged: as the champion did, the new model will learn from its own test rows afterwards.
"Better" is a difference in the problem's metric whose paired interval, resampled by customer, excludes zero.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ml.common.errors import ModelError, NotReadyError
from ml.common.instants import parse_instant
from ml.config.problem import DEFAULT_NAME
from ml.features.own_labels import name_of
from ml.features.training_parts import Part, label_column
from ml.home.layout import model_of, set_challenger, set_model
from ml.metrics.bootstrap import Replicates
from ml.metrics.measure import LOWER_IS_BETTER
from ml.model.fitted_model import FittedModel
from ml.model.model_files import read_judged
from ml.model.same_features import changed_inputs
from ml.warehouse.current_model import differing_terms, settings_changed

BETTER, ALWAYS = "better", "always"
RULES = (BETTER, ALWAYS)
# Settings of what follows from a probability: where one changed, a model that is no worse is promoted.
ON_DECIDING = ("threshold", "bands", "constraints", "costs", "capacity")


@dataclass(frozen=True)
class Decision:
    """Whether a new model becomes champion.

    Parameters
    ----------
    promoted : bool
    why : str
        The reason, one clause.
    against : str, optional
        The present champion.
    metric : str, optional
        The metric of the comparison; None, like the fields below, when there was none.
    difference : mapping, optional
        New model minus champion: ``value``, ``low``, ``high``.
    better : bool, optional
        Whether the new model is better (True), worse (False) or neither (None).
    rows, cutoffs : int, optional
        The size of the comparison.
    """

    promoted: bool
    why: str
    against: str | None = None
    metric: str | None = None
    difference: Mapping[str, float] | None = None
    better: bool | None = None
    rows: int | None = None
    cutoffs: int | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(build: Path, model: FittedModel, test: Part, rule: str = BETTER) -> Decision:
    """Whether ``model``, trained on ``build``, becomes its champion.

    Parameters
    ----------
    build : Path
    model : FittedModel
        With ``service_hash`` and ``definitions`` among its facts.
    test : Part
        The test rows of ``model``.
    rule : str
        ``better``, or ``always`` to promote whatever the result of the comparison.
    """
    champion = present_champion(build, model.problem.name)
    if not isinstance(champion, FittedModel):
        return champion
    if reason := replacement_reason(champion, model):
        return Decision(True, reason, champion.version)
    decision = compare(champion, model, test)
    if rule == ALWAYS:
        return replace(decision, promoted=True, why=f"asked for; {decision.why}")
    changed = [name for name in settings_changed(champion.problem, model.problem) if name in ON_DECIDING]
    if changed and decision.better is not False:
        why = f"{', '.join(changed)} changed in the problem; {decision.why}"
        return replace(decision, promoted=True, why=why)
    return decision


def present_champion(build: Path, problem: str) -> FittedModel | Decision:
    """The champion of ``build``; where there is none or it is damaged, the decision to promote."""
    try:
        folder = model_of(build, problem)
    except NotReadyError:
        return Decision(True, f"no model went with {build.name}")
    try:
        return read_judged(folder)
    except ModelError:
        return Decision(True, f"{folder.name} is damaged", folder.name)


def replacement_reason(champion: FittedModel, model: FittedModel) -> str | None:
    """Why the new model must replace the champion however good it is; None where it must not."""
    if changed_inputs(champion.facts, model.facts):
        return f"{champion.version} was trained on other features"
    if ("labels" in champion.facts) != ("labels" in model.facts):
        own = champion.facts.get("labels")
        return f"{champion.version} was trained on labels of {name_of(own['file']) if own else 'the build'}"
    if other := differing_terms(champion.problem, model.problem):
        return f"{champion.version} answers another problem ({', '.join(other)})"
    return None


def compare(champion: FittedModel, model: FittedModel, test: Part) -> Decision:
    """Compare both models on rows that neither learned from."""
    later = later_rows(champion, test)
    if later is None:
        why = f"{champion.version} learned from these cut-offs, so the two cannot be compared"
        return Decision(False, why, champion.version)
    metric = model.problem.metric
    predictions = {
        "champion": champion.prediction(champion.frame(later.table)),
        "model": model.prediction(model.frame(later.table)),
    }
    replicates = Replicates.of(
        later.labels,
        predictions,
        later.customers,
        model.problem.seed,
        costs=model.problem.costs,
        names=[metric],
    )
    difference = replicates.change("model", "champion")[metric]
    better = is_better(difference, metric)
    return Decision(
        promoted=better is True,
        why=comparison_sentence(champion.version, metric, difference, better),
        against=champion.version,
        metric=metric,
        difference=difference,
        better=better,
        rows=len(later.table),
        cutoffs=pc.count_distinct(later.table.column("event_timestamp")).as_py(),
    )


def later_rows(champion: FittedModel, test: Part) -> Part | None:
    """The test rows at and after the champion's own first test cut-off; None if all have one label."""
    first = champion.facts.get("split", {}).get("test", {}).get("first")
    if first is None:
        return None
    stamps = test.table.column("event_timestamp")
    rows = test.table.filter(pc.greater_equal(stamps, parse_instant(first)))
    differ = pc.count_distinct(rows.column(label_column(rows))).as_py() > 1
    return Part(test.name, rows) if differ else None


def is_better(difference: Mapping[str, float], metric: str) -> bool | None:
    """Whether the new model is better (True) or worse (False); None where the interval includes zero."""
    if difference["low"] <= 0 <= difference["high"]:
        return None
    return (difference["high"] < 0) == (metric in LOWER_IS_BETTER)


def comparison_sentence(
    champion: str, metric: str, difference: Mapping[str, float], better: bool | None
) -> str:
    word = {True: "better than", False: "worse than", None: "not told apart from"}[better]
    interval = f"95 % interval {difference['low']:+.4f} to {difference['high']:+.4f}"
    return f"{metric} {difference['value']:+.4f}, {interval}: {word} {champion}"


def promote(build: Path, model: Path, decision: Decision, problem: str = DEFAULT_NAME) -> None:
    """Make a finished model the champion or the challenger of ``build`` for a problem, in one step."""
    if decision.promoted:
        set_model(build, model, problem)
    else:
        set_challenger(build, model, problem)
