"""The audit as one HTML page that needs no other file: outcome, checks, every breach with a case of it.

The result of ``all_checks.audit`` comes in, as plain values; a file goes out.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ml.audit.pictures import draw, picture_of_breaches
from ml.page.document import write_whole
from ml.page.style import CSS

Result = Mapping[str, Any]
STATEMENTS = {
    "poison": "No future: absurd facts known only later move nothing before.",
    "replay": "Replay: what is looked up for a past instant is what would have been built then.",
    "history": "History stands still: newer data changes no row at or before the older data clock.",
    "online": "Offline is online: the store holds what the build says at the materialized instant.",
    "ledger": "Nothing lost: rows read, customers built and entity rows are all accounted for.",
    "clocks": "Clocks: no label beyond the orders delivered, no input without a clock.",
    "labels": "Labels see only the future, features only the past, to the microsecond.",
    "windows": "No frozen window: after silence longer than its window a feature is empty.",
    "stand-ins": "No stand-in: no single feature all but gives the label away.",
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
<h1>{outcome}</h1>
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
    """Write the page, whole or not at all."""
    write_whole(file, page(result))


def page(result: Result) -> str:
    """The page as text."""
    tone, outcome = outcome_of(result)
    compared = sum(check["compared"] for check in result["checks"])
    about = (
        f"{result['build_id']} from {result['load_id']}, data clock {result['data_clock']}; audited "
        f"{result['audited_at']} in {result['seconds']:.0f} s, {compared:,} cells and rows compared; samples "
        f"drawn with seed {result['seed']}"
    )
    return PAGE.format(
        title=escape(f"Audit of {result['build_id']}: {outcome}"),
        css=CSS,
        tone=tone,
        outcome=escape(outcome),
        about=escape(about),
        rows="".join(table_row(check) for check in result["checks"]),
        sections="".join(section(check, result["data_clock"]) for check in result["checks"]),
    )


def outcome_of(result: Result) -> tuple[str, str]:
    """The tone of the page, and its one sentence."""
    checks = result["checks"]
    breached = [check["check"] for check in checks if check["breaches"]]
    skipped = [check["check"] for check in checks if tone_of(check) == "dull"]
    failures = [check["check"] for check in checks if check["failed"]]
    if breached:
        return "bad", f"{name_list(breached)}: the contract does not hold"
    if failures:
        return "bad", f"{name_list(failures)}: could not be checked, though there is something to check"
    if len(skipped) == len(checks):
        return "dull", "Nothing could be checked"
    if skipped:
        return "dull", f"No breach, but not checked: {name_list(skipped)}"
    is_several = len(checks) > 1
    return "good", f"The contract holds in all {len(checks)} checks" if is_several else "The check passed"


def name_list(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def tone_of(check: Result) -> str:
    if check["breaches"]:
        return "bad"
    return "dull" if check["skipped"] else "good"


def table_row(check: Result) -> str:
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
    """One check in full; its detail begins with a capital and ends with a full stop."""
    tone, detail = tone_of(check), check["detail"]
    picture = check.get("picture") or picture_of_breaches(check["breaches"], now)
    return SECTION.format(
        name=escape(check["check"]),
        tone=tone,
        state=STATES[tone],
        proves=escape(STATEMENTS.get(check["check"], "")),
        detail=f"<p>{escape(detail[:1].upper() + detail[1:].rstrip('.'))}.</p>" if detail else "",
        breaches="".join(breach_block(breach) for breach in check["breaches"]),
        notes="".join(f'<p class="soft">Note: {escape(note)}</p>' for note in check["notes"]),
        picture=draw(picture) if picture else "",
    )


def breach_block(breach: Result) -> str:
    times = "once" if breach["count"] == 1 else f"{breach['count']:,} times"
    case = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape('null' if value is None else str(value))}</dd>"
        for name, value in {**breach["example"], "seen": times}.items()
    )
    return f'<div class="breach"><p>{escape(breach["what"])}</p><dl>{case}</dl></div>'
