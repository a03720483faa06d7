"""``churn audit``."""

import sys
from typing import Any

import click

from ml.cli.command import Run, as_text, churn_command, problem_option


@click.command(name="audit")
@click.option("--seconds", type=float, default=120, show_default=True, help="Time for all checks together.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed draws the same samples.")
@click.option("--check", "only", multiple=True, metavar="NAME", help="Run only this check; may be repeated.")
@click.option("--out", type=click.Path(dir_okay=False), help="Page to write (default audit/<build>.html).")
@problem_option
@churn_command
def command(
    run: Run, seconds: float, seed: int, only: tuple[str, ...], out: str | None, problem: str | None
) -> None:
    """Prove on the data at hand that features keep to the past and nothing is lost.

    It builds samples again with a poisoned future and as of past instants, and compares them cell by
    cell with the published build. It also compares that build with the previous one and offline with online
    values, and checks labels, windows and counts. The status is 1 on a breach, or if something that exists
    could not be checked.

    \b
    Example:
      churn audit --seconds 300 --seed 1
    """
    from ml.audit.all_checks import audit

    result = audit(
        home=run.home,
        seconds=seconds,
        seed=seed,
        problem=problem,
        only=only,
        out=out,
        progress=run.progress,
    )
    run.finish(result, summary(result))
    sys.exit(1 if result["failed"] or any(check["breaches"] for check in result["checks"]) else 0)


def summary(result: dict[str, Any]) -> str:
    """The checks as a table, then every breach and note in a sentence."""
    head = (
        f"{result['build_id']}, data clock {result['data_clock']}, seed {result['seed']}, "
        f"{result['seconds']:.0f} s"
    )
    lines = [head, "", *(line_of(check) for check in result["checks"]), ""]
    for check in result["checks"]:
        lines += check_lines(check)
    return "\n".join([*lines, "", conclusion(result), *overrun(result), f"wrote {result['page']}"])


def overrun(result: dict[str, Any]) -> list[str]:
    """A line if the audit took longer than requested, with the checks that did."""
    if result["seconds"] <= result["seconds_asked"]:
        return []
    late = [check for check in result["checks"] if check["check"] in result["overran"]]
    checks = [f"{check['check']} {check['seconds']:.1f} s of {check['allowed']:.1f} s" for check in late]
    message = f"took {result['seconds']:.1f} s, longer than the {result['seconds_asked']:g} s asked"
    why = "samples have a least size, and what has begun, such as a run of dbt, is not cut off"
    return [f"{message}: {', '.join(checks)}; {why}" if checks else message]


def line_of(check: dict[str, Any]) -> str:
    """One check: its state, the number of comparisons, its sample, its seconds."""
    compared = "" if check["skipped"] else f"{check['compared']:,d} {check['what']}"
    sample = check["skipped"] or check["sampled"] or "everything"
    return f"{check['check']:<10s} {state(check):<12s} {compared:>24s} {check['seconds']:>7.1f} s  {sample}"


def state(check: dict[str, Any]) -> str:
    """passed, BREACH, FAILED or NOT CHECKED."""
    if check["breaches"] or check["failed"]:
        return "BREACH" if check["breaches"] else "FAILED"
    return "NOT CHECKED" if check["skipped"] else "passed"


def check_lines(check: dict[str, Any]) -> list[str]:
    """The breaches and notes of one check."""
    lines = [f"  BREACH: {breach['what']}{example_of(breach)}" for breach in check["breaches"]]
    lines += [f"  note: {note}" for note in check["notes"]]
    return [f"{check['check']}: {check['detail']}", *lines] if lines or not check["skipped"] else []


def example_of(breach: dict[str, Any]) -> str:
    """One case of a breach, in brackets."""
    text = ", ".join(f"{name} {value_text(value)}" for name, value in breach["example"].items())
    return f" ({text})" if text else ""


def value_text(value: Any) -> str:
    return "null" if value is None else as_text(value)


def conclusion(result: dict[str, Any]) -> str:
    """The result of the whole audit."""
    broken = [check["check"] for check in result["checks"] if check["breaches"]]
    text = f"BREACH in {', '.join(broken)}" if broken else "no breach"
    unchecked = [name for name in result["not_checked"] if name not in result["failed"]]
    if result["failed"]:
        text += f"; COULD NOT BE CHECKED: {', '.join(result['failed'])}"
    return text + (f"; NOT CHECKED: {', '.join(unchecked)}" if unchecked else "")
