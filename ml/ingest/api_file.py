"""``TABLE.api.yml``: the address of a JSON API, where the records are in an answer, and how pages follow.

The file comes in, checked key by key; an ``ApiFile`` goes out, or an error with line and remedy.
"""

import hashlib
import re
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, get_type_hints
from urllib.parse import SplitResult, urlsplit

from annotated_types import Interval

from ml.common.errors import ProblemError
from ml.common.yaml_settings import Lines, Says, is_printable, read_settings, read_yaml
from ml.ingest.contract import Kind, Table

HEADER = "header"
UNITS = ("seconds", "minutes", "hours", "days", "weeks")
OVERLAP = re.compile(rf"(\d{{1,6}}) ({'|'.join(unit[:-1] for unit in UNITS)})s?")

Text = Annotated[str, is_printable, Says("a text in one line")]
Address = Annotated[str, is_printable, Says("an address such as https://shop.example/api/orders")]
RecordPath = Annotated[str, is_printable, Says("a path in the answer, such as data.orders")]
Columns = Annotated[dict[str, str], Says("a mapping of columns to paths, such as customer_id: customer.id")]
Variable = Annotated[str, is_printable, Says("the name of a variable of the environment")]
Size = Annotated[int, Interval(ge=1, le=100_000)]
FirstPage = Annotated[int, Interval(ge=0, le=1)]


@dataclass(frozen=True)
class Cursor:
    """The next page is asked for by a text of this one."""

    path: RecordPath
    parameter: Text


@dataclass(frozen=True)
class Offset:
    """The next page is asked for by the number of records before it."""

    parameter: Text
    size: Size
    size_parameter: Text | None = None


@dataclass(frozen=True)
class Page(Offset):
    """The next page is asked for by its number."""

    first: FirstPage = 1


# Fields without a value are None; a union would hide their keys from read_settings.
@dataclass(frozen=True)
class Paging:
    """How pages follow; one of the four."""

    link: Annotated[str, is_printable, Says("header, or the path to the next address in the answer")] = None  # type: ignore[assignment]
    cursor: Cursor = None  # type: ignore[assignment]
    offset: Offset = None  # type: ignore[assignment]
    page: Page = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Since:
    """The parameter that asks for records changed since the newest one that was loaded."""

    parameter: Text
    column: Text
    overlap: Annotated[str, is_printable, Says("a number and a unit, such as 2 days")]

    @property
    def span(self) -> timedelta:
        match = OVERLAP.fullmatch(self.overlap)
        return timedelta(**{f"{match[2]}s": int(match[1])}) if match else timedelta(0)


@dataclass(frozen=True)
class ApiFile:
    """The content of one ``TABLE.api.yml``."""

    url: Address
    records: RecordPath | None = None
    columns: Columns = None  # type: ignore[assignment]
    paging: Paging = None  # type: ignore[assignment]
    token_env: Variable | None = None
    token_header: Text | None = None
    since: Since = None  # type: ignore[assignment]


def read_api_file(path: Path, label: str, table: Table) -> tuple[ApiFile, str]:
    """The settings in ``path``, and the hash of the file.

    Raises
    ------
    ProblemError
        It is no YAML, or a key or value does not fit; the message names line and remedy.
    """
    node = read_yaml(path)
    values, lines = read_settings(node, ApiFile, label)
    check = Checks(label, lines)
    check.required(ApiFile, values, ("url",))
    check.required(Cursor, values.get("paging", {}).get("cursor"), ("path", "parameter"), "paging.cursor.")
    check.required(Offset, values.get("paging", {}).get("offset"), ("parameter", "size"), "paging.offset.")
    check.required(Page, values.get("paging", {}).get("page"), ("parameter", "size"), "paging.page.")
    check.required(Since, values.get("since"), ("parameter", "column", "overlap"), "since.")
    api_file: ApiFile = built(ApiFile, values)
    check.address(api_file)
    check.paging(api_file)
    check.columns(api_file, table)
    return api_file, hashlib.sha256(path.read_bytes()).hexdigest()


