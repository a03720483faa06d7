"""Builds are switched in one step, and removed only when nobody reads them, whoever is killed meanwhile."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ml.common.errors import NotReadyError, UsageError
from ml.home.layout import Home, next_name, set_model
from ml.home.publication import builds_to_keep, publish_build

FILES = 20
READER = """
import sys
from ml.home.layout import Home
with Home.at(sys.argv[1]).reading() as build:
    print(build.name, flush=True)
    sys.stdin.read()
"""
# Reads build after build, slowly, and says of each whether it was whole.
READERS_LOOP = """
import contextlib, os, sys, time
from ml.home.layout import Home

home, leased = Home.at(sys.argv[1]), sys.argv[2] == "leased"

@contextlib.contextmanager
def unleased():
    yield home.current_build()

print("ready", flush=True)
while not (home.root / "stop").exists():
    with (home.reading() if leased else unleased()) as build:
        try:
            found = set()
            for number in range(int(sys.argv[3])):
                found.add((build / f"file-{number}").read_text())
                time.sleep(0.0005)
            print("whole" if found == {build.name} else f"mixed {found}", build.name, flush=True)
        except FileNotFoundError:
            print("torn", build.name, flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def published(home: Home, keep: int = 1, **manifest) -> str:
    """Publish one more tiny build, whose files all say its name."""
    folder = home.builds / next_name(home.builds, "build")
    folder.mkdir(parents=True)
    for number in range(FILES):
        (folder / f"file-{number}").write_text(folder.name)
    (folder / "build.json").write_text(json.dumps({"build_id": folder.name} | manifest))
    publish_build(home, folder, keep)
    return folder.name


def there(home: Home) -> list[str]:
    """Everything in the folder of builds, the link included."""
    return sorted(path.name for path in home.builds.iterdir())


def reader_of(home: Home) -> subprocess.Popen:
    """A process that has begun to read the current build."""
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(home.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"{home.current_build().name}\n"
    return process


def test_a_build_stays_while_another_process_reads_it(home: Home) -> None:
    published(home)
    with reader_of(home) as reader:
        published(home)
        published(home)
        assert there(home) == ["build-000001", "build-000003", "current"]
        assert len(list((home.builds / "build-000001").glob("file-*"))) == FILES
        reader.communicate("")

    published(home)
    assert there(home) == ["build-000004", "current"]


def test_a_killed_reader_holds_nothing(home: Home) -> None:
    published(home)
    with reader_of(home) as reader:
        reader.send_signal(signal.SIGKILL)
    assert reader.returncode == -signal.SIGKILL

    published(home)
    assert there(home) == ["build-000002", "current"]


def what_a_reader_saw(home: Home, how: str) -> list[list[str]]:
    """What a reader in another process says while this one publishes build after build, keeping one."""
    published(home)
    command = [sys.executable, "-c", READERS_LOOP, str(home.root), how, str(FILES)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for _ in range(100):
            published(home)
        (home.root / "stop").touch()
        seen = [line.split(" ", 1) for line in reader.stdout.read().splitlines()]
    return seen


def test_a_reader_sees_only_whole_builds_while_many_are_published(home: Home) -> None:
    seen = what_a_reader_saw(home, "leased")

    assert {what for what, _ in seen} == {"whole"}
    assert len({build for _, build in seen}) > 5
    published(home)
    assert there(home) == ["build-000102", "current"]


def test_a_reader_without_a_lease_does_not(home: Home) -> None:
    assert "torn" in {what for what, _ in what_a_reader_saw(home, "unleased")}


def test_a_build_removed_just_before_the_lease_was_had_is_not_read(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(home)
    names, lock = iter(["once"]), fcntl.flock

    def too_late(handle, how):
        if next(names, None):
            published(home)
        return lock(handle, how)

    monkeypatch.setattr("ml.home.read_leases.fcntl.flock", too_late)
    with home.reading() as build:
        assert build.name == "build-000002"
        assert there(home) == ["build-000002", "current"]


def test_nothing_built_is_one_sentence(home: Home) -> None:
    with pytest.raises(NotReadyError, match="run 'churn ingest PATH', then 'churn build'"), home.reading():
        pass


def test_a_removal_that_was_cut_off_leaves_nothing_that_counts_as_a_build(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(home)
    monkeypatch.setattr("ml.home.read_leases.shutil.rmtree", cut_off)
    assert published(home) == "build-000002"
    monkeypatch.undo()

    assert there(home) == ["build-000001.removing", "build-000002", "current"]
    assert [build.name for build in home.published_builds()] == ["build-000002"]
    assert published(home) == "build-000003"
    assert there(home) == ["build-000003", "current"]


def cut_off(folder: Path, **_: bool) -> None:
    """Remove one file, then fail."""
    (folder / "build.json").unlink()
    raise OSError("cut off")


def test_builds_that_the_current_one_descends_from_stay_longest(home: Home) -> None:
    for _ in range(4):
        published(home, keep=4)
    published(home, keep=3, lineage=["build-000002", "build-000001"])
    assert there(home) == ["build-000001", "build-000002", "build-000005", "current"]

    published(home, keep=3, lineage=["build-000002", "build-000001"])
    published(home, keep=4, lineage=["build-000002", "build-000001"])
    assert [build.name for build in home.published_builds()] == [
        "build-000007",
        "build-000006",
        "build-000002",
        "build-000001",
    ]


def test_without_lineage_the_newest_stay_and_the_current_one_always(home: Home) -> None:
    for _ in range(5):
        published(home, keep=3)
    assert [build.name for build in home.published_builds()] == [
        "build-000005",
        "build-000004",
        "build-000003",
    ]

    published(home, keep=0)
    assert there(home) == ["build-000006", "current"]


SAID_AND_ASKED = [(None, None, 3), ("5", None, 5), ("5", 2, 2), ("", None, 3)]


@pytest.mark.parametrize(("said", "asked", "keep"), SAID_AND_ASKED)
def test_how_many_stay(said, asked, keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHURN_KEEP_BUILDS", raising=False)
    if said is not None:
        monkeypatch.setenv("CHURN_KEEP_BUILDS", said)
    assert builds_to_keep(asked) == keep


@pytest.mark.parametrize("said", ["0", "many", "-1", "2.5"])
def test_a_number_of_builds_that_makes_no_sense(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHURN_KEEP_BUILDS", said)
    with pytest.raises(UsageError, match=f"is {said}: give a number from 1 on"):
        builds_to_keep()


def test_the_model_goes_with_the_build_and_on_to_the_next(home: Home) -> None:
    published(home, keep=9)
    with pytest.raises(NotReadyError, match="no model goes with build-000001 yet: run 'churn train' first"):
        home.current_model()

    models = [home.models / f"model-{number:06d}" for number in (1, 2)]
    for number, model in enumerate(models, start=2):
        model.mkdir(parents=True)
        set_model(home.current_build(), model)
        published(home, keep=9)
        assert (home.current_build().name, home.current_model()) == (f"build-{number:06d}", model)

    links = {build.name: (build / "model").resolve().name for build in home.published_builds()}
    assert links == {
        "build-000001": "model-000001",
        "build-000002": "model-000002",
        "build-000003": "model-000002",
    }


def test_a_home_may_move(home: Home, tmp_path: Path) -> None:
    published(home)
    (home.models / "model-000001").mkdir(parents=True)
    set_model(home.current_build(), home.models / "model-000001")
    moved = Home(shutil.move(home.root, tmp_path / "moved"))

    assert moved.current_model() == tmp_path / "moved" / "models" / "model-000001"


def test_everything_is_on_disk_before_readers_see_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    published(home)
    done, sync, replace = [], os.fsync, os.replace

    def noting_sync(handle):
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def noting_replace(old, new):
        done.append(f"{new.name} -> {os.readlink(old)}")
        replace(old, new)

    monkeypatch.setattr("os.fsync", noting_sync)
    monkeypatch.setattr("os.replace", noting_replace)
    published(home)
    build, switched = home.builds / "build-000002", done.index("current -> build-000002")

    assert {build, *build.glob("file-*"), build / "build.json", home.builds} <= set(done[:switched])
    assert home.builds in done[switched:]


def test_a_disk_that_is_full_publishes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    published(home)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for step in ("os.fsync", "os.replace"):
        monkeypatch.setattr(step, full)
        with pytest.raises(OSError, match="No space left"):
            published(home)
        monkeypatch.undo()
        assert home.current_build().name == "build-000001"
    assert published(home) == home.current_build().name
