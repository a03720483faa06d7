"""From vectors that differ to the cause of each of their differences.

Vectors of one logged build are explained together: what that build says of their instants, what today's
definitions say of the facts of then, and which kind of changed facts moves them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

import duckdb

from ml.common.errors import NotReadyError, TidemarkError
from ml.common.instants import format_instant, parse_instant
from ml.common.paths import settings
from ml.common.sql import parquet
from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.retrieval.history import files_in
from ml.featurestore.retrieval.retrieve import with_operands
from ml.home.build_manifest import read_build_manifest
from ml.home.layout import Home
from ml.home.read_leases import lease
from ml.journal.pushes import Pushes, has_pushes
from ml.model.model_files import read_manifest
from ml.monitor.facts_of_then import FactsOfThen, Moved, view_tables
from ml.monitor.logged_vectors import Changed, Values, values_at
from ml.monitor.replay_causes import DEFINITION, NOT_KNOWN, OF_FACTS, Evidence, causes_of
from ml.score.logged_builds import LoggedBuild, logged_build

LAST_CHANGE = "select max(event_timestamp) from {rows} where customer_id = $1 and event_timestamp <= $2"


@dataclass(frozen=True)
class Explained:
    """A vector that differs: for each feature the causes, the weightiest first, and a raw row behind it."""

    changed: Changed
    causes: dict[str, tuple[tuple[str, ...], str]]


def explained(home: Home, build: Path, changed: Sequence[Changed]) -> Iterator[Explained]:
    """Every differing vector with its causes, the vectors of one logged build and its facts together."""
    groups: dict[tuple[Served, str], list[Changed]] = {}
    for each in changed:
        groups.setdefault(served_from(home, each), []).append(each)
    for (served, _), members in groups.items():
        yield from Group(home, build, served, members).explained()


@dataclass(frozen=True)
class Served:
    """What a vector was served from.

    Parameters
    ----------
    build_id : str
    is_live : bool
        Whether facts counted that came after the build's data clock.
    pushed : tuple of str
        The ingests that took these in, since.
    """

    build_id: str
    is_live: bool = False
    pushed: tuple[str, ...] = ()


def served_from(home: Home, each: Changed) -> tuple[Served, str]:
    """What a vector was served from; of a build that nothing is known of, also when."""
    vector = each.vector
    before = logged_build(home, vector.build_id)
    if before is None:
        return Served(vector.build_id), format_instant(vector.logged_at)
    is_live = bool(before.data_clock) and vector.instant > parse_instant(before.data_clock)
    return Served(vector.build_id, is_live, pushed_by(home, vector.logged_at) if is_live else ()), ""


def pushed_by(home: Home, instant: datetime) -> tuple[str, ...]:
    """The ingests that took in what had been pushed by an instant."""
    if not has_pushes(home):
        return ()
    with Pushes(home) as pushes:
        return pushes.taken_in_by(instant)


@dataclass(frozen=True)
class Group:
    """Differing vectors of one logged build.

    Parameters
    ----------
    home : Home
    build : Path
        The published build.
    served : Served
        What they were served from.
    members : list of Changed
    """

    home: Home
    build: Path
    served: Served
    members: list[Changed]

    @cached_property
    def before(self) -> LoggedBuild | None:
        return logged_build(self.home, self.served.build_id)

    @cached_property
    def facts(self) -> FactsOfThen:
        """The facts of then for the customers of the vectors."""
        manifest = read_build_manifest(self.build)
        return FactsOfThen(
            home=self.home,
            build=self.build,
            load=self.home.raw / manifest["load_id"],
            before=self.before,
            logged_at=self.members[0].vector.logged_at,
            pushed=self.served.pushed,
            customers=sorted({each.vector.customer_id for each in self.members}),
            clock=parse_instant(manifest["data_clock"]),
        )

    @cached_property
    def moved(self) -> list[Moved]:
        """The raw rows that came or went since."""
        return self.facts.moved() if self.facts_are_known else []

    @cached_property
    def facts_are_known(self) -> bool:
        try:
            return self.facts.is_known
        except NotReadyError:
            return False

    @cached_property
    def now(self) -> list[Values]:
        return [each.now for each in self.members]

    @cached_property
    def then(self) -> list[Values] | None:
        """What today's definitions say of the facts of then; None if these are gone."""
        if not self.facts_are_known:
            return None
        return self.undone(OF_FACTS) if self.moved else self.now

    def undone(self, kinds: Sequence[str]) -> list[Values]:
        with self.facts.undone(kinds) as made:
            return values_at(made, [each.vector for each in self.members])[1]

    @cached_property
    def reverted(self) -> dict[str, list[Values]]:
        """For each kind of change, the values where that kind alone is undone."""
        kinds = [kind for kind in OF_FACTS if any(row.kind == kind for row in self.moved)]
        if len(kinds) == 1 and self.then is not None:
            return {kinds[0]: self.then}
        return {kind: self.undone([kind]) for kind in kinds}

    @cached_property
    def own(self) -> list[Values] | None:
        """What the logged build says, or would say if it was made by today's definitions; else None."""
        if self.served.is_live:
            return self.then if self.is_same_project else None
        folder = self.home.builds / self.served.build_id
        with lease(folder) as is_there:
            if is_there and (folder / "build.json").is_file():
                return values_at(folder, [each.vector for each in self.members])[1]
        return self.then if self.is_same_project else None

    @property
    def is_same_project(self) -> bool:
        """Whether the logged build was made by the dbt project of the published one."""
        hash_ = read_build_manifest(self.build).get("project_hash")
        return self.before is not None and bool(hash_) and self.before.project_hash == hash_

    @cached_property
    def catalog(self) -> Catalog:
        return read_catalog(self.build)

    @cached_property
    def tables(self) -> dict[str, frozenset[str]]:
        return view_tables(self.build)

    def explained(self) -> Iterator[Explained]:
        for place, each in enumerate(self.members):
            yield Explained(each, {name: self.explain(place, each, name) for name in each.features})

    def explain(self, place: int, each: Changed, name: str) -> tuple[tuple[str, ...], str]:
        """The causes of one difference, and a raw row behind it."""
        logged = each.vector.values
        if name not in logged or name not in each.now:
            return (DEFINITION,), ""
        own, then = self.own, self.then
        evidence = Evidence(
            logged=logged[name],
            now=each.now[name],
            own=NOT_KNOWN if own is None else own[place].get(name, NOT_KNOWN),
            then=NOT_KNOWN if then is None else then[place].get(name, NOT_KNOWN),
            reverted={kind: values[place].get(name) for kind, values in self.reverted.items()},
            is_redefined=self.is_redefined(each, name),
            is_expired=self.is_expired(each, name, logged),
        )
        causes = causes_of(evidence)
        return causes, self.row_behind(each, name, causes[0])

    def is_redefined(self, each: Changed, name: str) -> bool:
        """Whether a feature is known to be defined otherwise than when it was logged."""
        if self.before is not None:
            return not self.is_same_project
        try:
            trained = read_manifest(self.home.models / each.vector.model_version).get("definitions") or {}
        except TidemarkError:
            return False
        return name in trained and trained[name] != self.catalog.definitions().get(name)

    def views(self, name: str) -> list[str]:
        """The feature models behind a feature."""
        operands = with_operands(self.catalog, [name])
        return [view.name for view in self.catalog.views if any(f.name in operands for f in view.features)]

    def is_expired(self, each: Changed, name: str, logged: Values) -> bool:
        """Whether a whole row was missing that was older than the online store keeps rows."""
        seconds = settings()["online_store"].get("key_ttl_seconds")
        if not seconds or logged[name] is not None:
            return False
        return any(
            all(logged.get(feature.name) is None for feature in view.features)
            and self.age(each, view.path) > timedelta(seconds=int(seconds))
            for view in self.catalog.views
            if view.name in self.views(name)
        )

    def age(self, each: Changed, view: Path) -> timedelta:
        """How long before the vector's instant the customer's row of a view had begun."""
        query = LAST_CHANGE.format(rows=parquet(files_in(str(view))))
        with duckdb.connect() as connection:
            row = connection.execute(query, [each.vector.customer_id, each.vector.instant]).fetchone()
        return each.vector.instant - row[0] if row and row[0] else timedelta(0)

    def row_behind(self, each: Changed, name: str, cause: str) -> str:
        """A raw row of the kind that moved the value, of the customer and a table that the feature reads."""
        rows = self.moved_by_customer.get((cause, each.vector.customer_id), [])
        read = frozenset[str]().union(*(self.tables[view] for view in self.views(name))) if rows else ()
        return next((row.text for row in rows if row.table in read), "")

    @cached_property
    def moved_by_customer(self) -> dict[tuple[str, str | None], list[Moved]]:
        """The raw rows that came or went, by kind of change and customer."""
        found: dict[tuple[str, str | None], list[Moved]] = {}
        for row in self.moved:
            found.setdefault((row.kind, row.customer_id), []).append(row)
        return found
