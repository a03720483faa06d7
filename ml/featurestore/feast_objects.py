"""The Feast objects of one build in order of dependence: entity, sources, views, on-demand view, service.

Names, types and formulas come from the build's catalog, and so from dbt; nothing is typed a second time here.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from feast import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    OnDemandFeatureView,
    RequestSource,
    ValueType,
)
from feast.data_format import ParquetFormat
from feast.types import Float64, String

from ml.common.warnings_filter import silence_known_warnings
from ml.featurestore.catalog import Catalog, Feature, View
from ml.featurestore.feast_types import feast_type, is_instant
from ml.featurestore.on_demand import udf_source

SERVICE = "churn"
DERIVED = "derived"
EVENT_TIMESTAMP = "event_timestamp"
NO_EXPIRY = timedelta(0)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


class DeclaredOnDemandFeatureView(OnDemandFeatureView):
    """An on-demand view whose types are declared; Feast would infer them from a call with random values."""

    def infer_features(self) -> None:
        """Infer nothing."""


def feast_objects(catalog: Catalog) -> dict[str, Any]:
    """Everything Feast registers for ``catalog``, by name.

    Parameters
    ----------
    catalog : Catalog
        Of one build; its folders are where the sources point, so a reader stays with one whole build.
    """
    silence_known_warnings()
    customer = customer_entity()
    views = [feature_view(view, customer) for view in catalog.views]
    as_of = as_of_source()
    derived = derived_view(catalog, views, as_of)
    service = churn_service(catalog, [*views, derived])
    sources = {f"{view.name}_source": view.batch_source for view in views}
    objects = [customer, as_of, *views, derived, service]
    return sources | {feast_object.name: feast_object for feast_object in objects}


def customer_entity() -> Entity:
    """The entity of every feature."""
    return Entity(
        name="customer",
        join_keys=["customer_id"],
        value_type=ValueType.STRING,
        description="A customer, from the first known fact on.",
    )


def feature_view(view: View, customer: Entity) -> FeatureView:
    """One dbt feature model: one row per customer and instant at which something changed."""
    source = FileSource(
        name=view.name,
        path=str(view.path),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
    )
    feast_view = FeatureView(
        name=view.name,
        entities=[customer],
        ttl=NO_EXPIRY,
        schema=[Field(name="customer_id", dtype=String), *map(field, view.features)],
        source=source,
        tags={"subject": view.subject},
    )
    # Else the first `materialize-incremental` would start a year before the wall clock.
    feast_view.materialization_intervals.append((BEGINNING, BEGINNING))
    return feast_view


def field(feature: Feature) -> Field:
    """One feature as its dbt column states it."""
    return Field(
        name=feature.name,
        dtype=feast_type(feature.sql_type),
        description=feature.description,
        tags={"sql_type": feature.sql_type},
    )


def as_of_source() -> RequestSource:
    """The as-of instant, which on-demand features are computed at.

    Offline it is the ``event_timestamp`` of the entity row; online the caller sends it under the same name,
    as ISO 8601 text. Feast knows it as ``asked``.
    """
    return RequestSource(
        name="asked",
        schema=[Field(name=EVENT_TIMESTAMP, dtype=String)],
        description="The instant features are asked at: ISO 8601 text; without a zone it is UTC.",
    )


def derived_view(catalog: Catalog, views: list[FeatureView], as_of: RequestSource) -> OnDemandFeatureView:
    """Features computed from others at the as-of instant.

    The registry drops the descriptions of an on-demand view's fields, and then no longer finds those fields
    in the service; so they stand in its tags.
    """
    instants = [
        feature.name for view in catalog.views for feature in view.features if is_instant(feature.sql_type)
    ]
    source = udf_source(catalog.formulas, instants)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(source, namespace)
    return DeclaredOnDemandFeatureView(
        name=DERIVED,
        sources=[*views, as_of],
        schema=[Field(name=feature.name, dtype=Float64) for feature in catalog.on_demand],
        udf=namespace["derived"],
        udf_string=source,
        mode="python",
        tags={feature.name: feature.description for feature in catalog.on_demand},
        description="Features computed when asked, from stored ones and the as-of instant.",
    )


def churn_service(catalog: Catalog, views: list[FeatureView | OnDemandFeatureView]) -> FeatureService:
    """Every feature, as a model sees them; the hash tells whether a model was trained on the same ones."""
    return FeatureService(
        name=SERVICE,
        features=views,
        tags={"hash": catalog.hash()},
        description="Every feature of a customer at an instant.",
    )
