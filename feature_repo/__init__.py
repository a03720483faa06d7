"""A Feast repository; what Feast plugs in is in ``ml.featurestore``."""

import ml.featurestore  # noqa: F401 - imports Feast without its run-time checks, finds class paths of the release before
