"""One reader: asks one question over and over, and prints a digest of each answer as a JSON line."""

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

from ml.home.layout import Home
from tests.chaos.readers import QUESTIONS


def main() -> None:
    plan = json.loads(sys.argv[1])
    root, ask, asked = Path(plan["root"]), QUESTIONS[plan["question"]], pq.read_table(plan["asked"])
    home = Home.at(root / "home")
    while not (root / "stop").exists():
        try:
            said = ask(home, asked)
        except Exception as error:  # noqa: BLE001  (any error of a reader is the finding)
            said = f"{type(error).__name__}: {error}"[:300]
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
