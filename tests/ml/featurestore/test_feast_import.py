"""Feast, imported by this project and by itself."""

import subprocess
import sys

LOOK = """
import typeguard, feast
checked = typeguard.typechecked
names = feast.FeatureView.__init__.__code__.co_names
print("TypeCheckMemo" in names, checked.__name__, feast.FeatureView.__module__)
"""


def seen(code: str) -> list[str]:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()


def test_imported_by_this_project_feast_checks_no_arguments_and_typeguard_stays_as_it_was() -> None:
    assert seen(f"import feature_repo{LOOK}") == ["False", "typechecked", "feast.feature_view"]


def test_imported_by_itself_it_does() -> None:
    assert seen(LOOK) == ["True", "typechecked", "feast.feature_view"]


def test_imported_before_it_stays_as_it_is() -> None:
    assert seen(f"import feast, feature_repo{LOOK}")[0] == "True"
