"""Feast's registry: ``feast apply`` and ``feast materialize-incremental`` by hand, killed, and two at once.

All the while another thread reads the file: it can be parsed at any instant, and it is never empty.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from google.protobuf.message import DecodeError

from tests.chaos.faults import AT_CHANGE, TIMED, Job, Trial, instants_of, note, spread
from tests.chaos.leftovers import inventory, leftovers
from tests.chaos.place import Place
from tests.chaos.running import GROUP, PROCESS, Running, RunningFeast
from tests.chaos.states import digest_of

TOGETHER = "two at once"
START = "a-rebuilt"
UNTIL = "2024-09-01T00:00:00"
APPLY, INCREMENT = ("apply",), ("materialize-incremental", UNTIL)


class Reference:
    """What undisturbed appliers do: the registry before and after, their seconds and their changes."""

    def __init__(self, place: Place):
        self.place = place
        place.restore(START)
        self.before, started = meaning(place), time.monotonic()
        log = place.root / "changes.log"
        RunningFeast(place, APPLY, {"home": str(place.home), "log": str(log)}).wait()
        self.seconds, self.after = time.monotonic() - started, meaning(place)
        self.changes = log.read_text().splitlines()
        RunningFeast(place, INCREMENT).wait()
        self.incremented, self.inventory = meaning(place), inventory(place.home)


def registry_file(place: Place) -> Path:
    return place.home / "feast" / "registry.db"


def meaning(place: Place) -> str:
    """What the registry says: views, their sources and fields, and services; not when it was written."""
    registry = RegistryProto.FromString(registry_file(place).read_bytes())
    views = {
        view.spec.name: [view.spec.batch_source.file_options.uri, *sorted(map(str, view.spec.features))]
        for view in registry.feature_views
    }
    if not views:
        raise DecodeError("the registry has no feature view")
    return digest_of([views, sorted(service.spec.name for service in registry.feature_services)])


@contextmanager
def watched(place: Place, trial: Trial) -> Iterator[None]:
    """Read the registry all the time; what cannot be parsed is lost."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.001):
            try:
                meaning(place)
            except (DecodeError, OSError) as error:
                trial.lost, trial.found = True, f"LOST: {error}"
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def registry_trials(reference: Reference, how_many: int) -> Iterator[Job]:
    """Kills spread over the duration and over the changes of the registry; pairs at once."""
    for number, seconds in enumerate(instants_of(reference.seconds, how_many, "apply")):
        what = (PROCESS, GROUP)[number % 2]
        yield lambda what=what, seconds=seconds: apply_killed(reference, what, seconds)
    numbers = [number for number, line in enumerate(reference.changes, 1) if "feast" in line]
    for number in spread(numbers, how_many):
        yield lambda number=number: apply_killed_at_change(reference, number)
    for delay in (0.0, 0.5, 1.0)[: max(1, how_many // 2)]:
        yield lambda delay=delay: two_appliers(reference, delay)
        yield lambda delay=delay: applier_and_churn(reference, delay)


def apply_killed(reference: Reference, what: str, seconds: float) -> Trial:
    trial = Trial("feast apply", f"{TIMED} ({what})", f"{seconds:.3f} s")
    reference.place.restore(START)
    with watched(reference.place, trial):
        running = RunningFeast(reference.place, APPLY)
        ended = running.end(what, seconds)
        trial.hit = ended.killed
        note(trial, running, ended)
    apply_again(reference, trial)
    return trial


def apply_killed_at_change(reference: Reference, number: int) -> Trial:
    trial = Trial("feast apply", AT_CHANGE, f"{number}: {reference.changes[number - 1]}")
    reference.place.restore(START)
    with watched(reference.place, trial):
        running = RunningFeast(reference.place, APPLY, {"home": str(reference.place.home), "die_at": number})
        ended = running.wait()
        trial.hit = ended.killed
        note(trial, running, ended)
    apply_again(reference, trial)
    return trial


def apply_again(reference: Reference, trial: Trial) -> None:
    """The registry is as before or as after; the next ``feast apply`` works and leaves nothing about."""
    look(reference, trial, {reference.before: "before", reference.after: "after"})
    ended = RunningFeast(reference.place, APPLY).wait()
    if ended.status != 0:
        trial.next_run = f"status {ended.status}: {ended.errors.strip()[-300:]}"
        return
    trial.leftovers += leftovers(reference.place.home, reference.inventory)
    trial.next_run = "as expected" if meaning(reference.place) == reference.after else "another registry"


def look(reference: Reference, trial: Trial, rightful: dict[str, str]) -> None:
    """Note in which state the registry is."""
    if trial.lost:
        return
    try:
        found = rightful.get(meaning(reference.place))
    except (DecodeError, OSError) as error:
        found, trial.found = None, f"LOST: {error}"
    trial.found, trial.lost = found or trial.found or "LOST: a registry that never was", found is None


def two_appliers(reference: Reference, delay: float) -> Trial:
    """``feast apply`` and ``feast materialize-incremental`` by hand at once."""
    trial = Trial("feast apply and feast materialize-incremental", TOGETHER, f"{delay} s apart")
    return both(reference, trial, delay, lambda: RunningFeast(reference.place, INCREMENT))


def applier_and_churn(reference: Reference, delay: float) -> Trial:
    """``feast apply`` by hand while ``churn materialize`` works."""
    trial = Trial("feast apply and churn materialize", TOGETHER, f"{delay} s apart")
    return both(reference, trial, delay, lambda: Running(reference.place, ("materialize",)))


def both(reference: Reference, trial: Trial, delay: float, other: object) -> Trial:
    """Two at once: each works or is refused without a traceback, at least one works."""
    reference.place.restore(START)
    with watched(reference.place, trial):
        first = RunningFeast(reference.place, APPLY)
        time.sleep(delay)
        second = other()  # type: ignore[operator]
        ended = [first.wait(), second.wait()]
    for running, end in zip((first, second), ended, strict=True):
        note(trial, running, end)
    worked = sum(end.status == 0 for end in ended)
    rightful = (reference.before, reference.after, reference.incremented)
    look(reference, trial, dict.fromkeys(rightful, f"{worked} worked, {2 - worked} refused"))
    apply_again_after_both(reference, trial, worked)
    return trial


def apply_again_after_both(reference: Reference, trial: Trial, worked: int) -> None:
    found = trial.found
    apply_again(reference, trial)
    trial.found = found if not trial.lost else trial.found
    if not worked:
        trial.next_run = "neither of the two worked"
