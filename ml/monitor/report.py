"""What the monitor reports: alerts, the groups that can page, figures beside them, what to do."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ml.monitor.estimated_performance import Expected
from ml.monitor.feature_drift import FeatureDrift
from ml.monitor.requests import RequestFigures


@dataclass(frozen=True)
class Alert:
    """One alarm.

    Parameters
    ----------
    group : str
    sentence : str
        What is beyond its past.
    cause : str
        The likely cause in a sentence; empty where no fact stands out.
    cause_kind : str
    advice : str
    since : str
        The week of the first page of this run.
    rank_p : float or None
    other_causes : tuple of str
    """

    group: str
    sentence: str
    cause: str
    cause_kind: str
    advice: str
    since: str
    rank_p: float | None = None
    other_causes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberFigures:
    """One figure of a group: its weeks, and how far out the last one is in units of the typical deviation."""

    name: str
    values: tuple[float | None, ...]
    strength: float | None


@dataclass(frozen=True)
class GroupFigures:
    """One group that can page.

    Parameters
    ----------
    name : str
    pages : bool
    rank_p : float or None
    rule : str
        When it pages, in a sentence.
    weeks : tuple of str
        The instants of the weeks, oldest first.
    paged : tuple of bool
        Which weeks page, or would have.
    members : tuple of MemberFigures
    """

    name: str
    pages: bool
    rank_p: float | None
    rule: str
    weeks: tuple[str, ...]
    paged: tuple[bool, ...]
    members: tuple[MemberFigures, ...]


@dataclass(frozen=True)
class SourceFigures:
    """One source in the newest week.

    Parameters
    ----------
    rows, rows_before : float
        That became known in the week, and the mean of the weeks before.
    stale_days : float or None
    delay_days, delay_before : float or None
    complete : float or None
        By the delays of the past, the share of the week's rows that are in.
    state : str
        In words.
    """

    source: str
    rows: float
    rows_before: float | None
    stale_days: float | None
    delay_days: float | None
    delay_before: float | None
    complete: float | None
    state: str


@dataclass(frozen=True)
class BandFigures:
    """One risk band: customers of the newest week, and what ripe predictions of it came to."""

    band: str
    customers: float
    customers_before: float
    ripe_rows: int
    predicted: float | None
    realised: float | None


@dataclass(frozen=True)
class Performance:
    """Realised and estimated performance.

    Parameters
    ----------
    ripe_rows, ripe_customers : int
        Predictions after the last cut-off of the training whose labels are known.
    evaluated, limit : float or None
        The Brier score of the evaluation, and what is tolerated.
    realised : dict
        Figures of the ripe predictions together.
    interval : tuple of float or None
        95 % interval of the realised Brier score or RMSE, by customer.
    wealth : float or None
        Of the bet against "no worse than tolerated"; it pages from ``wealth_pages`` on.
    wealth_pages : float
    at_least : float or None
        Lower end of a confidence sequence of the Brier score, valid at every look.
    estimated : list of Expected
        Of the newest week, under two assumptions.
    note : str
    """

    ripe_rows: int
    ripe_customers: int
    evaluated: float | None
    limit: float | None
    realised: dict[str, float]
    interval: tuple[float, float] | None
    wealth: float | None
    wealth_pages: float
    at_least: float | None
    estimated: list[Expected]
    note: str


@dataclass(frozen=True)
class MonitorReport:
    """One report; ``ok`` is that nothing pages."""

    as_of: str
    since: str
    build_id: str
    load_id: str
    model_version: str
    problem: str
    task: str
    customers: int
    sampled: int
    budget: str
    alerts: list[Alert]
    groups: list[GroupFigures]
    sources: list[SourceFigures]
    performance: Performance
    bands: list[BandFigures]
    features: list[FeatureDrift]
    causes: list[str]
    profit: dict[str, float] | None
    requests: RequestFigures | None
    skew: str
    retrain_due: bool
    retrain_reason: str
    recommendations: list[str]
    past_pages: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    made_at: str = ""
    file: str = ""
    page: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing pages."""
        return not self.alerts

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {"ok": self.ok} | asdict(self)

    def summary(self) -> dict[str, Any]:
        """The few values that a webhook gets."""
        whole = self.as_dict()
        names = (
            "ok",
            "as_of",
            "build_id",
            "model_version",
            "problem",
            "alerts",
            "retrain_due",
            "retrain_reason",
        )
        return {name: whole[name] for name in (*names, "recommendations")}
