"""The home folder: the location of each kind of state, and its links.

raw/current       -> the load that readers see      raw/<load>/<table>/*.parquet
builds/current    -> the build that readers see     builds/<build>/features/<model>/*.parquet
                     its champion                   builds/<build>/model -> models/<model>/
                     its challenger                 builds/<build>/challenger -> models/<model>/
                     those of another problem       builds/<build>/problems/<name>/model, challenger
pulls/            pages of JSON APIs that are in no load yet
journal/          facts that were pushed, and the load that has those in no other yet
runs/<instant>/   what a run of the day made: scores, the report of the monitor, run.json
dbt/              dbt's own database, target and logs, which only dbt reads
feast/            registry and online store
monitoring/       reports of the monitor, <as-of>.json
segments/         segments of customers, <problem>.json
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ml.common.durable_files import sync_folder, sync_tree
from ml.common.errors import NotReadyError, UsageError
from ml.common.paths import ROOT, churn_home
from ml.config.problem import DEFAULT_NAME
from ml.home.read_leases import lease
from ml.home.write_lock import write_lock

NO_BUILD = "nothing has been built yet: run 'churn build' first"
NOTHING_YET = "no raw data yet, and nothing built: run 'churn ingest PATH', then 'churn build'"
MODEL, CHALLENGER, PROBLEMS = "model", "challenger", "problems"
UNUSABLE_SIGNS = ("?", "#", "\\")


@dataclass(frozen=True)
class Home:
    """One home folder.

    Parameters
    ----------
    root : Path
        The folder; it is made by the first write.
    """

    root: Path

    @classmethod
    def at(cls, root: "str | os.PathLike[str] | Home | None" = None) -> "Home":
        """The home at ``root``; by default ``CHURN_HOME``, or ``var/`` in the repository."""
        if isinstance(root, Home):
            return root
        return cls(Path(root).expanduser().resolve() if root else churn_home())

    @property
    def raw(self) -> Path:
        return self.root / "raw"

    @property
    def pulls(self) -> Path:
        return self.root / "pulls"

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

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
        """The load that readers see."""
        return current(self.raw, "no raw data yet: run 'churn ingest PATH' first")

    def current_build(self) -> Path:
        """The build that readers see; to read its files, use ``reading``, which holds a lease."""
        return current(self.builds, NO_BUILD if (self.raw / "current").exists() else NOTHING_YET)

    def current_model(self, problem: str = DEFAULT_NAME) -> Path:
        """The champion of the current build for the problem of that name."""
        return model_of(self.current_build(), problem)

    def published_builds(self) -> list[Path]:
        """Every published build on disk, the newest first."""
        return [build for build in numbered(self.builds, "build") if (build / "build.json").is_file()][::-1]

    @contextmanager
    def reading(self) -> Iterator[Path]:
        """The current build's folder with a lease, so that it is not removed until the end.

        Raises
        ------
        NotReadyError
            Nothing has been built yet.
        """
        while True:
            build = self.current_build()
            with lease(build) as is_there:
                if is_there:
                    yield build
                    return

    def check_name(self) -> None:
        """Raise a UsageError if the path of the home has a sign that dbt or DuckDB misreads."""
        if signs := [sign for sign in UNUSABLE_SIGNS if sign in str(self.root)]:
            raise UsageError(
                f"the home {self.root} has a {signs[0]} in its path, which dbt or DuckDB takes for something "
                "else: choose a home (--home or CHURN_HOME) without it"
            )

    def make_dbt_folders(self) -> None:
        """Make the folders that dbt writes to if run by hand."""
        for kind in ("features", "labels"):
            (self.dbt / "output" / kind).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Hold the home's write lock for the command ``what``; the system frees it at the end of the process.

        Raises
        ------
        BusyError
            Another process holds it.
        UsageError
            Its path has a sign that the engines misread.
        """
        self.check_name()
        self.make_dbt_folders()
        with write_lock(self.root, what):
            yield


def current(folder: Path, hint: str) -> Path:
    """The target of the link ``folder/current``; raise a NotReadyError with ``hint`` if there is none."""
    link = folder / "current"
    if not link.exists():
        raise NotReadyError(hint)
    return link.resolve()


