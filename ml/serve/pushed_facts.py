"""Facts over HTTP: ``POST /v1/facts`` is ``churn push``; the next score makes those it touches anew."""

import re
from typing import Any

from ml.common.errors import SourceError
from ml.home.layout import Home
from ml.journal import push
from ml.serve.http_errors import HttpError

KEY = re.compile(r"[\x20-\x7e]{1,255}")
FACTS_SCHEMA = {
    "type": "string",
    "description": 'JSON lines, each {"table": "orders", ...} with the columns of one raw row',
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "The same facts with one key count once, and get the same answer; by default their hash",
}


def idempotency_key(given: str | None) -> str | None:
    """The key of a header.

    Raises
    ------
    HttpError
        It is empty, too long, or has other than printable characters (422).
    """
    if given is not None and not KEY.fullmatch(given):
        raise HttpError(422, "Idempotency-Key has 1 to 255 printable characters of ASCII")
    return given


def push_facts(content: bytes, table: str | None, key: str | None, home: Home) -> dict[str, Any]:
    """What became of each line.

    Raises
    ------
    HttpError
        The lines together cannot be read: one column under two names, for one (422).
    """
    try:
        return push(content, table=table, key=key, home=home)
    except SourceError as error:
        raise HttpError(422, str(error)) from error
