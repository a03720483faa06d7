"""The registry file: replaced in one step, and never over the changes of another process.

Feast's own file store empties the file before it writes, and lets the last of two writers silently undo the
first. Here a reader sees the old registry or the new one, and a writer with an outdated copy is refused.
"""

import fcntl
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from feast.feature_view import FeatureViewState
from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from ml.common.durable_files import replace_file
from ml.common.errors import RegistryChangedError, RegistryDamagedError
from ml.common.paths import store_path

_apply_locks: dict[Path, IO[str]] = {}


class WholeFileRegistryStore(RegistryStore):
    """A registry in one file.

    Parameters
    ----------
    registry_config : RegistryConfig
        Its ``path`` is absolute, or relative to the repository; in this project's repository it is relative
        to the home's ``feast`` folder, because state does not live beside the code.
    repo_path : Path
    """

    def __init__(self, registry_config: RegistryConfig, repo_path: Path | None):
        self.path = store_path(registry_config.path, repo_path)
        self._version_read = ""
        self._version_written = ""
        self._is_deferred = False
        self._pending: RegistryProto | None = None
        self._is_new = False

    def get_registry_proto(self) -> RegistryProto:
        """The registry; empty if Feast has begun one that nothing was written to yet.

        Raises
        ------
        FileNotFoundError
            There is no file.
        RegistryDamagedError
            The file cannot be read.
        """
        if self._pending is not None:
            return with_own_version(registry_copy(self._pending))
        if not (self._is_new or self.path.exists()):
            raise FileNotFoundError(f"no registry is at {self.path}: run 'feast apply'")
        registry = read_registry(self.path)
        self._version_read = registry.version_id
        return with_own_version(without_loading_states(registry))

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        """Replace the registry.

        Raises
        ------
        RegistryChangedError
            The file has changed since this store read or wrote it last.
        """
        if self._is_deferred:
            self._pending = registry_copy(with_own_version(registry_proto))
            return
        if not self.path.exists() and not registry_proto.projects:
            self._is_new = True  # Feast opens a registry: a reader leaves no file behind
            return
        with locked(self.path.with_suffix(".lock")):
            if read_registry(self.path).version_id != self._version_read:
                raise RegistryChangedError(
                    f"another process changed {self.path} meanwhile: nothing was written, please try again"
                )
            registry_proto.version_id = self._version_written = str(uuid.uuid4())
            registry_proto.last_updated.FromDatetime(datetime.now(UTC))
            replace_file(self.path, registry_proto.SerializeToString(), is_locked=True)
            self._version_read, self._is_new = registry_proto.version_id, False

    @contextmanager
    def write_at_end(self) -> Iterator[None]:
        """Write nothing before the end, then all changes in one step; after an error write nothing."""
        self._is_deferred = True
        try:
            yield
            self._is_deferred = False
            if self._pending is not None:
                pending, self._pending = self._pending, None
                self.update_registry_proto(pending)
        finally:
            self._is_deferred, self._pending = False, None

    @contextmanager
    def restored_on_failure(self) -> Iterator[None]:
        """Restore the file after an error to its content at the beginning."""
        before = self.path.read_bytes() if self.path.exists() else None
        try:
            yield
        except BaseException:
            with locked(self.path.with_suffix(".lock")):
                if self._version_written and read_registry(self.path).version_id == self._version_written:
                    if before is None:
                        self.path.unlink(missing_ok=True)
                    else:
                        replace_file(self.path, before, is_locked=True)
            raise

    def teardown(self) -> None:
        """Remove the registry."""
        self.path.unlink(missing_ok=True)
        self._version_read, self._is_new = "", False


def read_registry(path: Path) -> RegistryProto:
    """The registry in ``path``; an empty one when there is no such file."""
    try:
        return RegistryProto.FromString(path.read_bytes())
    except FileNotFoundError:
        return RegistryProto()
    except DecodeError as error:
        raise RegistryDamagedError(
            f"{path} is damaged: run 'churn materialize', or delete it and run 'feast apply' again"
        ) from error


def with_own_version(registry: RegistryProto) -> RegistryProto:
    """The registry under a version of its own.

    Feast caches the lists of a registry by its address in memory and its version. An address is used again
    after a registry is freed, so Feast would mistake two registries of one version for each other.
    """
    registry.version_id = str(uuid.uuid4())
    return registry


def without_loading_states(registry: RegistryProto) -> RegistryProto:
    """The registry with every view in the state before its load, finished or killed, began.

    Feast does not serve a view that is being loaded, but here the old values stay until all new ones are
    written.
    """
    for views in (registry.feature_views, registry.stream_feature_views):
        for view in views:
            if view.meta.state == FeatureViewState.MATERIALIZING.value:
                was_loaded = len(view.meta.materialization_intervals) > 0
                before = FeatureViewState.AVAILABLE_ONLINE if was_loaded else FeatureViewState.GENERATED
                view.meta.state = before.value
    return registry


def registry_copy(registry: RegistryProto) -> RegistryProto:
    copy = RegistryProto()
    copy.CopyFrom(registry)
    return copy


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, after the process that has it; the system frees it when a process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def take_turn(home_feast: Path) -> None:
    """Wait until no ``feast apply`` works in ``home_feast``, then lock it to the end of this process."""
    if home_feast not in _apply_locks:
        home_feast.mkdir(parents=True, exist_ok=True)
        lock = (home_feast / "apply.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        _apply_locks[home_feast] = lock
