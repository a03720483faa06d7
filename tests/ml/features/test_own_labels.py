"""Labels of one's own: rows as the file has them, features as of them, parts by hand, and every refusal."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ml.cli import main
from ml.common.errors import NotReadyError, UsageError
from ml.common.row_files import write_rows
from ml.config.problem import Problem, Split
from ml.features.dataset import dataset
from ml.features.own_labels import read_labels
from ml.features.point_in_time import features
from ml.features.split import split_rows
from ml.home.layout import Home
from tests.ml.conftest import Workshop
from tests.ml.synthetic_build import CLOCK, START

PROBLEM = Problem()
DAY = timedelta(days=1)
KEYS = ["customer_id", "event_timestamp", "churned", "split"]


def rows_of(days: list[int], customers: int = 4) -> pd.DataFrame:
    """So many customers at noon of each day since START; every other one churns."""
    pairs = [(f"c{number:04d}", START + (day + 0.5) * DAY) for day in days for number in range(customers)]
    frame = pd.DataFrame(pairs, columns=["customer_id", "event_timestamp"])
    return frame.assign(label=np.arange(len(frame)) % 2)


def file_of(frame: pd.DataFrame, path: Path) -> Path:
    write_rows(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def every(days: int) -> list[int]:
    return list(range(0, 340, days))


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_the_rows_of_a_file_with_the_features_that_retrieval_gives(
    workshop: Workshop, tmp_path: Path, ending: str
) -> None:
    """Shuffled rows at instants between the cut-offs, with a column that is nobody's business."""
    frame = rows_of(every(5)).sample(frac=1, random_state=3).assign(note="x")
    file = file_of(frame, tmp_path / f"own.{ending}")
    said = dataset(tmp_path / "rows.parquet", home=workshop.home, problem=PROBLEM, labels=file)
    found = pq.read_table(tmp_path / "rows.parquet")
    file_of(found.select(KEYS[:2]).to_pandas(), tmp_path / "asked.parquet")
    features(tmp_path / "asked.parquet", tmp_path / "answer.parquet", home=workshop.home)
    assert found.drop_columns(["churned", "split"]).equals(pq.read_table(tmp_path / "answer.parquet"))
    given = {(row.customer_id, row.event_timestamp): row.label for row in frame.itertuples()}
    rows = found.select(KEYS).to_pylist()
    assert all(given[row["customer_id"], row["event_timestamp"]] == row["churned"] for row in rows)
    assert len(rows) + said["rows"]["left_out"] == len(frame) == said["labels"]["rows"]
    assert said["labels"] == {
        "file": f"own.{ending}",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "rows": 68 * 4,
        "instants": 68,
        "duplicates": 0,
        "not_yet_known": 0,
        "unsettled": 4 * sum(START + (day + 30.5) * DAY > CLOCK for day in every(5)),
    }


