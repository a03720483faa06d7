"""The wall clock, which no feature or label may read.

Compiled models come in; those that read the present instant go out. The other way round, a scratch database
is made that returns a chosen instant as the present one.
"""

import json
import re
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.sql import quoted

NOTES_AND_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
READS_CLOCK = re.compile(
    r"(?<![\w.\"])(?:current_(?:timestamp|date|time|localtimestamp|localtime)|local(?:timestamp|time)"
    r"|(?:now|today|get_current_timestamp|get_current_time|transaction_timestamp|sysdate|getdate"
    r"|unix_timestamp|curdate)\s*\(\s*\))(?![\w\"])",
    re.IGNORECASE,
)
# Jinja leaves no trace of the clock in the compiled text.
JINJA_READS_CLOCK = re.compile(
    r"run_started_at|datetime\.(?:now|today|utcnow)|dbt\.current_timestamp|dbt\.now"
)

INSTANTS = ("now", "current_timestamp", "get_current_timestamp", "transaction_timestamp")
LOCAL_INSTANTS = ("localtimestamp", "current_localtimestamp")
DAYS = ("current_date", "today")


def clock_readers(build: Path) -> dict[str, str]:
    """Models and macros of the project that read the present instant -> the word that reads it."""
    manifest = json.loads((build / "manifest.json").read_text(encoding="utf-8"))
    models = [node for node in manifest["nodes"].values() if node["resource_type"] == "model"]
    packages = {node["package_name"] for node in models}
    macros = [macro for macro in manifest["macros"].values() if macro["package_name"] in packages]
    words = {node["name"]: clock_word(node.get("compiled_code") or "", node["raw_code"]) for node in models}
    words |= {macro["name"]: clock_word("", macro["macro_sql"]) for macro in macros}
    return {name: word for name, word in words.items() if word}


def clock_word(compiled: str, raw: str) -> str | None:
    """The first word that reads the present instant, in SQL or in Jinja, if any."""
    match = READS_CLOCK.search(NOTES_AND_TEXTS.sub(" ", compiled)) or JINJA_READS_CLOCK.search(raw)
    return match[0] if match else None


def set_wall_clock(file: Path, instant: datetime) -> None:
    """Make a database in which SQL reads ``instant`` as the present one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    answers = {
        **dict.fromkeys(INSTANTS, f"timestamptz '{instant}+00'"),
        **dict.fromkeys(LOCAL_INSTANTS, f"timestamp '{instant}'"),
        **dict.fromkeys(DAYS, f"date '{instant:%Y-%m-%d}'"),
    }
    with duckdb.connect(str(file)) as connection:
        for name, answer in answers.items():
            connection.execute(f"create or replace macro {quoted(name)}() as {answer}")
