"""What Feast plugs in, and what reads features: catalog, retrieval, the stores. Knows nothing of models."""

from ml.featurestore.feast_import import skip_type_checks

skip_type_checks()
