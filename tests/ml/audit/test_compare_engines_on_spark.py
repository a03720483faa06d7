"""DuckDB and Spark on one small world full of edges: equal cells; a planted fault comes down to few raw rows.

Needs Spark and Java: ``make test-spark`` runs it in .venv-spark.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ml.audit.compare_engines import compare_builds, compare_engines
from ml.audit.cut_down import Probe, customers_of, cut_down
from ml.audit.engine_builds import EngineBuild, build_on, check_spark
from ml.audit.spark_session import SETTINGS, SparkSql
from ml.common.errors import NotReadyError
from ml.common.progress import SILENT
from ml.config.project import write_project
from ml.home.layout import Home
from ml.home.problem_file import label_terms, problem_for
from ml.ingest import ingest
from ml.warehouse.compiled_models import Models
from ml.warehouse.dbt import PROJECT

pytestmark = pytest.mark.subjects("dbt_project", "ml/audit", "ml/warehouse/dbt.py")

# Faults of the kinds that a dialect has: the model, what Spark's SQL for it has, and what is planted instead.
FAULTS = {
    "a division that rounds": (
        "int_ticket_facts",
        "(unix_micros(tickets.resolved_at) - unix_micros(tickets.opened_at)) div 1000000",
        "cast(round((unix_micros(tickets.resolved_at) - unix_micros(tickets.opened_at)) / 1e6) as bigint)",
    ),
    "a sum that loses its decimals": (
        "int_order_facts",
        "cast(sum(quantity) as decimal(38, 4))",
        "cast(cast(sum(quantity) as decimal(38, 0)) as decimal(38, 4))",
    ),
    "a null that swallows the other instant": (
        "int_order_facts",
        "least(cancelled_at, returned_at) as lost_at",
        "case when cancelled_at < returned_at then cancelled_at "
        "when returned_at <= cancelled_at then returned_at end as lost_at",
    ),
    "an instant without its microseconds": (
        "stg_orders",
        "greatest(ordered_at, coalesce(loaded_at, ordered_at)) as known_at",
        "cast(date_trunc('millisecond', greatest(ordered_at, coalesce(loaded_at, ordered_at))) "
        "as timestamp_ntz) as known_at",
    ),
    "neighbours in another order": (
        "stg_support_tickets",
        "lead(known_at) over (partition by ticket_id order by recorded_at)",
        "lead(known_at) over (partition by ticket_id order by recorded_at desc)",
    ),
    "an overflow that becomes null": (
        "int_order_facts",
        "cast(sum(quantity) as decimal(38, 4))",
        "cast(sum(quantity) as decimal(5, 4))",
    ),
    "a year that is no 365 days": (
        "feat_customer_support",
        "interval '365' day",
        "interval '1' year",
    ),
    "a total that leaves out its own row": (
        "population_customers",
        "rows between unbounded preceding and current row",
        "rows between unbounded preceding and 1 preceding",
    ),
}


@dataclass(frozen=True)
class World:
    """One world on both engines."""

    home: Path
    ours: EngineBuild
    theirs: EngineBuild

    @property
    def load(self) -> Path:
        return Home(self.home).current_load()


@pytest.fixture(scope="module")
def small_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with late rows, versions, deletions, merges, and order lines with a clock."""
    from tests.reference.merged import merged_world
    from tests.reference.worlds import write_world

    try:
        check_spark()
    except NotReadyError as error:
        pytest.skip(f"NOT TESTED ON SPARK: {error}")
    folder = tmp_path_factory.mktemp("spark")
    ingest(
        str(write_world(folder / "raw", merged_world(2, customers=30))),
        home=folder / "home",
        max_rejected=0.0,
    )
    return folder / "home"


@pytest.fixture(scope="module")
def small_world(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    home, folder = Home(small_home), tmp_path_factory.mktemp("engines")
    terms = label_terms(home, problem_for(home, None, SILENT), SILENT)
    builds = [
        build_on(engine, folder / engine, home.current_load(), terms, PROJECT, SILENT)
        for engine in ("duckdb", "spark")
    ]
    return World(small_home, *builds)


@pytest.fixture(scope="module")
def spark(small_home: Path) -> Iterator[SparkSql]:
    with SparkSql() as session:
        yield session


def test_every_table_is_equal(small_world: World) -> None:
    tables, difference = compare_builds(small_world.ours, small_world.theirs, small_world.load)
    assert [table.model for table in tables if not table.equal] == []
    assert difference == {}
    assert {table.model for table in tables} == {
        model.name for model in small_world.ours.models.models.values()
    }
    rows = {table.model: table.rows for table in tables}
    assert rows["int_order_line_facts"] > 10
    assert rows["label_customer_churn"] > 10
    assert rows["feat_customer_orders"] > 10
    assert sum(table.cells for table in tables) > 20_000


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_comes_down_to_a_few_raw_rows(small_world: World, spark: SparkSql, name: str) -> None:
    model, sound, fault = FAULTS[name]
    ours, theirs = small_world.ours.models, small_world.theirs.models
    assert sound in theirs.named(model).sql
    planted = {
        id_: replace(node, sql=node.sql.replace(sound, fault)) if node.name == model else node
        for id_, node in theirs.models.items()
    }
    with_fault = Models(planted, theirs.raw_tables)
    everyone = customers_of(small_world.load)
    assert not Probe(model, ours, theirs, small_world.load, spark).differs(everyone)
    probe = Probe(model, ours, with_fault, small_world.load, spark)
    fewest = cut_down(probe, [], everyone)
    assert fewest is not None
    customers, rows = fewest
    assert 1 <= len(rows) < 20
    assert probe.differs(customers, rows)
    assert not any(
        probe.differs(customers, [*rows[:place], *rows[place + 1 :]]) for place in range(len(rows))
    )


def test_the_command_names_the_first_model_of_a_project_with_a_fault(
    small_home: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    write_project(project)
    macros = project / "dbt_project" / "macros" / "time.sql"
    text = macros.read_text()
    sound = "(unix_micros({{ to_instant }}) - unix_micros({{ from_instant }})) div 1000000"
    assert sound in text
    macros.write_text(text.replace(sound, sound.replace("div 1000000", "div 1000")))
    result = compare_engines(home=small_home, customers=20, project=project / "dbt_project")
    assert not result["equal"]
    differing = {table["model"]: table for table in result["tables"] if not table["equal"]}
    assert result["first"] == "int_ticket_facts"
    assert set(differing) == {"int_ticket_facts", "feat_customer_support"}
    assert differing["int_ticket_facts"]["columns"] == ["resolution_seconds"]
    assert 1 <= len(result["raw_rows"]) < 20
    assert {row["table"] for row in result["raw_rows"]} == {"customers", "support_tickets"}
    assert not list((small_home / "audit").glob("scratch-*"))


def test_single_queries_run_as_dbt_runs_them() -> None:
    profile = (PROJECT / "profiles.yml").read_text()
    for name in ("spark.sql.session.timeZone", "spark.sql.timestampType"):
        assert f"{name}: {SETTINGS[name]}\n" in profile
