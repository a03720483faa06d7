"""``TABLE.api.yml`` as a batch: its pages are pulled to disk, and their records read as JSON lines.

A pull stays in the home, in ``pulls/<table>-<file>/<key>``, until its load is published. The key is of the
file's text and of the address asked for: a changed file, or another instant to ask from, is another pull.
"""

import hashlib
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import duckdb

from ml.common.instants import format_instant, parse_instant
from ml.common.progress import SILENT, Progress
from ml.common.sql import literal
from ml.ingest.api_file import ApiFile, read_api_file
from ml.ingest.api_pages import Pull
from ml.ingest.api_paging import with_parameters
from ml.ingest.api_requests import Client, headers_of
from ml.ingest.batch import Batch, rows_of
from ml.ingest.contract import Table
from ml.ingest.csv_files import stage_csv
from ml.ingest.manifest import read_load_manifest


@dataclass
class Pulls:
    """The pulls of one ingest.

    Parameters
    ----------
    folder : Path
        Where pulls are kept between runs.
    earlier : Path, optional
        The load that is appended to.
    now : datetime
        The wall clock of the ingest.
    progress : Progress
    made : dict of str to Pull
        Every pull that is complete, by its file.
    """

    folder: Path
    earlier: Path | None
    now: datetime
    progress: Progress = SILENT
    made: dict[str, Pull] = field(default_factory=dict)

    @property
    def manifest(self) -> dict[str, dict[str, dict[str, str]]]:
        """What the manifest of the load says of each pull, by its file."""
        pulled = {
            label: {"started_at": format_instant(pull.started_at()), "address": short_hash(pull.api_file.url)}
            for label, pull in self.made.items()
        }
        return {"pulled": pulled} if pulled else {}

    def remove(self) -> None:
        """Remove the pulls of this ingest."""
        for pull in self.made.values():
            shutil.rmtree(pull.folder.parent, ignore_errors=True)

    def pull(self, connection: duckdb.DuckDBPyConnection, table: Table, label: str, path: Path) -> Pull:
        """Every page of one file, on disk."""
        api_file, digest = read_api_file(path, label, table)
        url = self.url_since(connection, table, label, api_file)
        key = short_hash(f"{digest} {url}")
        folder = self.folder / f"{table.name}-{short_hash(label)}"
        for other in folder.iterdir() if folder.is_dir() else ():
            if other.name != key:
                shutil.rmtree(other)
        client = Client(label, url, headers_of(api_file, label), self.progress.say)
        pull = Pull(api_file, label, folder / key, url)
        pull.fetch(client)
        self.made[label] = pull
        return pull

    def url_since(
        self, connection: duckdb.DuckDBPyConnection, table: Table, label: str, api_file: ApiFile
    ) -> str:
        """The address in the file; with ``--append`` it asks for what changed since the last load."""
        since = api_file.since
        newest = self.newest(connection, table, label, api_file) if since and self.earlier else None
        if not newest:
            return api_file.url
        instant = format_instant(newest - since.span)
        self.progress.say(f"{label}: asks for records with {since.column} from {instant} on")
        return with_parameters(api_file.url, {since.parameter: instant})

    def newest(
        self, connection: duckdb.DuckDBPyConnection, table: Table, label: str, api_file: ApiFile
    ) -> datetime | None:
        """The newest instant in the loaded rows of this file, but none after the beginning of its last pull.

        A record that changed during that pull may have been on a page that was fetched before. Rows from
        another address count for nothing.
        """
        assert self.earlier
        ingests = read_load_manifest(self.earlier)["ingests"]
        pulled = [ingest["pulled"][label] for ingest in ingests if label in ingest.get("pulled", {})]
        if not pulled or pulled[-1]["address"] != short_hash(api_file.url):
            return None
        rows = rows_of(table, self.earlier / table.name)
        query = f"select max({api_file.since.column}) from {rows} where _file = {literal(label)}"
        ((newest,),) = connection.execute(query).fetchall()
        return min(newest, parse_instant(pulled[-1]["started_at"])) if newest else None


def short_hash(text: str) -> str:
    """Enough of a hash to tell texts apart in names."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def stage_api(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    files: dict[str, Path],
    work: Path,
    pulls: Pulls,
) -> list[Batch]:
    """The records of an API as batches; none if it has no records."""
    batches: list[Batch] = []
    for number, (label, path) in enumerate(files.items()):
        lines = work / f"{table.name}-api-{number}.jsonl"
        if pulls.pull(connection, table, label, path).write_records(lines):
            batches += stage_csv(connection, table, {label: lines}, f"{table.name}_api_{number}", work)
        lines.unlink()
    return batches
