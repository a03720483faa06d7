"""A MySQL or MariaDB server: the URL that names it, the connection, and its errors in one sentence."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from ml.common.errors import SourceError, UsageError

if TYPE_CHECKING:
    from pymysql.connections import Connection

SCHEMES = ("mysql", "mariadb")
PORT = 3306
PASSWORD = "MYSQL_PWD"
# Keys that a URL may have after its question mark.
TLS_AUTHORITY, SOCKET = "ssl_ca", "unix_socket"
CONNECT_SECONDS = 10
# A server that sends nothing for so long is taken for lost.
READ_SECONDS = 600
# What the server says by number, and what to do.
NO_SERVER, LOST = (2002, 2003, 2005), (2006, 2013)
ACCESS_DENIED, NO_ACCESS, NO_DATABASE = 1045, 1044, 1049
NO_RIGHT = (1142, 1143)

# The URL itself is not shown: a password may be what broke it.
UNREADABLE_URL = (
    "the URL of the database cannot be read: write mysql://USER@HOST:PORT/DATABASE, "
    "and /, #, ? and @ of a password as %2F, %23, %3F and %40"
)


@dataclass(frozen=True)
class Server:
    """Where the server is, and who asks."""

    host: str
    port: int
    user: str
    database: str
    password: str = field(repr=False)
    tls_authority: str | None = None
    unix_socket: str | None = None


def is_mysql(source: str) -> bool:
    """Whether ``source`` is the URL of a MySQL or MariaDB database."""
    scheme, separator, _ = source.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


def parse_mysql_url(url: str) -> tuple[Server, str]:
    """The server that ``url`` names, and the URL without its password for messages."""
    try:
        pieces = urlsplit(url)
        host, port = pieces.hostname or "127.0.0.1", pieces.port or PORT
    except ValueError:
        raise UsageError(UNREADABLE_URL) from None
    database = unquote(pieces.path.strip("/"))
    if not database or "/" in database or "@" in url.removeprefix(f"{pieces.scheme}://{pieces.netloc}"):
        raise UsageError(UNREADABLE_URL)
    label = without_password(pieces)
    options = dict(parse_qsl(pieces.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {TLS_AUTHORITY, SOCKET}):
        raise UsageError(
            f"{label} has {unknown[0]} after its question mark: known there are {TLS_AUTHORITY} and {SOCKET}"
        )
    authority = options.get(TLS_AUTHORITY)
    if authority is not None and not Path(authority).is_file():
        raise UsageError(f"{TLS_AUTHORITY} of {label} names {authority}, which is no file")
    password = unquote(pieces.password) if pieces.password else os.environ.get(PASSWORD, "")
    user = unquote(pieces.username or "") or os.environ.get("USER", "root")
    return Server(host, port, user, database, password, authority, options.get(SOCKET)), label


def without_password(pieces: SplitResult) -> str:
    """A URL with ``***`` in place of its password."""
    who, at, where = pieces.netloc.rpartition("@")
    user, colon, _ = who.partition(":")
    return pieces._replace(netloc=f"{user}{f'{colon}***' if colon else ''}{at}{where}").geturl()


@contextmanager
def connected(server: Server, label: str) -> Iterator["Connection[Any]"]:
    """A connection to the server; its errors become one sentence.

    Raises
    ------
    SourceError
        The driver is not installed, or the server cannot be reached or read.
    """
    try:
        import pymysql
        from pymysql.converters import encoders
    except ImportError as error:
        raise SourceError(
            "reading mysql:// needs a driver that is not installed: pip install 'tidemark[mysql]'"
        ) from error
    try:
        connection = pymysql.connect(
            host=server.host,
            port=server.port,
            user=server.user,
            password=server.password.encode(),  # as text it would have to be Latin-1
            database=server.database,
            unix_socket=server.unix_socket,
            ssl_ca=server.tls_authority,
            ssl_verify_identity=True if server.tls_authority else None,
            charset="utf8mb4",
            sql_mode="",
            conv=dict(encoders),  # no decoders: every value stays as the server writes it
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )
        with closing(connection):
            yield connection
    except pymysql.MySQLError as error:
        raise SourceError(f"{label} cannot be read: {sentence_of(error, server)}") from None
    except RuntimeError as error:
        # What the driver says when the server wants a password scrambled by RSA.
        raise SourceError(f"{label} cannot be read: {error}: pip install 'tidemark[mysql]'") from None


def sentence_of(error: Exception, server: Server) -> str:
    """What went wrong, and what to do."""
    code, text = (*error.args, "", "")[:2]
    message = " ".join(str(text or code).split())
    if code in NO_SERVER:
        return f"no server answers at {server.host}:{server.port} ({message})"
    if code == ACCESS_DENIED:
        doubt = "is it the right one?" if server.password else "none was given"
        return (
            f"the server does not let {server.user} in by its password, "
            f"which comes from the URL or {PASSWORD}: {doubt}"
        )
    if code in (NO_ACCESS, NO_DATABASE):
        return f"there is no database {server.database} that {server.user} may read"
    if code in NO_RIGHT:
        return f"{server.user} has no right to read it: {message}"
    return f"the connection was lost while it was read ({message})" if code in LOST else message


def execute(connection: "Connection[Any]", statement: str) -> Sequence[tuple[Any, ...]]:
    """Run one statement; its rows, every value as text."""
    with closing(connection.cursor()) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()
