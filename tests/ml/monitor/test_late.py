"""A world by hand in which one order comes late, one after the label was ripe, and one is cancelled later."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from sklearn.metrics import log_loss, roc_auc_score

from ml.cli import main
from ml.common.errors import NotReadyError
from ml.config.problem import Problem
from ml.features.labels import labelled_rows, split_labels
from ml.featurestore.retrieval.retrieve import point_in_time
from ml.home.build_manifest import data_clock
from ml.home.layout import Home
from ml.ingest import ingest
from ml.model.model_files import read_judged
from ml.monitor.hindsight import labels_known_by
from ml.monitor.late import late
from ml.warehouse import build
from tests.ml.daily_run.conftest import Place, day_one  # noqa: F401

pytestmark = pytest.mark.subjects("ml/monitor", "ml/score", "ml/warehouse", "dbt_project")
CUSTOMERS = "customer_id,registered_at\na,2024-01-01\nb,2024-01-01\nc,2024-01-01\n"
ORDERS = """\
order_id,customer_id,ordered_at,total_amount,cancelled_at,loaded_at
late,a,2024-03-02T12:00:00,10,,2024-03-12
b1,b,2024-01-05T12:00:00,10,,
b2,b,2024-02-20T12:00:00,10,,2024-05-01
c1,c,2024-01-05T12:00:00,10,,
c2,c,2024-02-20T12:00:00,10,2024-05-10,
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Customer a orders every twenty days beside the late order."""
    folder = tmp_path_factory.mktemp("late")
    days = [datetime(2024, 1, 5) + timedelta(days=20 * number) for number in range(10)]
    often = "".join(f"a{number},a,{day.isoformat()},10,,\n" for number, day in enumerate(days))
    (folder / "raw").mkdir()
    (folder / "raw" / "customers.csv").write_text(CUSTOMERS)
    (folder / "raw" / "orders.csv").write_text(ORDERS + often)
    ingest(folder / "raw", home=folder / "home")
    build(home=folder / "home")
    return folder / "home"


def test_late_orders_move_the_features_of_the_cutoffs_between(home: Path) -> None:
    """By hand: the order of a is missing on two Mondays, that of b on six."""
    result = late(home=home, problem=Problem())
    moved = {cutoff.cutoff[:10]: cutoff.rows_moved for cutoff in result.cutoffs if cutoff.rows_moved}
    assert moved == {
        "2024-02-26": 1,
        "2024-03-04": 2,
        "2024-03-11": 2,
        "2024-03-18": 1,
        "2024-03-25": 1,
        "2024-04-01": 1,
    }
    features = {feature.feature: feature for feature in result.features}
    assert (features["orders_7d"].rows_moved, features["orders_7d"].mean_change) == (2, 1.0)
    assert (features["orders_lifetime"].rows_moved, features["orders_lifetime"].mean_change) == (8, 1.0)
    assert (features["spend_lifetime"].rows_moved, features["spend_lifetime"].mean_change) == (8, 10.0)
    assert features["last_order_at"].mean_change is None
    assert "cancelled_orders_365d" not in features  # a cancellation that comes later is no late fact


def test_labels_that_were_others_when_they_ripened(home: Path) -> None:
    """Five Mondays have the second order in the horizon: that of b came late, that of c was cancelled."""
    result = late(home=home, problem=Problem())
    assert (result.now_stayed, result.now_churned) == (5, 5)
    changed = {
        cutoff.cutoff[:10]: cutoff.labels_changed for cutoff in result.cutoffs if cutoff.labels_changed
    }
    assert changed == dict.fromkeys(("2024-01-22", "2024-01-29", "2024-02-05", "2024-02-12", "2024-02-19"), 2)
    assert result.figures == ()
    assert result.notes == (
        "no figures of a model: no model goes with build-000001 yet: run 'churn train' first",
    )


def test_the_command_says_it(home: Path) -> None:
    ran = CliRunner().invoke(main, ["late", "--home", str(home)])
    assert ran.exit_code == 0
    assert "late facts move a feature in 8 of " in ran.stdout
    assert (
        "10 labels are others than when they ripened: 5 stayed after all, 5 churned after all" in ran.stdout
    )


def test_another_question_is_one_sentence(home: Path) -> None:
    asked = Problem(label="label_subscription_end")
    with pytest.raises(NotReadyError, match="late facts are told for label_customer_churn, and the problem"):
        late(home=home, problem=asked)


def test_labels_known_by_the_data_clock_are_those_published(day_one: Place) -> None:  # noqa: F811
    """Another way to the labels: from versions of orders, without deltas."""
    home = Home(day_one.home)
    published = home.current_build()
    rows = labelled_rows(published, split_labels(published, Problem()))
    rows = rows.sort_by([("event_timestamp", "ascending"), ("customer_id", "ascending")])
    clock, load = data_clock(published), home.current_load()
    found = labels_known_by(published, load, rows, [clock] * len(rows), timedelta(days=30))
    assert len(rows) > 500
    assert found == rows.column("churned").to_pylist()


def test_the_figures_are_those_of_the_champion_on_its_test_cutoffs(day_one: Place) -> None:  # noqa: F811
    result = late(home=day_one.home, problem=str(day_one.problem))
    assert [(figures.features, figures.labels) for figures in result.figures] == [
        ("then", "then"),
        ("then", "now"),
        ("now", "now"),
    ]
    home = Home(day_one.home)
    build_, model = home.current_build(), read_judged(home.current_model())
    first, last = result.cutoffs[0].cutoff, result.cutoffs[-1].cutoff
    rows = labelled_rows(build_, split_labels(build_, model.problem))
    stamps = [f"{stamp.isoformat()}Z" for stamp in rows.column("event_timestamp").to_pylist()]
    rows = rows.filter(pa.array([first <= stamp <= last for stamp in stamps]))
    scores = model.prediction(model.frame(point_in_time(build_, rows)))
    labels = np.array(rows.column("churned").to_pylist())
    assert result.rows == len(rows)
    assert result.figures[1].roc_auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert result.figures[1].log_loss == pytest.approx(log_loss(labels, scores), abs=1e-12)
    assert result.figures[2].log_loss != result.figures[1].log_loss
