"""What may hold a person outside the home, where neither erasing nor the search reaches."""

import os

from ml.common.paths import is_own_plugin, settings
from ml.featurestore.online.server_address import online_address

TRACKING = "MLFLOW_TRACKING_URI"


def notes_on_places_outside() -> list[str]:
    """A sentence for each place outside the home that the settings name."""
    notes = []
    online = settings()["online_store"].get("type")
    if address := online_address():
        notes.append(
            f"rows in {address} were erased; what that server writes beside its tables (logs, snapshots, "
            "backups) keeps the customer until it is replaced: docs/online-stores.md"
        )
    if not is_own_plugin(online):
        notes.append(f"the online store ({online}) is outside the home: delete the customer's keys there")
    if os.environ.get(TRACKING):
        notes.append(
            f"models were sent to the server of {TRACKING}, which was not searched: delete there what those "
            "that learned hold of the customer (test.parquet)"
        )
    return notes
