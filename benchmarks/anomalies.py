"""False alarms and power of 'churn anomalies', where the truth is known: the tables of docs/segments.md.

    python -m benchmarks.anomalies                  worlds of counts, a minute
    python -m benchmarks.anomalies --home HOME      a home built from the demo shop

In the worlds nothing changes, or customers leave, or the rhythm of every twentieth is multiplied by a factor.
In the demo shop rates are constant until a customer leaves; who orders or visits after the instant has not.
"""

import argparse
from dataclasses import dataclass
from datetime import timedelta

import duckdb
import numpy as np

from ml.common.array_types import Flags, Floats
from ml.common.instants import format_instant
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.segments.changed_customers import FALSE_SHARE, anomalies
from ml.segments.rhythm import Counts, adjusted, learn_usual

WORLDS, CUSTOMERS, PAST, SEED = 100, 1_000, 365, 17
DAYS_AFTER = 120  # of the shop's data: who does nothing for so long at 0.15 events a day has left
INSTANTS = 6  # of the shop, 30 days apart


@dataclass(frozen=True)
class World:
    """What is simulated.

    Parameters
    ----------
    days : int
        The window.
    rate : float
        Events a day of the average customer; rates are exponential about it, or all equal to it if ``equal``.
    level : float
        The factor of everyone's events in the last window.
    spread : float
        Standard deviation of the log of a factor of each customer's window: counts vary by more than chance.
    leaving : float
        The share of customers who leave in each window, at an instant spread evenly over it.
    factor : float
        Of the rhythm of every twentieth customer in the last window.
    """

    days: int = 90
    rate: float = 0.07
    equal: bool = False
    level: float = 1.0
    spread: float = 0.0
    leaving: float = 0.0
    factor: float = 1.0


def listed_in(world: World, generator: np.random.Generator) -> tuple[Flags, Flags]:
    """Which customers are listed, and which of them changed."""
    rate = np.full(CUSTOMERS, world.rate) if world.equal else generator.exponential(world.rate, CUSTOMERS)

    def events(days: float, factor: float | Floats = 1.0) -> Floats:
        noise = np.exp(generator.normal(-(world.spread**2) / 2, world.spread, CUSTOMERS))
        counts: Floats = generator.poisson(rate * days * factor * noise).astype(float)
        return counts

    def part_stayed() -> Floats:
        leaves = generator.random(CUSTOMERS) < world.leaving
        return np.where(leaves, generator.random(CUSTOMERS), 1.0)

    planted = np.arange(CUSTOMERS) % 20 == 0
    in_both, first = events(PAST - world.days), events(world.days)
    stayed_before, stayed_now = part_stayed(), part_stayed()
    here = stayed_before == 1.0  # at the beginning of the last window
    factors = world.level * np.where(planted, world.factor, 1.0) * stayed_now
    recent_before, recent = events(world.days, stayed_before), events(world.days, factors) * here
    span = np.full(CUSTOMERS, float(PAST))
    before = Counts(recent_before, first + in_both, span, world.days)
    now = Counts(recent, in_both + recent_before, span, world.days).take(here)
    q_values = adjusted(learn_usual(now, before, recent > 0).p_values(now))
    changed = (planted & (world.factor != 1)) | (stayed_now < 1)
    return q_values <= FALSE_SHARE, changed[here]


def placebo_table() -> list[str]:
    """Worlds in which rhythms do not change: how often anyone is listed, and how many falsely."""
    worlds = {
        "nothing changes": World(),
        "season: everyone at 0.6": World(level=0.6),
        "counts vary more than by chance": World(spread=0.5),
        "a fifth of the customers leaves": World(leaving=0.2),
        "all of it": World(level=0.6, spread=0.5, leaving=0.2),
    }
    lines = ["| world | worlds with a false alarm | listed a world | false among the listed |"]
    lines += ["| --- | --- | --- | --- |"]
    for name, world in worlds.items():
        runs = [listed_in(world, np.random.default_rng([SEED, number])) for number in range(WORLDS)]
        alarms = np.array([int((listed & ~changed).sum()) for listed, changed in runs])
        listed_all = np.array([int(listed.sum()) for listed, _ in runs])
        shares = alarms / np.maximum(listed_all, 1)
        error = 1.96 * shares.std(ddof=1) / np.sqrt(WORLDS)
        lines.append(
            f"| {name} | {(alarms > 0).mean():.0%} | {listed_all.mean():.1f} | "
            f"{shares.mean():.3f} ± {error:.3f} |"
        )
    return lines


def power_table() -> list[str]:
    """The share of planted changes that is listed, by events expected in the window and factor."""
    factors = (0.0, 0.25, 0.5, 2.0, 3.0)
    lines = ["| expected events | " + " | ".join(f"times {factor:g}" for factor in factors) + " |"]
    lines += ["| --- |" + " --- |" * len(factors)]
    for expected in (2, 5, 10, 20, 50):
        cells = []
        for factor in factors:
            world = World(rate=expected / 90, equal=True, factor=factor)
            runs = [listed_in(world, np.random.default_rng([SEED, number])) for number in range(WORLDS // 5)]
            found = sum(int((listed & changed).sum()) for listed, changed in runs)
            cells.append(f"{found / sum(int(changed.sum()) for _, changed in runs):.2f}")
        lines.append(f"| {expected} | {' | '.join(cells)} |")
    return lines


def shop_table(home: Home) -> list[str]:
    """The demo shop at some instants: listed, and how many of those had not left."""
    build, raw = home.current_build(), home.current_load()
    last_events = "union all by name ".join(
        f"select customer_id, {instant} as occurred_at from read_parquet('{raw}/{table}/*.parquet') "
        for table, instant in (("orders", "ordered_at"), ("sessions", "started_at"))
    )
    query = f"select customer_id, max(occurred_at) from ({last_events}) group by 1"
    last = dict(duckdb.execute(query).fetchall())
    lines = ["| instant | tested | listed | drops | had not left |", "| --- | --- | --- | --- | --- |"]
    end = data_clock(build) - timedelta(days=DAYS_AFTER)
    for number in reversed(range(INSTANTS)):
        as_of = (end - timedelta(days=30 * number)).replace(hour=0, minute=0, second=0, microsecond=0)
        result = anomalies(as_of=as_of, home=home)
        rows = result.rows.to_pylist()
        here = sum(last[row["customer_id"]] > as_of for row in rows)
        drops = sum(row["change"] == "drop" for row in rows)
        lines.append(
            f"| {format_instant(as_of)[:10]} | {result.customers:,} | {len(rows)} | {drops} | {here} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", help="a home built from the demo shop")
    home = parser.parse_args().home
    lines = shop_table(Home.at(home)) if home else [*placebo_table(), "", *power_table()]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
