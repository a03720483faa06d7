"""What a finding shows beside its sentence: plain numbers, drawn by ``drawing``."""

from dataclasses import dataclass

from ml.audit.findings import Finding


@dataclass(frozen=True)
class Bar:
    """One bar; ``marked`` where it breaks a rule."""

    label: str
    value: float
    marked: bool = False


@dataclass(frozen=True)
class Bars:
    """Values side by side, from ``start`` on; ``limit`` is a line that none should pass."""

    title: str
    bars: tuple[Bar, ...]
    start: float = 0.0
    limit: float | None = None
    kind: str = "bars"


@dataclass(frozen=True)
class Span:
    """From a first to a last instant, ISO 8601, and on, more faintly, to ``until``."""

    label: str
    first: str
    last: str
    until: str | None = None
    marked: bool = False


@dataclass(frozen=True)
class Timeline:
    """Spans one below the other; ``now`` is a line through all of them, the data clock."""

    title: str
    spans: tuple[Span, ...]
    now: str
    kind: str = "timeline"


@dataclass(frozen=True)
class PicturedFinding(Finding):
    """A finding with something to see."""

    picture: Bars | Timeline | None = None
