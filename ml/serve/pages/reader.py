"""Who may see pages: without keys everyone on this machine, else the role read, by key or by cookie."""

from urllib.parse import quote

from fastapi import Request

from ml.serve.access import ADMIN, READ, Key
from ml.serve.http_errors import HttpError
from ml.serve.pages.page_frame import Frame
from ml.serve.pages.sessions import COOKIE, form_token
from ml.serve.request_middleware import check_local

REFUSED = "a key of the role {} may not see pages: sign in with a key of the role read or admin"


def check_reader(request: Request) -> None:
    """Let a request pass, or send it to the form for a key.

    Raises
    ------
    HttpError
        Nobody is signed in (303), or the key's role may not see pages (403).
    """
    doors = request.app.state.doors
    if doors.is_open:
        check_local(request)
        return
    key = doors.key_of_header(request.headers.get("authorization")) or session_key(request)
    if key is None:
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        raise HttpError(303, "sign in first", {"Location": f"/sign-in?next={quote(path, safe='')}"})
    check_role(key)


def session_key(request: Request) -> Key | None:
    """The key of the cookie's session."""
    key: Key | None = request.app.state.sessions.key_of(request.cookies.get(COOKIE))
    return key


def check_role(key: Key) -> None:
    if key.role not in (READ, ADMIN):
        raise HttpError(403, REFUSED.format(key.role))


def frame_of(request: Request, current: str = "", foot: str = "") -> Frame:
    """What surrounds a page for this reader."""
    session_id = request.cookies.get(COOKIE)
    is_signed_in = session_id and not request.app.state.doors.is_open and session_key(request) is not None
    return Frame(current, form_token(session_id) if session_id and is_signed_in else "", foot=foot)
