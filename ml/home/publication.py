"""Publish in one step, and remove old builds: readers see the old folder or the new one, whatever fails."""

import os
import re
from contextlib import suppress
from pathlib import Path

from ml.common.durable_files import sync_folder, sync_tree
from ml.common.errors import NotReadyError, UsageError
from ml.home.build_manifest import manifest_of
from ml.home.layout import Home, inherit_models, replace_link
from ml.home.read_leases import finish_removals, lease, remove_unless_read

BUILDS_TO_KEEP = 3  # the current one, and two to roll back to


def publish(folder: Path) -> None:
    """Make ``folder`` the current one among its siblings, in one step."""
    replace_link(folder.parent / "current", folder.name)


def builds_to_keep(requested: int | None = None) -> int:
    """The number of builds to keep: ``requested``, else ``CHURN_KEEP_BUILDS``, else three.

    Raises
    ------
    UsageError
        It is no number from 1 on.
    """
    count = requested if requested is not None else os.environ.get("CHURN_KEEP_BUILDS") or BUILDS_TO_KEEP
    if not re.fullmatch(r"0*[1-9]\d*", str(count)):
        raise UsageError(f"builds to keep (CHURN_KEEP_BUILDS or --keep) is {count}: give a number from 1 on")
    return int(count)


def publish_build(home: Home, folder: Path, keep: int) -> None:
    """Make a finished build the current one, with the models of the one before, and remove old ones.

    Parameters
    ----------
    folder : Path
        In ``home.builds``, with its ``build.json``.
    keep : int
        The number of builds that stay, including this one. Builds with a lease stay as well, until later.
    """
    with suppress(NotReadyError):
        inherit_models(folder, home.current_build())
    with lease(folder):
        sync_tree(folder)
    sync_folder(home.builds)
    publish(folder)
    with suppress(OSError):
        remove_oldest(home, keep)


def remove_oldest(home: Home, keep: int) -> None:
    """Remove all builds except ``keep``, first those that the current one does not descend from."""
    finish_removals(home.builds)
    builds = home.published_builds()
    current_build = home.current_build()
    descent = [current_build.name, *(manifest_of(current_build).get("lineage") or [])]
    ranks = {name: rank for rank, name in enumerate(descent)}
    staying = sorted(builds, key=lambda build: ranks.get(build.name, len(descent)))[: max(keep, 1)]
    for build in builds:
        if build not in staying and build != current_build:
            remove_unless_read(build)
