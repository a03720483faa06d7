"""What a killed build left is gone before the next begins; what readers see stays."""

from pathlib import Path

from ml.warehouse.build_steps import remove_unfinished


def test_unpublished_builds_and_half_made_links_go(tmp_path: Path) -> None:
    for name in ("build-000001", "build-000002"):
        (tmp_path / name / "features").mkdir(parents=True)
    whole = tmp_path / "build-000001"
    (whole / "build.json").write_text("{}")
    (whole / "model").symlink_to("../models/model-000001")
    (whole / ".model.new").symlink_to("../models/model-000002")

    remove_unfinished(tmp_path)

    assert [path.name for path in sorted(tmp_path.iterdir())] == ["build-000001"]
    assert sorted(path.name for path in whole.iterdir()) == ["build.json", "features", "model"]
