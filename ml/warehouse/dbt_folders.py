"""A plug-in of dbt-duckdb that makes the folders of a run before DuckDB opens its file.

``dbt_project/profiles.yml`` names it. DuckDB makes no parent folders, so a ``dbt build`` by hand in a new
home, or with a new ``CHURN_OUTPUT``, would end in a traceback.
"""

from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

LAYERS = ("features", "labels")


class Plugin(BasePlugin):
    """Makes the folder of ``database``, and ``features`` and ``labels`` in ``output``, from the profile."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Make the folders that do not exist."""
        Path(plugin_config["database"]).parent.mkdir(parents=True, exist_ok=True)
        for layer in LAYERS:
            (Path(plugin_config["output"]) / layer).mkdir(parents=True, exist_ok=True)
