"""The audit as one HTML page that needs nothing else: verdict, checks, every breach with a case of it.

The result of ``run.audit`` comes in, as plain values; a file goes out.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ml.audit.drawing import draw, of_breaches
from ml.page.document import write_whole
from ml.page.style import CSS

Result = Mapping[str, Any]
PROVES = {
    "poison": "No future: absurd facts known only later move nothing before.",
    "replay": "Replay: what is looked up for a past instant is what would have been built then.",
    "history": "History stands still: newer data changes no row at or before the older data clock.",
    "online": "Offline is online: the store holds what the build says at the materialized instant.",
    "ledger": "Nothing lost: rows read, customers built, rows asked are all accounted for.",
    "clocks": "Clocks: no label beyond the orders delivered, no input without a clock.",
    "labels": "Labels see only the future, features only the past, to the microsecond.",
    "windows": "No frozen window: after silence longer than its window a feature is empty.",
    "stand-ins": "No stand-in: no single feature tells the label as good as says it.",
}
STATES = {"good": "passed", "bad": "BREACH", "dull": "not checked"}
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<header class="verdict {tone}">
<h1>{verdict}</h1>
<p class="soft">{about}</p>
</header>
<table class="checks">
<thead><tr><th>check</th><th>result</th><th class="number">compared</th><th class="number">seconds</th>
<th>looked at</th></tr></thead>
<tbody>{rows}</tbody>
</table>
{sections}
</body>
</html>
"""
ROW = """
<tr class="{tone}"><td><a href="#{name}">{name}</a></td><td class="state">{state}</td>
<td class="number">{compared}</td><td class="number">{seconds:.1f} s</td>
<td class="long">{sampled}</td></tr>"""
SECTION = """
<section id="{name}" class="{tone}">
<h2>{name} <span class="state">{state}</span></h2>
<p class="soft">{proves}</p>
{detail}{breaches}{notes}{picture}
</section>"""


def write_page(result: Result, file: Path) -> None:
    """Write the page; it is there whole or not at all."""
    write_whole(file, page(result))


def page(result: Result) -> str:
    """The page as text."""
    tone, verdict = verdict_of(result)
    return PAGE.format(
        title=escape(f"Audit of {result['build_id']}: {verdict}"),
        css=CSS,
        tone=tone,
        verdict=escape(verdict),
        about=escape(about(result)),
        rows="".join(table_row(check) for check in result["checks"]),
        sections="".join(section(check, result["data_clock"]) for check in result["checks"]),
    )


def verdict_of(result: Result) -> tuple[str, str]:
    """How the page is toned, and its one sentence."""
    checks = result["checks"]
    breached = [check["check"] for check in checks if check["breaches"]]
    skipped = [check["check"] for check in checks if tone_of(check) == "dull"]
    if breached:
        return "bad", f"{listed(breached)}: the contract does not hold"
    if len(skipped) == len(checks) and not any(check["failed"] for check in checks):
        return "dull", "Nothing could be checked"
    if failures := [check["check"] for check in checks if check["failed"]]:
        return "bad", f"{listed(failures)}: could not be checked, though there is something to check"
    if skipped:
        return "dull", f"No breach, but not checked: {listed(skipped)}"
    return "good", f"The contract holds in all {len(checks)} checks" if len(
        checks
    ) > 1 else "The check passed"


def listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def about(result: Result) -> str:
    """Of what, when, with which seed."""
    compared = sum(check["compared"] for check in result["checks"])
    return (
        f"{result['build_id']} from {result['load_id']}, data clock {result['data_clock']}; audited "
        f"{result['audited_at']} in {result['seconds']:.0f} s, {compared:,} cells and rows compared; samples "
        f"drawn with seed {result['seed']}"
    )


def tone_of(check: Result) -> str:
    """good, bad or dull."""
    if check["breaches"]:
        return "bad"
    return "dull" if check["skipped"] else "good"


def table_row(check: Result) -> str:
    """One check in the table."""
    tone = tone_of(check)
    return ROW.format(
        tone=tone,
        name=escape(check["check"]),
        state=STATES[tone],
        compared="" if check["skipped"] else f"{check['compared']:,} {escape(check['what'])}",
        seconds=check["seconds"],
        sampled=escape(check["skipped"] or check["sampled"] or "everything"),
    )


def section(check: Result, now: str) -> str:
    """One check in full."""
    tone = tone_of(check)
    picture = check.get("picture") or of_breaches(check["breaches"], now)
    return SECTION.format(
        name=escape(check["check"]),
        tone=tone,
        state=STATES[tone],
        proves=escape(PROVES.get(check["check"], "")),
        detail=f"<p>{escape(sentence(check['detail']))}</p>" if check["detail"] else "",
        breaches="".join(breach_block(breach) for breach in check["breaches"]),
        notes="".join(f'<p class="soft">Note: {escape(note)}</p>' for note in check["notes"]),
        picture=draw(picture) if picture else "",
    )


def sentence(text: str) -> str:
    """A text as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def times(count: int) -> str:
    """How often something was seen."""
    return "once" if count == 1 else f"{count:,} times"


def breach_block(breach: Result) -> str:
    """One breach: what, how often, one case."""
    case = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape('null' if value is None else str(value))}</dd>"
        for name, value in {**breach["example"], "seen": times(breach["count"])}.items()
    )
    return f'<div class="breach"><p>{escape(breach["what"])}</p><dl>{case}</dl></div>'