def links_of(build: Path, problem: str) -> Path:
    """The folder with the links to the champion and the challenger of one problem."""
    return build if problem == DEFAULT_NAME else build / PROBLEMS / problem


def problems_with_model(build: Path) -> list[str]:
    """The names of the problems that have a champion in ``build``, that of ``problem.yml`` first."""
    others = sorted(link.parent.name for link in build.glob(f"{PROBLEMS}/*/{MODEL}") if link.exists())
    return [*([DEFAULT_NAME] if (build / MODEL).exists() else []), *others]


def model_of(build: Path, problem: str = DEFAULT_NAME) -> Path:
    """The champion of ``build``; a caller resolves it once, and uses one pair of build and model.

    Raises
    ------
    NotReadyError
        Nothing has been trained yet on this build or on one it descends from.
    """
    link = links_of(build, problem) / MODEL
    if not link.exists():
        others = [name for name in problems_with_model(build) if name != problem]
        whose = f" for the problem {problem} (there is one for {', '.join(others)})" if others else ""
        raise NotReadyError(f"no model goes with {build.name} yet{whose}: run 'churn train' first")
    return link.resolve()


def set_model(build: Path, model: Path, problem: str = DEFAULT_NAME) -> None:
    """Make ``model`` the champion of ``build`` for a problem, and remove its challenger."""
    point(links_of(build, problem) / MODEL, model)
    (links_of(build, problem) / CHALLENGER).unlink(missing_ok=True)


def challenger_of(build: Path, problem: str = DEFAULT_NAME) -> Path | None:
    """The challenger of ``build``, if there is one: the newest model that was not promoted."""
    link = links_of(build, problem) / CHALLENGER
    return link.resolve() if link.exists() else None


def set_challenger(build: Path, model: Path, problem: str = DEFAULT_NAME) -> None:
    """Make ``model`` the challenger of ``build`` for a problem."""
    point(links_of(build, problem) / CHALLENGER, model)


def point(link: Path, model: Path) -> None:
    """Point a link of a build to a model."""
    link.parent.mkdir(parents=True, exist_ok=True)
    replace_link(link, os.path.relpath(model, link.parent))


def inherit_models(build: Path, older: Path) -> None:
    """Give ``build`` the champions and challengers of ``older``, where it has none of its own."""
    for problem in problems_with_model(older):
        if not (links_of(build, problem) / MODEL).exists():
            challenger = challenger_of(older, problem)
            set_model(build, model_of(older, problem), problem)
            if challenger is not None:
                set_challenger(build, challenger, problem)


def replace_link(link: Path, target: str) -> None:
    """Point ``link`` to ``target``: readers see the old or the new target, power cuts included.

    The caller holds the home's write lock, so a temporary link of a killed process is removed first.
    """
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    os.replace(fresh, link)
    sync_folder(link.parent)


def numbered(folder: Path, kind: str) -> list[Path]:
    """The finished folders ``<kind>-000001``, ``<kind>-000002``, ... in ``folder``, in order."""
    pattern = re.compile(rf"{kind}-(\d+)")
    matches = [(pattern.fullmatch(path.name), path) for path in folder.glob(f"{kind}-[0-9]*")]
    return [path for _, path in sorted((int(match[1]), path) for match, path in matches if match)]


def next_name(folder: Path, kind: str) -> str:
    """A name no sibling in ``folder`` has had: ``load-000001``, ``load-000002``, ..."""
    numbers = [int(path.name.split("-")[1].split(".")[0]) for path in folder.glob(f"{kind}-[0-9]*")]
    return f"{kind}-{max(numbers, default=0) + 1:06d}"


def discard_unfinished(folder: Path) -> None:
    """Remove folders of killed processes, whose names end in ``.unfinished``."""
    for path in folder.glob("*.unfinished"):
        shutil.rmtree(path, ignore_errors=True)


__all__ = [
    "CHALLENGER",
    "MODEL",
    "ROOT",
    "Home",
    "challenger_of",
    "current",
    "discard_unfinished",
    "inherit_models",
    "model_of",
    "next_name",
    "numbered",
    "problems_with_model",
    "set_challenger",
    "set_model",
    "sync_tree",
]
