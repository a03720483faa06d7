"""A plug-in of dbt-duckdb: the folders that a run writes to are there before DuckDB opens its file.

``dbt_project/profiles.yml`` names it. DuckDB makes no folder above the one it writes, and a ``dbt build`` by
hand in a new home, or with a new ``CHURN_OUTPUT``, would end in a traceback.
"""

from pathlib import Path
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

LAYERS = ("features", "labels")


class Plugin(BasePlugin):
    """Makes ``database``'s folder and ``output``/features and labels, as the profile names them."""

    def initialize(self, plugin_config: dict[str, Any]) -> None:
        """Make the folders; those that are there stay as they are."""
        Path(plugin_config["database"]).parent.mkdir(parents=True, exist_ok=True)
        for layer in LAYERS:
            (Path(plugin_config["output"]) / layer).mkdir(parents=True, exist_ok=True)
