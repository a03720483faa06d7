"""From a budget of false pages to a rule of ranks, and the judgement of a week by it.

Where weeks can be exchanged, the newest is the largest of itself and m past weeks with probability 1/(m+1),
and two weeks in a row both exceed m earlier ones with probability 2/((m+1)(m+2)), whatever the distribution
(Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World, 2005). No threshold is needed, and no
normal distribution.
"""

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

import numpy as np

from ml.common.array_types import Flags, Floats

DAYS_PER_QUARTER = 91.25
ONCE: Literal["one week"] = "one week"
TWICE: Literal["twice in a row"] = "twice in a row"
NEVER: Literal["too few weeks"] = "too few weeks"
EPSILON = 1e-9


@dataclass(frozen=True)
class Rule:
    """What makes a page, by the number of past weeks.

    Parameters
    ----------
    kind : str
        ``one week``, ``twice in a row``, or ``too few weeks``.
    weeks : int
        Past weeks to compare with.
    allowed : int
        The judged week, or both of two, must be among so many largest.
    rate : float
        The probability of a page a week that the budget allows.
    gap : int
        Weeks until windows no longer overlap.
    """

    kind: Literal["one week", "twice in a row", "too few weeks"]
    weeks: int
    allowed: int
    rate: float
    gap: int = 1

    @property
    def needed(self) -> int:
        """The fewest past weeks with which it can page."""
        return weeks_needed(self.rate, self.gap)

    def sentence(self) -> str:
        """The rule in words."""
        if self.kind == ONCE:
            rank = "the largest" if self.allowed == 1 else f"among the {self.allowed} largest"
            return f"pages when the week is {rank} of {self.weeks + 1} weeks"
        if self.kind == TWICE:
            rank = f"among the {self.allowed} largest"
            return f"pages when two weeks in a row are {rank} of {self.weeks + 2} weeks"
        return f"does not page: {self.weeks} past weeks are too few for the budget, which needs {self.needed}"


@dataclass(frozen=True)
class Verdict:
    """One week of one group.

    Parameters
    ----------
    pages : bool
    rank_p : float
        The share of weeks, the judged one included, that lie at least as far out; NaN if unknown.
    rule : Rule
    strengths : array of shape (members,)
        Each member's deviation in units of the typical one.
    """

    pages: bool
    rank_p: float
    rule: Rule
    strengths: Floats


def weekly_rate(budget: float, groups: int, days_between: float) -> float:
    """The probability of a false page that one look at one group may have.

    Parameters
    ----------
    budget : float
        False pages a quarter, of all groups together.
    groups : int
        The number of groups that can page.
    days_between : float
        Days from one look to the next.
    """
    return budget / (DAYS_PER_QUARTER / days_between * groups)


def rule_of(weeks: int, rate: float, gap: int = 1) -> Rule:
    """The rule that keeps the rate with so many past weeks.

    Both of two weeks are among the j largest of m + 2 with probability j(j - 1)/((m + 1)(m + 2)).

    Parameters
    ----------
    gap : int
        Weeks until windows no longer overlap. Two weeks in a row are then judged by the number of windows
        that do not: neighbours that share most of their days exceed earlier ones together.
    """
    allowed = floor(rate * (weeks + 1) + EPSILON)
    if allowed >= 1:
        return Rule(ONCE, weeks, allowed, rate, gap)
    apart = weeks // gap
    allowed = floor((1 + np.sqrt(1 + 4 * rate * (apart + 1) * (apart + 2))) / 2 + EPSILON)
    return Rule(TWICE if allowed >= 2 and weeks else NEVER, weeks, allowed, rate, gap)


def weeks_needed(rate: float, gap: int = 1) -> int:
    """The fewest past weeks with which a group can page."""
    twice = max(1, ceil((np.sqrt(1 + 8 / rate) - 3) / 2 - EPSILON)) * gap
    return min(twice, ceil(1 / rate - 1 - EPSILON))


def judge(
    members: Floats,
    week: int,
    rate: float,
    *,
    gap: int = 1,
    most: int = 104,
    usable: Flags | None = None,
    floors: Floats | float = 0.0,
) -> Verdict:
    """Judge one week of a group by the weeks before it.

    A group's deviation is the largest of its members', each in units of its own typical deviation; the units
    come from the judged weeks and their comparators together, so that all of these can still be exchanged.

    Parameters
    ----------
    members : array of shape (weeks, members)
        Deviations, oldest week first; NaN where there is none.
    week : int
        The position of the judged week.
    rate : float
        From ``weekly_rate``.
    gap : int
        Weeks until windows no longer overlap; the weeks between are left out.
    most : int
        At most so many past weeks.
    usable : array of shape (weeks,), optional
        False for weeks that are no comparison, such as those of a known event.
    floors : array of shape (members,), optional
        The least unit of each member, so that one that hardly ever moves does not drown the others.
    """
    has_value: Flags = np.asarray(np.isfinite(members).any(axis=1))
    may_compare: Flags = has_value if usable is None else has_value & usable
    past = np.flatnonzero(may_compare[: max(week - gap + 1, 0)])[-most:]
    rule = rule_of(len(past), rate, gap)
    judged = [week]
    if rule.kind == TWICE:
        past = past[past <= week - 2 * gap]
        rule, judged = rule_of(len(past), rate, gap), [week - gap, week]
    scales = units(members[np.concatenate([past, judged]).astype(int)], floors)
    strengths = members / scales
    group = largest(strengths)
    beyond = int((group[past] >= group[week]).sum())
    known = bool(has_value[week]) and len(past) > 0
    pages = False
    if known and rule.kind == ONCE:
        pages = beyond < rule.allowed and group[week] > 0
    elif known and rule.kind == TWICE:
        pages = (
            bool(has_value[judged].all())
            and int((group[past] >= group[judged].min()).sum()) < rule.allowed - 1
        )
    p = (1 + beyond) / (1 + len(past)) if known else float("nan")
    return Verdict(bool(pages), p, rule, strengths[week])


def units(members: Floats, floors: Floats | float = 0.0) -> Floats:
    """The typical deviation of each member: its upper quartile, its mean where that is 0, else 1.

    Half the deviations of one side are 0, so their median says nothing.
    """
    scales, least = np.ones(members.shape[1]), np.broadcast_to(floors, members.shape[1])
    for number, column in enumerate(members.T):
        known = column[np.isfinite(column)]
        if len(known):
            scales[number] = max(np.quantile(known, 0.75), least[number]) or known.mean() or 1.0
    return scales


def largest(strengths: Floats) -> Floats:
    """The largest of each row, NaN left aside; minus infinity where all are."""
    return np.where(np.isfinite(strengths), strengths, -np.inf).max(axis=1, initial=-np.inf)


def run_of_pages(pages: Flags) -> int:
    """How many weeks up to the last one page without a break."""
    quiet = np.flatnonzero(~pages)
    return len(pages) - (int(quiet[-1]) + 1 if len(quiet) else 0)


def count_pages(pages: Flags) -> int:
    """The number of pages, where weeks in a row are one."""
    return int((pages & ~np.concatenate([[False], pages[:-1]])).sum())
