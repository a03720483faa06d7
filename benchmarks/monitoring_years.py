"""Years in which nothing happens, drawn from a formula: season, shocks common to all figures, noise of each.

The rules of the monitor, and means with three standard deviations beside them, look at the same weeks. Next:
``monitoring``.
"""

from typing import Any

import numpy as np

from ml.common.array_types import Floats
from ml.monitor.deviations import deviations
from ml.monitor.groups import GROUPS, Member, judge_group
from ml.monitor.rank_rule import count_pages, weekly_rate
from ml.monitor.settings import MonitorSettings

FIGURES = 4  # of a group
FIRST, YEARS_A_WORLD = 104, 4  # weeks before the first that counts; years that count in one world
WEEKS = FIRST + 52 * YEARS_A_WORLD
SEASON, SHOCKS = 2.0, 0.7  # in standard deviations of a figure's own noise
SIGMAS, SIGMA_WEEKS = 3, 8


def quiet_years(years: int, lasting: float, seed: int = 1) -> dict[str, Any]:
    """Pages and folklore's alarms over so many years.

    Parameters
    ----------
    lasting : float
        The autocorrelation of the shocks from week to week.
    """
    settings = MonitorSettings()
    generator = np.random.default_rng(seed)
    rate = weekly_rate(settings.false_pages_per_quarter, len(GROUPS), 7)
    pages = folklore = worlds = 0
    while worlds * YEARS_A_WORLD < years:
        worlds += 1
        shocks = common_shocks(generator, lasting)
        fired = np.zeros(WEEKS, dtype=bool)
        for name in GROUPS:
            levels = [figure(generator, shocks) for _ in range(FIGURES)]
            members = [Member("", level, deviations(level, 1, settings.baseline_weeks)) for level in levels]
            judged = judge_group(name, members, rate, 1, settings, np.ones(WEEKS, dtype=bool))
            pages += count_pages(judged.pages[FIRST:])
            fired |= np.any([beyond_sigmas(level) for level in levels], axis=0)
        folklore += int(fired[FIRST:].sum())
    return {
        "lasting": lasting,
        "years": worlds * YEARS_A_WORLD,
        "pages": pages,
        "sigma_weeks": [folklore, worlds * YEARS_A_WORLD * 52],
    }


def common_shocks(generator: np.random.Generator, lasting: float) -> Floats:
    """A shock a week that all figures share, of which a part lasts."""
    shocks = generator.normal(size=WEEKS)
    for week in range(1, WEEKS):
        shocks[week] += lasting * shocks[week - 1]
    return shocks


def figure(generator: np.random.Generator, shocks: Floats) -> Floats:
    """One figure: its season, the shocks, its own noise."""
    season = np.sin(2 * np.pi * (np.arange(WEEKS) / 52.18 + generator.random()))
    return SEASON * season + SHOCKS * shocks + generator.normal(size=WEEKS)


def beyond_sigmas(level: Floats) -> Floats:
    """Weeks beyond mean and three standard deviations of the eight before."""
    found = np.zeros(WEEKS, dtype=bool)
    for week in range(SIGMA_WEEKS, WEEKS):
        past = level[week - SIGMA_WEEKS : week]
        found[week] = abs(level[week] - past.mean()) > SIGMAS * past.std(ddof=1)
    return found
