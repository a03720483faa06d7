"""What ``feast apply`` registers: the objects of the published build (see ``feature_repo.objects``)."""

import click

from feature_repo.catalog import read_catalog
from feature_repo.errors import FeatureError
from feature_repo.objects import feast_objects
from feature_repo.paths import published_build

try:
    globals().update(feast_objects(read_catalog(published_build())))
except FeatureError as error:
    raise click.ClickException(str(error)) from error
