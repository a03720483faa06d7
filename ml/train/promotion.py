"""Promotion: a new model takes the champion's place only when the same later rows say that it is better.

The champion is asked about the new model's test rows, those of cut-offs that came after all it learned from.
"Better" is a difference in the problem's metric whose paired interval, resampled by customer, excludes zero.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from ml.common.errors import ModelError, NotReadyError
from ml.common.instants import parse_instant
from ml.features.own_labels import name_of
from ml.features.parts import Part
from ml.home.layout import model_of, set_challenger, set_model
from ml.metrics.bootstrap import bootstrap, with_interval
from ml.metrics.scores import LOWER_IS_BETTER, measure
from ml.model.churn_model import ChurnModel
from ml.model.same_features import changed_inputs
from ml.model.store import read_model
from ml.warehouse.current_model import other_question, settings_changed

BETTER, ALWAYS = "better", "always"
RULES = (BETTER, ALWAYS)
ON_DECIDING = ("threshold", "bands", "constraints", "costs", "capacity")


@dataclass(frozen=True)
class Decision:
    """Whether a new model becomes champion.

    Parameters
    ----------
    promoted : bool
    why : str
        One clause that says so to people.
    against : str, optional
        The champion it met.
    metric : str, optional
        What they were compared by; with the fields below None when they were not compared.
    difference : mapping, optional
        New model minus champion: ``value``, ``low``, ``high``.
    better : bool, optional
        Whether the interval says better (True), worse (False) or neither (None).
    rows, cutoffs : int, optional
        What they were compared on.
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
        """As plain values, for JSON."""
        return asdict(self)


def decide(build: Path, model: ChurnModel, test: Part, rule: str = BETTER) -> Decision:
    """Whether ``model``, trained on ``build``, becomes its champion.

    Parameters
    ----------
    build : Path
    model : ChurnModel
        With ``service_hash`` and ``definitions`` among its facts.
    test : Part
        Its test rows.
    rule : str
        ``better``, or ``always`` to promote whatever the comparison says.
    """
    champion = present_champion(build)
    if not isinstance(champion, ChurnModel):
        return champion
    if reason := no_rival(champion, model):
        return Decision(True, reason, champion.version)
    found = compare(champion, model, test)
    if rule == ALWAYS:
        return replace(found, promoted=True, why=f"asked for; {found.why}")
    changed = [name for name in settings_changed(champion.problem, model.problem) if name in ON_DECIDING]
    if changed and found.better is not False:
        return replace(found, promoted=True, why=f"{', '.join(changed)} changed in the problem; {found.why}")
    return found


def present_champion(build: Path) -> ChurnModel | Decision:
    """The champion of ``build``; the decision where there is none that could stay."""
    try:
        folder = model_of(build)
    except NotReadyError:
        return Decision(True, f"no model went with {build.name}")
    try:
        return read_model(folder)
    except ModelError:
        return Decision(True, f"{folder.name} is damaged", folder.name)


def no_rival(champion: ChurnModel, model: ChurnModel) -> str | None:
    """Why the champion cannot stay whatever the new model is worth, if so."""
    if changed_inputs(champion.facts, model.facts):
        return f"{champion.version} was trained on other features"
    if ("labels" in champion.facts) != ("labels" in model.facts):
        return f"{champion.version} was trained on labels of {labels_of(champion)}"
    if other := other_question(champion.problem, model.problem):
        return f"{champion.version} answers another problem ({', '.join(other)})"
    return None


def labels_of(model: ChurnModel) -> str:
    """Where its labels come from: the build, or a file of one's own."""
    own = model.facts.get("labels")
    return name_of(own["file"]) if own else "the build"


def compare(champion: ChurnModel, model: ChurnModel, test: Part) -> Decision:
    """Both on the rows that neither learned from."""
    fair = later_rows(champion, test)
    if fair is None:
        why = f"{champion.version} learned from these cut-offs, so the two cannot be compared"
        return Decision(False, why, champion.version)
    metric, churned = model.problem.metric, fair.churned
    given = {
        name: each.probability(each.frame(fair.table))
        for name, each in (("champion", champion), ("model", model))
    }
    costs, seed = model.problem.costs, model.problem.seed
    drawn = bootstrap(churned, given, fair.customers, seed, costs=costs, names=[metric])
    values = [measure(churned, given[name], costs=costs, names=[metric])[metric][0] for name in given]
    value = values[1] - values[0]
    difference = with_interval(value, drawn["model"][metric] - drawn["champion"][metric])
    better = verdict(difference, metric)
    return Decision(
        promoted=better is True,
        why=sentence(champion.version, metric, difference, better),
        against=champion.version,
        metric=metric,
        difference=difference,
        better=better,
        rows=len(fair.table),
        cutoffs=pc.count_distinct(fair.table.column("event_timestamp")).as_py(),
    )


def later_rows(champion: ChurnModel, test: Part) -> Part | None:
    """The test rows at and after the champion's own first test cut-off; None where they cannot tell."""
    first = champion.facts.get("split", {}).get("test", {}).get("first")
    if first is None:
        return None
    stamps = test.table.column("event_timestamp")
    rows = test.table.filter(pc.greater_equal(stamps, parse_instant(first)))
    both = pc.count_distinct(rows.column("churned")).as_py() == 2
    return Part(test.name, rows) if both else None


def verdict(difference: Mapping[str, float], metric: str) -> bool | None:
    """Better, worse, or neither when the interval includes zero."""
    if difference["low"] <= 0 <= difference["high"]:
        return None
    return (difference["high"] < 0) == (metric in LOWER_IS_BETTER)


def sentence(champion: str, metric: str, difference: Mapping[str, float], better: bool | None) -> str:
    """What the interval says."""
    word = {True: "better than", False: "worse than", None: "not told apart from"}[better]
    interval = f"95 % interval {difference['low']:+.4f} to {difference['high']:+.4f}"
    return f"{metric} {difference['value']:+.4f}, {interval}: {word} {champion}"


def promote(build: Path, model: Path, decision: Decision) -> None:
    """Let a finished model go with ``build``, as champion or as challenger, in one step."""
    if decision.promoted:
        set_model(build, model)
    else:
        set_challenger(build, model)
