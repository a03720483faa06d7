"""The monitor on simulated shops: false pages against the budget, and how soon planted faults are found.

Writes benchmarks/monitoring.json and the figures in docs/monitoring.md. Example:
python -m benchmarks.monitoring --shops 6 --customers 1500
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.machine import machine
from benchmarks.monitoring_faults import FAULTS, Fault, plant
from benchmarks.monitoring_page import poisson_interval, write_figures
from benchmarks.monitoring_years import quiet_years
from ml.common.paths import ROOT
from ml.common.progress import SILENT, Progress
from ml.config.problem import Problem, Tuning
from ml.demos.shop import write_shop
from ml.home.layout import Home
from ml.ingest import ingest
from ml.monitor import monitor
from ml.monitor.causes import find_causes
from ml.monitor.distances import Bins, psi
from ml.monitor.groups import GROUPS
from ml.monitor.monitoring import Collected, collect, judged_groups
from ml.monitor.rank_rule import DAYS_PER_QUARTER, count_pages, weekly_rate
from ml.monitor.settings import MonitorSettings
from ml.monitor.weeks import WEEK
from ml.train import train
from ml.warehouse import build

RESULTS = ROOT / "benchmarks" / "monitoring.json"
PROBLEM = replace(
    Problem(), candidates=("prior", "recency_rule", "logistic_regression"), tuning=Tuning(trials=0)
)
SETTINGS = MonitorSettings(skew=False)
TRAINED_AT, AS_OF = datetime(2024, 8, 1), datetime(2024, 12, 31)
FAULT_AT, FAULT_WEEKS = "2024-10-29", 9
LASTING = (0.0, 0.5, 0.8)  # autocorrelation of the shocks
KS_ALPHA, PSI_LIMIT, SIGMAS, FOLK_WEEKS = 0.05, 0.1, 3, 8


def shop_home(folder: Path, customers: int, seed: int) -> Path:
    """A shop whose champion knows nothing of the last five months; its home."""
    write_shop(folder / "raw", customers=customers, seed=seed)
    home = folder / "home"
    ingest(str(folder / "raw"), home=home)
    build(home=home, problem=PROBLEM, as_of=TRAINED_AT)
    train(home=home, problem=PROBLEM)
    build(home=home, problem=PROBLEM)
    return home


def collected(home: Path) -> Collected:
    """The weeks of a home up to the end."""
    place = Home.at(home)
    with place.reading() as folder:
        return collect(place, folder, PROBLEM, SETTINGS, AS_OF, SILENT)


def placebo(found: Collected) -> dict[str, Any]:
    """Pages of every group, over the weeks in which it had weeks enough behind it, and what folklore says."""
    rate = weekly_rate(SETTINGS.false_pages_per_quarter, len(GROUPS), found.weeks.days)
    pages: dict[str, int] = {}
    looks: dict[str, int] = {}
    for group in judged_groups(found, rate):
        pages[group.name] = count_pages(group.pages)
        looks[group.name] = sum(verdict.rule.kind != "too few weeks" for verdict in group.verdicts)
    return {"pages": pages, "looks": looks, "folklore": folklore(found)}


def folklore(found: Collected) -> dict[str, list[int]]:
    """Weeks with an alarm, and weeks looked at, by rules without a false-alarm rate, on the same scores.

    Mean and three standard deviations of eight reference weeks; PSI and Kolmogorov-Smirnov of every feature
    against the six weeks before.
    """
    week, count = found.scored.rows[WEEK].to_numpy(), len(found.weeks)
    means = np.array([found.scored.prediction[week == number].mean() for number in range(count)])
    first = FOLK_WEEKS
    sigma = 0
    for number in range(first, count):
        past = means[number - first : number]
        sigma += abs(means[number] - past.mean()) > SIGMAS * past.std(ddof=1)
    looked = range(count - 26, count)
    psi_weeks, ks_weeks, psi_checks, ks_checks, checks = 0, 0, 0, 0, 0
    for number in looked:
        now, before = week == number, (week < number) & (week >= number - SETTINGS.baseline_weeks)
        by_psi, by_ks = fired(found, now, before)
        psi_weeks, ks_weeks = psi_weeks + bool(by_psi), ks_weeks + bool(by_ks)
        psi_checks, ks_checks = psi_checks + by_psi, ks_checks + by_ks
        checks += sum(kind != "text" for kind in found.scored.kinds.values())
    return {
        "sigma": [int(sigma), count - first],
        "psi": [psi_weeks, len(looked)],
        "ks": [ks_weeks, len(looked)],
        "psi_checks": [psi_checks, checks],
        "ks_checks": [ks_checks, checks],
    }


def fired(found: Collected, now: np.ndarray, before: np.ndarray) -> tuple[int, int]:
    """How many numbers have a PSI above the limit, and a small p-value of Kolmogorov-Smirnov."""
    from scipy.stats import ks_2samp

    by_psi = by_ks = 0
    for name, kind in found.scored.kinds.items():
        if kind == "text":
            continue
        values = found.scored.rows[name].to_numpy()
        bins = Bins.of(values[before])
        by_psi += psi(bins.shares(values[now]), bins.shares(values[before])) > PSI_LIMIT
        samples = [part[np.isfinite(part)] for part in (values[now], values[before])]
        if all(map(len, samples)):
            by_ks += ks_2samp(*samples).pvalue < KS_ALPHA
    return int(by_psi), int(by_ks)


def found_in(clean: Path, raw: Path, fault: Fault, folder: Path) -> dict[str, Any]:
    """Weeks until a fault pages, by which group, and which cause is named first."""
    plant(raw, folder / "raw", fault, FAULT_AT)
    home = shutil.copytree(clean, folder / "home", symlinks=True)
    ingest(str(folder / "raw"), home=home)
    build(home=home, problem=PROBLEM, full_refresh=True)
    for weeks, report in reports(home):
        if report.alerts:
            alert = report.alerts[0]
            first = [each.cause_kind for each in report.alerts]
            return {
                "fault": fault.name,
                "weeks": weeks,
                "groups": [each.group for each in report.alerts],
                "cause": alert.cause,
                "is_named": any(kind in fault.kinds for kind in first),
                "kinds": first,
            }
    said = facts_of(home, fault)
    named = {"cause": said[0] if said else "", "is_named": bool(said), "kinds": []}
    return {"fault": fault.name, "weeks": None, "groups": []} | named


def facts_of(home: Path, fault: Fault) -> list[str]:
    """What the report of the second week says of a fault that pages no one."""
    place = Home.at(home)
    as_of = AS_OF - timedelta(weeks=FAULT_WEEKS - 2)
    with place.reading() as folder:
        found = collect(place, folder, PROBLEM, SETTINGS, as_of, SILENT)
    causes = find_causes(found.feeds, found.raw, found.span)
    return [cause.sentence for cause in causes if cause.kind in fault.kinds]


def reports(home: Path) -> Iterator[tuple[int, Any]]:
    """The report of each week from the first that holds the fault; weeks that do not page are skipped.

    Which weeks page by rank is read from one collection; facts page in the first weeks if at all. Each report
    is one of ``monitor`` as of its week.
    """
    found = collected(home)
    rate = weekly_rate(SETTINGS.false_pages_per_quarter, len(GROUPS), found.weeks.days)
    paged = np.any([group.pages for group in judged_groups(found, rate)], axis=0)
    for number in range(1, FAULT_WEEKS + 1):
        place = len(found.weeks) - FAULT_WEEKS - 1 + number
        end = found.weeks.instants[place]
        if paged[place] or number in (1, 2, FAULT_WEEKS):
            yield number, monitor(home=home, problem=PROBLEM, as_of=end, settings=SETTINGS)


@click.command()
@click.option("--shops", default=6, show_default=True, help="Simulated shops of two years without a fault.")
@click.option("--customers", default=1500, show_default=True, help="Customers of each shop.")
@click.option("--faults", default=len(FAULTS), show_default=True, help="So many of the planted faults.")
@click.option("--years", default=200, show_default=True, help="Years drawn from a formula, for each kind.")
@click.option("--page-only", is_flag=True, help="Only write the figures anew from what was measured.")
def main(shops: int, customers: int, faults: int, years: int, page_only: bool) -> None:
    """Measure the monitor; writes benchmarks/monitoring.json and the figures in docs/monitoring.md."""
    if page_only:
        return write_figures(json.loads(RESULTS.read_text()))
    progress, started = Progress(), time.monotonic()
    results: dict[str, Any] = {"machine": machine(), "customers": customers, "placebo": [], "faults": []}
    results["years"] = [quiet_years(years, lasting) for lasting in LASTING]
    progress.say(f"{results['years']}")
    with tempfile.TemporaryDirectory(prefix="monitoring-") as work:
        for seed in range(1, shops + 1):
            home = shop_home(Path(work, f"shop-{seed}"), customers, seed)
            results["placebo"].append(placebo(collected(home)))
            progress.say(f"shop {seed}: {results['placebo'][-1]}")
        clean, raw = Path(work, "shop-1", "home"), Path(work, "shop-1", "raw")
        for number, fault in enumerate(FAULTS[:faults]):
            results["faults"].append(found_in(clean, raw, fault, Path(work, f"fault-{number}")))
            progress.say(f"{results['faults'][-1]}")
            shutil.rmtree(Path(work, f"fault-{number}"))
    results |= totals(results["placebo"]) | {"seconds": round(time.monotonic() - started)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write_figures(results)


def totals(shops: list[dict[str, Any]]) -> dict[str, Any]:
    """Pages a quarter over all shops with their interval, by the group with the most looks."""
    looks = sum(max(shop["looks"].values()) for shop in shops)
    pages = sum(sum(shop["pages"].values()) for shop in shops)
    quarters = looks * timedelta(days=PROBLEM.cutoff_every_days).days / DAYS_PER_QUARTER
    names = shops[0]["folklore"] if shops else {}
    rates = {name: sum_of([shop["folklore"][name] for shop in shops]) for name in names}
    return {
        "pages": pages,
        "quarters": round(quarters, 2),
        "interval": poisson_interval(pages, quarters) if quarters else (0.0, 0.0),
        "folklore": rates,
    }


def sum_of(pairs: list[list[int]]) -> list[int]:
    """Alarms and looks of all shops."""
    return [sum(alarms for alarms, _ in pairs), sum(looks for _, looks in pairs)]


if __name__ == "__main__":
    main()