def test_a_table_and_a_frame_are_as_good_as_a_file(workshop: Workshop, tmp_path: Path) -> None:
    build, frame = Home.at(workshop.home).current_build(), rows_of(every(5))
    tables = [
        read_labels(given, build, PROBLEM).table
        for given in (
            file_of(frame, tmp_path / "own.parquet"),
            frame,
            pa.Table.from_pandas(frame, preserve_index=False),
        )
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert read_labels(frame, build, PROBLEM).facts.file is None


WAYS = {
    "numbers": [0, 1],
    "fractions": [0.0, 1.0],
    "flags": [False, True],
    "texts": ["0", " 1"],
    "words": ["FALSE", "true"],
    "texts of fractions": ["0.0", "1.0"],
}


@pytest.mark.parametrize("written", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("name", ["label", "churned"])
def test_every_way_to_write_a_label(workshop: Workshop, written: list[Any], name: str) -> None:
    frame = rows_of([100], customers=2).drop(columns="label").assign(**{name: written})
    table = read_labels(frame, Home.at(workshop.home).current_build(), PROBLEM).table
    assert table.column("churned").to_pylist() == [0, 1]
    assert table.schema.types == [pa.string(), pa.timestamp("us"), pa.int64()]


def test_instants_are_read_by_the_grammar_of_entity_rows(workshop: Workshop) -> None:
    written = ["2023-03-01", "2023-03-01T02:00:00.5+02:00", "20230301T120000Z"]
    frame = pd.DataFrame({"customer_id": "c0001", "event_timestamp": written, "label": [0, 1, 0]})
    table = read_labels(frame, Home.at(workshop.home).current_build(), PROBLEM).table
    assert table.column("event_timestamp").to_pylist() == [
        datetime(2023, 3, 1),
        datetime(2023, 3, 1, 0, 0, 0, 500_000),
        datetime(2023, 3, 1, 12),
    ]


def test_exact_copies_are_counted_once_and_said(workshop: Workshop) -> None:
    frame = rows_of([100, 200])
    own = read_labels(pd.concat([frame, frame.head(3)]), Home.at(workshop.home).current_build(), PROBLEM)
    assert (own.facts.rows, own.facts.duplicates, len(own.table)) == (8, 3, 8)
    assert own.notes() == ["note: the labels: 3 exact copies left out"]


def test_rows_before_the_first_known_fact_are_counted_and_said(workshop: Workshop) -> None:
    frame = rows_of([100, 200]).assign(event_timestamp=[START - DAY] + [START + 99 * DAY] * 3 + [CLOCK] * 4)
    own = read_labels(frame, Home.at(workshop.home).current_build(), PROBLEM)
    assert own.facts.not_yet_known == 1
    assert own.notes() == [
        "note: the labels: 1 row before the customer's first known fact, so all features are null there",
        "note: the labels: 4 rows whose horizon ends after the data clock: leave such rows out unless their "
        "outcome is known from elsewhere",
    ]


def test_a_label_is_settled_when_horizon_and_delay_have_passed(workshop: Workshop) -> None:
    """Exactly at the data clock, and a microsecond later."""
    build = Home.at(workshop.home).current_build()
    settled = CLOCK - 36 * DAY
    frame = rows_of([100, 200], customers=1).assign(event_timestamp=[settled, settled + DAY / 86_400e6])
    delayed = replace(PROBLEM, label_delay_days=6)
    assert read_labels(frame, build, delayed).facts.unsettled == 1
    assert read_labels(frame, build, PROBLEM).facts.unsettled == 0


def changed(column: str, row: int, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(object).tolist()
        values[row] = value
        return frame.assign(**{column: values})

    return change


NO_COLUMN = "own.jsonl has no column {}: it needs customer_id, event_timestamp and label, and has "
FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no label": (lambda rows: rows.drop(columns="label"), NO_COLUMN.format("label")),
    "no customer": (lambda rows: rows.drop(columns="customer_id"), NO_COLUMN.format("customer_id")),
    "no instant": (lambda rows: rows.drop(columns="event_timestamp"), NO_COLUMN.format("event_timestamp")),
    "two labels": (
        lambda rows: rows.assign(churned=rows["label"]),
        "own.jsonl has the columns label and churned: keep one of them",
    ),
    "two": (changed("label", 6, 2), "own.jsonl: label is 2 in row 7: write 0 or 1, or true or false"),
    "a half": (changed("label", 6, 0.5), "own.jsonl: label is 0.5 in row 7: write 0 or 1"),
    "a word": (changed("label", 6, "left"), "own.jsonl: label is 'left' in row 7: write 0 or 1"),
    "a missing label": (changed("label", 6, None), "own.jsonl: label is missing in row 7: write 0 or 1"),
    "not a number": (changed("label", 6, float("nan")), "own.jsonl: label is missing in row 7: write 0 or 1"),
    "an empty label": (
        lambda rows: changed("label", 6, "")(rows.assign(label=rows["label"].astype(str))),
        "own.jsonl: label is missing in row 7",
    ),
    "a missing customer": (changed("customer_id", 6, None), "own.jsonl: customer_id is null in row 7"),
    "a missing instant": (changed("event_timestamp", 6, None), "own.jsonl: event_timestamp is null in row 7"),
    "no such day": (
        lambda rows: changed("event_timestamp", 6, "2023-02-30")(rows.astype({"event_timestamp": str})),
        "own.jsonl: event_timestamp '2023-02-30' in row 7 is no instant: write ISO 8601",
    ),
    "an unknown customer": (
        lambda rows: changed("customer_id", 9, "nobody")(changed("customer_id", 6, "stranger")(rows)),
        "own.jsonl: 2 customers unknown to build-000001, the first is 'stranger' in row 7: "
        "correct the key or leave the rows out, or ingest them and build",
    ),
    "after the data clock": (
        changed("event_timestamp", 6, CLOCK + timedelta(microseconds=1)),
        "own.jsonl: 1 event_timestamp after the data clock of build-000001, 2023-12-18T00:00:00Z, the first "
        "in row 7: leave such rows out, or ingest newer data and build",
    ),
    "two labels of one row": (
        lambda rows: pd.concat([rows, rows.iloc[[6]].assign(label=1)]),
        "own.jsonl has rows of the same customer and instant with different labels, the first is c0002 at "
        "2023-01-07T12:00:00Z (1 in all): keep one row of each",
    ),
    "no rows": (lambda rows: rows.head(0), "own.parquet has no rows: each row is a customer_id"),
    "too few instants": (
        lambda rows: rows[rows["event_timestamp"] < START + 60 * DAY],
        "12 different event_timestamps from 2023-01-02T12:00:00Z to 2023-02-26T12:00:00Z give no training, "
        "validation and test with 30 days between them (horizon_days and label_delay_days of the problem): "
        "label rows over a longer time",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_used_is_one_sentence(workshop: Workshop, tmp_path: Path, fault: str) -> None:
    """The same rows without the fault are taken: see the first test."""
    change, words = FAULTS[fault]
    frame = change(rows_of(every(5)))
    ending = "jsonl" if len(frame) else "parquet"
    if ending == "jsonl":
        file = tmp_path / "own.jsonl"
        lines = [
            {name: as_json(value) for name, value in row.items()} for row in frame.to_dict(orient="records")
        ]
        file.write_text("\n".join(map(json.dumps, lines)))
    else:
        file = file_of(frame, tmp_path / "own.parquet")
    out = tmp_path / "rows.parquet"
    words_of = ["dataset", "--labels", str(file), "--out", str(out), "--home", str(workshop.home), "--quiet"]
    found = CliRunner().invoke(main, words_of)
    assert found.stderr.startswith(f"churn: {words}")
    assert found.exit_code == (1 if fault == "too few instants" else 2)
    assert len(found.stderr.splitlines()) == 1
    assert not out.exists()


def as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return None if pd.isna(value) else f"{value.isoformat()}Z"
    return value.item() if isinstance(value, np.generic) else value


def test_what_is_no_file_of_rows(workshop: Workshop, tmp_path: Path) -> None:
    build = Home.at(workshop.home).current_build()
    with pytest.raises(UsageError, match=r"there is no file .*nowhere\.csv: check the name"):
        read_labels(tmp_path / "nowhere.csv", build, PROBLEM)
    with pytest.raises(UsageError, match="has an unknown ending"):
        read_labels(tmp_path / "own.xlsx", build, PROBLEM)
    with pytest.raises(UsageError, match=r"label is of type date32\[day\]: give 0 or 1"):
        read_labels(rows_of([9]).assign(label=datetime(2023, 1, 1).date()), build, PROBLEM)


def split_at(days: dict[float, int], problem: Problem = PROBLEM) -> dict[str, list[float]]:
    """Days since START with their rows, and the days of each part."""
    found = split_rows({START + day * DAY: rows for day, rows in days.items()}, problem)
    parts = ("train", "validation", "test", "left_out")
    return {part: [(each - START) / DAY for each in getattr(found, part)] for part in parts}


def test_rows_decide_where_parts_begin_not_instants() -> None:
    """Of 100 rows outside the gaps 60 are at the first instant, 20 at the next two, 20 at the last two."""
    found = split_at({0: 60, 35: 7, 40: 10, 41: 10, 60: 3, 71: 5, 80: 15})
    assert found == {"train": [0], "validation": [40, 41], "test": [71, 80], "left_out": [35, 60]}


def test_equal_rows_by_hand() -> None:
    """Days 0 to 99 with one row each and gaps of 30: of 42 rows used, eight test, eight validate.

    Test from day 92 on (8 rows), validation from 55 to 62 (8), training to 25 (26); 29 between each.
    """
    found = split_at(dict.fromkeys(range(100), 1))
    assert found["test"] == list(range(92, 100))
    assert found["validation"] == list(range(55, 63))
    assert found["train"] == list(range(26))
    assert found["left_out"] == [*range(26, 55), *range(63, 92)]


def test_a_part_may_begin_exactly_when_the_last_label_is_settled() -> None:
    tick = 1e-6 / 86_400
    assert split_at({0: 1, 30: 1, 60: 1})["train"] == [0]
    with pytest.raises(NotReadyError, match="3 different event_timestamps from 2023-01-02T00:00:00Z"):
        split_at({0: 1, 30 - tick: 1, 60: 1})
    with pytest.raises(NotReadyError, match="0 different event_timestamps give no training"):
        split_at({})
    assert split_at({0: 1, 36: 1, 72: 1}, replace(PROBLEM, label_delay_days=6))["test"] == [72]
    with pytest.raises(NotReadyError, match="36 days between them"):
        split_at({0: 1, 35: 1, 72: 1}, replace(PROBLEM, label_delay_days=6))


@pytest.mark.parametrize("seed", range(30))
def test_no_other_boundaries_are_much_nearer_to_the_shares(seed: int) -> None:
    """Against every pair of boundaries: at most as far off as the rows of one instant make out."""
    random = np.random.default_rng(seed)
    days = np.unique(np.round(random.uniform(0, random.integers(100, 400), 60), 3))
    rows = random.integers(1, random.choice([2, 40]), len(days)) if seed % 3 else np.ones(len(days), int)
    shares = Split(*random.uniform(0.1, 0.3, 2).round(2))
    problem = replace(PROBLEM, split=shares)
    found = split_at(dict(zip(days.tolist(), rows.tolist(), strict=True)), problem)
    sizes = dict(zip(days.tolist(), rows.tolist(), strict=True))
    chosen = off([sum(sizes[day] for day in found[part]) for part in ("train", "validation", "test")], shares)
    best, largest = np.inf, 0.0
    for first, second in itertools.combinations(range(len(days)), 2):
        test = days >= days[second]
        validation = (days >= days[first]) & (days <= days[second] - 30)
        train = days <= days[first] - 30
        parts = [int(rows[part].sum()) for part in (train, validation, test)]
        if all(parts):
            best, largest = min(best, off(parts, shares)), max(largest, rows.max() / sum(parts))
    assert sorted(itertools.chain.from_iterable(found.values())) == pytest.approx(days.tolist())
    assert chosen <= best + largest


def off(parts: list[int], shares: Split) -> float:
    """How far shares of rows are from the wanted ones."""
    return abs(parts[1] / sum(parts) - shares.validation) + abs(parts[2] / sum(parts) - shares.test)


def test_parts_are_in_time_with_the_gap_between(workshop: Workshop, tmp_path: Path) -> None:
    """Rows at instants of their own, two at each; the rows say what the summary says."""
    frame = rows_of(every(3), customers=2)
    file = file_of(frame, tmp_path / "own.csv")
    out = tmp_path / "rows.parquet"
    words = ["dataset", "--labels", str(file), "--out", str(out), "--home", str(workshop.home)]
    told = CliRunner().invoke(main, words).output
    rows = pq.read_table(out, columns=KEYS)
    at = {
        part: rows.filter(pc.equal(rows.column("split"), part)).column("event_timestamp").to_pylist()
        for part in ("train", "validation", "test")
    }
    assert max(at["train"]) + 30 * DAY <= min(at["validation"])
    assert max(at["validation"]) + 30 * DAY <= min(at["test"])
    for part, instants in at.items():
        assert re.search(rf"{part} +{len(instants)} rows +{len(set(instants))} instants", told)
    assert f"left out +{len(frame) - len(rows)} rows" in re.sub(r"left out +", "left out +", told)
    shares = [len(at[part]) / len(rows) for part in at]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.02)
