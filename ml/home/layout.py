"""The home folder: where each kind of state lives, and how it is replaced in one step.

raw/current       -> the load that readers see      raw/<load>/<table>/*.parquet
builds/current    -> the build that readers see     builds/<build>/features/<model>/*.parquet
                     and the champion with it       builds/<build>/model -> models/<model>/
                     and who may follow it          builds/<build>/challenger -> models/<model>/
dbt/              dbt's own database, target and logs: a working place, never read by others
feast/            registry and online store
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ml.common.disk import sync_folder, sync_tree
from ml.common.errors import BusyError, NotReadyError, UsageError
from ml.common.paths import ROOT, churn_home
from ml.home.build_manifest import manifest_of
from ml.home.leases import finish_removals, lease, remove_unless_read

KEPT_BUILDS = 3
NO_BUILD = "nothing has been built yet: run 'churn build' first"
NOTHING_YET = "no raw data yet, and nothing built: run 'churn ingest PATH', then 'churn build'"
MODEL, CHALLENGER = "model", "challenger"
UNUSABLE = ("?", "#", "\\")


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
        """The build that readers see now; whoever reads its files asks ``reading`` instead."""
        return current(self.builds, NO_BUILD if (self.raw / "current").exists() else NOTHING_YET)

    def current_model(self) -> Path:
        """The champion that goes with the current build."""
        return model_of(self.current_build())

    def kept_builds(self) -> list[Path]:
        """Every build that was published and is still there, the newest first."""
        return [build for build in numbered(self.builds, "build") if (build / "build.json").is_file()][::-1]

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """The current build's folder, which nobody removes until the end, whatever is published meanwhile.

        Raises
        ------
        NotReadyError
            Nothing has been built yet.
        """
        while True:
            build = self.current_build()
            with lease(build) as held:
                if held:
                    yield build
                    return

    def check_name(self) -> None:
        """UsageError when dbt would take the home for an address, or DuckDB a folder's name for two."""
        if found := [sign for sign in UNUSABLE if sign in str(self.root)]:
            raise UsageError(
                f"the home {self.root} has a {found[0]} in its path, which dbt or DuckDB takes for something "
                "else: choose a home (--home or CHURN_HOME) without it"
            )

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
        UsageError
            Its name has a sign that the engines take for something else.
        """
        self.check_name()
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


def model_of(build: Path) -> Path:
    """The champion that goes with ``build``: ask once, then use one pair of build and model.

    Raises
    ------
    NotReadyError
        Nothing has been trained yet on this build or on one it descends from.
    """
    link = build / MODEL
    if not link.exists():
        raise NotReadyError(f"no model goes with {build.name} yet: run 'churn train' first")
    return link.resolve()


def set_model(build: Path, model: Path) -> None:
    """From now on ``model`` goes with ``build``; whoever challenged the one before challenges no longer."""
    replace_link(build / MODEL, os.path.relpath(model, build))
    (build / CHALLENGER).unlink(missing_ok=True)


def challenger_of(build: Path) -> Path | None:
    """The newest model that was not found better than the champion of ``build``, if there is one."""
    link = build / CHALLENGER
    return link.resolve() if link.exists() else None


def set_challenger(build: Path, model: Path) -> None:
    """``model`` was trained for ``build`` and does not go with it, or not yet."""
    replace_link(build / CHALLENGER, os.path.relpath(model, build))


def take_over_models(build: Path, older: Path) -> None:
    """Let the champion and the challenger of ``older`` go with ``build``, unless it has its own."""
    if not (build / MODEL).exists():
        challenger = challenger_of(older)
        set_model(build, model_of(older))
        if challenger is not None:
            set_challenger(build, challenger)


def publish(folder: Path) -> None:
    """Make ``folder`` the current one among its siblings, in one step that cannot be half done."""
    replace_link(folder.parent / "current", folder.name)


def replace_link(link: Path, target: str) -> None:
    """Point ``link`` to ``target``: readers see the old one or the new one, power cuts included.

    Only who holds the home's write lock does so; what a killed process left is used up by the next.
    """
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)
    sync_folder(link.parent)


def builds_to_keep(asked: int | None = None) -> int:
    """How many builds stay: as ``asked``, else as ``CHURN_KEEP_BUILDS`` says, else three.

    Raises
    ------
    UsageError
        That is no number from 1 on.
    """
    said = asked if asked is not None else os.environ.get("CHURN_KEEP_BUILDS") or KEPT_BUILDS
    if not re.fullmatch(r"0*[1-9]\d*", str(said)):
        raise UsageError(f"builds to keep (CHURN_KEEP_BUILDS or --keep) is {said}: give a number from 1 on")
    return int(said)


def publish_build(home: Home, folder: Path, keep: int) -> None:
    """Make a finished build the current one, with the models of the one before; remove the oldest.

    Parameters
    ----------
    folder : Path
        In ``home.builds``, with its ``build.json``.
    keep : int
        How many builds stay, this one among them. Those that somebody reads stay as well, until later.
    """
    with suppress(NotReadyError):
        take_over_models(folder, home.current_build())
    with lease(folder):
        sync_tree(folder)
    sync_folder(home.builds)
    publish(folder)
    with suppress(OSError):
        remove_oldest(home, keep)


def remove_oldest(home: Home, keep: int) -> None:
    """Remove all builds but ``keep``, first those that the current one does not descend from."""
    finish_removals(home.builds)
    builds = home.kept_builds()
    present = home.current_build()
    descent = [present.name, *(manifest_of(present).get("lineage") or [])]
    ranks = {name: rank for rank, name in enumerate(descent)}
    wanted = sorted(builds, key=lambda build: ranks.get(build.name, len(descent)))[: max(keep, 1)]
    for build in builds:
        if build not in wanted and build != present:
            remove_unless_read(build)


def numbered(folder: Path, kind: str) -> list[Path]:
    """The folders ``<kind>-000001``, ``<kind>-000002``, ... in ``folder``, finished ones, in order."""
    named = re.compile(rf"{kind}-(\d+)")
    found = [(named.fullmatch(path.name), path) for path in folder.glob(f"{kind}-[0-9]*")]
    return [path for _, path in sorted((int(match[1]), path) for match, path in found if match)]


def next_name(folder: Path, kind: str) -> str:
    """A name no sibling in ``folder`` has had: ``load-000001``, ``load-000002``, ..."""
    taken = [int(path.name.split("-")[1].split(".")[0]) for path in folder.glob(f"{kind}-[0-9]*")]
    return f"{kind}-{max(taken, default=0) + 1:06d}"


def discard_unfinished(folder: Path) -> None:
    """Remove what a killed process left: folders whose name ends in ``.unfinished``."""
    for path in folder.glob("*.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


__all__ = [
    "CHALLENGER",
    "MODEL",
    "ROOT",
    "Home",
    "builds_to_keep",
    "challenger_of",
    "current",
    "discard_unfinished",
    "model_of",
    "next_name",
    "numbered",
    "publish",
    "publish_build",
    "set_challenger",
    "set_model",
    "sync_tree",
    "take_over_models",
]
