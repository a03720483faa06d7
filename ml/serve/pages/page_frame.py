"""What every page has: head, links, footer, and the headers that let the browser do nothing else.

Plots place their texts by style attributes, which the policy refuses. They become rules of one style element,
whose hash the policy names.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi.responses import Response
from markupsafe import Markup

from ml.page.bars import EMPTY
from ml.page.document import join_parts
from ml.serve.pages.static_files import ICON_NAME, STYLE_NAME

LINKS = {
    "/": "Overview",
    "/customers": "Customers",
    "/segments": "Segments",
    "/model": "Model",
    "/data": "Data",
    "/monitoring": "Monitoring",
}
STYLE_ATTRIBUTE = re.compile(r' style="([^"]*)"')  # escaped text has no such quotes
PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} – Tidemark</title>
<link rel="stylesheet" href="/static/{style}">
<link rel="icon" href="/static/{icon}" type="image/svg+xml">
{rules}</head>
<body class="wide">
<a class="skip" href="#content">Skip to the content</a>
<div class="top" role="banner">{top}</div>
<main id="content" tabindex="-1">
{body}
</main>
{foot}
</body>
</html>
""")
FIND = Markup(
    '<form class="find" role="search" action="/customer" method="get"><label class="field">Customer key'
    '<input name="id" type="search" required autocomplete="off" maxlength="10240"></label>'
    "<button>Show</button></form>"
)
SIGN_OUT = Markup(
    '<form action="/sign-out" method="post"><input type="hidden" name="token" value="{}">'
    "<button>Sign out</button></form>"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
POLICY = (
    "default-src 'none'; style-src {styles}; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)


@dataclass(frozen=True)
class Frame:
    """What surrounds a page.

    Parameters
    ----------
    current : str
        The address among ``LINKS`` under which the page stands.
    token : str
        The form token of who is signed in by a cookie; empty for others.
    with_links : bool
        Whether the reader may follow the links.
    foot : str
        What the page was made from.
    """

    current: str = ""
    token: str = ""
    with_links: bool = True
    foot: str = ""


def page_response(
    title: str,
    body: Markup,
    frame: Frame,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A page as an answer, with its policy."""
    foot = Markup('<footer class="foot soft"><p>{}</p></footer>').format(frame.foot) if frame.foot else EMPTY
    body_text, rules = without_style_attributes(str(body))
    text = PAGE.format(
        title=title,
        style=STYLE_NAME,
        icon=ICON_NAME,
        rules=Markup("<style>{}</style>\n").format(Markup(rules)) if rules else EMPTY,
        top=top_of(frame),
        body=Markup(body_text),
        foot=foot,
    )
    styles = f"'self' '{hash_source(rules)}'" if rules else "'self'"
    policy = {"Content-Security-Policy": POLICY.format(styles=styles)}
    content = str(text).encode("utf-8", "replace")
    return Response(
        content, status, {**HEADERS, **policy, **(headers or {})}, media_type="text/html; charset=utf-8"
    )


def top_of(frame: Frame) -> Markup:
    """The links, the search, and the way out."""
    if not frame.with_links:
        return Markup("<span>Tidemark</span>")
    links = (
        Markup('<a href="{}"{}>{}</a>').format(
            address, Markup(' aria-current="page"') if address == frame.current else EMPTY, name
        )
        for address, name in LINKS.items()
    )
    nav = Markup('<nav aria-label="Pages">{}</nav>').format(EMPTY.join(links))
    return join_parts(nav, FIND, SIGN_OUT.format(frame.token) if frame.token else EMPTY)


def without_style_attributes(html: str) -> tuple[str, str]:
    """The HTML with a number in place of each style attribute, and the rules of these numbers."""
    numbers: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        return f' data-rule="{numbers.setdefault(match[1], len(numbers))}"'

    text = STYLE_ATTRIBUTE.sub(numbered, html)
    return text, "".join(f'[data-rule="{number}"]{{{rule}}}' for rule, number in numbers.items())


def hash_source(rules: str) -> str:
    """The source of a style element in a policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(rules.encode()).digest()).decode()}"
