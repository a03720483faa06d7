"""Keys of a feature model's YAML: known ones pass, an unknown one is named with its place."""

import re
import shutil
from pathlib import Path

import pytest

from ml.common.errors import BuildError
from ml.common.paths import ROOT
from ml.warehouse.feature_yaml import OF_COLUMN, OF_MODEL, OF_ON_DEMAND, check_feature_yaml

PROFILE = Path("models/marts/features/feat_customer_profile.yml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", folder, ignore=shutil.ignore_patterns("target", "logs"))
    return folder


def test_the_project_itself_has_no_unknown_key(project: Path) -> None:
    check_feature_yaml(project)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "feature_view: true",
            "feature_view: true\n        topic: x",
            "model feat_customer_profile: .* key topic",
        ),
        (
            'reason: "a customer for',
            'resaon: "a customer for',
            "on-demand feature tenure_days: .* key resaon; did you mean reason",
        ),
        (
            "config: {meta: {role: sensitive}}",
            "config: {meta: {rol: sensitive}}",
            "column gender: nothing reads the key rol; did you mean role",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_place(project: Path, old: str, new: str, message: str) -> None:
    file = project / PROFILE
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(BuildError, match=f"^{re.escape(str(PROFILE))}, {message}"):
        check_feature_yaml(project)


@pytest.mark.parametrize("wrong", ["{tenure_days:.0q}", "{tenure_days", "{tenure days}", "{}"])
def test_a_reason_that_cannot_be_filled_is_refused(project: Path, wrong: str) -> None:
    file = project / PROFILE
    text = file.read_text()
    assert "{tenure_days}" in text
    file.write_text(text.replace("{tenure_days}", wrong, 1))
    with pytest.raises(BuildError, match=r"on-demand feature tenure_days: the reason .* is no sentence with"):
        check_feature_yaml(project)


@pytest.mark.parametrize("wrong", ["low", "[low]", "[low, 3]", "[low, middle, high]", "{low: high}"])
def test_levels_are_a_word_for_low_and_one_for_high(project: Path, wrong: str) -> None:
    file = project / PROFILE.with_name("feat_customer_orders.yml")
    text = file.read_text()
    assert "levels: [recent, silent]" in text
    file.write_text(text.replace("levels: [recent, silent]", f"levels: {wrong}", 1))
    with pytest.raises(BuildError, match="on-demand feature days_since_last_order: levels are the words for"):
        check_feature_yaml(project)


def test_the_page_has_every_key_and_no_other() -> None:
    text = (ROOT / "docs" / "feature-yaml.md").read_text()
    for heading, keys in (
        ("Of a model", OF_MODEL),
        ("Of a column", OF_COLUMN),
        ("Of an on-demand feature", OF_ON_DEMAND),
    ):
        section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        assert sorted(key for row in rows for key in re.findall(r"`(\w+)`", row)) == sorted(keys)
