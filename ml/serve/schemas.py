"""The shapes of requests and answers, from which ``/openapi.json`` follows."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

IDS_MAX = 1_000
ID_MAX = 10_240  # characters; longer ones are no customer keys
CustomerId = Annotated[str, StringConstraints(min_length=1, max_length=ID_MAX)]


class ScoreRequest(BaseModel):
    """The customers to score."""

    model_config = ConfigDict(extra="forbid", strict=True)

    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=IDS_MAX)]
    reasons: bool = True


class Reason(BaseModel):
    """One reason of a score."""

    text: str
    feature: str
    value: Any
    contribution: float


class Score(BaseModel):
    """One customer's score; all None but the key and the status for a customer who is unknown."""

    customer_id: str
    status: Literal["scored", "unknown", "not_eligible"]
    churn_probability: float | None = None
    churn_decision: bool | None = None
    risk_band: str | None = None
    predicted_value: float | None = None
    value_low: float | None = None
    value_high: float | None = None
    reasons: list[Reason] = []
    recommended_action: str | None = None
    model_version: str
    build_id: str
    event_timestamp: datetime
    exact_until: datetime | None = None


class ScoreAnswer(BaseModel):
    """The scores, in the order of the request."""

    request_id: str
    scores: list[Score]


class CustomerAnswer(BaseModel):
    """The latest score of one customer, and the profile without personal data."""

    request_id: str
    score: Score
    profile: dict[str, Any]


class FeaturesAnswer(BaseModel):
    """Every feature of one customer at an instant."""

    request_id: str
    customer_id: str
    as_of: datetime
    source: Literal["offline", "online"]
    build_id: str
    features: dict[str, Any]


class HistoryPoint(BaseModel):
    """A score and some features at one instant."""

    event_timestamp: datetime
    score: dict[str, Any] | None
    features: dict[str, Any]


class HistoryAnswer(BaseModel):
    """Score and chosen features of one customer over time."""

    request_id: str
    customer_id: str
    model_version: str
    build_id: str
    points: list[HistoryPoint]


class Error(BaseModel):
    """problem+json."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


class FactRow(BaseModel):
    """What became of one line of facts."""

    line: int
    table: str | None
    status: Literal["accepted", "rejected"]
    reason: str | None


class FactsAnswer(BaseModel):
    """Lines read, accepted and rejected; the customers whose scores count them."""

    request_id: str
    read: int
    accepted: int
    rejected: int
    rows: list[FactRow]
    customers: list[str]
