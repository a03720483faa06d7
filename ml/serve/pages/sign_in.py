"""The form for a key, and what follows from it: a session, or a page that says why not."""

import secrets
from urllib.parse import parse_qs, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from ml.page.document import header, join_parts, paragraph
from ml.serve.http_errors import HttpError
from ml.serve.pages.page_frame import Frame, page_response
from ml.serve.pages.reader import check_role
from ml.serve.pages.sessions import COOKIE, LASTS, form_token, is_same
from ml.serve.request_middleware import read_body

FORM_COOKIE = "churn_form"  # of the form before there is a session
FORM_MAX = 20_000  # bytes; a key and an address
FORM = Markup(
    '<form class="choices" action="/sign-in" method="post"><input type="hidden" name="token" value="{token}">'
    '<input type="hidden" name="next" value="{next}"><label class="field">Key<input name="key" '
    'type="password" required autocomplete="current-password" maxlength="200"{described}></label>'
    "<button>Sign in</button></form>"
)


def sign_in_page(request: Request, problem: str = "", next_path: str | None = None) -> Response:
    """The form; with what was wrong with the key before."""
    secret = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    described = Markup(' aria-invalid="true" aria-describedby="problem"') if problem else Markup("")
    wanted = request.query_params.get("next", "/") if next_path is None else next_path
    body = join_parts(
        header("Sign in", "Scores and customers are shown to keys of the role read or admin.", "dull"),
        Markup('<p class="breach" id="problem" role="alert">{}</p>').format(problem)
        if problem
        else Markup(""),
        FORM.format(token=form_token(secret), next=own_path(wanted), described=described),
        paragraph(f"You stay signed in for {LASTS.total_seconds() / 3600:.0f} hours, or until you sign out."),
    )
    response = page_response("Sign in", body, Frame(with_links=False), 401 if problem else 200)
    set_cookie(request, response, FORM_COOKIE, secret)
    return response


async def sign_in(request: Request) -> Response:
    """Begin a session of the key that was sent."""
    form = await read_form(request)
    check_token(form, request.cookies.get(FORM_COOKIE))
    key = request.app.state.doors.key_of(form.get("key", ""))
    if key is None:
        problem = "This key is not valid: it is misspelt, revoked or expired."
        return sign_in_page(request, problem, form.get("next", "/"))
    check_role(key)
    response = RedirectResponse(own_path(form.get("next", "/")), 303, {"Cache-Control": "no-store"})
    response.delete_cookie(FORM_COOKIE, path="/sign-in")
    set_cookie(request, response, COOKIE, request.app.state.sessions.begin(key))
    return response


async def sign_out(request: Request) -> Response:
    """End the session."""
    form, session_id = await read_form(request), request.cookies.get(COOKIE)
    if session_id:
        check_token(form, session_id)
        request.app.state.sessions.end(session_id)
    response = RedirectResponse("/sign-in", 303, {"Cache-Control": "no-store"})
    response.delete_cookie(COOKIE, path="/")
    return response


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """A cookie that no script reads and no other site sends; gone with the browser."""
    response.set_cookie(
        name,
        value,
        path="/" if name == COOKIE else "/sign-in",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def check_token(form: dict[str, str], secret: str | None) -> None:
    """Refuse a form that is not of our own page."""
    if not secret or not is_same(form.get("token", ""), form_token(secret)):
        raise HttpError(403, "this form has expired: go back, load the page again and send it once more")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each."""
    body = await read_body(request, FORM_MAX)
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError as error:
        raise HttpError(400, "this is no form of this page") from error
    return {name: values[-1] for name, values in fields.items()}


def own_path(address: str) -> str:
    """An address to go on to, if it is one of this server; else the first page."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    is_own = not parts.scheme and not parts.netloc and address.startswith("/")
    is_plain = address.isascii() and address.isprintable() and not {" ", "\\"} & {*address}
    return address if is_own and is_plain else "/"
