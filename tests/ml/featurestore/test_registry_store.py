"""The registry file is whole at any time, and nobody's change is undone in silence."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from feast.feature_view import FeatureViewState

from ml.common.errors import RegistryChangedError, RegistryDamagedError
from ml.common.paths import ROOT, store_path
from ml.featurestore.feast_objects import BEGINNING
from ml.featurestore.registry.store import WholeFileRegistryStore, read_registry
from ml.featurestore.repository import apply_definitions, open_store, registry_of
from tests.ml.featurestore.small_build import write_build
from tests.ml.warehouse.test_materialize import CLOCK


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
    from ml.featurestore.catalog import read_catalog

    catalog = read_catalog(home / "builds" / "build-000001")
    service = store.get_feature_service("churn")
    names = [field.name for view in service.feature_view_projections for field in view.features]

    assert service.tags["hash"] == catalog.hash()
    assert sorted(names) == sorted(catalog.feature_names)
    assert {view.batch_source.path for view in store.list_batch_feature_views()} == {
        str(home / "builds/build-000001/features/feat_customer_orders"),
        str(home / "builds/build-000001/features/feat_customer_profile"),
    }


def test_what_is_held_back_is_written_once_at_the_end(store) -> None:
    registry = WholeFileRegistryStore(store.config.registry, None)
    before, copy = registry.path.read_bytes(), registry.get_registry_proto()
    with registry.write_at_end():
        del copy.feature_services[:]
        registry.update_registry_proto(copy)
        assert len(registry.get_registry_proto().feature_services) == 0
        assert registry.path.read_bytes() == before

    assert len(read_registry(registry.path).feature_services) == 0


def write_and_fail(*registries: WholeFileRegistryStore) -> None:
    """Write the registry anew through each of them, then meet a full disk."""
    for registry in registries:
        registry.update_registry_proto(registry.get_registry_proto())
    raise OSError("disk full")


def contents(registry):
    """A registry apart from its version, which is of one copy in memory only."""
    copy = type(registry).FromString(registry.SerializeToString())
    copy.version_id = ""
    return copy


def test_what_is_held_back_is_forgotten_after_an_error(store) -> None:
    registry = WholeFileRegistryStore(store.config.registry, None)
    before, seen = registry.path.read_bytes(), registry.get_registry_proto()
    with pytest.raises(OSError, match="disk full"), registry.write_at_end():
        write_and_fail(registry)

    assert registry.path.read_bytes() == before
    assert contents(registry.get_registry_proto()) == contents(seen)


def test_what_was_written_before_a_failure_is_taken_back_but_nobody_elses_change(store) -> None:
    one = WholeFileRegistryStore(store.config.registry, None)
    other = WholeFileRegistryStore(store.config.registry, None)
    before = one.path.read_bytes()
    with pytest.raises(OSError, match="disk full"), one.restored_on_failure():
        write_and_fail(one)
    assert one.path.read_bytes() == before

    with pytest.raises(OSError, match="disk full"), one.restored_on_failure():
        write_and_fail(one, other)
    assert read_registry(one.path).version_id == other._version_written
    assert one.path.read_bytes() != before


def test_a_registry_cut_off_in_the_middle_is_named(home: Path, store) -> None:
    from ml.featurestore.online.read import OnlineReader

    path = home / "feast" / "registry.db"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(RegistryDamagedError, match=r"registry\.db is damaged: run 'churn materialize'"):
        OnlineReader(home)


@pytest.mark.parametrize("left", [0, 1, 1000])
def test_materializing_makes_a_damaged_registry_anew(left: int, home: Path, store) -> None:
    from ml.warehouse.materialize import materialize

    path = home / "feast" / "registry.db"
    path.write_bytes(path.read_bytes()[:left])
    materialize(home=home)

    assert objects_of(path) == WHOLE


WHOLE = (["__dummy", "customer"], ["feat_customer_orders", "feat_customer_profile"], ["derived"], ["churn"])
APPLIER = """
import sys
from pathlib import Path
from ml.common.errors import RegistryChangedError
from ml.featurestore.repository import apply_definitions, open_store

home, build = map(Path, sys.argv[1:])
print("ready", flush=True)
sys.stdin.readline()
done = 0
while done < 3:
    try:
        apply_definitions(open_store(home), build=build)
        done += 1
    except RegistryChangedError:
        print("refused", flush=True)
