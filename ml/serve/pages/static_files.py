"""The style sheet and the icon: the only files of the page beside its HTML, both from memory."""

import hashlib

from fastapi.responses import Response

from ml.page.style import CSS, PLOTS

YEAR = 31_536_000  # seconds; the style sheet's name changes with its content
PAGES = """
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: .5rem; background: var(--ground); padding: .5rem; z-index: 1; }
:focus-visible { outline: .15rem solid var(--a); outline-offset: .1rem; }
.top { display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; padding-bottom: .75rem;
  margin-bottom: 1.25rem; border-bottom: 1px solid var(--line); }
.top nav { margin: 0; font-size: 1rem; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; }
.top nav a { margin: 0; padding: .25rem 0; text-decoration: none; }
.top nav a:hover, .top nav a[aria-current] { text-decoration: underline; text-underline-offset: .3rem;
  text-decoration-thickness: .15rem; }
.top nav a[aria-current] { font-weight: 600; }
.top form { margin: 0; } .top form.find { margin-left: auto; }
.foot { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--line); }
body.wide .foot p { max-width: none; }
form.choices { display: flex; flex-wrap: wrap; gap: .6rem 1rem; align-items: end; margin: 1rem 0; }
form.find, form.day { display: flex; gap: .4rem; align-items: end; }
.field { display: flex; flex-direction: column; font-size: .82rem; color: var(--soft); gap: .15rem;
  min-width: 0; }
input, select, button { font: inherit; font-size: .95rem; color: var(--ink); background: var(--ground);
  border: 1px solid var(--soft); border-radius: .25rem; padding: .3rem .5rem; min-height: 2.25rem;
  max-width: 100%; }
.tick { display: flex; gap: .5rem; align-items: center; flex-basis: 100%; }
.tick input { width: 1.2rem; height: 1.2rem; min-height: 0; }
input[type=number] { width: 6rem; } .choices input[type=search] { width: 9rem; }
button { background: var(--panel); cursor: pointer; } button:hover { border-color: var(--ink); }
.actions { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .5rem 0; }
.pages { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; align-items: baseline; margin: 1rem 0; }
th a { color: inherit; } th[aria-sort] a { color: var(--ink); font-weight: 600; }
tr.limit-line td { border-bottom: .2rem solid var(--b); border-top: 0; color: var(--ink); font-weight: 600;
  padding: .5rem 0; white-space: normal; }
.risk { font-weight: 600; } .risk.high { color: var(--bad); } .risk.medium { color: var(--dull); }
.risk.low { color: var(--good); }
.key { font-family: ui-monospace, monospace; font-size: .9em; white-space: pre-wrap;
  overflow-wrap: anywhere; }
table.rows td.key { white-space: pre-wrap; min-width: 10ch; }
table.rows td.instant { white-space: nowrap; }
time { white-space: nowrap; } pre { white-space: pre-wrap; } .verdict p { margin-bottom: 0; }
details > summary { padding: .35rem 0; } details > summary > h3 { display: inline; }
.note { border-left: .25rem solid var(--dull); padding: .1rem .75rem; margin: .75rem 0; }
.scroll { overflow-x: auto; }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
@media (max-width: 40rem) {
  .top form.find { margin-left: 0; width: 100%; } .top form.find .field { flex: 1; }
  form.choices .field { flex: 1 1 40%; } .choices .field input { width: 100%; }
  table.rows td { overflow-wrap: anywhere; }
  table.rows tr.limit-line td { display: block; }
  table.rows td.key { font-size: 1rem; }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .35rem; }
}
@media print { .top, .pages, form, .actions, .foot { display: none; } }
"""
STYLE = (CSS + PLOTS + PAGES).encode()
ICON = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3"
fill="#2f6f9f"/><path d="M2 10c2-3 4-3 6 0s4 3 6 0" fill="none" stroke="#fff" stroke-width="2"/></svg>"""


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


STYLE_NAME, ICON_NAME = f"style-{hash_of(STYLE)}.css", f"icon-{hash_of(ICON)}.svg"
FILES = {STYLE_NAME: (STYLE, "text/css; charset=utf-8"), ICON_NAME: (ICON, "image/svg+xml")}


def static_file(name: str, if_none_match: str) -> Response | None:
    """The file of a name, or that the browser's copy is current; None for any other name."""
    if name not in FILES:
        return None
    content, media_type = FILES[name]
    tag = f'"{hash_of(content)}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={YEAR}, immutable"}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
