"""The data dictionary: ``docs/features.md``, written from the catalog of the published build.

``python -m ml.features.data_dictionary`` writes it again; it is not edited by hand.
"""

from pathlib import Path

from ml.featurestore.catalog import Catalog, Feature, OnDemand, read_catalog
from ml.home.layout import ROOT, Home

FILE = ROOT / "docs" / "features.md"
HEAD = """# Features

Written by `make docs` from the descriptions and types that dbt holds; do not edit.

A feature asked for at an instant uses what was known by then. A window of n days is
(instant - n days, instant]. With no history counts and sums are 0, averages and instants null; before a
customer's first known fact all is null.
"""


def dictionary(catalog: Catalog) -> str:
    """The data dictionary as Markdown: a table per subject, then one of the features computed on demand."""
    lines = [HEAD]
    for view in catalog.views:
        lines.append(f"\n## {view.subject.capitalize()} (`{view.name}`)\n\n")
        lines.append("| feature | type | meaning |\n| --- | --- | --- |\n")
        lines.extend(table_row(feature) for feature in view.features)
    lines.append("\n## Computed when asked\n\n| feature | formula | meaning |\n| --- | --- | --- |\n")
    lines.extend(table_row(feature) for feature in catalog.on_demand)
    return "".join(lines)


def table_row(feature: Feature | OnDemand) -> str:
    middle = f"`{feature.formula}`" if isinstance(feature, OnDemand) else feature.sql_type
    return f"| {feature.name} | {middle} | {' '.join(feature.description.split())} |\n"


def write_dictionary(home: Home | str | None = None, file: Path = FILE) -> Path:
    """Write the dictionary of the published build of ``home`` to ``file``."""
    with Home.at(home).reading() as build:
        file.write_text(dictionary(read_catalog(build)))
    return file


if __name__ == "__main__":
    print(write_dictionary())