"""


def objects_of(path: Path) -> tuple[list[str], ...]:
    """Names of the entities, views, on-demand views and services in a registry file."""
    registry = read_registry(path)
    kinds = (
        registry.entities,
        registry.feature_views,
        registry.on_demand_feature_views,
        registry.feature_services,
    )
    return tuple(sorted(thing.spec.name for thing in kind) for kind in kinds)


def builds_in(path: Path) -> set[str]:
    """The builds whose files the views of a registry file read."""
    sources = [view.spec.batch_source.file_options.uri for view in read_registry(path).feature_views]
    return {Path(source).parents[1].name for source in sources}


def test_appliers_of_two_builds_at_once_leave_the_registry_of_one(home: Path, store) -> None:
    """Whoever reads meanwhile sees the registry of the one or the other, never a mixture or half of it."""
    builds = [home / "builds" / "build-000001", write_build(home, "build-000002")]
    path, seen = home / "feast" / "registry.db", set()
    appliers = [
        subprocess.Popen(
            [sys.executable, "-c", APPLIER, str(home), str(build)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for build in builds
    ]
    for applier in appliers:
        assert applier.stdout.readline() == "ready\n"
    for applier in appliers:
        applier.stdin.write("go\n")
        applier.stdin.flush()
    while any(applier.poll() is None for applier in appliers):
        assert objects_of(path) == WHOLE
        seen.add(frozenset(builds_in(path)))
    for applier in appliers:
        applier.communicate()

    assert [applier.returncode for applier in appliers] == [0, 0]
    assert seen <= {frozenset({"build-000001"}), frozenset({"build-000002"})}
    assert objects_of(path) == WHOLE


def test_no_two_registries_in_memory_are_of_one_version(home: Path, store) -> None:
    held = registry_of(store)
    versions = [held.get_registry_proto().version_id for _ in range(3)]
    with held.write_at_end():
        held.update_registry_proto(held.get_registry_proto())
        versions += [held.get_registry_proto().version_id for _ in range(3)]
    assert len(set(versions)) == 6
    versions.append(read_registry(held.path).version_id)
    assert len(set(versions)) == 7


def test_an_applier_killed_while_it_writes_leaves_the_registry_as_it_was(home: Path, store) -> None:
    path, build = home / "feast" / "registry.db", write_build(home, "build-000002")
    before = path.read_bytes()
    program = f"""
import os, signal
from pathlib import Path
import ml.common.durable_files
from ml.featurestore.repository import apply_definitions, open_store
ml.common.durable_files.os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
apply_definitions(open_store(Path({str(home)!r})), build=Path({str(build)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert (done.returncode, path.read_bytes()) == (-signal.SIGKILL, before)
    apply_definitions(open_store(home), home)
    assert builds_in(path) == {"build-000002"}


@pytest.mark.parametrize(
    ("loaded", "shown"), [(True, FeatureViewState.AVAILABLE_ONLINE), (False, FeatureViewState.GENERATED)]
)
def test_a_load_under_way_or_killed_takes_no_view_from_its_readers(
    home: Path, store, loaded: bool, shown: FeatureViewState
) -> None:
    """Feast writes down that a view is being loaded, and answers nobody from one that is."""
    if loaded:
        store.materialize(BEGINNING, CLOCK)
    path = home / "feast" / "registry.db"
    registry = read_registry(path)
    for view in registry.feature_views:
        view.meta.state = FeatureViewState.MATERIALIZING.value
        if not loaded:
            del view.meta.materialization_intervals[:]
    path.write_bytes(registry.SerializeToString())

    reader = open_store(home)
    assert {view.state for view in reader.list_batch_feature_views()} == {shown}
    if loaded:
        asked = [{"customer_id": "ann", "event_timestamp": "2024-03-01T10:11:12"}]
        found = reader.get_online_features(["feat_customer_orders:orders_30d"], asked).to_dict()
        assert found["orders_30d"] != [None]
    reader.materialize(BEGINNING, CLOCK)
    assert {view.state for view in open_store(home).list_batch_feature_views()} == {
        FeatureViewState.AVAILABLE_ONLINE
    }


def test_a_repository_of_ones_own_keeps_its_files_beside_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_HOME", str(tmp_path / "home"))
    assert store_path("online_store.db", ROOT / "feature_repo") == tmp_path / "home/feast/online_store.db"
    assert store_path("online_store.db", tmp_path / "repo") == tmp_path / "repo/online_store.db"
    assert store_path(str(tmp_path / "a.db"), tmp_path / "repo") == tmp_path / "a.db"

    config = SimpleNamespace(path="registry.db")
    assert WholeFileRegistryStore(config, tmp_path / "repo").path == tmp_path / "repo/registry.db"
