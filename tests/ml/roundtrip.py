"""Every candidate with every kind of column: fitted, saved, loaded, and asked the same rows.

``python -m tests.ml.roundtrip`` prints the table as Markdown, each model loaded in a process of its own.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ml.common.errors import ModelError
from ml.config.problem import CANDIDATES
from ml.features.training_parts import Part, Parts, read_parts
from ml.featurestore.catalog import read_catalog
from ml.model.calibration import calibrate
from ml.model.churn_model import ChurnModel
from ml.model.inputs import Input, choose_inputs
from ml.model.model_files import read_model, write_model
from ml.train.candidates import make_candidate, required_features
from ml.train.folds import Fold, LabelledRows
from ml.train.readback import answers, check_reads_back, first_difference
from tests.ml.conftest import PROBLEM
from tests.ml.synthetic_build import write_build

ROWS, ASKED = 400, 60
TREES = 10
SAME = "same"
ODD_TEXTS = ["", " ", "é", "日本", "😀", '"', "'", "a\nb", "\\", "NaN", "null", "0", "x" * 300, "(not known)"]
GROWN_BY = dict.fromkeys(("random_forest", "xgboost", "lightgbm"), "n_estimators") | {
    "hist_gradient_boosting": "max_iter"
}
Values = Callable[[np.random.Generator, int], pa.Array]


@dataclass(frozen=True)
class Column:
    """One kind of column: the feature it replaces, its values, whether the rows to learn from have none."""

    feature: str
    values: Values
    unknown_in_fold: bool = False


@dataclass(frozen=True)
class Rows:
    """What one kind of column makes of the small build: rows to learn from, to calibrate and to be asked."""

    build: Path
    inputs: list[Input]
    left_out: dict[str, str]
    fold: Fold
    test: pa.Table


def texts(number: int) -> Values:
    return lambda random, rows: pa.array([f"city {each}" for each in random.integers(number, size=rows)])


def odd_texts(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array([ODD_TEXTS[each] for each in random.integers(len(ODD_TEXTS), size=rows)])


def numbers(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(np.exp(random.normal(size=rows)))


def decimals(random: np.random.Generator, rows: int) -> pa.Array:
    return numbers(random, rows).cast(pa.decimal128(18, 4), safe=False)


def flags(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.integers(2, size=rows).astype(bool))


def instants(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.integers(10**15, size=rows)).cast(pa.timestamp("us"))


def with_nulls(values: Values) -> Values:
    def some(random: np.random.Generator, rows: int) -> pa.Array:
        found, unknown = values(random, rows), random.random(rows) < 0.3
        return pa.array(found.to_pylist(), found.type, mask=unknown)

    return some


def with_infinity(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(np.where(np.arange(rows) % 50 == 0, np.inf, 1.0))


def constant(value: Any, kind: pa.DataType) -> Values:
    return lambda random, rows: pa.array([value] * rows, kind)


COLUMNS = {
    "numbers": Column("spend_90d", numbers),
    "numbers with nulls": Column("spend_90d", with_nulls(numbers)),
    "decimals with nulls": Column("spend_90d", with_nulls(decimals)),
    "3 texts": Column("city", texts(3)),
    "12 texts with nulls": Column("city", with_nulls(texts(12))),
    "25 texts": Column("city", texts(25)),
    "45 texts": Column("city", texts(45)),
    "45 texts with nulls": Column("city", with_nulls(texts(45))),
    "a text in nearly every row": Column("city", texts(5_000)),
    "texts of odd signs": Column("city", odd_texts),
    "flags": Column("email_verified", flags),
    "flags with nulls": Column("email_verified", with_nulls(flags)),
    "all null": Column("spend_90d", constant(None, pa.float64())),
    "constant number": Column("spend_90d", constant(7.5, pa.float64())),
    "constant text": Column("city", constant("Lyon", pa.string())),
    "constant flag": Column("email_verified", constant(True, pa.bool_())),
    "instants": Column("last_session_at", instants),
    "an infinite number": Column("spend_90d", with_infinity),
    "numbers, null in a fold": Column("spend_90d", numbers, unknown_in_fold=True),
    "flags, null in a fold": Column("email_verified", flags, unknown_in_fold=True),
    "3 texts, null in a fold": Column("city", texts(3), unknown_in_fold=True),
    "45 texts, null in a fold": Column("city", texts(45), unknown_in_fold=True),
}


@cache
def small_parts(build: Path) -> Parts:
    """A few labelled rows of every part."""
    return read_parts(build, replace(PROBLEM, training_rows_max=ROWS))


def rows_of(build: Path, column: Column) -> Rows:
    """The rows of a small build with one column replaced, as training prepares them."""
    parts = small_parts(build)
    random = np.random.default_rng(3)
    tables = [
        replaced(part.table, column, random) for part in (parts.train, parts.selection, parts.calibration)
    ]
    names = read_catalog(build).feature_names
    inputs, left_out = choose_inputs(pa.concat_tables(tables[:2]), names, required_features(names, PROBLEM))
    learn, ask = tables[0], tables[2]
    if column.unknown_in_fold:
        place = learn.column_names.index(column.feature)
        learn = learn.set_column(place, column.feature, pa.nulls(len(learn), learn.schema.field(place).type))
    held_out = LabelledRows.of(Part("calibration", ask), inputs)
    fold = Fold(LabelledRows.of(Part("train", learn), inputs), held_out, timedelta(days=30))
    return Rows(build, inputs, left_out, fold, replaced(parts.test.table.slice(0, ASKED), column, random))


def replaced(table: pa.Table, column: Column, random: np.random.Generator) -> pa.Table:
    place = table.column_names.index(column.feature)
    return table.set_column(place, column.feature, column.values(random, len(table)))


def fitted(kind: str, rows: Rows) -> ChurnModel:
    """One candidate, fitted and calibrated."""
    candidate = make_candidate(kind, rows.inputs, PROBLEM, len(rows.fold.train.labels))
    if kind in GROWN_BY:
        candidate = candidate.with_settings({GROWN_BY[kind]: TREES})
    pipeline, raw = rows.fold.trial(candidate)
    prepared = pipeline.named_steps["prepare"].transform(rows.fold.train.frame)
    return ChurnModel(
        kind=kind,
        pipeline=pipeline,
        inputs=tuple(rows.inputs),
        calibration=calibrate(rows.fold.validation.labels, raw),
        threshold=0.3,
        problem=PROBLEM,
        prepared_means=pd.DataFrame(prepared).mean().fillna(0.0).to_numpy(dtype=np.float64),
    )


def loaded_again(model: ChurnModel, rows: Rows, folder: Path) -> str:
    """``same``, or what differs once the model is loaded in this process."""
    write_model(model, folder)
    both = [answers(each, rows.test, rows.build) for each in (model, read_model(folder))]
    return first_difference(*both) or SAME


def loaded_fresh(model: ChurnModel, rows: Rows, folder: Path) -> str:
    """``same``, or what differs once the model is loaded in a fresh process."""
    write_model(model, folder)
    check_reads_back(model, folder, rows.build, rows.test)
    return SAME


def results(
    build: Path, column: Column, load: Callable[[ChurnModel, Rows, Path], str] = loaded_again
) -> Iterator[tuple[str, str]]:
    """Candidate and what came of it, for one kind of column."""
    try:
        rows = rows_of(build, column)
    except ModelError as error:
        yield from ((kind, f"refused: {error}") for kind in CANDIDATES)
        return
    reason = rows.left_out.get(column.feature)
    for kind in CANDIDATES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                found = load(fitted(kind, rows), rows, Path(folder))
            except ModelError as error:
                found = str(error)
        yield kind, f"left out ({reason}), {found}" if reason else found


def table() -> Iterator[str]:
    """The lines of the table: a kind of column a line, a candidate a column."""
    with tempfile.TemporaryDirectory() as home:
        build = write_build(Path(home))
        yield "| column | " + " | ".join(CANDIDATES) + " |"
        yield "| --- |" + " --- |" * len(CANDIDATES)
        for name, column in COLUMNS.items():
            yield (
                f"| {name} | " + " | ".join(found for _, found in results(build, column, loaded_fresh)) + " |"
            )


if __name__ == "__main__":
    for line in table():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
