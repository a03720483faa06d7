"""A receipt: one feature's value in the build, beside what its raw rows come to, one by one."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml.common.errors import BuildError
from ml.featurestore.catalog import Catalog, Feature, read_catalog
from ml.featurestore.retrieval.retrieve import choose, point_in_time
from ml.home.build_manifest import checked_as_of, data_clock, read_build_manifest
from ml.home.layout import Home
from ml.ingest.manifest import read_load_manifest
from ml.receipt.facts import Facts
from ml.receipt.formula import find_formula, operands_of
from ml.receipt.profile_features import OF_VERSIONS, find_profile
from ml.receipt.receipt_lines import Entry, Findings, Receipt
from ml.receipt.totals import find_total
from ml.warehouse.compiled_models import Models, read_models
from ml.warehouse.customer_tables import CustomerTables


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
        ``matches`` tells whether the raw rows come to the value in the build.

    Raises
    ------
    UsageError
        There is no such customer, or ``as_of`` is after the data clock of the build.
    RowsError
        There is no such feature.
    NotReadyError
        Nothing has been built yet, or the raw rows of the build are gone.
    """
    home = Home.at(home)
    with home.reading() as build:
        load = home.raw / read_build_manifest(build)["load_id"]
        return receipt_of(build, load, customer, feature, as_of)


def receipt_of(build: Path, load: Path, customer: str, feature: str, as_of: datetime | None) -> Receipt:
    """``receipt`` over a build and the load that it was made from."""
    catalog, models = read_catalog(build), read_models(build)
    choose(catalog, [feature])
    as_of = checked_as_of(build, as_of)
    names = with_operands(catalog, feature)
    with_items = need_items(catalog, models, names)
    with CustomerTables(models, load, [customer], with_items=with_items) as tables:
        tables.check_customer()
        facts = Facts(tables, data_clock(build))
        rows = pa.table({"customer_id": [customer], "event_timestamp": pa.array([as_of], pa.timestamp("us"))})
        published = point_in_time(build, rows, features=names).to_pylist()[0]
        return Receipt(
            customer,
            as_of,
            build.name,
            load.name,
            facts.clock,
            tables.first_known_at(),
            Reader(catalog, models, facts, as_of, published).entry(feature),
            len(read_load_manifest(load)["ingests"]) > 1,
        )


class Reader:
    """Finds what the raw rows come to, each feature once."""

    def __init__(
        self, catalog: Catalog, models: Models, facts: Facts, as_of: datetime, published: dict[str, Any]
    ) -> None:
        self.catalog, self.models, self.facts, self.as_of = catalog, models, facts, as_of
        self.published = published
        self.features = {feature.name: feature for feature in catalog.features}
        self.entry = cache(self.read_entry)

    def read_entry(self, name: str) -> Entry:
        """One feature, over the entries of those that its formula uses."""
        parts = tuple(self.entry(part) for part in operands_of(self.catalog, name))
        return Entry(self.features[name], self.find(name, parts), self.published[name], parts)

    def find(self, name: str, parts: tuple[Entry, ...]) -> Findings:
        """What the raw rows of one feature come to."""
        feature = self.features[name]
        if not isinstance(feature, Feature):
            return find_formula(self.catalog, name, parts, self.as_of)
        model = self.models.named(feature.view)
        if contributions := model.contributions_to(name):
            return find_total(self.facts, model, contributions, self.as_of)
        parents = {parent.name for parent in self.models.parents(model)}
        if model.contributions is not None or OF_VERSIONS not in parents:
            raise BuildError(
                f"this build does not say which facts make {name}: list them in {model.name}.sql with the "
                "macro 'deltas', then run 'churn build'"
            )
        return find_profile(self.facts, model, name, self.as_of)


def with_operands(catalog: Catalog, feature: str) -> list[str]:
    """``feature`` and all that its formula uses, directly or not."""
    names = [feature]
    for name in names:
        names += [operand for operand in operands_of(catalog, name) if operand not in names]
    return names


def need_items(catalog: Catalog, models: Models, names: list[str]) -> bool:
    """Whether any of the features ``names`` is made from the items of orders."""
    stored = [feature for feature in catalog.stored if feature.name in names]
    return any(
        models.needs_items(model, part)
        for feature in stored
        for model in [models.named(feature.view)]
        for part in model.contributions_to(feature.name)
    )
