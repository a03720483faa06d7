"""A receipt: what the build says of one feature, beside what its raw rows come to, one by one."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.errors import BuildError
from ml.featurestore.catalog import Catalog, Feature, read_catalog
from ml.featurestore.retrieval.retrieve import choose, point_in_time
from ml.home.build_manifest import asked_instant, data_clock, read_build_manifest
from ml.home.layout import Home
from ml.ingest.manifest import read_record
from ml.receipt.customer_tables import CustomerTables
from ml.receipt.facts import Facts
from ml.receipt.formula import find_formula, operands_of
from ml.receipt.lines import Entry, Findings, Receipt
from ml.receipt.models import Models, read_models
from ml.receipt.profile import OF_VERSIONS, find_profile
from ml.receipt.totals import find_total


def receipt(
    customer: str, feature: str, *, as_of: datetime | None = None, home: Home | str | Path | None = None
) -> Receipt:
    """The raw rows behind one value, those just outside it, and the value they come to.

    Parameters
    ----------
    customer : str
        A customer_id.
    feature : str
        Any feature, stored or on demand.
    as_of : datetime, optional
        The as-of instant, naive UTC; by default the data clock of the build.
    home : Home or path, optional
        The folder of all state.

    Returns
    -------
    Receipt
        ``matches`` tells whether the raw rows come to what the build says.

    Raises
    ------
    UsageError
        There is no such customer, or ``as_of`` is after what the build knows.
    RowsError
        There is no such feature.
    NotReadyError
        Nothing has been built yet, or the raw rows of the build are gone.
    """
    home = Home.at(home)
    with home.reading() as build:
        catalog, models = read_catalog(build), read_models(build)
        choose(catalog, [feature])
        asked, load = asked_instant(build, as_of), home.raw / read_build_manifest(build)["load_id"]
        names = with_parts(catalog, feature)
        with CustomerTables(models, load, customer, with_items=need_items(catalog, models, names)) as tables:
            tables.check_customer()
            facts = Facts(tables, data_clock(build))
            found = Reader(catalog, models, facts, asked, published(build, customer, asked, names))
            return Receipt(
                customer,
                asked,
                build.name,
                load.name,
                facts.clock,
                tables.first_known_at(),
                found.entry(feature),
                len(read_record(load)["ingests"]) > 1,
            )


class Reader:
    """Finds what the raw rows say, each feature once."""

    def __init__(
        self, catalog: Catalog, models: Models, facts: Facts, asked: datetime, published: dict[str, Any]
    ) -> None:
        self.catalog, self.models, self.facts, self.asked = catalog, models, facts, asked
        self.published = published
        self.features = {one.name: one for one in catalog.features}
        self.entry = cache(self.read_entry)

    def read_entry(self, name: str) -> Entry:
        """One feature, over the entries of those that its formula uses."""
        parts = tuple(self.entry(part) for part in operands_of(self.catalog, name))
        return Entry(self.features[name], self.find(name, parts), self.published[name], parts)

    def find(self, name: str, parts: tuple[Entry, ...]) -> Findings:
        """What the raw rows say of one feature."""
        feature = self.features[name]
        if not isinstance(feature, Feature):
            return find_formula(self.catalog, name, parts, self.asked)
        model = self.models.named(feature.view)
        contributions = model.contributions(name)
        if contributions:
            return find_total(self.facts, model, contributions, self.asked)
        if model.lists_contributions or OF_VERSIONS not in self.models.read_by(model):
            raise BuildError(
                f"this build does not say which facts make {name}: list them in {model.name}.sql with the "
                "macro 'deltas', then run 'churn build'"
            )
        return find_profile(self.facts, model, name, self.asked)


def with_parts(catalog: Catalog, feature: str) -> list[str]:
    """``feature`` and all that its formula uses, directly or not."""
    found: list[str] = []
    waiting = [feature]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.append(name)
            waiting += operands_of(catalog, name)
    return found


def need_items(catalog: Catalog, models: Models, names: list[str]) -> bool:
    """Whether any of the features ``names`` is made from the items of orders."""
    stored = [feature for feature in catalog.stored if feature.name in names]
    return any(
        models.needs_items(model, part)
        for feature in stored
        for model in [models.named(feature.view)]
        for part in model.contributions(feature.name)
    )


def published(build: Path, customer: str, asked: datetime, names: list[str]) -> dict[str, Any]:
    """What the build says of every feature in ``names``."""
    rows = pa.table({"customer_id": [customer], "event_timestamp": pa.array([asked], pa.timestamp("us"))})
    return {**point_in_time(build, rows, features=names).to_pylist()[0]}
