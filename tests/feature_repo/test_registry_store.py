"""The registry file is whole at any time, and nobody's change is undone in silence."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from feature_repo.registry_store import RegistryChangedError, WholeFileRegistryStore


class Unwritable:
    """A registry whose writing fails."""

    version_id = ""
    last_updated = SimpleNamespace(FromDatetime=lambda instant: None)

    def SerializeToString(self) -> bytes:  # noqa: N802
        raise OSError("disk full")


def test_feast_itself_leaves_an_empty_file_when_writing_fails(tmp_path: Path) -> None:
    from feast.infra.registry.file import FileRegistryStore

    path = tmp_path / "registry.db"
    path.write_bytes(b"a registry")
    with pytest.raises(OSError, match="disk full"):
        FileRegistryStore(SimpleNamespace(path=str(path)), tmp_path).update_registry_proto(Unwritable())

    assert path.read_bytes() == b""


def test_a_failed_write_leaves_the_registry_as_it_was(home: Path, store) -> None:
    path = home / "feast" / "registry.db"
    before = path.read_bytes()
    registry = WholeFileRegistryStore(store.config.registry, None)
    registry.get_registry_proto()
    with pytest.raises(OSError, match="disk full"):
        registry.update_registry_proto(Unwritable())

    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir() if "registry" in entry.name) == [
        "registry.db",
        "registry.lock",
    ]


def test_of_two_writers_the_one_with_the_older_copy_is_refused(home: Path, store) -> None:
    one = WholeFileRegistryStore(store.config.registry, None)
    other = WholeFileRegistryStore(store.config.registry, None)
    copy, outdated = one.get_registry_proto(), other.get_registry_proto()
    one.update_registry_proto(copy)
    one.update_registry_proto(copy)
    with pytest.raises(RegistryChangedError, match="try again"):
        other.update_registry_proto(outdated)

    other.update_registry_proto(other.get_registry_proto())


def test_the_registry_says_what_the_catalog_says(home: Path, store) -> None:
    from feature_repo.catalog import read_catalog

    catalog = read_catalog(home / "builds" / "build-000001")
    service = store.get_feature_service("churn")
    names = [field.name for view in service.feature_view_projections for field in view.features]

    assert service.tags["hash"] == catalog.hash()
    assert sorted(names) == sorted(catalog.feature_names)
    assert {view.batch_source.path for view in store.list_batch_feature_views()} == {
        str(home / "builds/build-000001/features/feat_customer_orders"),
        str(home / "builds/build-000001/features/feat_customer_profile"),
    }
