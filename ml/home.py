"""The home folder: where each kind of state lives, and how it is replaced in one step.

raw/current       -> the load that readers see      raw/<load>/<table>/*.parquet
builds/current    -> the build that readers see     builds/<build>/features/<model>/*.parquet
models/current    -> the champion                   models/<model>/
dbt/              dbt's own database, target and logs: a working place, never read by others
feast/            registry and online store
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from feature_repo.paths import ROOT, churn_home
from ml.errors import BusyError, NotReadyError


@dataclass(frozen=True)
class Home:
    """One home folder.

    Parameters
    ----------
    root : Path
        The folder; made when first written to.
    """

    root: Path

    @classmethod
    def at(cls, root: "str | os.PathLike[str] | Home | None" = None) -> "Home":
        """The home at ``root``, or where ``CHURN_HOME`` says, or ``var/`` in the repository."""
        if isinstance(root, Home):
            return root
        return cls(Path(root).expanduser().resolve() if root else churn_home())

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def builds(self) -> Path:
        return self.root / "builds"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def dbt(self) -> Path:
        return self.root / "dbt"

    @property
    def feast(self) -> Path:
        return self.root / "feast"

    def current_load(self) -> Path:
        """The raw tables that readers see now."""
        return current(self.raw, "no raw data yet: run 'churn ingest PATH' first")

    def current_build(self) -> Path:
        """The build that readers see now."""
        return current(self.builds, "nothing has been built yet: run 'churn build' first")

    def current_model(self) -> Path:
        """The champion that readers see now."""
        return current(self.models, "no model yet: run 'churn train' first")

    def make_places(self) -> None:
        """Make the folders that dbt, run by hand, writes to and does not make itself."""
        for kind in ("features", "labels"):
            (self.dbt / "output" / kind).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Hold the home's write lock for ``what``; the system frees it when the process ends.

        Raises
        ------
        BusyError
            Another process holds it.
        """
        self.make_places()
        with (self.root / ".lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                holder = lock.read().strip() or "another command"
                raise BusyError(
                    f"{holder} is writing to {self.root}: wait for it to end, then try again"
                ) from error
            lock.truncate(0)
            lock.write(f"'churn {what}' (process {os.getpid()})")
            lock.flush()
            yield


def current(folder: Path, hint: str) -> Path:
    """The folder behind ``folder/current``, followed once; NotReadyError with ``hint`` if there is none."""
    link = folder / "current"
    if not link.exists():
        raise NotReadyError(hint)
    return link.resolve()


def publish(folder: Path) -> None:
    """Make ``folder`` the current one among its siblings, in one step that cannot be half done."""
    link = folder.parent / "current"
    fresh = folder.parent / f".current-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    os.replace(fresh, link)


def next_name(folder: Path, kind: str) -> str:
    """A name no sibling in ``folder`` has had: ``load-000001``, ``load-000002``, ..."""
    taken = [int(path.name.split("-")[1]) for path in folder.glob(f"{kind}-[0-9]*")]
    return f"{kind}-{max(taken, default=0) + 1:06d}"


def discard_unfinished(folder: Path) -> None:
    """Remove what a killed process left: folders whose name ends in ``.unfinished``."""
    for path in folder.glob("*.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


__all__ = ["ROOT", "Home", "current", "discard_unfinished", "next_name", "publish"]