def built(shape: Any, values: dict[str, Any]) -> Any:
    """The dataclass ``shape`` with ``values``, dataclasses in it too."""
    types = get_type_hints(shape)
    return shape(
        **{
            key: built(types[key], value) if is_dataclass(types[key]) else value
            for key, value in values.items()
        }
    )


@dataclass(frozen=True)
class Checks:
    """What the keys of a file must say together."""

    file: str
    lines: Lines

    def error(self, key: str, what: str, remedy: str) -> ProblemError:
        """A ProblemError with the line of ``key``."""
        return ProblemError(f"{self.file}, line {self.lines.get(key, 1)}: {what}; {remedy}")

    def required(
        self, shape: type, values: dict[str, Any] | None, keys: tuple[str, ...], above: str = ""
    ) -> None:
        """Check that all ``keys`` of a mapping are there."""
        for key in keys if values is not None else ():
            if key not in (values or {}):
                what = f"{above}{key} is missing" if above else f"the file says no {key}"
                raise self.error(above.rstrip("."), what, f"add {key}: see docs/json-api.md")

    def address(self, api_file: ApiFile) -> None:
        """Check that the address is one of the web, without a password, and safe for a token."""
        try:
            pieces = urlsplit(api_file.url)
            is_address = (
                pieces.scheme in ("http", "https") and bool(pieces.hostname) and (pieces.port or 1) > 0
            )
        except ValueError:
            is_address = False
        # The address is not repeated in these messages: it may hold a secret.
        if not is_address or " " in api_file.url:
            raise self.error("url", "url is no address of the web", "write https://HOST/PATH")
        if pieces.username is not None or pieces.password is not None:
            raise self.error(
                "url", "url holds a user or password", "take it out, and name a token by token_env"
            )
        if pieces.fragment:
            raise self.error("url", "url has a part after #, which no server sees", "remove it")
        if api_file.token_header and not api_file.token_env:
            raise self.error("token_header", "token_header is there without token_env", "add token_env")
        if api_file.token_env and pieces.scheme == "http" and not is_loopback(pieces):
            raise self.error(
                "url",
                f"a token would go to {pieces.hostname} unencrypted over http",
                "write https:// instead",
            )

    def paging(self, api_file: ApiFile) -> None:
        """Check that pages follow in one way."""
        if "paging" not in self.lines:
            return
        kinds = [key for key in ("link", "cursor", "offset", "page") if getattr(api_file.paging, key)]
        if len(kinds) != 1:
            what = f"paging says {' and '.join(kinds)}" if kinds else "paging says nothing"
            raise self.error("paging", what, "keep one of link, cursor, offset and page")

    def columns(self, api_file: ApiFile, table: Table) -> None:
        """Check that the columns are declared, and that of ``since`` is an instant."""
        kinds = {column.name: column.kind for column in table.columns}
        for name in api_file.columns or {}:
            self.declared("columns", name, table)
        if not api_file.since:
            return
        name = api_file.since.column
        self.declared("since.column", name, table)
        if kinds[name] is not Kind.INSTANT:
            instants = ", ".join(table.instants)
            raise self.error(
                "since.column", f"{name} of {table.name} is no instant", f"it must be one of {instants}"
            )
        if not OVERLAP.fullmatch(api_file.since.overlap):
            raise self.error(
                "since.overlap",
                f"since.overlap is {api_file.since.overlap!r}",
                f"it must be a whole number and one of {', '.join(UNITS)}, such as 2 days",
            )

    def declared(self, key: str, name: str, table: Table) -> None:
        """Check that ``table`` has the column ``name``."""
        if name not in table.names:
            similar = get_close_matches(name, table.names, 1)
            remedy = f"did you mean {similar[0]}?" if similar else f"declared are {', '.join(table.names)}"
            raise self.error(key, f"{table.name} has no column {name}", remedy)


def is_loopback(pieces: SplitResult) -> bool:
    """Whether an address is of this machine."""
    host = pieces.hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
