"""What ``feast apply`` registers, in order of dependence; names, types and formulas come from dbt."""

import click

from ml.common.errors import FeatureError
from ml.common.paths import published_build
from ml.common.warnings_filter import silence_known_warnings
from ml.featurestore.catalog import read_catalog
from ml.featurestore.feast_objects import (
    as_of_source,
    churn_service,
    customer_entity,
    derived_view,
    feature_view,
)

silence_known_warnings()

try:
    catalog = read_catalog(published_build())
except FeatureError as error:
    raise click.ClickException(str(error)) from error

customer = customer_entity()
asked = as_of_source()

# One source and one view for each dbt model of marts/features, named as the model.
views = [feature_view(model, customer) for model in catalog.views]
sources = [view.batch_source for view in views]

derived = derived_view(catalog, views, asked)
churn = churn_service(catalog, [*views, derived])

# Feast finds what a module's names hold, not what lists hold.
globals().update({view.name: view for view in views})
globals().update({f"{source.name}_source": source for source in sources})
