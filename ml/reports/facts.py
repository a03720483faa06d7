"""What is known of one model, and its figures as people read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ml.page.document import paragraph
from ml.page.figures import decimals, number, percent

Values = Mapping[str, Any]
UNITS: dict[str, Callable[[float | None], str]] = {}
CHAMPION, BASELINE, OTHER = "a", "b", "e"
MISSING = "Not measured yet: run 'churn evaluate', then 'churn report' again."
GONE = "Could not be measured: see the notes at the top."


@dataclass(frozen=True)
class Told:
    """One model.

    Parameters
    ----------
    card : mapping
        Its ``model.json``.
    evidence : mapping
        As ``ml.evaluate.evidence`` describes it; where nothing was kept, only what the kept test
        probabilities tell.
    deep : bool
        Whether the evidence was kept, so that all of it is there.
    sureness : mapping
        Shares of each class by probability: edges, stayed, churned.
    """

    card: Values
    evidence: Values
    deep: bool
    sureness: Values

    @property
    def champion(self) -> str:
        return str(self.evidence["champion"])

    @property
    def problem(self) -> Values:
        """The problem it was trained for."""
        problem: Values = self.evidence["problem"]
        return problem

    @property
    def measures(self) -> Values:
        """The champion's metrics."""
        measures: Values = self.evidence["candidates"][self.champion]
        return measures

    def tone(self, candidate: str) -> str:
        """The colour of a candidate."""
        if candidate == self.champion:
            return CHAMPION
        return BASELINE if candidate == self.evidence["baseline"] else OTHER

    def label(self, metric: str) -> str:
        """How a metric is called, and which way is better."""
        known = self.evidence["metrics"].get(metric, {"label": metric.replace("_", " ")})
        return str(known["label"])

    def better(self, metric: str) -> str:
        """``higher is better`` or ``lower is better``."""
        return f"{self.evidence['metrics'].get(metric, {}).get('better', 'higher')} is better"

    def figure(self, metric: str, value: float | None, sign: bool = False) -> str:
        """A value of a metric in its unit; with a sign where it is a difference."""
        unit = self.evidence["metrics"].get(metric, {}).get("unit", "")
        said = UNITS.get(unit, decimals)(value)
        rises = sign and value is not None and value > 0 and any(digit in said for digit in "123456789")
        return f"+{said}" if rises else said

    def interval(self, metric: str, found: Values, sign: bool = False) -> str:
        """From where to where."""
        return f"{self.figure(metric, found['low'], sign)} to {self.figure(metric, found['high'], sign)}"

    def cell(self, metric: str, found: Values | None, sign: bool = False) -> str | Markup:
        """A value above its interval, for a table."""
        if found is None:
            return "–"
        return Markup("{} <small>{}</small>").format(
            self.figure(metric, found["value"], sign), self.interval(metric, found, sign)
        )

    def missing(self) -> Markup:
        """What to say where something was not measured."""
        return paragraph(GONE if self.deep else MISSING, soft=True)

    def has(self, name: str) -> bool:
        """Whether the evidence holds this, and not nothing."""
        return bool(self.evidence.get(name))


def money(value: float | None) -> str:
    """An amount in whatever currency the costs are."""
    return number(value) if value is None or abs(value) >= 1000 else decimals(value, 2)


UNITS |= {"share": percent, "money": money}


def between(found: Values | None, said: Any = percent) -> str:
    """From where to where, in shares by default."""
    return "" if found is None else f"{said(found['low'])} to {said(found['high'])}"


def reached(told: Told) -> bool | None:
    """Whether the problem's success target is met; None where it was not measured."""
    success = told.problem.get("success") or {}
    found = told.measures.get(success.get("metric", ""))
    if found is None:
        return None
    lower = told.evidence["metrics"].get(success["metric"], {}).get("better") == "lower"
    return bool(found["value"] <= success["target"] if lower else found["value"] >= success["target"])
