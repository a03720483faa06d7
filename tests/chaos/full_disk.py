"""A full disk: the home on a small file system; where none may be mounted, a limit on file size."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.faults import Bench, Job, Trial, note
from tests.chaos.running import Running

FULL, LIMITED = "full disk", "largest file limited"
ROOMY = 2 * 1024**3
SHARES = (0.0, 0.15, 0.35, 0.55, 0.75, 0.9)
PAGE = 4096
SAYS_SO = ("space", "disk", "full", "large", "size")


def may_mount(place: Path) -> bool:
    """Whether a small file system can be mounted here."""
    place.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or not mounted(place, PAGE * 64):
        return False
    unmount(place)
    return True


def mounted(place: Path, size: int) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tidemark-chaos", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def resize(place: Path, size: int) -> None:
    """Change its size; a page at least, for 0 would mean no limit."""
    command = ["mount", "-o", f"remount,size={max(size, PAGE)}", str(place)]
    subprocess.run(command, check=True, capture_output=True)


def unmount(place: Path) -> None:
    """Give the memory back; a process that has just ended may hold on for a moment."""
    for _ in range(50):
        if subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """The home on a file system in memory while the block runs."""
    place.mkdir(parents=True, exist_ok=True)
    if not mounted(place, ROOMY):
        raise PermissionError(f"cannot mount a file system on {place}")
    try:
        yield
    finally:
        unmount(place)


def used(place: Path) -> int:
    """Bytes taken on the file system of ``place``."""
    state = os.statvfs(place)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def disk_trials(bench: Bench, how_many: int) -> Iterator[Job]:
    """The command on disks that fill up earlier or later; the room it needs is measured first."""
    shares = [SHARES[int(number * len(SHARES) / how_many)] for number in range(how_many)]
    if not may_mount(bench.place.home):
        yield from (lambda share=share: with_small_files(bench, share) for share in shares)
        return
    need: list[int] = []
    for share in shares:
        yield lambda share=share: on_full_disk(bench, share, need)


def on_full_disk(bench: Bench, share: float, need: list[int]) -> Trial:
    """Run with a share of the room it needs, look, give it room, run again."""
    home = bench.place.home
    with small_disk(home):
        if not need:
            need.append(room_needed(bench))
        resize(home, ROOMY)
        bench.place.restore(bench.story.start)
        free = int(need[0] * share) // PAGE * PAGE
        resize(home, used(home) + free)
        trial = Trial(bench.story.name, FULL, f"{free / 1024:,.0f} KiB free")
        starved(bench, trial, None)
        where = bench.look(trial)
        resize(home, ROOMY)
        bench.run_again(trial, where, fast=False)
    return trial


def with_small_files(bench: Bench, share: float) -> Trial:
    """Run while no file may grow beyond a share of the largest that it writes, look, run again without."""
    files = [path for path in bench.place.saved("three").rglob("*") if path.is_file()]
    largest = int(max(path.stat().st_size for path in files) * (0.02 + share))
    trial = Trial(bench.story.name, LIMITED, f"files of at most {largest / 1024:,.0f} KiB")
    starved(bench, trial, largest, restore=True)
    bench.run_again(trial, bench.look(trial), fast=False)
    return trial


def starved(bench: Bench, trial: Trial, largest_file: int | None, *, restore: bool = False) -> None:
    """Run the command in want; it has to say what it lacks."""
    if restore:
        bench.place.restore(bench.story.start)
    story = bench.story
    running = Running(bench.place, story.command, environment=story.environment, largest_file=largest_file)
    ended = running.wait()
    trial.hit = ended.status != 0
    note(trial, running, ended)
    if ended.status != 0 and not trial.unclear and not any(word in ended.errors for word in SAYS_SO):
        trial.unclear.append(f"does not say that there is no room: {ended.errors.strip()[-300:]}")


def room_needed(bench: Bench) -> int:
    """Bytes that the command takes at most, above what its state takes."""
    home = bench.place.home
    bench.place.restore(bench.story.start)
    start, most, over = used(home), [0], threading.Event()

    def sample() -> None:
        while not over.wait(0.01):
            most[0] = max(most[0], used(home))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    Running(bench.place, bench.story.command, environment=bench.story.environment).wait()
    over.set()
    sampler.join()
    return max(most[0], used(home)) - start
