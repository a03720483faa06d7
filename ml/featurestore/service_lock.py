"""The lock file of the service: its features, types and hash; whoever changes them changes a contract.

``python -m ml.featurestore.service_lock [BUILD]`` writes it anew from a build (default: the published one).
"""

import json
import sys
from pathlib import Path
from typing import Any

from ml.common.paths import ROOT, published_build
from ml.featurestore.catalog import Catalog, read_catalog
from ml.featurestore.feast_types import feast_type_name

LOCK = ROOT / "feature_repo" / "service.lock.json"


def lock_content(catalog: Catalog) -> dict[str, Any]:
    """What the lock file says for ``catalog``."""
    stored = {
        feature.name: {
            "view": view.name,
            "sql_type": feature.sql_type,
            "feast_type": feast_type_name(feature.sql_type),
        }
        for view in catalog.views
        for feature in view.features
    }
    derived = {one.name: {"formula": one.formula, "feast_type": "Float64"} for one in catalog.on_demand}
    return {"service": "churn", "hash": catalog.hash(), "features": stored | derived}


def lock_text(catalog: Catalog) -> str:
    """The lock file's text for ``catalog``."""
    return json.dumps(lock_content(catalog), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> None:
    """Write the lock file."""
    build = Path(arguments[0]) if arguments else published_build()
    LOCK.write_text(lock_text(read_catalog(build)))
    print(LOCK)


if __name__ == "__main__":
    main(sys.argv[1:])
