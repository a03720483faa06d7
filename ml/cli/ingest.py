"""``churn ingest``: raw tables in."""

import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from ml.cli.command import Run, churn_command
from ml.common.errors import RefusedError, UsageError

DEMOS = ("shop", "subscriptions", "complete-journey")
SIMULATED = ("shop", "subscriptions")


@click.command("ingest")
@click.argument("source", metavar="[PATH]", required=False)
@click.option("--demo", type=click.Choice(DEMOS), help="Load a demonstration instead of PATH.")
@click.option("--customers", type=click.IntRange(min=1), help="How many customers a simulated demo has.")
@click.option("--seed", type=int, help="Seed of a simulated demo.")
@click.option("--append", is_flag=True, help="Add to the rows already loaded, instead of replacing them.")
@click.option(
    "--max-rejected",
    type=float,
    default=0.05,
    show_default=True,
    help="Largest share of rejected rows of any table.",
)
@click.option(
    "--timezone",
    default="UTC",
    show_default=True,
    help="Zone of instants without one: UTC, a place such as Europe/Berlin, or an offset.",
)
@click.option(
    "--dates-known",
    type=click.Choice(["end-of-day"]),
    help="From when a row with a date but no time counts as known; later --append use the same.",
)
@click.option(
    "--encoding",
    default="utf-8",
    show_default=True,
    help="Encoding of CSV, TSV and JSON files, such as windows-1252.",
)
@click.option(
    "--date-format",
    "date_formats",
    multiple=True,
    metavar="FORMAT",
    help="A form of dates and instants beside ISO 8601, such as %d.%m.%Y; may be given again.",
)
@click.option("--decimal-comma", is_flag=True, help="Numbers have a comma before their decimals: 12,50.")
@click.option("--thousands", metavar="SIGN", help="What stands between thousands: . , ' _ or a blank.")
@click.option(
    "--currency",
    "currencies",
    multiple=True,
    metavar="TEXT",
    help="A sign or code that may stand beside an amount; may be given again.",
)
@click.option(
    "--null",
    "nulls",
    multiple=True,
    metavar="TEXT",
    help="A text that means a missing value; may be given again.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be accepted and rejected; publish nothing.")
@churn_command
def command(
    run: Run,
    source: str | None,
    demo: str | None,
    customers: int | None,
    seed: int | None,
    append: bool,
    max_rejected: float,
    timezone: str,
    dates_known: str | None,
    dry_run: bool,
    **formats: Any,
) -> None:
    """Load raw tables from PATH, check every row, and publish the rows that pass.

    PATH is a folder with customers and orders, and order_items, support_tickets and sessions where there are
    any, each as TABLE.parquet, .xlsx, .csv, .tsv or .jsonl (plain, .gz or .zst), a folder TABLE/ of such
    files, TABLE.sql, a select that yields its rows, or TABLE.api.yml, the address of a JSON API
    (docs/json-api.md); or an .xlsx workbook whose sheets are tables; or
    duckdb:///FILE, sqlite:///FILE or postgresql://USER@HOST/DATABASE, with ?schema=NAME where it has schemas;
    or mysql://USER@HOST/DATABASE (mariadb:// too), its password in MYSQL_PWD.

    A row that breaks the contract goes, whole and with its reason, to the table rejected_rows. If more than
    --max-rejected of any table is rejected, nothing is loaded and the previous data stays. --dry-run reads
    and checks the same rows, shows the same table and reasons, ends with the same status, and publishes
    nothing.

    Dates are ISO 8601 and numbers have a decimal point, unless --date-format, --decimal-comma, --thousands
    and --currency say otherwise; no other form is guessed. These options hold for one ingest.

    Example: churn ingest --demo shop --customers 2000
    """
    from ml.ingest import ingest

    check_usage(source, demo, customers, seed, dry_run, formats)
    folder = source or write_demo(run, str(demo), customers, seed)
    try:
        result = ingest(
            folder,
            home=run.home,
            append=append,
            max_rejected=max_rejected,
            timezone=timezone,
            dates_known=dates_known,
            dry_run=dry_run,
            **formats,
            progress=run.progress,
        )
    except RefusedError as refusal:
        exit_refused(run, refusal)
    run.finish(result, as_text(result))


