"""SQL files as batches: one select over the user's own files or database yields the rows of a raw table.

``orders.sql`` comes in; its rows, numbered in the order of the result, go out as a batch. Relative paths in
it are looked for in the folder above the SQL file's, then in its own, then in the working folder, so that a
mapping means the same wherever it is run.
"""

import re
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb

from ml.common.errors import SourceError
from ml.common.sql import literal
from ml.ingest.batch import FILE, ROW, Batch, match_columns
from ml.ingest.contract import Table
from ml.ingest.databases import load_extension
from ml.ingest.staging_database import working_database

ROWS = "create table {database}.rows as\n{select}"
NUMBERED = """
create view {relation} as
select *, {label} as {file}, rowid + 1 as {row} from {database}.rows
"""
# What DuckDB says of where an error is.
LINE = re.compile(r"^LINE (\d+):", re.MULTILINE)
EXTENSION = re.compile(r"\btype\s+(sqlite|postgres|mysql)\b", re.IGNORECASE)
SCHEMES = {"sqlite": "sqlite", "postgres": "postgresql", "mysql": "mysql"}
# A password in what an attach names: key=value, or in a URL.
PASSWORD = re.compile(
    r"""(?i)(\bpassw(?:or)?d\s*=\s*)(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s"']+)|(://[^:@/\s"']*:)[^@\s"']*(?=@)"""
)
# TINYINT(1) may hold a score, TIMESTAMP is an instant, and a large table takes longer than five minutes.
MYSQL_SETTINGS = (
    "set mysql_tinyint1_as_boolean = false",
    "set mysql_session_time_zone = '+00:00'",
    "set mysql_query_timeout_enabled = false",
)


def stage_sql(
    connection: duckdb.DuckDBPyConnection, table: Table, label: str, path: Path, relation: str, work: Path
) -> Batch:
    """The rows that one SQL file selects, run apart from the staging database and kept in ``work``.

    Raises
    ------
    SourceError
        It is no single select, perhaps after read-only attaches, or the query fails.
    """
    attaches, select = statements_of(path, label)
    folders = (path.parent.parent, path.parent, Path.cwd())
    database, file = f"{relation}_rows", work / f"{relation}.duckdb"
    with closing(working_database(work, "UTC")) as own:
        own.execute(f"set file_search_path = {literal(','.join(map(str, folders)))}")
        own.execute(f"attach {literal(file)} as {database}")
        for statement in attaches:
            if kind := EXTENSION.search(statement):
                load_extension(own, SCHEMES[kind[1].lower()])
                for setting in MYSQL_SETTINGS if kind[1].lower() == "mysql" else ():
                    own.execute(setting)
            run(own, statement, label, lines_before=0)
        run(own, ROWS.format(database=database, select=select), label, lines_before=1)
    connection.execute(f"attach {literal(file)} as {database} (read_only)")
    columns = connection.execute(f"describe {database}.rows").fetchall()
    fields = {"relation": relation, "database": database, "label": literal(label), "file": FILE, "row": ROW}
    connection.execute(NUMBERED.format(**fields))
    return Batch(table, label, relation, match_columns(table, label, {row[0]: row[1] for row in columns}))


def statements_of(path: Path, label: str) -> tuple[Sequence[str], str]:
    """The attach statements of a SQL file, and its select."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"{label} is no UTF-8 text: save it as UTF-8") from error
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise SourceError(f"{label} is no SQL: {sentence_of(error, 0)}") from None
    kinds = [statement.type for statement in statements]
    is_select = kinds[-1:] == [duckdb.StatementType.SELECT]
    if not is_select or any(kind != duckdb.StatementType.ATTACH for kind in kinds[:-1]):
        raise SourceError(
            f"{label} is not one select: write a single query that gives the rows of the table, if need be "
            "after 'attach ... (read_only)' of a database"
        )
    attaches = [statement.query for statement in statements[:-1]]
    for statement in attaches:
        if "read_only" not in statement.lower():
            raise SourceError(f"{label} attaches a database for writing: add (read_only)")
    return attaches, leading_lines(text, attaches) + statements[-1].query.strip().rstrip(";")


def leading_lines(text: str, attaches: Sequence[str]) -> str:
    """Line ends in place of what comes before the select: lines of errors are those of the file."""
    before = text.index(attaches[-1]) + len(attaches[-1]) if attaches else 0
    rest = text[before:].lstrip(";")
    blank = len(rest) - len(rest.lstrip())
    return "\n" * (text[: len(text) - len(rest)].count("\n") + rest[:blank].count("\n"))


def run(connection: duckdb.DuckDBPyConnection, statement: str, label: str, lines_before: int) -> None:
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        raise SourceError(f"{label} cannot be run: {sentence_of(error, lines_before)}") from None


def sentence_of(error: duckdb.Error, lines_before: int) -> str:
    """What DuckDB says, in one line, with the line of the file and without passwords."""
    message = str(error).strip()
    line = LINE.search(message)
    where = f"line {int(line[1]) - lines_before}, " if line else ""
    text = message.split("\n\n")[0].replace("\n", "; ")
    return where + PASSWORD.sub(lambda match: f"{match[1] or match[2]}***", text)
