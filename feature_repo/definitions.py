"""What ``feast apply`` registers: the objects of the published build (see ``feature_repo.objects``)."""

from feature_repo.catalog import read_catalog
from feature_repo.objects import feast_objects
from feature_repo.paths import published_build

globals().update(feast_objects(read_catalog(published_build())))
