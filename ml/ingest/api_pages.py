"""The pages of a JSON API, each on disk before the next is asked for: a broken pull goes on where it was.

The folder of a pull has ``pull.json`` with its beginning, and ``page-000001.json`` and so on: a line about
the page, then the answer as it came. Once the last page is there, the records go out as JSON lines.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ml.common.durable_files import replace_file
from ml.common.errors import SourceError
from ml.common.instants import format_instant, parse_instant, utc_now
from ml.ingest.api_file import ApiFile
from ml.ingest.api_paging import at_path, first_url, next_url, size_of
from ml.ingest.api_requests import NOT_FOUND, Client, StatusError, shown
from ml.ingest.folders import shortened
from ml.ingest.json_files import DECODER, DuplicateNames, json_text

# A server that never ends is taken to be in a loop.
PAGES_MAX = 100_000
# A pull that is complete but in no load is taken up within this time, then made anew.
COMPLETE_FOR = timedelta(days=1)
NOTICE_SECONDS = 10.0
START, END = "pull.json", "complete"


@dataclass(frozen=True)
class Page:
    """What is known of a page that is on disk.

    Parameters
    ----------
    url : str
        Its address.
    next_url : str, optional
        The address of the page after it; None if it is the last.
    records : int
    content : str
        The hash of its records; empty if there are none.
    """

    url: str
    next_url: str | None
    records: int
    content: str


@dataclass(frozen=True)
class Pull:
    """All pages of one file, on disk or to come.

    Parameters
    ----------
    api_file : ApiFile
    label : str
        The file, for messages.
    folder : Path
    url : str
        The address in the file, with the parameter of ``since``.
    """

    api_file: ApiFile
    label: str
    folder: Path
    url: str

    def fetch(self, client: Client) -> None:
        """Fetch the pages that are not on disk.

        Raises
        ------
        SourceError
            A page cannot be read; those before it stay.
        """
        pages = self.resumed(client)
        next_notice = time.monotonic() + NOTICE_SECONDS
        while not self.is_complete(pages):
            try:
                page = self.fetch_page(client, pages)
            except SourceError as error:
                kept = (
                    f"; {summary(pages)} are kept, and the same command goes on after them" if pages else ""
                )
                raise SourceError(f"{error}{kept}") from None
            if page is None:
                replace_file(self.folder / END, b"", is_locked=True)
                break
            pages.append(page)
            if time.monotonic() > next_notice:
                client.notice(f"{self.label}: {summary(pages)} so far")
                next_notice = time.monotonic() + NOTICE_SECONDS
        client.notice(f"{self.label}: {summary(pages)}")

    def resumed(self, client: Client) -> list[Page]:
        """The pages on disk; none, in a new folder, if there is no pull that can go on."""
        pages = self.pages_on_disk()
        if pages:
            began = format_instant(self.started_at())
            state = f"{self.label}: {summary(pages)} are there from the pull that began {began}"
            if not self.is_complete(pages):
                client.notice(f"{state}: it goes on after them")
                return pages
            age = time.time() - self.page_path(len(pages)).stat().st_mtime
            if age < COMPLETE_FOR.total_seconds() and any(page.records for page in pages):
                client.notice(
                    f"{state}, and no load has them yet: nothing is fetched (remove {self.folder} to fetch)"
                )
                return pages
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        start = {"file": self.label, "url": shown(self.url), "started_at": format_instant(utc_now())}
        replace_file(self.folder / START, json.dumps(start).encode(), is_locked=True)
        return []

    def is_complete(self, pages: list[Page]) -> bool:
        """Whether there is no page after ``pages``."""
        return bool(pages) and (pages[-1].next_url is None or (self.folder / END).exists())

    def pages_on_disk(self) -> list[Page]:
        """The pages in the folder; none if it is not whole."""
        pages: list[Page] = []
        try:
            self.started_at()
            while (path := self.page_path(len(pages) + 1)).exists():
                with path.open("rb") as file:
                    pages.append(Page(**json.loads(file.readline())))
        except (OSError, ValueError, TypeError, KeyError):
            return []
        return pages

    def started_at(self) -> datetime:
        """When the first request was made."""
        return parse_instant(json.loads((self.folder / START).read_bytes())["started_at"])

    def page_path(self, number: int) -> Path:
        return self.folder / f"page-{number:06}.json"

    def fetch_page(self, client: Client, pages: list[Page]) -> Page | None:
        """Fetch the page after ``pages`` and write it; None if there is none.

        Raises
        ------
        SourceError
            It cannot be read, has no list of records, or leads back to a page before it.
        """
        number = len(pages) + 1
        url = pages[-1].next_url if pages else first_url(self.api_file, self.url)
        assert url is not None
        what = f"{self.label}: page {number} of {shown(url)}"
        if number > PAGES_MAX:
            raise SourceError(
                f"{what} is one too many: a server that has more than {PAGES_MAX:,} seems not to end"
            )
        # A page after a short one is asked for in case the server caps the size: some have none or repeat it.
        is_probe = bool(pages) and pages[-1].records < size_of(self.api_file)
        try:
            answer = client.get(url, number)
        except StatusError as error:
            if error.status == NOT_FOUND and is_probe:
                return None
            raise
        value = parsed(answer.body, what)
        records = records_of(value, self.api_file.records, what)
        content = (
            hashlib.sha256(json_text(records).encode(errors="surrogatepass")).hexdigest() if records else ""
        )
        counts = [*(page.records for page in pages), len(records)]
        after = next_url(self.api_file, self.url, url, answer, value, counts, what)
        if is_probe and content == pages[-1].content:
            return None
        refuse_loop(pages, content, url, after, what)
        if after is not None:
            client.refuse_other_host(after, f"the page after page {number} of {shown(url)} in {self.label}")
        page = Page(url, after, len(records), content)
        line = json.dumps(asdict(page)).encode()
        replace_file(self.page_path(number), line + b"\n" + answer.body, is_locked=True)
        return page

    def write_records(self, path: Path) -> int:
        """Write the records of all pages to ``path``, one JSON object a line; return how many."""
        rows = 0
        with path.open("w", encoding="utf-8", errors="surrogatepass", newline="") as file:
            for record in self.records():
                file.write(line_of(record, self.api_file.columns or {}) + "\n")
                rows += 1
        return rows

    def records(self) -> Iterator[Any]:
        """Every record of the pages on disk."""
        for number, page in enumerate(self.pages_on_disk(), 1):
            what = f"{self.label}: page {number} of {shown(page.url)}"
            body = self.page_path(number).read_bytes().partition(b"\n")[2]
            yield from records_of(parsed(body, what), self.api_file.records, what)


def refuse_loop(pages: list[Page], content: str, url: str, after: str | None, what: str) -> None:
    """Raise a SourceError if a page holds the records of one before it, or leads back to one."""
    same = next((number for number, page in enumerate(pages, 1) if content == page.content), None)
    if content and same:
        raise SourceError(f"{what} holds the same records as page {same}: see to paging in the file")
    if after is not None and (after == url or any(after == page.url for page in pages)):
        raise SourceError(f"{what} leads back to a page before it: the pages never end")


def summary(pages: list[Page]) -> str:
    """How many pages and records there are."""
    records = sum(page.records for page in pages)
    return f"{len(pages):,} page{'s' * (len(pages) != 1)} with {records:,} record{'s' * (records != 1)}"


def parsed(body: bytes, what: str) -> Any:
    """The JSON value of an answer, its numbers as they are written.

    Raises
    ------
    SourceError
        It is no UTF-8, or no JSON.
    """
    try:
        return DECODER.decode(body.decode("utf-8-sig").strip())
    except UnicodeDecodeError:
        raise SourceError(f"{what} is no UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        reason = "it is a page of HTML" if body.lstrip()[:1] == b"<" else str(error)
        raise SourceError(f"{what} is no JSON: {reason}") from None


def records_of(value: Any, path: str | None, what: str) -> list[Any]:
    """The list of records in an answer.

    Raises
    ------
    SourceError
        There is none at ``path``.
    """
    records = at_path(value, path) if path else value
    if isinstance(records, list):
        return records
    where = f"at {path}" if path else "as a whole"
    names = f": it has {shortened(value)}" if isinstance(value, dict) and value else ""
    raise SourceError(f"{what} is no list {where}{names}; name the path to the list as records: in the file")


def line_of(record: Any, columns: dict[str, str]) -> str:
    """A record as a line of JSON, with ``columns`` taken from their paths."""
    text = json_text(record)
    if isinstance(record, DuplicateNames):
        # No object, so that the row is rejected like one in a file.
        return f"[{text}]"
    if not isinstance(record, dict) or not columns:
        return text
    others = {name: value for name, value in record.items() if name.strip().lower() not in columns}
    return json_text(others | {column: at_path(record, path) for column, path in columns.items()})
