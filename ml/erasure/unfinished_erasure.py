"""An erasure that was begun, ``<home>/.forgetting.json``: what a run after a killed one can no longer read.

The file is there before the first row goes, and gone before the search: it names the person.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ml.common.durable_files import replace_file, sync_folder
from ml.erasure.person import Person
from ml.erasure.raw_loads import Clocks
from ml.home.layout import Home

FILE = ".forgetting.json"


@dataclass
class Unfinished:
    """What was found before anything went.

    Parameters
    ----------
    person : Person
    clocks : dict
        Load to its clocks without the person.
    customers : dict
        Build to its number of customers without the person.
    models : list of dict
        The models that learned from the person.
    """

    person: Person
    clocks: dict[str, Clocks] = field(default_factory=dict)
    customers: dict[str, int | None] = field(default_factory=dict)
    models: list[dict[str, Any]] = field(default_factory=list)

    def or_earlier(self, earlier: "Unfinished | None") -> "Unfinished":
        """With what an earlier run found, which counts where both did."""
        if earlier is None:
            return self
        models = {model["model"]: model for model in (*self.models, *earlier.models)}
        return Unfinished(
            self.person | earlier.person,
            self.clocks | earlier.clocks,
            self.customers | earlier.customers,
            [models[name] for name in sorted(models)],
        )


def read_unfinished(home: Home) -> Unfinished | None:
    """The erasure that was begun and not finished; None without one."""
    try:
        content = json.loads((home.root / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    clocks = {load: Clocks(**values) for load, values in content["clocks"].items()}
    return Unfinished(Person.from_json(content["person"]), clocks, content["customers"], content["models"])


def write_unfinished(home: Home, unfinished: Unfinished) -> None:
    """Keep it, durably."""
    clocks = {load: asdict(values) for load, values in unfinished.clocks.items()}
    content: dict[str, Any] = {"person": unfinished.person.as_json(), "clocks": clocks}
    content |= {"customers": unfinished.customers, "models": unfinished.models}
    replace_file(home.root / FILE, json.dumps(content).encode(), is_locked=True)
    (home.root / FILE).chmod(0o600)


def remove_unfinished_erasure(home: Home) -> None:
    """The erasure is finished."""
    (home.root / FILE).unlink(missing_ok=True)
    sync_folder(home.root)


__all__ = ["FILE", "Unfinished", "read_unfinished", "remove_unfinished_erasure", "write_unfinished"]
