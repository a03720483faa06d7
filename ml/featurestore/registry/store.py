"""The registry file: replaced in one step, and never written over what somebody else wrote meanwhile.

Feast's own file store empties the file before it writes, and lets the last of two writers silently undo the
first. Here a reader sees the old registry or the new one, and a writer whose copy is out of date is refused.
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

from ml.common.disk import replace_file
from ml.common.errors import RegistryChangedError, RegistryDamagedError
from ml.common.paths import store_path

_held: dict[Path, IO[str]] = {}


class WholeFileRegistryStore(RegistryStore):
    """A registry in one file.

    Parameters
    ----------
    registry_config : RegistryConfig
        Its ``path`` is absolute, or relative to the repository; of this project's own to the home's ``feast``
        folder, for state does not live beside the code.
    repo_path : Path
    """

    def __init__(self, registry_config: RegistryConfig, repo_path: Path | None):
        self.path = store_path(registry_config.path, repo_path)
        self._seen = ""
        self._written = ""
        self._holding = False
        self._pending: RegistryProto | None = None
        self._is_new = False

    def get_registry_proto(self) -> RegistryProto:
        """The registry as it stands; empty where Feast began one that nothing was written to yet.

        Raises
        ------
        FileNotFoundError
            There is no file.
        RegistryDamagedError
            The file cannot be read.
        """
        if self._pending is not None:
            return told_apart(copy_of(self._pending))
        if not (self._is_new or self.path.exists()):
            raise FileNotFoundError(f"no registry is at {self.path}: run 'feast apply'")
        registry = read_registry(self.path)
        self._seen = registry.version_id
        return told_apart(servable(registry))

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        """Replace the registry.

        Raises
        ------
        RegistryChangedError
            It is no longer the one this store read or wrote last.
        """
        if self._holding:
            self._pending = copy_of(told_apart(registry_proto))
            return
        if not self.path.exists() and not registry_proto.projects:
            self._is_new = True  # Feast opens a registry: a reader leaves no file behind
            return
        with locked(self.path.with_suffix(".lock")):
            if read_registry(self.path).version_id != self._seen:
                raise RegistryChangedError(
                    f"another process changed {self.path} meanwhile: nothing was written, please try again"
                )
            registry_proto.version_id = self._written = str(uuid.uuid4())
            registry_proto.last_updated.FromDatetime(datetime.now(UTC))
            replace_file(self.path, registry_proto.SerializeToString(), is_locked=True)
            self._seen, self._is_new = registry_proto.version_id, False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Write nothing before the end, then everything in one step; after an error nothing at all."""
        self._holding = True
        try:
            yield
            self._holding = False
            if self._pending is not None:
                pending, self._pending = self._pending, None
                self.update_registry_proto(pending)
        finally:
            self._holding, self._pending = False, None

    @contextmanager
    def taken_back_on_failure(self) -> Iterator[None]:
        """Put back what the file held at the beginning when an error ends what was done with it."""
        before = self.path.read_bytes() if self.path.exists() else None
        try:
            yield
        except BaseException:
            with locked(self.path.with_suffix(".lock")):
                if self._written and read_registry(self.path).version_id == self._written:
                    self._put_back(before)
            raise

    def _put_back(self, before: bytes | None) -> None:
        if before is None:
            self.path.unlink(missing_ok=True)
        else:
            replace_file(self.path, before, is_locked=True)

    def teardown(self) -> None:
        """Remove the registry."""
        self.path.unlink(missing_ok=True)
        self._seen, self._is_new = "", False


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


def told_apart(registry: RegistryProto) -> RegistryProto:
    """The registry under a version of its own.

    Feast remembers what it listed of a registry by its place in memory and its version. The place is given to
    another when one is forgotten, so two of one version but other contents would be taken for each other.
    """
    registry.version_id = str(uuid.uuid4())
    return registry


def servable(registry: RegistryProto) -> RegistryProto:
    """The registry, with every view that is being loaded, or was when a load was killed, as it was before.

    Feast answers nobody from such a view, but values stay where they are until all of the new ones are there.
    """
    for views in (registry.feature_views, registry.stream_feature_views):
        for view in views:
            if view.meta.state == FeatureViewState.MATERIALIZING.value:
                was_loaded = len(view.meta.materialization_intervals) > 0
                before = FeatureViewState.AVAILABLE_ONLINE if was_loaded else FeatureViewState.GENERATED
                view.meta.state = before.value
    return registry


def copy_of(registry: RegistryProto) -> RegistryProto:
    """A registry that changes on its own."""
    copy = RegistryProto()
    copy.CopyFrom(registry)
    return copy


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, waiting for whoever has it; the system frees it when a process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def take_turn(home_feast: Path) -> None:
    """Let one ``feast apply`` at a time work in ``home_feast``: wait, then hold until this process ends."""
    if home_feast not in _held:
        home_feast.mkdir(parents=True, exist_ok=True)
        lock = (home_feast / "apply.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        _held[home_feast] = lock
