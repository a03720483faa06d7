"""Which page of a JSON API comes after another: by a link, a cursor, an offset or a number.

What the file says of paging and the answer of a page come in; the address of the next page goes out.
"""

from typing import Any
from urllib.parse import unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from ml.common.errors import SourceError
from ml.ingest.api_file import HEADER, ApiFile, Page
from ml.ingest.api_requests import Answer


def first_url(api_file: ApiFile, url: str) -> str:
    """The address of the first page."""
    return numbered_url(api_file, url, [])


def next_url(
    api_file: ApiFile, first: str, url: str, answer: Answer, value: Any, counts: list[int], what: str
) -> str | None:
    """The address of the page after that at ``url``; None if it is the last.

    Parameters
    ----------
    api_file : ApiFile
    first : str
        The address without parameters of paging.
    url : str
    answer : Answer
    value : Any
        The JSON value of the answer.
    counts : list of int
        The number of records of each page up to this one.
    what : str
        The page, for messages.

    Raises
    ------
    SourceError
        The answer has something else where the address or the cursor should be.
    """
    paging = api_file.paging
    if not paging:
        return None
    if paging.link:
        link = answer.next_link if paging.link == HEADER else at_path(value, paging.link)
        if link is not None and not isinstance(link, str):
            raise SourceError(f"{what} has no address at {paging.link}: see to paging.link in the file")
        return urljoin(url, link) if link else None
    if paging.cursor:
        cursor = at_path(value, paging.cursor.path)
        if cursor is None or cursor is False or cursor == "":
            return None
        if not isinstance(cursor, str):
            raise SourceError(f"{what} has no text or number at {paging.cursor.path}: see to paging.cursor")
        return with_parameters(first, {paging.cursor.parameter: cursor})
    # A server may cap the size: so the first page says how long a full one is, and one more is asked for.
    if counts[-1] == 0 or counts[-1] < min(size_of(api_file), counts[0]):
        return None
    return numbered_url(api_file, first, counts)


def size_of(api_file: ApiFile) -> int:
    """How many records a page is asked to have; 0 if that is left to the server."""
    numbered = api_file.paging and (api_file.paging.offset or api_file.paging.page)
    return numbered.size if numbered else 0


def numbered_url(api_file: ApiFile, url: str, counts: list[int]) -> str:
    """The address of the page after pages of ``counts`` records."""
    paging = api_file.paging
    numbered = paging and (paging.offset or paging.page)
    if not numbered:
        return url
    position = numbered.first + len(counts) if isinstance(numbered, Page) else sum(counts)
    size = {numbered.size_parameter: str(numbered.size)} if numbered.size_parameter else {}
    return with_parameters(url, {numbered.parameter: str(position), **size})


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """``url`` with query parameters, in place of any of their names; the others stay as they are written."""
    pieces = urlsplit(url)
    kept = [
        pair
        for pair in pieces.query.split("&")
        if pair and unquote_plus(pair.split("=")[0]) not in parameters
    ]
    return urlunsplit(pieces._replace(query="&".join([*kept, urlencode(parameters)])))


def at_path(value: Any, path: str) -> Any:
    """The value at ``a.b.0`` below ``value``, -1 being the last of a list; None if there is none."""
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.removeprefix("-").isdecimal():
            value = value[int(name)] if -len(value) <= int(name) < len(value) else None
        else:
            return None
    return value
