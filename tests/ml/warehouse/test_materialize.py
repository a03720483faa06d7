"""``churn materialize``: exact, reconciled, or nothing."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from ml.cli.materialize import command
from ml.common.errors import NotReadyError, TidemarkError, UsageError
from ml.warehouse.materialize import materialize
from tests.ml.featurestore.retrieve_rows import offline, online
from tests.ml.featurestore.small_build import ORDER_ROWS, PROFILE_ROWS, write_build

CLOCK = datetime(2024, 3, 1, 10, 11, 12, 987654)
EVERYBODY = ["ann", "nil", "old"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_build(tmp_path)
    return tmp_path


def test_counts_customers_and_the_rows_they_come_from(home: Path) -> None:
    result = materialize(home=home)

    assert result["build_id"] == "build-000001"
    assert result["as_of"] == "2024-03-01T10:11:12.987654Z"
    assert result["views"] == {
        "feat_customer_orders": {"customers": 3, "rows": 7},
        "feat_customer_profile": {"customers": 3, "rows": 4},
    }


def test_an_earlier_instant_and_back(home: Path) -> None:
    for instant in (CLOCK, datetime(2015, 5, 20), CLOCK):
        materialize(home=home, as_of=instant)
        assert online(home, EVERYBODY, instant) == offline(home, EVERYBODY, instant)


def test_what_a_new_build_no_longer_has_is_gone(home: Path) -> None:
    materialize(home=home)
    write_build(home, "build-000002", [row for row in ORDER_ROWS if row[0] == "nil"], PROFILE_ROWS[3:])
    result = materialize(home=home)

    assert result["views"]["feat_customer_orders"] == {"customers": 1, "rows": 1}
    assert online(home, EVERYBODY, CLOCK) == offline(home, EVERYBODY, CLOCK)


def test_a_lost_customer_is_noticed_and_changes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml.featurestore.online.store import WholeRowOnlineStore

    materialize(home=home)
    before, write = online(home, EVERYBODY, CLOCK), WholeRowOnlineStore.load

    def forgetful(self, config, view, rows):
        write(self, config, view, (row for row in rows if row[0] != "old"))

    monkeypatch.setattr(WholeRowOnlineStore, "load", forgetful)
    with pytest.raises(TidemarkError, match="3 customers offline but 2 online"):
        materialize(home=home)
    monkeypatch.undo()

    assert online(home, EVERYBODY, CLOCK) == before


def test_an_instant_after_the_data_clock_makes_no_sense(home: Path) -> None:
    with pytest.raises(UsageError, match="the data clock of build-000001"):
        materialize(home=home, as_of=datetime(2024, 3, 2))


def test_nothing_built_yet(tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="churn build"):
        materialize(home=tmp_path)


def test_two_homes_do_not_touch_each_other(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    write_build(other, order_rows=[], profile_rows=[])
    materialize(home=home)
    materialize(home=other)

    assert online(home, ["ann"], CLOCK)[0]["orders_30d"] == 2
    assert online(other, ["ann"], CLOCK)[0]["orders_30d"] is None


def test_the_command_prints_only_its_result(home: Path) -> None:
    result = CliRunner().invoke(command, ["--home", str(home), "--json"])
    assert json.loads(result.stdout)["views"]["feat_customer_orders"]["customers"] == 3

    result = CliRunner().invoke(command, ["--home", str(home), "--as-of", "2024-02-01"])
    assert result.stdout == (
        "build-000001 is online as of 2024-02-01T00:00:00Z\n"
        "  feat_customer_orders: 3 customers, from 5 rows\n"
        "  feat_customer_profile: 3 customers, from 3 rows\n"
    )
