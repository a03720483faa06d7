"""Run one command that dies at its n-th change of the home, or that takes dbt's work from a recording.

``python -m tests.chaos.unlucky PLAN build --home HOME``. The plan is a JSON object:

    home      the changes that count are those below this folder
    die_at    the number of the change at which the process kills itself: just before it, or, when a file is
              opened for writing, just after, while it is still empty
    group     whether it kills its whole process group
    log       a file that gets one line for each change
    record    a folder that gets what dbt made
    replay    such a folder: dbt does not run, its files come from there
    sabotage  a function of this module to call first (a planted fault, for the tests of this harness)
"""

import builtins
import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = ("replace", "rename", "symlink", "link", "unlink", "remove", "rmdir", "mkdir")
WRITING = set("wax+")
REAL: dict[str, Any] = {}


class Fate:
    """Counts the changes below a folder and ends the process at one of them."""

    def __init__(self, plan: dict[str, Any]):
        self.home, self.die_at = plan.get("home", ""), plan.get("die_at")
        self.group, self.count, self.watching = plan.get("group", False), 0, True
        self.log = open(plan["log"], "w", buffering=1) if "log" in plan else None  # noqa: SIM115

    def meet(self, what: str, path: str) -> None:
        """One change is about to be made (or a file has just been opened)."""
        if not self.watching or not path.startswith(self.home):
            return
        self.count += 1
        if self.log:
            self.log.write(f"{what} {os.path.relpath(path, self.home)}\n")
        if self.count == self.die_at:
            os.killpg(0, signal.SIGKILL) if self.group else os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def looking_away(self) -> Any:
        """Changes made meanwhile do not count."""
        self.watching = False
        try:
            yield
        finally:
            self.watching = True


def tempt(fate: Fate) -> None:
    """Make every change of the file system that Python makes go through ``fate``."""
    for name in CHANGES:
        setattr(os, name, counted(name, getattr(os, name), fate))
    os.fsync = syncing(os.fsync, fate)
    opened = opening(io.open, fate)
    io.open = builtins.open = opened  # type: ignore[assignment]
    os.open = os_opening(os.open, fate)  # type: ignore[assignment]


def counted(name: str, change: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    """``change``, told to ``fate`` before it is made."""

    def changed(*paths: Any, **options: Any) -> Any:
        folder = options.get("dir_fd", options.get("dst_dir_fd"))
        target = paths[1] if name in ("replace", "rename", "symlink", "link") else paths[0]
        fate.meet(name, absolute(target, folder))
        return change(*paths, **options)

    return changed


def opening(open_: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    """``open``, told to ``fate`` when it has emptied or made a file."""

    def opened(file: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
        handle = open_(file, mode, *rest, **options)
        if WRITING & set(mode) and isinstance(file, str | os.PathLike):
            fate.meet("open", absolute(file, None))
        return handle

    return opened


def os_opening(open_: Callable[..., Any], fate: Fate) -> Callable[..., Any]:
    """``os.open``, told to ``fate`` when it makes a file."""

    def opened(path: Any, flags: int, *rest: Any, **options: Any) -> Any:
        handle = open_(path, flags, *rest, **options)
        if flags & (os.O_CREAT | os.O_TRUNC):
            fate.meet("open", absolute(path, options.get("dir_fd")))
        return handle

    return opened


def syncing(fsync: Callable[[int], None], fate: Fate) -> Callable[[int], None]:
    """``os.fsync``, told to ``fate`` before a folder is synced: what was just renamed in it is in place."""

    def synced(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            fate.meet("fsync", os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    return synced


def absolute(path: Any, folder: int | None) -> str:
    """A path as told to the system, also one relative to an open folder."""
    if isinstance(path, int):
        return ""
    base = os.readlink(f"/proc/self/fd/{folder}") if folder is not None else os.getcwd()
    return os.path.normpath(os.path.join(base, os.fsdecode(path)))


def record_dbt(folder: Path, fate: Fate) -> None:
    """Keep what each run of dbt made."""

    def recorded(real: Callable[[], None], number: int, home: Any, output: Path) -> None:
        real()
        shutil.copytree(output, folder / f"{number}" / "output")
        shutil.copyfile(warehouse(home), folder / f"{number}" / "warehouse.duckdb")

    instead_of_dbt(recorded, fate)


def replay_dbt(folder: Path, fate: Fate) -> None:
    """Put there what each run of dbt made when it was recorded."""

    def replayed(real: Callable[[], None], number: int, home: Any, output: Path) -> None:
        made = folder / f"{number}"
        shutil.copytree(made / "output", output, dirs_exist_ok=True)
        warehouse(home).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made / "warehouse.duckdb", warehouse(home))

    instead_of_dbt(replayed, fate)


def instead_of_dbt(stand_in: Callable[..., None], fate: Fate) -> None:
    """Let ``stand_in`` take the place of ``run_dbt`` wherever a module has that name."""
    import ml.warehouse  # noqa: F401

    real, calls = REAL.setdefault("run_dbt", holders_of_dbt()[0].run_dbt), 0

    def run_dbt(home: Any, load: Path, output: Path, *rest: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        with fate.looking_away():
            stand_in(lambda: real(home, load, output, *rest, **options), calls, home, output)

    for module in holders_of_dbt():
        module.run_dbt = run_dbt


def stop_replaying() -> None:
    """Let dbt do its own work again."""
    for module in holders_of_dbt():
        module.run_dbt = REAL.get("run_dbt", module.run_dbt)


def holders_of_dbt() -> list[Any]:
    """The modules that know ``run_dbt``."""
    modules = [module for name, module in sys.modules.items() if name.startswith("ml.warehouse")]
    return [module for module in modules if hasattr(module, "run_dbt")]


def warehouse(home: Any) -> Path:
    return Path(home) / "dbt" / "warehouse.duckdb"


def switch_in_two_steps() -> None:
    """A planted fault: the link is taken away before the new one is there."""
    replace = os.replace

    def careless(source: Any, target: Any, **options: Any) -> None:
        if os.path.islink(target):
            os.unlink(target)
        replace(source, target, **options)

    os.replace = careless


def leave_a_process() -> None:
    """A planted fault: something started by the command outlives it."""
    subprocess.Popen(["sleep", "30"], start_new_session=True)


def main() -> None:
    plan, arguments = json.loads(sys.argv[1]), sys.argv[2:]
    fate = Fate(plan)
    if "record" in plan:
        record_dbt(Path(plan["record"]), fate)
    if "replay" in plan:
        replay_dbt(Path(plan["replay"]), fate)
    tempt(fate)
    if "sabotage" in plan:
        globals()[plan["sabotage"]]()
    sys.argv = arguments
    if arguments[0] == "feast":
        run_feast()
    else:
        from ml.cli import main as churn

        churn(arguments, prog_name="churn")


def run_feast() -> None:
    """The command ``feast``, as its own script starts it."""
    from feast.cli.cli import cli

    os.chdir(Path(__file__).resolve().parents[2] / "feature_repo")
    cli()


if __name__ == "__main__":
    main()
