"""One model as its card describes it: manifest and evidence, and its figures as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ml.page.document import soft
from ml.page.number_text import NOTHING, decimals, number, percent
from ml.segments.segmentation import Segmentation

Values = Mapping[str, Any]
CHAMPION, BASELINE, OTHER = "a", "b", "e"  # colours of the style
MISSING = "Not measured yet: run 'churn evaluate', then 'churn report' again."
GONE = "Could not be measured: see the notes at the top."


@dataclass(frozen=True)
class Card:
    """The manifest and evidence of one model.

    Parameters
    ----------
    manifest : mapping
        Its ``model.json``.
    evidence : mapping
        As ``ml.evaluate.evidence_schema`` describes it; before 'churn evaluate' has run, only what the test
        probabilities tell that training wrote.
    is_deep : bool
        Whether 'churn evaluate' has run, so that the evidence is complete.
    histogram : mapping
        Shares of each class by probability: edges, stayed, churned.
    segmentation : Segmentation, optional
        The segments of customers; None where none were learned.
    """

    manifest: Values
    evidence: Values
    is_deep: bool
    histogram: Values
    segmentation: Segmentation | None = None

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

    def entries(self, name: str) -> list[Values]:
        """A list of the evidence; empty if it was not measured."""
        return list(self.evidence.get(name) or [])

    def missing(self) -> Markup:
        """The text in place of what was not measured."""
        return soft(GONE if self.is_deep else MISSING)

    def tone(self, candidate: str) -> str:
        """The colour of a candidate."""
        if candidate == self.champion:
            return CHAMPION
        return BASELINE if candidate == self.evidence["baseline"] else OTHER

    def metric(self, name: str) -> Values:
        """Label, unit and better direction of a metric; of one that the evidence does not know, its name."""
        unknown = {"label": name.replace("_", " "), "better": "higher", "unit": ""}
        metric: Values = self.evidence["metrics"].get(name, unknown)
        return metric

    def label(self, metric: str) -> str:
        return str(self.metric(metric)["label"])

    def better(self, metric: str) -> str:
        """``higher is better`` or ``lower is better``."""
        return f"{self.metric(metric)['better']} is better"

    def caption(self, metric: str) -> Markup:
        """What stands above a picture of a metric."""
        return Markup("<b>{}</b>, {}").format(self.label(metric), self.better(metric))

    def figure(self, metric: str, value: float | None, sign: bool = False) -> str:
        """A value of a metric in its unit; with a sign where it is a difference."""
        text = UNITS.get(self.metric(metric)["unit"], decimals)(value)
        rises = sign and value is not None and value > 0 and any(digit in text for digit in "123456789")
        return f"+{text}" if rises else text

    def interval(self, metric: str, interval: Values, sign: bool = False) -> str:
        """The two ends of an interval."""
        return (
            f"{self.figure(metric, interval['low'], sign)} to {self.figure(metric, interval['high'], sign)}"
        )

    def cell(self, metric: str, interval: Values | None, sign: bool = False) -> str | Markup:
        """A value above its interval, for a table."""
        if interval is None:
            return NOTHING
        return Markup("{} <small>{}</small>").format(
            self.figure(metric, interval["value"], sign), self.interval(metric, interval, sign)
        )

    def is_successful(self) -> bool | None:
        """Whether the problem's success target is met; None where it was not measured."""
        success = self.problem.get("success") or {}
        interval = self.measures.get(success.get("metric", ""))
        if interval is None:
            return None
        value, target = interval["value"], success["target"]
        return bool(
            value <= target if self.metric(success["metric"])["better"] == "lower" else value >= target
        )


def money(value: float | None) -> str:
    """An amount in the currency of the costs, whichever that is."""
    return number(value) if value is None or abs(value) >= 1000 else decimals(value, 2)


UNITS: dict[str, Callable[[float | None], str]] = {"share": percent, "money": money}


def between(interval: Values, text: Callable[[float | None], str] = percent) -> str:
    """The two ends of an interval, as shares by default."""
    return f"{text(interval['low'])} to {text(interval['high'])}"
