"""One writer: for so many seconds two shops take turns in the home, with one build kept at a time.

dbt's work comes from recordings, so that a turn takes a second or two; every other turn runs dbt itself when
there is time enough.
"""

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from ml.home.layout import Home
from ml.ingest import ingest
from ml.warehouse import build
from ml.warehouse.materialize import materialize
from tests.chaos.place import Place
from tests.chaos.unlucky import Fate, replay_dbt, stop_replaying

DBT_EVERY = 10


def main() -> None:
    plan = json.loads(sys.argv[1])
    place, until = Place(Path(plan["root"])), time.monotonic() + plan["seconds"]
    home = Home.at(place.home)
    for turn, shop in enumerate(cycle("ba"), 1):
        if time.monotonic() > until:
            return
        ingest(place.raw(shop), home=home)
        real = turn % DBT_EVERY == 0
        stop_replaying() if real else replay_dbt(place.recording(f"turn-{shop}"), Fate({}))
        build(home=home, full_refresh=True, keep=1)
        materialize(home=home)
        (place.root / "turns").write_text(str(turn))


if __name__ == "__main__":
    main()