def exit_refused(run: Run, refusal: RefusedError) -> NoReturn:
    """Print what a dry run found, then why the ingest would fail, and exit as the ingest would."""
    status = refusal.exit_status
    run.finish({**refusal.result, "error": str(refusal), "status": status}, as_text(refusal.result))
    click.echo(f"churn: {refusal}", err=True)
    sys.exit(status)


def check_usage(
    source: str | None,
    demo: str | None,
    customers: int | None,
    seed: int | None,
    dry_run: bool,
    formats: dict[str, Any],
) -> None:
    """Raise a UsageError unless there is one source, and its options go with it."""
    if bool(source) == bool(demo):
        raise UsageError(f"give either a PATH or --demo NAME ({', '.join(DEMOS)})")
    if demo not in SIMULATED and not (customers is None and seed is None):
        raise UsageError(f"--customers and --seed belong to --demo {' or '.join(SIMULATED)}")
    stated = [name for name, value in formats.items() if value and value != "utf-8"]
    if demo and stated:
        raise UsageError("a demonstration is read as it is written: leave the options of formats out")
    if demo and dry_run:
        raise UsageError("--dry-run goes with a PATH: a demonstration is written before it is loaded")


def write_demo(run: Run, name: str, customers: int | None, seed: int | None) -> Path:
    """Write the raw tables of a demonstration under the home; return their folder."""
    from ml.cli.demo_project import enter_project

    enter_project(name, run.home, run.progress)
    folder = run.home.root / "demo" / name / "raw"
    options: dict[str, Any] = {"customers": customers, "seed": seed}
    stated = {option: value for option, value in options.items() if value is not None}
    if name == "shop":
        from ml.demos.shop import write_shop

        write_shop(folder, progress=run.progress, **stated)
    elif name == "subscriptions":
        from ml.demos.subscriptions import write_subscriptions

        write_subscriptions(folder, progress=run.progress, **stated)
    else:
        from ml.demos.complete_journey import write_complete_journey

        write_complete_journey(folder, run.progress)
    return folder


def as_text(result: dict[str, Any]) -> str:
    """Rows and span of every table, then the reasons of rejected rows, and missing-value markers."""
    from ml.ingest.missing_values import note_of
    from ml.ingest.rejection_examples import example_text
    from ml.ingest.table_clocks import clocks_text

    files = result["files"]
    lines = [f"{'table':<16}{'files' * bool(files):>8}{'read':>12}{'accepted':>12}{'rejected':>12}"]
    lines += [
        f"{name:<16}{files.get(name, 0) if files else '':>8}"
        f"{counts['read']:>12,}{counts['accepted']:>12,}{counts['rejected']:>12,}"
        for name, counts in result["tables"].items()
    ]
    lines += ["", f"{'':<16}{'first':<30}{'last':<30}"]
    lines += [
        f"{name:<16}{span['first']:<30}{span['last']:<30}{span['column']}"
        for name, span in result["spans"].items()
    ]
    if result["reasons"]:
        lines += ["", "rejected because"]
        for example in result["examples"]:
            lines += [f"{example['rows']:>12,}  {example['reason']}", f"{'':>14}{example_text(example)}"]
        if result["rejected_rows"]:
            lines += ["", f"the rejected rows are in {result['rejected_rows']}"]
    if result["markers"]:
        lines += ["", *map(note_of, result["markers"])]
    lines += ["", f"tables end: {clocks_text(result['clocks'])}"]
    lines += [f"note: {note}" for note in result["notes"]]
    what = "dry run, nothing was published" if result.get("dry_run") else result["load_id"]
    lines += ["", f"{what}: accepted + rejected = read, data clock {result['data_clock']}"]
    return "\n".join(lines)
